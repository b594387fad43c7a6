"""From a request to its answer: the handler runs, again after each round of questions.

What carries the request knows how its client is asked; in the modern era the answer
itself asks, and the client sends the request again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias

import anyio
from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.tallies import tallies
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import (
    BatchTooLarge,
    ErrorAnswer,
    HandlerTooSlow,
    MessageTooLarge,
    ReaderTooSlow,
    ResultTooLarge,
)
from mcp_django.protocol import jsonrpc, modern
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server import dispatch
from mcp_django.server.asking import Question, questions_of
from mcp_django.server.errors import INTERNAL_ERROR_TEXT, with_details
from mcp_django.server.failures import tell_of_failure
from mcp_django.server.handled import Handling
from mcp_django.server.observers import observers
from mcp_django.server.outcomes import Outcome
from mcp_django.server.request_state import input_required
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.signals import request_handled

logger = FaultLog("mcp_django.server")

_TOO_LARGE: Final = (
    "the result takes %d bytes, and at most %d can be sent; ask for less: for a part "
    "of it, such as fewer items or one page, and for the rest by further requests"
)
_TOO_LARGE_HERE: Final = (
    "the result takes %d bytes, and at most %d can be sent on this connection; ask for "
    "less"
)
_TOO_LARGE_TOGETHER: Final = (
    "the request was carried out, but with its result the answers to the batch take %d "
    "bytes, and at most %d can be sent in one body; send fewer requests in a batch"
)
_UNREAD: Final = (
    "the request was carried out, but there is no room for the %d bytes of its result, "
    "because %d bytes of earlier ones wait to be read; read them before you ask again"
)

Ask: TypeAlias = Callable[[Request, Sequence[Question[Any]]], Awaitable[None]]
"""Asks the client of a legacy session a round of questions; learns the answers."""

ResultOrError: TypeAlias = JSONObject | ErrorAnswer
"""What a request is answered with."""

Send: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Sends an answer that is written already."""

SendError: TypeAlias = Callable[[bytes, ErrorAnswer], Awaitable[None]]
"""Sends an error that is written already; is told which one."""


def answer_of(
    server: Server, request: Request, *, ask: Ask | None, is_ending: Callable[[], bool]
) -> Coroutine[Any, Any, ResultOrError]:
    """Run the handler of a request until there is an answer.

    Args:
        server: Has the handlers.
        request: What is asked.
        ask: For handlers that ask the client; None where the answer itself asks.
        is_ending: Says whether the task that runs this is being cancelled; else a
            cancellation is the handler's own fault.
    """
    tallies.handled += 1
    # Mostly there are neither; for which server takes ten times as long to say.
    if request_handled.receivers or observers:
        handling = Handling(server, request)
        return _observed(server, request, ask, is_ending, handling)
    return _answer_of(server, request, ask, is_ending, None)


async def _observed(
    server: Server,
    request: Request,
    ask: Ask | None,
    is_ending: Callable[[], bool],
    handling: Handling,
) -> ResultOrError:
    """Run the handler so that its observers hear of every end, in the same context."""
    handling.start()
    try:
        return await _answer_of(server, request, ask, is_ending, handling)
    except BaseException as error:
        handling.end(Outcome.of_error(error))
        raise


async def _answer_of(
    server: Server,
    request: Request,
    ask: Ask | None,
    is_ending: Callable[[], bool],
    handling: Handling | None,
) -> ResultOrError:
    answer: ResultOrError
    failure: BaseException | None = None
    try:
        try:
            with request.threads.lent.run(request):  # on the hot path
                answer = await dispatch.answer(server, request)
        except BaseException as error:
            answer = await _go_on(server, request, ask, handling, error)
    except ErrorAnswer as error:
        answer = error
    except BaseException as error:
        is_cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        # If the request was not cancelled, the handler waited for a task of its own.
        if is_cancelled and (request.is_cancelled or is_ending()):
            if handling is not None:
                await handling.tell_cancelled(error)
            raise
        if not is_cancelled and ends_task(error):
            raise
        answer, failure = await failed(request, error), error
    if handling is not None:
        outcome = handling.end_by(answer, failure)
        if handling.has_receivers:
            await handling.tell(outcome)
    return answer


