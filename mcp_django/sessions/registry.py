"""The open sessions of one worker, found by id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from mcp_django.conf import mcp_settings
from mcp_django.server.server import Server
from mcp_django.sessions.held import HeldSession
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.worker.worker import Worker


@dataclass(slots=True, eq=False, kw_only=True)
class OpenSession(HeldSession[SSEServerTransport]):
    """A session with an open stream.

    Attributes:
        id: What the client names it by.
        server: Whose session it is.
    """

    id: str
    server: Server

    def belongs_to(self, server_name: str, owner: str) -> bool:
        """Say whether a user may use the session, at a server's endpoint."""
        return self.server.name == server_name and self.identity.owner == owner

    async def is_deaf(self) -> bool:
        """Ping a client of which nothing was heard for long, and wait for its answer.

        Its session ends with the stream, so that silence alone does not end it.
        """
        transport = self.transport
        if transport.heard_seconds_ago < mcp_settings.MAX_HELD_SECONDS:
            return False
        return not await transport.is_heard(mcp_settings.ROOM_TIMEOUT)


class Registry:
    """Session id to open session; a part of its worker."""

    def __init__(self) -> None:
        self._by_id: dict[str, OpenSession] = {}

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make the one of a worker; see `Worker.part`."""
        return cls()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[OpenSession]:
        """Iterate over a copy: sessions may end meanwhile."""
        return iter(list(self._by_id.values()))

    def add(self, opened: OpenSession) -> None:
        """Make a session known; pair with `remove`."""
        self._by_id[opened.id] = opened

    def remove(self, opened: OpenSession) -> None:
        """Forget a session; its id is worth nothing from now on."""
        del self._by_id[opened.id]

    def find(self, session_id: str) -> OpenSession | None:
        """Find a session; None if it is not, or no longer, held by this worker."""
        return self._by_id.get(session_id)
