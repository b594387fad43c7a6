"""Streams of calls over Streamable HTTP, for clients that lost their connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.event_store import Replay, abandon, replay_after
from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.leases import Watch
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_streams import RETRY_MS, SessionStream
from mcp_django.server.server import Server
from mcp_django.transports.event_stream import KEEP_ALIVE, encode_retry
from mcp_django.transports.server.http_response import HTTPResponse
from mcp_django.worker.worker import Worker

logger = FaultLog("mcp_django.exchanges")

_POLL_SECONDS = 1.0


class ResumedStream(SessionStream):
    """The rest of the stream of a call, for a client that has lost its connection.

    The call may run on in another worker; what it sends is in the event store. If that
    worker is gone, the call is answered with an error.

    Args:
        replayed: What the client missed.
        watch: Judges whether the worker of the call is gone.

    Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".
    """

    sort = "resumed"

    def __init__(
        self,
        server: Server,
        worker: Worker,
        identity: Identity,
        response: HTTPResponse,
        session: HTTPSession,
        *,
        replayed: Replay,
        watch: Watch | None = None,
    ) -> None:
        super().__init__(server, worker, identity, response, session)
        self._replayed = replayed
        self._has_more = worker.part(Followers).follow(session, replayed.name)
        self._following: Callable[[], object] | None = None
        self._watch = Watch() if watch is None else watch

    async def _begin(self) -> None:
        if self._session.primes_streams:
            await self._write(encode_retry(RETRY_MS))
        await self._write(KEEP_ALIVE)
        self._following = self._worker.start(self._follow())

    def _forget(self) -> None:
        self._worker.part(Followers).stop_following(
            self._session, self._replayed.name, self._has_more
        )
        if self._following is not None:
            self._following()

    async def _follow(self) -> None:
        """Write what there is, and what comes, until the call has ended."""
        try:
            await self._write_all()
        except LookupError:
            logger.info("a resumed stream ends: its events are no longer kept")
        except ServiceAway:  # its client comes back
            pass
        except Exception:
            logger.exception(
                "the events of a resumed stream cannot be read; see the error"
            )
        await self._end(b"")

    async def _write_all(self) -> None:
        replayed = self._replayed
        while True:
            await self._write_replayed(replayed)
            if replayed.is_ended:
                return
            if not replayed.has_more:
                await self._wait_for_more(replayed)
            replayed = await replay_after(
                self._session.key, replayed.name, replayed.last
            )

    async def _wait_for_more(self, replayed: Replay) -> None:
        if self._watch.is_gone(is_leased=replayed.is_leased):
            await abandon(self._session.key, replayed.name)
        # Word of more may have been lost, so look now and then.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._has_more.wait()
        self._has_more.clear()
