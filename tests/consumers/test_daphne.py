"""What stands in for Daphne under other servers; Daphne itself is in the live tests."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mcp_django.consumers import daphne
from mcp_django.consumers.exchange import Event, Scope
from tests.consumers.websocket_connections import make_websocket_scope


class OtherServer:
    """A server that is not Daphne, though its `send` looks like Daphne's.

    Attributes:
        sent: The ASGI events.
    """

    def __init__(self) -> None:
        self.sent: list[Event] = []
        self.send = partial(self._send, object())

    async def _send(self, protocol: object, event: Event) -> None:
        self.sent.append(event)


async def test_connection_of_another_server_is_never_congested() -> None:
    """Chosen: there `send` itself waits."""
    flow = daphne.flow_of(OtherServer().send)
    with flow.reading_held():
        await flow.wait()
    flow.close()

    assert not flow.is_congested
    assert flow.progress() == flow.progress()


@pytest.mark.parametrize(
    ("extensions", "sent"),
    [
        (
            {"websocket.http.response": {}},
            [
                {
                    "type": "websocket.http.response.start",
                    "status": 401,
                    "headers": [(b"www-authenticate", b"Bearer")],
                },
                {"type": "websocket.http.response.body", "body": b"no"},
            ],
        ),
        ({}, [{"type": "websocket.close"}]),
        (None, [{"type": "websocket.close"}]),
    ],
)
async def test_handshake_is_denied_as_asgi_has_it(
    extensions: dict[str, Any] | None, sent: list[Event]
) -> None:
    """ASGI, "WebSocket Denial Response"."""
    server = OtherServer()
    scope = make_websocket_scope(extensions=extensions)
    headers = [(b"www-authenticate", b"Bearer")]
    await daphne.deny_handshake(scope, server.send, 401, headers, b"no")

    assert server.sent == sent


async def test_websocket_is_closed_as_asgi_has_it() -> None:
    """ASGI, "Close"."""
    server = OtherServer()
    daphne.limit_messages(server.send, 100)
    await daphne.close_websocket(server.send, 1001, "going")

    assert server.sent == [{"type": "websocket.close", "code": 1001, "reason": "going"}]


@pytest.mark.parametrize(
    ("scope", "scheme"),
    [
        (make_websocket_scope(scheme="wss"), "https"),
        (make_websocket_scope(scheme="ws"), "http"),
        ({"type": "websocket"}, "http"),
    ],
)
def test_scheme_is_that_of_the_handshake(scope: Scope, scheme: str) -> None:
    """RFC 6455, section 3."""
    assert daphne.scheme_of(scope, OtherServer().send) == scheme
