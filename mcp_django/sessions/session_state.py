"""What the client of a legacy session set, over a connection that stays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp_django.conf import mcp_settings
from mcp_django.protocol.log_levels import DEFAULT_LOG_LEVEL
from mcp_django.protocol.uris import UriSet
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request, SessionState
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import check_uri, too_many_subscriptions
from mcp_django.worker.subscribers import Subscriber

_MAX_ELICITATIONS: Final = 1000
"""Visits to URLs that one session remembers."""


class StateInMemory(SessionState):
    """What the client set for its session, kept as long as the connection.

    Args:
        server: Whose session it is.
        id: Names the session; None where the transport needs no name for it.
    """

    __slots__ = (
        "_elicitations",
        "_log_level",
        "_server",
        "_subscriber",
        "_uris",
        "id",
    )

    def __init__(self, server: Server, id: str | None) -> None:
        self.id = id
        self._server = server
        self._log_level = DEFAULT_LOG_LEVEL
        self._uris = UriSet(server.resource_keys.of)
        self._subscriber: Subscriber | None = None
        # A set in all but type, which keeps the order and takes less memory when empty.
        self._elicitations: dict[str, None] = {}

    @property
    def uris(self) -> Iterable[str]:
        """What the client subscribed to."""
        return self._uris

    async def read_log_level(self) -> str:
        """Give the severity of the least severe log messages to send."""
        return self._log_level

    async def set_log_level(self, level: str) -> None:
        """Send log messages of this severity and above from now on."""
        self._log_level = level

    async def subscribe(self, uri: str, request: Request) -> None:
        """Tell the client whenever a resource changes, as long as it may be read."""
        check_uri(uri)
        is_full = len(self._uris) >= mcp_settings.MAX_SUBSCRIPTIONS
        if is_full and uri not in self._uris.written(uri):
            raise too_many_subscriptions()
        self._uris.add(uri)
        if self._subscriber is None:
            self._subscriber = Subscriber(self._server, request)
        self._subscriber.note_readable(uri, request)

    async def unsubscribe(self, uri: str) -> None:
        """Tell it no longer."""
        for removed in self._uris.remove(uri):
            if self._subscriber is not None:
                self._subscriber.forget(removed)

    def remember_elicitation(self, id: str) -> None:
        """Tell the client when a visit to a URL has ended."""
        self._elicitations[id] = None
        if len(self._elicitations) > _MAX_ELICITATIONS:
            del self._elicitations[next(iter(self._elicitations))]

    def forget_elicitation(self, id: str) -> None:
        """Tell it no longer, as when it was told."""
        self._elicitations.pop(id, None)

    def wanted(self, notice: Notice) -> list[Notice]:
        """Give what the client wants to know of a change, in its own words."""
        if notice.topic == "elicitation":
            return [notice] if notice.subject in self._elicitations else []
        return notice.as_written_in(self._uris)

    async def may_hear(self, notice: Notice) -> bool:
        """Say whether the client may be told of a change that it wants to know of."""
        return self._subscriber is None or await self._subscriber.may_hear(notice)

    async def recheck(self) -> None:
        """Ask again what the user of the session may read of its subscriptions."""
        if self._subscriber is not None:
            await self._subscriber.recheck(list(self._uris))

    def clear(self) -> None:
        """Begin anew, for a client that does."""
        self._log_level = DEFAULT_LOG_LEVEL
        self._uris.clear()
        self._subscriber = None
        self._elicitations.clear()
