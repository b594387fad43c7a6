"""The open sessions of one worker, found by id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcp_django.auth.interface import Identity
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.sessions.runner import Session
from mcp_django.transports.sse import SSEServerTransport


@dataclass(frozen=True, slots=True, eq=False)
class OpenSession:
    """A session with an open stream.

    Attributes:
        id: What the client names it by.
        server: Whose session it is.
        identity: Who opened it; nobody else may use it.
        transport: Carries its messages.
        session: What drives it; None if a program of the site does that itself.
    """

    id: str
    server: Server
    identity: Identity
    transport: SSEServerTransport
    session: Session | None

    def belongs_to(self, server_name: str, owner: str) -> bool:
        """Say whether a user may use the session, at a server's endpoint."""
        return self.server.name == server_name and self.identity.owner == owner

    @property
    def has_room(self) -> bool:
        """Whether a request would be taken at once."""
        return self.session is None or self.session.has_room

    @property
    def running(self) -> Sequence[Request]:
        """The requests of its session that are being answered."""
        return () if self.session is None else self.session.requests

    async def finish(self) -> None:
        """Take no more requests, and end when none is left."""
        if self.session is not None:
            await self.session.finish()
        await self.close()

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent."""
        return self.transport.unread_seconds

    @property
    def silent_seconds(self) -> float:
        """Nothing: a session ends with its stream, and makes way for no other."""
        return 0.0

    async def abort(self) -> None:
        """End the stream of a client that is gone."""
        await self.transport.close()

    async def tick(self) -> None:
        """Keep the stream alive."""
        await self.transport.tick()

    async def close(self) -> None:
        """End the stream."""
        await self.transport.close()


class Registry:
    """Session id to open session, for one worker."""

    def __init__(self) -> None:
        self._by_id: dict[str, OpenSession] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenSession]:
        """Iterate over a copy: sessions may end meanwhile."""
        return iter(list(self._by_id.values()))

    def add(self, opened: OpenSession) -> None:
        """Make a session known."""
        self._by_id[opened.id] = opened

    def remove(self, opened: OpenSession) -> None:
        """Forget a session; its id is worth nothing from now on."""
        del self._by_id[opened.id]

    def find(self, session_id: str) -> OpenSession | None:
        """Find a session; None if it is not, or no longer, held by this worker."""
        return self._by_id.get(session_id)
