"""Streams of change notices, without HTTP."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

import anyio.lowlevel
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from mcp_types import SubscriptionFilter
from pytest_django import Settings

from mcp_django.auth.interface import Identity
from mcp_django.exchanges.event_store import replay
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.leases import Lease, Watch
from mcp_django.exchanges.resumed_streams import ResumedStream
from mcp_django.exchanges.session_streams import StandaloneStream
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.exchanges.streams import ListenStream
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.server.notices import Notice
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.event_stream import KEEP_ALIVE, EventStreamDecoder
from mcp_django.transports.server.http_response import Headers, HTTPResponse
from mcp_django.worker.worker import Worker, current_worker
from tests.exchanges.http_sessions import open_session
from tests.server.calls import MODERN, Caller
from tests.worker.layers import PATIENCE_SECONDS, until

SERVER = Server("shop")
RETRY = b"retry: 5000\r\n\r\n"
NOBODY = Identity(AnonymousUser())


class Response(HTTPResponse):
    """A response that fails the test if it is written in the wrong order.

    Attributes:
        body: What was written.
        before_start: Called before the stream begins.
        fault: What writing raises, if anything.
    """

    def __init__(self) -> None:
        self.body = b""
        self.is_started = False
        self.is_ended = False
        self.is_gone = anyio.Event()
        self.before_start: Callable[[], Any] | None = None
        self.fault: Exception | None = None

    @property
    def is_congested(self) -> bool:
        return False

    async def respond(
        self, status: int, body: bytes = b"", headers: Headers = ()
    ) -> None:
        raise AssertionError

    async def start_events(self, headers: Headers = ()) -> None:
        assert not self.is_started
        if self.before_start is not None:
            await self.before_start()
        self.is_started = True

    async def write(self, chunk: bytes) -> None:
        assert self.is_started
        assert not self.is_ended
        if self.fault is not None:
            raise self.fault
        self.body += chunk

    async def end_stream(self) -> None:
        assert self.is_started
        self.is_ended = True
        self.is_gone.set()

    async def wait_for_disconnect(self) -> None:
        """Wait as an exchange does: it hears of its own end, too."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.is_gone.wait()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = current_worker()
    yield worker
    await worker.close_all()
    assert len(worker.connections) == 0


@pytest.fixture
def response() -> Response:
    return Response()


def listen(worker: Worker, response: Response) -> ListenStream:
    """Make a stream that wants to hear of tools."""
    subscription = Subscription(1, SubscriptionFilter(tools_list_changed=True))
    request = Caller(SERVER, version=MODERN).request("subscriptions/listen")
    return ListenStream(SERVER, worker, NOBODY, response, subscription, request)


def standalone(
    worker: Worker, response: Response, log: StoredStream | None = None
) -> StandaloneStream:
    """Make the standalone stream of a new session."""
    session = open_session()
    return StandaloneStream(
        SERVER, worker, NOBODY, response, session, sender=Sender(), log=log
    )


@pytest.mark.parametrize("make", [listen, standalone])
async def test_stream_is_held_from_before_it_begins_until_its_client_is_gone(
    worker: Worker, response: Response, make: Any
) -> None:
    """Our choice: so the limit of streams holds."""
    counts: list[int] = []

    async def count() -> None:
        counts.append(len(worker.connections))

    response.before_start = count
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make(worker, response).run, response.wait_for_disconnect)
        await until(lambda: bool(response.body))
        counts.append(len(worker.connections))
        response.is_gone.set()
    assert counts == [1, 1]
    assert len(worker.connections) == 0
    assert response.is_ended


@pytest.mark.parametrize("make", [listen, standalone])
async def test_stream_that_is_closed_before_it_begins_has_nothing_on_it(
    worker: Worker, response: Response, make: Any
) -> None:
    """Our choice: at the end of the process."""
    stream = make(worker, response)
    response.before_start = stream.close
    await stream.run(response.wait_for_disconnect)
    assert response.body == b""
    assert response.is_ended
    assert len(worker.connections) == 0


@pytest.mark.parametrize("make", [listen, standalone])
async def test_stream_that_cannot_begin_is_let_go(
    worker: Worker, response: Response, make: Any
) -> None:
    """Our choice: what answers the request ends it."""

    async def fail() -> None:
        raise ConnectionError("gone")

    response.before_start = fail
    with pytest.raises(ConnectionError):
        await make(worker, response).run(response.wait_for_disconnect)
    assert len(worker.connections) == 0
    assert len(worker.listeners) == 0


@pytest.mark.parametrize("make", [listen, standalone])
async def test_nothing_follows_the_last_words(
    worker: Worker, response: Response, make: Any
) -> None:
    """Our choice: `Response` fails if something does."""
    stream = make(worker, response)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        await until(lambda: bool(response.body))
        await stream.close()
        before = response.body
        await stream.close()
        await stream.tick()
        worker.notify("shop", Notice("tools"))
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert response.body == before


