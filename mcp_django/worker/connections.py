"""What is open in one worker, and how much more each user may open."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, Final, Literal, NamedTuple, Protocol, TypeAlias

import anyio

from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.events import Peer
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.session_lives import Why
from mcp_django.transports.server.refusals import RETRY_LATER, Refused

logger = FaultLog("mcp_django.worker")

_END_SECONDS = 1.0
"""For connections that are ended to be gone."""

Kind: TypeAlias = Literal["stream", "call"]
"""What stays open until either side ends it, and what ends with its answer."""


_TOO_MANY: Final = {
    "stream": (429, "%d streams of this user are open; close one", 10),
    "call": (503, "%d requests of this user may run at a time; try again later", 1),
}
"""HTTP status of the refusal, what it says, and after how many seconds to try again."""


class OpenConnection(Protocol):
    """Something that stays open, and that its worker looks after."""

    __slots__ = ()

    sort: ClassVar[str] = "other"
    """What it is, in a word for operators."""

    ages: ClassVar[bool] = True
    """Whether it ends when it is old, because its client opens it again."""

    @property
    def identity(self) -> Identity:
        """Whose it is; it ends when the credentials are no longer valid."""

    @property
    def running(self) -> Sequence[Request]:
        """The requests that are being answered."""
        return ()

    @property
    def waiting(self) -> Sequence[Request]:
        """The requests that wait until others are answered."""
        return ()

    @property
    def peer(self) -> Peer | None:
        """What its client says of itself; None while that is not known."""
        running = self.running
        return running[0].peer if running else None

    @property
    def served_by(self) -> Server | None:
        """The server that answers its requests; None if it has none."""
        return None

    @property
    def unread_seconds(self) -> float:
        """For how long its client has taken nothing of what it was sent.

        0.0 if it has taken all, or that cannot be told.
        """
        return 0.0

    @property
    def silent_seconds(self) -> float:
        """For how long nothing was heard of a client that can open it again.

        0.0 of what makes way for no other.
        """
        return 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost by its end, because nothing runs or waits on it."""
        return True

    async def is_deaf(self) -> bool:
        """Ask its client whether it is there, if nothing was heard of it for long.

        False of what makes way for no other, or cannot ask.
        """
        return False

    def note_why(self, why: Why) -> None:
        """Note why it is about to end, where a session ends with it."""
        return

    async def end_running(
        self, is_meant: Callable[[Request], bool], error: ErrorAnswer
    ) -> None:
        """End requests that are being answered, whose client is told if it can be."""
        if any(map(is_meant, self.running)):
            await self.close()

    async def end_session(self) -> None:
        """End the session that it belongs to, if there is one that outlives it.

        Called once it is closed by an operator who means this one.
        """
        return

    async def tick(self) -> None:
        """Keep it alive. Called every second; must not wait for its client."""

    async def finish(self) -> None:
        """End it as soon as nothing runs, for the end of the process."""

    async def retire(self) -> None:
        """End it as soon as nothing runs, because it is old; its client comes back."""
        await self.finish()

    async def abort(self) -> None:
        """End it, because its client is gone."""

    async def close(self) -> None:
        """End it, for a reason that is not the client's; more calls do nothing."""


class Entry(NamedTuple):
    """What the worker knows of a connection that it looks after.

    Attributes:
        connection: The connection.
        kind: Whether it stays.
        number: Names it in this worker; no later one has the same.
        since: When it was added, by `time.monotonic`.
    """

    connection: OpenConnection
    kind: Kind
    number: int
    since: float


class _Places:
    """Places of a user that are reserved; each is left at the end of a block."""

    __slots__ = ("_counts", "_owner")

    def __init__(self, counts: dict[str, int], owner: str) -> None:
        self._counts = counts
        self._owner = owner

    def __enter__(self) -> None:
        """Hold one of them to the end of the block."""

    def __exit__(self, *error: object) -> None:
        """Leave it to others."""
        left = self._counts[self._owner] - 1
        if left:
            self._counts[self._owner] = left
        else:
            del self._counts[self._owner]


_UNCOUNTED: Final = nullcontext()
"""Places of clients that are no user's, for which there is no limit."""


MakeWay: TypeAlias = Callable[["Connections", str, Kind], Awaitable[None]]


