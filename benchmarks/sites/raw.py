"""The least that an ASGI server can be asked: read a body, send ready-made bytes.

POST /mcp is answered with JSON. GET /mcp/sse opens an event stream, and POST
/mcp/messages writes an event to it after its 202.
"""

from __future__ import annotations

import asyncio
from typing import Any

RESULT = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"3"}],'
    b'"structuredContent":{"result":3},"isError":false}}'
)
EVENT = b"event: message\r\ndata: %b\r\n\r\n" % RESULT
_streams: dict[bytes, Any] = {}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer whatever is asked."""
    match scope["type"], scope["path"]:
        case "lifespan", _:
            await _live(receive, send)
        case _, "/mcp/sse":
            await open_stream(_streams, receive, send)
        case _, "/mcp/messages":
            body = await read(receive)
            await answer(send, 202, b"")
            if b'"id"' not in body:
                return
            stream = _streams[scope["query_string"].partition(b"=")[2]]
            # As with any server of real tools the answer comes after the 202.
            await asyncio.sleep(0)
            await stream(
                {"type": "http.response.body", "body": EVENT, "more_body": True}
            )
        case _:
            await read(receive)
            await answer(send, 200, RESULT)


async def read(receive: Any) -> bytes:
    """Take a whole body."""
    body: bytes = b""
    while True:
        event = await receive()
        body += event["body"]
        if not event.get("more_body"):
            return body


async def open_stream(streams: dict[bytes, Any], receive: Any, send: Any) -> None:
    """Send where to post, and keep `send` until the client goes."""
    key = str(len(streams)).encode()
    streams[key] = send
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    endpoint = b"event: endpoint\r\ndata: /mcp/messages?session_id=%b\r\n\r\n" % key
    await send({"type": "http.response.body", "body": endpoint, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(send: Any, status: int, body: bytes, *headers: Any) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Any, send: Any) -> None:
    while (event := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{event['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
