"""Handing messages over to single other workers, which acknowledge them.

An envelope has a deadline and a nonce; its receiver drops what comes late or twice. The
deadline is by the sender's clock, which may be another one than the receiver's: what
looks late, or early, is taken if the sender says that it still waits for it. One
ambiguity is left: when the acknowledgement itself is lost, the sender takes the message
for lost though it was taken.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.tallies import tallies
from mcp_django.conf import mcp_settings
from mcp_django.transports.tap import tap
from mcp_django.worker.acknowledgement import BROKEN, NOT_FOUND, Taken, refusal
from mcp_django.worker.clocks import Clocks
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.send_queue import Envelope, SendQueue
from mcp_django.worker.tasks import Start

logger = FaultLog("mcp_django.worker")

_UNKNOWN: Final = (
    "an envelope in the mailbox is of no known form, such as one of another version "
    "of this package; it is dropped: let all processes run the same version"
)

_LATE: Final = (
    "a relayed message came late or twice; it is dropped, and its client told already"
)

_MAX_GONE: Final = 10_000
_MAX_NONCES: Final = 10_000
_SILENCE_SECONDS: Final = 5.0
_GONE_SECONDS: Final = 3600.0

Take: TypeAlias = Callable[[Envelope], Awaitable[Taken | None]]
"""Takes an envelope, and says what to answer; None if it came too late for that.