class Connections:
    """The open connections of one worker.

    What is to be opened needs a place, which is counted from when it is reserved. What
    has begun to wait is added, and looked after until it is removed.

    Args:
        make_way: Called with these, a user and a kind, where there is no place left:
            ends something of that user that its client will not miss.

    Attributes:
        is_ending: Whether the process is about to end, so that nothing more begins.
    """

    def __init__(self, make_way: MakeWay) -> None:
        self.is_ending = False
        self._make_way = make_way
        self._all: dict[OpenConnection, Entry] = {}
        self._numbers = itertools.count(1)
        self._counts: dict[Kind, dict[str, int]] = {"stream": {}, "call": {}}
        self._ending: set[OpenConnection] = set()
        self._ended: anyio.Event | None = None

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, connection: OpenConnection) -> bool:
        return connection in self._all

    def __iter__(self) -> Iterator[OpenConnection]:
        """Iterate over a copy: connections may end meanwhile."""
        return iter(list(self._all))

    def entries(self) -> list[Entry]:
        """Give a copy of all that is known of each, the oldest first."""
        return list(self._all.values())

    async def reserve(
        self, owner: str, kind: Kind, count: int = 1
    ) -> AbstractContextManager[None]:
        """Reserve places for what a user is about to open, all of them or none.

        If they are too many, something of the user makes way first.

        Args:
            owner: Names the user; "" is none, and has no limit of its own.
            kind: What is to be opened.
            count: How many of them.

        Returns:
            What leaves a place at the end of a block; one for each block.

        Raises:
            Refused: Not enough makes way, or the process has too many streams; or it
                ends.
        """
        if not owner and kind == "call":  # on the hot path
            if self.is_ending:
                raise _ending()
            return _UNCOUNTED
        counts, most = self._counts[kind], _most_of(kind) if owner else math.inf
        total = counts.get(owner, 0) + count
        if total > most:
            await self._make_way(self, owner, kind)
            total = counts.get(owner, 0) + count
        if self.is_ending:
            raise _ending()
        if total > most:
            raise _too_many(kind)
        if kind == "stream":
            self._check_room(sum(counts.values()) + count)
        counts[owner] = total
        return _Places(counts, owner)

    def _check_room(self, streams: int) -> None:
        """Refuse more streams than the process may have.

        Raises:
            Refused: They are too many.
        """
        most = mcp_settings.MAX_STREAMS
        if streams <= most:
            return
        logger.warning(
            "a stream is refused: MCP['MAX_STREAMS'] = %d are open in this process; "
            "raise it, or start more processes",
            most,
        )
        raise Refused(
            503,
            "the server has as many streams open as it may; try again later",
            headers=[(b"retry-after", b"10")],
        )

    def add(self, connection: OpenConnection, kind: Kind = "stream") -> None:
        """Begin to look after a connection."""
        number = next(self._numbers)
        self._all[connection] = Entry(connection, kind, number, time.monotonic())

    def remove(self, connection: OpenConnection) -> None:
        """Look after it no longer."""
        del self._all[connection]
        self._ending.discard(connection)
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def of(self, owner: str, kind: Kind) -> Sequence[OpenConnection]:
        """Give the open connections of one kind that a user has, and that stay."""
        return [
            connection
            for connection, entry in self._all.items()
            if entry.kind == kind
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


def _most_of(kind: Kind) -> int:
    if kind == "stream":
        return mcp_settings.MAX_STREAMS_PER_USER
    return mcp_settings.MAX_CALLS_PER_USER


def _ending() -> Refused:
    return Refused(503, "the server is being shut down; try again", headers=RETRY_LATER)


def _too_many(kind: Kind) -> Refused:
    status, message, seconds = _TOO_MANY[kind]
    headers = [(b"retry-after", b"%d" % seconds)]
    return Refused(status, message % _most_of(kind), headers=headers)


async def close(connection: OpenConnection, why: Why) -> None:
    """Close one connection; its failure is no other's."""
    connection.note_why(why)
    await _end(connection.close())


async def answer_and_close(
    connection: OpenConnection, error: ErrorAnswer, why: Why
) -> None:
    """Close one connection, after its clients were told why of what still runs there.

    Args:
        connection: Which one.
        error: The answer of each request that runs or waits.
        why: For what is told of sessions.
    """
    try:
        await connection.end_running(lambda request: True, error)
    finally:
        await close(connection, why)


async def finish(connection: OpenConnection, why: Why) -> None:
    """Close one connection when nothing runs any more; its failure is no other's."""
    connection.note_why(why)
    await _end(connection.finish())


async def retire(connection: OpenConnection) -> None:
    """End one connection that is old; its failure is no other's."""
    connection.note_why("expired")
    await _end(connection.retire())


async def abort(connection: OpenConnection) -> None:
    """End one connection whose client takes nothing; its failure is no other's."""
    connection.note_why("unresponsive")
    await _end(connection.abort())


async def _end(ending: Awaitable[None]) -> None:
    try:
        await ending
    except BaseException as error:
        if ends_task(error):
            raise
        logger.exception("a connection could not be closed; see the error")
