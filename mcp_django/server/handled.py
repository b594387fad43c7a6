"""Telling observers, and the site's receivers, of requests that were handled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import anyio

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.context import Context
from mcp_django.server.observers import End, begin_all, end_all, observers
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.telling import tell
from mcp_django.signals import request_handled

logger = FaultLog("mcp_django.server")

_MAX_SECONDS_AFTER_CANCELLATION = 5.0
"""How long receivers may hold up what has to end."""


class Handling:
    """A request that is being handled, of which observers or receivers want to hear.

    Observers hear of it once, receivers of each run of its handler.

    Attributes:
        asked: By what the handler asked, where the answer to the request asks in turn.
    """

    __slots__ = (
        "_began",
        "_ends",
        "_has_receivers",
        "_request",
        "_run_began",
        "_server",
        "asked",
    )

    def __init__(
        self, server: Server, request: Request, *, has_receivers: bool
    ) -> None:
        self._server = server
        self._request = request
        self._has_receivers = has_receivers
        self._began = self._run_began = time.perf_counter()
        self._ends: Sequence[End] = ()
        self.asked: BaseException | None = None

    @classmethod
    def begin(cls, server: Server, request: Request) -> Handling | None:
        """Begin to measure, if any of them wants to hear of this server."""
        # To ask for those of a server takes a while, also if there are none at all.
        receivers = request_handled.receivers
        has_receivers = bool(receivers) and request_handled.has_listeners(server)
        if not has_receivers and not observers:
            return None
        return cls(server, request, has_receivers=has_receivers)

    def start(self) -> None:
        """Tell the observers that it begins, in the context of its handler."""
        self._ends = begin_all(self._server, self._request)

    def end(self, outcome: Outcome) -> None:
        """Tell the observers how the request ended; more calls do nothing."""
        ends, self._ends = self._ends, ()
        if ends:
            end_all(ends, outcome, time.perf_counter() - self._began)

    async def tell(self, outcome: Outcome) -> None:
        """Have the receivers told how a run ended; the next run begins."""
        if not self._has_receivers:
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

    async def tell_answer(
        self, answer: JSONObject | ErrorAnswer, failure: BaseException | None
    ) -> None:
        """Tell observers and receivers how the request ended.

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
        if self._has_receivers:
            await self.tell(outcome)

    async def tell_cancelled(self, error: BaseException) -> None:
        """Tell them of a cancellation, which is under way."""
        outcome = Outcome("cancelled", error=error)
        self.end(outcome)
        with anyio.move_on_after(_MAX_SECONDS_AFTER_CANCELLATION, shield=True):
            await self.tell(outcome)

    def begin_again(self) -> None:
        """Leave out of the time what the client took to answer."""
        self._run_began = time.perf_counter()
