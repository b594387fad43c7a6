"""How many requests a user has a second, at several workers together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import pytest
from anyio.to_thread import run_sync
from django.core.cache import BaseCache, caches
from hypothesis import given, settings, target
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.auth.interface import Authenticator, Identity, anonymous
from mcp_django.worker.rates import Report, Tally, exceeded_by, exchange
from tests.live.processes import wait_until
from tests.worker.caches import BROKEN, HangingCache
from tests.worker.rushes import longest_rush

RATE = 10.0
STEP = 0.02


class Workers:
    """Workers that settle once a second, at moments of their own, by one cache.

    Args:
        count: How many.
        cache: By which they settle; None while it is away.
        moments: When in each second they settle; evenly, if left out.

    Attributes:
        let_through: When each request was let through.
    """

    def __init__(
        self,
        count: int,
        cache: BaseCache | None,
        moments: Sequence[float] | None = None,
    ) -> None:
        self.tallies = [Tally(f"worker {number}") for number in range(count)]
        self.let_through: list[float] = []
        self.cache = cache
        moments = moments or [number / count for number in range(count)]
        self._settled_at = [-moment for moment in moments]
        self._time = 0.0

    def run(self, seconds: float, asks: Callable[[int, float], bool]) -> None:
        """Let time go by.

        Args:
            seconds: How much.
            asks: Says whether the user asks a worker at a time.
        """
        end = self._time + seconds
        while self._time < end:
            self._time += STEP
            for number, tally in enumerate(self.tallies):
                if self._time - self._settled_at[number] >= 1:
                    self._settled_at[number] = self._time
                    self._settle(tally)
                # As often as it likes.
                while asks(number, self._time) and not tally.take(
                    "ada", RATE, self._time
                ):
                    self.let_through.append(self._time)

    def _settle(self, tally: Tally) -> None:
        report, now = tally.report(), self._time
        if self.cache is None:
            tally.forget_others()
        else:
            reports = exchange(report, tally.heard_until(now), self.cache)
            tally.heed(reports, report, RATE, now)
        tally.drop_idle(RATE, self._time)

    def most_in(self, seconds: float, since: float = 0) -> int:
        """Give the most requests that were let through in any such time."""
        times = [at for at in self.let_through if at > since]
        return max(
            sum(begin <= at <= begin + seconds for at in times) for begin in times
        )


@pytest.fixture
def cache(settings: Settings) -> BaseCache:
    """Give a cache that holds nothing yet."""
    return _emptied()


def _emptied() -> BaseCache:
    caches["default"].clear()
    return caches["default"]


def always(number: int, now: float) -> bool:
    """Ask every worker all the time."""
    return True


def test_one_worker_gives_the_rate_and_what_a_second_has_saved(
    cache: BaseCache,
) -> None:
    """Chosen: a client that was idle may begin with a second's worth at once."""
    workers = Workers(1, cache)

    workers.run(5, always)

    assert 59 <= len(workers.let_through) <= 61


@pytest.mark.parametrize("count", [2, 4, 16])
def test_workers_together_give_the_rate(count: int, cache: BaseCache) -> None:
    """We promise it: never more than twice the rate for more than two seconds."""
    workers = Workers(count, cache)

    workers.run(30, always)

    # The two seconds: what each worker lets through before it hears of the others.
    assert workers.most_in(2.5, since=2) <= 2 * RATE * 2.5
    assert len(workers.let_through) <= RATE * 30 * 1.15
    later = [at for at in workers.let_through if at > 20]
    assert RATE * 10 * 0.7 <= len(later) <= RATE * 10 * 1.2


