"""Relay: messages to sessions of other workers, over the channel layer.

Channel layers deliver at most once, so that everything posted is acknowledged: the
owner answers what the POST shall be answered. An envelope has a deadline and a nonce;
the owner drops what comes late or twice. One ambiguity is left: when the
acknowledgement itself is lost, the POST is answered 404 though the session took the
message.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from channels.exceptions import ChannelFull

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.notices import Notice
from mcp_django.sessions.addresses import mailbox_of
from mcp_django.sessions.contexts import own_context
from mcp_django.sessions.intake import FULL, NOT_FOUND, Taken, refusal, take
from mcp_django.sessions.registry import OpenSession
from mcp_django.sessions.users import read_again
from mcp_django.transports.base import Sender

logger = logging.getLogger("mcp_django.sessions")

GROUP = "mcp_django.workers"
_MAX_NONCES = 10_000
_SILENCE_SECONDS = 5.0
_REJOIN_SECONDS = 3600.0
_MIN_PAUSE_SECONDS = 0.05
_MAX_PAUSE_SECONDS = 2.0

BROKEN = refusal(503, "The session cannot be reached now; try again later")

Envelope: TypeAlias = dict[str, Any]


class ChannelLayer(Protocol):
    """What we use of a channel layer. Spec: Channels, "Channel Layer Specification"."""

    async def new_channel(self) -> str: ...
    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


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
    """

    def __init__(
        self,
        layer: ChannelLayer | None,
        *,
        find: Callable[[str], OpenSession | None],
        on_notice: Callable[[str, Notice], None],
        take_answer: Callable[[str, str, bytes], Taken],
        on_told: Callable[[JSONObject], None],
    ) -> None:
        self._layer = layer
        self._find = find
        self._on_notice = on_notice
        self._take_answer = take_answer
        self._on_told = on_told
        self._mailbox = ""
        self._opening = asyncio.Lock()
        self._failures_to_open = 0
        self._receiving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._outbox: dict[str, list[Envelope]] = {}
        self._unacknowledged: dict[str, asyncio.Future[Taken]] = {}
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._silent_until: dict[str, float] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._joined_at = 0.0

    @property
    def has_layer(self) -> bool:
        """Whether the project has a channel layer."""
        return self._layer is not None

    async def open(self) -> str:
        """Open the mailbox if it is not open yet, and give its channel name.

        Returns:
            The name; "" without a channel layer, or while the layer is broken.
        """
        layer = self._layer
        if self._mailbox or layer is None:
            return self._mailbox
        failures = self._failures_to_open
        async with self._opening:
            # Whoever waited while it failed does not try again, one after the other.
            if not self._mailbox and failures == self._failures_to_open:
                try:
                    async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                        mailbox = await layer.new_channel()
                        await layer.group_add(GROUP, mailbox)
                except Exception as error:
                    self._failures_to_open += 1
                    logger.error(
                        "the channel layer is broken; only this process reaches the "
                        "sessions it opens now: %r",
                        error,
                    )
                    return ""
                self._joined_at = time.monotonic()
                self._receiving = asyncio.create_task(
                    self._receive_all(mailbox), context=own_context()
                )
                self._mailbox = mailbox
        return self._mailbox

    async def refresh(self) -> None:
        """Join the group of workers again before the layer forgets us."""
        due = self._joined_at + _REJOIN_SECONDS
        if self._layer is not None and self._mailbox and time.monotonic() > due:
            async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                await self._layer.group_add(GROUP, self._mailbox)
            self._joined_at = time.monotonic()

    async def close(self) -> None:
        """Close the mailbox, after telling the other workers."""
        if self._receiving is None or self._layer is None:
            return
        self._receiving.cancel()
        self._receiving = None
        mailbox, self._mailbox = self._mailbox, ""
        try:
            async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                await self._layer.group_discard(GROUP, mailbox)
                await self._layer.group_send(
                    GROUP, {"type": "mcp.farewell", "mailbox": mailbox}
                )
        except Exception as error:
            logger.warning("could not say farewell to the other workers: %r", error)

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
        if mailbox == self._mailbox:
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
        if mailbox == self._mailbox:
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
        if not mailbox or self._is_silent(mailbox):
            return NOT_FOUND
        if not await self.open():
            return NOT_FOUND if self._layer is None else BROKEN
        nonce = secrets.token_urlsafe(16)
        taken: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._unacknowledged[nonce] = taken
        envelope = {
            **fields,
            "nonce": nonce,
            "from": self._mailbox,
            "expires": time.time() + mcp_settings.RELAY_TIMEOUT,
        }
        try:
            self._put(mailbox, envelope)
            async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                return await taken
        except TimeoutError:
            self._note_silence(mailbox, _SILENCE_SECONDS)
            return NOT_FOUND
        finally:
            del self._unacknowledged[nonce]

    async def publish(self, server_name: str, notice: Notice) -> None:
        """Tell the other workers of a change; what cannot be sent is logged."""
        await self._send_to_all(
            "a change notice",
            {
                "type": "mcp.notice",
                "server": server_name,
                "topic": notice.topic,
                "subject": notice.subject,
                "is_gone": notice.is_gone,
            },
        )

    async def tell(self, told: JSONObject) -> None:
        """Tell all other workers something; what cannot be sent is logged."""
        await self._send_to_all(
            "what happened here", {"type": "mcp.told", "told": told}
        )

    async def _send_to_all(self, what: str, message: JSONObject) -> None:
        if self._layer is None:
            return
        try:
            async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                await self._layer.group_send(GROUP, {**message, "from": self._mailbox})
        except Exception as error:
            logger.error("%s did not reach the other workers: %r", what, error)

    def _is_silent(self, mailbox: str) -> bool:
        return time.monotonic() < self._silent_until.get(mailbox, -math.inf)

    def _note_silence(self, mailbox: str, seconds: float) -> None:
        """Expect no answer from a mailbox for a while, and forget older silences."""
        now = time.monotonic()
        self._silent_until = {
            silent: until for silent, until in self._silent_until.items() if until > now
        }
        self._silent_until[mailbox] = now + seconds

    # Sending --------------------------------------------------------------------

    def _put(self, mailbox: str, envelope: Envelope) -> None:
        """Send an envelope with all others that wait for the same mailbox."""
        if mailbox in self._outbox:
            self._outbox[mailbox].append(envelope)
        else:
            self._outbox[mailbox] = [envelope]
            self._start(self._flush(mailbox))

    async def _flush(self, mailbox: str) -> None:
        assert self._layer is not None
        while batch := self._outbox[mailbox]:
            self._outbox[mailbox] = []
            try:
                async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
                    await self._layer.send(
                        mailbox, {"type": "mcp.batch", "batch": batch}
                    )
            except Exception as error:
                answer = FULL if isinstance(error, ChannelFull) else BROKEN
                logger.error("cannot relay %d messages: %r", len(batch), error)
                for envelope in batch:
                    self._acknowledge(envelope["nonce"], answer)
        del self._outbox[mailbox]

    def _start(self, coroutine: Any) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(coroutine, context=own_context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Receiving ------------------------------------------------------------------

    async def _receive_all(self, mailbox: str) -> None:
        """Read the mailbox for ever; the layer may break and mend meanwhile."""
        assert self._layer is not None
        pause = _MIN_PAUSE_SECONDS
        while True:
            try:
                await self.refresh()
                message = await self._layer.receive(mailbox)
            except Exception as error:
                logger.warning("the channel layer failed, trying again: %r", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_PAUSE_SECONDS)
                # Redis forgets groups when it restarts.
                self._joined_at = -math.inf
                continue
            pause = _MIN_PAUSE_SECONDS
            try:
                self._take_message(message)
            except Exception:
                # Such as one of another version of this package.
                logger.exception("a message in the mailbox cannot be read")

    def _take_message(self, message: JSONObject) -> None:
        match message:
            case {"type": "mcp.batch", "batch": batch}:
                for envelope in batch:
                    self._take_envelope(envelope)
            case {"type": "mcp.notice", "from": sender, "server": server_name}:
                if sender != self._mailbox or not sender:
                    notice = Notice(
                        message["topic"],
                        message["subject"],
                        # Workers of before do not say.
                        message.get("is_gone", False),
                    )
                    self._on_notice(server_name, notice)
            case {"type": "mcp.told", "from": sender, "told": told}:
                if sender != self._mailbox or not sender:
                    self._on_told(told)
            case {"type": "mcp.farewell", "mailbox": mailbox}:
                self._note_silence(mailbox, _REJOIN_SECONDS)
                self._gone[mailbox] = None
                if len(self._gone) > _MAX_NONCES:
                    self._gone.popitem(last=False)
            case _:
                logger.warning(
                    "unknown message in the mailbox: %r", message.get("type")
                )

    def _take_envelope(self, envelope: Envelope) -> None:
        match envelope:
            case {"kind": "post" | "answer", "nonce": _, "from": _, "expires": _}:
                self._start(self._take_handed(envelope))
            case {"kind": "taken", "nonce": nonce, "status": status, "body": body}:
                self._acknowledge(nonce, Taken(status, body))
            case _:
                logger.warning("unknown envelope in the mailbox")

    async def _take_handed(self, envelope: Envelope) -> None:
        nonce = envelope["nonce"]
        if envelope["expires"] <= time.time() or nonce in self._nonces:
            logger.warning("a relayed message came late or twice; it is dropped")
            return
        self._nonces[nonce] = None
        if len(self._nonces) > _MAX_NONCES:
            self._nonces.popitem(last=False)
        try:
            taken = await self._take(envelope)
        except Exception:
            logger.exception("a relayed message failed")
            taken = refusal(500, "Internal error")
        answer = {"nonce": nonce, "status": taken.status, "body": taken.body}
        self._put(envelope["from"], {"kind": "taken", **answer})

    async def _take(self, envelope: Envelope) -> Taken:
        if envelope["kind"] == "answer":
            return self._take_answer(
                envelope["name"], envelope["session"], envelope["body"]
            )
        opened = self._find(envelope["session"])
        if opened is None or not opened.belongs_to(
            envelope["server"], envelope["owner"]
        ):
            return NOT_FOUND
        rest = _rest_of(envelope)
        if rest <= 0:
            return NOT_FOUND
        try:
            # Whoever posted it shall hear of that before it waits no longer.
            user = await read_again(opened.identity.user, within=rest * 0.7)
        except ServiceAway as away:
            return refusal(503, away.message)
        rest = _rest_of(envelope)
        if user is None or rest <= 0:
            return NOT_FOUND
        body = envelope["body"]
        sender = Sender(user, envelope["headers"], len(body))
        # Leave the acknowledgement some time to travel.
        return await take(opened, body, sender, room_timeout=rest * 0.7)

    def _acknowledge(self, nonce: str, taken: Taken) -> None:
        future = self._unacknowledged.get(nonce)
        if future is not None and not future.done():
            future.set_result(taken)


def _rest_of(envelope: Envelope) -> float:
    """Give the seconds that are left to take a message; none, and it is dropped."""
    rest: float = envelope["expires"] - time.time()
    if rest <= 0:
        logger.warning("a relayed message became late; it is dropped")
    return rest
