"""Change notices: what a server tells its clients unasked.

Code of the site says that something changed; whoever holds the clients' sessions is
connected to `noticed` and passes it on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from django.db import DEFAULT_DB_ALIAS, connections
from django.dispatch import Signal

if TYPE_CHECKING:
    from mcp_django.server.server import Server

Topic: TypeAlias = Literal["tools", "resources", "prompts", "resource", "elicitation"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something changed.

    Attributes:
        topic: A list of features, one "resource", or a finished "elicitation".
        subject: URI of the resource or id of the elicitation; "" for lists.
    """

    topic: Topic
    subject: str = ""


noticed = Signal()
"""Sent with `sender=` the `Server` and `notice=` a `Notice`, in any thread."""


def send_after_commit(server: Server, notice: Notice) -> None:
    """Send a notice once the open transaction is committed, at once if there is none.

    Can be called from sync and async code.
    """
    send = partial(noticed.send_robust, sender=server, notice=notice)
    connection = connections[DEFAULT_DB_ALIAS]
    # Outside a transaction Django's on_commit would open a connection to look.
    if connection.in_atomic_block:
        connection.on_commit(send)
    else:
        send()
