"""From a request to its answer, and the answer on its way out."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.db import OperationalError
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND

from mcp_django import Context, Server
from mcp_django.exceptions import (
    BatchTooLarge,
    ErrorAnswer,
    MessageTooLarge,
    ReaderTooSlow,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.server import dispatch
from mcp_django.server.answering import ResultOrError, answer_of, deliver
from mcp_django.server.asking import Question
from mcp_django.server.requests import Request
from tests.fault_lines import more, said
from tests.server.calls import MODERN, Caller


async def _never(*arguments: Any) -> None:
    raise AssertionError


# Until there is an answer -----------------------------------------------------------


@pytest.fixture
def caller(settings: Any) -> Caller:
    settings.MCP = {}  # and what other tests noted of databases is forgotten
    server = Server("shop")

    @server.tool
    async def count_in_loop() -> int:
        raise OperationalError("the server closed the connection unexpectedly")

    @server.tool
    def count_in_thread() -> int:
        raise OperationalError("the server closed the connection unexpectedly")

    @server.tool
    def fail() -> int:
        raise KeyError("wrong")

    return Caller(server)


async def ask(caller: Caller, tool: str) -> Any:
    request = caller.request("tools/call", {"name": tool, "arguments": {}})
    return await answer_of(caller.server, request, ask=_never, is_ending=lambda: False)


async def test_handlers_without_database_are_one_traceback_in_the_log(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the failure is the handler's own, and an outage is no flood."""
    for _ in range(50):
        for tool in ("count_in_loop", "count_in_thread"):
            answer = await ask(caller, tool)
            assert answer["content"][0]["text"] == "Internal error"
    assert [
        (r.getMessage().split(":")[0], r.exc_info is None) for r in caplog.records
    ] == [
        ("the database 'default' does not answer", True),
        ("tools/call 'count_in_loop' failed", False),
    ]