@given(st.data())
@settings(max_examples=25)
def test_no_pattern_of_asking_brings_twice_the_rate_for_two_seconds(
    data: st.DataObject,
) -> None:
    """We promise it: whichever workers are asked, when, and for how long."""
    count = data.draw(st.integers(2, 8), "workers")
    moment = st.floats(0, 0.99)
    moments = data.draw(st.lists(moment, min_size=count, max_size=count), "moments")
    asked = st.sets(st.integers(0, count - 1))
    pieces = st.lists(
        st.tuples(st.sampled_from([0.1, 0.4, 1.0, 2.0]), asked), min_size=3, max_size=12
    )
    workers = Workers(count, _emptied(), moments)
    for seconds, numbers in data.draw(pieces, "pieces"):
        workers.run(seconds, partial(_asks_some, numbers))

    rush = longest_rush(workers.let_through, RATE)
    target(rush)
    assert rush <= 2


def _asks_some(numbers: Collection[int], number: int, now: float) -> bool:
    return number in numbers


@pytest.mark.parametrize("every", [0.1, 0.4, 1.0])
def test_user_who_goes_from_worker_to_worker_finds_no_new_rate_at_each(
    cache: BaseCache, every: float
) -> None:
    """We promise it: they hear of users who have not come to them yet."""
    workers = Workers(16, cache)

    workers.run(20, lambda number, now: int(now / every) % 16 == number)

    assert longest_rush(workers.let_through, RATE) <= 2


def test_user_who_asks_one_worker_mostly_has_nearly_all_there(
    cache: BaseCache,
) -> None:
    """Chosen: where a proxy sends a user's requests is not the user's business."""
    workers = Workers(2, cache)

    workers.run(30, lambda number, now: number == 0 or now % 1 < STEP)

    later = [at for at in workers.let_through if at > 20]
    assert 90 <= len(later) <= 110


def test_user_who_comes_in_bursts_has_hardly_more(cache: BaseCache) -> None:
    """We promise it: what the others let through in a rush is paid back."""
    workers = Workers(8, cache)

    workers.run(60, lambda number, now: now % 4 < 1)

    # Eight times as much is what they would let through in the first second of four.
    assert len(workers.let_through) <= RATE * 60 * 1.15


def test_workers_that_cannot_settle_keep_to_the_rate_each(cache: BaseCache) -> None:
    """We promise it: a cache that is away leaves the local limit."""
    workers = Workers(3, cache)
    workers.run(5, always)
    before = len(workers.let_through)

    workers.cache = None
    workers.run(10, always)

    count = len(workers.let_through) - before
    assert 2 * RATE * 10 < count <= 3 * RATE * 11


def test_cache_that_forgets_all_costs_a_second(cache: BaseCache) -> None:
    """Chosen: such as a Redis that was flushed; the numbers begin again."""
    workers = Workers(4, cache)
    workers.run(10, always)
    before = len(workers.let_through)

    cache.clear()
    workers.run(20, always)

    assert len(workers.let_through) - before <= RATE * 20 * 1.15


def test_worker_that_ended_has_no_share_soon(cache: BaseCache) -> None:
    """Chosen: the others have the whole rate after three seconds."""
    workers = Workers(2, cache)
    workers.run(10, always)

    workers.run(20, lambda number, now: number == 0)

    later = [at for at in workers.let_through if 15 < at <= 25]
    assert 95 <= len(later) <= 105


def test_what_is_told_twice_counts_once(cache: BaseCache) -> None:
    """Chosen: a report is read again until there is the next of its worker."""
    tally = Tally("here")
    there = Report("there", {"ada": 5}, number=1)
    for number in (2, 3):
        assert tally.take("ada", RATE, 0) == 0
        own = tally.report()
        tally.heed([there, own._replace(number=number)], own, RATE, 0)

    # 10 at first, 5 there, 2 here.
    taken = sum(not tally.take("ada", RATE, 0) for _ in range(10))

    assert taken == 3


def test_worker_forgets_users_who_are_idle(cache: BaseCache) -> None:
    """Chosen: nothing is kept of a user who has the whole rate again."""
    tally = Tally("here")
    tally.take("ada", RATE, 0)
    tally.report()

    tally.drop_idle(RATE, 0.05)
    assert len(tally) == 1
    tally.drop_idle(RATE, 0.1)
    assert len(tally) == 0


