"""What is open in one worker, counted by user."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol, TypeAlias

import anyio

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.strays import ends_task
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.server.server import Server

logger = logging.getLogger("mcp_django.worker")

_END_SECONDS = 1.0
"""For connections that are ended to be gone."""

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

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent.

        0.0 if it has taken all, or nobody can tell.
        """
        return 0.0

    @property
    def silent_seconds(self) -> float:
        """For how long nothing was heard of its client, who can open it again.

        0.0 of what makes way for no other.
        """
        return 0.0

    async def tick(self) -> None:
        """Keep it alive. Called every second; must not wait for its client."""

    async def finish(self) -> None:
        """End it as soon as nothing runs, for the end of the process."""

    async def abort(self) -> None:
        """End it, because its client is gone."""

    async def close(self) -> None:
        """End it, for a reason that is not the client's; more calls do nothing."""


class Listener(Protocol):
    """Somebody who wants to hear of changes."""

    @property
    def server(self) -> Server:
        """Whose changes."""

    @property
    def uris(self) -> Iterable[str]:
        """What it subscribed to."""

    async def notify(self, notice: Notice) -> None:
        """Hear of a change; must not wait for a client, and raises nothing."""

    async def recheck(self) -> None:
        """Ask again what of its subscriptions its user may read."""


class Connections:
    """The open connections of one worker."""

    def __init__(self) -> None:
        self._all: dict[OpenConnection, Kind] = {}
        self._counts: Counter[tuple[str, Kind]] = Counter()
        self._ending: set[OpenConnection] = set()
        self._ended: anyio.Event | None = None

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
        self._ending.discard(connection)
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def of(self, owner: str, kind: Kind) -> Sequence[OpenConnection]:
        """Give the open connections of one kind that a user has, and that stay."""
        return [
            connection
            for connection, its_kind in self._all.items()
            if its_kind == kind
            and connection.identity.owner == owner
            and connection not in self._ending
        ]

    async def end(
        self,
        connections: Sequence[OpenConnection],
        how: Callable[[OpenConnection], Awaitable[None]],
    ) -> None:
        """End connections, and wait until they are gone; not for long."""
        self._ending.update(connections)
        with anyio.move_on_after(_END_SECONDS):
            for connection in connections:
                await how(connection)
            while any(connection in self._all for connection in connections):
                self._ended = self._ended or anyio.Event()
                await self._ended.wait()

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
