"""Leases: what says in the event store that a worker lives."""

from collections.abc import Coroutine
from typing import Any

import pytest
from django.core.cache import caches
from pytest_django import Settings

from mcp_django.exchanges.event_keys import lease_key
from mcp_django.exchanges.leases import LEASE_SECONDS, Lease, Watch


class Clock:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(settings: Settings) -> Clock:
    """Give the clock of a lease in the default cache."""
    settings.MCP = {"EVENT_STORE_CACHE": "default"}
    return Clock()


class Begun:
    """Takes coroutines, and runs them when the test wants."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def __call__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.waiting.append(coroutine)

    async def run(self) -> int:
        """Run what was begun, and give how many they were."""
        waiting, self.waiting = self.waiting, []
        for coroutine in waiting:
            await coroutine
        return len(waiting)


async def test_lease_is_renewed_every_few_seconds(clock: Clock) -> None:
    """Our choice: one key for each worker, however many calls it has."""
    begun = Begun()
    lease = Lease(begun, clock)
    renewals = 0
    for _ in range(12):
        for _ in range(5):
            lease.renew()
        renewals += await begun.run()
        clock.now += 1
    assert renewals == 4
    assert caches["default"].get(lease_key(lease.name)) is not None
    assert not lease.may_have_lapsed(1000.0)


async def test_worker_that_was_stopped_knows_that_its_lease_lapsed(
    clock: Clock,
) -> None:
    """Our choice: also after it has renewed it, of all that began before."""
    begun = Begun()
    lease = Lease(begun, clock)
    began_at = clock.now
    assert not lease.may_have_lapsed(began_at)
    lease.renew()
    await begun.run()
    clock.now += 60
    assert lease.may_have_lapsed(began_at)
    lease.renew()
    await begun.run()
    assert lease.may_have_lapsed(began_at)
    assert not lease.may_have_lapsed(clock.now), "what begins now is its own"


async def test_lease_that_cannot_be_renewed_lapses(
    clock: Clock, settings: Settings
) -> None:
    """Our choice: while the cache is away, it cannot be sure."""
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}
    begun = Begun()
    lease = Lease(begun, clock)
    for _ in range(12):
        lease.renew()
        await begun.run()
        clock.now += 1
    assert lease.may_have_lapsed(1000.0)


def test_worker_is_gone_when_its_lease_stays_away() -> None:
    """Our choice: sooner where it was there before, so that it did lapse."""
    clock = Clock()
    watch = Watch(clock)
    assert not watch.is_gone(is_leased=True)
    clock.now += 1
    assert not watch.is_gone(is_leased=False)
    clock.now += 1
    assert not watch.is_gone(is_leased=True)
    clock.now += 1
    assert not watch.is_gone(is_leased=False)
    clock.now += 3
    assert watch.is_gone(is_leased=False)


def test_worker_that_was_never_seen_is_given_more_time() -> None:
    """Our choice: a cache that comes back after an outage has no lease of anybody."""
    clock = Clock()
    watch = Watch(clock)
    assert not watch.is_gone(is_leased=False)
    clock.now += LEASE_SECONDS - 1
    assert not watch.is_gone(is_leased=False)
    clock.now += 1
    assert watch.is_gone(is_leased=False)
