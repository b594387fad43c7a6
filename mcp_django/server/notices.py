"""Change notices: what a server tells its clients unasked.

Code of the site says that something changed; what holds the clients' sessions is
connected to `noticed` and passes it on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from django.db import DEFAULT_DB_ALIAS
from django.dispatch import Signal

from mcp_django.bulkheads.databases import after_commit
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.uris import UriSet

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Topic: TypeAlias = Literal["tools", "resources", "prompts", "resource", "elicitation"]

_METHODS: Final[Mapping[Topic, str]] = {
    "tools": "notifications/tools/list_changed",
    "resources": "notifications/resources/list_changed",
    "prompts": "notifications/prompts/list_changed",
    "resource": "notifications/resources/updated",
    "elicitation": "notifications/elicitation/complete",
}
_SUBJECTS: Final[Mapping[Topic, str]] = {
    "resource": "uri",
    "elicitation": "elicitationId",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something changed.

    Attributes:
        topic: A list of features, one "resource", or a finished "elicitation".
        subject: URI of the resource or id of the elicitation; "" for lists.
        is_gone: Whether the resource is no longer there, so that no handler can say any
            more who may read it.
    """

    topic: Topic
    subject: str = ""
    is_gone: bool = False

    @property
    def method(self) -> str:
        """Method of the notification that tells of it."""
        return _METHODS[self.topic]

    @property
    def params(self) -> JSONObject:
        """Parameters of that notification."""
        name = _SUBJECTS.get(self.topic)
        return {} if name is None else {name: self.subject}

    def as_written_in(self, uris: UriSet) -> list[Notice]:
        """Give what a client is told that subscribed to these: in its own words.

        Nothing, if it did not subscribe to the resource. Other notices stay as they
        are.
        """
        if self.topic != "resource":
            return [self]
        return [replace(self, subject=uri) for uri in uris.written(self.subject)]


noticed = Signal()
"""Sent with `sender=` the `Server` and `notice=` a `Notice`, in any thread."""


def send_after_commit(
    server: Server, notice: Notice, using: str = DEFAULT_DB_ALIAS
) -> None:
    """Send a notice once the open transaction is committed, at once if there is none.

    Can be called from sync and async code.

    Args:
        server: Whose clients are told.
        notice: What changed.
        using: Alias of the database whose transaction is meant.
    """
    after_commit(partial(noticed.send_robust, sender=server, notice=notice), using)


def everything(server: Server, uris: Iterable[str]) -> list[Notice]:
    """Give all that may have changed for a client that subscribed to these."""
    lists = map(Notice, changing_lists(server))
    return [*lists, *(Notice("resource", uri) for uri in uris)]


def changing_lists(server: Server) -> list[Topic]:
    """Give the lists that a server has, whose changes clients are told of."""
    lists: dict[Topic, object] = {
        "tools": server.tools,
        "resources": server.resources,
        "prompts": server.prompts,
    }
    return [topic for topic, features in lists.items() if features]
