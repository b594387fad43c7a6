"""How an HTTP response is written, as the code that writes one sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Protocol, TypeAlias

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]


class HTTPResponse(Protocol):
    """How an HTTP response is written, whatever the server."""

    @property
    def is_congested(self) -> bool:
        """Whether a write would wait until the client has read something."""

    async def respond(
        self, status: int, body: bytes = ..., headers: Headers = ...
    ) -> None:
        """Answer with a whole body."""

    async def start_events(self, headers: Headers = ...) -> None:
        """Begin to answer with an event stream."""

    def write(self, chunk: bytes) -> Awaitable[None]:
        """Send a piece of the stream; waits while the client does not read."""

    async def end_stream(self) -> None:
        """End the stream cleanly."""

    def look(self) -> float:
        """Look for how long the client has taken nothing of what it was sent.

        To be called every second or so; 0.0 where the server cannot tell.
        """
        return 0.0

    @property
    def unread_seconds(self) -> float:
        """For how long, when it was looked last."""
        return 0.0

    def abort(self) -> None:
        """End the connection at once, with all that the client has not read."""
        return
