"""What the site's services are asked, within a bound in time."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from mcp_django.bulkheads.outages import Outage
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

T = TypeVar("T")

_SECONDS_BETWEEN_TRIES: Final = 1.0


class Service:
    """Something of the site's that may fail or hang, such as a cache.

    A question that is not answered in time is given up. If meanwhile no other question
    was answered either, the service counts as away::

        works ──(not answered in time)──► away, for AWAY_SECONDS: refused at once
          ▲                                 │
          │                                 ▼
          └────────(answered)──────────── one question a second tries

    Not one alone: it may be the one that is never answered, and keep all others out.
    What was asked before it counted as away says nothing new when it is given up.

    Args:
        name: For people, such as "the cache 'default'"; stands in the log.
        effect: What its failure means for clients, as a clause for the log.
        timeout: Gives the seconds a question may take.
        faults: Exceptions that say that it is away, or what tells them from others,
            which are answers.
        is_excused: Says whether something that it asks in turn is away, and has said
            so in the log: then it is not said of this one that it hangs.
        shown_as: Names it to clients; the same as `name` if left out.
        logger: Gets what there is to say.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        name: str,
        effect: str,
        *,
        timeout: Callable[[], float],
        faults: tuple[type[Exception], ...] | Callable[[Exception], bool] = (
            Exception,
        ),
        is_excused: Callable[[], bool] = lambda: False,
        shown_as: str = "",
        logger: logging.Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shown_as = shown_as or name
        self._timeout = timeout
        self._faults = faults
        self._is_excused = is_excused
        self._clock = clock
        self._outage = Outage(logger, name, effect, clock=clock)
        self._answered_at = -math.inf
        self._away_at = self._away_until = -math.inf
        self._is_away = False

    async def ask(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        within: float = math.inf,
        is_suspect: bool = False,
        has_begun: Callable[[], bool] = lambda: True,
    ) -> T:
        """Await what a function returns, as long as the service may take.

        Args:
            function: Asks it.
            within: Seconds, if it must not take as long. What is given up sooner than
                the service's own bound says nothing of the service.
            is_suspect: Whether this question alone may be why there was no answer
                before: it is never refused, and if it hangs, others are not either.
            has_begun: Says whether the service was asked, and not still waited for a
                thread when it was given up: the log says so of the threads.

        Raises:
            ServiceAway: It fails, does not answer in time, or is away.
            Exception: Its answer, if that is none of the faults.
        """
        asked_at, bound = self._clock(), self._timeout()
        timeout = min(bound, within)
        if self._is_away and not is_suspect:
            if asked_at < self._away_until:
                raise self._refusal()
            self._away_until = asked_at + min(timeout, _SECONDS_BETWEEN_TRIES)
        try:
            with anyio.move_on_after(timeout) as scope:
                answer = await function()
                self._note_answer()
                return answer
        except Exception as error:
            if self._is_fault(error):
                self._outage.note(error)
                raise self._refusal() from error
            self._note_answer()
            raise
        except BaseException as error:
            if ends_task(error):
                raise
            self._outage.note(error)
            raise self._refusal() from error
        assert scope.cancelled_caught
        if timeout < bound:
            raise self._refusal()
        if self._tells_of_absence(asked_at, is_suspect):
            self._is_away, self._away_at = True, self._clock()
            self._away_until = self._away_at + mcp_settings.AWAY_SECONDS
        if has_begun() and not self._is_excused():
            self._outage.note(TimeoutError(f"no answer in {timeout:g} seconds"))
        raise self._refusal()

    def _tells_of_absence(self, asked_at: float, is_suspect: bool) -> bool:
        """Say whether what was asked then, and given up now, tells that it is away."""
        if self._is_away:
            return asked_at >= self._away_at
        return self._answered_at < asked_at and not is_suspect

    def _is_fault(self, error: Exception) -> bool:
        if isinstance(self._faults, tuple):
            return isinstance(error, self._faults)
        return self._faults(error)

    def note(self, error: Exception) -> None:
        """Note a failure that was met in another way than by asking."""
        self._outage.note(error)

    def _note_answer(self) -> None:
        self._answered_at = self._clock()
        self._is_away = False
        self._outage.end()

    def _refusal(self) -> ServiceAway:
        return ServiceAway(self._shown_as, mcp_settings.AWAY_SECONDS)
