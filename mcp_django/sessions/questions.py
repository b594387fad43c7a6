"""What handlers ask the client of a session, over a connection that stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from mcp_types.jsonrpc import JSONRPCRequest, RequestId

from mcp_django.protocol.events import AnswerMessage
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.legacy import LegacyServerProtocol
from mcp_django.protocol.server import ServerProtocol
from mcp_django.server.asking import Question
from mcp_django.server.question_rounds import OpenQuestion, ask_round, refuse_round
from mcp_django.server.requests import Request
from mcp_django.sessions.room import Room
from mcp_django.sessions.session_state import StateInMemory

Send: TypeAlias = Callable[[Message], Awaitable[None]]

_MAX_ASKING: Final = 1000
"""Requests of one session that may wait for their user; they hold up no other."""


class Questions:
    """The questions of a legacy session that its client has yet to answer.

    Args:
        protocol: Makes requests of questions.
        room: Where the requests run whose handlers ask.
        state: Remembers the visits to URLs that the client is asked for.
        send: Sends a message to the client.
    """

    __slots__ = ("_open", "_protocol", "_room", "_send", "_state")

    def __init__(
        self,
        protocol: ServerProtocol | LegacyServerProtocol,
        room: Room,
        state: StateInMemory,
        *,
        send: Send,
    ) -> None:
        self._protocol = protocol
        self._room = room
        self._state = state
        self._send = send
        self._open: dict[RequestId, OpenQuestion] = {}

    async def ask(self, request: Request, questions: Sequence[Question[Any]]) -> None:
        """Ask the client a round of questions; other requests run meanwhile.

        Args:
            request: Whose handler asks; finds the answers when it is run again.
            questions: What it asks.
        """
        if self._room.pondering >= _MAX_ASKING:
            refuse_round(request, questions, "too many questions are open")
            return
        with self._room.let_ponder():
            await ask_round(
                request, questions, begin=self._begin, end=self._end, send=self._send
            )

    def receive_answer(self, id: RequestId, answer: AnswerMessage) -> None:
        """Let a request go on whose question the client has answered."""
        question = self._open.get(id)
        if question is not None:
            question.learn(answer)

    async def _begin(
        self, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        message = self._protocol.send_ask(question.method, question.params)
        opened = self._open[message.id] = OpenQuestion()
        if "elicitationId" in question.params:
            self._state.remember_elicitation(question.params["elicitationId"])
        return message, opened

    def _end(self, id: RequestId) -> Message:
        del self._open[id]
        return self._protocol.send_ask_cancelled(id, "no longer needed")
