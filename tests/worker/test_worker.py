"""A worker: its open sessions, and what looks after them."""

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from mcp_django.auth.interface import Identity
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.notices import Notice
from mcp_django.server.server import Server
from mcp_django.sessions.posting import Posting
from mcp_django.sessions.registry import Registry
from mcp_django.worker.addresses import unseal_address
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import (
    Worker,
    current_worker,
    make_in_every_worker,
    tell_other_processes,
    workers_of_process,
)
from tests import patience
from tests.fault_lines import more, said
from tests.server.stray_errors import STRAYS
from tests.sessions.opening import (
    LIMITS,
    Stream,
    hold,
    initialize,
    let_go,
    open_session,
)
from tests.worker.layers import Layer
from tests.worker.vouching import Vouching, VouchingLater

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
TOOLS_CHANGED = jsonrpc.notification("notifications/tools/list_changed")


@pytest.fixture
def server() -> Server:
    return Server("shop")


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with ending(Worker(asyncio.get_running_loop(), tick_seconds=0.05)) as worker:
        yield worker


@asynccontextmanager
async def ending(worker: Worker) -> AsyncIterator[Worker]:
    """Give a worker, and end it after that."""
    yield worker
    for opened in worker.part(Registry):
        await opened.transport.close()
        let_go(worker, opened)
    await worker.close_all()


async def test_worker_that_began_without_the_channel_layer_joins_later(
    settings: Settings,
) -> None:
    """Our choice: operators see it, and what they end ends there, too."""
    settings.MCP = {"RECHECK_SECONDS": 0.1, "AWAY_SECONDS": 0.05}
    layer = Layer()
    failures: list[str] = []

    def fail() -> None:
        failures.append("away")
        raise ConnectionError("redis is away")

    layer.on_join = fail
    worker = Worker(asyncio.get_running_loop(), Relay(layer))
    async with ending(worker):
        worker.begin()
        await until(lambda: bool(failures))
        assert not worker.relay.mailbox
        layer.on_join = None
        await until(lambda: bool(worker.relay.mailbox))


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for tasks of this event loop; the worker looks after them often."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Seeing(InMemoryChannelLayer):
    """A channel layer that looks which workers there are while something is told."""

    def __init__(self, seen: list[int], **options: Any) -> None:
        super().__init__(**options)
        self._seen = seen

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._seen.append(len(workers_of_process()))


async def test_event_loop_has_one_worker() -> None:
    """Our choice: sessions belong to their event loop."""
    assert current_worker() is current_worker()
    assert current_worker() in workers_of_process()


def test_program_that_tells_something_has_no_worker_meanwhile(
    settings: Settings,
) -> None:
    """We promise it: what another thread tells meanwhile would be left to that worker,
    whose event loop is about to end."""
    seen: list[int] = []
    backend = f"{__name__}.{Seeing.__qualname__}"
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": backend, "CONFIG": {"seen": seen}}
    }
    tell_other_processes({"kind": "news"}, "news")
    assert seen == [0]


def test_workers_of_closed_event_loops_are_forgotten() -> None:
    """Our choice: a task queue makes an event loop for every notice."""

    async def make() -> int:
        return id(current_worker())

    def count() -> int:
        gc.collect()
        # Not by isinstance, which asks lazy objects of other tests what they stand for.
        return sum(type(thing) is Worker for thing in gc.get_objects())

    before = count()
    for _ in range(50):
        asyncio.run(make())
    # One may still be there: the last one, by the caller's closed event loop.
    assert count() <= before + 1
    assert workers_of_process() == []


async def test_session_id_names_the_worker_s_mailbox(worker: Worker) -> None:
    """Our choice: any other worker finds it by that."""
    session_id = await worker.part(Posting).new_address()
    assert (
        unseal_address("session", session_id).mailbox == await worker.relay.open() != ""
    )
    assert session_id != await worker.part(Posting).new_address()


