"""A connection that stays open, and the session that lives as long as it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from mcp_django.auth.interface import Identity
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.events import Peer
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.session_lives import Why
from mcp_django.sessions.session import Session
from mcp_django.worker.connections import OpenConnection


class HeldTransport(Protocol):
    """What such a connection needs of its transport."""

    binding: ClassVar[str]

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent."""

    @property
    def is_congested(self) -> bool:
        """Whether its client has yet to read what it was sent."""

    async def tick(self) -> None:
        """Keep it alive. Called every second."""

    async def close(self) -> None:
        """End it."""


T = TypeVar("T", bound=HeldTransport)


@dataclass(slots=True, eq=False, kw_only=True)
class HeldSession(OpenConnection, Generic[T]):
    """A connection and its session, as their worker sees them.

    Attributes:
        identity: The user that opened it; no other may use it.
        transport: Carries its messages.
        session: Drives it; None until it does, and if a program of the site does that
            itself.
    """

    identity: Identity
    transport: T
    session: Session | None = None

    @property
    def sort(self) -> str:  # type: ignore[override]  # what it is is in its transport
        """What it is, in a word for operators."""
        return self.transport.binding

    def note_why(self, why: Why) -> None:
        """Tell its session why it is about to end."""
        if self.session is not None:
            self.session.note_why(why)

    async def end_running(
        self, is_meant: Callable[[Request], bool], error: ErrorAnswer
    ) -> None:
        """End requests, each with an error; the connection stays."""
        if self.session is not None:
            await self.session.end_running(is_meant, error)

    @property
    def running(self) -> Sequence[Request]:
        """The requests of its session that are being answered."""
        return () if self.session is None else self.session.room.running

    @property
    def waiting(self) -> Sequence[Request]:
        """Those that wait in its inbox."""
        return () if self.session is None else self.session.room.waiting

    @property
    def peer(self) -> Peer | None:
        """What the client of its session said of itself."""
        return None if self.session is None else self.session.peer

    @property
    def served_by(self) -> Server | None:
        """The server of its session."""
        return None if self.session is None else self.session.server

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent."""
        return self.transport.unread_seconds

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or waits; of a program of the site's it is not known."""
        if self.session is None or self.transport.is_congested:
            return False
        room = self.session.room
        return not (room.running or room.waiting)

    async def tick(self) -> None:
        """Keep the connection alive, or close it if its client does not read."""
        await self.transport.tick()

    async def finish(self) -> None:
        """Refuse further requests, and end when none is left."""
        if self.session is not None:
            await self.session.finish()
        await self.close()

    async def abort(self) -> None:
        """End the connection of a client that is gone."""
        await self.transport.close()

    async def close(self) -> None:
        """End the connection."""
        await self.transport.close()
