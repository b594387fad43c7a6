"""What a server asks over one connection, each question answered in its own task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import INTERNAL_ERROR, RequestId

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.client.answers import Answers
from mcp_django.exceptions import ErrorAnswer, RemoteProtocolError
from mcp_django.protocol.client import ClientProtocol
from mcp_django.protocol.events import AskReceived
from mcp_django.protocol.jsonrpc import JSONObject, Message

logger = FaultLog("mcp_django.client")

Send: TypeAlias = Callable[[Message | None], Awaitable[None]]

_MAX_QUESTIONS = 100
"""Questions of a server that are answered at the same time."""


class Questions:
    """The questions of a server that are being answered.

    Args:
        protocol: Makes messages of answers.
        answers: Finds them.
        tasks: Where they are found.
        send: Sends an answer; None is nothing to send.
        pause: Lets the clocks of our own requests stand still in a block, because the
            server waits for us, and does not say with which of them.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        answers: Answers,
        tasks: TaskGroup,
        *,
        send: Send,
        pause: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._protocol = protocol
        self._answers = answers
        self._tasks = tasks
        self._send = send
        self._pause = pause
        self._scopes: dict[RequestId, anyio.CancelScope] = {}
        # Also those whose id was used again.
        self._count = 0

    async def begin(self, question: AskReceived) -> None:
        """Begin to answer a question; refuse it if there are too many."""
        if self._count == _MAX_QUESTIONS:
            # A server that asks on without reading the answers is not read any more.
            text = f"this client answers at most {_MAX_QUESTIONS} requests at a time"
            await self._send(
                self._protocol.send_error(question.id, INTERNAL_ERROR, text)
            )
            return
        self._count += 1
        self._scopes[question.id] = scope = anyio.CancelScope()
        self._tasks.start_soon(self._answer, question, scope)

    def cancel(self, id: RequestId) -> None:
        """Leave a question unanswered, if it is there."""
        if id in self._scopes:
            self._scopes[id].cancel()

    def cancel_all(self) -> None:
        """Leave all questions unanswered."""
        for scope in self._scopes.values():
            scope.cancel()

    async def _answer(self, question: AskReceived, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                answer = await self._find_answer(question)
                # If it is not wanted any more, its id may be that of another question.
                if not scope.cancel_called:
                    await self._send(self._make_answer(question.id, answer))
        finally:
            self._count -= 1
            if self._scopes.get(question.id) is scope:
                del self._scopes[question.id]

    async def _find_answer(
        self, question: AskReceived
    ) -> JSONObject | ErrorAnswer | RemoteProtocolError:
        with self._pause():
            try:
                return await self._answers.answer(question.method, question.params)
            except (ErrorAnswer, RemoteProtocolError) as error:
                return error
            except BaseException as error:
                if ends_task(error):
                    raise
                # Such as roots that cannot be read.
                logger.exception(
                    "%.100r cannot be answered; see the error", question.method
                )
                return ErrorAnswer(INTERNAL_ERROR, "Internal error")

    def _make_answer(
        self, id: RequestId, answer: JSONObject | ErrorAnswer | RemoteProtocolError
    ) -> Message | None:
        if isinstance(answer, dict):
            return self._protocol.send_result(id, answer)
        return self._protocol.send_error(id, answer.code, answer.message, answer.data)
