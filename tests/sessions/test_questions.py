"""What handlers ask the client of a session, without a session."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django import Server
from mcp_django.exceptions import AskFailed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import AnswerReceived
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.legacy import LegacyServerProtocol
from mcp_django.server.asking import Question
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.sessions.questions import Questions
from mcp_django.sessions.room import Room
from mcp_django.sessions.session_state import StateInMemory
from mcp_django.worker.tasks import LoopTasks
from tests.server.calls import Caller
from tests.sessions.opening import open_session

ROOTS: Question[Any] = Question("roots", "roots/list", {}, lambda result: result)
PAY: Question[Any] = Question(
    "pay", "elicitation/create", {"elicitationId": "pay-1"}, lambda result: result
)


class Asking:
    """A client that answers at once whatever it is asked.

    Attributes:
        pondering: How many requests wait for their user, at each question.
    """

    def __init__(self) -> None:
        server = Server("shop")
        transport = open_session("one", server).transport
        self.protocol = LegacyServerProtocol(server.describe)
        self.room = Room(transport, LoopTasks(), self.never)
        self.state = StateInMemory(server, None)
        self.questions = Questions(
            self.protocol, self.room, self.state, send=self.reply
        )
        self.request = Caller(server).request("tools/call")
        self.pondering: list[int] = []
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "client", "version": "1"},
        }
        self.protocol.receive(jsonrpc.request(0, "initialize", params))

    async def never(self, request: Request) -> None:
        raise AssertionError

    async def reply(self, message: Message) -> None:
        assert isinstance(message, JSONRPCRequest)
        self.pondering.append(self.room.pondering)
        answer = jsonrpc.result(message.id, {"to": message.method})
        event = self.protocol.receive(answer)
        assert isinstance(event, AnswerReceived)
        self.questions.receive_answer(event.id, event.answer)

    async def found(self, question: Question[Any]) -> Any:
        self.request.answers.begin_run()
        return self.request.answers.find(question)


async def test_handler_finds_what_the_client_answers() -> None:
    """Our choice: it is run again, and other requests run meanwhile."""
    asking = Asking()
    await asking.questions.ask(asking.request, [ROOTS, PAY])
    assert await asking.found(ROOTS) == ({"to": "roots/list"},)
    assert asking.pondering == [1, 1]
    assert asking.room.pondering == 0


async def test_visit_that_the_client_is_asked_for_is_remembered() -> None:
    """Spec: 2025-11-25 client/elicitation, "Completion Notifications"."""
    asking = Asking()
    await asking.questions.ask(asking.request, [PAY])
    visited = Notice("elicitation", "pay-1")
    assert asking.state.wanted(visited) == [visited]


async def test_one_question_too_many_is_not_asked() -> None:
    """Our choice: what waits for users is bounded as well."""
    asking = Asking()
    with ExitStack() as pondering:
        for _ in range(1000):
            pondering.enter_context(asking.room.let_ponder())
        await asking.questions.ask(asking.request, [ROOTS])
    assert asking.pondering == []
    with pytest.raises(AskFailed, match="too many questions are open"):
        await asking.found(ROOTS)


async def test_answer_that_comes_too_late_changes_nothing() -> None:
    """Our choice: the request it was for has ended."""
    asking = Asking()
    await asking.questions.ask(asking.request, [ROOTS])
    asking.questions.receive_answer("ask-1", jsonrpc.result("ask-1", {"late": True}))
    assert await asking.found(ROOTS) == ({"to": "roots/list"},)
