"""How much one session may do at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from mcp_types.jsonrpc import RequestId

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import TransportClosed
from mcp_django.server.requests import Request
from mcp_django.transports.base import Transport
from mcp_django.worker.tasks import Cancel, Tasks

_MAX_LATE_ANSWERS: Final = 1000
"""Answers without a handler, such as to pings, that may wait to be sent."""


@dataclass(slots=True)
class _Run:
    """A request whose handler runs, or waits for the client's answers."""

    request: Request
    cancel: Cancel | None = None


class Room:
    """The requests of one session whose handlers run, and those that wait for that.

    ::

        enter() --> RUNNING --> answered, or cancelled
        enter() --> WAITING --once others have ended--> RUNNING
        enter() --> WAITING --cancel()--> never run

    At most `MAX_CONCURRENT` handlers run at a time. While results wait to be read, no
    more run side by side than do already; those do not count whose user ponders a
    question, for they may take long. The others wait in an inbox, bounded by
    `MAX_INBOX` and `MAX_INBOX_BYTES`; when that is full, `wait` waits.

    Args:
        transport: Says whether the client reads what it is sent.
        tasks: Where the handlers run.
        answer: Answers a request.
    """

    __slots__ = (
        "_answer",
        "_idle",
        "_inbox",
        "_inbox_bytes",
        "_late_answers",
        "_less",
        "_pondering",
        "_running",
        "_tasks",
        "_transport",
    )

    def __init__(
        self,
        transport: Transport,
        tasks: Tasks,
        answer: Callable[[Request], Coroutine[Any, Any, None]],
    ) -> None:
        self._transport = transport
        self._tasks = tasks
        self._answer = answer
        self._running: dict[RequestId, _Run] = {}
        # Made when it is needed: an empty deque takes 760 bytes of an idle session.
        self._inbox: deque[Request] | None = None
        self._inbox_bytes = 0
        self._pondering = 0
        self._late_answers = 0
        self._less: anyio.Event | None = None
        self._idle: anyio.Event | None = None

    @property
    def running(self) -> list[Request]:
        """The requests whose handlers run."""
        return [run.request for run in self._running.values()]

    @property
    def waiting(self) -> list[Request]:
        """The requests in the inbox, the first to be run first."""
        return list(self._inbox or ())

    @property
    def pondering(self) -> int:
        """How many of those that run wait for their user."""
        return self._pondering

    # Coming in ------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether one more request has to wait before it may enter."""
        # On the hot path: the inbox is asked only where the request would go there.
        return self._late_answers >= _MAX_LATE_ANSWERS or (
            not self._may_begin and self._is_inbox_full
        )

    async def wait(self, *, is_ping: bool) -> None:
        """Wait until there is room for one more request.

        Args:
            is_ping: Whether it is a ping, which needs no handler.

        Raises:
            TransportClosed: The session ended meanwhile.
        """
        while self.is_full:
            if is_ping and self._late_answers < _MAX_LATE_ANSWERS:
                return
            self._less = self._less or anyio.Event()
            await self._less.wait()
            if self._tasks.is_ending:
                raise TransportClosed("cannot receive: the session has ended")

    def enter(self, request: Request) -> None:
        """Run the handler of a request now, or when others have ended."""
        if self._may_begin:
            self._begin(request)
        else:
            if self._inbox is None:
                self._inbox = deque()
            self._inbox.append(request)
            self._inbox_bytes += request.sender.size

    @property
    def _is_inbox_full(self) -> bool:
        """Whether a request that cannot run could not wait in the inbox either."""
        return (
            len(self._inbox or ()) >= mcp_settings.MAX_INBOX
            or self._inbox_bytes >= mcp_settings.MAX_INBOX_BYTES
        )

    @property
    def _may_begin(self) -> bool:
        """Whether a request that comes now runs at once."""
        # On the hot path: mostly none runs, and so all of them ponder.
        return len(self._running) == self._pondering or (
            not self._inbox
            and len(self._running) < mcp_settings.MAX_CONCURRENT
            and not self._transport.is_congested
        )

    @property
    def _all_ponder(self) -> bool:
        """Whether every handler that runs waits for its user."""
        return len(self._running) == self._pondering

    # Running --------------------------------------------------------------------

    def begin_waiting(self) -> None:
        """Run handlers of requests that wait, as far as there is room."""
        if self._inbox:
            # One for the one that ended. One more unless its result would only wait, so
            # that handlers become many again, but not with a rush.
            for _ in range(1 if self._transport.is_congested else 2):
                is_full = len(self._running) >= mcp_settings.MAX_CONCURRENT
                if not self._inbox or (is_full and not self._all_ponder):
                    break
                request = self._inbox.popleft()
                self._inbox_bytes -= request.sender.size
                self._begin(request)
        self._announce_less()
        if not self._running and self._idle is not None:
            self._idle.set()
            self._idle = None

    def _begin(self, request: Request) -> None:
        run = self._running[request.id] = _Run(request)
        run.cancel = self._tasks.start(self._answer(request), partial(self._end, run))

    def _end(self, run: _Run) -> None:
        """Let a request go that is answered or cancelled, and begin the next."""
        request = run.request
        request.is_cancelled = True
        # A client may use the id of a cancelled request again.
        if self._running.get(request.id) is run:
            del self._running[request.id]
        self.begin_waiting()

    def cancel(self, id: RequestId) -> None:
        """Stop the handler of a request, or never run it."""
        run = self._running.get(id)
        if run is not None:
            run.request.is_cancelled = True
            if run.cancel is not None:
                run.cancel()
            return
        for request in self.waiting:
            if request.id == id and self._inbox is not None:
                self._inbox.remove(request)
                self._inbox_bytes -= request.sender.size
                self._announce_less()
                return

    async def wait_until_idle(self) -> None:
        """Return when no handler runs."""
        while self._running:
            self._idle = self._idle or anyio.Event()
            await self._idle.wait()

    @contextmanager
    def let_ponder(self) -> Iterator[None]:
        """Let others run while the user of one that runs ponders, in the block."""
        self._pondering += 1
        self.begin_waiting()
        try:
            yield
        finally:
            self._pondering -= 1

    # Answers without a handler --------------------------------------------------

    def send_late(self, sending: Coroutine[Any, Any, None]) -> None:
        """Send an answer that waits for the client to read, in a task of its own."""
        self._late_answers += 1
        self._tasks.start(sending, self._end_late_answer)

    def _end_late_answer(self) -> None:
        self._late_answers -= 1
        self._announce_less()

    def _announce_less(self) -> None:
        if self._less is not None:
            self._less.set()
            self._less = None
