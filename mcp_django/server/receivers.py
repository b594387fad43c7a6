"""Telling receivers of requests, in threads: soon after the answer, many at a time.

A way to a thread and back takes longer than most receivers do. So no request waits for
its receivers, and what has ended meanwhile goes one such way together.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from anyio.lowlevel import RunVar

from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.bulkheads.threads import handler_threads, of_caller, runs_asyncio
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.server.requests import Request

logger = FaultLog("mcp_django.server")

Send = Callable[[], object]

_SECONDS_TOGETHER: Final = 0.005
"""How long receivers may take with all that goes together; others go side by side."""
_MOST_TOGETHER: Final = 64
_MOST_SIDE_BY_SIDE: Final = 8
_GATHERING_SECONDS: Final = 0.01
"""How long quick receivers wait for more to hear of."""
_MOST_WAITING: Final = 1_000
"""Of how many requests receivers have not heard before one waits for them."""


async def tell(request: Request, send: Send) -> None:
    """Have a function called that tells receivers, in a thread and in this context.

    A worker calls it soon. Where a process serves one client, such as in tests, it has
    been called when this returns.

    Args:
        request: Of which they are told.
        send: Tells them; it may ask databases.
    """
    send = of_caller(send)
    if request.threads is not handler_threads or not runs_asyncio():
        await _call([send], request.ask_in_thread)
        return
    teller = _teller.get(None)
    if teller is None:
        teller = _Teller()
        _teller.set(teller)
    await teller.add(send)


def has_some_to_tell() -> bool:
    """Say whether receivers are still to hear of requests of this event loop."""
    teller = _teller.get(None)
    return teller is not None and teller.is_busy


async def all_told() -> None:
    """Return when receivers have heard of all requests of this event loop."""
    teller = _teller.get(None)
    while teller is not None and teller.is_busy:
        await teller.wait()


class _Teller:
    """What receivers are still to hear of, in one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Send] = deque()
        self._telling: set[asyncio.Task[None]] = set()
        # Of these tasks, how many will still look for what waits.
        self._looking = 0
        self._has_room = asyncio.Event()
        # Of one call; the first few are taken for slow ones.
        self._seconds = _SECONDS_TOGETHER

    @property
    def is_busy(self) -> bool:
        """Whether something waits, or is being told."""
        return self._looking > 0

    async def wait(self) -> None:
        """Wait until what is being told now was told."""
        await asyncio.wait(self._telling)

    async def add(self, send: Send) -> None:
        """Take what is to be called; wait only where too much waits already."""
        while len(self._waiting) >= _MOST_WAITING:
            self._has_room.clear()
            await self._has_room.wait()
        self._waiting.append(send)
        are_slow = self._most_together == 1
        if self._looking < (_MOST_SIDE_BY_SIDE if are_slow else 1):
            self._looking += 1
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._tell_all(), context=own_context())
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    @property
    def _most_together(self) -> int:
        return min(_MOST_TOGETHER, max(1, int(_SECONDS_TOGETHER / self._seconds)))

    async def _tell_all(self) -> None:
        try:
            await self._tell_what_waits()
        finally:
            self._looking -= 1

    async def _tell_what_waits(self) -> None:
        run = partial(handler_threads.beside.run, what=_describe)
        waiting = self._waiting
        while waiting:
            if len(waiting) < self._most_together:
                await asyncio.sleep(_GATHERING_SECONDS)
            count = min(len(waiting), self._most_together)
            batch = [waiting.popleft() for _ in range(count)]
            self._has_room.set()
            if not batch:
                return  # another of these tasks has taken the rest
            await _call(batch, run, note_seconds=self._note)

    def _note(self, seconds: float) -> None:
        self._seconds = max(1e-6, 0.75 * self._seconds + 0.25 * seconds)


async def _call(
    batch: Sequence[Send],
    run: Callable[[Callable[[], Any]], Awaitable[Any]],
    *,
    note_seconds: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Call all of a batch in one thread; what goes wrong is said in the log.

    Args:
        batch: What is to be called.
        run: Runs a function in a thread.
        note_seconds: Called with what one of them took.
    """

    def call() -> None:
        began = time.perf_counter()
        for send in batch:
            send()
        note_seconds((time.perf_counter() - began) / len(batch))

    try:
        # Each logs what receivers raise.
        await ask_in_thread(_receivers(), call, run)
    except ServiceAway:
        pass  # It has said so in the log.
    except Exception:
        logger.exception("a receiver of request_handled failed; mend it")


def _describe() -> str:
    return "receivers of request_handled"


_teller: Final[RunVar[_Teller]] = RunVar("mcp_django_teller")


@kept
def _receivers() -> Service:
    return service_of_site(
        "a receiver of request_handled",
        "some requests are not told of",
        timeout=lambda: mcp_settings.RECEIVER_TIMEOUT,
        logger=logger,
    )
