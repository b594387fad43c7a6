"""What tests of exchanges are given, beside what those of consumers are."""

from collections.abc import AsyncIterator

import pytest
from pytest_django import Settings

from mcp_django.exchanges.leases import Lease
from mcp_django.worker.tasks import LoopTasks
from tests.consumers.conftest import door, without_authentication
from tests.exchanges.stored import Clock, Streams

__all__ = ["clock", "door", "streams", "without_authentication"]


@pytest.fixture
async def streams(settings: Settings) -> AsyncIterator[Streams]:
    """Give what makes streams, of each of which four events are kept."""
    settings.MCP = {"EVENT_STORE_CACHE": "default", "EVENT_STORE_EVENTS": 4}
    tasks = LoopTasks()
    yield Streams(tasks)
    await tasks.end()


@pytest.fixture
def clock(streams: Streams) -> Clock:
    """Give the clock of the lease of the worker that writes."""
    clock = Clock()
    streams.writes.lease = Lease(streams.start, clock)
    return clock
