"""One request on its way through the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from mcp_types.jsonrpc import RequestId

from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.protocol.eras import ERAS, Era
from mcp_django.protocol.events import Peer, RequestReceived
from mcp_django.protocol.input_rounds import RETRY_MEMBERS
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.log_levels import is_severe
from mcp_django.server.answers import Answers, Given
from mcp_django.server.outcomes import FeatureName
from mcp_django.transports.base import Sender

Notify: TypeAlias = Callable[[str, JSONObject], Coroutine[Any, Any, None]]
CloseStream: TypeAlias = Callable[[int | None], Awaitable[object]]
FindSession: TypeAlias = "Callable[[], SessionState]"

T = TypeVar("T")


class SessionState(ABC):
    """What a client set for its session, wherever that is kept."""

    id: str | None

    @abstractmethod
    async def read_log_level(self) -> str:
        """Give the severity of the least severe log messages to send."""

    @abstractmethod
    async def set_log_level(self, level: str) -> None:
        """Send log messages of this severity and above from now on."""

    @abstractmethod
    async def subscribe(self, uri: str, request: Request) -> None:
        """Tell the client whenever a resource changes, as long as it may be read.

        Args:
            uri: Of the resource, which may be read now.
            request: What the client subscribes by.
        """

    @abstractmethod
    async def unsubscribe(self, uri: str) -> None:
        """Tell it no longer."""


@dataclass(slots=True, eq=False)
class Request:
    """A request, its sender, and what its handler may do meanwhile.

    Attributes:
        id: The JSON-RPC id.
        method: Such as "tools/call".
        params: The JSON object as the client sent it, empty if it sent none.
        peer: The client program, and the version that it speaks.
        sender: User and HTTP headers.
        notify: Sends a notification that belongs to this request.
        find_session: Gives the client's session, in an era that has some; None where
            there is none.
        threads: Where `def` handlers run.
        mirrors_headers: Whether its headers have to say what its arguments say; on
            Streamable HTTP in the modern era.
        close_stream: Ends the connection that waits for the answer, so that the client
            comes back for it, after some milliseconds if they are given; None where
            it could not come back.
        is_cancelled: Whether the client waits for the answer no longer.
        language: In which the handler failed, where `around` may have activated it;
            None for the one that is active anyway.
        feature: What it concerns, as soon as that is known.
        refused_because: Why its tool was refused, where the text does not say it.
        progress: The last progress that was reported; it must only grow.
        max_result_bytes: Largest answer in bytes, where its feature has a bound of its
            own; None for that of the site.
        version: Protocol version that the answer has to follow.
        era: How that wants to be answered.
        is_retry: Whether it brings answers to questions of an earlier one. Spec:
            2026-07-28 basic/patterns/mrtr, "Basic Workflow".
    """

    id: RequestId
    method: str
    params: JSONObject
    peer: Peer
    sender: Sender
    notify: Notify
    find_session: FindSession | None = None
    threads: ThreadPool = handler_threads
    mirrors_headers: bool = False
    close_stream: CloseStream | None = None
    is_cancelled: bool = False
    language: str | None = None
    progress: float | None = None
    feature: FeatureName | None = None
    refused_because: str | None = None
    max_result_bytes: int | None = None
    version: str = field(init=False)
    era: Era = field(init=False, repr=False)
    is_retry: bool = field(init=False)
    _answers: Answers | None = field(default=None, init=False)
    _session: SessionState | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.version = self.peer.version
        self.era = era = ERAS[self.version]
        self.is_retry = era.asks_in_results and not RETRY_MEMBERS.isdisjoint(
            self.params
        )

    def take_answers(self, given: Given) -> None:
        """Let the handler find what a retried request brought along."""
        self._answers = Answers(given)

    @property
    def answers(self) -> Answers:
        """What the client answered to questions of earlier runs; few requests ask."""
        if self._answers is None:
            self._answers = Answers()
        return self._answers

    @property
    def session(self) -> SessionState | None:
        """The client's session, if it has one; few requests look at it."""
        find = self.find_session
        if self._session is None and find is not None and self.era.has_sessions:
            self._session = find()
        return self._session

    @property
    def owner(self) -> str | None:
        """For which user its handler runs, so that none takes all threads.

        The user; of those without one the session, or else where they come from. None
        where only one client can be.
        """
        sender = self.sender
        # The user that other transports name need not be one of Django's.
        key = getattr(sender.user, "pk", None)
        if key is not None:
            return str(key)
        session = self.session
        named = None if session is None else session.id
        return named or sender.headers.get("mcp-session-id") or sender.address or None

    def run_in_thread(self, function: Callable[[], T]) -> Coroutine[Any, Any, T]:
        """Run what is of a `def` handler, where handlers run."""
        return self.threads.run(function, owner=self.owner, what=self.describe)

    def ask_in_thread(self, function: Callable[[], T]) -> Coroutine[Any, Any, T]:
        """Run other code of the site, which must not wait for handlers."""
        threads = self.threads.beside
        return threads.run(function, owner=self.owner, what=self.describe)

    def lend(self) -> AbstractContextManager[None]:
        """Lend a thread to what handles it on the event loop, in a block."""
        return self.threads.lent.run(self)

    def lend_beside(self) -> AbstractContextManager[None]:
        """Lend one to other code of the site, which must not wait for handlers."""
        return self.threads.beside.lent.run(self)

    def describe(self) -> str:
        """Say which request it is, for logs."""
        name = self.params.get("name") or self.params.get("uri")
        if not isinstance(name, str):
            return self.method
        return f"{self.method} {name[:200]!r}"

    async def wants_log(self, level: str) -> bool:
        """Say whether the client wants to see log messages of a severity."""
        wanted, session = self.peer.log_level, self.session
        if session is not None:
            wanted = await session.read_log_level()
        return wanted is not None and is_severe(level, wanted)

    @property
    def meta(self) -> Mapping[str, Any]:
        """The `_meta` object of the request, empty if there is none."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}


def make_request(
    received: RequestReceived,
    sender: Sender,
    notify: Notify,
    *,
    find_session: FindSession | None = None,
    threads: ThreadPool = handler_threads,
    mirrors_headers: bool = False,
) -> Request:
    """Make what handlers see of a request.

    Args:
        received: The request, with what its client says of itself.
        sender: Its sender, as far as the transport knows.
        notify: As for `Request`, like the others.
        find_session: Not called where the era has no sessions.
        threads: Where `def` handlers run.
        mirrors_headers: Whether its headers have to say what its arguments say.
    """
    # On the hot path: by name they would take twice as long.
    return Request(
        received.id,
        received.method,
        received.params,
        received.peer,
        sender,
        notify,
        find_session,
        threads,
        mirrors_headers,
    )
