"""An ASGI application that sends much, waiting for its readers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, field

from mcp_django.consumers import daphne
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.transports.server.flow_control import Flow

CHUNK = "x" * 1_000_000
COUNT = 100


@dataclass
class State:
    """What the application did last.

    Attributes:
        sent: Chunks that were sent.
        is_congested: Whether it waits for the reader.
        received: Texts that came on the WebSocket.
    """

    sent: int = 0
    is_congested: bool = False
    received: list[str] = field(default_factory=list)


state = State()
released = asyncio.Event()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or hold a WebSocket, as the path says."""
    match scope["path"]:
        case "/state":
            await _respond(send, json.dumps(asdict(state)).encode())
        case "/release":
            released.set()
            await _respond(send, b"")
        case _ if scope["type"] == "http":
            await _stream(send)
        case _:
            await _hold(receive, send)


async def _respond(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Send) -> None:
    flow = daphne.flow_of(send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body: Event = {"type": "http.response.body", "body": CHUNK.encode()}
    await _send_all(flow, send, {**body, "more_body": True})
    flow.close()
    await send({"type": "http.response.body"})


async def _send_all(flow: Flow, send: Send, event: Event) -> None:
    for _ in range(COUNT):
        state.is_congested = flow.is_congested
        await flow.wait()
        state.is_congested = False
        await send(event)
        state.sent += 1


async def _hold(receive: Receive, send: Send) -> None:
    """Send everything, and take what comes meanwhile; "hold" holds the reading."""
    await receive()
    await send({"type": "websocket.accept"})
    flow = daphne.flow_of(send)
    chunk = {"type": "websocket.send", "text": CHUNK}
    sending = asyncio.create_task(_send_all(flow, send, chunk))
    try:
        while (event := await receive())["type"] == "websocket.receive":
            state.received.append(event["text"][:10])
            if event["text"] == "hold":
                with flow.reading_held():
                    await released.wait()
    finally:
        sending.cancel()
        flow.close()
