"""What one worker hears that others tell, each message once, and what it misses."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.protocol.jsonrpc import JSONObject

logger = FaultLog("mcp_django.worker")

_NOT_HEARD: Final = (
    "a message in which another worker told of changes, cancellations or ends of "
    'sessions did not arrive; raise the "capacity" of the channel layer if this goes on'
)

_MAX_SENDERS: Final = 1000
_MAX_MISSING: Final = 100


@dataclass(slots=True)
class _Sender:
    """What was heard of another worker.

    Attributes:
        highest: Number of the last message.
        missing: Numbers before that which were not heard, and since when; infinity for
            what was told before anything was heard of it.
    """

    highest: int
    missing: dict[int, float]


class Hearer:
    """Takes what other workers tell, each message once, and sees what is missing.

    Args:
        on_told: Called with each thing told.
        on_late: Called when something was not heard the first time.
        on_lost: Called when something was not heard the second time either.
        grace_seconds: What has not been heard by then, although later things have, is
            lost.
    """

    def __init__(
        self,
        *,
        on_told: Callable[[JSONObject], None],
        on_late: Callable[[], None],
        on_lost: Callable[[], None],
        grace_seconds: float = 5.0,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._on_told = on_told
        self._on_late = on_late
        self._on_lost = on_lost
        self._senders: OrderedDict[str, _Sender] = OrderedDict()
        self._looking: asyncio.TimerHandle | None = None

    def hear(self, by: str, number: int, told: Iterable[JSONObject]) -> None:
        """Hear one message to the group.

        Args:
            by: Names the worker that tells.
            number: Of the message, from 1 on; 0 if they are not numbered.
            told: What it tells.
        """
        if number:
            sender = self._sender(by, number)
            if number > sender.highest:
                self._note_gap(sender, number - 1)
                sender.highest = number
            elif sender.missing.pop(number, None) is None:
                return
        for one in told:
            self._on_told(one)

    def hear_again(self, by: str, batches: Iterable[Sequence[Any]]) -> None:
        """Hear a second time of messages to the group."""
        for number, told in batches:
            sender = self._senders.get(by)
            if told and (
                sender is None or number > sender.highest or number in sender.missing
            ):
                self._on_late()
            self.hear(by, number, told)

    def hear_number(self, by: str, number: int) -> None:
        """Hear of the last message that a worker sent to the group."""
        self._note_gap(self._sender(by, number + 1), number)

    def _sender(self, by: str, number: int) -> _Sender:
        sender = self._senders.get(by)
        if sender is None:
            before = range(max(1, number - _MAX_MISSING), number)
            missing = dict.fromkeys(before, math.inf)
            sender = self._senders[by] = _Sender(number - 1, missing)
            if len(self._senders) > _MAX_SENDERS:
                self._senders.popitem(last=False)
        return sender

    def _note_gap(self, sender: _Sender, last: int) -> None:
        """Miss what was told from the highest number that was heard to the last."""
        if last <= sender.highest:
            return
        now = time.monotonic()
        first = max(sender.highest + 1, last + 1 - _MAX_MISSING)
        lost = first - sender.highest - 1
        sender.missing.update(dict.fromkeys(range(first, last + 1), now))
        sender.highest = last
        while len(sender.missing) > _MAX_MISSING:
            lost += sender.missing.pop(next(iter(sender.missing))) != math.inf
        if lost:
            self._give_up(lost)
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(self._grace_seconds, self._look)

    def _look(self) -> None:
        """Give up what has been missing for too long."""
        self._looking = None
        now, lost, rest = time.monotonic(), 0, False
        for sender in self._senders.values():
            for number, since in list(sender.missing.items()):
                if since == math.inf:
                    continue
                if now - since >= self._grace_seconds:
                    del sender.missing[number]
                    lost += 1
                else:
                    rest = True
        if rest:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(self._grace_seconds, self._look)
        if lost:
            self._give_up(lost)

    def _give_up(self, count: int) -> None:
        logger.warning(_NOT_HEARD, times=count)
        self._on_lost()
