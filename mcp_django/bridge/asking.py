"""What a server asks, put to the legacy session of the client of a bridge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.bridge.results import offers, question_for_legacy
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.client.answers import Answers
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.methods import QUESTIONS
from mcp_django.protocol.server import ServerProtocol

Ask: TypeAlias = Callable[[str, JSONObject], Awaitable[JSONObject]]


class ForwardedAnswers(Answers):
    """Answers the questions of a server by asking the clients.

    Args:
        ask: Asks; raises `ErrorAnswer` if there is no answer.
    """

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

    async def answer(self, method: str, params: JSONObject) -> JSONObject:
        """Answer one question.

        Raises:
            ErrorAnswer: It cannot be answered.
        """
        return await self._ask(method, params)


@dataclass(eq=False)
class _Asked:
    """A question that the client has yet to answer."""

    is_answered: anyio.Event = field(default_factory=anyio.Event)
    answer: JSONRPCResponse | JSONRPCError | None = None


class SessionQuestions:
    """Asks the client by requests, in the session that it has opened.

    Args:
        protocol: Of the client.
        send_queue: Where the requests go.

    Attributes:
        peer: What the client said of itself; None before it opened a session.
        is_settled: Set unless a session is being opened right now.
    """

    def __init__(self, protocol: ServerProtocol, send_queue: SendQueue) -> None:
        self.peer: Peer | None = None
        self.is_settled = anyio.Event()
        self.is_settled.set()
        self._protocol = protocol
        self._send_queue = send_queue
        self._asked: dict[RequestId, _Asked] = {}

    async def ask(self, method: str, params: JSONObject) -> JSONObject:
        """Ask something, and wait for the answer as long as it takes.

        Raises:
            ErrorAnswer: The client answers with an error, or cannot be asked.
        """
        # Servers may ask as soon as they are connected, which is a moment too early.
        await self.is_settled.wait()
        if self.peer is None or not offers(self.peer, QUESTIONS[method], params):
            raise ErrorAnswer(
                INTERNAL_ERROR,
                f"nobody to ask {method!r}: no client offers it, or none has a request "
                "under way that may ask",
            )
        request = self._protocol.send_ask(method, question_for_legacy(params))
        asked = self._asked[request.id] = _Asked()
        try:
            await self._send_queue.send(request)
            await asked.is_answered.wait()
        finally:
            del self._asked[request.id]
            if asked.answer is None:
                withdrawn = "no longer needed"
                self._send_queue.send_soon(
                    self._protocol.send_ask_cancelled(request.id, withdrawn)
                )
        answer = asked.answer
        assert answer is not None, "it is set before the event"
        if isinstance(answer, JSONRPCError):
            error = answer.error
            raise ErrorAnswer(error.code, error.message, error.data)
        return answer.result

    async def ask_all(
        self, requests: Mapping[str, tuple[str, JSONObject]]
    ) -> JSONObject:
        """Ask several things at once, and give the answers under their keys.

        Raises:
            ErrorAnswer: One of them was answered with an error, or cannot be asked.
        """
        answers: JSONObject = {}
        errors: list[ErrorAnswer] = []

        async def ask(key: str, method: str, params: JSONObject) -> None:
            try:
                answers[key] = await self.ask(method, params)
            except ErrorAnswer as error:
                errors.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for key, (method, params) in requests.items():
                tasks.start_soon(ask, key, method, params)
        if errors:
            raise errors[0]
        return answers

    def learn(self, id: RequestId, answer: JSONRPCResponse | JSONRPCError) -> None:
        """Take the client's answer."""
        asked = self._asked.get(id)
        if asked is not None:
            asked.answer = answer
            asked.is_answered.set()
