"""Carry messages to and from one peer, each kind of connection in its own way.

`Transport` is the interface. What both halves share is here: `base`, the bindings that
are the same at both ends (`memory`, `byte_stream`), any transport as a pair of anyio
streams (`streams`) and the other way round (`stream_pair`), `lines` for what carries a
message a line, the `tap` where these are watched, and the pure
`event_stream`.

Each other binding has a file of the same name in `server` and in `client`, which know
nothing of each other; `websocket` is what both halves of that one agree on.

May import `mcp_django.protocol`, `mcp_django.bulkheads` and `mcp_django.exceptions`.
"""

from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.byte_stream import ByteStreamTransport
from mcp_django.transports.memory import memory_transports
from mcp_django.transports.stream_pair import StreamPairTransport
from mcp_django.transports.streams import open_streams

__all__ = [
    "ByteStreamTransport",
    "Sender",
    "StreamPairTransport",
    "Transport",
    "memory_transports",
    "open_streams",
]
