"""Workers without HTTP, joined by a layer, and what sessions may have open in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp_django import Server
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.questions import Questions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.standalone_streams import StandaloneStreams
from mcp_django.server.notices import Notice
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker
from tests.worker.layers import Layer


class Stream:
    """A standalone stream that notes what happens to it."""

    def __init__(
        self, age: float = 0, *, clock_ahead: float = 0, server_name: str = "shop"
    ) -> None:
        self.opened_at = (time.time() + clock_ahead - age, f"{id(self)}")
        self._began = time.monotonic() - age
        self.server = Server(server_name)
        self.told: list[Notice] = []
        self.is_displaced = False
        self.is_closed = False

    @property
    def age(self) -> float:
        return time.monotonic() - self._began

    def put(self, notice: Notice) -> None:
        self.told.append(notice)

    async def displace(self) -> None:
        self.is_displaced = True

    async def close(self) -> None:
        self.is_closed = True


class Call:
    """A request that notes how often it is cancelled."""

    def __init__(self) -> None:
        self.times_cancelled = 0

    def cancel(self) -> None:
        self.times_cancelled += 1


def worker_of(layer: Layer | None) -> Worker:
    """Make a worker, alone or joined to others, that has had sessions."""
    worker = Worker(asyncio.get_running_loop(), Relay(layer))
    for kind in (OpenSessions, Questions, RunningCalls, StandaloneStreams):
        worker.part(kind)
    return worker


@asynccontextmanager
async def joined(layer: Layer | None) -> AsyncIterator[tuple[Worker, Worker]]:
    """Give two workers, joined by a layer, that hear of each other."""
    workers = worker_of(layer), worker_of(layer)
    for worker in workers:
        await worker.relay.open()
    try:
        yield workers
    finally:
        for worker in workers:
            await worker.relay.close()
            await worker.tasks.end()
