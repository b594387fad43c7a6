"""One session: messages to handlers, answers to the transport."""

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup
from django.core.signals import got_request_exception
from mcp_types import ElicitRequestURLParams
from mcp_types.jsonrpc import (
    INVALID_PARAMS,
    JSONRPCError,
    JSONRPCResponse,
    RequestId,
)
from pydantic import BaseModel
from pytest_django import Settings

from mcp_django import (
    Context,
    ErrorAnswer,
    Server,
    SyncContext,
    UrlElicitationRequired,
)
from mcp_django.exceptions import MessageTooLarge
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server import dispatch
from mcp_django.server.notices import Notice
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender, Transport
from mcp_django.worker.tasks import LoopTasks
from tests.fault_lines import more, said
from tests.sessions.client import (
    EVERYTHING,
    PATIENCE_SECONDS,
    Client,
    connected,
    initialized,
)

INTERNAL_ERROR = -32603
Answer = JSONRPCResponse | JSONRPCError
NEUTRAL = {"content": [{"type": "text", "text": "Internal error"}], "isError": True}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Gate:
    """Where handlers wait until the test lets them go on."""

    def __init__(self) -> None:
        self.entered: list[Any] = []
        self.left: list[Any] = []
        self._changed = anyio.Event()
        self._is_open = anyio.Event()

    async def wait(self, name: Any) -> None:
        self.entered.append(name)
        self._changed.set()
        try:
            await self._is_open.wait()
        finally:
            self.left.append(name)
            self._changed.set()

    def open(self) -> None:
        self._is_open.set()

    async def until(self, is_true: Callable[[], bool]) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while not is_true():
                self._changed = anyio.Event()
                await self._changed.wait()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def server(gate: Gate) -> Server:
    server = Server("shop")

    @server.tool
    async def wait(name: str) -> str:
        await gate.wait(name)
        return name

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.resource("shop://terms")
    def terms() -> str:
        return "None."

    return server


def tool_text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


# Opening ----------------------------------------------------------------------------


async def test_session_is_opened_and_answers(server: Server) -> None:
    """Spec: 2025-11-25 basic/lifecycle."""
    async with connected(server) as client:
        assert (await client.initialize())["serverInfo"] == {
            "name": "shop",
            "version": "1.0.0",
        }
        assert (await client.call_tool("add", a=1, b=2))["structuredContent"] == {
            "result": 3
        }


async def test_session_that_needs_no_name_has_none() -> None:
    """Our choice: over stdio and in memory nobody has to find it."""
    server = Server("nameless")

    @server.tool
    async def has_name(context: Context) -> bool:
        """Say whether the session has an id."""
        return context.session_id is not None

    async with initialized(server) as client:
        assert await client.text_of("has_name") == "false"


async def test_ping_is_answered_before_and_after(server: Server) -> None:
    """Spec: 2025-11-25 basic/utilities/ping."""
    async with connected(server) as client:
        assert await client.call("ping") == {}
        await client.initialize()
        assert await client.call("ping") == {}


async def test_client_may_send_the_next_request_before_its_session_is_open(
    server: Server,
) -> None:
    """Our choice: messages are taken in order, so that it is open by then."""
    async with connected(server) as client:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "client", "version": "1"},
        }
        opening = await client.request("initialize", params)
        listing = await client.request("tools/list")
        for id in (opening, listing):
            assert isinstance(await client.answer_to(id), JSONRPCResponse)


async def test_transport_takes_batches_in_one_version_only(server: Server) -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    ends: list[Congestible] = []
    taken: list[bool] = []
    for version in ("2025-03-26", "2025-06-18"):
        async with connected(server, wrap=congestible(ends)) as client:
            taken.append(ends[-1].takes_batches)
            await client.initialize(version=version)
            taken.append(ends[-1].takes_batches)
    assert taken == [False, True, False, False]


