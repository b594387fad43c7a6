"""Server-sent events: bytes to events and back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.transports.event_stream import (
    KEEP_ALIVE,
    MESSAGE_EVENT,
    EventStreamDecoder,
    ServerSentEvent,
    encode_event,
)

LIMIT = 1000


def decode(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = EventStreamDecoder(LIMIT)
    return [event for piece in pieces for event in decoder.feed(piece)]


def test_event_is_written_with_type_and_data() -> None:
    """Spec: WHATWG HTML, 9.2.5 "Parsing an event stream"."""
    written = b'event: message\r\ndata: {"a":1}\r\n\r\n'
    assert encode_event("message", b'{"a":1}') == written
    assert written == MESSAGE_EVENT % b'{"a":1}'


def test_keep_alive_is_a_comment() -> None:
    """Spec: WHATWG HTML, 9.2.7 "Authoring notes"."""
    assert decode(KEEP_ALIVE) == []


STREAMS: dict[str, tuple[bytes, list[ServerSentEvent]]] = {
    "one event": (b"data: a\n\n", [ServerSentEvent("a")]),
    "line ends of all kinds": (
        b"data: a\r\n\r\ndata: b\r\rdata: c\n\n",
        [ServerSentEvent("a"), ServerSentEvent("b"), ServerSentEvent("c")],
    ),
    "a type": (b"event: endpoint\ndata: /m\n\n", [ServerSentEvent("/m", "endpoint")]),
    "an empty type": (b"event:\ndata: a\n\n", [ServerSentEvent("a")]),
    "several lines": (
        b"data: a\ndata\ndata:\ndata: b\n\n",
        [ServerSentEvent("a\n\n\nb")],
    ),
    "one blank is left out": (
        b"data:a\n\ndata:  a\n\n",
        [ServerSentEvent("a"), ServerSentEvent(" a")],
    ),
    "empty data": (b"data:\n\n", [ServerSentEvent("")]),
    "no data": (b"event: a\n\ndata: b\n\n", [ServerSentEvent("b")]),
    "a colon in the data": (b"data: a: b\n\n", [ServerSentEvent("a: b")]),
    "comments": (b": hello\ndata: a\n:\n\n:\n\n", [ServerSentEvent("a")]),
    "fields of others": (b"foo: bar\nData: b\ndata: a\n\n", [ServerSentEvent("a")]),
    "an id that stays": (
        b"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
        [
            ServerSentEvent("a", id="7"),
            ServerSentEvent("b", id="7"),
            ServerSentEvent("c"),
        ],
    ),
    "an id with a null": (b"id: 7\0\ndata: a\n\n", [ServerSentEvent("a")]),
    "a time to wait": (
        b"retry: 10000\ndata: a\n\ndata: b\n\n",
        [ServerSentEvent("a", retry_ms=10_000), ServerSentEvent("b")],
    ),
    "a time to wait that comes before": (
        b"retry: 5\n\ndata: a\n\n",
        [ServerSentEvent("a", retry_ms=5)],
    ),
    "no time to wait": (
        "retry: soon\nretry:\nretry: -1\nretry: ٣\ndata: a\n\n".encode(),
        [ServerSentEvent("a")],
    ),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent("a")]),
    "a second byte order mark": (
        b"data: a\n\n\xef\xbb\xbfdata: b\n\n",
        [ServerSentEvent("a")],
    ),
    "UTF-8": ("data: é€😀\n\n".encode(), [ServerSentEvent("é€😀")]),
    "invalid UTF-8": (b"data: a\xff\xc3\n\n", [ServerSentEvent("a\ufffd\ufffd")]),
    "half an event": (b"data: a\n\ndata: b\n", [ServerSentEvent("a")]),
    "half a line": (b"data: a\n\ndata: b", [ServerSentEvent("a")]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_stream_is_read_as_events(stream: bytes, events: list[ServerSentEvent]) -> None:
    """Spec: WHATWG HTML, 9.2.6 "Interpreting an event stream"."""
    assert decode(stream) == events


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_stream_is_read_the_same_byte_by_byte(
    stream: bytes, events: list[ServerSentEvent]
) -> None:
    """Our choice: how the bytes arrive means nothing."""
    assert decode(*(bytes([byte]) for byte in stream)) == events


_PARTS = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b" ",
        b"1",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xe2\x82\xac",
        b"\xff",
    ]
)


@given(st.lists(_PARTS).map(b"".join), st.lists(st.integers(0, 50)))
def test_any_split_of_the_bytes_gives_the_same_events(
    stream: bytes, cuts: list[int]
) -> None:
    """Our choice: how the bytes arrive means nothing."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert decode(*pieces) == decode(stream)


@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]),
            max_size=50,
        )
    )
)
def test_what_is_written_is_read_back(texts: list[str]) -> None:
    """Our choice: what `jsonrpc.serialize` gives comes through unchanged."""
    stream = b"".join(encode_event("message", text.encode()) for text in texts)
    assert decode(stream) == [ServerSentEvent(text) for text in texts]


TOO_LONG: dict[str, list[bytes]] = {
    "one line": [b"data: %b\n\n" % (b"x" * LIMIT)],
    "a line that does not end": [b"data: %b" % (b"x" * LIMIT)],
    "a line in pieces": [b"data:", *[b"x"] * LIMIT],
    "many lines": [b"data: x\n"] * LIMIT,
    "a comment": [b": %b\n" % (b"x" * LIMIT)],
}


@pytest.mark.parametrize("pieces", TOO_LONG.values(), ids=TOO_LONG)
def test_event_that_is_too_long_is_an_error(pieces: list[bytes]) -> None:
    """Our choice: a peer cannot fill the memory."""
    with pytest.raises(ValueError, match="an event is longer than 1000 bytes"):
        decode(*pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: x\n\n"] * LIMIT,
        [b": keep-alive\n"] * LIMIT,
        [b"event: x\n"] * LIMIT,
        [b"data: %b\n\n" % (b"x" * (LIMIT - 6))] * 3,
    ],
    ids=["short events", "comments", "types", "events just short enough"],
)
def test_long_stream_of_short_events_is_no_error(pieces: list[bytes]) -> None:
    """Our choice: the limit is for what has to be kept."""
    decode(*pieces)
