"""Telling receivers in threads: of several requests together where that is quick.

A way to a thread and back takes longer than most receivers do. What has ended in the
same turn of the event loop goes one such way together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
from anyio.lowlevel import RunVar, checkpoint

from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.threads import ThreadPool, of_caller
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.server.requests import Request

logger = FaultLog("mcp_django.server")

Send = Callable[[], object]

_SECONDS_TOGETHER: Final = 0.001
"""How long receivers may take with all that goes together; others go side by side."""
_MOST_TOGETHER: Final = 64


@dataclass(slots=True, eq=False)
class _Batch:
    """What goes to one thread together.

    Attributes:
        sends: What is to be called there.
        is_settled: Whether it was called, or is given up.
        is_over: Set at the end.
    """

    sends: list[Send]
    is_settled: bool = False
    is_over: anyio.Event = field(default_factory=anyio.Event)


class _Pace:
    """How long receivers take with one request, as seen of late."""

    def __init__(self) -> None:
        self._seconds = 10 * _SECONDS_TOGETHER

    @property
    def most(self) -> int:
        """How many requests may go together."""
        return min(_MOST_TOGETHER, 1 + int(_SECONDS_TOGETHER / self._seconds))

    def note(self, seconds: float, count: int) -> None:
        """Note how long they took with so many."""
        each = max(seconds / count, 1e-6)
        self._seconds = 0.75 * self._seconds + 0.25 * each


_pace: Final = _Pace()
_gathering: Final[RunVar[dict[ThreadPool, _Batch]]] = RunVar("mcp_django_telling")
"""Of each event loop, what gathers for a pool of threads."""


async def tell_together(request: Request, send: Send) -> None:
    """Call what tells receivers, in a thread and in this context; wait until it was.

    Args:
        request: Of which they are told.
        send: Tells them; it may ask databases.

    Raises:
        ServiceAway: Receivers do not answer.
        Exception: It failed.
    """
    send = of_caller(send)
    gathering = _gathering.get(None)
    if gathering is None:
        gathering = {}
        _gathering.set(gathering)
    pool = request.threads.beside
    while (batch := gathering.get(pool)) is not None:
        batch.sends.append(send)
        if len(batch.sends) >= _pace.most:
            del gathering[pool]
        await batch.is_over.wait()
        if batch.is_settled:
            return
        # The request that it gathered at was cancelled before.
    batch = _Batch([send])
    if _pace.most > 1:
        gathering[pool] = batch
    try:
        if _pace.most > 1:
            await checkpoint()  # to let others come that have just ended, too
            _stop_gathering(gathering, pool, batch)
        call = partial(_call_all, batch)
        await ask_in_thread(_receivers(), call, request.ask_in_thread)
    except ServiceAway:
        batch.is_settled = True
        raise
    finally:
        _stop_gathering(gathering, pool, batch)
        batch.is_over.set()


def _stop_gathering(
    gathering: dict[ThreadPool, _Batch], pool: ThreadPool, batch: _Batch
) -> None:
    if gathering.get(pool) is batch:
        del gathering[pool]


def _call_all(batch: _Batch) -> None:
    batch.is_settled = True
    began = time.perf_counter()
    for send in batch.sends:
        send()
    _pace.note(time.perf_counter() - began, len(batch.sends))


@kept
def _receivers() -> Service:
    return service_of_site(
        "a receiver of request_handled",
        "some requests are not told of",
        timeout=lambda: mcp_settings.RECEIVER_TIMEOUT,
        logger=logger,
    )
