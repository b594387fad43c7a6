"""Observers of requests: what they see, and that they harm nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.answering import answer_of
from mcp_django.server.context import Context
from mcp_django.server.observers import End, ignore, observe, observers
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from tests.server.calls import LATEST, MODERN, Caller

FORM: JSONObject = {"type": "object", "properties": {}}

seen_by_handlers: ContextVar[str] = ContextVar("seen_by_handlers", default="nothing")


class Watch:
    """Notes each request, and what handlers shall see."""

    def __init__(self) -> None:
        self.begun: list[Request] = []
        self.ended: list[tuple[Outcome, float]] = []

    def begin(self, server: Server, request: Request) -> End:
        self.begun.append(request)
        seen_by_handlers.set("what was put there")
        return self.end

    def end(self, outcome: Outcome, seconds: float) -> None:
        self.ended.append((outcome, seconds))

    @property
    def kinds(self) -> list[str]:
        return [outcome.kind for outcome, _ in self.ended]


class Careless(Watch):
    """Raises whenever it is told something."""

    def __init__(self, error: BaseException, at: str) -> None:
        super().__init__()
        self._error = error
        self._at = at

    def begin(self, server: Server, request: Request) -> End:
        if self._at == "begin":
            raise self._error
        return super().begin(server, request)

    def end(self, outcome: Outcome, seconds: float) -> None:
        raise self._error


@contextmanager
def observing(watch: Watch) -> Iterator[Watch]:
    observe(watch)
    try:
        yield watch
    finally:
        ignore(watch)


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    def peek() -> str:
        return seen_by_handlers.get()

    @server.tool
    async def peek_async() -> str:
        return seen_by_handlers.get()

    @server.tool
    async def ship(context: Context) -> str:
        return (await context.elicit("Really?", FORM)).action

    @server.tool
    async def fail() -> None:
        raise LookupError("secret")

    @server.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    return server


async def call(
    server: Server, name: str, version: str = LATEST, ask: Any = None
) -> Any:
    caller = Caller(server, version=version)
    request = caller.request("tools/call", {"name": name})
    return await answer_of(server, request, ask=ask, is_ending=lambda: False)


@pytest.mark.parametrize("tool", ["peek", "peek_async"])
async def test_handler_sees_what_an_observer_puts_into_its_context(
    server: Server, tool: str
) -> None:
    """We promise it: a span of a trace goes on in threads, too."""
    with observing(Watch()) as watch:
        answered = await call(server, tool)

    assert answered["content"][0]["text"] == "what was put there"
    [request] = watch.begun
    assert (request.method, str(request.feature)) == ("tools/call", f"tool {tool}")
    assert watch.kinds == ["answered"]
    assert watch.ended[0][1] >= 0


@pytest.mark.parametrize(
    ("tool", "kind"), [("fail", "failed"), ("nothing", "refused"), ("peek", "answered")]
)
@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_each_end_is_seen_once(
    server: Server, version: str, tool: str, kind: str
) -> None:
    """We promise it."""
    with observing(Watch()) as watch:
        await call(server, tool, version)

    assert (len(watch.begun), watch.kinds) == (1, [kind])


async def test_legacy_request_that_asks_is_one(server: Server) -> None:
    """We chose it: its runs are heard by the signal, the observer sees the whole."""

    with observing(Watch()) as watch:

        async def refuse(request: Any, questions: Any) -> None:
            assert (len(watch.begun), watch.kinds) == (1, [])
            raise ErrorAnswer(1, "nobody answers")

        await call(server, "ship", ask=refuse)

    assert [str(outcome) for outcome, _ in watch.ended] == ["refused: nobody answers"]


async def test_modern_request_that_asks_has_ended(server: Server) -> None:
    """We chose it: the answers come with another request."""
    with observing(Watch()) as watch:
        await call(server, "ship", MODERN)

    assert watch.kinds == ["asked"]


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_cancellation_is_seen(server: Server, is_cancelled: bool) -> None:
    """We promise it: by the client, and by the end of the process."""
    request = Caller(server).request("tools/call", {"name": "wait"})

    async def run() -> None:
        await answer_of(server, request, ask=None, is_ending=lambda: not is_cancelled)

    with observing(Watch()) as watch:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_all_tasks_blocked()
            request.is_cancelled = is_cancelled
            tasks.cancel_scope.cancel()

    assert watch.kinds == ["cancelled"]


@pytest.mark.parametrize("at", ["begin", "end"])
@pytest.mark.parametrize("error", [LookupError("blind"), SystemExit(1)], ids=repr)
async def test_observer_that_fails_harms_nothing(
    server: Server, caplog: pytest.LogCaptureFixture, at: str, error: BaseException
) -> None:
    """We promise it: the client gets its answer, and others see."""
    caplog.set_level(logging.CRITICAL, "mcp_django.server")
    with observing(Careless(error, at)), observing(Watch()) as watch:
        answered = await call(server, "peek")

    assert "isError" not in answered
    assert watch.kinds == ["answered"]


async def test_observer_is_told_once_however_often_it_is_registered(
    server: Server,
) -> None:
    """We chose it: apps register in `ready`, which may run twice."""
    with observing(Watch()) as watch:
        observe(watch)
        await call(server, "peek")

    assert watch not in observers
    assert watch.kinds == ["answered"]
