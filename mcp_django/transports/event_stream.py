"""Server-sent events: bytes to events and back. Pure.

Spec: WHATWG HTML, 9.2 "Server-sent events".
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

KEEP_ALIVE = b": keep-alive\r\n\r\n"
"""A comment, which readers skip."""

MESSAGE_EVENT = b"event: message\r\ndata: %b\r\n\r\n"
"""An event for a message without an id, where its bytes are filled in."""

_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream.

    Attributes:
        data: Its data, lines joined by line feeds.
        event: Its type, "message" unless named.
        id: Last event id of the stream so far, "" if none.
        retry_ms: Reconnection time set since the last event, in milliseconds.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None


def encode_event(event: str, data: bytes, *, id: str = "") -> bytes:
    """Write an event.

    Args:
        event: Its type, without line ends.
        data: UTF-8 without line ends, such as `jsonrpc.serialize` gives.
        id: What a client names to go on after this event, without line ends.
    """
    named = b"id: %b\r\n" % id.encode() if id else b""
    return b"%bevent: %b\r\ndata: %b\r\n\r\n" % (named, event.encode(), data)


def encode_priming(id: str, retry_ms: int) -> bytes:
    """Write an event without data, so that the client can come back for what follows.

    Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
    """
    return b"id: %b\r\nretry: %d\r\ndata: \r\n\r\n" % (id.encode(), retry_ms)


def encode_retry(retry_ms: int) -> bytes:
    """Tell the client how long to wait before it comes back."""
    return b"retry: %d\r\n\r\n" % retry_ms


class EventStreamDecoder:
    """Cuts bytes into events, however they arrive.

    Args:
        max_event_bytes: Most bytes to keep for one event.

    Attributes:
        last_event_id: Id to name to come back for what follows; also of an event
            without data, once that has ended.
        retry_ms: Reconnection time set since the last event, in milliseconds.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()
        self._is_first_line = True
        self._skip_line_feed = False
        self._size = 0
        self._data: list[str] = []
        self._event = ""
        self._id = ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and give the events that they complete.

        Raises:
            ValueError: An event is longer than `max_event_bytes`.
        """
        if self._skip_line_feed and data:
            self._skip_line_feed = False
            data = data.removeprefix(b"\n")
        # A carriage return ends its line at once; a line feed behind it belongs to it.
        self._skip_line_feed = self._skip_line_feed or data.endswith(b"\r")
        pieces = _LINE_END.split(data)
        events = []
        for piece in pieces[:-1]:
            self._rest += piece
            line = bytes(self._rest)
            self._rest.clear()
            if event := self._take_line(line):
                events.append(event)
        self._rest += pieces[-1]
        self._check_size(self._size + len(self._rest))
        return events

    def _take_line(self, raw: bytes) -> ServerSentEvent | None:
        if self._is_first_line:
            self._is_first_line = False
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if not raw:
            return self._finish_event()
        self._check_size(self._size + len(raw))
        name, _, value = raw.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._size += len(raw)
                self._data.append(value)
            case "event":
                self._event = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value[:15])
        return None

    def _check_size(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise ValueError(f"an event is longer than {self._max_event_bytes} bytes")

    def _finish_event(self) -> ServerSentEvent | None:
        data, event, retry_ms = self._data, self._event, self.retry_ms
        self._data, self._event, self._size = [], "", 0
        self.last_event_id = self._id
        if not data:
            return None
        self.retry_ms = None
        return ServerSentEvent("\n".join(data), event or "message", self._id, retry_ms)