class Broken(Stream):
    """A stream that cannot be written to."""

    async def write(self, chunk: bytes) -> None:
        raise ConnectionError("cannot write")


class Counted(Stream):
    """A stream that counts its keep-alive comments."""

    comments = 0

    async def write(self, chunk: bytes) -> None:
        self.comments += chunk.startswith(b":")


async def test_streams_are_ticked_and_one_that_fails_ends_alone(
    worker: Worker, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a stream's failure is no other stream's."""
    limits = replace(LIMITS, keep_alive_seconds=0)
    counted = Counted()
    broken = open_session("broken", server, stream=Broken(), limits=limits)
    other = open_session("other", server, stream=counted, limits=limits)
    for opened in (broken, other):
        hold(worker, opened)
    await until(lambda: counted.comments >= 2)
    assert (broken.transport.is_closed, other.transport.is_closed) == (True, False)
    assert caplog.messages == ["a connection failed, and ends; see the error"]


ENDING = ("StopIteration", "GeneratorExit", "SystemExit", "CancelledError")
"""Those of `STRAYS` that end a thread, a task or the process."""


class Stubborn(OpenConnection):
    """A connection that can neither be ticked nor closed, nor told of changes."""

    identity = Identity(AnonymousUser())

    def __init__(self, kind: str, server: Server) -> None:
        self._kind = kind
        self.server = server

    async def abort(self) -> None: ...

    async def tick(self) -> None:
        raise STRAYS[self._kind]()

    async def finish(self) -> None:
        raise ConnectionError("cannot finish")

    async def close(self) -> None:
        raise STRAYS[self._kind]()

    async def notify(self, notice: Notice) -> None:
        raise STRAYS[self._kind]()

    async def tell_everything(self) -> None: ...

    async def recheck(self) -> None:
        raise STRAYS[self._kind]()


@pytest.mark.parametrize("kind", ENDING)
async def test_connection_that_cannot_be_closed_keeps_no_other_from_its_tick(
    worker: Worker,
    server: Server,
    settings: Any,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: nor from its own end, at the end of the process."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    stubborn, counted = Stubborn(kind, server), Counted()
    limits = replace(LIMITS, keep_alive_seconds=0)
    other = open_session("other", server, stream=counted, limits=limits)
    worker.hold(stubborn)
    worker.listen(stubborn)
    hold(worker, other)
    worker.notify(server.name, Notice("tools"))
    asked = "a subscriber's rights cannot be asked for again; see the error"
    await until(lambda: counted.comments >= 1 and asked in caplog.messages)
    worker.ignore(stubborn)
    closing = asyncio.create_task(worker.close_all())
    await until(lambda: other.transport.is_closed)
    let_go(worker, other)
    worker.let_go(stubborn)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await closing
    lines = said(caplog)
    assert sum("a connection could not be closed" in line for line in lines) == 2
    assert "a change notice was lost; see the error" in lines
    assert not any("looking after the connections failed" in line for line in lines)


class Hanging(OpenConnection):
    """A call whose tick waits for a cache that does not answer."""

    identity = Identity(AnonymousUser())

    def __init__(self) -> None:
        self.ticks = 0
        self.answer = asyncio.Event()

    async def abort(self) -> None: ...

    async def tick(self) -> None:
        self.ticks += 1
        await self.answer.wait()

    async def finish(self) -> None:
        await self.answer.wait()

    async def close(self) -> None:
        self.answer.set()


async def test_what_hangs_keeps_no_other_from_its_tick(
    worker: Worker, server: Server, settings: Any
) -> None:
    """We promise it: neither a call nor an authenticator; one that hangs is not ticked
    again meanwhile."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    answer = asyncio.Event()

    async def say_later(valid: bool) -> bool:
        await answer.wait()
        return valid

    limits = replace(LIMITS, keep_alive_seconds=0)
    hanging, counted, slow = Hanging(), Counted(), VouchingLater(say_later)
    first = open_session("slow", server, user=User(pk=1), authenticator=slow)
    other = open_session("other", server, stream=counted, limits=limits)
    worker.hold(hanging, "call")
    hold(worker, first)
    hold(worker, other)
    await until(lambda: counted.comments >= 3)
    assert (hanging.ticks, len(slow.asked)) == (1, 1)
    hanging.answer.set()
    answer.set()
    await until(lambda: hanging.ticks >= 2)
    await until(lambda: len(slow.asked) >= 2)
    worker.let_go(hanging)


async def test_many_connections_leave_others_the_event_loop(worker: Worker) -> None:
    """We promise it: no request waits until all of them have been looked at."""
    many = [Hanging() for _ in range(1000)]
    for connection in many:
        connection.answer.set()
        worker.hold(connection)
    steps = [0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while steps[-1] < 1000:
            await asyncio.sleep(0)
            steps.append(sum(connection.ticks for connection in many))
    for connection in many:
        worker.let_go(connection)
    assert max(after - before for before, after in pairwise(steps)) < 500


async def test_streams_that_hang_keep_no_other_from_its_tick(
    worker: Worker, server: Server
) -> None:
    """We promise it: however many, as where a view's client does not read."""
    hanging = [Hanging() for _ in range(100)]
    for connection in hanging:
        worker.hold(connection)
    limits = replace(LIMITS, keep_alive_seconds=0)
    counted = Counted()
    other = open_session("other", server, stream=counted, limits=limits)
    hold(worker, other)
    async with asyncio.timeout(3):
        await until(lambda: counted.comments >= 2)
    assert {connection.ticks for connection in hanging} == {1}
    closing = asyncio.create_task(worker.close_all())
    # Nor from its end.
    await until(lambda: other.transport.is_closed)
    let_go(worker, other)
    for connection in hanging:
        worker.let_go(connection)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await closing


async def test_upkeep_that_a_stranger_ends_starts_again_and_says_so(
    worker: Worker, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: such as a handler that cancels every task there is."""
    limits = replace(LIMITS, keep_alive_seconds=0)
    counted = Counted()
    hold(worker, open_session("x", server, stream=counted, limits=limits))
    await until(lambda: counted.comments >= 1)
    for _ in range(2):
        before, here = counted.comments, asyncio.current_task()
        for task in asyncio.all_tasks() - {here}:
            if task.get_coro().__qualname__.startswith("Upkeep."):  # type: ignore[union-attr]
                task.cancel()
        await until(lambda: counted.comments >= before + 2)  # noqa: B023
    line = (
        "what looks after the connections was ended, and starts again; see what "
        "cancels all tasks"
    )
    assert said(caplog) == [line, line + more(1)]


class Subscribed:
    """A listener that may fail when it is rechecked."""

    def __init__(self, server: Server, error: Exception | None = None) -> None:
        self.server = server
        self.rechecks = 0
        self._error = error

    async def notify(self, notice: Notice) -> None: ...

    async def tell_everything(self) -> None: ...

    async def recheck(self) -> None:
        self.rechecks += 1
        if self._error is not None:
            raise self._error


async def test_subscriptions_are_rechecked_with_the_credentials(
    worker: Worker, server: Server, settings: Any
) -> None:
    """We promise it: also where no connection is held, and whichever other fails."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    listeners = [Subscribed(server, ConnectionError("no cache")), Subscribed(server)]
    for listener in listeners:
        worker.listen(listener)
    await until(lambda: all(listener.rechecks >= 2 for listener in listeners))
    for listener in listeners:
        worker.ignore(listener)


async def test_stream_ends_when_its_credentials_are_no_longer_valid(
    worker: Worker, server: Server, settings: Any
) -> None:
    """Our choice: within `RECHECK_SECONDS`; asked once for all streams of one
    identity."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    good, bad = Vouching(), Vouching()
    bad.says = False
    ada = User(pk=1, username="ada")
    sessions = [
        open_session("good", server, user=ada, authenticator=good),
        open_session("bad", server, user=ada, authenticator=bad),
        open_session("bad too", server, user=ada, authenticator=bad),
        open_session("nobody's", server),
    ]
    for opened in sessions:
        hold(worker, opened)
    await until(lambda: sessions[1].transport.is_closed)
    assert [opened.transport.is_closed for opened in sessions] == [
        False,
        True,
        True,
        False,
    ]
    assert len(bad.asked) == 1
    assert len(good.asked) == 1


async def say(valid: bool) -> bool:
    return valid


async def say_later(valid: bool) -> Any:
    return say(valid)


@pytest.mark.parametrize("make", [say, say_later], ids=["coroutine", "two of them"])
async def test_what_an_authenticator_awaits_counts(
    worker: Worker, server: Server, settings: Any, make: Callable[[bool], Any]
) -> None:
    """Our choice: a coroutine is true whatever will come of it."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    good, bad = VouchingLater(make), VouchingLater(make)
    bad.says = False
    ada = User(pk=1, username="ada")
    first = open_session("first", server, user=ada, authenticator=good)
    second = open_session("second", server, user=ada, authenticator=bad)
    hold(worker, first)
    hold(worker, second)
    await until(lambda: second.transport.is_closed)
    await until(lambda: len(good.asked) >= 2)
    assert not first.transport.is_closed


async def test_stream_ends_when_its_authenticator_says_neither_yes_nor_no(
    worker: Worker, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a function that was not called is true whatever it would say."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    unclear = VouchingLater(lambda valid: lambda: valid)
    opened = open_session("x", server, user=User(pk=1), authenticator=unclear)
    hold(worker, opened)
    await until(lambda: opened.transport.is_closed)
    assert (
        "is_still_valid() does not decide, which means no; have it return True or False"
        in caplog.messages
    )


@pytest.mark.parametrize("stray", ENDING)
async def test_upkeep_goes_on_whatever_an_authenticator_raises(
    worker: Worker, server: Server, settings: Any, stray: str
) -> None:
    """We promise it: what fails means no, others are looked after, and nothing ends
    the process."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    straying, bad = Vouching(), Vouching()
    straying.says, bad.says = STRAYS[stray](), False
    first = open_session("first", server, user=User(pk=1), authenticator=straying)
    second = open_session("second", server, user=User(pk=2), authenticator=bad)
    hold(worker, first)
    hold(worker, second)
    await until(lambda: first.transport.is_closed)
    await until(lambda: second.transport.is_closed)


async def test_stream_goes_on_when_its_credentials_cannot_be_checked(
    worker: Worker, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: a database that is away for a moment logs no user out, and keeps
    none from being checked."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    broken, bad = Vouching(), Vouching()
    broken.says, bad.says = ConnectionError("no database"), False
    ada = User(pk=1, username="ada")
    first = open_session("first", server, user=ada, authenticator=broken)
    second = open_session("second", server, user=ada, authenticator=bad)
    hold(worker, first)
    hold(worker, second)
    await until(lambda: second.transport.is_closed)
    assert not first.transport.is_closed
    [line] = [line for line in caplog.messages if "does not answer" in line]
    assert line.startswith("tests.worker.vouching.Vouching.is_still_valid()")


async def test_sessions_of_the_server_are_told_of_a_change(worker: Worker) -> None:
    """Our choice: from any thread, and only those of this server."""
    streams = [Stream(), Stream()]
    for stream, name in zip(streams, ("shop", "other"), strict=True):
        opened = open_session(name, Server(name), stream=stream)
        await initialize(opened)
        hold(worker, opened)
    thread = threading.Thread(target=worker.notify, args=("shop", Notice("tools")))
    thread.start()
    await until(lambda: len(streams[0].sent) == 2)
    thread.join()
    assert streams[0].sent[1:] == [TOOLS_CHANGED]
    assert len(streams[1].sent) == 1


async def test_change_is_told_by_the_server_s_own_method(server: Server) -> None:
    """Our choice: in a handler, a view or a signal receiver."""
    stream = Stream()
    opened = open_session("one", server, stream=stream)
    await initialize(opened)
    async with ending(current_worker()) as worker:
        hold(worker, opened)
        server.tools_changed()
        await until(lambda: len(stream.sent) == 2)
        await asyncio.to_thread(server.tools_changed)
        await until(lambda: len(stream.sent) == 3)
    assert stream.sent[1:] == [TOOLS_CHANGED] * 2


async def test_closed_session_is_told_nothing(worker: Worker, server: Server) -> None:
    """Our choice: what is gone is forgotten."""
    stream = Stream()
    opened = open_session("one", server, stream=stream)
    await initialize(opened)
    hold(worker, opened)
    let_go(worker, opened)
    worker.notify("shop", Notice("tools"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(stream.sent) == 1
    assert len(worker.part(Registry)) == 0


def test_change_is_told_where_there_is_no_event_loop(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: commands and task queues only publish."""
    server.tools_changed()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_all_streams_end_before_the_process_does(
    worker: Worker, server: Server
) -> None:
    """Our choice: `close_all` waits until the last stream has ended."""
    sessions = [open_session(str(number), server) for number in range(3)]
    for opened in sessions:
        hold(worker, opened)
    closing = asyncio.create_task(worker.close_all())
    await until(lambda: all(opened.transport.is_closed for opened in sessions))
    assert not closing.done()
    for opened in sessions:
        let_go(worker, opened)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await closing


async def test_mailbox_that_an_ending_call_opens_again_is_closed_as_well(
    worker: Worker, settings: Any
) -> None:
    """Our choice: it tells other workers what its client missed. Python 3.11 may crash
    where a process ends while a task waits for a queue."""
    settings.MCP = {"SHUTDOWN_SECONDS": 0.1}

    class Telling(Hanging):
        async def close(self) -> None:
            has_closed.set()
            await may_end.wait()
            await worker.relay.open()
            worker.let_go(self)

    has_closed, may_end = asyncio.Event(), asyncio.Event()
    worker.hold(Telling(), "call")
    assert await worker.relay.open()
    closing = asyncio.create_task(worker.close_all())
    await has_closed.wait()
    await until(lambda: not is_mailbox_read())
    may_end.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await closing
    assert not is_mailbox_read()


def is_mailbox_read() -> bool:
    """Say whether a task waits for messages from other workers."""
    tasks = [repr(task.get_coro()) for task in asyncio.all_tasks()]
    return any("_receive_all" in task for task in tasks)


class _Greeting:
    """A part that says in which worker it is."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.heard: list[JSONObject] = []
        worker.relay.on_told("greeting", self.heard.append)

    @classmethod
    def make_for(cls, worker: Worker) -> "_Greeting":
        return cls(worker)


async def test_part_of_every_worker_hears_before_it_is_needed() -> None:
    """Chosen: apps register once, and hear what is told to all workers."""
    make_in_every_worker(_Greeting)
    make_in_every_worker(_Greeting)
    layer = InMemoryChannelLayer()
    loop = asyncio.get_running_loop()
    async with ending(Worker(loop, Relay(layer))) as worker:
        worker.begin()
        await worker.relay.open()
        await Relay(layer).tell_as_stranger({"kind": "greeting"})
        part = worker.part(_Greeting)
        await until(lambda: bool(part.heard))
    assert part.heard == [{"kind": "greeting"}]
    assert part.worker is worker


async def test_worker_that_serves_anything_is_reached_soon() -> None:
    """Chosen: also one without any session is told to end things."""
    async with ending(current_worker()) as worker:
        assert not worker.relay.mailbox
        await until(lambda: bool(worker.relay.mailbox))
