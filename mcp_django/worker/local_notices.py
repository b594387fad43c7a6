"""Change notices for the clients of one worker, wherever the changes happened."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exchanges.open_sessions import HTTPSessions
from mcp_django.server.notices import Notice, changing_lists
from mcp_django.worker.connections import Listener
from mcp_django.worker.notice_queue import NoticeQueue

logger = logging.getLogger("mcp_django.worker")


class LocalNotices:
    """Tells all who listen in this worker; what changes in a flood is told once.

    Args:
        listeners: Who wants to hear, as it is when they are told.
        http: Has the streams of sessions over Streamable HTTP.
        start: Runs a coroutine in a task that somebody holds.
    """

    def __init__(
        self,
        listeners: set[Listener],
        http: HTTPSessions,
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._listeners = listeners
        self._http = http
        self._start = start
        self._queues: dict[str, tuple[NoticeQueue, NoticeQueue]] = {}
        self._all_told_at = -math.inf
        self._telling_all: asyncio.TimerHandle | None = None

    def put(self, server_name: str, notice: Notice) -> None:
        """Tell of a change soon."""
        queues = self._queues.get(server_name)
        if queues is None:
            # For sessions a cache has to be asked, for which nobody else waits.
            queues = self._queues[server_name] = (
                NoticeQueue(partial(self._tell, server_name), self._start),
                NoticeQueue(partial(self._http.notify, server_name), self._start),
            )
        for queue in queues:
            queue.put(notice)

    def put_everything(self) -> None:
        """Tell soon that everything may have changed, because notices were lost.

        At most every `RECHECK_SECONDS`, however often that happens.
        """
        if self._telling_all is None:
            loop = asyncio.get_running_loop()
            due = self._all_told_at + mcp_settings.RECHECK_SECONDS
            self._telling_all = loop.call_at(max(due, loop.time()), self._tell_all)

    def _tell_all(self) -> None:
        self._telling_all = None
        self._all_told_at = asyncio.get_running_loop().time()
        for listener in list(self._listeners):
            for notice in [
                *map(Notice, changing_lists(listener.server)),
                *(Notice("resource", uri) for uri in listener.uris),
            ]:
                self._start(self._notify(listener, notice))
        for stream in self._http.streams:
            self._start(stream.tell_everything())

    async def _tell(self, server_name: str, notice: Notice) -> None:
        for listener in list(self._listeners):
            if listener.server.name == server_name:
                await self._notify(listener, notice)

    async def _notify(self, listener: Listener, notice: Notice) -> None:
        try:
            await listener.notify(notice)
        except BaseException as error:
            if ends_task(error):
                raise
            logger.exception("a change notice was lost")
