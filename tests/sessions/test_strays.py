"""Whatever code of the site raises, of whatever class, becomes an answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.context import Context
from mcp_django.server.server import Server
from mcp_django.sessions.answering import Answer, answer_of
from mcp_django.signals import request_handled
from tests.patience import PATIENCE_SECONDS
from tests.server.calls import LATEST, MODERN, Caller
from tests.server.stray_errors import STRAYS

NEUTRAL = {"content": [{"type": "text", "text": "Internal error"}], "isError": True}


@pytest.fixture(params=STRAYS, ids=str)
def error(request: pytest.FixtureRequest) -> BaseException:
    made: BaseException = STRAYS[request.param]()
    return made


def raising(error: BaseException, *, is_async: bool) -> Callable[..., Any]:
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    return fail_async if is_async else fail


async def nobody(*arguments: Any) -> None:
    raise AssertionError("nobody is asked here")


async def answer(server: Server, method: str, version: str, **params: Any) -> Answer:
    request = Caller(server, version=version).request(method, params)
    with anyio.fail_after(PATIENCE_SECONDS):
        return await answer_of(server, request, ask=nobody, is_ending=lambda: False)


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
async def test_handlers_that_raise_whatever_are_answered(
    error: BaseException,
    is_async: bool,
    version: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: a neutral answer, and one record in the log."""
    server = Server("shop")
    fail = raising(error, is_async=is_async)
    server.tool(name="fail")(fail)
    server.resource("shop://fail", name="fail")(fail)
    server.prompt(name="fail")(fail)

    requests: list[tuple[str, JSONObject]] = [
        ("tools/call", {"name": "fail"}),
        ("resources/read", {"uri": "shop://fail"}),
        ("prompts/get", {"name": "fail"}),
    ]
    for method, params in requests:
        answered = await answer(server, method, version, **params)
        if method == "tools/call":
            assert answered == NEUTRAL
        else:
            assert isinstance(answered, ErrorAnswer)
            assert answered.message == "Internal error"
    assert [r.levelno for r in caplog.records] == [logging.ERROR] * len(requests)


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
async def test_completions_that_raise_whatever_are_answered(
    error: BaseException, is_async: bool
) -> None:
    """We promise it."""
    server = Server("shop")

    @server.prompt
    def greet(name: str) -> str:
        return name

    def suggest(value: str) -> list[str]:
        raise error

    async def suggest_async(value: str) -> list[str]:
        raise error

    server.completion(greet, "name")(suggest_async if is_async else suggest)
    answered = await answer(
        server,
        "completion/complete",
        LATEST,
        ref={"type": "ref/prompt", "name": "greet"},
        argument={"name": "name", "value": "a"},
    )
    assert isinstance(answered, ErrorAnswer)
    assert answered.message == "Internal error"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_context_managers_that_raise_whatever_are_answered(
    error: BaseException, when: str
) -> None:
    """We promise it."""
    server = Server("shop")
    server.tool(name="add")(lambda: 3)

    @server.around
    async def fail(context: Context) -> AsyncIterator[None]:
        if when == "before":
            raise error
        yield
        raise error

    assert await answer(server, "tools/call", LATEST, name="add") == NEUTRAL


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
async def test_permissions_and_languages_that_raise_whatever_are_answered(
    error: BaseException, is_async: bool, settings: Settings
) -> None:
    """We promise it: the one means no, the other what the client prefers."""
    server = Server("shop")

    def ask(context: Any) -> bool:
        raise error

    async def ask_async(context: Any) -> bool:
        raise error

    function = ask_async if is_async else ask
    server.tool(name="sell", permission=function)(lambda: 3)
    server.tool(name="see")(lambda: 4)
    refused = await answer(server, "tools/call", LATEST, name="sell")
    assert isinstance(refused, ErrorAnswer)
    assert refused.message == "Unknown tool: sell"

    settings.MCP = {"LANGUAGE": function}
    answered = await answer(server, "tools/call", LATEST, name="see")
    assert isinstance(answered, dict)
    assert "isError" not in answered


async def test_receivers_that_raise_whatever_are_heard_no_more(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the client gets its answer."""
    server = Server("shop")
    server.tool(name="see")(lambda: 4)

    def fail(**named: Any) -> None:
        raise error

    request_handled.connect(fail, sender=server)
    try:
        answered = await answer(server, "tools/call", LATEST, name="see")
    finally:
        request_handled.disconnect(fail, sender=server)
    assert isinstance(answered, dict)
    assert "isError" not in answered
    assert [r.levelno for r in caplog.records] == [logging.ERROR]


async def test_requests_are_cancelled_whatever_the_handler_does() -> None:
    """We promise it: the end of its task is no failure of the handler."""
    server = Server("shop")
    began = anyio.Event()

    @server.tool
    async def wait() -> None:
        began.set()
        await anyio.sleep_forever()

    ended: list[Answer] = []
    request = Caller(server).request("tools/call", {"name": "wait"})

    async def run() -> None:
        ended.append(
            await answer_of(server, request, ask=nobody, is_ending=lambda: True)
        )

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        with anyio.fail_after(PATIENCE_SECONDS):
            await began.wait()
        tasks.cancel_scope.cancel()
    assert ended == []
