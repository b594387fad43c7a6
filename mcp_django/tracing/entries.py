"""What a trace says of each message that passes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import cache

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.carriers import Whose
from mcp_django.tracing.files import now
from mcp_django.tracing.masking import MAX_BYTES, masked
from mcp_django.transports.event_stream import EventStreamDecoder
from mcp_django.transports.tap import Direction


def entries_of(
    direction: Direction, data: bytes, whose: Whose, status: int
) -> Iterator[JSONObject]:
    """Say what passes, masked: nothing of a keep-alive, something of each event.

    Args:
        direction: As the tap says it.
        data: The same; events if what carries it is a stream.
        whose: Whose it is.
        status: As the tap says it.
    """
    head: JSONObject = {
        "time": now(),
        "worker": this_worker(),
        "binding": whose.binding,
        "direction": direction,
        "user": whose.user,
        "session": whose.session,
    }
    if whose.method:
        head["http"] = whose.method
    if status:
        head["status"] = status
    if not data:
        yield head
    elif whose.method and direction == "sent" and not status:
        if whose.binding == "websocket":
            yield _with_message(head, data)
        else:
            yield from _with_events(head, data)
    else:
        yield _with_message(head, data)


def this_worker() -> str:
    """Name this process, as `mcp_status` does."""
    return f"{_host()}:{os.getpid()}"


@cache
def _host() -> str:
    return socket.gethostname()


def _with_message(head: JSONObject, data: bytes) -> JSONObject:
    return {**head, "bytes": len(data), "message": masked(data)}


def _with_events(head: JSONObject, data: bytes) -> Iterator[JSONObject]:
    try:
        events = EventStreamDecoder(2 * MAX_BYTES).feed(data)
    except ValueError:  # larger than what is shown
        yield _with_message(head, data)
        return
    for event in events:
        if event.event == "endpoint":
            # Its data has the id of the session, which is a credential.
            yield {**head, "event": event.event}
        elif event.data:
            yield _with_message(head, event.data.encode(errors="replace"))
