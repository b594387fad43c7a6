"""Arbitrary bytes at the doors: headers, addresses, frames, and the mailbox.

Bodies of posts are tried in `tests/consumers`, lines of standard input and sealed ids
with their codecs.
"""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from channels.layers import get_channel_layer
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.worker.acknowledgement import Taken
from mcp_django.worker.send_queue import Envelope
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    Connection,
    make_scope,
    open_stream,
    request,
    site,
)
from tests.consumers.websocket_connections import Closed, open_websocket

few = hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)
header_values = st.binary(max_size=60) | st.sampled_from(
    [
        b"",
        b"\xff",
        b"a" * 5_000,
        b"2026-07-28",
        b"=?base64?!?=",
        b"0.v0-",
        b"-1",
        b"*/*",
    ]
)
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()


@pytest.fixture(autouse=True)
def open_to_all(settings: Settings) -> None:
    """Let every client in."""
    settings.MCP = {"AUTHENTICATION": []}


@few
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD", "\xff"]),
    path=st.sampled_from(["/mcp", "/mcp/", "/mcp/sse", "/mcp/messages"]),
    query=st.binary(max_size=60) | st.just(b"session_id=%00%ff"),
    headers=st.dictionaries(
        st.sampled_from(
            [
                *(b"accept", b"content-type", b"content-length", b"last-event-id"),
                *(b"mcp-session-id", b"mcp-protocol-version", b"mcp-method"),
                *(b"mcp-name", b"mcp-param-x", b"authorization", b"cookie", b"host"),
                *(b"origin", b"sec-fetch-site", b"x-forwarded-for", b"traceparent"),
                *(b"accept-language", b"access-control-request-headers"),
            ]
        ),
        header_values,
        max_size=6,
    ),
)
def test_no_header_and_no_address_gives_a_500(
    method: str, path: str, query: bytes, headers: dict[bytes, bytes]
) -> None:
    """Chosen: whatever a client says of a request is answered or refused."""

    async def ask() -> int:
        scope = make_scope(method, path, {})
        given = dict(scope["headers"]) | headers
        scope |= {"headers": list(given.items()), "query_string": query}
        connection = Connection(site, scope, PING)
        await connection.wait_for_start()
        await connection.close()
        return connection.status

    assert anyio.run(ask) < 500


@few
@given(
    frames=st.lists(
        st.text(max_size=100)
        | st.binary(max_size=100)
        | json_values
        | st.fixed_dictionaries(
            {"jsonrpc": st.just("2.0"), "method": st.just("tools/call")},
            optional={"id": json_values, "params": json_values},
        ),
        max_size=5,
    )
)
def test_no_frame_breaks_a_websocket_but_by_its_rules(frames: list[Any]) -> None:
    """Chosen: what is no message is answered, or the server says why it closes."""

    async def send_all() -> None:
        async with open_websocket(site, is_initialized=False) as websocket:
            for frame in frames:
                websocket.send(frame)
            websocket.send({"jsonrpc": "2.0", "id": "last one", "method": "ping"})
            while True:
                match await websocket.receive():
                    case Closed(code=code):
                        assert code in (1002, 1003, 1007, 1008, 1009)
                        return
                    case {"id": "last one"}:
                        return

    anyio.run(send_all)


@few
@given(
    messages=st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    [
                        *("mcp.batch", "mcp.told", "mcp.told_again", "mcp.heartbeat"),
                        *("mcp.farewell", "mcp.check", "no.type"),
                    ]
                )
            },
            optional={
                name: json_values | st.binary(max_size=20)
                for name in (
                    *("from", "nonce", "by", "number", "mailbox", "is_new"),
                    *("batch", "batches", "told"),
                )
            },
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_message_in_the_mailbox_stops_a_worker(
    messages: list[dict[str, Any]],
) -> None:
    """Chosen: what others of another version may send, the worker reads on."""

    async def take(envelope: Envelope) -> Taken:
        return Taken(299, b"read on")

    async def send_all() -> None:
        layer = get_channel_layer()
        assert layer is not None
        async with open_stream(site) as stream:
            mailbox = await current_worker().relay.open()
            for message in messages:
                await layer.send(mailbox, message)
            # To itself, through the layer: what it answers comes from what reads on.
            relay = current_worker().relay
            relay.on_handed_over("fuzz", take)
            taken = await relay.hand_over(mailbox, {"kind": "fuzz", "body": ""})
            assert taken == Taken(299, b"read on")
            await stream.assert_alive()

    anyio.run(send_all)


def test_doors_let_in_what_is_right() -> None:
    """The other tests would see nothing if nothing came through."""

    async def ask() -> int:
        headers = {
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        body = json.dumps(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "initialize",
                "params": {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "x", "version": "1"},
                },
            }
        ).encode()
        response = await request(site, "POST", "/mcp", headers=headers, body=body)
        return response.status

    assert anyio.run(ask) == 200