def test_refusal_says_when_the_next_request_may_come() -> None:
    """Spec: RFC 9110, section 10.2.3."""
    tally = Tally("here")
    waits = [tally.take("ada", 0.5, 0), tally.take("ada", 0.5, 0.5)]
    assert waits == [0.0, 1.5]
    assert tally.take("bob", 0.5, 0.5) == 0
    assert tally.take("ada", 0.5, 2.0) == 0


class Vouching(Authenticator):
    """Vouches for no user; only its name counts here."""

    def authenticate(self, request: object) -> None:
        return None

    def is_still_valid(self, identity: Identity) -> bool:
        return True


class User:
    """A user with a primary key."""

    def __init__(self, pk: object) -> None:
        self.pk = pk


def identity(pk: object, credential: object = None) -> Identity:
    return Identity(User(pk), Vouching(), credential)  # type: ignore[arg-type]


async def test_rate_is_of_a_user_or_of_a_token(settings: Settings) -> None:
    """Chosen: MCP["RATE_FOR"]."""
    settings.MCP = {"MAX_RATE": 1}
    exceeded = exceeded_by(identity("rates 1", "a")) or exceeded_by(
        identity("rates 1", "b")
    )
    assert exceeded is not None
    assert "requests a second of this user" in exceeded.message

    settings.MCP = {"MAX_RATE": 1, "RATE_FOR": "token"}
    for credential in ("c", "d"):
        assert exceeded_by(identity("rates 2", credential)) is None
    exceeded = exceeded_by(identity("rates 2", "c"))
    assert exceeded is not None
    assert exceeded.data == {"retryAfter": 1}
    # Without a credential to count by, it is the user.
    assert exceeded_by(identity("rates 3")) is None
    assert exceeded_by(identity("rates 3")) is not None


@pytest.mark.parametrize("rate", ["5/s", "5", 0, -1, True, float("nan"), float("inf")])
async def test_what_is_no_rate_limits_nothing_and_the_log_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture, rate: Any
) -> None:
    """Chosen: a check refuses it; where none ran, requests must not fail for it."""
    settings.MCP = {"MAX_RATE": rate}

    for _ in range(3):
        assert exceeded_by(identity("rates 4")) is None

    assert caplog.messages == [
        f"MCP['MAX_RATE'] is {rate!r}, so no requests are counted; give a finite "
        "number, more than zero, or None"
    ]


async def test_clients_without_a_user_are_not_counted(settings: Settings) -> None:
    """Chosen: nothing tells two of them apart; `check_rates` says so."""
    settings.MCP = {"MAX_RATE": 1, "AUTHENTICATION": []}
    assert [exceeded_by(anonymous()) for _ in range(5)] == [None] * 5


async def test_cache_hears_of_what_is_counted_but_of_no_credential(
    settings: Settings,
) -> None:
    """Chosen: session keys are credentials, and caches are not kept as secret."""
    settings.MCP = {"MAX_RATE": 5, "RATE_FOR": "token"}
    caches["default"].clear()
    assert exceeded_by(identity("rates 4", "secret-key")) is None

    other = Report("other", {})

    def told() -> list[Report]:
        reports = exchange(other, 0, caches["default"])
        return [report for report in reports if report.worker != "other"]

    reports = await run_sync(wait_until, told)
    assert [list(report.counts.values()) for report in reports] == [[1]]
    assert "secret-key" not in repr(reports)


@pytest.mark.parametrize("backend", [BROKEN, "tests.worker.caches.HangingCache"])
async def test_cache_that_fails_or_hangs_holds_up_no_request(
    settings: Settings, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: requests wait for nothing, and the local limit holds."""
    settings.CACHES = {"default": {"BACKEND": backend}}
    settings.MCP = {"MAX_RATE": 3, "CACHE_TIMEOUT": 0.05}
    HangingCache.begin()
    try:
        taken = [exceeded_by(identity(f"rates {backend}")) for _ in range(5)]
        assert [each is None for each in taken] == [True] * 3 + [False] * 2
        await run_sync(
            wait_until, lambda: "each process counts the requests" in caplog.text
        )
    finally:
        HangingCache.works.set()
