"""Clocks of other workers, which may run on computers of their own.

Where the deadline of an envelope cannot be trusted, its receiver asks the sender
whether it still waits. That is as long as the way there and back, and depends on no
clock that jumps.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any, Final, TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.send_queue import SendQueue

logger = FaultLog("mcp_django.worker")

_MAX_DIFFERING: Final = 1000
_SAME_SECONDS: Final = 0.5
"""Clocks that are so close count as one: a POST waits for four times as long."""

Told: TypeAlias = tuple[float, list[Any]]


class Clocks:
    """Knows whose clocks differ from ours, and asks those how long they wait.

    Args:
        queue: Sends questions and answers.
        mailbox: Where they come in.
    """

    def __init__(self, queue: SendQueue, mailbox: Mailbox) -> None:
        self._queue = queue
        self._mailbox = mailbox
        self._numbers = itertools.count(1)
        self._asked: dict[str, asyncio.Future[Told]] = {}
        self._differing: OrderedDict[str, None] = OrderedDict()

    def rest_of(self, sender: str, expires: float) -> float | None:
        """Give the seconds until a deadline by the clock of another worker.

        Args:
            sender: Mailbox of the other one.
            expires: The deadline, at most `MCP["RELAY_TIMEOUT"]` away.

        Returns:
            None where the sender has to be asked: its clock is known to differ, the
            deadline is further away than any, or so near that it may.
        """
        timeout, rest = mcp_settings.RELAY_TIMEOUT, expires - time.time()
        if sender in self._differing or not timeout / 4 < rest <= timeout:
            return None
        return rest

    async def ask(self, sender: str, nonce: str) -> float:
        """Ask another worker for how many seconds it waits for an acknowledgement.

        Args:
            sender: Mailbox of the other one.
            nonce: Of what it sent.

        Returns:
            Those that are left at least; 0.0 or less if it waits no longer, or is
            silent.
        """
        number = f"{self._mailbox.name} {next(self._numbers)}"
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        asked_at, timeout = time.monotonic(), mcp_settings.RELAY_TIMEOUT
        question = {
            "kind": "waits?",
            "nonce": number,
            "from": self._mailbox.name,
            "of": nonce,
            "body": b"",
        }
        try:
            self._queue.put(sender, question, lasts=timeout)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    rest, (clock, host, pid) = await future
                    seconds = time.monotonic() - asked_at
                    self._compare(sender, clock - time.time(), seconds, host, pid)
                    return rest - seconds
        finally:
            del self._asked[number]
        return 0.0

    def tell(self, asker: str, nonce: str, rest: float) -> None:
        """Answer another worker that asks."""
        clock = [time.time(), socket.gethostname(), os.getpid()]
        answer = {"kind": "waits", "nonce": nonce, "rest": rest, "clock": clock}
        self._queue.put(asker, {**answer, "body": b""})

    def learn(self, nonce: str, rest: float, clock: list[Any]) -> None:
        """Take what another worker answers."""
        future = self._asked.get(nonce)
        if future is not None and not future.done():
            future.set_result((rest, clock))

    def _compare(
        self, sender: str, ahead: float, within: float, host: str, pid: int
    ) -> None:
        """Note whether a clock differs from ours, as far as the way there tells."""
        if abs(ahead) - within <= _SAME_SECONDS:
            self._differing.pop(sender, None)
            return
        self._differing[sender] = None
        if len(self._differing) > _MAX_DIFFERING:
            self._differing.popitem(last=False)
        logger.warning(
            "the clock of %.100s (process %s) is %.1f seconds %s that of this one, "
            "%s: messages between them take the way there and back twice, and "
            "what expires does so at different times; let NTP set both clocks",
            host,
            pid,
            abs(ahead),
            "ahead of" if ahead > 0 else "behind",
            socket.gethostname(),
            of=(host, pid),
        )
