"""What happened in this process since it began, in numbers."""

from __future__ import annotations

from typing import Final


class Tallies:
    """Counts of this process; they only grow.

    Attributes:
        handled: Requests of clients that went to a handler, or to what lists them.
        refused: HTTP requests, and messages over a WebSocket, that were turned away.
        relayed: Messages that were handed over to another worker.
    """

    __slots__ = ("handled", "refused", "relayed")

    def __init__(self) -> None:
        self.handled = 0
        self.refused = 0
        self.relayed = 0


tallies: Final = Tallies()
"""Those of all event loops; to count is on the hot path, so that none is asked."""
