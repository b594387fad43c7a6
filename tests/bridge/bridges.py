"""A bridge in memory: a client of the test, the bridge, and a server of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, TypeAlias

import anyio
from anyio.abc import TaskGroup
from django.contrib.auth.models import AnonymousUser
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from mcp_types.jsonrpc import (
    UNSUPPORTED_PROTOCOL_VERSION,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.bridge.bridge import bridge
from mcp_django.client.client import Client
from mcp_django.client.connecting import Target
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import Answered, Event
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.legacy import LegacyServerProtocol
from mcp_django.protocol.server import ServerProtocol
from mcp_django.server.server import Server
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.memory import MemoryTransport, memory_transports
from tests import patience

BOUND: Final = patience.PATIENCE_SECONDS
"""Seconds that anything may take before a test gives up."""

Era: TypeAlias = Literal["legacy", "modern"]
ERAS: Final[tuple[Era, ...]] = ("legacy", "modern")
ServerEra: TypeAlias = Literal["legacy", "modern", "both"]
VERSIONS: Final[dict[Era, str]] = {"legacy": "2025-11-25", "modern": "2026-07-28"}


class ModernOnly(ServerProtocol):
    """The protocol of a server that has no sessions."""

    def receive(self, message: Message) -> Event:
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            return Answered(no_session(message))
        return super().receive(message)


def no_session(request: JSONRPCRequest) -> JSONRPCError:
    """Refuse `initialize`, as servers of the modern era may.

    Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation".
    """
    data: JSONObject = {"supported": [VERSIONS["modern"]], "requested": "2025-11-25"}
    return jsonrpc.error(
        request.id, UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data
    )


class FarEnd:
    """The server behind a bridge; each call connects with it anew.

    Attributes:
        sessions: One for each connection, the newest last.
        ends: The server's ends of these connections.
    """

    def __init__(self, server: Server, era: ServerEra, tasks: TaskGroup) -> None:
        self.sessions: list[Session] = []
        self.ends: list[MemoryTransport] = []
        self._server = server
        self._era = era
        self._tasks = tasks

    def __call__(self) -> MemoryTransport:
        """Make the client's end of a connection that is served."""
        server = self._server
        far_end, server_end = memory_transports(client=Sender(AnonymousUser()))
        protocol = (
            LegacyServerProtocol(server.describe)
            if self._era == "legacy"
            else _PROTOCOLS[self._era](server.describe, server.server_info)
        )
        session = Session(server, server_end, self._tasks, protocol=protocol)
        self.sessions.append(session)
        self.ends.append(server_end)
        self._tasks.start_soon(server_end.start, self._tasks)
        return far_end


_PROTOCOLS: Final = {"modern": ModernOnly, "both": ServerProtocol}


@asynccontextmanager
async def bridged_to(target: Target) -> AsyncIterator[MemoryTransport]:
    """Run a bridge to the end of the block, and give the end for its client."""
    near_end, client_end = memory_transports()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bridge, client_end, target)
        yield near_end
        # The bridge ends by itself once its client is gone.
        await near_end.close()
        tasks.cancel_scope.deadline = anyio.current_time() + BOUND
    assert not tasks.cancel_scope.cancelled_caught


@asynccontextmanager
async def far_end(server: Server, era: ServerEra) -> AsyncIterator[FarEnd]:
    """Serve a server to the end of the block."""
    async with anyio.create_task_group() as tasks:
        yield FarEnd(server, era, tasks)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def bridged_client(
    server: Server, *, server_era: ServerEra, client_era: Era, **options: Any
) -> AsyncIterator[tuple[Client, FarEnd]]:
    """Connect a `Client` of one era with a server of one era, through a bridge."""
    async with (
        far_end(server, server_era) as far,
        bridged_to(far) as near_end,
        Client(near_end, version=VERSIONS[client_era], **options) as client,
    ):
        yield client, far


CLIENT_INFO: Final[JSONObject] = {"name": "raw", "version": "1.0"}
EVERYTHING: Final[JSONObject] = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {},
    "roots": {},
}
"""Every capability that a server may ask for."""


