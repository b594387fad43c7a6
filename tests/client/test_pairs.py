"""Servers as pairs of streams: what is given, and how it is checked.

That they reach real servers is tested in `tests/live/test_pairs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import mcp_django
from mcp_django import (
    ConnectFailed,
    sse_client,
    stdio_client,
    streamable_http_client,
    websocket_client,
)

BAD_ARGUMENTS: dict[str, tuple[Callable[[], Any], str]] = {
    "a command in one text": (
        lambda: stdio_client("python server.py"),
        "command must be a list of strings, such as ['python', 'server.py'], not "
        "'python server.py'",
    ),
    "no command": (
        lambda: stdio_client([]),
        "command must be a list of strings, such as ['python', 'server.py'], not []",
    ),
    "two credentials": (
        lambda: sse_client("http://x/sse", token="a", headers={"Authorization": "b"}),
        "give token or the header Authorization, not both: one would get lost",
    ),
    "an empty token": (
        lambda: streamable_http_client("http://x/mcp", token=""),
        "token is empty, or no text; is its variable set?",
    ),
}


@pytest.mark.parametrize(("make", "text"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_argument_that_cannot_be_right_is_refused_at_once(
    make: Callable[[], Any], text: str
) -> None:
    """Our choice: before anything is opened, as for `Client`."""
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    assert str(caught.value) == text


async def test_program_that_cannot_be_started_is_told() -> None:
    """Our choice: as for the transport itself."""
    with pytest.raises(ConnectFailed, match="cannot start '/no/such/program'"):
        async with stdio_client(["/no/such/program"]):
            raise AssertionError("it has started")


async def test_websocket_that_is_not_there_is_told() -> None:
    """Our choice: as for the transport itself."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    await listener.aclose()
    with pytest.raises(ConnectFailed):
        async with websocket_client(f"ws://127.0.0.1:{port}/mcp", token="secret"):
            raise AssertionError("it is connected")


def test_each_is_imported_from_the_package() -> None:
    """We promise it: one import each."""
    names = {
        "sse_client",
        "stdio_client",
        "stdio_server",
        "streamable_http_client",
        "websocket_client",
    }
    assert names <= set(mcp_django.__all__)
