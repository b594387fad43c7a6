"""Streams that are kept, as tests of the event store need them."""

from collections.abc import Coroutine
from typing import Any

from django.core.cache import caches

from mcp_django.exchanges.event_keys import Kind, lease_key
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.stored_streams import StoredStream
from mcp_django.protocol import jsonrpc
from mcp_django.worker.tasks import LoopTasks
from tests.worker.layers import until


class Told:
    """Notes whose followers were told."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, name: str) -> None:
        self.names.append(name)


class Streams:
    """Makes the logs of streams that write together."""

    def __init__(self, tasks: LoopTasks) -> None:
        self._tasks = tasks
        self.writes = EventWrites(self.start)
        self.told = Told()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in a task."""
        self._tasks.start(coroutine, lambda: None)

    def make(
        self, kind: Kind = "call", *, session_key: str = "session", **options: Any
    ) -> StoredStream:
        """Make the log of a stream."""
        given = {"tell": self.told, "start": self.start, "writes": self.writes}
        return StoredStream(session_key, kind, **{**given, **options})

    async def fill(self, stream: StoredStream, count: int) -> list[str]:
        """Append so many events, wait until they are kept, and give their ids."""
        ids = [
            await stream.append(b"%d" % number, is_last=False)
            for number in range(1, count + 1)
        ]
        await self.writes.flush()
        return ids


class Clock:
    """Gives the time that the test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


async def stop(streams: Streams, clock: Clock) -> None:
    """Let a worker be stopped until its lease has lapsed, and wake up."""
    key = lease_key(streams.writes.lease.name)
    streams.writes.lease.renew()
    await until(lambda: caches["default"].get(key) is not None)
    clock.now += 60
    caches["default"].delete(key)


def result(id: Any) -> bytes:
    """Make the answer to a request."""
    return jsonrpc.serialize(jsonrpc.result(id, {}))
