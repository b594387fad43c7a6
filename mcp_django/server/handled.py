"""Telling observers, and the site's receivers, of requests that were handled."""

from __future__ import annotations

import time
from functools import partial

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.context import Context
from mcp_django.server.observers import End, contain, observers
from mcp_django.server.outcomes import Outcome
from mcp_django.server.receivers import tell
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.signals import request_handled

logger = FaultLog("mcp_django.server")

_MAX_SECONDS_AFTER_CANCELLATION = 5.0
"""How long receivers may hold up what has to end."""


class Handling:
    """A request that is being handled, of which observers or receivers want to hear.

    Observers hear of it once, receivers of each run of its handler.

    Attributes:
        asked: By what the handler asked, where the answer to the request asks in turn.
        has_receivers: Whether receivers want to hear of it.
    """

    __slots__ = (
        "_began",
        "_ends",
        "_request",
        "_run_began",
        "_server",
        "asked",
        "has_receivers",
    )

    def __init__(self, server: Server, request: Request) -> None:
        self._server = server
        self._request = request
        # To ask for those of a server takes a while, also if there are none at all.
        receivers = request_handled.receivers
        self.has_receivers = bool(receivers) and request_handled.has_listeners(server)
        self._began = self._run_began = time.perf_counter()
        self._ends: list[End] = []
        self.asked: BaseException | None = None

    def start(self) -> None:
        """Tell the observers that it begins, in the context of its handler."""
        for observer in tuple(observers):
            try:
                end = observer.begin(self._server, self._request)
            except BaseException as error:
                contain(error)
            else:
                if end is not None:
                    self._ends.append(end)

    def end(self, outcome: Outcome) -> None:
        """Tell the observers how the request ended; more calls do nothing."""
        if not self._ends:
            return
        ends, self._ends = self._ends, []
        seconds = time.perf_counter() - self._began
        for end in ends:
            try:
                end(outcome, seconds)
            except BaseException as error:
                contain(error)

    async def tell(self, outcome: Outcome) -> None:
        """Have the receivers told how a run ended; the next run begins."""
        if not self.has_receivers:
            return
        request = self._request
        send = partial(
            request_handled.send_robust,
            self._server,
            method=request.method,
            feature=request.feature,
            user=Context(self._server, request).user,
            outcome=outcome,
            seconds=time.perf_counter() - self._run_began,
        )
        await tell(request, send)
        self._run_began = time.perf_counter()

    def end_by(
        self, answer: JSONObject | ErrorAnswer, failure: BaseException | None
    ) -> Outcome:
        """Tell the observers what the request is answered with; give it in words.

        Args:
            answer: What it is answered with.
            failure: What was raised, if that is why.
        """
        request = self._request
        if request.is_cancelled:
            outcome = Outcome("cancelled")
        elif failure is not None:
            outcome = Outcome("failed", error=failure)
        elif isinstance(answer, ErrorAnswer):
            outcome = Outcome.of_error(answer)
        elif self.asked is not None:
            outcome = Outcome.of_error(self.asked)
        else:
            outcome = Outcome.of_result(answer, request.refused_because)
        self.end(outcome)
        return outcome

    async def tell_cancelled(self, error: BaseException) -> None:
        """Tell them of a cancellation, which is under way."""
        outcome = Outcome("cancelled", error=error)
        self.end(outcome)
        with anyio.move_on_after(_MAX_SECONDS_AFTER_CANCELLATION, shield=True):
            await self.tell(outcome)

    def begin_again(self) -> None:
        """Leave out of the time what the client took to answer."""
        self._run_began = time.perf_counter()
