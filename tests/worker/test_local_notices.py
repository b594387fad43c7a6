"""Change notices for the clients of one worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.exchanges.open_sessions import HTTPSessions
from mcp_django.server.notices import Notice
from mcp_django.sessions.registry import Registry
from mcp_django.worker.local_notices import LocalNotices
from mcp_django.worker.relay import Relay
from mcp_django.worker.tasks import LoopTasks
from tests.exchanges.http_sessions import open_session
from tests.worker.layers import until


class Listener:
    """Somebody who notes what it is told."""

    def __init__(self, server: Server, *uris: str) -> None:
        self.server = server
        self.uris = uris
        self.told: list[Notice] = []

    async def notify(self, notice: Notice) -> None:
        self.told.append(notice)

    async def recheck(self) -> None: ...


class Stream:
    """A standalone stream that notes what it is told."""

    opened_at = (0.0, "")

    def __init__(self, server: Server) -> None:
        self.server = server
        self.told: list[Notice] = []
        self.times = 0

    def put(self, notice: Notice) -> None:
        self.told.append(notice)

    async def tell_everything(self) -> None:
        self.times += 1

    async def recheck(self) -> None: ...

    async def displace(self) -> None: ...

    async def close(self) -> None: ...


class Site:
    """What one worker has open."""

    def __init__(self, tasks: LoopTasks) -> None:
        self.listeners: set[Any] = set()
        relay = Relay(
            None,
            find=Registry().find,
            on_notice=lambda server_name, notice: None,
            take_answer=lambda *answer: self.http.take_answer(*answer),
            on_told=lambda told: None,
        )
        self.http = HTTPSessions(relay, lambda c: tasks.start(c, lambda: None))
        self.notices = LocalNotices(
            self.listeners, self.http, lambda c: tasks.start(c, lambda: None)
        )


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    tasks = LoopTasks()
    yield Site(tasks)
    await tasks.end()


@pytest.fixture
def server() -> Server:
    server = Server("shop")
    server.tool(name="look")(lambda: "looked")
    return server


async def test_those_who_listen_to_a_server_are_told_once_of_a_flood(
    site: Site, server: Server
) -> None:
    """Our choice: notices say only that something changed."""
    listener, stranger = Listener(server), Listener(Server("other"))
    stream = Stream(server)
    site.listeners |= {listener, stranger}
    await site.http.add_stream(open_session(), stream)
    for _ in range(100):
        site.notices.put("shop", Notice("tools"))
    site.notices.put("nobody's", Notice("tools"))
    await until(lambda: bool(listener.told) and bool(stream.told))
    assert listener.told == stream.told == [Notice("tools")]
    assert stranger.told == []


async def test_when_notices_were_lost_everything_may_have_changed(
    site: Site, server: Server, settings: Settings
) -> None:
    """Our choice: clients read again; at most every `RECHECK_SECONDS`."""
    settings.MCP = {"RECHECK_SECONDS": 0.2}
    listener, stream = Listener(server, "shop://a", "shop://b"), Stream(server)
    site.listeners.add(listener)
    await site.http.add_stream(open_session(), stream)
    for _ in range(10):
        site.notices.put_everything()
    await until(lambda: stream.times == 1 and len(listener.told) >= 3)
    assert Notice("tools") in listener.told
    assert {notice.subject for notice in listener.told} >= {"shop://a", "shop://b"}
    begun = asyncio.get_running_loop().time()
    site.notices.put_everything()
    await until(lambda: stream.times == 2)
    assert asyncio.get_running_loop().time() - begun > 0.1
