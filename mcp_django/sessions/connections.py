"""What is open in one worker, counted by user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from mcp_django.auth.interface import Identity
from mcp_django.server.notices import Notice
from mcp_django.server.server import Server


class OpenConnection(Protocol):
    """Something that stays open, and that its worker looks after."""

    @property
    def identity(self) -> Identity:
        """Whose it is; it ends when the credentials are no longer valid."""

    async def tick(self) -> None:
        """Keep it alive. Called every second; must not wait for its client."""

    async def close(self) -> None:
        """End it, for a reason that is not the client's; more calls do nothing."""


class Listener(Protocol):
    """Somebody who wants to hear of changes."""

    @property
    def server(self) -> Server:
        """Whose changes."""

    async def notify(self, notice: Notice) -> None:
        """Hear of a change; must not wait for a client, and raises nothing."""


class Connections:
    """The open connections of one worker."""

    def __init__(self) -> None:
        # A set in all but type, which keeps the order.
        self._all: dict[OpenConnection, None] = {}
        self._by_owner: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[OpenConnection]:
        """Iterate over a copy: connections may end meanwhile."""
        return iter(list(self._all))

    def add(self, connection: OpenConnection) -> None:
        """Begin to look after a connection."""
        self._all[connection] = None
        self._by_owner[connection.identity.owner] += 1

    def remove(self, connection: OpenConnection) -> None:
        """Look after it no longer."""
        del self._all[connection]
        owner = connection.identity.owner
        self._by_owner[owner] -= 1
        if not self._by_owner[owner]:
            del self._by_owner[owner]

    def count_of(self, owner: str) -> int:
        """Count the open connections of one user."""
        return self._by_owner[owner]
