"""GET in the legacy era: the stream of a session, or the rest of one of its calls.

Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server" and
"Resumability and Redelivery".
"""

from __future__ import annotations

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.event_keys import kind_of
from mcp_django.exchanges.event_store import Replay, replay
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.legacy_sessions import new_log, require_session
from mcp_django.exchanges.post import HTTPExchange
from mcp_django.exchanges.resumed_streams import ResumedStream
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import take_gap
from mcp_django.exchanges.session_streams import StandaloneStream
from mcp_django.protocol.http_headers import accepted
from mcp_django.server.server import Server
from mcp_django.transports.base import Sender
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.worker import current_worker


async def hold_stream(
    server: Server, exchange: HTTPExchange, identity: Identity
) -> None:
    """Answer a GET, for as long as its client stays.

    Raises:
        Refused: It is answered with a refusal.
    """
    headers = exchange.headers
    if not accepted(headers.get("accept")).stream:
        raise Refused(406, "a GET is answered with text/event-stream; accept it")
    session = await require_session(server, exchange, identity)
    if session is None:
        return
    last_event_id = headers.get("last-event-id")
    replayed = None
    if last_event_id is not None:
        replayed = await _replay(session, last_event_id)
    if replayed is not None and replayed.is_ended and not replayed.events:
        # Clients that do not take an error, or a cancellation, for an answer
        # come back again and again, until they are told that there is nothing.
        raise Refused(
            405,
            "this stream has ended, and nothing more will come on it",
            headers=[(b"allow", b"POST, DELETE")],
        )
    worker = current_worker()
    with await worker.connections.reserve(identity.owner, "stream"):
        if replayed is not None and replayed.kind == "call":
            stream: ResumedStream | StandaloneStream = ResumedStream(
                server, worker, identity, exchange, session, replayed=replayed
            )
        else:
            log = None
            if mcp_settings.EVENT_STORE_CACHE is not None:
                log = new_log(worker, session, "standalone", replayed=replayed)
            stream = StandaloneStream(
                server,
                worker,
                identity,
                exchange,
                session,
                sender=Sender(identity.user, headers, scopes=identity.scopes),
                log=log,
                replayed=replayed,
                is_behind=last_event_id is not None or await _missed_some(session),
            )
        await stream.run(exchange.wait_for_disconnect)


async def _missed_some(session: HTTPSession) -> bool:
    """Say whether its last stream was ended here; also where that cannot be known."""
    if not mcp_settings.MAX_STREAM_SECONDS:
        return False
    try:
        return await take_gap(session)
    except ServiceAway:
        return True


async def _replay(session: HTTPSession, last_event_id: str) -> Replay | None:
    """Read what a client has missed.

    Returns:
        The events; None of a standalone stream if nothing is kept that it could go on
        from. Its client is well served with a new one: clients give up at an error.

    Raises:
        Refused: 400: nothing is kept of a call.
        ServiceAway: What is kept of a call cannot be read.
    """
    is_call = kind_of(last_event_id) != "standalone"
    try:
        if mcp_settings.EVENT_STORE_CACHE is None:
            raise LookupError(last_event_id)
        # Clients come back at once, too, for what is still on its way to the store.
        await current_worker().part(EventWrites).flush()
        return await replay(session.key, last_event_id)
    except ServiceAway:
        if is_call:
            raise
        return None
    except LookupError:
        if not is_call:
            return None
        raise Refused(
            400,
            "nothing is kept after this Last-Event-ID; send the request again, or open "
            "a stream without it",
        ) from None
