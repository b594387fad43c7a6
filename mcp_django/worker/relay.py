"""Relay: messages to sessions of other workers, over the channel layer.

Channel layers deliver at most once, so that everything posted is acknowledged: the
owner answers what the POST shall be answered. An envelope has a deadline and a nonce;
the owner drops what comes late or twice. One ambiguity is left: when the
acknowledgement itself is lost, the POST is answered 404 though the session took the
message.

`mailbox` opens the channel and sees that it is not forgotten, `outbox` sends to single
workers, `telling` to all of them; `relayed` gives what comes to the sessions.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.notices import Notice
from mcp_django.sessions.registry import OpenSession
from mcp_django.sessions.relayed import Relayed
from mcp_django.worker.acknowledgement import BROKEN, NOT_FOUND, Taken, refusal
from mcp_django.worker.channel_layers import ChannelLayer, make_service
from mcp_django.worker.mailbox import Mailbox
from mcp_django.worker.sealed_ids import mailbox_of
from mcp_django.worker.send_queue import Envelope, Outbox
from mcp_django.worker.telling import Hearer, Teller

logger = logging.getLogger("mcp_django.worker")

_MAX_GONE = 10_000
_SILENCE_SECONDS = 5.0
_GONE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ways to other workers, where there is a channel layer."""

    mailbox: Mailbox
    outbox: Outbox
    teller: Teller
    hearer: Hearer


