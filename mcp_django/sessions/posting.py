"""Handing a posted message to its session, in the worker that holds it.

The id of a session is an address: it says which worker that is. Another one that is
posted a message hands it over.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from typing import Final, Self

import anyio
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.auth.interface import User
from mcp_django.auth.users import read_again
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import RemoteProtocolError, ServiceAway, TransportClosed
from mcp_django.protocol import jsonrpc
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.transports.base import Sender
from mcp_django.worker.acknowledgement import ACCEPTED, FULL, NOT_FOUND, Taken, refusal
from mcp_django.worker.addresses import Address, seal_address, unseal_address
from mcp_django.worker.relay import Relay
from mcp_django.worker.send_queue import Envelope
from mcp_django.worker.worker import Worker

_KEY_BYTES: Final = 16


async def take(
    opened: OpenSession, body: bytes, sender: Sender, *, room_timeout: float
) -> Taken:
    """Read a body and hand its messages to a session.

    Args:
        opened: The session, which the sender may use.
        body: What was posted.
        sender: Who posted it.
        room_timeout: Seconds to wait for room; answers, pings and notifications
            never wait.
    """
    transport, session = opened.transport, opened.session
    try:
        parsed = jsonrpc.parse(body)
        # One alone is taken in every version.
        messages = (
            transport.messages_of(parsed) if isinstance(parsed, list) else [parsed]
        )
    except RemoteProtocolError as error:
        return refusal(400, error.message, code=error.code, data=error.data)
    if len(messages) > 1:
        # They share the bytes, as far as room goes.
        sender = replace(sender, size=len(body) // len(messages))
    try:
        for message in messages:
            if session is None or not (
                isinstance(message, JSONRPCRequest) and session.room.is_full
            ):
                await transport.receive(message, sender)
                continue
            with anyio.move_on_after(room_timeout) as scope:
                await transport.receive(message, sender)
            if scope.cancelled_caught:
                return FULL
    except TransportClosed:
        # It ended after it was found.
        return NOT_FOUND
    return ACCEPTED


class Posting:
    """Hands what is posted to one worker to its session, wherever that lives.

    A part of the worker. It takes what others were posted for sessions here, too.

    Args:
        registry: Finds the sessions of this worker.
        relay: Hands over to other workers.
    """

    def __init__(self, registry: Registry, relay: Relay) -> None:
        self._registry = registry
        self._relay = relay
        self._last: dict[str, asyncio.Future[None]] = {}
        relay.on_handed_over("post", self._take)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make the one of a worker; see `Worker.part`."""
        return cls(worker.part(Registry), worker.relay)

    async def new_address(self) -> str:
        """Make the id of a session that is about to be opened in this worker.

        No other session has it, and no client can guess it.
        """
        address = Address(secrets.token_urlsafe(_KEY_BYTES), await self._relay.open())
        return seal_address("session", address)

    async def post(
        self,
        session_id: str,
        body: bytes,
        sender: Sender,
        *,
        server_name: str,
        owner: str,
    ) -> Taken:
        """Hand a posted body to its session.

        Args:
            session_id: As the client gave it.
            body: What was posted.
            sender: Who posted it.
            server_name: The server whose endpoint was posted to.
            owner: Whom the session must belong to.

        Returns:
            What the session's worker answers; 404 if it does not in time, 503 if the
            channel layer does not work or is full.
        """
        opened = self._registry.find(session_id)
        if opened is None:
            return await self._hand_over(session_id, body, sender, server_name, owner)
        if not opened.belongs_to(server_name, owner):
            return NOT_FOUND
        timeout = mcp_settings.ROOM_TIMEOUT
        return await take(opened, body, sender, room_timeout=timeout)

    async def _hand_over(
        self, session_id: str, body: bytes, sender: Sender, server_name: str, owner: str
    ) -> Taken:
        try:
            mailbox = unseal_address("session", session_id).mailbox
        except ValueError:
            return NOT_FOUND
        # A session of our own that was not found has ended.
        if mailbox == self._relay.mailbox:
            return NOT_FOUND
        taken = await self._relay.hand_over(
            mailbox,
            {
                "kind": "post",
                "session": session_id,
                "server": server_name,
                "owner": owner,
                "headers": sender.headers,
                "scopes": None if sender.scopes is None else sorted(sender.scopes),
                "credential_label": sender.credential_label,
                "body": body,
            },
        )
        return NOT_FOUND if taken is None else taken

    # From other workers ---------------------------------------------------------

    async def _take(self, envelope: Envelope) -> Taken | None:
        """Hand a posted body to its session, after what came before for the same one.

        How long its user takes to be read again does not change the order.

        Args:
            envelope: Brings the body; is begun to be taken in the order of coming.

        Returns:
            What to answer; None if its sender waits no longer.
        """
        opened = self._registry.find(envelope["session"])
        if opened is None or not opened.belongs_to(
            envelope["server"], envelope["owner"]
        ):
            return NOT_FOUND
        try:
            # The client shall hear of it before its POST waits no longer.
            user = await self._read_user(opened, within=_rest_of(envelope) * 0.7)
        except ServiceAway as away:
            return refusal(503, away.message)
        rest = _rest_of(envelope)
        if rest <= 0:
            return None
        if user is None:
            return NOT_FOUND
        # A worker of an older release, of a deploy that goes on, knows of no scopes.
        body, scopes = envelope["body"], envelope.get("scopes")
        sender = Sender(
            user,
            envelope["headers"],
            len(body),
            scopes=None if scopes is None else frozenset(scopes),
            credential_label=envelope.get("credential_label", ""),
            binding=opened.transport.binding,
        )
        # Leave the acknowledgement some time to travel.
        return await take(opened, body, sender, room_timeout=rest * 0.7)

    async def _read_user(self, opened: OpenSession, *, within: float) -> User | None:
        """Read a session's user again; not before those whose reading began before.

        All that is waited for is bounded, and so is this. The next one goes on in
        another task, after this one has handed over what it can at once: what waits for
        room in the session holds up no answer, which needs none.
        """
        before = self._last.get(opened.id)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last[opened.id] = turn
        try:
            user = await read_again(opened.identity.user, within=within)
            if before is not None:
                await asyncio.wait([before])
            return user
        finally:
            turn.set_result(None)
            if self._last[opened.id] is turn:
                del self._last[opened.id]


def _rest_of(envelope: Envelope) -> float:
    """Give the seconds that are left to take a message."""
    rest: float = envelope["until"] - time.monotonic()
    return rest
