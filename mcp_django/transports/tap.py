"""The tap: where messages can be watched as they pass, in the form they travel in.

While nothing watches, a message costs one look at an attribute.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

Direction: TypeAlias = Literal["received", "sent"]
"""Whether this process received a message or sends it."""


class Watch(Protocol):
    """Is shown what passes; must neither wait nor raise."""

    def __call__(
        self, direction: Direction, data: bytes, carrier: object, status: int = 0
    ) -> None:
        """Be shown what passes.

        Args:
            direction: Whether it comes or goes.
            data: A message, a batch, or events of a stream; b"" where an answer over
                HTTP has no body.
            carrier: What carries it: an exchange, an envelope, a transport.
            status: Of an answer over HTTP; 0 for all else.
        """


class Tap:
    """Where messages can be watched.

    What carries messages shows them, but only while there are `watches`.

    Attributes:
        watches: What is shown them.
    """

    __slots__ = ("watches",)

    def __init__(self) -> None:
        self.watches: tuple[Watch, ...] = ()

    def add(self, watch: Watch) -> None:
        """Show what passes to one more."""
        self.watches = (*self.watches, watch)

    def remove(self, watch: Watch) -> None:
        """Show it nothing more; it need not be there."""
        # Not by identity: methods of one object are equal, but never the same.
        self.watches = tuple(other for other in self.watches if other != watch)

    def show(
        self, direction: Direction, data: bytes, carrier: object, status: int = 0
    ) -> None:
        """Show what passes to all; arguments as of `Watch`."""
        for watch in self.watches:
            watch(direction, data, carrier, status)


tap: Final = Tap()
"""That of this process."""
