"""Whether the credentials of what is open still hold."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_types.jsonrpc import INTERNAL_ERROR

from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.bulkheads.decisions import SaysNothing, ask_in_thread, truth_of
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.threads import recheck_threads
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer, ServiceAway
from mcp_django.worker.connections import (
    Connections,
    OpenConnection,
    answer_and_close,
)
from mcp_django.worker.lots import in_lots
from mcp_django.worker.tasks import Start

logger = FaultLog("mcp_django.worker")

# Which of them it is may be known only to the log: unknown, expired or revoked.
_REVOKED: Final = ErrorAnswer(
    INTERNAL_ERROR, "the request was ended: its credentials are no longer valid"
)
_UNCHECKED: Final = ErrorAnswer(
    INTERNAL_ERROR, "the request was ended: its credentials could not be checked"
)


def seconds_without_yes() -> float:
    """Say how long what is open goes on while its credentials cannot be checked."""
    return max(mcp_settings.RECHECK_GRACE_SECONDS, 2 * mcp_settings.RECHECK_SECONDS)


@dataclass(slots=True, eq=False)
class _Known:
    """What is known of one identity.

    Attributes:
        yes_at: When its authenticator last said yes.
        due_at: When to ask again.
        is_asked: Whether its authenticator is being asked.
        is_unasked: Whether it could not be asked of late.
        has_hung: Whether it was asked, and did not answer.
    """

    yes_at: float
    due_at: float
    is_asked: bool = False
    is_unasked: bool = False
    has_hung: bool = False


class Rechecks:
    """Ends what is of users that logged out, were deactivated or lost a token.

    What runs is answered with an error that says so, and then its connection is closed.

    An authenticator that says no, or fails, ends the streams of that user at once. One
    that cannot be asked, because its database is away, or does not answer, is asked
    again soon; its streams end `RECHECK_GRACE_SECONDS` after the last yes. Each user is
    asked about in a task of its own, few of one authenticator at a time.

    Args:
        connections: What is open.
        start: Runs a coroutine in a task that is held.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        connections: Connections,
        start: Start,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._start = start
        self._clock = clock
        self._looked_at = -math.inf
        self._known: dict[Hashable, _Known] = {}
        # For each authenticator, and for the identities with which it has hung.
        self._at_once: dict[tuple[type[Authenticator], bool], asyncio.Semaphore] = {}

    async def begin(self) -> None:
        """Begin to ask about users that are due; called each second, waits for none."""
        now, step = self._clock(), mcp_settings.RECHECK_SECONDS / 10
        if now < self._looked_at + step:
            return
        self._looked_at = now
        by_identity = await self._by_identity()
        begun: dict[Hashable, _Known] = {}
        async for some in in_lots(by_identity.items()):
            for key, connections in some:
                # A new one was found by the authenticator not long ago.
                known = self._known.get(key) or _Known(
                    now, now + mcp_settings.RECHECK_SECONDS
                )
                begun[key] = known
                if known.is_unasked and now - known.yes_at >= seconds_without_yes():
                    known.is_unasked = False
                    self._end(connections, _UNCHECKED)
                elif not known.is_asked and now >= known.due_at - step:
                    known.is_asked = True
                    self._start(self._recheck(connections, known))
        self._known = begun

    async def _by_identity(self) -> dict[Hashable, list[OpenConnection]]:
        found: dict[Hashable, list[OpenConnection]] = {}
        async for some in in_lots(self._connections):
            for each in some:
                if each.identity.authenticator is not None:
                    found.setdefault(_key_of(each.identity), []).append(each)
        return found

    async def _recheck(
        self, connections: Sequence[OpenConnection], known: _Known
    ) -> None:
        """Ask about what all of them were opened with, and end them if it is no good.

        Others are not looked through: of many that are revoked at once, each would
        cost a look at all that is open.
        """
        identity = connections[0].identity
        assert identity.authenticator is not None
        try:
            async with self._turn(identity.authenticator, known):
                holds = await _holds(identity, identity.authenticator, known)
        finally:
            known.is_asked = False
        now = self._clock()
        known.is_unasked = holds is None
        if holds is None:
            pause = min(mcp_settings.AWAY_SECONDS, mcp_settings.RECHECK_SECONDS)
            known.due_at = now + pause
            return
        if holds:
            known.yes_at = now
            known.due_at = now + mcp_settings.RECHECK_SECONDS
        else:
            # What was opened meanwhile is asked about at the next look.
            known.due_at = now
            self._end(connections, _REVOKED)

    def _turn(self, authenticator: Authenticator, known: _Known) -> asyncio.Semaphore:
        """Give what lets few ask an authenticator, so that others have threads, too."""
        lane = type(authenticator), known.has_hung
        if lane not in self._at_once:
            most = max(1, mcp_settings.AUTHENTICATION_WORKERS // 2)
            self._at_once[lane] = asyncio.Semaphore(1 if known.has_hung else most)
        return self._at_once[lane]

    def _end(self, connections: Sequence[OpenConnection], why: ErrorAnswer) -> None:
        for connection in connections:
            if connection in self._connections:
                logger.info("a stream ends: %s", why.message)
                self._start(answer_and_close(connection, why, "credentials"))


async def _holds(
    identity: Identity, authenticator: Authenticator, known: _Known
) -> bool | None:
    """Say whether an identity is still good; None if that cannot be told now."""
    is_suspect, known.has_hung = known.has_hung, False

    def ask() -> Any:
        known.has_hung = True
        found: Any = authenticator.is_still_valid(identity)
        return found

    try:
        service = _rechecking(type(authenticator))
        found = await ask_in_thread(
            service,
            ask,
            recheck_threads.run,
            lend=recheck_threads.lent.run,
            is_suspect=is_suspect,
        )
        known.has_hung = False
        return truth_of(found)
    except ServiceAway:  # it has said so in the log
        return None
    except SaysNothing:
        logger.exception(
            "is_still_valid() does not decide, which means no; have it "
            "return True or False"
        )
    except BaseException as error:
        if ends_task(error):
            raise
        logger.exception("is_still_valid() failed, which means no; mend it")
    return False


def _key_of(identity: Identity) -> Hashable:
    """Give what is the same for all identities that one answer is about.

    What the site made of a user or credential may have no hash, such as a user that
    is not saved. It is asked about by itself.
    """
    try:
        hash(identity)
    except BaseException:  # nothing is awaited, and nothing thrown in
        return id(identity)
    return identity


@kept
def _rechecking(kind: type[Authenticator]) -> Service:
    return service_of_site(
        f"{kind.__module__}.{kind.__qualname__}.is_still_valid()",
        "streams end some time after it last said yes",
        timeout=lambda: mcp_settings.AUTHENTICATION_TIMEOUT,
        logger=logger,
    )
