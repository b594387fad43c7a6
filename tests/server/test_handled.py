"""The signal `request_handled`: who hears it, and what its receivers may do."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import AnonymousUser, User

from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.answering import answer_of
from mcp_django.server.asking import QuestionsAsked
from mcp_django.server.context import Context
from mcp_django.server.outcomes import FeatureName, Outcome
from mcp_django.server.receivers import all_told
from mcp_django.server.server import Server
from mcp_django.signals import request_handled
from tests.server.calls import LATEST, MODERN, Caller
from tests.sessions.client import PATIENCE_SECONDS

FORM: JSONObject = {"type": "object", "properties": {}}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def may_see(context: Any, order: int) -> bool:
    return False


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool(permission=lambda context: False)
    async def sell() -> None: ...

    @server.tool
    async def ship(context: Context) -> str:
        return (await context.elicit("Really?", FORM)).action

    @server.tool(permission=may_see)
    async def show(order: int) -> int:
        return order

    @server.prompt(permission=may_see)
    def thank(order: int) -> str:
        return f"Thank for {order}."

    @server.resource("shop://orders/{order}", permission=may_see)
    def read_order(order: int) -> str:
        return f"Order {order}"

    @server.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    @server.prompt(permission=lambda context: False)
    def dismiss(name: str) -> str:
        return name

    return server


async def nobody(*arguments: Any) -> None:
    raise AssertionError("nobody is asked here")


@asynccontextmanager
async def connected(
    receiver: Callable[..., Any], sender: object
) -> AsyncIterator[None]:
    request_handled.connect(receiver, sender=sender)
    try:
        yield
        await all_told()
    finally:
        request_handled.disconnect(receiver, sender=sender)


@asynccontextmanager
async def hearing(sender: object) -> AsyncIterator[list[dict[str, Any]]]:
    heard: list[dict[str, Any]] = []

    def hear(**named: Any) -> None:
        heard.append(named)

    async with connected(hear, sender):
        yield heard


async def answer(
    server: Server,
    method: str = "tools/call",
    params: JSONObject | None = None,
    *,
    is_ending: bool = False,
    ask: Any = nobody,
    **options: Any,
) -> JSONObject | ErrorAnswer:
    request = Caller(server, **options).request(method, params)
    return await answer_of(server, request, ask=ask, is_ending=lambda: is_ending)


ADD: JSONObject = {"name": "add", "arguments": {"a": 1, "b": 2}}


async def test_receiver_hears_all_that_is_promised(server: Server) -> None:
    """We promise it."""
    ada = User(username="ada")
    async with hearing(server) as heard:
        await answer(server, params=ADD, user=ada)
        await answer(server, params=ADD)

    seconds = [one.pop("seconds") for one in heard]
    expected = {
        "sender": server,
        "signal": request_handled,
        "method": "tools/call",
        "feature": FeatureName("tool", "add"),
        "outcome": Outcome("answered"),
    }
    assert heard == [expected | {"user": ada}, expected | {"user": AnonymousUser()}]
    assert all(0 <= each < PATIENCE_SECONDS for each in seconds)


REFUSED: dict[str, tuple[str, JSONObject, str | None, str]] = {
    "an unknown tool": ("tools/call", {"name": "x" * 300}, "x" * 200, "unknown"),
    "a tool for others": ("tools/call", {"name": "sell"}, "sell", "not permitted"),
    "a row of others by a tool": (
        "tools/call",
        {"name": "show", "arguments": {"order": 7}},
        "show",
        "not permitted",
    ),
    "a row of others by a prompt": (
        "prompts/get",
        {"name": "thank", "arguments": {"order": "7"}},
        "thank",
        "not permitted",
    ),
    "a row of others": (
        "resources/read",
        {"uri": "shop://orders/7"},
        "shop://orders/{order}",
        "not permitted",
    ),
    "a resource that is not there": (
        "resources/read",
        {"uri": "shop://terms"},
        "shop://terms",
        "unknown",
    ),
    "wrong arguments": (
        "tools/call",
        {"name": "add"},
        "add",
        "invalid arguments for add: a: missing, but required; b: missing, but required",
    ),
    "wrong params": (
        "tools/call",
        {"name": 5},
        None,
        "invalid params: name: Input should be a valid string",
    ),
    "an unknown prompt": ("prompts/get", {"name": "nobody"}, "nobody", "unknown"),
    "a prompt for others": (
        "prompts/get",
        {"name": "dismiss"},
        "dismiss",
        "not permitted",
    ),
    "an unknown cursor": (
        "tools/list",
        {"cursor": "?"},
        None,
        "unknown cursor; start again without one",
    ),
    "what is not offered": (
        "completion/complete",
        {},
        None,
        "unknown method: completion/complete",
    ),
}


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(
    ("method", "params", "name", "reason"), REFUSED.values(), ids=REFUSED
)
async def test_refusal_says_why(
    server: Server,
    version: str,
    method: str,
    params: JSONObject,
    name: str | None,
    reason: str,
) -> None:
    """We promise it: also what the client is not told."""
    async with hearing(server) as heard:
        await answer(server, method, params, version=version)

    [one] = heard
    assert one["outcome"].kind == "refused"
    assert one["outcome"].reason.startswith(reason)
    assert one["method"] == method
    assert (one["feature"] and one["feature"].name) == name


async def test_failure_comes_with_its_exception(server: Server) -> None:
    """We promise it."""

    @server.tool
    async def fail() -> None:
        raise LookupError("secret")

    async with hearing(server) as heard:
        await answer(server, params={"name": "fail"})

    [one] = heard
    assert (one["outcome"].kind, repr(one["outcome"].error)) == (
        "failed",
        "LookupError('secret')",
    )


async def test_time_that_the_user_took_does_not_count(server: Server) -> None:
    """We chose it: each run is heard by itself, and the wait for nobody."""
    async with hearing(server) as heard:

        async def ask(request: Any, questions: Any) -> None:
            await all_told()
            assert [one["outcome"].kind for one in heard] == ["asked"]
            raise ErrorAnswer(1, "nobody answers")

        await answer(server, params={"name": "ship"}, ask=ask)

    assert [str(one["outcome"]) for one in heard] == [
        "asked",
        "refused: nobody answers",
    ]


@pytest.mark.parametrize("version", [LATEST, MODERN])
async def test_question_comes_with_what_was_raised(
    server: Server, version: str
) -> None:
    """We promise it: the same in both eras."""

    async def refuse(request: Any, questions: Any) -> None:
        raise ErrorAnswer(1, "nobody answers")

    async with hearing(server) as heard:
        await answer(server, params={"name": "ship"}, ask=refuse, version=version)

    outcome = heard[0]["outcome"]
    assert (outcome.kind, type(outcome.error)) == ("asked", QuestionsAsked)


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_cancellation_is_heard(server: Server, is_cancelled: bool) -> None:
    """We promise it: by the client, and by the end of the process."""
    request = Caller(server).request("tools/call", {"name": "wait"})

    async def run() -> None:
        await answer_of(server, request, ask=nobody, is_ending=lambda: not is_cancelled)

    async with hearing(server) as heard, anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        request.is_cancelled = is_cancelled
        tasks.cancel_scope.cancel()

    assert [one["outcome"].kind for one in heard] == ["cancelled"]


async def test_receivers_run_in_a_thread(server: Server) -> None:
    """We chose it: they may use the ORM, as those of Django's own signals."""
    threads: list[threading.Thread] = []

    def hear(**named: Any) -> None:
        threads.append(threading.current_thread())

    async with connected(hear, server):
        await answer(server, params=ADD)

    assert threads != [threading.current_thread()]
    assert len(threads) == 1


