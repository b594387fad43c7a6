"""How many requests a second each user or token has, counted by all workers together.

A worker counts by itself, and asks nothing before it lets a request through. At most
once a second it tells the others by the cache what it has counted, and learns what they
have: `MCP["MAX_RATE"]` is divided among those at which a user asks. Until a worker has
learned of the others, and while the cache is away, it has the whole rate. It learns of
users that have not come to it yet, too: one who goes from worker to worker finds no new
rate at each.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple, Self

from django.core.cache import BaseCache
from django.utils.crypto import salted_hmac

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import RateExceeded, ServiceAway
from mcp_django.worker.caches import cache_of
from mcp_django.worker.worker import Worker, current_worker

logger = FaultLog("mcp_django.worker")

_SECONDS_BETWEEN_SETTLEMENTS: Final = 1.0
_RECENT_SECONDS: Final = 2.5
"""How old a report of another worker may be: two settlements, and some delay."""
_KEPT_SECONDS: Final = math.ceil(_RECENT_SECONDS)
_MAX_REPORTS: Final = 1000
"""Reports that are read at once: of so many workers, times the seconds."""
_MAX_SHOWN: Final = 100
_PREFIX: Final = "mcp_django:rates"
_NUMBER_KEY: Final = f"{_PREFIX}:number"


class Report(NamedTuple):
    """What one worker tells the others.

    Attributes:
        worker: Names it.
        counts: Whose requests came since its last report -> how many it let through.
        number: Of all reports of all workers, in the order of telling; 0 if not told.
    """

    worker: str
    counts: Mapping[str, int]
    number: int = 0


@dataclass(slots=True)
class _Bucket:
    """What a worker knows of one user or token.

    Attributes:
        tokens: Requests that may come now, as far as is known of all workers; less than
            zero if others have let more through.
        own_tokens: Requests of its own share that may come now.
        share: Requests a second that are its own; None before it knows of others.
        at: When the two were counted last.
        count: Requests let through since the last settlement.
        is_asked: Whether requests came since then.
    """

    tokens: float
    own_tokens: float
    at: float
    share: float | None = None
    count: int = 0
    is_asked: bool = False

    def refill(self, rate: float, now: float) -> None:
        """Add what the time has brought."""
        seconds, self.at = now - self.at, now
        share = rate if self.share is None else min(self.share, rate)
        self.tokens = min(max(rate, 1.0), self.tokens + rate * seconds)
        self.own_tokens = min(max(share, 1.0), self.own_tokens + share * seconds)

    def wait_seconds(self, rate: float) -> float:
        """Say when the next request may come; 0.0 for now."""
        share = rate if self.share is None else min(self.share, rate)
        return max(0.0, (1 - self.tokens) / rate, (1 - self.own_tokens) / share)


class Tally:
    """What one worker has counted, and knows of the others; asks no clock.

    Args:
        worker: Names the worker in its reports.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._buckets: dict[str, _Bucket] = {}
        self._heard: dict[str, int] = {}
        self._settlements: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, rate: float, now: float) -> float:
        """Count a request, if it may come now.

        Args:
            key: Whose it is.
            rate: Requests a second.
            now: The time, by any clock that does not jump.

        Returns:
            0.0, or the seconds until one may come.
        """
        bucket = self._buckets.get(key) or self._begin(key, rate, now)
        bucket.refill(rate, now)
        bucket.is_asked = True
        seconds = bucket.wait_seconds(rate)
        if seconds > 0:
            return seconds
        bucket.tokens -= 1
        bucket.own_tokens -= 1
        bucket.count += 1
        return 0.0

    def _begin(self, key: str, rate: float, now: float) -> _Bucket:
        full = max(rate, 1.0)
        bucket = self._buckets[key] = _Bucket(full, full, now)
        return bucket

    def report(self) -> Report:
        """Give what was counted since the last report, and begin the next."""
        counts = {}
        for key, bucket in self._buckets.items():
            if bucket.is_asked:
                counts[key] = bucket.count
                bucket.count, bucket.is_asked = 0, False
        return Report(self._worker, counts)

    def heard_until(self, now: float) -> int:
        """Give the number of the last report that is too old to count; 0 if unknown.

        Args:
            now: The time, by the clock of `take`.
        """
        settlements, oldest = self._settlements, now - _RECENT_SECONDS
        while len(settlements) > 1 and settlements[1][0] <= oldest:
            settlements.popleft()
        if not settlements:
            return 0
        at, number = settlements[0]
        # Else all that the cache keeps is recent, as at first and after a pause.
        return number if oldest - _RECENT_SECONDS < at <= oldest else 0

    def heed(
        self, reports: Sequence[Report], own: Report, rate: float, now: float
    ) -> None:
        """Take off what others let through, and divide the rate anew.

        What is left is divided evenly, so that all workers together never let much
        more than the rate through, and one where all of a user's requests come soon
        has nearly all of it.

        Args:
            reports: Those of all workers since `heard_until`.
            own: The last one of this worker.
            rate: Requests a second.
            now: The time, by the clock of `take`.
        """
        latest: dict[str, Report] = {}
        for report in sorted(reports, key=lambda report: report.number):
            latest[report.worker] = report
            if report.number > self._heard.get(report.worker, 0):
                self._heard[report.worker] = report.number
                if report.worker != self._worker:
                    self._take_off(report.counts, rate, now)
        seconds = self._note_settlement(latest.pop(self._worker, own).number, now)
        self._heard = {worker: report.number for worker, report in latest.items()}
        for key, count in own.counts.items():
            others = [
                report.counts[key] for report in latest.values() if key in report.counts
            ]
            mine, asked_at = count / seconds, len(others) + 1
            unused = rate - mine - sum(others)
            share = max(mine + unused / asked_at, rate / asked_at)
            self._buckets[key].share = share if others else None

    def _take_off(self, counts: Mapping[str, int], rate: float, now: float) -> None:
        """Take off what another worker let through; nothing is to be said of 0."""
        for key, count in counts.items():
            if count:
                bucket = self._buckets.get(key) or self._begin(key, rate, now)
                bucket.tokens -= count

    def _note_settlement(self, number: int, now: float) -> float:
        """Give the seconds since the last one."""
        seconds = _SECONDS_BETWEEN_SETTLEMENTS
        if self._settlements:
            before, last = self._settlements[-1]
            if now - before <= _RECENT_SECONDS:
                seconds = max(seconds, now - before)
            if number < last:  # the cache has forgotten how far the numbers were
                self._settlements.clear()
        self._settlements.append((now, number))
        return seconds

    def forget_others(self) -> None:
        """Count alone, because nothing is known of the others."""
        for bucket in self._buckets.values():
            bucket.share = None

    def drop_idle(self, rate: float, now: float) -> None:
        """Let go of what is as new."""
        for key, bucket in list(self._buckets.items()):
            bucket.refill(rate, now)
            if bucket.tokens >= max(rate, 1.0) and not bucket.is_asked:
                del self._buckets[key]

    def clear(self) -> None:
        """Let go of everything."""
        self._buckets.clear()