async def test_other_failures_are_logged_and_counted(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: one mistake that each request meets fills no log."""
    for _ in range(3):
        await ask(caller, "fail")
    failed = "tools/call 'fail' failed"
    [kind] = {type(r.exc_info[1]).__name__ for r in caplog.records if r.exc_info}
    assert said(caplog) == [failed, f"{failed}: {kind}{more(2)}"]


@pytest.fixture
def asking(settings: Any) -> Server:
    settings.MCP = {"MAX_ASK_ROUNDS": 3}
    server = Server("shop")

    @server.tool
    async def ask(context: Context, rounds: int) -> str:
        for number in range(rounds):
            await context.elicit(f"Number {number}?", {"type": "object"})
        return "asked"

    return server


class Client:
    """Answers questions at once, and notes them.

    Attributes:
        rounds: The methods that were asked for, round by round.
    """

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []

    async def ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        self.rounds.append([question.method for question in questions])
        for question in questions:
            answer = jsonrpc.result(1, {"action": "accept", "content": {}})
            request.answers.learn(question, answer)


def asks(caller: Caller, rounds: int) -> Request:
    arguments = {"rounds": rounds}
    return caller.request("tools/call", {"name": "ask", "arguments": arguments})


async def test_handler_that_asks_is_run_again_until_it_has_a_result(
    asking: Server,
) -> None:
    """Our choice, in every era: no handler waits for a user."""
    client = Client()
    request = asks(Caller(asking), 3)
    answer = await answer_of(asking, request, ask=client.ask, is_ending=lambda: False)
    assert isinstance(answer, dict)
    assert answer["content"] == [{"type": "text", "text": "asked"}]
    assert client.rounds == [["elicitation/create"]] * 3


async def test_handler_that_asks_for_ever_has_failed(
    asking: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: MCP["MAX_ASK_ROUNDS"]."""
    client = Client()
    request = asks(Caller(asking), 4)
    answer = await answer_of(asking, request, ask=client.ask, is_ending=lambda: False)
    assert answer == dispatch.tool_error("Internal error")
    assert len(client.rounds) == 3
    assert "MCP['MAX_ASK_ROUNDS'] = 3" in caplog.text


async def test_answer_itself_asks_in_the_modern_era(asking: Server) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr."""
    request = asks(Caller(asking, version=MODERN), 1)
    answer = await answer_of(asking, request, ask=None, is_ending=lambda: False)
    assert isinstance(answer, dict)
    assert answer["resultType"] == "input_required"
    [question] = answer["inputRequests"].values()
    assert question["method"] == "elicitation/create"


async def test_question_that_cannot_be_asked_is_a_failure(
    asking: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: every request gets one answer, also while a cache is away."""

    async def fail(*arguments: Any) -> None:
        raise ConnectionError("the cache is away")

    request = asks(Caller(asking), 1)
    answer = await answer_of(asking, request, ask=fail, is_ending=lambda: False)
    assert answer == dispatch.tool_error("Internal error")
    assert caplog.messages == ["tools/call 'ask' failed"]


async def test_error_answer_is_given_as_it_is(caller: Caller) -> None:
    """Our choice: it is no failure."""
    request = caller.request("tools/call", {"name": "none"})
    answer = await answer_of(
        caller.server, request, ask=_never, is_ending=lambda: False
    )
    assert isinstance(answer, ErrorAnswer)


async def test_cancellation_that_is_the_handler_s_own_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: every request gets one answer, unless it is cancelled."""
    server = Server("shop")

    @server.tool
    async def wait() -> None:
        raise asyncio.CancelledError

    request = Caller(server).request("tools/call", {"name": "wait"})
    answer = await answer_of(server, request, ask=_never, is_ending=lambda: False)
    assert answer == dispatch.tool_error("Internal error")
    assert caplog.messages == ["tools/call 'wait' failed"]


async def test_cancelled_request_has_no_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    server, begun = Server("shop"), asyncio.Event()

    @server.tool
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    request = Caller(server).request("tools/call", {"name": "wait"})
    answering = answer_of(server, request, ask=_never, is_ending=lambda: True)
    task = asyncio.create_task(answering)
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.messages == []


# On its way out ---------------------------------------------------------------------

RESULT: dict[str, Any] = {"content": [{"type": "text", "text": "x" * 100}]}


class Wire:
    """Carries answers, but for the first one, where that cannot be sent.

    Attributes:
        sent: What was sent.
        errors: Those among it that were sent in their own way.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[Any] = []
        self.errors: list[ErrorAnswer] = []
        self._error = error

    async def send(self, written: bytes) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
        self.sent.append(json.loads(written))

    async def send_error(self, written: bytes, error: ErrorAnswer) -> None:
        self.errors.append(error)
        await self.send(written)


async def sent(
    answer: ResultOrError,
    *,
    error: Exception | None = None,
    method: str = "tools/call",
    **about: Any,
) -> Any:
    """Give the message that a request is answered with."""
    server, wire = Server("shop"), Wire(error)
    request = Caller(server, **about).request(method, {"name": "add"})
    await deliver(server, request, answer, send=wire.send)
    [message] = wire.sent
    assert message.pop("jsonrpc") == "2.0"
    assert message.pop("id") == request.id
    return message


async def test_result_is_sent_as_its_era_writes_it() -> None:
    """Spec: 2026-07-28 basic: results say their type, and who answered."""
    assert await sent(RESULT) == {"result": RESULT}
    modern = (await sent(RESULT, version=MODERN))["result"]
    assert modern["resultType"] == "complete"
    assert modern["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "shop"


async def test_error_is_sent_with_its_code_and_data() -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    error = ErrorAnswer(METHOD_NOT_FOUND, "no", {"a": 1})
    assert await sent(error) == {
        "error": {"code": METHOD_NOT_FOUND, "message": "no", "data": {"a": 1}}
    }


TOO_LARGE = (
    "the result takes 142 bytes, and at most 100 can be sent; ask for less: for a part "
    "of it, such as fewer items or one page, and for the rest by further requests"
)


@pytest.mark.parametrize("method", ["tools/call", "resources/read"])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            MessageTooLarge(142, 100),
            "the result takes 142 bytes, and at most 100 can be sent on this "
            "connection; ask for less",
        ),
        (
            BatchTooLarge(142, 100),
            "the request was carried out, but with its result the answers to the batch "
            "take 142 bytes, and at most 100 can be sent in one body; send fewer "
            "requests in a batch",
        ),
        (
            ReaderTooSlow(142, 100),
            "the request was carried out, but there is no room for the 142 bytes of "
            "its result, because 100 bytes of earlier ones wait to be read; read them "
            "before you ask again",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_answer_that_cannot_be_sent_makes_way_for_one_that_says_why(
    error: Exception, text: str, method: str
) -> None:
    """Our choice: a tool's is for the model, another one's for the client."""
    answered = await sent(RESULT, error=error, method=method)
    if method == "tools/call":
        assert answered == {"result": dispatch.tool_error(text)}
    else:
        assert answered == {"error": {"code": INTERNAL_ERROR, "message": text}}


async def test_result_above_the_bound_of_the_site_is_not_sent(settings: Any) -> None:
    """Our choice: MCP["MAX_RESULT_BYTES"]; the model can ask for less."""
    settings.MCP = {"MAX_RESULT_BYTES": 100}
    size = len(jsonrpc.serialize_result(7, RESULT))
    assert await sent(RESULT) == {
        "result": dispatch.tool_error(TOO_LARGE.replace("142", str(size)))
    }


async def test_feature_may_have_a_bound_of_its_own(settings: Any) -> None:
    """Our choice: `max_result_bytes=` goes before that of the site."""
    settings.MCP = {"MAX_RESULT_BYTES": 100}
    server, wire = Server("shop"), Wire()
    request = Caller(server).request("tools/call")
    request.max_result_bytes = 1000
    await deliver(server, request, RESULT, send=wire.send)
    [message] = wire.sent
    assert message["result"] == RESULT


async def test_error_may_be_sent_in_another_way() -> None:
    """Our choice: over HTTP it has a status; also the one in place of a result."""
    server, refused = Server("shop"), ErrorAnswer(INVALID_PARAMS, "no")
    for answer, error in ((refused, None), (RESULT, ReaderTooSlow(50, 100))):
        wire = Wire(error)
        request = Caller(server).request("prompts/get")
        await deliver(
            server, request, answer, send=wire.send, send_error=wire.send_error
        )
        [message], [sent_error] = wire.sent, wire.errors
        assert message["error"]["code"] == sent_error.code


async def test_result_that_cannot_be_written_is_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: the failure is logged, Django is told, the client is answered."""
    told: list[Any] = []

    def hear(sender: object, **named: Any) -> None:
        told.append(sender)

    got_request_exception.connect(hear)
    try:
        answered = await sent({"content": [], "_meta": {"text": "\ud800"}})
    finally:
        got_request_exception.disconnect(hear)
    assert answered == {"result": dispatch.tool_error("Internal error")}
    assert caplog.messages == ["tools/call 'add' failed"]
    assert told == [Server]


async def test_answer_to_a_client_that_is_gone_has_no_other_in_its_place() -> None:
    """Our choice: there is nobody to tell."""
    with pytest.raises(TransportClosed):
        await sent(RESULT, error=TransportClosed("gone"))


async def test_result_is_let_go_while_its_answer_waits_to_be_read() -> None:
    """We promise it: slow readers cost bounded memory."""

    class Result(dict[str, Any]):
        pass

    read, waits = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        waits.set()
        await read.wait()

    def send(written: bytes) -> Awaitable[None]:
        return wait()

    def begin() -> tuple[asyncio.Task[None], Callable[[], object]]:
        result = Result(RESULT)
        server = Server("shop")
        request = Caller(server).request("tools/call")
        delivering = deliver(server, request, result, send=send)
        return asyncio.create_task(delivering), weakref.ref(result)

    task, kept = begin()
    await waits.wait()
    gc.collect()
    assert kept() is None
    read.set()
    await task
