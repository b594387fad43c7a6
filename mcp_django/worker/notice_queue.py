"""Change notices on their way to one client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.server.notices import Notice
from mcp_django.worker.tasks import Start

logger = FaultLog("mcp_django.worker")

Send: TypeAlias = Callable[[Notice], Awaitable[None]]


class NoticeQueue:
    """Sends notices one after the other; no other waits for a slow client.

    What changes again before the client was told is told once, so that what waits is
    bounded by what the client wants to know.

    Args:
        send: Sends one notice; what it raises is logged.
        start: Runs a coroutine in a task that is held.
    """

    __slots__ = ("_is_sending", "_send", "_start", "_waiting")

    def __init__(self, send: Send, start: Start) -> None:
        self._send = send
        self._start = start
        # A set in all but type, which keeps the order.
        self._waiting: dict[Notice, None] = {}
        self._is_sending = False

    def put(self, notice: Notice) -> None:
        """Send a notice soon."""
        if notice.is_gone:
            # Whether it may be heard of what went before cannot be asked any more.
            self._waiting.pop(replace(notice, is_gone=False), None)
        self._waiting[notice] = None
        if not self._is_sending:
            self._is_sending = True
            self._start(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                notice = next(iter(self._waiting))
                del self._waiting[notice]
                try:
                    await self._send(notice)
                except BaseException as error:
                    if ends_task(error):
                        raise
                    logger.exception("a change notice was lost; see the error")
        finally:
            self._is_sending = False
