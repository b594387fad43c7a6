"""What makes way for one more stream or call of its user."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from mcp_types.jsonrpc import JSONRPCRequest
from pytest_django import Settings

from mcp_django.auth.interface import Identity
from mcp_django.protocol import jsonrpc
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.making_way import make_way
from mcp_django.worker.worker import Worker
from tests.patience import PATIENCE_SECONDS
from tests.sessions import opening as sessions
from tests.sessions.opening import Stream, open_session

ANN = Identity(User(pk=1))
BOB = Identity(User(pk=2))


class Held(OpenConnection):
    """A connection that says of itself what the test does.

    Attributes:
        ended: How it was ended.
    """

    def __init__(
        self,
        worker: Worker,
        identity: Identity,
        *,
        unread: float = 0,
        silent: float = 0,
    ) -> None:
        self._worker, self._identity = worker, identity
        self._unread, self._silent = unread, silent
        self.ended = ""

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def unread_seconds(self) -> float:
        return self._unread

    @property
    def silent_seconds(self) -> float:
        return self._silent

    @property
    def running(self) -> Sequence[Request]:
        return ()

    async def tick(self) -> None: ...

    async def finish(self) -> None: ...

    async def abort(self) -> None:
        await self._end("aborted")

    async def close(self) -> None:
        await self._end("closed")

    async def _end(self, how: str) -> None:
        self.ended = how
        # Those who hold connections hear of the end a little later.
        asyncio.get_running_loop().call_soon(self._worker.let_go, self)


async def hold(
    worker: Worker, *stated: tuple[Identity, float, float], kind: Any = "stream"
) -> list[Held]:
    held = [Held(worker, who, unread=u, silent=s) for who, u, s in stated]
    for connection in held:
        worker.hold(connection, kind)
    return held


async def test_what_takes_nothing_makes_way_first(settings: Settings) -> None:
    """We promise it: the one that is stuck for longest, of the same user."""
    settings.MCP = {"MAX_FULL_SECONDS": 10, "MAX_HELD_SECONDS": 300}
    worker = Worker(asyncio.get_running_loop())
    held = await hold(worker, (ANN, 10, 0), (ANN, 30, 0), (ANN, 0, 999), (BOB, 99, 0))
    await make_way(worker.connections, "1", "stream")
    assert [each.ended for each in held] == ["", "aborted", "", ""]
    assert len(worker.connections.of("1", "stream")) == 2


async def test_quiet_stream_makes_way_properly(settings: Settings) -> None:
    """Chosen: its client can open it again; one that is not quiet for long stays."""
    settings.MCP = {"MAX_FULL_SECONDS": 10, "MAX_HELD_SECONDS": 300}
    worker = Worker(asyncio.get_running_loop())
    held = await hold(worker, (ANN, 9, 0), (ANN, 0, 300), (ANN, 0, 400), (BOB, 0, 999))
    await make_way(worker.connections, "1", "stream")
    assert [each.ended for each in held] == ["", "", "closed", ""]
    await make_way(worker.connections, "1", "stream")
    await make_way(worker.connections, "1", "stream")
    assert [each.ended for each in held] == ["", "closed", "closed", ""]


async def test_those_who_come_together_end_one_each(settings: Settings) -> None:
    """We promise it: a client that comes back with all of its streams finds room."""
    settings.MCP = {"MAX_FULL_SECONDS": 10}
    worker = Worker(asyncio.get_running_loop())
    held = await hold(worker, *[(ANN, 20.0 + number, 0.0) for number in range(4)])
    await asyncio.gather(
        *[make_way(worker.connections, "1", "stream") for _ in range(3)]
    )
    assert [each.ended for each in held] == ["", "aborted", "aborted", "aborted"]


async def test_only_a_call_that_is_stuck_makes_way(settings: Settings) -> None:
    """Chosen: a handler may take long; nothing else is known of its client."""
    settings.MCP = {"MAX_FULL_SECONDS": 10, "MAX_HELD_SECONDS": 300}
    worker = Worker(asyncio.get_running_loop())
    streams = await hold(worker, (ANN, 99, 999))
    calls = await hold(worker, (ANN, 0, 999), (ANN, 10, 0), kind="call")
    await make_way(worker.connections, "1", "call")
    await make_way(worker.connections, "1", "call")
    assert [each.ended for each in calls] == ["", "aborted"]
    assert streams[0].ended == ""


class Answering(Stream):
    """A stream whose client answers pings, or does not any more."""

    def __init__(self, *, answers: bool) -> None:
        super().__init__()
        self.transport: SSEServerTransport | None = None
        self._answers = answers
        self._posts: list[asyncio.Task[None]] = []

    async def write(self, chunk: bytes) -> None:
        await super().write(chunk)
        if (
            self._answers
            and self.transport
            and isinstance(self.sent[-1], JSONRPCRequest)
        ):
            answer = jsonrpc.result(self.sent[-1].id, {})
            posting = self.transport.receive(answer, Sender())
            self._posts.append(asyncio.ensure_future(posting))


@pytest.mark.parametrize("answers", [True, False])
async def test_session_makes_way_only_if_its_client_does_not_answer(
    settings: Settings, answers: bool
) -> None:
    """Chosen: a session ends with its stream, so that its client is asked first."""
    bound = PATIENCE_SECONDS if answers else 0.05
    settings.MCP = {"MAX_HELD_SECONDS": 1e-9, "ROOM_TIMEOUT": bound}
    worker = Worker(asyncio.get_running_loop())
    stream = Answering(answers=answers)
    opened = open_session("s", Server("shop"), user=User(pk=1), stream=stream)
    stream.transport = opened.transport
    opened.transport.on_close = partial(sessions.let_go, worker, opened)
    sessions.hold(worker, opened)
    await make_way(worker.connections, "2", "stream")
    assert stream.sent == []
    await make_way(worker.connections, "1", "stream")
    assert len(stream.sent) == 1
    assert opened.transport.is_closed == (not answers)
