"""An ASGI application that sends much, with and without flow control."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from urllib.parse import parse_qs

from mcp_django.consumers.daphne import (
    close_websocket,
    deny_handshake,
    flow_of,
    limit_messages,
)
from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.transports.flow import Flow

CHUNK = b"x" * 1_000_000


@dataclass
class State:
    """What the application did last.

    Attributes:
        sent: Chunks sent on the connection that was opened last.
        is_congested: Whether it waits for the reader.
        received: Texts that came on it.
    """

    sent: int
    is_congested: bool
    received: list[str]


state = State(0, False, [])


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or hold a WebSocket."""
    query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
    if scope["path"] == "/state":
        await _respond(send, json.dumps(vars(state)).encode())
        return
    if scope["path"] == "/release":
        release.set()
        await _respond(send, b"")
        return
    if scope["path"] == "/denied":
        headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"4")]
        await deny_handshake(scope, send, int(query["status"]), headers, b"no!\n")
        return
    state.sent, state.received = 0, []
    count = int(query.get("count", "0"))
    if scope["type"] == "http":
        await _stream(send, count, with_flow=query["flow"] == "1")
    else:
        await _hold(receive, send, count, with_flow=query["flow"] == "1")


async def _respond(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send, count: int, *, with_flow: bool) -> None:
    flow = flow_of(send) if with_flow else Flow()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(count):
        await _wait(flow)
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        state.sent += 1
    flow.close()
    await send({"type": "http.response.body"})


async def _hold(receive: Receive, send: Send, count: int, *, with_flow: bool) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    limit_messages(send, 4 * len(CHUNK))
    flow = flow_of(send) if with_flow else Flow()

    async def send_all() -> None:
        for _ in range(count):
            await _wait(flow)
            await send({"type": "websocket.send", "text": CHUNK.decode()})
            state.sent += 1

    sending = asyncio.create_task(send_all())
    try:
        while (event := await receive())["type"] == "websocket.receive":
            state.received.append(event["text"][:20])
            if event["text"] == "close":
                await close_websocket(send, 1001, "as you wish")
            if event["text"] == "hold":
                with flow.reading_held():
                    await release.wait()
            if event["text"] == "await":
                await sending
    finally:
        flow.close()
        sending.cancel()


release = asyncio.Event()


async def _wait(flow: Flow) -> None:
    state.is_congested = flow.is_congested
    await flow.wait()
    state.is_congested = False
