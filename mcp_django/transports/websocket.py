"""WebSocket: what both halves of the binding agree on."""

from typing import Final

SUBPROTOCOL: Final = "mcp"
"""What clients offer in `Sec-WebSocket-Protocol`, and servers accept."""
