"""What happened in this process since it began, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Final


class Tallies:
    """Counts of this process; they only grow.

    Attributes:
        handled: Requests of clients that went to a handler, or to what lists them.
        refused_by: HTTP requests and messages that were turned away before they were
            handled, by the HTTP status that says why; over other bindings too.
        relayed: Messages that were handed over to another worker.
    """

    __slots__ = ("handled", "refused_by", "relayed")

    def __init__(self) -> None:
        self.handled = 0
        self.refused_by: Counter[int] = Counter()
        self.relayed = 0

    def refuse(self, status: int) -> None:
        """Count what is refused, with the HTTP status that says why."""
        self.refused_by[status] += 1


tallies: Final = Tallies()
"""Those of all event loops; to count is on the hot path, so that none is asked."""
