"""Messages for single other workers; those for one mailbox travel together."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ServiceAway
from mcp_django.worker.acknowledgement import BROKEN, FULL, Taken
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.tasks import Start

logger = FaultLog("mcp_django.worker")

_FULL: Final = (
    "a message for a session of another worker was refused: the mailbox is full; "
    'raise the "capacity" of the channel layer if this goes on'
)

Envelope: TypeAlias = dict[str, Any]

_MAX_BYTES: Final = 32 * 1024 * 1024
"""What may wait for one mailbox; a message to the layer takes an eighth."""

_EMPTY_BYTES: Final = 500
"""What an envelope costs beside its body."""


@dataclass(slots=True)
class _Queue:
    envelopes: deque[tuple[Envelope, float]] = field(default_factory=deque)
    size: int = 0


class SendQueue:
    """Sends envelopes, one message at a time to each mailbox.

    What comes while a message is on its way waits and goes with the next, so that a
    layer that is slow gets fewer and longer ones. What waits is bounded.

    Args:
        mailbox: Sends it.
        on_refused: Called with an envelope that cannot be sent, and what to answer.
        start: Runs a coroutine in a task that is held.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        on_refused: Callable[[Envelope, Taken], None],
        start: Start,
    ) -> None:
        self._mailbox = mailbox
        self._on_refused = on_refused
        self._start = start
        self._queues: dict[str, _Queue] = {}

    def put(self, mailbox: str, envelope: Envelope, *, lasts: float = math.inf) -> None:
        """Send an envelope with all others that wait for the same mailbox.

        Args:
            mailbox: Of another worker.
            envelope: What it is sent.
            lasts: Seconds after which it is not sent any more.
        """
        queue = self._queues.get(mailbox)
        size = _size_of(envelope)
        if queue is not None and queue.size + size > _MAX_BYTES:
            logger.warning(_FULL)
            self._on_refused(envelope, FULL)
            return
        if queue is None:
            queue = self._queues[mailbox] = _Queue()
            self._start(self._send_all(mailbox, queue))
        queue.envelopes.append((envelope, time.monotonic() + lasts))
        queue.size += size

    async def _send_all(self, mailbox: str, queue: _Queue) -> None:
        while batch := _take_some(queue):
            try:
                message = {
                    "type": "mcp.batch",
                    "from": self._mailbox.name,
                    "batch": batch,
                }
                if await self._mailbox.send(mailbox, message):
                    continue
                logger.warning(_FULL, times=len(batch))
                answer = FULL
            except ServiceAway:
                answer = BROKEN
            except Exception:
                logger.exception(
                    "messages for another worker cannot be sent; look at the "
                    "channel layer"
                )
                answer = BROKEN
            for envelope in batch:
                self._on_refused(envelope, answer)
        del self._queues[mailbox]


def _take_some(queue: _Queue) -> list[Envelope]:
    """Take as many envelopes as one message carries, without those that are late."""
    batch: list[Envelope] = []
    size, now = 0, time.monotonic()
    while queue.envelopes:
        envelope, ends_at = queue.envelopes[0]
        envelope_size = _size_of(envelope)
        if batch and size + envelope_size > _MAX_BYTES // 8:
            break
        queue.envelopes.popleft()
        queue.size -= envelope_size
        if ends_at >= now:
            batch.append(envelope)
            size += envelope_size
    return batch


def _size_of(envelope: Envelope) -> int:
    return len(envelope["body"]) + _EMPTY_BYTES
