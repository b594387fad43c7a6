"""Reading the table in each worker: at once when another process changed it, and often.

The first is a message over the relay, which may be lost; the second is one small query
every five seconds, so that it takes no longer without a channel layer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Self

from mcp_django.bulkheads.threads import recheck_threads
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.switches.keeper import READ_SECONDS, Keeper, keeper
from mcp_django.worker.worker import (
    Worker,
    make_in_every_worker,
    tell_other_processes,
)

_TOLD: Final = "switched"
"""The kind of what is told to other workers; what changed is in the table."""


class Reader:
    """Has the table read, again and again; a part of each worker.

    Args:
        worker: In whose event loop.
        of: What is filled.
        read_seconds: How often.
    """

    def __init__(
        self, worker: Worker, of: Keeper, read_seconds: float = READ_SECONDS
    ) -> None:
        self._worker = worker
        self._keeper = of
        self._read_seconds = read_seconds
        self._is_reading = False
        self._is_due = False
        worker.relay.on_told(_TOLD, self._hear)
        worker.relay.on_lost(self.look_again)
        worker.loop.call_later(read_seconds, self._tick)

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make that of a worker; see `Worker.part`."""
        return cls(worker, keeper)

    def _hear(self, told: JSONObject) -> None:
        self.look_again()

    def _tick(self) -> None:
        if not self._worker.is_ending:
            self._worker.loop.call_later(self._read_seconds, self._tick)
            self.look_again()

    def look_again(self) -> None:
        """Read the table soon; once more, if it is being read."""
        if self._keeper.is_test():
            return
        self._is_due = True
        if not self._is_reading:
            self._is_reading, self._is_due = True, False
            self._worker.tasks.start(self._read(), self._on_read)

    async def _read(self) -> None:
        with suppress(ServiceAway):  # It has said so in the log.
            await self._keeper.read_in_thread(recheck_threads.run)

    def _on_read(self) -> None:
        self._is_reading = False
        if self._is_due:
            self.look_again()


def connect() -> None:
    """Have every worker read, and tell others of what is changed here."""
    make_in_every_worker(Reader)
    keeper.on_changed = _tell_others


def _tell_others() -> None:
    tell_other_processes({"kind": _TOLD}, _TOLD)
