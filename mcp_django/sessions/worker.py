"""A worker: what one event loop knows of its sessions and of the other workers."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from channels.layers import get_channel_layer

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.server.notices import Notice
from mcp_django.server.threads import authentication_threads
from mcp_django.sessions.addresses import make_session_id
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.sessions.relay import Relay
from mcp_django.sessions.runner import Session
from mcp_django.sessions.shutdown import call_before_shutdown

logger = logging.getLogger("mcp_django.sessions")

_TICK_SECONDS = 1.0


class Worker:
    """One event loop's sessions, its mailbox, and the task that looks after them.

    Everything starts with the first session and goes on until the loop ends; an idle
    worker costs one timer.

    Attributes:
        registry: The open sessions that have an id.
        listeners: All sessions that want change notices, with or without an id.
        relay: The way to sessions of other workers.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._upkeep: asyncio.Task[None] | None = None
        self._notices: set[asyncio.Task[None]] = set()
        self._session_closed = asyncio.Event()
        self.registry = Registry()
        self.listeners: set[Session] = set()
        self.relay = Relay(
            get_channel_layer(mcp_settings.CHANNEL_LAYER),
            find=self.registry.find,
            on_notice=self.tell,
        )

    async def new_session_id(self) -> str:
        """Make the id of a session that this worker is about to open."""
        return make_session_id(await self.relay.open())

    def open(self, opened: OpenSession) -> None:
        """Take a session in; pair with `close`."""
        self.registry.add(opened)
        if opened.session is not None:
            self.listeners.add(opened.session)
        if self._upkeep is None:
            self._upkeep = self._loop.create_task(self._look_after())
            call_before_shutdown(self.close_all)

    def close(self, opened: OpenSession) -> None:
        """Let a session go whose stream has ended."""
        self.registry.remove(opened)
        if opened.session is not None:
            self.listeners.discard(opened.session)
        self._session_closed.set()

    def tell(self, server_name: str, notice: Notice) -> None:
        """Tell this worker's sessions of a change; can be called in any thread."""
        self._loop.call_soon_threadsafe(self._begin_telling, server_name, notice)

    def publish(self, server_name: str, notice: Notice) -> None:
        """Tell the other workers of a change; can be called in any thread."""
        self._loop.call_soon_threadsafe(
            lambda: self._keep(self.relay.publish(server_name, notice))
        )

    async def close_all(self) -> None:
        """End every stream, for the end of the process."""
        for opened in self.registry:
            await opened.transport.close()
        await self.relay.close()
        while len(self.registry):
            self._session_closed.clear()
            await self._session_closed.wait()

    def _begin_telling(self, server_name: str, notice: Notice) -> None:
        self._keep(self._tell(server_name, notice))

    def _keep(self, coroutine: Any) -> None:
        task = self._loop.create_task(coroutine)
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)

    async def _tell(self, server_name: str, notice: Notice) -> None:
        for session in list(self.listeners):
            if session.server.name != server_name:
                continue
            try:
                await session.notify(notice)
            except Exception:
                logger.exception("a change notice was lost")

    async def _look_after(self) -> None:
        """Tick the streams every second, and look at their users now and then."""
        checked_at = self._loop.time()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                for opened in self.registry:
                    await self._tick(opened)
                if self._loop.time() - checked_at >= mcp_settings.RECHECK_SECONDS:
                    checked_at = self._loop.time()
                    await self._recheck()
                    await self.relay.refresh()
            except Exception:
                logger.exception("looking after the open streams failed; going on")

    async def _tick(self, opened: OpenSession) -> None:
        """Tick one stream; its failure is no other stream's."""
        try:
            await opened.transport.tick()
        except Exception:
            logger.exception("a stream failed; it ends")
            await opened.transport.close()

    async def _recheck(self) -> None:
        """End the streams whose user logged out, was deactivated or lost the token."""
        by_identity: dict[Identity, list[OpenSession]] = {}
        for opened in self.registry:
            by_identity.setdefault(opened.identity, []).append(opened)
        for identity, sessions in by_identity.items():
            if identity.authenticator is None:
                continue
            check = partial(identity.authenticator.is_still_valid, identity)
            try:
                is_valid = await authentication_threads.run(check)
            except Exception:
                # The database may be away for a moment; look again next time.
                logger.exception("the credentials of a stream could not be checked")
                continue
            if not is_valid:
                for opened in sessions:
                    logger.info("a stream ends: its credentials are no longer valid")
                    await opened.transport.close()


_workers: dict[asyncio.AbstractEventLoop, Worker] = {}


def current_worker() -> Worker:
    """Give the worker of the running event loop."""
    loop = asyncio.get_running_loop()
    worker = _workers.get(loop)
    if worker is None:
        for other in list(_workers):
            if other.is_closed():
                _workers.pop(other, None)
        worker = _workers[loop] = Worker(loop)
    return worker


def workers_of_process() -> list[Worker]:
    """Give the workers of every event loop that still runs."""
    return [worker for loop, worker in list(_workers.items()) if loop.is_running()]
