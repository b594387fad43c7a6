"""Random clients, each over a random network, of one server in memory.

The machine sends, delivers, reads, cancels, answers, breaks and comes back in any
order, and compares with what was promised: each request is answered once, by the
handler that it was for, to the client that sent it, or its connection ends.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from django.contrib.auth.models import User
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mcp_django import Context, Server
from mcp_django.exceptions import ToolError
from mcp_django.sessions.serving import serve
from mcp_django.transports.base import Sender
from mcp_django.transports.memory import MemoryTransport
from mcp_django.worker.worker import current_worker

VERSIONS: Final = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
MODERN: Final = VERSIONS[-1]
CAPABILITIES: Final[dict[str, Any]] = {"elicitation": {"form": {}}}
NAME: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
SMALL_BUFFER: Final = 4
"""Messages that the network holds for a client that reads nothing."""
_OF_THE_WORKER: Final = ("Upkeep.", "Mailbox.")
_STEPS: Final = 60
"""More than any message takes from task to task."""

places = st.integers(0, 1_000)
clients = st.integers(0, 1)


@dataclass
class Site:
    """A server, and what its handlers did.

    Attributes:
        gates: Events that handlers wait for, by the key of their call.
        done: How often a handler came to its end, by key.
    """

    gates: dict[str, anyio.Event] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    def make_server(self) -> Server:
        """Make the server."""
        server = Server("random")

        def end(key: str, context: Context) -> str:
            self.done[key] += 1
            return f"{key} {context.user.get_username()}"

        @server.tool
        async def echo(key: str, context: Context) -> str:
            return end(key, context)

        @server.tool
        async def wait(key: str, context: Context) -> str:
            gate = self.gates.setdefault(key, anyio.Event())
            await context.report_progress(1)
            await gate.wait()
            return end(key, context)

        @server.tool
        async def fail(key: str, context: Context) -> str:
            raise ToolError(end(key, context))

        @server.tool
        async def ask(key: str, context: Context) -> str:
            await context.elicit(f"Who is {key}?", NAME)
            return end(key, context)

        return server


@dataclass
class Request:
    """What a client asked, and waits for.

    Attributes:
        key: Of the call, which no other has.
        tool: What was called.
        is_cancelled: Whether the client has given it up.
    """

    key: str
    tool: str
    is_cancelled: bool = False


class Connection:
    """One connection of a client, and the network that it goes over.

    Attributes:
        waiting: Requests without an answer, by id.
        on_the_way: What was sent, and not delivered yet.
        questions: What the server asked, and was not answered.
        retries: Calls whose questions were answered, to be sent once more.
    """

    def __init__(self, user: User, version: str) -> None:
        self.user, self.version = user, version
        self.waiting: dict[str, Request] = {}
        self.on_the_way: deque[bytes] = deque()
        self.questions: list[dict[str, Any]] = []
        self.retries: list[tuple[str, dict[str, Any]]] = []
        self.is_initialized = False
        self._to_server: MemoryObjectSendStream[bytes]
        self._from_server: MemoryObjectReceiveStream[bytes]
        self._serving: asyncio.Task[None]

    async def open(self, server: Server) -> None:
        """Connect."""
        self._to_server, at_server = anyio.create_memory_object_stream[bytes](1_000)
        to_client, self._from_server = anyio.create_memory_object_stream[bytes](
            SMALL_BUFFER
        )
        transport = MemoryTransport(at_server, to_client, sender=Sender(self.user))
        self._serving = asyncio.create_task(serve(server, transport))
        await _settle()

    @property
    def is_open(self) -> bool:
        """Whether the server still serves it."""
        return not self._serving.done()

    def send(self, message: dict[str, Any]) -> None:
        """Put a message on its way."""
        self.on_the_way.append(json.dumps({"jsonrpc": "2.0", **message}).encode())

    async def deliver(self, count: int) -> None:
        """Have so many messages arrive, in their order."""
        for _ in range(min(count, len(self.on_the_way))):
            try:
                self._to_server.send_nowait(self.on_the_way.popleft())
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
        await _settle()

    async def read(self, count: int) -> list[dict[str, Any]]:
        """Read so many messages, if there are."""
        messages = []
        for _ in range(count):
            try:
                messages.append(json.loads(self._from_server.receive_nowait()))
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
            await _settle()  # there is room for another one
        return messages

    async def close(self) -> None:
        """Break it, and wait until the server has noticed."""
        self._to_server.close()
        self._from_server.close()
        with anyio.fail_after(20):
            await self._serving


class RandomClients(RuleBasedStateMachine):
    """Two clients of one server, each of which is another user."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.site = Site()
        self.server = self.site.make_server()
        self.users = [User(pk=1, username="ann"), User(pk=2, username="bob")]
        self.connections: list[Connection | None] = [None, None]
        self.numbers = iter(range(1_000_000))
        self.sent: dict[str, str] = {}

    # What clients do ----------------------------------------------------------------

    @initialize(first=st.sampled_from(VERSIONS), second=st.sampled_from(VERSIONS))
    def begin(self, first: str, second: str) -> None:
        """Connect both."""
        self.connect(0, first)
        self.connect(1, second)

    @rule(who=clients, version=st.sampled_from(VERSIONS), chance=st.integers(0, 3))
    def connect_again(self, who: int, version: str, chance: int) -> None:
        """Break the connection and connect again, now and then."""
        if not chance:
            self.connect(who, version)

    def connect(self, who: int, version: str) -> None:
        """Connect, or break the connection and connect again."""
        self.disconnect(who)
        connection = Connection(self.users[who], version)
        self.runner.run(connection.open(self.server))
        self.connections[who] = connection
        if version != MODERN:
            params = {
                "protocolVersion": version,
                "capabilities": CAPABILITIES,
                "clientInfo": {"name": "random", "version": "1"},
            }
            connection.send({"id": "first", "method": "initialize", "params": params})
            self.runner.run(connection.deliver(1))
            [answer] = self.runner.run(connection.read(1))
            assert answer["result"]["protocolVersion"] == version
            connection.send({"method": "notifications/initialized"})

    def disconnect(self, who: int) -> None:
        """Break the connection, whatever is under way."""
        connection, self.connections[who] = self.connections[who], None
        if connection is not None:
            self.runner.run(connection.close())

    @rule(who=clients, tool=st.sampled_from(["echo", "wait", "fail", "ask", "none"]))
    def call(self, who: int, tool: str) -> None:
        """Send a call, which is not delivered yet."""
        if connection := self.connections[who]:
            key = f"k{next(self.numbers)}"
            self.sent[key] = connection.user.get_username()
            self._send_call(connection, key, tool)

    def _send_call(
        self, connection: Connection, key: str, tool: str, **more: Any
    ) -> None:
        id = f"{key}-{next(self.numbers)}"
        params = {"name": tool, "arguments": {"key": key}, **more}
        if connection.version == MODERN:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
            }
        connection.waiting[id] = Request(key, tool)
        connection.send({"id": id, "method": "tools/call", "params": params})

    @rule(who=clients, place=places)
    def cancel(self, who: int, place: int) -> None:
        """Give a call up."""
        connection = self.connections[who]
        if connection and connection.waiting:
            id = sorted(connection.waiting)[place % len(connection.waiting)]
            connection.waiting[id].is_cancelled = True
            params = {"requestId": id}
            connection.send({"method": "notifications/cancelled", "params": params})

    @rule(who=clients, place=places, again=st.booleans())
    def answer(self, who: int, place: int, again: bool) -> None:
        """Answer a question, perhaps twice."""
        connection = self.connections[who]
        if connection and connection.questions:
            place %= len(connection.questions)
            question = connection.questions[place]
            if not again:
                del connection.questions[place]
            result = {"action": "accept", "content": {"name": "me"}}
            connection.send({"id": question["id"], "result": result})

    @rule(who=clients)
    def retry(self, who: int) -> None:
        """Bring the answers to the questions of a modern call."""
        connection = self.connections[who]
        if connection and connection.retries:
            key, more = connection.retries.pop()
            self._send_call(connection, key, "ask", **more)

    @rule(
        who=clients,
        data=st.binary(max_size=60)
        | st.sampled_from(
            [
                b'{"jsonrpc":"2.0","id":"gone","result":{}}',
                b'{"jsonrpc":"2.0","method":"notifications/cancelled"}',
                b'{"jsonrpc":"2.0","id":{},"method":"tools/call"}',
                b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
                b"[" * 5_000,
                b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}',
            ]
        ),
    )
    def send_nonsense(self, who: int, data: bytes) -> None:
        """Send what is no request of a client."""
        if connection := self.connections[who]:
            connection.on_the_way.append(data)

    # What networks and handlers do --------------------------------------------------

    @rule(who=clients, count=st.integers(1, 5))
    def deliver(self, who: int, count: int) -> None:
        """Have some messages arrive."""
        if connection := self.connections[who]:
            self.runner.run(connection.deliver(count))

    @precondition(lambda self: self.site.gates)
    @rule(place=places)
    def let_go(self, place: int) -> None:
        """Let a handler go on."""
        gates = self.site.gates
        gates.pop(sorted(gates)[place % len(gates)]).set()
        self.runner.run(_settle())

    @rule(who=clients, count=st.integers(1, 5))
    def read(self, who: int, count: int) -> None:
        """Read some messages, and compare them with what was asked."""
        connection = self.connections[who]
        if connection is not None:
            for message in self.runner.run(connection.read(count)):
                self._look_at(connection, message)

    def _look_at(self, connection: Connection, message: dict[str, Any]) -> None:
        if "method" in message:
            if "id" in message:
                connection.questions.append(message)
            return
        id = message.get("id")
        if id is None or not str(id).startswith("k"):
            assert "error" in message or message["result"] is not None
            return
        assert id in connection.waiting, f"a second answer, or another's: {message}"
        request = connection.waiting.pop(id)
        if "error" in message:
            is_unknown = request.tool == "none"
            assert is_unknown or request.is_cancelled, message
            return
        result = message["result"]
        if result.get("resultType") == "input_required":
            answers = {
                name: {"action": "accept", "content": {"name": "me"}}
                for name in result["inputRequests"]
            }
            more = {"requestState": result["requestState"], "inputResponses": answers}
            connection.retries.append((request.key, more))
            return
        if request.tool == "none":
            assert result["isError"]
            return
        assert bool(result.get("isError")) == (request.tool == "fail")
        said = f"{request.key} {self.sent[request.key]}"
        assert result["content"][0]["text"] == said

    # What is promised ---------------------------------------------------------------

    @invariant()
    def no_call_is_run_twice(self) -> None:
        """A handler comes to its end once for each call."""
        assert all(count == 1 for count in self.site.done.values())

    @invariant()
    def connections_stay_open(self) -> None:
        """Whatever a client sends ends no connection."""
        assert all(each is None or each.is_open for each in self.connections)

    def teardown(self) -> None:
        """Deliver, answer and read everything: then every call has its answer."""
        try:
            for who, connection in enumerate(self.connections):
                if connection is not None:
                    self._finish(who, connection)
            for who in (0, 1):
                self.disconnect(who)
            self.runner.run(self._assert_nothing_is_left())
        finally:
            self.runner.close()

    def _finish(self, who: int, connection: Connection) -> None:
        rounds = 0
        while any(not each.is_cancelled for each in connection.waiting.values()):
            rounds += 1
            assert rounds < 200, f"never answered: {connection.waiting}"
            self.deliver(who, 1_000)
            while self.site.gates:
                self.let_go(0)
            self.read(who, 1_000)
            while connection.questions:
                self.answer(who, 0, again=False)
            while connection.retries:
                self.retry(who)
        while messages := self.runner.run(connection.read(1_000)):
            for message in messages:
                self._look_at(connection, message)

    async def _assert_nothing_is_left(self) -> None:
        await _settle()
        worker = current_worker()
        assert not len(worker.connections)
        assert not len(worker.listeners)
        here = asyncio.current_task()
        left = [task for task in asyncio.all_tasks() if task is not here]
        # A worker looks after what is open, and reads its mailbox, to its end.
        names = [getattr(task.get_coro(), "__qualname__", "") for task in left]
        assert not [name for name in names if not name.startswith(_OF_THE_WORKER)]


async def _settle() -> None:
    """Let all tasks run until they wait; none of them waits for time or a thread."""
    for _ in range(_STEPS):
        await anyio.lowlevel.checkpoint()


TestRandomClients = RandomClients.TestCase
TestRandomClients.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
