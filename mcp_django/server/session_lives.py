"""Telling the site's receivers of sessions that begin and end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import anyio
from django.dispatch import Signal

from mcp_django.auth.interface import anonymous
from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.threads import ThreadPool, handler_threads
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.events import Peer
from mcp_django.signals import session_closed, session_opened

if TYPE_CHECKING:
    from mcp_django.server.server import Server

logger = FaultLog("mcp_django.server")

Why: TypeAlias = Literal[
    "client",
    "disconnected",
    "unresponsive",
    "expired",
    "credentials",
    "operator",
    "shutdown",
    "error",
]
"""Why a session ended:

client: Its client ended it, in so many words, or began anew as another.
disconnected: Its connection ended, by the client or because it was lost: the two look
    alike over HTTP+SSE, and over a WebSocket without closing handshake.
unresponsive: Its client read nothing of what it was sent, or answered no ping.
expired: It was as old as it may be.
credentials: They are no longer valid.
operator: It was ended by `mcp_django.operations`, as by `mcp_status --end`.
shutdown: Its process ends.
error: Its client broke the rules of the connection, or something failed here.
"""

_MAX_SECONDS: Final = 5.0
"""How long receivers may hold up what ends."""


class _State(Enum):
    NEW = auto()
    OPEN = auto()
    OVER = auto()


def label_of(id: str) -> str:
    """Name a session by its id, so that the name is worth nothing to others."""
    return sha256(id.encode()).hexdigest()[:16]


def is_heard(server: Server) -> bool:
    """Say whether receivers want to hear of the sessions of a server."""
    # Mostly there are none; for which server takes ten times as long to say.
    if not (session_opened.receivers or session_closed.receivers):
        return False
    return session_opened.has_listeners(server) or session_closed.has_listeners(server)


class SessionLife:
    """A session of which receivers want to hear: that it begins, and that it ends.

    ::

        NEW --open()--> OPEN --close()--> NEW, as after another `initialize`
         +--------- end(), open or not -------> OVER

    Args:
        server: Whose session it is.
        binding: Over what.
        id: Of the session; None where it has none.
        threads: Beside which receivers run.
    """

    __slots__ = ("_began", "_server", "_state", "_threads", "_told", "_turn", "_why")

    def __init__(
        self,
        server: Server,
        binding: str,
        id: str | None,
        threads: ThreadPool = handler_threads,
    ) -> None:
        self._server = server
        self._threads = threads
        self._told: dict[str, Any] = {
            "session": label_of(id or secrets.token_urlsafe()),
            "binding": binding,
        }
        self._began = time.time()
        self._state = _State.NEW
        self._why: Why | None = None
        # A session may end while receivers still hear that it begins.
        self._turn = anyio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether it has begun, and not ended."""
        return self._state is _State.OPEN

    def resume(self, peer: Peer, user: Any, began: float) -> None:
        """Take it for open, because receivers have heard of it already.

        Args:
            peer: What its client said of itself.
            user: The site's user; None for none.
            began: When, in seconds since the epoch.
        """
        self._told |= {
            "user": anonymous().user if user is None else user,
            "client_info": peer.client_info.model_copy(),
            "protocol_version": peer.version,
        }
        self._began = began
        self._state = _State.OPEN

    async def open(self, peer: Peer, user: Any) -> None:
        """Tell that it begins.

        Args:
            peer: What its client says of itself.
            user: The site's user; None for none.
        """
        if self._state is not _State.NEW:
            return
        self.resume(peer, user, time.time())
        async with self._turn:
            await self._tell(session_opened, self._told)

    def note_why(self, why: Why) -> None:
        """Note why it is about to end; what is said first counts."""
        self._why = self._why or why

    async def close(self, why: Why) -> None:
        """Tell that it has ended, if it was open; another may begin."""
        if self._state is _State.OPEN:
            self._state = _State.NEW
            await self._tell_end(why)

    async def end(self, why: Why) -> None:
        """Tell that it has ended, if it was open; none follows."""
        was_open, self._state = self.is_open, _State.OVER
        if was_open:
            await self._tell_end(why)

    async def _tell_end(self, why: Why) -> None:
        why, self._why = self._why or why, None
        seconds = max(0.0, time.time() - self._began)
        told = {**self._told, "why": why, "seconds": seconds}
        # Also if the task is being cancelled, such as by the server that ends.
        with anyio.move_on_after(_MAX_SECONDS, shield=True):
            async with self._turn:
                await self._tell(session_closed, told)

    async def _tell(self, signal: Signal, told: dict[str, Any]) -> None:
        """Send a signal, in a thread."""
        if not signal.has_listeners(self._server):
            return
        # It logs what receivers raise.
        send = partial(signal.send_robust, self._server, **told)
        try:
            await ask_in_thread(_receivers(), send, self._run)
        except ServiceAway:
            pass  # It has said so in the log.
        except Exception:
            logger.exception("a receiver of a session's signal failed; mend it")

    def _run(self, function: Callable[[], Any]) -> Coroutine[Any, Any, Any]:
        pk = getattr(self._told["user"], "pk", None)
        owner = self._told["session"] if pk is None else str(pk)
        return self._threads.beside.run(function, owner=owner, what=_describe)


def _describe() -> str:
    return "receivers of session_opened and session_closed"


@kept
def _receivers() -> Service:
    return service_of_site(
        "a receiver of session_opened or session_closed",
        "some sessions are not told of",
        timeout=lambda: mcp_settings.RECEIVER_TIMEOUT,
        logger=logger,
    )
