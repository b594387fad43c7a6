"""Relay: the line from one worker to the others, over the channel layer.

`mailbox` opens the channel and sees that it is not forgotten. By `handover` single
workers are sent what they acknowledge, by `telling` all of them are told what happened
here, and by `hearing` each of them hears that once.
What comes in is taken by what registered for its kind.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.acknowledgement import Taken
from mcp_django.worker.channel_layers import ChannelLayer, make_service
from mcp_django.worker.handover import Handover, Take
from mcp_django.worker.hearing import Hearer
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.send_queue import Envelope
from mcp_django.worker.telling import Teller

logger = FaultLog("mcp_django.worker")

_UNKNOWN: Final = (
    "a message in the mailbox is of no known kind, such as one of another version of "
    "this package; it is dropped: let all processes run the same version"
)

Hear: TypeAlias = Callable[[JSONObject], None]
"""Hears what another worker tells all others; must not wait."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways to other workers, where there is a channel layer."""

    mailbox: Mailbox
    handover: Handover
    teller: Teller
    hearer: Hearer


class Relay:
    """One worker's line to the others.

    The mailbox is opened by the first session or the first message for another worker.
    Without a channel layer nothing is relayed and every method still works.

    Args:
        layer: The channel layer; None if the project has none.
        service: Asks the layer within a bound; made here if left out.
    """

    def __init__(
        self, layer: ChannelLayer | None, service: Service | None = None
    ) -> None:
        self._hear_told: dict[str, Hear] = {}
        self._look_again: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ways = (
            None
            if layer is None
            else self._make_ways(layer, service or make_service("default"))
        )

    def _make_ways(self, layer: ChannelLayer, service: Service) -> _Ways:
        mailbox = Mailbox(
            layer,
            service,
            on_message=self._take_message,
            on_lost=self._note_losses,
            said=lambda: {"by": teller.id, "number": teller.number},
        )
        teller = Teller(mailbox, self._start)
        hearer = Hearer(
            on_told=self._hear,
            on_late=lambda: self._start(mailbox.check()),
            on_lost=self._note_losses,
        )
        return _Ways(mailbox, Handover(mailbox, self._start), teller, hearer)

    # What registers -------------------------------------------------------------

    def on_handed_over(self, kind: str, take: Take) -> None:
        """Have envelopes of a kind taken; until then they are dropped."""
        if self._ways is not None:
            self._ways.handover.takers[kind] = take

    def on_told(self, kind: str, hear: Hear) -> None:
        """Have what others tell heard, of a kind; until then it is dropped."""
        self._hear_told[kind] = hear

    def on_lost(self, look_again: Callable[[], None]) -> None:
        """Have it called when something that others told was lost."""
        self._look_again.append(look_again)

    # The mailbox ----------------------------------------------------------------

    @property
    def has_layer(self) -> bool:
        """Whether the project has a channel layer."""
        return self._ways is not None

    @property
    def mailbox(self) -> str:
        """Channel name of the mailbox; "" while it is not open."""
        return "" if self._ways is None else self._ways.mailbox.name

    def seconds_since_peers(self) -> dict[str, float]:
        """Give the mailboxes of other workers, and when each was last heard of."""
        if self._ways is None:
            return {}
        mailbox, now = self._ways.mailbox, time.monotonic()
        peers = mailbox.living_peers()
        return {peer: round(now - mailbox.peers[peer], 1) for peer in peers}

    async def open(self) -> str:
        """Open the mailbox if it is not open yet, and give its channel name.

        Returns:
            The name; "" without a channel layer, or while the layer is away.
        """
        return "" if self._ways is None else await self._ways.mailbox.open()

    def open_soon(self) -> None:
        """Open the mailbox if it is not open yet, without waiting for it."""
        if self._ways is not None and not self._ways.mailbox.name:
            self._start(self._open())

    async def _open(self) -> None:
        await self.open()

    async def close(self, *, for_good: bool = False) -> None:
        """Close the mailbox, after telling the other workers.

        Args:
            for_good: Whether it is not opened again.
        """
        if self._ways is not None:
            await self._ways.mailbox.close(for_good=for_good)

    # Sending --------------------------------------------------------------------

    async def hand_over(self, mailbox: str, message: Envelope) -> Taken | None:
        """Hand a message over to one other worker, and wait for what it answers.

        Args:
            mailbox: Of that worker.
            message: Its kind, its body, and what else is to be said.

        Returns:
            What the other worker answered; `BROKEN` if the channel layer does not work,
            `FULL` if it has no room. None if the other one is silent, or there is none.
        """
        if self._ways is None:
            return None
        return await self._ways.handover.hand_over(mailbox, message)

    def may_come_back(self, mailbox: str) -> bool:
        """Say whether a worker that was silent may be heard of again."""
        ways = self._ways
        return (
            ways is not None and mailbox != "" and not ways.handover.has_gone(mailbox)
        )

    async def tell(
        self, told: JSONObject, key: Hashable = None, *, lasts: float = math.inf
    ) -> None:
        """Tell all other workers something, and wait until it is on its way.

        Args:
            told: What is told; what it says may be heard late, and twice.
            key: What has the same and still waits is told once.
            lasts: Seconds for which it is worth telling, if the layer does not work.

        Raises:
            ServiceAway: The layer is away; they will be told when it is back.
        """
        if self._ways is not None:
            await self.open()
            await self._ways.teller.tell(told, key, lasts=lasts)

    def tell_soon(
        self, told: JSONObject, key: Hashable = None, *, lasts: float = math.inf
    ) -> None:
        """Tell all other workers something, without waiting for it."""
        if self._ways is not None:
            self.open_soon()  # The workers that are told again are known only with it.
            self._ways.teller.put(told, key, lasts=lasts)

    async def tell_as_stranger(self, told: JSONObject) -> None:
        """Tell all workers something, from a program that is none; some may miss it."""
        if self._ways is not None:
            message = {"type": "mcp.told", "from": "", "by": "", "number": 0}
            with suppress(ServiceAway):
                await self._ways.mailbox.send_to_all({**message, "told": [told]})

    def send_soon(self, channel: str, message: JSONObject) -> None:
        """Send a message to one channel, without waiting for it; it may be lost."""
        if self._ways is not None:
            self._start(self._send(self._ways.mailbox, channel, message))

    async def _send(self, mailbox: Mailbox, channel: str, message: JSONObject) -> None:
        with suppress(ServiceAway):
            await mailbox.send(channel, message)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(coroutine, context=own_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Receiving ------------------------------------------------------------------

    def _take_message(self, message: JSONObject) -> None:
        assert self._ways is not None
        ways = self._ways
        sender = message.get("from")
        if isinstance(sender, str) and sender != ways.mailbox.name:
            ways.handover.note_life(sender)
        match message:
            case {"type": "mcp.batch", "batch": batch}:
                for envelope in batch:
                    ways.handover.take(envelope)
            case {"type": "mcp.told", "by": by, "number": number, "told": told}:
                if by == ways.teller.id:
                    ways.teller.hear_echo(number)
                else:
                    ways.hearer.hear(by, number, told)
            case {"type": "mcp.told_again", "by": by, "batches": batches}:
                if by != ways.teller.id:
                    ways.hearer.hear_again(by, batches)
            case {"type": "mcp.heartbeat", "by": by, "number": number}:
                ways.hearer.hear_number(by, number)
            case {"type": "mcp.farewell", "mailbox": mailbox}:
                ways.handover.note_farewell(mailbox)
            case _:
                logger.warning(_UNKNOWN)

    def _hear(self, told: JSONObject) -> None:
        kind = told.get("kind", "")
        hear = self._hear_told.get(kind)
        if hear is None:
            logger.debug("nothing here hears what is told of kind %.100r", kind)
            return
        try:
            hear(told)
        except Exception:
            # Such as of another version of this package.
            logger.exception(
                "what another worker told cannot be read; let all processes "
                "run the same version"
            )

    def _note_losses(self) -> None:
        for look_again in self._look_again:
            look_again()
