"""GET /sse: the stream of HTTP+SSE, and the session that lives as long as it."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import lru_cache
from urllib.parse import quote

from mcp_django.conf import mcp_settings
from mcp_django.consumers import gate
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.long_lived import Holding, LongLivedConsumer
from mcp_django.consumers.slow_reader import FlowAwareExchange
from mcp_django.protocol.legacy import LegacyServerProtocol
from mcp_django.sessions.posting import Posting
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.sessions.session import Session
from mcp_django.transports.server.sse import SSEServerTransport, StreamLimits
from mcp_django.transports.server.unread import Account
from mcp_django.worker.tasks import LoopTasks
from mcp_django.worker.worker import current_worker


class StreamExchange(FlowAwareExchange):
    """An exchange that is the stream of a session."""

    binding = "sse"


class SSEConsumer(LongLivedConsumer[SSEServerTransport]):
    """Holds one stream and its session.

    Override `drive`, or `stay`, to run another program than our `Session` over the
    transport.

    Spec: 2024-11-05 basic/transports, "HTTP with SSE".
    """

    exchange_type = StreamExchange

    async def handle(self, exchange: Exchange) -> None:
        """Open the stream and hold it until either side ends it."""
        assert isinstance(exchange, FlowAwareExchange)
        identity = await gate.admit(exchange, ("GET",))
        if identity is None:
            return
        worker = current_worker()
        session_id = await worker.part(Posting).new_address()
        exchange.session_id = session_id
        with await worker.connections.reserve(identity.owner, "stream"):
            transport = SSEServerTransport(
                exchange.write,
                endpoint=_endpoint_url(exchange, session_id),
                limits=_limits(),
                flow=exchange.watch(),
                account=Account(worker.unread, identity.owner),
            )

            opened = OpenSession(
                id=session_id,
                server=self.server,
                identity=identity,
                transport=transport,
            )
            async with Holding(self, exchange, opened, worker, session_id):
                registry = worker.part(Registry)
                registry.add(opened)
                try:
                    await exchange.start_events()
                    await transport.start()
                    await self.stay(exchange, transport)
                finally:
                    registry.remove(opened)

    def stay(
        self, exchange: Exchange, transport: SSEServerTransport
    ) -> Awaitable[None]:
        """Return when the client is gone.

        Override it to run something meanwhile, whose failure ends the stream.
        """
        return exchange.wait_for_disconnect()

    def drive(self, transport: SSEServerTransport, session_id: str) -> Session | None:
        """Say what drives the transport: our session, of the legacy era."""
        return Session(
            self.server,
            transport,
            LoopTasks(),
            id=session_id,
            protocol=LegacyServerProtocol(self.server.describe),
        )


def _endpoint_url(exchange: Exchange, session_id: str) -> str:
    """Give the path to post to: beside the stream's own, as Django's reverse() would.

    Official clients take a URL of the same origin only, so that it has none. Whatever
    a client says in Daphne-Root-Path stays a path: percent-encoded, with one slash.
    """
    folder = exchange.path_info.rpartition("/")[0]
    path = f"{exchange.script_name.rstrip('/')}{folder}/messages"
    return f"{quote('/' + path.lstrip('/'))}?session_id={session_id}"


# All streams share one.
_same_limits = lru_cache(maxsize=1)(StreamLimits)


def _limits() -> StreamLimits:
    return _same_limits(
        max_event_bytes=mcp_settings.MAX_EVENT_BYTES,
        unconfirmed_bytes=mcp_settings.UNCONFIRMED_BYTES,
        max_held_bytes=mcp_settings.MAX_HELD_BYTES,
        max_held_seconds=mcp_settings.MAX_HELD_SECONDS,
        keep_alive_seconds=mcp_settings.KEEP_ALIVE_SECONDS,
        max_full_seconds=mcp_settings.MAX_FULL_SECONDS,
    )