async def test_async_receivers_are_awaited(server: Server) -> None:
    """We promise it."""
    heard: list[str] = []

    async def hear(outcome: Outcome, **named: Any) -> None:
        heard.append(outcome.kind)

    async with connected(hear, server):
        await answer(server, params=ADD)

    assert heard == ["answered"]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
@pytest.mark.parametrize("error", [LookupError("deaf"), SystemExit(1)], ids=repr)
async def test_receiver_that_fails_harms_nobody(
    server: Server,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    is_async: bool,
) -> None:
    """We promise it: it is logged, others hear, and the client gets its answer."""

    def fail(**named: Any) -> None:
        raise error

    async def fail_async(**named: Any) -> None:
        raise error

    async with (
        connected(fail_async if is_async else fail, server),
        hearing(server) as heard,
    ):
        result = await answer(server, params=ADD)

    assert isinstance(result, dict)
    assert not result.get("isError")
    assert len(heard) == 1
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    raised = record.exc_info[1]
    assert raised is error or (raised is not None and raised.__cause__ is error)


async def test_receivers_of_another_server_hear_nothing(server: Server) -> None:
    """We chose it: the sender is the server."""
    async with hearing(Server("other")) as heard, hearing(None) as all_heard:
        await answer(server, params=ADD)

    assert heard == []
    assert len(all_heard) == 1


def test_receivers_come_and_go_as_those_of_other_signals() -> None:
    """We promise it: held weakly or not, connected once, functions and methods."""

    class Audit:
        def hear(self, **named: Any) -> None:
            raise AssertionError("nothing is sent")

    async def hear(**named: Any) -> None:
        raise AssertionError("nothing is sent")

    sender = object()
    audit = Audit()
    for receiver in (audit.hear, hear):
        request_handled.connect(receiver, sender=sender)
        request_handled.connect(receiver, sender=sender)
        assert request_handled.disconnect(receiver, sender=sender)
        assert not request_handled.disconnect(receiver, sender=sender)
        request_handled.connect(receiver, sender=sender, dispatch_uid="mine")
        assert request_handled.disconnect(sender=sender, dispatch_uid="mine")

    request_handled.connect(audit.hear, sender=sender)
    request_handled.connect(Audit().hear, sender=sender)
    request_handled.connect(Audit().hear, sender=sender, weak=False, dispatch_uid="it")
    assert request_handled.disconnect(audit.hear, sender=sender)
    assert request_handled.has_listeners(sender)
    assert request_handled.disconnect(sender=sender, dispatch_uid="it")
    gc.collect()
    assert not request_handled.has_listeners(sender)
