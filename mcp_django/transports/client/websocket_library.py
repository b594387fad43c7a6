"""What clients over WebSocket import of websockets, which the extra `client` brings."""

from mcp_django.transports.client.extras import brought_by

with brought_by("client"):
    from websockets.client import ClientProtocol
    from websockets.exceptions import InvalidStatus, InvalidURI, PayloadTooBig
    from websockets.frames import CloseCode, Frame, Opcode
    from websockets.http11 import Response
    from websockets.protocol import State
    from websockets.typing import Subprotocol
    from websockets.uri import WebSocketURI, parse_uri

__all__ = [
    "ClientProtocol",
    "CloseCode",
    "Frame",
    "InvalidStatus",
    "InvalidURI",
    "Opcode",
    "PayloadTooBig",
    "Response",
    "State",
    "Subprotocol",
    "WebSocketURI",
    "parse_uri",
]
