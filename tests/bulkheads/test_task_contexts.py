"""Contexts of tasks that may outlive whoever begins them."""

import asyncio
import threading
from contextvars import ContextVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async

from mcp_django import Server
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.exchanges.session_state import CachedState
from mcp_django.exchanges.standalone_streams import StandaloneStreams
from mcp_django.server.notices import Notice
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import Worker
from tests.exchanges.http_sessions import open_session
from tests.patience import PATIENCE_SECONDS

language: ContextVar[str] = ContextVar("language", default="en")


class Stream:
    """A standalone stream that notes what it is told."""

    opened_at = (0.0, "")
    age = 0.0
    uris = ()

    def __init__(self, server: Server, streams: StandaloneStreams) -> None:
        self.server = server
        self._streams = streams
        self.told: list[Notice] = []
        self.has_more = asyncio.Event()

    async def notify(self, notice: Notice) -> None:
        self._streams.notify(self.server, notice)

    def put(self, notice: Notice) -> None:
        self.told.append(notice)
        self.has_more.set()

    async def tell_everything(self) -> None: ...

    async def recheck(self) -> None: ...

    async def displace(self) -> None:
        raise AssertionError

    async def close(self) -> None:
        raise AssertionError


def test_what_the_site_keeps_in_the_context_goes_along() -> None:
    """Our choice: such as Django's language."""
    token = language.set("de")
    assert own_context()[language] == "de"
    language.reset(token)


async def test_task_uses_no_thread_of_the_request_that_began_it() -> None:
    """asgiref: a `ThreadSensitiveContext` has a thread of its own."""
    used: list[int] = []
    done = asyncio.Event()

    async def look() -> None:
        used.append(await sync_to_async(threading.get_ident)())

    async with ThreadSensitiveContext():
        of_request = await sync_to_async(threading.get_ident)()
        LoopTasks().start(look(), done.set)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await done.wait()
    assert used == [await sync_to_async(threading.get_ident)()] != [of_request]


async def test_task_may_have_a_thread_of_its_own() -> None:
    """asgiref: of contexts in each other, the outer one counts."""

    async def look() -> bool:
        async with ThreadSensitiveContext() as own:
            return SyncToAsync.thread_sensitive_context.get() is own

    async with ThreadSensitiveContext():
        assert await asyncio.create_task(look(), context=own_context())


async def test_change_made_by_the_async_orm_is_told() -> None:
    """asgiref: no `sync_to_async` in the context of a thread that one runs in."""
    worker = Worker(asyncio.get_running_loop())
    session, streams = open_session(), worker.part(StandaloneStreams)
    server = Server(session.server_name)
    stream = Stream(server, streams)
    await CachedState(session, server).subscribe("shop://terms")
    await streams.add(session, stream)
    worker.listeners.add(stream)
    notice = Notice("resource", "shop://terms")
    await sync_to_async(worker.notify)(server.name, notice)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.has_more.wait()
    assert stream.told == [notice]
