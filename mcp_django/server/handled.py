"""Telling the site's receivers of requests that were handled."""

from __future__ import annotations

import logging
import time
from functools import partial

import anyio

from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer, ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.context import Context
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.signals import request_handled

logger = logging.getLogger("mcp_django.server")

_MAX_SECONDS_AFTER_CANCELLATION = 5.0
"""How long receivers may hold up what has to end."""


class Handling:
    """A request that is being handled, of which receivers want to hear.

    Attributes:
        asked: By what the handler asked, where the answer to the request asks in turn.
    """

    __slots__ = ("_began", "_request", "_server", "asked")

    def __init__(self, server: Server, request: Request) -> None:
        self._server = server
        self._request = request
        self._began = time.perf_counter()
        self.asked: BaseException | None = None

    @classmethod
    def begin(cls, server: Server, request: Request) -> Handling | None:
        """Begin to measure, if a receiver wants to hear of this server."""
        return cls(server, request) if request_handled.has_listeners(server) else None

    async def tell(self, outcome: Outcome) -> None:
        """Tell the receivers how a run ended, in a thread; the next run begins."""
        request = self._request
        send = partial(
            request_handled.send_robust,
            self._server,
            method=request.method,
            feature=request.feature,
            user=Context(self._server, request).user,
            outcome=outcome,
            seconds=time.perf_counter() - self._began,
        )
        try:
            # It logs what receivers raise.
            await ask_in_thread(_receivers(), send, request.ask_in_thread)
        except ServiceAway:
            pass  # It has said so in the log.
        except Exception:
            logger.exception("a receiver of request_handled failed")
        self._began = time.perf_counter()

    async def tell_answer(
        self, answer: JSONObject | ErrorAnswer, failure: BaseException | None
    ) -> None:
        """Tell the receivers how the request ended.

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
        await self.tell(outcome)

    async def tell_cancelled(self, error: BaseException) -> None:
        """Tell them of a cancellation, which is under way."""
        with anyio.move_on_after(_MAX_SECONDS_AFTER_CANCELLATION, shield=True):
            await self.tell(Outcome("cancelled", error=error))

    def begin_again(self) -> None:
        """Leave out of the time what the client took to answer."""
        self._began = time.perf_counter()


@kept
def _receivers() -> Service:
    return service_of_site(
        "a receiver of request_handled",
        "some requests are not told of",
        timeout=lambda: mcp_settings.RECEIVER_TIMEOUT,
        logger=logger,
    )