async def _go_on(
    server: Server,
    request: Request,
    ask: Ask | None,
    handling: Handling | None,
    ended_by: BaseException,
) -> JSONObject:
    """Give the result of a request whose first run has none.

    Args:
        server: As for `answer_of`.
        request: As for `answer_of`.
        ask: As for `answer_of`.
        handling: Tells the site's receivers.
        ended_by: What the first run raised; raised again unless it asks the client.
    """
    rounds = 0
    while True:
        questions = questions_of(ended_by)
        if questions is None:
            raise ended_by
        if ask is None:
            if handling is not None:
                handling.asked = ended_by
            result = input_required(server, request, questions)
            return await dispatch.with_title(server, request, result)
        rounds += 1
        _check_rounds(request, rounds)
        if handling is not None:
            await handling.tell(Outcome.of_error(ended_by))
        await ask(request, questions)
        request.answers.begin_run()
        if handling is not None:
            handling.begin_again()
        try:
            with request.lend():
                return await dispatch.answer(server, request)
        except BaseException as error:
            ended_by = error


def _check_rounds(request: Request, rounds: int) -> None:
    """Refuse to ask for ever.

    Raises:
        RuntimeError: It was often enough.
    """
    if rounds > mcp_settings.MAX_ASK_ROUNDS:
        raise RuntimeError(
            f"{request.method} asked more than MCP['MAX_ASK_ROUNDS'] = "
            f"{mcp_settings.MAX_ASK_ROUNDS} rounds of questions"
        )


def serialize(server: Server, request: Request, answer: ResultOrError) -> bytes:
    """Write the message that answers a request.

    Raises:
        ValueError: It holds what JSON or UTF-8 cannot carry.
    """
    if isinstance(answer, ErrorAnswer):
        error = jsonrpc.error(request.id, answer.code, answer.message, answer.data)
        return jsonrpc.serialize(error)
    result = answer
    if request.era.signs_results:
        result = modern.complete(answer, server.server_info)
    return jsonrpc.serialize_result(request.id, result)


_UNSENDABLE: Final = (
    MessageTooLarge,
    ReaderTooSlow,
    ValueError,
    RecursionError,
    MemoryError,
)
"""What is raised for an answer that cannot be sent, in whose place another one can."""


async def deliver(
    server: Server,
    request: Request,
    answer: ResultOrError,
    *,
    send: Send,
    send_error: SendError | None = None,
) -> None:
    """Send the answer to a request, or another one in its place if it cannot be sent.

    Args:
        server: Says in the modern era that it answered.
        request: What is answered.
        answer: What the request is answered with; hold no other reference to it, since
            what is written is all that shall lie here until the client has read.
        send: Sends an answer.
        send_error: Sends an error, where that goes in another way.

    Raises:
        TransportClosed: Nothing can be sent, if `send` raises it.
    """
    try:
        written = serialize(server, request, answer)
        limit = request.max_result_bytes
        if limit is None:
            limit = mcp_settings.MAX_RESULT_BYTES
        if len(written) > limit:
            raise ResultTooLarge(len(written), limit)
        if send_error is not None and isinstance(answer, ErrorAnswer):
            sending = send_error(written, answer)
        else:
            sending = send(written)
        del written, answer
        await sending
        return
    except _UNSENDABLE as error:
        instead = await _in_place_of(request, error)
    written = serialize(server, request, instead)
    if send_error is not None and isinstance(instead, ErrorAnswer):
        await send_error(written, instead)
    else:
        await send(written)


async def _in_place_of(request: Request, error: BaseException) -> ResultOrError:
    """Make the answer in place of one that cannot be sent."""
    match error:
        case ResultTooLarge(size=size, limit=limit):
            text = _TOO_LARGE % (size, limit)
        case BatchTooLarge(size=size, limit=limit):
            text = _TOO_LARGE_TOGETHER % (size, limit)
        case MessageTooLarge(size=size, limit=limit):
            text = _TOO_LARGE_HERE % (size, limit)
        case ReaderTooSlow(size=size, unread=unread):
            text = _UNREAD % (size, unread)
        case _:
            return await failed(request, error)
    return refused(request, text)


def refused(request: Request, text: str) -> ResultOrError:
    """Make the answer for what the model, or else the client, can do better."""
    if request.method == "tools/call":
        return dispatch.tool_error(text)
    return ErrorAnswer(INTERNAL_ERROR, text)


async def failed(request: Request, error: BaseException) -> ResultOrError:
    """Make the answer for a failure that is the site's own business.

    The failure is logged, and Django is told, as for a view that raised. While a
    database is away, one of those that it makes fail is logged a minute.
    """
    if isinstance(error, HandlerTooSlow):
        text = str(error)
        logger.error(
            "%s: %s",
            request.describe(),
            text,
            exc_info=error.__cause__,
            of=text,
        )
    else:
        if databases.note(error) is not False:
            logger.error("%s failed", request.describe(), exc_info=error)
        text = with_details(INTERNAL_ERROR_TEXT, error)
    await tell_of_failure(Server, error)
    if request.method == "tools/call":
        return dispatch.tool_error(text)
    return ErrorAnswer(INTERNAL_ERROR, text)