async def test_notices_of_a_displaced_stream_leave_the_log_alone(
    worker: Worker, response: Response, settings: Settings
) -> None:
    """Our choice: a newer stream may go on with it."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}

    async def tell(name: str) -> None:
        raise AssertionError

    log = StoredStream(
        "session",
        "standalone",
        writes=worker.part(EventWrites),
        tell=tell,
        start=worker.start,
    )
    stream = standalone(worker, response, log)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        await until(lambda: response.body.endswith(KEEP_ALIVE))
        await stream.displace()
    stream.put(Notice("tools"))
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert response.body.endswith(b"retry: 10000\r\n\r\n")
    [primed] = EventStreamDecoder(1000).feed(response.body)
    assert (await replay("session", primed.id)).events == []


async def test_resumed_stream_ends_when_the_event_store_fails(
    worker: Worker, response: Response, settings: Settings, caplog: Any
) -> None:
    """Our choice: the client comes back again."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}

    async def tell(name: str) -> None:
        await worker.part(Followers).tell(session, name)

    session = open_session()
    log = StoredStream(
        session.key,
        "call",
        writes=worker.part(EventWrites),
        tell=tell,
        start=worker.start,
    )
    id = await log.append(b"{}", is_last=False)
    replayed = await replay(session.key, id)
    stream = ResumedStream(SERVER, worker, NOBODY, response, session, replayed=replayed)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        await until(lambda: response.body == RETRY + KEEP_ALIVE)
        settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
        await log.tell()
    assert response.is_ended
    [line] = caplog.messages
    assert line.startswith("the cache 'default' does not answer")


async def test_resumed_stream_ends_when_its_events_are_no_longer_kept(
    worker: Worker, response: Response, settings: Settings
) -> None:
    """Our choice: such as when the worker of its call has died long ago."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}

    async def tell(name: str) -> None:
        await worker.part(Followers).tell(session, name)

    session = open_session()
    log = StoredStream(
        session.key,
        "call",
        writes=worker.part(EventWrites),
        tell=tell,
        start=worker.start,
    )
    id = await log.append(b"{}", is_last=False)
    stream = ResumedStream(
        SERVER,
        worker,
        NOBODY,
        response,
        session,
        replayed=await replay(session.key, id),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        await until(lambda: response.body == RETRY + KEEP_ALIVE)
        caches["default"].clear()
        await log.tell()
    assert response.body == RETRY + KEEP_ALIVE
    assert response.is_ended


async def test_events_of_a_call_are_read_in_pieces_and_all_arrive(
    worker: Worker, response: Response, settings: Settings
) -> None:
    """We promise it: each may take a megabyte, and a hundred are kept."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    session = open_session()
    tell = partial(worker.part(Followers).tell, session)
    log = StoredStream(
        session.key,
        "call",
        writes=worker.part(EventWrites),
        tell=tell,
        start=worker.start,
    )
    first, *ids = [
        await log.append(b"%d" % number, is_last=number == 20) for number in range(21)
    ]
    await log.tell()
    replayed = await replay(session.key, first)
    assert [id for id, _ in replayed.events] == ids[:4]
    stream = ResumedStream(SERVER, worker, NOBODY, response, session, replayed=replayed)
    await stream.run(response.wait_for_disconnect)

    events = EventStreamDecoder(1000).feed(response.body)
    assert [event.id for event in events] == ids


async def test_resumed_call_of_a_worker_that_is_gone_is_answered_with_an_error(
    worker: Worker, response: Response, settings: Settings
) -> None:
    """We promise it: its silence is known within seconds."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    session = open_session()
    # Its lease was never renewed here, as if long ago.
    killed = EventWrites(worker.start)
    killed.lease = Lease(lambda renewing: renewing.close())
    tell = partial(worker.part(Followers).tell, session)
    log = StoredStream(
        session.key,
        "call",
        writes=killed,
        tell=tell,
        start=worker.start,
        expected=["slow"],
    )
    id = await log.append(b"{}", is_last=False)
    seconds = itertools.count(step=5.0)
    stream = ResumedStream(
        SERVER,
        worker,
        NOBODY,
        response,
        session,
        replayed=await replay(session.key, id),
        watch=Watch(lambda: next(seconds)),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        while not response.is_ended:
            await log.tell()
            await anyio.lowlevel.checkpoint()
    [event] = EventStreamDecoder(1000).feed(
        response.body.removeprefix(RETRY + KEEP_ALIVE)
    )
    answer = json.loads(event.data)
    assert (answer["id"], answer["error"]["code"]) == ("slow", -32603)


async def test_idle_stream_is_kept_in_mind_until_it_ends(
    worker: Worker, response: Response, settings: Settings
) -> None:
    """Our choice: its client may come back however long nothing was sent."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}

    async def tell(name: str) -> None:
        raise AssertionError

    kept: list[object] = []
    now = [1000.0]

    def start(keeping: Coroutine[Any, Any, None]) -> None:
        keeping.close()
        kept.append(keeping)

    log = StoredStream(
        "session",
        "standalone",
        writes=worker.part(EventWrites),
        tell=tell,
        start=start,
        clock=lambda: now[0],
    )
    stream = standalone(worker, response, log)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run, response.wait_for_disconnect)
        await until(lambda: response.body.endswith(KEEP_ALIVE))
        now[0] += 1000
        await stream.tick()
        assert len(kept) == 1
        await stream.close()
    now[0] += 1000
    await stream.tick()
    assert len(kept) == 1
