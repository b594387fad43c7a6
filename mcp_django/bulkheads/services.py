"""What the site's services are asked, within a bound in time."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.outages import Outage
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway

T = TypeVar("T")

_SECONDS_BETWEEN_TRIES: Final = 1.0


class Service:
    """Something of the site's that may fail or hang, such as a cache.

    An inquiry that is not answered in time is given up. If meanwhile no other inquiry
    was answered either, the service counts as away::

        works ──(not answered in time)──► away, for AWAY_SECONDS: refused at once
          ▲                                 │
          │                                 ▼
          └────────(answered)──────────── one inquiry a second tries

    Not one alone: it may be the one that is never answered, and keep all others out.
    What was asked before it counted as away says nothing new when it is given up.

    Args:
        name: For people, such as "the cache 'default'"; stands in the log.
        effect: What its failure means for clients, as a clause for the log.
        timeout: Gives the seconds an inquiry may take.
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
        logger: FaultLog,
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
            is_suspect: Whether this inquiry alone may be why there was no answer
                before: it is never refused, and if it hangs, others are not either.
            has_begun: Says whether the service was asked, and not still waited for a
                thread when it was given up: the log says so of the threads.

        Raises:
            ServiceAway: It fails, does not answer in time, or is away.
            Exception: Its answer, if that is none of the faults.
        """
        return await Inquiry(self).ask(
            function, within=within, is_suspect=is_suspect, has_begun=has_begun
        )

    def begin(self, within: float, is_suspect: bool) -> tuple[float, float, float]:
        """Begin to ask; for `Inquiry`.

        Returns:
            When it began, the seconds it may take, and the service's own bound.

        Raises:
            ServiceAway: It is away.
        """
        asked_at, bound = self._clock(), self._timeout()
        timeout = min(bound, within)
        if self._is_away and not is_suspect:
            if asked_at < self._away_until:
                raise self.refusal()
            self._away_until = asked_at + min(timeout, _SECONDS_BETWEEN_TRIES)
        return asked_at, timeout, bound

    def note_answer(self) -> None:
        """Note that an inquiry was answered."""
        self._answered_at = self._clock()
        self._is_away = False
        self._outage.end()

    def refusal_for(self, error: BaseException) -> ServiceAway | None:
        """Note what an inquiry raised; None if it is an answer."""
        if isinstance(error, Exception) and not self._is_fault(error):
            self.note_answer()
            return None
        self._outage.note(error)
        return self.refusal()

    def give_up(
        self, asked_at: float, timeout: float, *, is_suspect: bool, has_begun: bool
    ) -> ServiceAway:
        """Note an inquiry that was not answered in the service's own bound."""
        if self._tells_of_absence(asked_at, is_suspect):
            self._is_away, self._away_at = True, self._clock()
            self._away_until = self._away_at + mcp_settings.AWAY_SECONDS
        if has_begun and not self._is_excused():
            self._outage.note(TimeoutError(f"no answer in {timeout:g} seconds"))
        return self.refusal()

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

    def refusal(self) -> ServiceAway:
        """Give the refusal of what needs it."""
        return ServiceAway(self._shown_as, mcp_settings.AWAY_SECONDS)


class Inquiry:
    """What is asked of services one after the other, in one run, within one bound.

    If that is over, it is the one that is being asked that does not answer.

    Args:
        first: What to ask first.
    """

    def __init__(self, first: Service) -> None:
        self._service = first
        self._asked_at = math.inf
        self._is_over = False

    async def ask(
        self,
        function: Callable[[], Awaitable[T]],
        *,
        within: float = math.inf,
        is_suspect: bool = False,
        has_begun: Callable[[], bool] = lambda: True,
    ) -> T:
        """Await what a function returns, as `Service.ask` does.

        Args:
            function: Asks the first; calls `go_on` before it asks another one.
            within: As for `Service.ask`.
            is_suspect: As for `Service.ask`.
            has_begun: As for `Service.ask`.

        Raises:
            ServiceAway: As for `Service.ask`.
            Exception: An answer that is none of the faults.
        """
        self._asked_at, timeout, bound = self._service.begin(within, is_suspect)
        try:
            with anyio.move_on_after(timeout) as scope:
                answer = await function()
                self._service.note_answer()
                return answer
        except BaseException as error:
            if ends_task(error):
                raise
            refusal = self._service.refusal_for(error)
            if refusal is None:
                raise
            raise refusal from error
        finally:
            self._is_over = True
        assert scope.cancelled_caught
        if timeout < bound:
            raise self._service.refusal()
        raise self._service.give_up(
            self._asked_at, timeout, is_suspect=is_suspect, has_begun=has_begun()
        )

    def go_on(self, service: Service) -> None:
        """Go on to another service, because the one before has answered; in any thread.

        Raises:
            ServiceAway: It is away, or it is too late.
        """
        if self._is_over:
            raise service.refusal()
        self._service.note_answer()
        self._asked_at, _, _ = service.begin(math.inf, False)
        self._service = service