class RawClient:
    """A client that speaks messages; notes what comes, and can wait for it.

    Args:
        transport: The client's end; its callbacks are set here.
        capabilities: What it declares.

    Attributes:
        received: All that came, in order.
    """

    def __init__(
        self, transport: Transport, *, capabilities: JSONObject = EVERYTHING
    ) -> None:
        self.received: list[Message] = []
        self.capabilities = capabilities
        self._transport = transport
        self._changed = anyio.Event()
        self._last_id = 0
        transport.on_message = self._note

    async def initialize(self, version: str = "2025-11-25") -> JSONObject:
        """Open a session, and give the result of that."""
        opened = await self.call(
            "initialize",
            {
                "protocolVersion": version,
                "capabilities": self.capabilities,
                "clientInfo": CLIENT_INFO,
            },
        )
        await self.notify("notifications/initialized")
        return opened

    def modern(self, params: JSONObject | None = None, **meta: JSON) -> JSONObject:
        """Give params with what every modern request says, and more `_meta`."""
        said = {
            PROTOCOL_VERSION_META_KEY: VERSIONS["modern"],
            CLIENT_INFO_META_KEY: CLIENT_INFO,
            CLIENT_CAPABILITIES_META_KEY: self.capabilities,
        }
        return {**(params or {}), "_meta": {**said, **meta}}

    async def send(self, message: Message) -> None:
        """Send any message."""
        await self._transport.send(message)

    async def request(self, method: str, params: JSONObject | None = None) -> int:
        """Send a request, and give its id."""
        self._last_id += 1
        await self.send(jsonrpc.request(self._last_id, method, params))
        return self._last_id

    async def notify(self, method: str, params: JSONObject | None = None) -> None:
        """Send a notification."""
        await self.send(jsonrpc.notification(method, params))

    async def answer_to(self, id: RequestId) -> JSONRPCResponse | JSONRPCError:
        """Wait for the answer to a request."""
        answers: list[JSONRPCResponse | JSONRPCError] = []

        def is_answered() -> bool:
            answers.extend(
                message
                for message in self.received
                if isinstance(message, JSONRPCResponse | JSONRPCError)
                and message.id == id
            )
            return bool(answers)

        await self.until(is_answered)
        return answers[0]

    async def call(self, method: str, params: JSONObject | None = None) -> JSONObject:
        """Send a request, and wait for its result."""
        answer = await self.answer_to(await self.request(method, params))
        assert isinstance(answer, JSONRPCResponse), answer
        return answer.result

    async def error_of(
        self, method: str, params: JSONObject | None = None
    ) -> ErrorData:
        """Send a request, and wait for its error."""
        answer = await self.answer_to(await self.request(method, params))
        assert isinstance(answer, JSONRPCError), answer
        return answer.error

    async def question(self, number: int = 1) -> JSONRPCRequest:
        """Wait for the request of the server that has this number."""
        await self.until(lambda: len(self._asked) >= number)
        return self._asked[number - 1]

    async def notified(self, method: str, count: int = 1) -> list[JSONObject | None]:
        """Wait for so many notifications, and give the params of all there are."""
        await self.until(lambda: len(self.notifications(method)) >= count)
        return self.notifications(method)

    def notifications(self, method: str) -> list[JSONObject | None]:
        """Give the params of the notifications so far."""
        return [
            message.params
            for message in self.received
            if isinstance(message, JSONRPCNotification) and message.method == method
        ]

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait until what was received is enough."""
        with anyio.fail_after(BOUND):
            while not is_true():
                self._changed = anyio.Event()
                await self._changed.wait()

    @property
    def _asked(self) -> list[JSONRPCRequest]:
        return [m for m in self.received if isinstance(m, JSONRPCRequest)]

    async def _note(self, message: Message, sender: Sender) -> None:
        self.received.append(message)
        self._changed.set()


@asynccontextmanager
async def raw_client(
    target: Target, *, capabilities: JSONObject = EVERYTHING
) -> AsyncIterator[RawClient]:
    """Connect a `RawClient` with a bridge to a target."""
    async with bridged_to(target) as near_end, anyio.create_task_group() as tasks:
        client = RawClient(near_end, capabilities=capabilities)
        await near_end.start(tasks)
        yield client
        await near_end.close()


SERVER_INFO: Final[JSONObject] = {"name": "played", "version": "2.0"}


class RawServer:
    """A server that the test plays; it opens sessions and says what it is by itself.

    It is a target: each call connects with it anew.

    Args:
        era: Which era it is of.
        tasks: Where its connections run.
        capabilities: What it declares.

    Attributes:
        received: All that came, in order, but for its opening.
        opened: Params of each `initialize`.
        first_question: What it asks as soon as it is initialized; None for nothing.
        ends: Its ends of the connections, the newest last.
    """

    def __init__(
        self,
        era: ServerEra,
        tasks: TaskGroup,
        *,
        capabilities: JSONObject | None = None,
    ) -> None:
        self.received: list[Message] = []
        self.opened: list[JSONObject] = []
        self.first_question: JSONRPCRequest | None = None
        self.ends: list[MemoryTransport] = []
        self._era = era
        self._tasks = tasks
        self._capabilities = {"tools": {}} if capabilities is None else capabilities
        self._changed = anyio.Event()
        self._looked_at = 0

    def __call__(self) -> MemoryTransport:
        """Make the client's end of a connection."""
        far_end, server_end = memory_transports()
        server_end.on_message = self._note
        self.ends.append(server_end)
        self._tasks.start_soon(server_end.start, self._tasks)
        return far_end

    async def next(
        self, method: str, *, bound: float = BOUND
    ) -> JSONRPCRequest | JSONRPCNotification:
        """Wait for the next message, which has to be of a method."""
        message = await self.next_message(bound=bound)
        assert isinstance(message, JSONRPCRequest | JSONRPCNotification), message
        assert message.method == method
        return message

    async def next_message(self, *, bound: float = BOUND) -> Message:
        """Wait for the next message."""
        with anyio.fail_after(bound):
            while len(self.received) <= self._looked_at:
                self._changed = anyio.Event()
                await self._changed.wait()
        self._looked_at += 1
        return self.received[self._looked_at - 1]

    async def request(self, method: str) -> JSONRPCRequest:
        """Wait for the next message, which has to be a request of a method."""
        message = await self.next(method)
        assert isinstance(message, JSONRPCRequest)
        return message

    async def reply(self, request: JSONRPCRequest, result: JSONObject) -> None:
        """Answer a request."""
        await self.send(jsonrpc.result(request.id, result))

    async def ask(self, id: RequestId, method: str, params: JSONObject) -> None:
        """Send a request of its own."""
        await self.send(jsonrpc.request(id, method, params))

    async def send(self, message: Message) -> None:
        """Send any message."""
        await self.ends[-1].send(message)

    async def _note(self, message: Message, sender: Sender) -> None:
        match message:
            case JSONRPCRequest(method="server/discover") if self._era != "legacy":
                discovered: JSONObject = {
                    "resultType": "complete",
                    "supportedVersions": [VERSIONS["modern"]],
                    "capabilities": self._capabilities,
                    "ttlMs": 0,
                    "cacheScope": "private",
                    "_meta": {SERVER_INFO_META_KEY: SERVER_INFO},
                }
                await self.reply(message, discovered)
            case JSONRPCRequest(method="server/discover"):
                await self.send(jsonrpc.error(message.id, -32601, "unknown"))
            case JSONRPCRequest(method="initialize") if self._era == "modern":
                await self.send(no_session(message))
            case JSONRPCRequest(method="initialize", params=dict() as params):
                self.opened.append(params)
                initialized: JSONObject = {
                    "protocolVersion": VERSIONS["legacy"],
                    "capabilities": self._capabilities,
                    "serverInfo": SERVER_INFO,
                }
                await self.reply(message, initialized)
            case JSONRPCNotification(method="notifications/initialized"):
                if self.first_question is not None:
                    await self.send(self.first_question)
            case _:
                self.received.append(message)
                self._changed.set()


@asynccontextmanager
async def raw_pair(
    *,
    server_era: ServerEra,
    capabilities: JSONObject | None = None,
    client_capabilities: JSONObject = EVERYTHING,
) -> AsyncIterator[tuple[RawClient, RawServer]]:
    """Join a `RawClient` and a `RawServer` by a bridge."""
    async with anyio.create_task_group() as tasks:
        server = RawServer(server_era, tasks, capabilities=capabilities)
        async with raw_client(server, capabilities=client_capabilities) as client:
            yield client, server
        tasks.cancel_scope.cancel()