async def test_broken_rules_are_logged_and_the_session_lives_on(
    server: Server, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: duplicate ids, answers to nothing, cancellations of nothing."""
    async with initialized(server) as client:
        await client.start_tool("wait", name="a")
        waiting = await client.start_tool("wait", name="b")
        await gate.until(lambda: len(gate.entered) == 2)
        await client.request("tools/list", id=waiting)
        await client.send(jsonrpc.result("ask-7", {}))
        await client.send(jsonrpc.error(None, -32700, "what?"))
        await client.cancel(99)
        await client.notify("notifications/cancelled", {"requestId": [1]})
        await client.notify("notifications/unknown")
        await client.settle()
        gate.open()
        assert await client.answer_to(waiting) == jsonrpc.result(
            waiting, tool_text("b")
        )
    assert caplog.messages == [
        f"message ignored: request id {waiting!r} is in flight already",
        "message ignored: answer to 'ask-7', which was not asked",
        "message ignored: answer to None, which was not asked",
        "message ignored: nothing to cancel: request 99 is not in flight",
        "message ignored: invalid params: requestId.int: Input should be a valid "
        "integer; requestId.str: Input should be a valid string",
    ]


# A second initialize ----------------------------------------------------------------


async def test_session_goes_on_when_the_same_client_initializes_again(
    server: Server, gate: Gate
) -> None:
    """Our choice: gateways initialize once for themselves and once for their client."""
    async with initialized(server) as client:
        await client.call("resources/subscribe", {"uri": "shop://terms"})
        waiting = await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])

        assert (await client.initialize())["protocolVersion"] == "2025-11-25"

        await client.session.notify(Notice("resource", "shop://terms"))
        assert await client.notified("notifications/resources/updated") == [
            {"uri": "shop://terms"}
        ]
        gate.open()
        assert await client.answer_to(waiting) == jsonrpc.result(
            waiting, tool_text("a")
        )


@pytest.mark.parametrize(
    "options", [{"version": "2025-03-26"}, {"capabilities": {}}], ids=str
)
async def test_session_ends_when_another_client_initializes(
    server: Server, gate: Gate, options: dict[str, Any]
) -> None:
    """Our choice: nobody gets the answers, notices and settings of somebody else; and
    each request gets its one answer, before that of `initialize`."""
    async with initialized(server) as client:
        await client.call("resources/subscribe", {"uri": "shop://terms"})
        await client.call("logging/setLevel", {"level": "error"})
        running = await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])

        await client.initialize(**options)

        await gate.until(lambda: gate.left == ["a"])
        assert await client.answer_to(running) == jsonrpc.error(
            running,
            INTERNAL_ERROR,
            "the session was initialized again, which ended this request",
        )
        *_, before, _ = [m for m in client.received if isinstance(m, Answer)]
        assert before.id == running
        await client.session.notify(Notice("resource", "shop://terms"))
        await client.session.notify(Notice("tools"))
        await client.notified("notifications/tools/list_changed")
        assert client.notifications("notifications/resources/updated") == []
        assert await client.call_tool("add", a=1, b=2)


async def test_requests_that_wait_end_too_when_another_client_initializes(
    server: Server, gate: Gate, settings: Settings
) -> None:
    """Our choice: as those that run."""
    settings.MCP = {"MAX_CONCURRENT": 1}
    async with initialized(server) as client:
        await client.start_tool("wait", name="a")
        waiting = await client.start_tool("wait", name="b")
        await gate.until(lambda: gate.entered == ["a"])

        await client.initialize(capabilities={})

        assert isinstance(await client.answer_to(waiting), JSONRPCError)
        gate.open()
        assert (await client.text_of("wait", name="c")) == "c"
        assert gate.entered == ["a", "c"]


async def test_program_that_begins_anew_gets_the_answer_to_its_initialize(
    server: Server, gate: Gate
) -> None:
    """Our choice: it counts from one again, while an old request of that id runs."""
    async with initialized(server) as client:
        await client.request(
            "tools/call", {"name": "wait", "arguments": {"name": "a"}}, id="one"
        )
        await gate.until(lambda: gate.entered == ["a"])
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": EVERYTHING,
            "clientInfo": {"name": "client", "version": "1.0"},
        }

        await client.request("initialize", params, id="one")

        answer = await client.answer_to("one")
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result["protocolVersion"] == "2025-11-25"
        await gate.until(lambda: gate.left == ["a"])


async def test_modern_requests_outlive_a_second_initialize(
    server: Server, gate: Gate
) -> None:
    """Spec: 2026-07-28 basic: they belong to no session."""
    async with initialized(server) as client:
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        arguments = {"name": "wait", "arguments": {"name": "a"}}
        running = await client.request("tools/call", {**arguments, "_meta": meta})
        await gate.until(lambda: gate.entered == ["a"])

        await client.initialize(capabilities={})

        gate.open()
        assert isinstance(await client.answer_to(running), JSONRPCResponse)


# Room -------------------------------------------------------------------------------


async def test_one_slow_handler_keeps_nobody_waiting(
    server: Server, gate: Gate
) -> None:
    """Our choice: answers come as they are ready, not as they were asked."""
    async with initialized(server) as client:
        slow = await client.start_tool("wait", name="slow")
        assert await client.text_of("add", a=1, b=2) == "3"
        assert client.answers_to(slow) == []
        gate.open()
        await client.answer_to(slow)


async def fill(session: Session, count: int, *, size: int = 0) -> list[str]:
    """Send requests straight to a session, as far as it takes them."""
    taken: list[str] = []
    for number in range(count):
        name = f"call-{number}"
        params = {"name": "wait", "arguments": {"name": name}}
        with anyio.move_on_after(0) as scope:
            request = jsonrpc.request(name, "tools/call", params)
            await session.receive(request, Sender(size=size))
            taken.append(name)
        if scope.cancelled_caught:
            break
    return taken


async def test_request_without_room_waits_until_there_is_some(
    server: Server, gate: Gate, settings: Any
) -> None:
    """Our choice: transports that can stop reading do so meanwhile."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    async with initialized(server) as client:
        ids = [await client.start_tool("wait", name=name) for name in "abcd"]
        await wait_all_tasks_blocked()
        assert gate.entered == ["a"]
        assert client.session.room.is_full
        gate.open()
        for id in ids:
            await client.answer_to(id)
        assert gate.entered == list("abcd")


async def test_full_session_takes_pings_answers_and_cancellations(
    server: Server, gate: Gate, settings: Any
) -> None:
    """Our choice: they are never refused, and the first two make room."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    async with initialized(server) as client:
        session = client.session
        assert await fill(session, 10) == ["call-0", "call-1"]
        with anyio.fail_after(PATIENCE_SECONDS):
            for message in (
                jsonrpc.request("p", "ping", None),
                jsonrpc.result("ask-1", {}),
                jsonrpc.notification(
                    "notifications/cancelled", {"requestId": "call-1"}
                ),
            ):
                await session.receive(message, Sender())
        await client.answer_to("p")
        assert not session.room.is_full


async def test_what_waits_in_the_inbox_ends_with_the_session(
    server: Server, gate: Gate, settings: Any
) -> None:
    """Our choice: nothing is begun for a client that is gone."""
    settings.MCP = {"MAX_CONCURRENT": 2}
    async with initialized(server) as client:
        for name in "abcde":
            await client.start_tool("wait", name=name)
        await client.settle()
    assert sorted(gate.entered) == sorted(gate.left) == ["a", "b"]


async def test_session_says_when_it_is_idle(server: Server, gate: Gate) -> None:
    """Our choice: stdio waits for that at the end of its input."""
    async with initialized(server) as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            await client.session.room.wait_until_idle()
        ids = [await client.start_tool("wait", name=name) for name in "ab"]
        await client.settle()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.session.room.wait_until_idle)
            await wait_all_tasks_blocked()
            gate.open()
        for id in ids:
            await client.answer_to(id)


# Clients that do not read -----------------------------------------------------------


class Congestible(Transport):
    """The server's end, which can be told that its client does not read."""

    def __init__(self, inner: Transport) -> None:
        super().__init__()
        self._inner = inner
        self._is_congested = False

    @property
    def is_congested(self) -> bool:
        return self._is_congested

    def congest(self) -> None:
        self._is_congested = True

    def clear(self) -> None:
        self._is_congested = False
        self.on_clear()

    async def start(self, tasks: TaskGroup) -> None:
        self._inner.on_message = self.on_message
        await self._inner.start(tasks)

    async def send(self, message: Message) -> None:
        await self._inner.send(message)

    async def close(self) -> None:
        await self._inner.close()


@pytest.fixture
def ends() -> list[Congestible]:
    return []


def congestible(ends: list[Congestible]) -> Callable[[Transport], Transport]:
    def wrap(inner: Transport) -> Transport:
        ends.append(Congestible(inner))
        return ends[-1]

    return wrap


async def test_handlers_begin_again_when_the_client_has_caught_up(
    server: Server, gate: Gate, ends: list[Congestible]
) -> None:
    """Our choice: one slow handler must not keep the others waiting until it ends."""
    async with initialized(server, wrap=congestible(ends)) as client:
        slow = await client.start_tool("wait", name="slow")
        await client.settle()
        ends[0].congest()
        adding = await client.start_tool("add", a=1, b=2)
        await client.settle()
        assert client.answers_to(adding) == []
        ends[0].clear()
        assert isinstance(await client.answer_to(adding), JSONRPCResponse)
        assert client.answers_to(slow) == []


async def test_handler_whose_user_ponders_keeps_nobody_waiting(
    server: Server, ends: list[Congestible]
) -> None:
    """Our choice: some clients answer no ping while their user ponders."""

    @server.tool
    async def ask(context: Context) -> str:
        return (await context.elicit("Really?", {"type": "object"})).action

    async with initialized(server, wrap=congestible(ends)) as client:
        ends[0].congest()
        asking = await client.start_tool("ask")
        waiting = await client.start_tool("add", a=1, b=2)
        question = await client.question()
        await client.answer_to(waiting)
        assert await client.text_of("add", a=3, b=4) == "7"
        await client.reply(question, {"action": "decline"})
        assert isinstance(await client.answer_to(asking), JSONRPCResponse)


async def test_request_in_the_inbox_does_not_wait_for_those_who_ponder(
    server: Server, gate: Gate, settings: Any
) -> None:
    """Our choice: a user may ponder for ten minutes."""
    settings.MCP = {"MAX_CONCURRENT": 1}

    @server.tool
    async def ask(context: Context) -> str:
        return (await context.elicit("Really?", {"type": "object"})).action

    async with initialized(server) as client:
        asking = await client.start_tool("ask")
        question = await client.question()
        running = await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])
        waiting = await client.start_tool("add", a=1, b=2)
        await client.settle()
        assert client.answers_to(waiting) == []
        gate.open()
        await client.answer_to(running)
        await client.answer_to(waiting)
        await client.reply(question, {"action": "decline"})
        await client.answer_to(asking)


