"""GET /sse: the stream of HTTP+SSE, and the session that lives as long as it."""

from __future__ import annotations

from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup

from mcp_django.auth.interface import Identity
from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Exchange, Headers, Refused
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.protocol.legacy import LegacyServerProtocol
from mcp_django.sessions.registry import OpenSession
from mcp_django.sessions.runner import Session
from mcp_django.sessions.tasks import LoopTasks
from mcp_django.sessions.worker import Worker, current_worker
from mcp_django.transports.sse import SSEServerTransport, StreamLimits

STREAM_HEADERS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    # GZipMiddleware ignores no-transform and holds events back; this it respects.
    (b"content-encoding", b"identity"),
    (b"x-accel-buffering", b"no"),
)


class SSEConsumer(HTTPConsumer):
    """Holds one stream and its session.

    Override `drive` to run another program than our `Session` over the transport.

    Spec: 2024-11-05 basic/transports, "HTTP with SSE".
    """

    async def handle(self, exchange: Exchange) -> None:
        """Open the stream and hold it until either side ends it."""
        identity = await gate.admit(exchange, ("GET",))
        if identity is None:
            return
        worker = current_worker()
        session_id = await worker.new_session_id()
        # Nothing waits from here until the stream is counted.
        _check_streams(worker, identity)
        transport = SSEServerTransport(
            exchange.write,
            endpoint=_endpoint_url(exchange, session_id),
            limits=_limits(),
        )
        opened = None
        try:
            async with anyio.create_task_group() as tasks:
                transport.on_close = tasks.cancel_scope.cancel
                session = self.drive(transport, tasks, session_id)
                opened = OpenSession(
                    session_id, self.server, identity, transport, session
                )
                worker.open(opened)
                try:
                    await exchange.start_stream(STREAM_HEADERS)
                    await transport.start(tasks)
                    await exchange.wait_for_disconnect()
                finally:
                    await transport.close()
        finally:
            try:
                if opened is not None and opened.session is not None:
                    await opened.session.end()
                if exchange.is_started:
                    await exchange.end_stream()
            finally:
                # Last, because the end of the process waits for it.
                if opened is not None:
                    worker.close(opened)

    def drive(
        self, transport: SSEServerTransport, tasks: TaskGroup, session_id: str
    ) -> Session | None:
        """Say what drives the transport: our session, unless overridden.

        Args:
            transport: Not started yet; its callbacks `on_message` and `on_error` are
                free to be set.
            tasks: Cancelled when the stream ends.
            session_id: Names the session.

        Returns:
            The session, or None if something else sets the callbacks.
        """
        # HTTP+SSE is of the legacy era only.
        protocol = LegacyServerProtocol(self.server.describe)
        return Session(
            self.server, transport, LoopTasks(), id=session_id, protocol=protocol
        )


def _check_streams(worker: Worker, identity: Identity) -> None:
    """Refuse one more stream of a user who has too many; nobody is not a user.

    Raises:
        Refused: 429.
    """
    limit = mcp_settings.MAX_STREAMS_PER_USER
    if identity.owner and worker.registry.count_of(identity.owner) >= limit:
        raise Refused(
            429,
            f"{limit} streams of this user are open; close one",
            headers=[(b"retry-after", b"10")],
        )


def _endpoint_url(exchange: Exchange, session_id: str) -> str:
    """Give the path to post to: beside the stream's own, as Django's reverse() would.

    Official clients take a URL of the same origin only, so that it has none. Whatever
    a client says in Daphne-Root-Path stays a path: percent-encoded, with one slash.
    """
    folder = exchange.path_info.rpartition("/")[0]
    path = f"{exchange.script_name.rstrip('/')}{folder}/messages"
    return f"{quote('/' + path.lstrip('/'))}?session_id={session_id}"


def _limits() -> StreamLimits:
    return StreamLimits(
        max_event_bytes=mcp_settings.MAX_EVENT_BYTES,
        unconfirmed_bytes=mcp_settings.UNCONFIRMED_BYTES,
        max_held_bytes=mcp_settings.MAX_HELD_BYTES,
        max_held_seconds=mcp_settings.MAX_HELD_SECONDS,
        keep_alive_seconds=mcp_settings.KEEP_ALIVE_SECONDS,
        max_full_seconds=mcp_settings.MAX_FULL_SECONDS,
    )
