"""What receivers of `session_opened` and `session_closed` hear, over every binding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from mcp_django.signals import session_closed, session_opened
from tests.interaction import features
from tests.interaction.bindings import STAFF
from tests.interaction.client import BOUND
from tests.interaction.conftest import Connect
from tests.interaction.ways import Way

BINDINGS = {
    "http": "streamable-http",
    "sse": "sse",
    "websocket": "websocket",
    "stdio": "stdio",
    "memory": "memory",
    "socket": "custom",
}


@contextmanager
def hearing() -> Iterator[list[dict[str, Any]]]:
    """Note what is told, in order."""
    heard: list[dict[str, Any]] = []

    def hear(**named: Any) -> None:
        heard.append(named)

    for signal in (session_opened, session_closed):
        signal.connect(hear, sender=features.server)
    try:
        yield heard
    finally:
        for signal in (session_opened, session_closed):
            signal.disconnect(hear, sender=features.server)


async def test_each_session_is_opened_and_closed_once(
    connect: Connect, way: Way
) -> None:
    """We promise it: in every era, and none where there are none."""
    with hearing() as heard:
        async with connect(user=STAFF) as client:
            await client.call("double", {"number": 21})
            await client.call("double", {"number": 21})
            opened = len(heard)
        if way.is_modern and way.binding == "http":
            assert heard == []
            return
        assert opened == 1
        with anyio.fail_after(BOUND):
            while len(heard) < 2:
                await anyio.lowlevel.checkpoint()
    begin, end = heard
    assert begin["signal"] is session_opened
    assert end["signal"] is session_closed
    told = {
        "sender": features.server,
        "session": begin["session"],
        "user": STAFF,
        "client_info": begin["client_info"],
        "protocol_version": way.version,
        "binding": BINDINGS[way.binding],
    }
    assert begin == {"signal": session_opened, **told}
    assert begin["client_info"].name == "scenario"
    whys = {"http": "client", "websocket": "client"}
    assert end == {
        "signal": session_closed,
        **told,
        "why": whys.get(way.binding, end["why"]),
        "seconds": end["seconds"],
    }
    assert end["why"] in ("client", "disconnected")
    assert 0 <= end["seconds"] < BOUND
