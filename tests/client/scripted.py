"""A server at the other end of a memory transport, played by the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.client.client import Client
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.memory import memory_transports
from tests import patience

PATIENCE_SECONDS = patience.PATIENCE_SECONDS

KEY: Final = "io.modelcontextprotocol"
SUBSCRIPTION_ID: Final = f"{KEY}/subscriptionId"
LATEST: Final = "2026-07-28"
LATEST_LEGACY: Final = "2025-11-25"

OFFERED: JSONObject = {
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "tools": {"listChanged": True},
}
SERVER_INFO: JSONObject = {"name": "shop", "version": "1.0"}
DISCOVERED: JSONObject = {
    "resultType": "complete",
    "supportedVersions": [LATEST],
    "capabilities": OFFERED,
    "instructions": "Be quick.",
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {f"{KEY}/serverInfo": SERVER_INFO},
}
INITIALIZED: JSONObject = {
    "protocolVersion": LATEST_LEGACY,
    "capabilities": OFFERED,
    "serverInfo": SERVER_INFO,
    "instructions": "Be quick.",
}


@dataclass(frozen=True)
class Refusal:
    """An error to answer with."""

    code: int
    message: str = "no"
    data: JSON = None


class Silence:
    """No answer at all."""


Answer: TypeAlias = JSONObject | Refusal | Silence
Script: TypeAlias = Mapping[str, Answer | list[Answer]]
"""Method -> what to answer it with; of a list, one after the other, the last again.

Requests of other methods wait for `ScriptedServer.answer`.
"""

MODERN: Script = {"server/discover": DISCOVERED}
LEGACY: Script = {"server/discover": Refusal(-32601), "initialize": INITIALIZED}


class ScriptedServer:
    """Answers what its script says; the rest is played by hand.

    Attributes:
        transport: The client's end.
        received: All messages of the client, in order.
        is_closed: Whether the connection has ended.
    """

    def __init__(self, script: Script, *, buffer: int = 64) -> None:
        self.transport, self._transport = memory_transports(buffer=buffer)
        self.received: list[Message] = []
        self.is_closed = False
        self._script = {
            method: [*answers] if isinstance(answers, list) else [answers]
            for method, answers in script.items()
        }
        self._unexpected: list[JSONRPCRequest | JSONRPCNotification] = []
        self._last_id = 0
        self._changed = anyio.Event()
        self._may_read = anyio.Event()
        self._may_read.set()
        self._transport.on_message = self._take
        self._transport.on_close = self._note_close

    async def start(self, tasks: TaskGroup) -> None:
        """Begin to read."""
        await self._transport.start(tasks)

    async def close(self) -> None:
        """Leave without a word."""
        await self._transport.close()

    def stop_reading(self) -> None:
        """Take the next message, and none after it."""
        self._may_read = anyio.Event()

    def read_on(self) -> None:
        """Read again."""
        self._may_read.set()

    def report(self, error: Exception) -> None:
        """Let the client's end report an error."""
        self.transport.on_error(error)

    # What the server says -------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Send any message."""
        await self._transport.send(message)

    async def send_at_once(self, *messages: Message) -> None:
        """Let the client's end deliver messages as if they had come in one piece."""
        for message in messages:
            await self.transport.on_message(message, Sender())

    async def answer(self, request: JSONRPCRequest, result: JSONObject) -> None:
        """Answer a request."""
        await self.send(jsonrpc.result(request.id, result))

    async def refuse(self, request: JSONRPCRequest, refusal: Refusal) -> None:
        """Answer a request with an error."""
        await self.send(
            jsonrpc.error(request.id, refusal.code, refusal.message, refusal.data)
        )

    async def notify(self, method: str, params: JSONObject | None = None) -> None:
        """Send a notification."""
        await self.send(jsonrpc.notification(method, params))

    async def report_progress(
        self, request: JSONRPCRequest, progress: float, **more: JSON
    ) -> None:
        """Report progress of a request, which has asked for it."""
        token = (request.params or {})["_meta"]["progressToken"]
        params: JSONObject = {"progressToken": token, "progress": progress, **more}
        await self.notify("notifications/progress", params)

    async def ask(
        self,
        method: str,
        params: JSONObject | None = None,
        *,
        id: RequestId | None = None,
    ) -> RequestId:
        """Ask the client something, and give the id of the question."""
        if id is None:
            self._last_id += 1
            id = f"question {self._last_id}"
        await self.send(jsonrpc.request(id, method, params))
        return id

    # What the client says -------------------------------------------------------------

    async def expect(self, method: str) -> JSONRPCRequest:
        """Wait for the next request of a method."""
        message = await self._next(method)
        assert isinstance(message, JSONRPCRequest)
        return message

    async def expect_notified(self, method: str) -> JSONObject | None:
        """Wait for the next notification of a method, and give its params."""
        message = await self._next(method)
        assert isinstance(message, JSONRPCNotification)
        return message.params

    async def answer_to(self, id: RequestId) -> JSONRPCResponse | JSONRPCError:
        """Wait for the answer to a question."""
        await self.until(lambda: bool(self.answers_to(id)))
        [answer] = self.answers_to(id)
        return answer

    def answers_to(self, id: RequestId) -> list[JSONRPCResponse | JSONRPCError]:
        """Give the answers to a question so far."""
        return [
            message
            for message in self.received
            if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id == id
        ]

    @property
    def methods(self) -> list[str]:
        """The methods of all requests and notifications so far."""
        return [
            message.method
            for message in self.received
            if isinstance(message, JSONRPCRequest | JSONRPCNotification)
        ]

    def params_of(self, method: str) -> list[JSONObject | None]:
        """Give the params of all requests and notifications of a method so far."""
        return [
            message.params
            for message in self.received
            if isinstance(message, JSONRPCRequest | JSONRPCNotification)
            and message.method == method
        ]

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait until what was received is enough."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_true():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def until_closed(self) -> None:
        """Wait for the end of the connection."""
        await self.until(lambda: self.is_closed)

    async def _next(self, method: str) -> JSONRPCRequest | JSONRPCNotification:
        def found() -> list[JSONRPCRequest | JSONRPCNotification]:
            return [m for m in self._unexpected if m.method == method]

        await self.until(lambda: bool(found()))
        message = found()[0]
        self._unexpected.remove(message)
        return message

    async def _take(self, message: Message, sender: Sender) -> None:
        await self._may_read.wait()
        self.received.append(message)
        if isinstance(message, JSONRPCRequest | JSONRPCNotification):
            self._unexpected.append(message)
        self._changed.set()
        if (
            not isinstance(message, JSONRPCRequest)
            or message.method not in self._script
        ):
            return
        answers = self._script[message.method]
        match answers.pop(0) if len(answers) > 1 else answers[0]:
            case Refusal() as refusal:
                await self.refuse(message, refusal)
            case dict() as result:
                await self.answer(message, result)

    def _note_close(self) -> None:
        self.is_closed = True
        self._changed.set()


