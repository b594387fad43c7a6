"""Asking the client of a session, and waiting for what it answers."""

from typing import Any

import anyio
import pytest
from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest, RequestId
from pytest_django import Settings

from mcp_django.exceptions import AskFailed
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Peer
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.asking import Question
from mcp_django.server.question_rounds import OpenQuestion, ask_round
from mcp_django.server.requests import Request
from mcp_django.transports.base import Sender

ONE: Question[Any] = Question("one", "a", {}, lambda result: result)
TWO: Question[Any] = Question("two", "b", {}, lambda result: result)


def make_request() -> Request:
    """Make a request whose handler asks."""

    async def notify(method: str, params: dict[str, Any]) -> None:
        raise AssertionError

    return Request(
        id=1,
        method="tools/call",
        params={},
        peer=Peer(
            "2025-11-25",
            Implementation(name="test", version="1"),
            ClientCapabilities(),
        ),
        sender=Sender(),
        notify=notify,
    )


class Client:
    """A client that is asked.

    Attributes:
        sent: What it was sent.
        pending: Id -> question that is waited for.
        answers: Key of a question -> what is answered at once.
    """

    def __init__(self, **answers: Any) -> None:
        self.sent: list[Message] = []
        self.pending: dict[RequestId, OpenQuestion] = {}
        self.ended: list[RequestId] = []
        self.answers = answers
        self.fault: Exception | None = None

    async def begin(
        self, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        if self.fault is not None and self.pending:
            raise self.fault
        pending = self.pending[question.key] = OpenQuestion()
        return jsonrpc.request(question.key, question.method, question.params), pending

    def end(self, id: RequestId) -> Message:
        self.ended.append(id)
        return jsonrpc.notification("notifications/cancelled", {"requestId": id})

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if isinstance(message, JSONRPCRequest) and message.id in self.answers:
            self.pending[message.id].learn(self.answers[str(message.id)])

    async def ask(self, request: Request) -> None:
        await ask_round(
            request, [ONE, TWO], begin=self.begin, end=self.end, send=self.send
        )

    @property
    def withdrawn(self) -> list[Any]:
        """Ids of the questions that were withdrawn."""
        return [
            message.params["requestId"]
            for message in self.sent
            if isinstance(message, JSONRPCNotification) and message.params
        ]


async def test_all_questions_of_a_round_are_sent_before_an_answer_is_waited_for() -> (
    None
):
    """Our choice: a user sees them together."""
    request = make_request()
    client = Client(
        one=jsonrpc.result("one", {"a": 1}), two=jsonrpc.result("two", {"b": 2})
    )
    await client.ask(request)
    request.answers.begin_run()
    assert request.answers.find(ONE) == ({"a": 1},)
    assert request.answers.find(TWO) == ({"b": 2},)
    assert [message.id for message in client.sent if hasattr(message, "id")] == [
        "one",
        "two",
    ]
    assert client.ended == ["one", "two"]
    assert client.withdrawn == []


async def test_question_without_an_answer_in_time_has_failed(
    settings: Settings,
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Timeouts"; MCP["ASK_TIMEOUT"]."""
    settings.MCP = {"ASK_TIMEOUT": 0.01}
    request = make_request()
    client = Client(two=jsonrpc.result("two", {}))
    await client.ask(request)
    request.answers.begin_run()
    assert request.answers.find(TWO) == ({},)
    with pytest.raises(AskFailed, match="no answer within"):
        request.answers.find(ONE)
    assert client.ended == ["one", "two"]
    assert client.withdrawn == ["one"]


async def test_questions_are_withdrawn_when_the_request_is_cancelled() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    client = Client()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.ask, make_request())
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert client.ended == client.withdrawn == ["one", "two"]


async def test_questions_are_withdrawn_when_another_cannot_be_asked() -> None:
    """Our choice: nobody waits for their answers any more."""
    client = Client()
    client.fault = ConnectionError("the cache is away")
    with pytest.raises(ConnectionError):
        await client.ask(make_request())
    assert client.ended == client.withdrawn == ["one"]
