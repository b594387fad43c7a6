"""The traces of one worker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final, Self

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.carriers import whose_is
from mcp_django.tracing.entries import entries_of
from mcp_django.tracing.kept import kept_traces
from mcp_django.tracing.plan import Trace
from mcp_django.tracing.running import RunningTrace
from mcp_django.tracing.targets import target_of
from mcp_django.transports.tap import Direction, tap
from mcp_django.worker.operated import Operated
from mcp_django.worker.worker import Worker, make_in_every_worker

logger = FaultLog("mcp_django.tracing")

ASK: Final = "trace"
"""What operators ask, to begin, end and list traces."""

_MAX_TRACES: Final = 10
_LOOK_SECONDS: Final = 1.0
"""When a new worker looks for traces that others run: not in loops of one call."""


def connect() -> None:
    """Have every worker take traces."""
    make_in_every_worker(Traced)


class Traced:
    """Runs traces in one worker; a part of it.

    While there is none, nothing is at the tap. Each ends by itself at its time.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._running: dict[str, RunningTrace] = {}
        self._seen: set[str] = set()
        worker.part(Operated).on_asked(ASK, self._answer)
        worker.relay.on_lost(self._look_soon)
        worker.loop.call_later(_LOOK_SECONDS, self._look_soon)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make that of a worker; see `Worker.part`."""
        return cls(worker)

    # What operators ask -----------------------------------------------------------

    def _answer(self, ask: JSONObject) -> JSONObject:
        """Begin a trace, end one or all, or say which run."""
        match ask:
            case {"begin": dict() as told}:
                return {"traces": [self._begin(Trace.read(told))]}
            case {"end": id}:
                return {"traces": self._stop(id)}
        return {"traces": [running.describe() for running in self._running.values()]}

    def _stop(self, id: str | None) -> list[JSONObject]:
        """End a trace, or all, and say of each what it wrote."""
        stopped = [r for r in self._running.values() if id in (None, r.trace.id)]
        for running in stopped:
            self._end(running.trace.id, "it is stopped")
        if id is not None:
            self._seen.add(id)  # The cache may still have it.
        return [running.describe() for running in stopped]

    def _begin(self, trace: Trace) -> JSONObject:
        running = self._running.get(trace.id)
        if running is None:
            if len(self._running) >= _MAX_TRACES:
                problem = f"{_MAX_TRACES} traces run already; stop one"
                return {"id": trace.id, "problem": problem}
            try:
                target = target_of(trace, self._worker.relay)
            except OSError as error:
                problem = f"no file can be made for it: {error.strerror}"
                return {"id": trace.id, "problem": problem}
            running = RunningTrace(trace, target)
            if running.is_over:  # already, such as where the disk is full
                return {"id": trace.id, "problem": running.is_over}
            self._add(running)
        return running.describe()

    def _add(self, running: RunningTrace) -> None:
        trace = running.trace
        self._seen.add(trace.id)
        if not self._running:
            tap.add(self._see)
        self._running[trace.id] = running
        self._worker.loop.call_later(
            max(trace.seconds_left, 0.0), self._end, trace.id, "its time is over"
        )

    def _end(self, id: str, reason: str) -> None:
        running = self._running.pop(id, None)
        if running is not None:
            if not self._running:
                tap.remove(self._see)
            running.end(reason)

    def _end_all(self, reason: str) -> None:
        for id in list(self._running):
            with suppress(Exception):  # A call is answered whatever happens here.
                self._end(id, reason)

    # Traces that began before this worker, or while it heard nothing ---------------

    def _look_soon(self) -> None:
        if not self._worker.is_ending:
            self._worker.start(self._look())

    async def _look(self) -> None:
        with suppress(ServiceAway):  # it has said so in the log
            for trace in await kept_traces():
                if trace.id not in self._seen:
                    self._begin(trace)

    # What passes --------------------------------------------------------------------

    def _see(
        self, direction: Direction, data: bytes, carrier: object, status: int = 0
    ) -> None:
        """Write down what passes in this worker, if a trace is about it."""
        if _running_loop() is not self._worker.loop:
            # There are several event loops, each with a worker, or there were.
            if self._worker.loop.is_closed():
                self._end_all("its worker has ended")
            return
        try:
            whose = whose_is(carrier)
            if whose is None:
                return
            about = [r for r in self._running.values() if r.trace.is_about(whose)]
            if not about:
                return
            for entry in entries_of(direction, data, whose, status):
                for running in about:
                    running.write(entry)
        except Exception:
            logger.exception("the traces of this worker end: one failed; see the error")
            self._end_all("it failed")
            return
        for running in about:
            if running.is_over:
                logger.warning(
                    "trace %s ends: %s",
                    running.trace.id,
                    running.is_over,
                    of=running.trace.id,
                )
                self._end(running.trace.id, running.is_over)


def _running_loop() -> Any:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