def sent_of(server: ScriptedServer, method: str) -> list[JSONObject]:
    """Give the params of requests, without what each of them says."""
    return [
        {name: value for name, value in (params or {}).items() if name != "_meta"}
        for params in server.params_of(method)
    ]


class ScriptedServers:
    """Makes a transport to another server each time: a target of `Client`.

    Args:
        tasks: Where the servers run.
        scripts: Of the first server, the second one and so on; the last one again.

    Attributes:
        made: The servers.
    """

    def __init__(self, tasks: TaskGroup, *scripts: Script) -> None:
        self.made: list[ScriptedServer] = []
        self._tasks = tasks
        self._scripts = scripts
        self._has_news = anyio.Event()

    def __call__(self) -> Transport:
        """Make the next one."""
        script = self._scripts[min(len(self.made), len(self._scripts) - 1)]
        server = ScriptedServer(script)
        self.made.append(server)
        self._has_news.set()
        self._tasks.start_soon(server.start, self._tasks)
        return server.transport

    async def until_made(self, count: int) -> ScriptedServer:
        """Wait until there were so many, and give the newest."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(self.made) < count:
                self._has_news = anyio.Event()
                await self._has_news.wait()
        return self.made[count - 1]


@asynccontextmanager
async def serving(script: Script, *, buffer: int = 64) -> AsyncIterator[ScriptedServer]:
    """Run a server to the end of the block."""
    server = ScriptedServer(script, buffer=buffer)
    async with anyio.create_task_group() as tasks:
        await server.start(tasks)
        try:
            yield server
        finally:
            await server.close()
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    script: Script = MODERN,
    *,
    more: Script | None = None,
    buffer: int = 64,
    **options: Any,
) -> AsyncIterator[tuple[Client, ScriptedServer]]:
    """Run a server with a client that is connected.

    Args:
        script: What the server answers.
        more: What else it answers.
        buffer: Messages that may wait in each direction.
        options: Of the client.
    """
    async with (
        serving({**script, **(more or {})}, buffer=buffer) as server,
        Client(server.transport, **options) as client,
    ):
        yield client, server


@dataclass
class Call:
    """What came of a coroutine function that ran beside a block."""

    outcome: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        """Give what it returned, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.outcome


@asynccontextmanager
async def beside(
    function: Callable[[], Awaitable[Any]], *, seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Call]:
    """Run a coroutine function beside the block, and wait for it at its end.

    Args:
        function: What comes of it is noted.
        seconds: To wait at most.
    """
    call = Call()

    async def run() -> None:
        try:
            call.outcome = await function()
        except Exception as error:
            call.error = error

    with anyio.fail_after(seconds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            yield call