# Cancellation -----------------------------------------------------------------------


async def test_running_handler_is_cancelled(
    server: Server, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: stop processing, no answer, log
    the reason."""
    caplog.set_level(logging.INFO, "mcp_django.sessions")
    async with initialized(server) as client:
        id = await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])
        await client.cancel(id, "bored\nto death")
        await gate.until(lambda: gate.left == ["a"])
        await client.settle()
        assert client.answers_to(id) == []
    assert caplog.messages == [f"request {id!r} was cancelled: 'bored\\nto death'"]


async def test_running_def_handler_is_told_and_its_answer_dropped(
    server: Server,
) -> None:
    """Our choice: threads cannot be cancelled."""
    started, go_on = threading.Event(), threading.Event()
    seen: list[bool] = []
    done = threading.Event()

    @server.tool
    def work(context: SyncContext) -> str:
        seen.append(context.is_cancelled)
        started.set()
        go_on.wait(PATIENCE_SECONDS)
        seen.append(context.is_cancelled)
        context.report_progress(1)
        context.log("error", "too late")
        done.set()
        return "done"

    async with initialized(server) as client:
        id = await client.request(
            "tools/call", {"name": "work", "_meta": {"progressToken": 1}}
        )
        assert await anyio.to_thread.run_sync(started.wait, PATIENCE_SECONDS)
        await client.cancel(id)
        await client.settle()
        await client.session.room.wait_until_idle()
        go_on.set()
        assert await anyio.to_thread.run_sync(done.wait, PATIENCE_SECONDS)
        await client.settle()
        assert client.answers_to(id) == []
        assert client.notifications("notifications/progress") == []
        assert client.notifications("notifications/message") == []
    assert seen == [False, True]


async def test_question_is_withdrawn_when_its_request_is_cancelled(
    server: Server,
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: the answer is of no use any
    more."""

    @server.tool
    async def ask(context: Context) -> str:
        return (await context.elicit("Really?", {"type": "object"})).action

    async with initialized(server) as client:
        id = await client.start_tool("ask")
        question = await client.question()
        await client.cancel(id)
        assert await client.notified("notifications/cancelled") == [
            {"requestId": question.id, "reason": "no longer needed"}
        ]
        await client.reply(question, {"action": "accept", "content": {}})
        await client.settle()
        assert client.answers_to(id) == []


async def test_cancellation_that_comes_while_the_answer_is_sent_is_too_late(
    server: Server,
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Timing Considerations"."""
    async with initialized(server, wrap=Slow) as client:
        slow = Slow.made[-1]
        slow.hold()
        id = await client.start_tool("add", a=1, b=2)
        await slow.until_held()
        await client.cancel(id)
        await wait_all_tasks_blocked()
        slow.let_go()
        assert isinstance(await client.answer_to(id), JSONRPCResponse)


class Slow(Transport):
    """The server's end, whose sending can be held up."""

    made: list["Slow"] = []  # noqa: RUF012

    def __init__(self, inner: Transport) -> None:
        super().__init__()
        self._inner = inner
        self._may_send = anyio.Event()
        self._may_send.set()
        self._is_held = anyio.Event()
        self.made.append(self)

    def hold(self) -> None:
        self._may_send = anyio.Event()
        self._is_held = anyio.Event()

    def let_go(self) -> None:
        self._may_send.set()

    async def until_held(self) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            await self._is_held.wait()

    async def start(self, tasks: TaskGroup) -> None:
        self._inner.on_message = self.on_message
        await self._inner.start(tasks)

    async def send(self, message: Message) -> None:
        if not self._may_send.is_set():
            self._is_held.set()
        await self._may_send.wait()
        await self._inner.send(message)

    async def close(self) -> None:
        await self._inner.close()


async def test_id_of_a_cancelled_request_may_come_again_at_once(
    server: Server, gate: Gate
) -> None:
    """Our choice: a client should not, and harms only itself."""
    leaving = anyio.Event()

    @server.tool
    async def cling() -> str:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await leaving.wait()
        return "never"

    async with initialized(server) as client:
        await client.request("tools/call", {"name": "cling"}, id="x")
        await client.settle()
        await client.cancel("x")
        params = {"name": "wait", "arguments": {"name": "a"}}
        await client.request("tools/call", params, id="x")
        await gate.until(lambda: gate.entered == ["a"])
        leaving.set()
        await client.settle()
        await client.cancel("x")
        await gate.until(lambda: gate.left == ["a"])
        assert client.answers_to("x") == []


# Failures ---------------------------------------------------------------------------


@pytest.fixture
def reported() -> Iterator[list[Any]]:
    """Give what receivers of Django's signal for exceptions find."""
    found: list[Any] = []

    def note(sender: Any, **kwargs: Any) -> None:
        found.append((sender, kwargs["request"], type(sys.exception())))

    got_request_exception.connect(note)
    yield found
    got_request_exception.disconnect(note)


async def test_failure_of_a_tool_is_answered_neutrally_logged_and_signalled(
    server: Server, reported: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the reason is the site's own business; Django's error reporting
    hears of it as of a view's."""

    @server.tool
    def fail() -> None:
        raise LookupError("password is hunter2")

    async with initialized(server) as client:
        assert await client.call_tool("fail") == NEUTRAL
        assert await client.text_of("add", a=1, b=2) == "3"
    [record] = caplog.records
    assert record.name == "mcp_django.server"
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "tools/call 'fail' failed"
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError
    assert reported == [(Server, None, LookupError)]


async def test_failure_of_another_feature_is_an_internal_error(
    server: Server, reported: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling"."""

    @server.resource("shop://broken")
    def broken() -> str:
        raise LookupError("password is hunter2")

    @server.prompt
    def greet() -> str:
        raise LookupError("password is hunter2")

    async with initialized(server) as client:
        for method, params in [
            ("resources/read", {"uri": "shop://broken"}),
            ("prompts/get", {"name": "greet"}),
        ]:
            answer = await client.error_of(method, params)
            assert answer == jsonrpc.error(answer.id, INTERNAL_ERROR, "Internal error")
    assert caplog.messages == [
        "resources/read 'shop://broken' failed",
        "prompts/get 'greet' failed",
    ]
    assert len(reported) == 2


async def test_error_answer_is_no_failure(
    server: Server, reported: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: what a handler says on purpose is not logged."""

    @server.tool
    def refuse() -> None:
        raise ErrorAnswer(-32000, "closed", {"until": "Monday"})

    async with initialized(server) as client:
        answer = await client.error_of("tools/call", {"name": "refuse"})
        assert answer == jsonrpc.error(answer.id, -32000, "closed", {"until": "Monday"})
    assert (reported, caplog.messages) == ([], [])


async def fail_soon() -> None:
    raise LookupError("no such order")


@pytest.mark.parametrize("name", ["exit", "exit_async", "both", "group"])
async def test_whatever_a_handler_raises_ends_its_request_only(
    server: Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a command that exits, or questions beside failures."""

    @server.tool(name="exit")
    def exit_in_thread() -> None:
        raise SystemExit(2)

    @server.tool
    async def exit_async() -> None:
        raise SystemExit(2)

    @server.tool
    async def both(context: Context) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(context.elicit, "Really?", {"type": "object"})
            tasks.start_soon(fail_soon)

    @server.tool
    async def group() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail_soon)

    async with initialized(server) as client:
        assert await client.call_tool(name) == NEUTRAL
        assert await client.text_of("add", a=1, b=2) == "3"
        assert client.questions == []
    assert caplog.messages == [f"tools/call '{name}' failed"]


async def test_result_that_cannot_be_written_is_a_failure(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the client gets an answer all the same."""

    @server.tool
    def refuse() -> None:
        raise ErrorAnswer(-32000, "closed", object())

    async with initialized(server, wrap=Written) as client:
        id = await client.request("tools/call", {"name": "refuse"})
        assert await client.answer_to(id) == jsonrpc.result(id, NEUTRAL)
    assert caplog.messages == ["tools/call 'refuse' failed"]


async def test_error_that_cannot_be_written_is_an_internal_error(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the same where there is no tool."""

    @server.prompt
    def refuse() -> str:
        raise ErrorAnswer(-32000, "closed", object())

    async with initialized(server, wrap=Written) as client:
        answer = await client.error_of("prompts/get", {"name": "refuse"})
        assert answer == jsonrpc.error(answer.id, INTERNAL_ERROR, "Internal error")
    assert caplog.messages == ["prompts/get 'refuse' failed"]


async def test_permission_that_fails_hides_its_feature(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: nobody is let in by mistake, and nobody is told why."""

    def fail(context: SyncContext) -> bool:
        raise LookupError("password is hunter2")

    @server.tool(permission=fail)
    def sell() -> str:
        return "sold"

    async with initialized(server) as client:
        tools = (await client.call("tools/list"))["tools"]
        assert "sell" not in [tool["name"] for tool in tools]
        answer = await client.error_of("tools/call", {"name": "sell"})
        assert answer == jsonrpc.error(answer.id, INVALID_PARAMS, "Unknown tool: sell")
    [message] = caplog.messages
    assert message.endswith(
        "raised LookupError; that means no: have it return True or False"
    )


class Written(Transport):
    """The server's end, which can carry only what can be written, and not much."""

    max_bytes = 500

    def __init__(self, inner: Transport) -> None:
        super().__init__()
        self._inner = inner

    async def start(self, tasks: TaskGroup) -> None:
        self._inner.on_message = self.on_message
        await self._inner.start(tasks)

    async def send(self, message: Message) -> None:
        size = len(jsonrpc.serialize(message))
        if size > self.max_bytes:
            raise MessageTooLarge(size, self.max_bytes)
        await self._inner.send(message)

    async def close(self) -> None:
        await self._inner.close()


async def test_result_is_let_go_while_its_answer_waits_to_be_read() -> None:
    """We promise it: slow readers cost bounded memory."""
    mark = "this result and no other one"
    found: list[object] = []

    class Looking(Written):
        async def send_answer(self, answer: bytes) -> None:
            gc.collect()
            if mark.encode() in answer:
                objects = gc.get_objects()
                results = [o for o in objects if type(o) is dict and "content" in o]
                found.extend(o for o in results if mark in str(o["content"]))
            await super().send_answer(answer)

    server = Server("shop")

    @server.tool(structured=False)
    async def large() -> str:
        return mark

    async with initialized(server, wrap=Looking) as client:
        assert await client.text_of("large") == mark
    assert found == []


async def test_result_that_is_too_large_is_an_error_that_says_so(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a tool's is for the model, so that it asks for less."""

    @server.tool(structured=False)
    def large() -> str:
        return "x" * 1000

    @server.resource("shop://large")
    def large_resource() -> str:
        return "x" * 1000

    def text(result: Message) -> str:
        size = len(jsonrpc.serialize(result))
        return (
            f"the result takes {size} bytes, and at most 500 can be sent on this "
            "connection; ask for less"
        )

    block = {"type": "text", "text": "x" * 1000}
    contents = {"uri": "shop://large", "mimeType": "text/plain", "text": "x" * 1000}
    async with initialized(server, wrap=Written) as client:
        id = await client.start_tool("large")
        answer = await client.answer_to(id)
        expected = text(jsonrpc.result(id, {"content": [block]}))
        assert answer == jsonrpc.result(id, dispatch.tool_error(expected))
        answer = await client.error_of("resources/read", {"uri": "shop://large"})
        assert answer.id is not None
        expected = text(jsonrpc.result(answer.id, {"contents": [contents]}))
        assert answer == jsonrpc.error(answer.id, INTERNAL_ERROR, expected)
    assert caplog.messages == []


# Asking the client ------------------------------------------------------------------


class Confirm(BaseModel):
    sure: bool


@pytest.fixture
def asking(server: Server) -> Server:
    @server.tool
    async def ask(context: Context) -> str:
        answer = await context.elicit("Really?", Confirm)
        return f"{answer.action} {answer.data}"

    @server.tool
    def ask_sync(context: SyncContext) -> str:
        answer = context.elicit("Really?", Confirm)
        return f"{answer.action} {answer.data}"

    return server


@pytest.mark.parametrize("tool", ["ask", "ask_sync"])
async def test_handler_gets_the_client_s_answer(asking: Server, tool: str) -> None:
    """Spec: 2025-11-25 client/elicitation."""
    async with initialized(asking) as client:
        id = await client.start_tool(tool)
        question = await client.question()
        assert (question.id, question.method) == ("ask-1", "elicitation/create")
        await client.reply(question, {"action": "accept", "content": {"sure": True}})
        assert await client.answer_to(id) == jsonrpc.result(
            id, tool_text("accept sure=True")
        )
        assert client.notifications("notifications/cancelled") == []


async def test_answer_that_does_not_fit_is_asked_for_again(asking: Server) -> None:
    """Our choice: not every client checks what its user wrote."""
    async with initialized(asking) as client:
        id = await client.start_tool("ask")
        first = await client.question(1)
        await client.reply(first, {"action": "accept", "content": {"sure": "perhaps"}})
        second = await client.question(2)
        message = (
            "Really?\n\nThe last answer does not fit: sure: Input should be a valid "
            "boolean, unable to interpret input. Please answer again."
        )
        assert second.id == "ask-2"
        assert second.params == {**(first.params or {}), "message": message}
        await client.reply(second, {"action": "cancel"})
        assert await client.answer_to(id) == jsonrpc.result(
            id, tool_text("cancel None")
        )


async def test_error_of_the_client_is_for_the_model(asking: Server) -> None:
    """Our choice: unless the handler goes another way."""
    async with initialized(asking) as client:
        id = await client.start_tool("ask")
        question = await client.question()
        await client.send(jsonrpc.error(question.id, -1, "User rejected"))
        answer = await client.answer_to(id)
        assert answer == jsonrpc.result(
            id,
            {
                "content": [
                    {
                        "type": "text",
                        "text": "client refused 'elicitation/create': User rejected "
                        "(-1)",
                    }
                ],
                "isError": True,
            },
        )


async def test_question_nobody_answers_is_withdrawn_after_a_while(
    asking: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Timeouts"."""
    settings.MCP = {"ASK_TIMEOUT": 0.05}
    async with initialized(asking) as client:
        assert await client.text_of("ask") == (
            "client refused 'elicitation/create': no answer within 0.05 seconds "
            "(-32603)"
        )
        assert client.notifications("notifications/cancelled") == [
            {"requestId": "ask-1", "reason": "no longer needed"}
        ]
        await client.reply(await client.question(), {"action": "cancel"})
        await client.settle()
    assert caplog.messages == [
        "message ignored: answer to 'ask-1', which was not asked"
    ]


async def test_rounds_of_questions_are_limited(
    server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a handler that asks for ever is a mistake."""
    settings.MCP = {"MAX_ASK_ROUNDS": 3}

    @server.tool
    def ask(context: SyncContext) -> None:
        for number in range(100):
            context.elicit(f"Number {number}?", {"type": "object"})

    async with initialized(server) as client:
        id = await client.start_tool("ask")
        for number in range(1, 4):
            await client.reply(await client.question(number), {"action": "decline"})
        assert await client.answer_to(id) == jsonrpc.result(id, NEUTRAL)
        assert len(client.questions) == 3
    assert caplog.messages == ["tools/call 'ask' failed"]
    assert "MCP['MAX_ASK_ROUNDS'] = 3" in caplog.text


async def test_questions_asked_together_are_sent_before_any_answer(
    server: Server,
) -> None:
    """Our choice: one round, answered in any order."""

    @server.tool
    async def ask(context: Context) -> str:
        actions: dict[str, str] = {}

        async def ask_one(key: str) -> None:
            answer = await context.elicit(f"{key}?", {"type": "object"}, key=key)
            actions[key] = answer.action

        async with anyio.create_task_group() as tasks:
            for key in "abc":
                tasks.start_soon(ask_one, key)
        return " ".join(actions[key] for key in "abc")

    async with initialized(server) as client:
        id = await client.start_tool("ask")
        await client.question(3)
        answers = {"a?": "accept", "b?": "decline", "c?": "cancel"}
        for question in reversed(client.questions):
            assert question.params is not None
            action = answers[question.params["message"]]
            await client.reply(question, {"action": action, "content": {}})
        assert await client.answer_to(id) == jsonrpc.result(
            id, tool_text("accept decline cancel")
        )
        assert len(client.questions) == 3


async def test_one_answer_of_a_round_in_time_is_kept(
    server: Server, settings: Any
) -> None:
    """Our choice: only what was not answered failed."""
    settings.MCP = {"ASK_TIMEOUT": 0.2}

    @server.tool
    async def ask(context: Context) -> str:
        found: dict[str, str] = {}

        async def ask_one(key: str) -> None:
            try:
                answer = await context.elicit(f"{key}?", {"type": "object"}, key=key)
                found[key] = answer.action
            except Exception as error:
                found[key] = type(error).__name__

        async with anyio.create_task_group() as tasks:
            for key in "ab":
                tasks.start_soon(ask_one, key)
        return f"{found['a']} {found['b']}"

    async with initialized(server) as client:
        id = await client.start_tool("ask")
        await client.question(2)
        [a] = [q for q in client.questions if (q.params or {})["message"] == "a?"]
        await client.reply(a, {"action": "decline"})
        assert await client.answer_to(id) == jsonrpc.result(
            id, tool_text("decline AskFailed")
        )


async def test_question_that_is_too_large_is_a_failure(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it was not asked, and whoever wrote it learns of it."""

    @server.tool
    async def ask(context: Context) -> None:
        await context.sample("x" * 1000, 10)

    async with initialized(server, wrap=Written) as client:
        assert await client.call_tool("ask") == NEUTRAL
        assert client.questions == []
        assert await client.text_of("add", a=1, b=2) == "3"
    assert caplog.messages == ["tools/call 'ask' failed"]


# What a session remembers -----------------------------------------------------------


async def told(client: Client, topic: Any, subject: str = "") -> None:
    """Tell a session of a change, and wait until it has passed that on."""
    await client.session.notify(Notice(topic, subject))
    await wait_all_tasks_blocked()
    await client.settle()


@pytest.mark.parametrize("topic", ["tools", "resources", "prompts"])
async def test_client_is_told_that_a_list_changed(server: Server, topic: str) -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification"; before
    `initialize` nothing but pings is sent."""
    method = f"notifications/{topic}/list_changed"
    async with connected(server) as client:
        await told(client, topic)
        assert client.notifications(method) == []
        await client.initialize()
        await told(client, topic)
        assert client.notifications(method) == [None]


async def test_client_is_told_of_the_resources_it_subscribed_to(
    server: Server,
) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    method = "notifications/resources/updated"
    async with initialized(server) as client:
        await told(client, "resource", "shop://terms")
        assert client.notifications(method) == []
        await client.call("resources/subscribe", {"uri": "shop://terms"})
        await told(client, "resource", "shop://terms")
        await told(client, "resource", "shop://other")
        assert client.notifications(method) == [{"uri": "shop://terms"}]
        await client.call("resources/unsubscribe", {"uri": "shop://terms"})
        await told(client, "resource", "shop://terms")
        assert len(client.notifications(method)) == 1


async def test_slow_client_is_told_of_many_changes_once(server: Server) -> None:
    """Our choice: telling waits for nobody, and nothing piles up."""
    async with initialized(server, wrap=Slow) as client:
        await client.call("resources/subscribe", {"uri": "shop://terms"})
        slow = Slow.made[-1]
        slow.hold()
        with anyio.fail_after(PATIENCE_SECONDS):
            for _ in range(100):
                await client.session.notify(Notice("tools"))
                await client.session.notify(Notice("resource", "shop://terms"))
        await slow.until_held()
        for _ in range(100):
            await client.session.notify(Notice("tools"))
        slow.let_go()
        await wait_all_tasks_blocked()
        await client.settle()
        assert client.notifications("notifications/tools/list_changed") == [None] * 2
        assert client.notifications("notifications/resources/updated") == [
            {"uri": "shop://terms"}
        ]


LISTEN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


async def listen(client: Client, *uris: str) -> RequestId:
    """Ask to be told of resources, as the modern era does."""
    notifications = {"resourceSubscriptions": list(uris)}
    params = {"notifications": notifications, "_meta": LISTEN_META}
    return await client.request("subscriptions/listen", params)


async def test_requests_to_listen_that_wait_for_a_permission_count(
    server: Server, gate: Gate, settings: Settings
) -> None:
    """Our choice: a hundred on one connection, however fast they come."""
    settings.MCP = {"MAX_CONCURRENT": 200}

    async def may(user: object) -> bool:
        await gate.wait("permission")
        return True

    server.resource("shop://secret", permission=may)(lambda: "text")
    async with connected(server) as client:
        ids = [await listen(client, "shop://secret") for _ in range(102)]
        await client.until(lambda: any(client.answers_to(id) for id in ids[100:]))
        gate.open()
        await client.notified("notifications/subscriptions/acknowledged")
        await client.settle()
        answers = [len(client.answers_to(id)) for id in ids]
        assert answers == [*[0] * 100, 1, 1]


async def test_resources_of_all_requests_to_listen_count(
    server: Server, settings: Settings
) -> None:
    """We promise it: MCP["MAX_SUBSCRIPTIONS"]; what is ended leaves room."""
    settings.MCP = {"MAX_SUBSCRIPTIONS": 2}
    for number in range(3):
        server.resource(f"shop://{number}")(lambda: "text")
    async with connected(server) as client:
        await listen(client, "shop://0")
        await client.notified("notifications/subscriptions/acknowledged")
        refused = await client.answer_to(await listen(client, "shop://1", "shop://2"))
        assert isinstance(refused, JSONRPCError)
        assert refused.error.message == "too many subscriptions; 2 are allowed"
        await listen(client, "shop://1")
        acknowledged = "notifications/subscriptions/acknowledged"
        await client.until(lambda: len(client.notifications(acknowledged)) == 2)


async def test_notice_that_cannot_be_sent_ends_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it is logged."""
    uri = "shop://" + "x" * 1000
    server.resource(uri)(lambda: "text")
    async with initialized(server, wrap=Written) as client:
        await client.call("resources/subscribe", {"uri": uri})
        await told(client, "resource", uri)
        await told(client, "tools")
        assert client.notifications("notifications/tools/list_changed") == [None]
    assert caplog.messages == ["a change notice was lost; see the error"]


async def test_log_level_is_the_session_s(server: Server) -> None:
    """Spec: 2025-11-25 server/utilities/logging. That it begins with "info" is our
    choice."""

    @server.tool
    async def log(context: Context) -> None:
        for level in ("debug", "info", "error"):
            await context.log(level, "text")

    async with initialized(server) as client, initialized(server) as other:
        await client.call_tool("log")
        await client.call("logging/setLevel", {"level": "error"})
        await client.call_tool("log")
        await other.call("logging/setLevel", {"level": "debug"})
        await other.call_tool("log")
        levels = [
            [
                params["level"]
                for params in one.notifications("notifications/message")
                if params
            ]
            for one in (client, other)
        ]
    assert levels == [["info", "error", "error"], ["debug", "info", "error"]]


@pytest.fixture
def paying(server: Server) -> Server:
    @server.tool
    async def pay(context: Context) -> str:
        return (
            await context.elicit_url("Pay.", "https://shop/pay", elicitation_id="pay-1")
        ).action

    @server.tool
    def require() -> None:
        raise UrlElicitationRequired(
            ElicitRequestURLParams(
                message="Pay.", url="https://shop/pay", elicitation_id="pay-2"
            )
        )

    return server


async def test_client_is_told_once_that_its_visit_ended(paying: Server) -> None:
    """Spec: 2025-11-25 client/elicitation, "Completion Notifications for URL Mode"."""
    method = "notifications/elicitation/complete"
    async with initialized(paying) as client, initialized(paying) as other:
        for one in (client, other):
            await told(one, "elicitation", "pay-1")
        id = await client.start_tool("pay")
        await client.reply(await client.question(), {"action": "accept"})
        await client.answer_to(id)
        for one in (client, client, other):
            await told(one, "elicitation", "pay-1")
        assert client.notifications(method) == [{"elicitationId": "pay-1"}]
        assert other.notifications(method) == []


async def test_visit_that_is_required_is_an_error_and_its_end_is_told(
    paying: Server,
) -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error"."""
    async with initialized(paying) as client:
        answer = await client.error_of("tools/call", {"name": "require"})
        assert answer == jsonrpc.error(
            answer.id,
            -32042,
            "This request requires more information.",
            {
                "elicitations": [
                    {
                        "mode": "url",
                        "message": "Pay.",
                        "url": "https://shop/pay",
                        "elicitationId": "pay-2",
                    }
                ]
            },
        )
        await told(client, "elicitation", "pay-2")
        assert client.notifications("notifications/elicitation/complete") == [
            {"elicitationId": "pay-2"}
        ]


# Ends -------------------------------------------------------------------------------


async def test_handlers_end_with_their_tasks(server: Server, gate: Gate) -> None:
    """Our choice: nobody waits for the answers any more."""
    async with initialized(server) as client:
        await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])
    assert gate.left == ["a"]


async def test_answers_to_a_client_that_left_are_lost_quietly(
    server: Server, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: that a client goes is no failure."""
    async with initialized(server) as client:
        await client.start_tool("wait", name="a")
        await gate.until(lambda: gate.entered == ["a"])
        await client.close()
        gate.open()
        with anyio.fail_after(PATIENCE_SECONDS):
            await client.session.room.wait_until_idle()
    assert caplog.messages == []


class TestOnAsyncio:
    """What asyncio alone has."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    async def test_handler_that_waits_for_a_cancelled_task_has_failed(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Our choice: nobody cancelled the request, so that it is answered."""

        @server.tool
        async def wait_in_vain() -> None:
            task = asyncio.create_task(asyncio.sleep(1000))
            task.cancel()
            await task

        for tasks in (lambda group: group, lambda group: LoopTasks()):
            async with initialized(server, tasks=tasks) as client:
                assert await client.call_tool("wait_in_vain") == NEUTRAL
                assert await client.text_of("add", a=1, b=2) == "3"
        text = "tools/call 'wait_in_vain' failed"
        assert said(caplog) == [text, f"{text}: Stray{more(1)}"]

    async def test_handler_that_ends_in_spite_of_its_cancellation_is_not_heard(
        self, server: Server
    ) -> None:
        """Spec: 2025-11-25 basic/utilities/cancellation: no answer is sent."""
        cleaned_up = asyncio.Event()

        @server.tool
        async def persist() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cleaned_up.set()
            return "done all the same"

        async with initialized(server, tasks=lambda group: LoopTasks()) as client:
            id = await client.start_tool("persist")
            await client.settle()
            await client.cancel(id)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await cleaned_up.wait()
                await client.session.room.wait_until_idle()
            await client.settle()
            assert client.answers_to(id) == []

    async def test_session_may_run_in_tasks_of_the_loop(
        self, asking: Server, gate: Gate, settings: Any
    ) -> None:
        """Our choice: cheaper than a task group; ended by `end`."""
        settings.MCP = {"MAX_CONCURRENT": 2}
        async with initialized(asking, tasks=lambda group: LoopTasks()) as client:
            cancelled = await client.start_tool("wait", name="a")
            await gate.until(lambda: gate.entered == ["a"])
            await client.cancel(cancelled)
            await gate.until(lambda: gate.left == ["a"])
            id = await client.start_tool("ask")
            await client.reply(await client.question(), {"action": "cancel"})
            await client.answer_to(id)
            for name in "bcde":
                await client.start_tool("wait", name=name)
            await client.settle()
        assert sorted(gate.entered) == sorted(gate.left) == ["a", "b", "c"]
        assert client.answers_to(cancelled) == []
