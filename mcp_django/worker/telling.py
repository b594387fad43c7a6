"""What one worker tells all others: changes, cancellations, ends of sessions.

A channel layer delivers to a group without saying which workers did not get it: a
mailbox was full, or the group itself is gone. So everything is told twice: to the group
at once, and a second later to each other worker that is known. It is numbered, so that
a worker that hears it twice takes it once, and knows of a number that it missed that
something was lost (`hearing`).
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.tasks import Start

logger = FaultLog("mcp_django.worker")

_LOST: Final = (
    "a change, cancellation or end of a session was not told to all other workers: "
    'the channel layer was away too long, or a mailbox is full; raise its "capacity" '
    "if this goes on"
)

_PAUSE_SECONDS: Final = 0.05
"""Between two messages to the group; what comes meanwhile goes together."""

_MAX_TIMES = 3
"""How often something is told to a worker whose mailbox is full."""

_MAX_TOGETHER = 100
_MAX_WAITING = 1000


@dataclass(slots=True)
class _Waiting:
    """Something to be told to the group."""

    told: JSONObject
    until: float
    futures: list[asyncio.Future[None]] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """What went to the group in one message, and goes to single workers again.

    Attributes:
        told: What is worth telling again; empty if that is only the number.
        peers: Workers that have not got it yet; None for all that are known.
        times: How often it was told.
    """

    told: Sequence[JSONObject]
    peers: set[str] | None = None
    times: int = 1


class Teller:
    """Tells all other workers of what happens here.

    Args:
        mailbox: Sends it.
        start: Runs a coroutine in a task that is held.
        again_seconds: After which everything is told a second time.

    Attributes:
        id: Names the worker among those that tell.
        number: Of the last message that went to the group.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        start: Start,
        *,
        again_seconds: float = 1.0,
    ) -> None:
        self._again_seconds = again_seconds
        self.id = secrets.token_urlsafe(9)
        self.number = 0
        self._mailbox = mailbox
        self._start = start
        self._waiting: OrderedDict[Hashable, _Waiting] = OrderedDict()
        self._again: OrderedDict[int, _Told] = OrderedDict()
        self._echoed = 0
        self._refusal: ServiceAway | None = None
        self._is_telling = False
        self._is_telling_again = False

    def put(
        self, told: JSONObject, key: Hashable = None, *, lasts: float = math.inf
    ) -> _Waiting:
        """Tell something soon; without waiting, and whether or not the layer works.

        Args:
            told: What is told.
            key: What has the same and still waits is told once.
            lasts: Seconds for which it is worth telling.
        """
        key = key if key is not None else object()
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = _Waiting(told, time.monotonic() + lasts)
            self._waiting[key] = waiting
            if len(self._waiting) > _MAX_WAITING:
                _, dropped = self._waiting.popitem(last=False)
                _settle([dropped], None)
                logger.warning(_LOST)
                self.number += 1  # which others will miss: so they know of it, too
        if not self._is_telling:
            self._is_telling = True
            self._start(self._tell_all())
        return waiting

    async def tell(
        self, told: JSONObject, key: Hashable = None, *, lasts: float = math.inf
    ) -> None:
        """Tell something, and wait until it is on its way.

        Raises:
            ServiceAway: The layer is away; it will be told when it is back.
        """
        waiting = self.put(told, key, lasts=lasts)
        if self._refusal is not None:
            raise self._refusal
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.futures.append(future)
        await future

    def hear_echo(self, number: int) -> None:
        """Learn that a message to the group came back."""
        self._echoed = max(self._echoed, number)

    async def _tell_all(self) -> None:
        try:
            while self._waiting:
                await self._tell_some()
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._is_telling = False

    async def _tell_some(self) -> None:
        now = time.monotonic()
        some: dict[Hashable, _Waiting] = {}
        while self._waiting and len(some) < _MAX_TOGETHER:
            key, waiting = self._waiting.popitem(last=False)
            some[key] = waiting
        self.number += 1
        number, told = self.number, [waiting.told for waiting in some.values()]
        try:
            await self._mailbox.send_to_all(
                {
                    "type": "mcp.told",
                    "from": self._mailbox.name,
                    "by": self.id,
                    "number": number,
                    "told": told,
                }
            )
        except ServiceAway as away:
            _settle([*some.values(), *self._waiting.values()], away)
            self._keep(some, now)
            self._refusal = away
            await asyncio.sleep(self._again_seconds)
            return
        finally:
            self._refusal = None
        _settle(some.values(), None)
        lasting = [waiting.told for waiting in some.values() if waiting.until > now]
        self._tell_again_later(number, lasting)

    def _keep(self, some: dict[Hashable, _Waiting], now: float) -> None:
        """Tell later what could not be told; it may have arrived all the same."""
        for key, waiting in reversed(some.items()):
            if waiting.until > now:
                later = self._waiting.setdefault(key, waiting)
                if later is waiting:
                    self._waiting.move_to_end(key, last=False)
            elif waiting.told.get("kind") != "event":
                logger.warning(_LOST)
        # So that a worker that got it misses no number.
        self._tell_again_later(self.number, [])

    def _tell_again_later(self, number: int, told: Sequence[JSONObject]) -> None:
        self._again[number] = _Told(told)
        if len(self._again) > _MAX_WAITING:
            _, dropped = self._again.popitem(last=False)
            logger.warning(_LOST, times=len(dropped.told))
        if not self._is_telling_again:
            self._is_telling_again = True
            self._start(self._tell_all_again())

    async def _tell_all_again(self) -> None:
        try:
            while self._again:
                await asyncio.sleep(self._again_seconds)
                await self._tell_again()
        finally:
            self._is_telling_again = False

    async def _tell_again(self) -> None:
        """Tell each worker that is known what went to the group a second ago."""
        told, self._again = self._again, OrderedDict()
        if max(told) > self._echoed:
            # It did not even come back here: something is wrong with the group.
            self._start(self._mailbox.check())
        full = set()
        for peer in self._mailbox.living_peers():
            batches = [
                [number, batch.told]
                for number, batch in told.items()
                if batch.peers is None or peer in batch.peers
            ]
            message = {
                "type": "mcp.told_again",
                "from": self._mailbox.name,
                "by": self.id,
                "batches": batches,
            }
            try:
                if batches and not await self._mailbox.send(peer, message):
                    full.add(peer)
            except ServiceAway:
                self._again = OrderedDict({**told, **self._again})
                return
        if full:
            self._keep_for(full, told)

    def _keep_for(self, full: set[str], told: OrderedDict[int, _Told]) -> None:
        """Tell those workers once more whose mailbox was full."""
        for number, batch in told.items():
            left = full if batch.peers is None else full & batch.peers
            batch.times += 1
            if left and batch.times <= _MAX_TIMES:
                batch.peers = left
                self._again[number] = batch
            elif left:
                logger.warning(_LOST, times=len(batch.told))


def _settle(some: Iterable[_Waiting], error: ServiceAway | None) -> None:
    for waiting in some:
        for future in waiting.futures:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        waiting.futures = []