class Rates:
    """Counts in one worker, and settles with the others; a part of the worker.

    ::

        idle --take()--> settles each second --MAX_RATE is None--> idle

    It goes on while no requests come, and so knows of users who come next.

    Args:
        worker: The worker.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._tally = Tally(secrets.token_urlsafe(9))
        self._settled_at = -math.inf
        self._is_about_to_settle = False

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make the one of a worker; see `Worker.part`."""
        return cls(worker)

    def take(self, key: str, rate: float) -> float:
        """Count a request as `Tally.take` does; others hear of it within a second."""
        if not self._is_about_to_settle:
            self._settle_soon()
        return self._tally.take(key, rate, time.monotonic())

    def _settle_soon(self) -> None:
        self._is_about_to_settle = True
        due = self._settled_at + _SECONDS_BETWEEN_SETTLEMENTS - time.monotonic()
        loop = asyncio.get_running_loop()
        loop.call_later(max(due, 0.0), self._begin_to_settle)

    def _begin_to_settle(self) -> None:
        self._worker.start(self._settle_and_go_on())

    async def _settle_and_go_on(self) -> None:
        try:
            await self._settle()
        finally:
            self._is_about_to_settle = False
            if mcp_settings.MAX_RATE is not None and not self._worker.is_ending:
                self._settle_soon()

    async def _settle(self) -> None:
        """Tell the others what was counted, and heed what they have told."""
        self._settled_at = time.monotonic()
        rate = rate_in_force()
        if rate is None:  # settings changed, as in tests
            self._tally.clear()
            return
        report = self._tally.report()
        heard_until = self._tally.heard_until(time.monotonic())
        try:
            cache = cache_of(mcp_settings.CACHE)
            reports = await cache.ask(partial(exchange, report, heard_until))
        except ServiceAway:  # it has said so in the log
            self._tally.forget_others()
        else:
            self._tally.heed(reports, report, rate, time.monotonic())
        self._tally.drop_idle(rate, time.monotonic())


