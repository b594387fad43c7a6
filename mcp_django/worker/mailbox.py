"""The mailbox of one worker, and its place in the group of all workers.

A layer may forget both without an error: Redis was flushed, it evicts, a clock jumped,
another Redis took over. So each worker tells the group now and then that it is there,
and looks whether that comes back to itself.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.channel_layers import ChannelLayer, send

logger = FaultLog("mcp_django.worker")

_MAILBOX_LOST: Final = (
    "nothing that is sent to this worker arrives; it reads from the channel layer "
    "anew: see that the layer is not flushed"
)

_GROUP_LOST: Final = (
    "the channel layer had lost the group of all workers; this one has joined it "
    "again, and may not have heard what others told: see that the layer is not flushed"
)

GROUP: Final = "mcp_django.workers"

_MIN_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 2.0
_SILENT_HEARTBEATS = 3
"""Heartbeats that another worker may miss before it counts as gone."""

_MAX_AWAITED = 100


class Mailbox:
    """A channel of one worker, from which it is told what others send.

    ::

        closed ──open()──► open ──close()──► closed
                            │ ▲
                 (nothing comes back: join the group, read anew)

    Args:
        layer: The channel layer.
        service: Asks it within a bound.
        on_message: Called with each message; must not wait.
        on_lost: Called when messages of others may have been lost.
        said: Gives what each heartbeat says beside.

    Attributes:
        name: The channel; "" while it is not open.
        peers: Mailboxes of other workers, and when each was last heard of.
    """

    def __init__(
        self,
        layer: ChannelLayer,
        service: Service,
        *,
        on_message: Callable[[JSONObject], None],
        on_lost: Callable[[], None],
        said: Callable[[], JSONObject],
    ) -> None:
        self.name = ""
        self.peers: dict[str, float] = {}
        self._layer = layer
        self._service = service
        self._on_message = on_message
        self._on_lost = on_lost
        self._said = said
        self._opening = asyncio.Lock()
        self._failures_to_open = 0
        self._receiving: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._awaited: OrderedDict[str, asyncio.Event] = OrderedDict()
        self._has_joined = False
        self._is_over = False
        self._is_checking = False
        self._received = 0

    # Opening and closing --------------------------------------------------------

    async def open(self) -> str:
        """Open the mailbox if it is not open yet, and give its name.

        Returns:
            The name; "" while the layer is away, or after it was closed for good.
        """
        if self.name:
            return self.name
        failures = self._failures_to_open
        async with self._opening:
            # Those that waited while it failed do not try again, one after the other.
            has_failed = failures != self._failures_to_open
            if not (self.name or has_failed or self._is_over):
                try:
                    name = await self._service.ask(self._layer.new_channel)
                    await self._service.ask(partial(self._layer.group_add, GROUP, name))
                except ServiceAway:
                    self._failures_to_open += 1
                    return ""
                self._has_joined = True
                self.name = name
                self._read()
                self._beating = self._run(self._beat())
        return self.name

    def _read(self) -> None:
        self._receiving = self._run(self._receive_all(self.name))

    async def close(self, *, for_good: bool = False) -> None:
        """Close the mailbox, after telling the other workers.

        Args:
            for_good: Whether it is not opened again.
        """
        async with self._opening:  # what is about to be open is closed, too
            self._is_over = for_good
            name, self.name = self.name, ""
        if not name:
            return
        for task in (self._receiving, self._beating):
            if task is not None:
                task.cancel()  # once: some layers unsubscribe then
        farewell = {"type": "mcp.farewell", "mailbox": name}
        try:
            await self._service.ask(partial(self._layer.group_discard, GROUP, name))
            await self.send_to_all(farewell)
        except ServiceAway as away:
            logger.warning(
                "could not say farewell to the other workers, which see it "
                "themselves: %s",
                away,
            )

    # Sending --------------------------------------------------------------------

    async def send(self, channel: str, message: JSONObject) -> bool:
        """Send a message to one channel.

        Returns:
            Whether there was room for it, as far as the layer says.

        Raises:
            ServiceAway: The layer is away.
        """
        return await send(self._service, self._layer, channel, message)

    async def send_to_all(self, message: JSONObject) -> None:
        """Send a message to all workers, this one included; some may not get it.

        Raises:
            ServiceAway: The layer is away.
        """
        await self._service.ask(partial(self._layer.group_send, GROUP, message))

    def note_peer(self, mailbox: str) -> None:
        """Note that another worker was heard of."""
        if mailbox and mailbox != self.name:
            self.peers[mailbox] = time.monotonic()

    def living_peers(self) -> list[str]:
        """Give the mailboxes of other workers that were heard of lately."""
        silent = _SILENT_HEARTBEATS * mcp_settings.RECHECK_SECONDS
        oldest = time.monotonic() - silent
        self.peers = {name: at for name, at in self.peers.items() if at > oldest}
        return list(self.peers)

    # Receiving ------------------------------------------------------------------

    async def _receive_all(self, name: str) -> None:
        """Read for ever, without waiting for the parts that a message concerns."""
        pause = _MIN_PAUSE_SECONDS
        while True:
            try:
                if not self._has_joined:
                    # Redis forgets groups when it restarts.
                    await self._join(name)
                message = await self._layer.receive(name)
            except Exception as error:
                if not isinstance(error, ServiceAway):
                    self._service.note(error)
                self._has_joined = False
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)
                continue
            pause = _MIN_PAUSE_SECONDS
            self._received += 1
            try:
                self._take(message)
            except Exception:
                # Such as one of another version of this package.
                logger.exception(
                    "a message in the mailbox cannot be read; let all processes "
                    "run the same version"
                )

    async def _join(self, name: str) -> None:
        await self._service.ask(partial(self._layer.group_add, GROUP, name))
        self._has_joined = True

    def _take(self, message: JSONObject) -> None:
        match message:
            case {"type": "mcp.check"}:
                self._run(self.check())
            case {"type": "mcp.heartbeat", "from": self.name, "nonce": nonce}:
                awaited = self._awaited.pop(nonce, None)
                if awaited is not None:
                    awaited.set()
            case {"type": "mcp.heartbeat", "from": mailbox, "is_new": is_new}:
                self.note_peer(mailbox)
                if is_new:
                    self._run(self._answer(mailbox))
                self._on_message(message)
            case _:
                self._on_message(message)

    async def _answer(self, mailbox: str) -> None:
        """Let a worker that has just begun know of this one."""
        with suppress(ServiceAway):
            await self.send(mailbox, self._heartbeat())

    # Looking whether all is well ------------------------------------------------

    async def _beat(self) -> None:
        """Say hello, and look every `RECHECK_SECONDS` whether all is well."""
        with suppress(ServiceAway):
            await self.send_to_all(self._heartbeat(is_new=True))
        while True:
            await asyncio.sleep(mcp_settings.RECHECK_SECONDS)
            await self.check()

    async def check(self) -> None:
        """See whether what is told to all comes back, and mend it if it does not."""
        if self._is_checking or not self.name:
            return
        self._is_checking = True
        try:
            await self._check()
        except ServiceAway:
            pass  # Its service has said so.
        except Exception:
            logger.exception(
                "the mailbox cannot be looked after, which is tried again; see "
                "the error"
            )
        finally:
            self._is_checking = False

    async def _check(self) -> None:
        name, received = self.name, self._received
        told = await self._probe(self.send_to_all)
        is_told = await _happens(told)
        if self.name != name:  # it was closed meanwhile
            return
        await self._join(name)  # also before the layer forgets us because of our age
        if is_told:
            return
        sent = await self._probe(partial(self.send, name))
        if await _happens(sent):
            if not told.is_set():  # else it was late
                await self._gather()
        elif received == self._received:
            logger.warning(_MAILBOX_LOST)
            await self._read_anew()

    async def _probe(
        self, send: Callable[[JSONObject], Coroutine[Any, Any, object]]
    ) -> asyncio.Event:
        """Send a heartbeat on its way, and give what is set when it comes back."""
        nonce = secrets.token_urlsafe(9)
        awaited = self._awaited[nonce] = asyncio.Event()
        if len(self._awaited) > _MAX_AWAITED:
            self._awaited.popitem(last=False)
        await send(self._heartbeat(nonce))
        return awaited

    async def _gather(self) -> None:
        """Have the others join the group as well, from which this one was lost."""
        logger.warning(_GROUP_LOST)
        self._on_lost()
        await self.send_to_all(self._heartbeat(is_new=True))
        for peer in self.living_peers():
            await self.send(peer, {"type": "mcp.check", "from": self.name})

    async def _read_anew(self) -> None:
        """Read on with another connection: what is half open gives nothing any more."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.wait([self._receiving], timeout=mcp_settings.RELAY_TIMEOUT)
        if self.name:
            self._read()

    async def is_reached(self) -> bool:
        """Say whether a message to this mailbox arrives now."""
        if not self.name:
            return False
        try:
            return await _happens(await self._probe(partial(self.send, self.name)))
        except ServiceAway:
            return False

    def _heartbeat(self, nonce: str = "", *, is_new: bool = False) -> JSONObject:
        return {
            "type": "mcp.heartbeat",
            "from": self.name,
            "nonce": nonce,
            "is_new": is_new,
            **self._said(),
        }

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        loop = asyncio.get_running_loop()
        task = loop.create_task(coroutine, context=own_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _happens(event: asyncio.Event) -> bool:
    """Wait for an event, as long as the layer may take."""
    with suppress(TimeoutError):
        async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
            await event.wait()
    return event.is_set()