class Relay:
    """One worker's mailbox, and what it sends to those of others.

    The mailbox is opened by the first session or the first message for another worker.
    Without a channel layer nothing is relayed and every method still works.

    Args:
        layer: The channel layer; None if the project has none.
        find: Finds a session of this worker by id.
        on_notice: Called with a server's name and a notice from another worker.
        take_answer: Takes a posted answer to a question that this worker asked; called
            with the question's name, the key of the client's session, and the body.
        on_told: Called with what another worker tells all others, by `tell`.
        on_lost: Called when something that others told was lost.
        service: Asks the layer within a bound; made here if left out.
    """

    def __init__(
        self,
        layer: ChannelLayer | None,
        *,
        find: Callable[[str], OpenSession | None],
        on_notice: Callable[[str, Notice], None],
        take_answer: Callable[[str, str, bytes], Taken],
        on_told: Callable[[JSONObject], None],
        on_lost: Callable[[], None] = lambda: None,
        service: Service | None = None,
    ) -> None:
        self._relayed = Relayed(find)
        self._on_notice = on_notice
        self._take_answer = take_answer
        self._on_told = on_told
        self._tasks: set[asyncio.Task[None]] = set()
        self._unacknowledged: dict[str, asyncio.Future[Taken]] = {}
        self._silent_until: dict[str, float] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._probing: asyncio.Task[bool] | None = None
        self._ways = (
            None
            if layer is None
            else self._make_ways(layer, service or make_service("default"), on_lost)
        )

    def _make_ways(
        self, layer: ChannelLayer, service: Service, on_lost: Callable[[], None]
    ) -> _Ways:
        mailbox = Mailbox(
            layer,
            service,
            on_message=self._take_message,
            on_lost=on_lost,
            said=lambda: {"by": teller.id, "number": teller.number},
        )
        teller = Teller(mailbox, self._start)
        return _Ways(
            mailbox,
            Outbox(mailbox, on_refused=self._refuse, start=self._start),
            teller,
            Hearer(
                on_told=self._hear,
                on_late=lambda: self._start(mailbox.check()),
                on_lost=on_lost,
            ),
        )

    @property
    def has_layer(self) -> bool:
        """Whether the project has a channel layer."""
        return self._ways is not None

    @property
    def mailbox(self) -> str:
        """Channel name of the mailbox; "" while it is not open."""
        return "" if self._ways is None else self._ways.mailbox.name

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

    async def post(
        self,
        session_id: str,
        *,
        server_name: str,
        owner: str,
        body: bytes,
        headers: dict[str, str],
    ) -> Taken:
        """Hand a posted body to the worker that holds a session.

        Args:
            session_id: As the client gave it.
            server_name: The server whose endpoint was posted to.
            owner: Whom the session must belong to.
            body: What was posted.
            headers: HTTP headers, names in lower case.

        Returns:
            What the owner answered; 404 if it did not in time, 503 if the channel
            layer does not work or is full.
        """
        try:
            mailbox = mailbox_of(session_id)
        except ValueError:
            return NOT_FOUND
        # A session of our own that was not found has ended.
        if mailbox == self.mailbox:
            return NOT_FOUND
        return await self._hand_over(
            mailbox,
            {
                "kind": "post",
                "session": session_id,
                "server": server_name,
                "owner": owner,
                "headers": headers,
                "body": body,
            },
        )

    async def answer(
        self, mailbox: str, name: str, *, session_key: str, body: bytes
    ) -> Taken:
        """Hand an answer to the worker that asked.

        Args:
            mailbox: Of the worker that asked.
            name: Names the question.
            session_key: Names the session whose client answers.
            body: What was posted.

        Returns:
            What the owner answered; 404 if it has said farewell, 503 if it is silent or
            the channel layer does not work or is full.
        """
        if mailbox == self.mailbox:
            return self._take_answer(name, session_key, body)
        taken = await self._hand_over(
            mailbox,
            {"kind": "answer", "name": name, "session": session_key, "body": body},
        )
        # Whoever asked may be heard of again, unlike the end of a session.
        is_lost = taken is NOT_FOUND and mailbox and mailbox not in self._gone
        return BROKEN if is_lost and self.has_layer else taken

    async def _hand_over(self, mailbox: str, fields: Envelope) -> Taken:
        """Send an envelope and wait for its acknowledgement."""
        ways = self._ways
        if ways is None or not mailbox or self._is_silent(mailbox):
            return NOT_FOUND
        if not await ways.mailbox.open():
            return BROKEN
        nonce = secrets.token_urlsafe(16)
        taken: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._unacknowledged[nonce] = taken
        asked_at = time.monotonic()
        envelope = {
            **fields,
            "nonce": nonce,
            "from": ways.mailbox.name,
            "expires": time.time() + mcp_settings.RELAY_TIMEOUT,
        }
        try:
            ways.outbox.put(mailbox, envelope)
            is_well = await self._wait_for(taken, ways.mailbox)
        finally:
            del self._unacknowledged[nonce]
        if taken.done():
            return taken.result()
        if not is_well:
            return BROKEN  # The layer is silent, and not whoever holds the session.
        # One message alone may be late, such as by what its user's row waits for.
        if ways.mailbox.peers.get(mailbox, -math.inf) < asked_at:
            self._note_silence(mailbox, _SILENCE_SECONDS)
        return NOT_FOUND

    async def _wait_for(self, taken: asyncio.Future[Taken], mailbox: Mailbox) -> bool:
        """Wait for an acknowledgement; say whether messages arrive here meanwhile."""
        half = mcp_settings.RELAY_TIMEOUT / 2
        await asyncio.wait([taken], timeout=half)
        if taken.done():
            return True
        probing = self._probing
        if probing is None or probing.done():
            loop = asyncio.get_running_loop()
            probing = loop.create_task(mailbox.is_reached(), context=own_context())
            self._probing = probing
        await asyncio.wait([taken], timeout=half)
        return probing.done() and probing.result()

    async def publish(self, server_name: str, notice: Notice) -> None:
        """Tell the workers of a change, from a program that is none."""
        if self._ways is not None:
            told = [_told_of(server_name, notice)]
            with suppress(ServiceAway):
                await self._ways.mailbox.send_to_all(
                    {
                        "type": "mcp.told",
                        "from": "",
                        "by": "",
                        "number": 0,
                        "told": told,
                    }
                )

    def publish_soon(self, server_name: str, notice: Notice) -> None:
        """Tell the other workers of a change, without waiting for it."""
        self.tell_soon(_told_of(server_name, notice), (server_name, notice))

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
            self.open_soon()  # Who is told a second time is known only with a mailbox.
            self._ways.teller.put(told, key, lasts=lasts)

    def _is_silent(self, mailbox: str) -> bool:
        return time.monotonic() < self._silent_until.get(mailbox, -math.inf)

    def _note_silence(self, mailbox: str, seconds: float) -> None:
        """Expect no answer from a mailbox for a while, and forget older silences."""
        now = time.monotonic()
        self._silent_until = {
            silent: until for silent, until in self._silent_until.items() if until > now
        }
        self._silent_until[mailbox] = now + seconds

    def _refuse(self, envelope: Envelope, taken: Taken) -> None:
        self._acknowledge(envelope["nonce"], taken)

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
            self._note_life(sender)
        match message:
            case {"type": "mcp.batch", "batch": batch}:
                for envelope in batch:
                    self._take_envelope(envelope)
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
                self._note_farewell(mailbox)
            case _:
                logger.warning(
                    "unknown message in the mailbox: %r", message.get("type")
                )

    def _hear(self, told: JSONObject) -> None:
        match told:
            case {"kind": "notice", "server": server_name, "topic": topic}:
                notice = Notice(topic, told["subject"], told["is_gone"])
                self._on_notice(server_name, notice)
            case _:
                self._on_told(told)

    def _note_life(self, mailbox: str) -> None:
        """Note that a worker was heard of, whatever was thought of it before."""
        assert self._ways is not None
        self._ways.mailbox.note_peer(mailbox)
        self._silent_until.pop(mailbox, None)
        self._gone.pop(mailbox, None)

    def _note_farewell(self, mailbox: str) -> None:
        assert self._ways is not None
        self._ways.mailbox.peers.pop(mailbox, None)
        self._note_silence(mailbox, _GONE_SECONDS)
        self._gone[mailbox] = None
        if len(self._gone) > _MAX_GONE:
            self._gone.popitem(last=False)

    def _take_envelope(self, envelope: Envelope) -> None:
        match envelope:
            case {"kind": "post" | "answer", "nonce": _, "from": _, "expires": _}:
                self._start(self._take_handed(envelope))
            case {"kind": "taken", "nonce": nonce, "status": status, "body": body}:
                self._acknowledge(nonce, Taken(status, body))
            case _:
                logger.warning("unknown envelope in the mailbox")

    async def _take_handed(self, envelope: Envelope) -> None:
        if not self._relayed.is_new(envelope):
            return
        try:
            taken = await self._take(envelope)
        except Exception:
            logger.exception("a relayed message failed")
            taken = refusal(500, "Internal error")
        if self._ways is not None:
            self._ways.outbox.put(
                envelope["from"],
                {
                    "kind": "taken",
                    "nonce": envelope["nonce"],
                    "status": taken.status,
                    "body": taken.body,
                },
            )

    async def _take(self, envelope: Envelope) -> Taken:
        if envelope["kind"] == "answer":
            return self._take_answer(
                envelope["name"], envelope["session"], envelope["body"]
            )
        return await self._relayed.take(envelope)

    def _acknowledge(self, nonce: str, taken: Taken) -> None:
        future = self._unacknowledged.get(nonce)
        if future is not None and not future.done():
            future.set_result(taken)


def _told_of(server_name: str, notice: Notice) -> JSONObject:
    return {
        "kind": "notice",
        "server": server_name,
        "topic": notice.topic,
        "subject": notice.subject,
        "is_gone": notice.is_gone,
    }
