"""The tap: where messages can be watched as they pass, in the form they travel in.

While nothing watches, a message costs one look at an attribute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias

Direction: TypeAlias = Literal["received", "sent"]
"""Whether this process received a message or sends it."""

Watch: TypeAlias = Callable[[Direction, bytes, object], object]
"""Is shown the direction, the bytes, and what carries them; must not wait or raise."""


class Tap:
    """Where messages can be watched.

    Attributes:
        watch: Is shown each message; None for nothing.
    """

    __slots__ = ("watch",)

    def __init__(self) -> None:
        self.watch: Watch | None = None


tap: Final = Tap()
"""That of this process; transports that carry lines show it what they carry."""