def exchange(report: Report, heard_until: int, cache: BaseCache) -> list[Report]:
    """Write a report for the others, and read theirs; in a thread.

    Reports are numbered, so that no worker has to know which the others are, nothing is
    written that others write, too, and no clock has to be that of another computer.

    Args:
        report: What this worker counted; nothing is written if that is nothing.
        heard_until: The number after which to read, if there are not too many.
        cache: Keeps reports for as long as they are recent.

    Returns:
        Those of all workers, this one's as well.
    """
    number = _tell(report, cache) if report.counts else cache.get(_NUMBER_KEY, 0)
    if heard_until > number:  # the cache has forgotten how far the numbers were
        heard_until = 0
    first = max(heard_until, number - _MAX_REPORTS) + 1
    numbers = {_report_key(each): each for each in range(first, number + 1)}
    found = cache.get_many(list(numbers)) if numbers else {}
    own = report._replace(number=number)
    return [
        own,
        *(
            Report(worker, counts, numbers[key])
            for key, (worker, counts) in found.items()
            if numbers[key] != number or worker != report.worker
        ),
    ]


def _tell(report: Report, cache: BaseCache) -> int:
    """Write a report for the others, and give its number; 0 if the cache keeps none."""
    cache.add(_NUMBER_KEY, 0, timeout=None)
    try:
        number = cache.incr(_NUMBER_KEY)
    except ValueError:
        return 0
    told = (report.worker, report.counts)
    cache.set(_report_key(number), told, timeout=_KEPT_SECONDS)
    return number


def _report_key(number: int) -> str:
    return f"{_PREFIX}:report:{number}"


# Whose requests are counted -----------------------------------------------------------


def exceeded_by(identity: Identity) -> RateExceeded | None:
    """Count a request; give its refusal if there are too many.

    Those of clients that are no user's are not counted, as their streams and calls are
    not: nothing tells two of them apart.

    Args:
        identity: Whose it is.
    """
    rate = rate_in_force()
    if rate is None:
        return None
    of_token = mcp_settings.RATE_FOR == "token" and identity.credential is not None
    if of_token:
        key = _key_of_token(_name_of(identity.authenticator), identity.credential)
    elif identity.owner:
        key = f"user {identity.owner}"
    else:
        return None
    seconds = current_worker().part(Rates).take(key, rate)
    if not seconds:
        return None
    return RateExceeded(rate, "token" if of_token else "user", seconds)


def rate_in_force() -> float | None:
    """Give `MCP["MAX_RATE"]`; None, and a line in the log, if it is no rate.

    A check refuses it, but what serves the site need not have run the checks.
    """
    rate: Any = mcp_settings.MAX_RATE
    if rate is None:
        return None
    is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if is_number and 0 < rate < math.inf:
        return float(rate)
    logger.error(
        "MCP['MAX_RATE'] is %s, so no requests are counted; give a finite number, more "
        "than zero, or None",
        repr(rate)[:_MAX_SHOWN],
    )
    return None


def _name_of(authenticator: Authenticator | None) -> str:
    kind = type(authenticator)
    return f"{kind.__module__}.{kind.__qualname__}"


@lru_cache(maxsize=4096)
def _key_of_token(authenticator: str, credential: Hashable) -> str:
    """Give what stands for a credential in the cache, which need not be secret."""
    value = f"{authenticator} {credential!r}"
    return f"token {salted_hmac(_PREFIX, value, algorithm='sha256').hexdigest()[:32]}"