Its "until" is when its sender waits no longer, by our monotonic clock.
"""


@dataclass(frozen=True, slots=True)
class _Wait:
    """A wait for an acknowledgement, which ends at a monotonic time."""

    taken: asyncio.Future[Taken | None]
    ends_at: float


class Handover:
    """What one worker hands over to others, and they to it.

    Args:
        mailbox: Where acknowledgements, and what others hand over, come in.
        start: Runs a coroutine in a task that is held.

    Attributes:
        takers: What takes an envelope, by its kind.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        start: Start,
    ) -> None:
        self.takers: dict[str, Take] = {}
        self._mailbox = mailbox
        self._start = start
        self._queue = SendQueue(mailbox, on_refused=self._refuse, start=start)
        self._id = secrets.token_urlsafe(9)
        self._numbers = itertools.count(1)
        self._unacknowledged: dict[str, _Wait] = {}
        self._clocks = Clocks(self._queue, mailbox)
        self._silent_until: dict[str, float] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._is_probing = False
        self._reached_at = -math.inf

    # Sending --------------------------------------------------------------------

    async def hand_over(self, mailbox: str, message: Envelope) -> Taken | None:
        """Send an envelope and wait for its acknowledgement.

        Args:
            mailbox: Of the worker that shall take it.
            message: Its kind, its body, and what else is to be said.

        Returns:
            What the other worker answered; `BROKEN` if the channel layer does not work,
            `FULL` if it has no room. None if the other one is silent.
        """
        if not mailbox or self._is_silent(mailbox):
            return None
        if not await self._mailbox.open():
            return BROKEN
        tallies.relayed += 1
        nonce = f"{self._id}-{next(self._numbers)}"
        loop, timeout = asyncio.get_running_loop(), mcp_settings.RELAY_TIMEOUT
        future: asyncio.Future[Taken | None] = loop.create_future()
        late = loop.call_later(timeout / 2, self._note_late, future, timeout / 2)
        asked_at = time.monotonic()
        self._unacknowledged[nonce] = _Wait(future, asked_at + timeout)
        envelope = {
            **message,
            "nonce": nonce,
            "from": self._mailbox.name,
            "expires": time.time() + timeout,
        }
        try:
            self._queue.put(mailbox, envelope, lasts=timeout)
            taken = await future
        finally:
            late.cancel()
            del self._unacknowledged[nonce]
        if taken is not None:
            return taken
        if self._reached_at < asked_at:
            return BROKEN  # The layer is silent, and not the other worker.
        # One message alone may be late, such as by what its user's row waits for.
        if self._mailbox.peers.get(mailbox, -math.inf) < asked_at:
            self._note_silence(mailbox, _SILENCE_SECONDS)
        return None

    def _note_late(self, future: asyncio.Future[Taken | None], rest: float) -> None:
        """See whether messages arrive here, when an acknowledgement takes long."""
        if future.done():
            return
        asyncio.get_running_loop().call_later(rest, _give_up, future)
        if not self._is_probing:
            self._is_probing = True
            self._start(self._probe())

    async def _probe(self) -> None:
        try:
            if await self._mailbox.is_reached():
                self._reached_at = time.monotonic()
        finally:
            self._is_probing = False

    def _refuse(self, envelope: Envelope, taken: Taken) -> None:
        self._acknowledge(envelope["nonce"], taken)

    def _acknowledge(self, nonce: str, taken: Taken) -> None:
        wait = self._unacknowledged.get(nonce)
        if wait is not None and not wait.taken.done():
            wait.taken.set_result(taken)

    def _rest_of(self, nonce: str) -> float:
        """Give the seconds for which an acknowledgement is still waited for."""
        wait = self._unacknowledged.get(nonce)
        return 0.0 if wait is None else max(0.0, wait.ends_at - time.monotonic())

    # Workers that are there -----------------------------------------------------

    def _is_silent(self, mailbox: str) -> bool:
        return time.monotonic() < self._silent_until.get(mailbox, -math.inf)

    def _note_silence(self, mailbox: str, seconds: float) -> None:
        """Expect no answer from a mailbox for a while, and forget older silences."""
        now = time.monotonic()
        self._silent_until = {
            silent: until for silent, until in self._silent_until.items() if until > now
        }
        self._silent_until[mailbox] = now + seconds

    def note_life(self, mailbox: str) -> None:
        """Note that a worker was heard of, whatever was thought of it before."""
        self._mailbox.note_peer(mailbox)
        self._silent_until.pop(mailbox, None)
        self._gone.pop(mailbox, None)

    def note_farewell(self, mailbox: str) -> None:
        """Note that a worker has ended."""
        self._mailbox.peers.pop(mailbox, None)
        self._note_silence(mailbox, _GONE_SECONDS)
        self._gone[mailbox] = None
        if len(self._gone) > _MAX_GONE:
            self._gone.popitem(last=False)

    def has_gone(self, mailbox: str) -> bool:
        """Say whether a worker has said farewell, and so will not be heard of again."""
        return mailbox in self._gone

    # Receiving ------------------------------------------------------------------

    def take(self, envelope: Envelope) -> None:
        """Take an envelope that came, in a task of its own."""
        match envelope:
            case {"kind": "taken", "nonce": nonce, "status": status, "body": body}:
                self._acknowledge(nonce, Taken(status, body))
            case {"kind": "waits?", "nonce": nonce, "from": asker, "of": asked_of}:
                self._clocks.tell(asker, nonce, self._rest_of(asked_of))
            case {"kind": "waits", "nonce": nonce, "rest": rest, "clock": clock}:
                self._clocks.learn(nonce, rest, clock)
            case {"kind": str() as kind, "nonce": _, "from": _, "expires": _}:
                take = self.takers.get(kind)
                if take is None:
                    logger.debug("nothing here takes envelopes of kind %.100r", kind)
                else:
                    self._start(self._take(envelope, take))
            case _:
                logger.warning(_UNKNOWN)

    async def _take(self, envelope: Envelope, take: Take) -> None:
        if not (self._is_new(envelope) and await self._is_in_time(envelope)):
            logger.warning(_LATE)
            return
        if tap.watches:
            tap.show("received", envelope["body"], envelope)
        try:
            taken = await take(envelope)
        except Exception:
            logger.exception("a relayed message failed; see the error")
            taken = refusal(500, "Internal error")
        if taken is None:
            logger.warning(_LATE)
            taken = NOT_FOUND
        self._queue.put(
            envelope["from"],
            {
                "kind": "taken",
                "nonce": envelope["nonce"],
                "status": taken.status,
                "body": taken.body,
            },
        )

    def _is_new(self, envelope: Envelope) -> bool:
        """Say whether an envelope came for the first time."""
        nonce = envelope["nonce"]
        if nonce in self._nonces:
            return False
        self._nonces[nonce] = None
        if len(self._nonces) > _MAX_NONCES:
            self._nonces.popitem(last=False)
        return True

    async def _is_in_time(self, envelope: Envelope) -> bool:
        """Say whether the sender of an envelope still waits; note for how long."""
        sender, nonce = envelope["from"], envelope["nonce"]
        rest = self._clocks.rest_of(sender, envelope["expires"])
        if rest is None:
            rest = await self._clocks.ask(sender, nonce)
        envelope["until"] = time.monotonic() + rest
        return rest > 0


def _give_up(future: asyncio.Future[Taken | None]) -> None:
    if not future.done():
        future.set_result(None)
