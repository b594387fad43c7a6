"""A thread that does what it is given in order, with connections of Django's."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, TypeAlias

from django.db import close_old_connections, connections

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.calls import Call
from mcp_django.bulkheads.fault_log import FaultLog

logger = FaultLog("mcp_django.bulkheads")

_IDLE_SECONDS: Final = 60.0


Work: TypeAlias = Call | Callable[[], None]


class SerialThread:
    """A thread that does what it is given in order, and ends when it is long idle.

    Args:
        name: Of the thread.
        stuck_seconds: What runs for longer lets others have another thread.
        clock: Gives the time in seconds.
        may_end: Says whether it may end, which has been idle.

    Attributes:
        owners: Mapping of owner to runs that it is lent to; changed under the lock of
            the threads.
    """

    def __init__(
        self,
        name: str,
        *,
        stuck_seconds: float,
        clock: Callable[[], float],
        may_end: Callable[[SerialThread], bool],
    ) -> None:
        self.owners: Counter[str | None] = Counter()
        self._stuck_seconds = stuck_seconds
        self._clock = clock
        self._may_end = may_end
        self._condition = threading.Condition()
        self._work: deque[Work] = deque()
        self._call: Call | None = None
        self._busy_since = 0.0
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    @property
    def has_work(self) -> bool:
        """Whether something waits to be done."""
        return bool(self._work)

    @property
    def is_busy(self) -> bool:
        """Whether it runs a call."""
        return self._call is not None

    @property
    def has_calls(self) -> bool:
        """Whether calls wait to be run."""
        with self._condition:
            return any(isinstance(work, Call) for work in self._work)

    def load(self) -> int:
        """Give to how many runs it is lent."""
        return self.owners.total()

    def serves(self, owner: str | None) -> bool:
        """Say whether it is lent to an owner's run, or runs what one has left."""
        call = self._call
        return owner in self.owners or (call is not None and call.owner == owner)

    def is_stuck(self, now: float) -> bool:
        """Say whether what it runs takes so long that others should not wait."""
        return self.is_busy and now - self._busy_since >= self._stuck_seconds

    def is_to_run(self, call: Call) -> bool:
        """Say whether a call waits."""
        with self._condition:
            return call in self._work

    def withdraw(self, call: Call) -> bool:
        """Take back a call that waits, if it is stuck."""
        with self._condition:
            if call in self._work and self.is_stuck(self._clock()):
                self._work.remove(call)
                return True
            return False

    def put(self, work: Work) -> None:
        """Do something after all that was put before."""
        with self._condition:
            self._work.append(work)
            self._condition.notify()

    def prepare(self) -> None:
        """Look after the connections before a run."""
        if self.load() > 1:
            _close_broken_connections()  # the others are in the middle of something
        else:
            close_old_connections()

    def tidy(self) -> None:
        """Look after the connections after a run."""
        if not self.owners:
            databases.look_again()  # first, while they are open
            close_old_connections()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            if isinstance(work, Call):
                self._busy_since, self._call = self._clock(), work
                tell = work.run()
                self._call = None  # first, so that a caller that is told finds it free
                tell()
                del tell
            else:
                try:
                    work()
                except Exception:
                    logger.exception(
                        "database connections of a thread cannot be looked after; see "
                        "the error"
                    )
            del work  # which may hold much
        connections.close_all()

    def _next(self) -> Work | None:
        while True:
            with self._condition:
                if self._work or self._condition.wait(_IDLE_SECONDS):
                    if self._work:
                        return self._work.popleft()
                    continue
            if self._may_end(self):
                return None


def _close_broken_connections() -> None:
    for connection in connections.all(initialized_only=True):
        if (
            connection.connection is not None
            and connection.errors_occurred
            and not connection.in_atomic_block
            and not connection.is_usable()
        ):
            connection.close()
