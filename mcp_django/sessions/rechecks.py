"""Whether the credentials of what is open still hold."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import Error as DatabaseFault

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.server.decisions import SaysNothing, settle, truth_of
from mcp_django.server.threads import authentication_threads
from mcp_django.sessions.connections import Connections, OpenConnection, close

logger = logging.getLogger("mcp_django.sessions")

_CANNOT_BE_ASKED: Final = (DatabaseFault, OSError, TimeoutError)
"""What says that a database, or another service, is away."""

_MAX_SECONDS_WITHOUT_YES: Final = 60.0

PATIENCE_SECONDS: Final = 10.0
"""How long code of the site may take to say something about one user."""


class Rechecks:
    """Ends what is of users who logged out, were deactivated or lost a token.

    An authenticator that says no, or fails, ends the streams of that user at once. One
    that cannot be asked, because its database is away, or does not answer, is asked
    again; its streams end a minute after the last yes.

    Args:
        connections: What is open.
        clock: Gives the time in seconds.
        patience_seconds: How long to wait for an authenticator.
    """

    def __init__(
        self,
        connections: Connections,
        clock: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._said_yes_at: dict[Identity, float] = {}

    async def run(self) -> None:
        """Ask about everybody once; not to be run twice at a time."""
        by_identity: dict[Identity, list[OpenConnection]] = {}
        for connection in self._connections:
            if connection.identity.authenticator is not None:
                by_identity.setdefault(connection.identity, []).append(connection)
        now = self._clock()
        # Who is new was found by the authenticator not long ago.
        self._said_yes_at = {
            identity: self._said_yes_at.get(identity, now) for identity in by_identity
        }
        for identity, connections in by_identity.items():
            if not await self._holds(identity):
                await _end(connections)

    async def _holds(self, identity: Identity) -> bool:
        """Say whether an identity is still good, as far as can be told."""
        assert identity.authenticator is not None
        try:
            async with asyncio.timeout(self._patience_seconds):
                holds = await _is_still_valid(identity, identity.authenticator)
        except SaysNothing:
            logger.exception("is_still_valid() does not decide; that means no")
            return False
        except _CANNOT_BE_ASKED:
            logger.exception("the credentials of a stream could not be checked")
            since_yes = self._clock() - self._said_yes_at[identity]
            return since_yes < _MAX_SECONDS_WITHOUT_YES
        except Exception:
            logger.exception("is_still_valid() failed; that means no")
            return False
        if holds:
            self._said_yes_at[identity] = self._clock()
        return holds


async def _end(connections: Sequence[OpenConnection]) -> None:
    for connection in connections:
        logger.info("a stream ends: its credentials are no longer valid")
        await close(connection)


async def _is_still_valid(identity: Identity, authenticator: Authenticator) -> bool:
    """Ask an authenticator, in a thread, whether an identity is still good.

    Raises:
        Exception: It failed; `SaysNothing` if what it returned is no answer.
    """

    def ask() -> Any:
        found: Any = authenticator.is_still_valid(identity)
        return found if inspect.isawaitable(found) else truth_of(found)

    return truth_of(await settle(await authentication_threads.run(ask)))
