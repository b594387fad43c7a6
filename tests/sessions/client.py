"""A client at the other end of a memory transport, played by the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.server.server import Server
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.memory import memory_transports
from tests import patience

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
LATEST = "2025-11-25"
EVERYTHING: JSONObject = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}
"""Every capability that a handler can make use of."""


class Client:
    """Notes what the server sends, and can wait for it.

    Attributes:
        session: What serves this client.
        received: All messages of the server, in order.
    """

    def __init__(self, transport: Transport, session: Session) -> None:
        self.session = session
        self.received: list[Message] = []
        self._transport = transport
        self._last_id = 0
        self._changed = anyio.Event()
        transport.on_message = self._on_message

    async def initialize(
        self, *, version: str = LATEST, capabilities: JSONObject | None = None
    ) -> JSONObject:
        """Open the session, and give the result of that."""
        params = {
            "protocolVersion": version,
            "capabilities": EVERYTHING if capabilities is None else capabilities,
            "clientInfo": {"name": "client", "version": "1.0"},
        }
        opened = await self.call("initialize", params)
        await self.notify("notifications/initialized")
        return opened

    async def send(self, message: Message) -> None:
        """Send any message."""
        await self._transport.send(message)

    async def close(self) -> None:
        """Leave without a word."""
        await self._transport.close()

    async def request(
        self,
        method: str,
        params: JSONObject | None = None,
        *,
        id: RequestId | None = None,
    ) -> RequestId:
        """Send a request, and give its id."""
        if id is None:
            self._last_id += 1
            id = self._last_id
        await self.send(jsonrpc.request(id, method, params))
        return id

    async def start_tool(self, tool: str, /, **arguments: Any) -> RequestId:
        """Call a tool without waiting for its result, and give the request's id."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments})

    async def notify(self, method: str, params: JSONObject | None = None) -> None:
        """Send a notification."""
        await self.send(jsonrpc.notification(method, params))

    async def cancel(self, id: RequestId, reason: str | None = None) -> None:
        """Cancel a request."""
        params: JSONObject = {"requestId": id}
        if reason is not None:
            params["reason"] = reason
        await self.notify("notifications/cancelled", params)

    async def reply(self, question: JSONRPCRequest, result: JSONObject) -> None:
        """Answer a question of the server."""
        await self.send(jsonrpc.result(question.id, result))

    async def call(self, method: str, params: JSONObject | None = None) -> JSONObject:
        """Send a request, and wait for its result."""
        answer = await self.answer_to(await self.request(method, params))
        assert isinstance(answer, JSONRPCResponse), answer
        return answer.result

    async def call_tool(self, tool: str, /, **arguments: Any) -> JSONObject:
        """Call a tool, and wait for its result."""
        return await self.call("tools/call", {"name": tool, "arguments": arguments})

    async def text_of(self, tool: str, /, **arguments: Any) -> str:
        """Call a tool, and wait for its text."""
        [block] = (await self.call_tool(tool, **arguments))["content"]
        text: str = block["text"]
        return text

    async def error_of(
        self, method: str, params: JSONObject | None = None
    ) -> JSONRPCError:
        """Send a request, and wait for its error."""
        answer = await self.answer_to(await self.request(method, params))
        assert isinstance(answer, JSONRPCError), answer
        return answer

    async def answer_to(self, id: RequestId) -> JSONRPCResponse | JSONRPCError:
        """Wait for the answer to a request."""
        await self.until(lambda: bool(self.answers_to(id)))
        [answer] = self.answers_to(id)
        return answer

    def answers_to(self, id: RequestId) -> list[JSONRPCResponse | JSONRPCError]:
        """Give the answers to a request so far."""
        return [
            message
            for message in self.received
            if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id == id
        ]

    @property
    def questions(self) -> list[JSONRPCRequest]:
        """What the server asked so far."""
        return [m for m in self.received if isinstance(m, JSONRPCRequest)]

    async def question(self, number: int = 1) -> JSONRPCRequest:
        """Wait for the server's question of this number."""
        await self.until(lambda: len(self.questions) >= number)
        return self.questions[number - 1]

    def notifications(self, method: str) -> list[JSONObject | None]:
        """Give the params of notifications so far."""
        return [
            message.params
            for message in self.received
            if isinstance(message, JSONRPCNotification) and message.method == method
        ]

    async def notified(self, method: str, count: int = 1) -> list[JSONObject | None]:
        """Wait for so many notifications, and give the params of all there are."""
        await self.until(lambda: len(self.notifications(method)) >= count)
        return self.notifications(method)

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait until what was received is enough."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_true():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def settle(self) -> None:
        """Wait until everything that was sent has been taken."""
        await self.call("ping")

    async def _on_message(self, message: Message, sender: Sender) -> None:
        self.received.append(message)
        self._changed.set()


@asynccontextmanager
async def connected(
    server: Server,
    *,
    user: Any = None,
    buffer: int = 16,
    wrap: Callable[[Transport], Transport] = lambda transport: transport,
    tasks: Callable[[TaskGroup], Any] = lambda group: group,
) -> AsyncIterator[Client]:
    """Serve a client that has not initialized yet.

    Args:
        server: Who answers.
        user: Whom the client works as.
        buffer: Messages that may wait in each direction.
        wrap: Changes the server's end of the transport.
        tasks: Makes the session's tasks of a group.
    """
    client_end, server_end = memory_transports(client=Sender(user), buffer=buffer)
    async with anyio.create_task_group() as group:
        transport = wrap(server_end)
        client = Client(client_end, Session(server, transport, tasks(group)))
        await transport.start(group)
        await client_end.start(group)
        try:
            yield client
        finally:
            await client.session.end()
            group.cancel_scope.cancel()


@asynccontextmanager
async def initialized(server: Server, **options: Any) -> AsyncIterator[Client]:
    """Serve a client whose session is open."""
    async with connected(server, **options) as client:
        await client.initialize()
        yield client
