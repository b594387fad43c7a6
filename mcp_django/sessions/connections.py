"""What is open in one worker, counted by user."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.strays import ends_task
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.server.server import Server

logger = logging.getLogger("mcp_django.sessions")

Kind: TypeAlias = Literal["stream", "call"]
"""What stays open until somebody ends it, and what ends with its answer."""


class OpenConnection(Protocol):
    """Something that stays open, and that its worker looks after."""

    @property
    def identity(self) -> Identity:
        """Whose it is; it ends when the credentials are no longer valid."""

    @property
    def running(self) -> Sequence[Request]:
        """The requests that are being answered."""

    async def tick(self) -> None:
        """Keep it alive. Called every second; must not wait for its client."""

    async def finish(self) -> None:
        """End it as soon as nothing runs, for the end of the process."""

    async def close(self) -> None:
        """End it, for a reason that is not the client's; more calls do nothing."""


class Listener(Protocol):
    """Somebody who wants to hear of changes."""

    @property
    def server(self) -> Server:
        """Whose changes."""

    async def notify(self, notice: Notice) -> None:
        """Hear of a change; must not wait for a client, and raises nothing."""

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""


class Connections:
    """The open connections of one worker."""

    def __init__(self) -> None:
        self._all: dict[OpenConnection, Kind] = {}
        self._counts: Counter[tuple[str, Kind]] = Counter()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[OpenConnection]:
        """Iterate over a copy: connections may end meanwhile."""
        return iter(list(self._all))

    def kinds(self) -> Iterator[tuple[OpenConnection, Kind]]:
        """Iterate over a copy, with what each of them is."""
        return iter(list(self._all.items()))

    def add(self, connection: OpenConnection, kind: Kind = "stream") -> None:
        """Begin to look after a connection."""
        self._all[connection] = kind
        self._counts[connection.identity.owner, kind] += 1

    def remove(self, connection: OpenConnection) -> None:
        """Look after it no longer."""
        counted = connection.identity.owner, self._all.pop(connection)
        self._counts[counted] -= 1
        if not self._counts[counted]:
            del self._counts[counted]

    def count_of(self, owner: str, kind: Kind = "stream") -> int:
        """Count the open connections of one kind that a user has."""
        return self._counts[owner, kind]


async def close(connection: OpenConnection) -> None:
    """Close one connection; its failure is no other's."""
    await _end(connection.close())


async def finish(connection: OpenConnection) -> None:
    """Close one connection when nothing runs any more; its failure is no other's."""
    await _end(connection.finish())


async def _end(ending: Awaitable[None]) -> None:
    try:
        await ending
    except BaseException as error:
        if ends_task(error):
            raise
        logger.exception("a connection could not be closed")
