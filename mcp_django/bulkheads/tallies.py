"""What happened in this process since it began, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Final

_MOST_REASONS: Final = 100
_MAX_REASON: Final = 200


class Tallies:
    """Counts of this process; they only grow.

    Attributes:
        handled: Requests of clients that went to a handler, or to what lists them.
        refused_by: HTTP requests and messages that were turned away before they were
            handled, by the HTTP status that says why; over other bindings too.
        refused_because: The same by status and reason, of the most frequent reasons.
        relayed: Messages that were handed over to another worker.
    """

    __slots__ = ("handled", "refused_because", "refused_by", "relayed")

    def __init__(self) -> None:
        self.handled = 0
        self.refused_by: Counter[int] = Counter()
        self.refused_because: Counter[tuple[int, str]] = Counter()
        self.relayed = 0

    def refuse(self, status: int, reason: object) -> None:
        """Count what is refused, with the HTTP status and the sentence that say why.

        Clients may have a hand in what is said: where there are too many reasons, one
        that was given least makes way. What follows a semicolon is advice.
        """
        self.refused_by[status] += 1
        counts = self.refused_because
        key = status, str(reason).partition("; ")[0][:_MAX_REASON]
        if key not in counts and len(counts) >= _MOST_REASONS:
            del counts[min(counts, key=counts.__getitem__)]
        counts[key] += 1


tallies: Final = Tallies()
"""Those of all event loops; to count is on the hot path, so that none is asked."""
