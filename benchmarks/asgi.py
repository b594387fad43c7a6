"""What the benchmarks measure: the fixture site, and a raw ASGI application beside it.

The raw application does the least that a server can do. Over SSE it reads the body of a
POST, writes a ready-made event to the stream, and answers 202. Over Streamable HTTP it
reads the body and answers with ready-made JSON.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.asgi import application as site

RESULT = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"3"}],'
    b'"structuredContent":{"result":3}}}'
)
EVENT = b"event: message\r\ndata: %b\r\n\r\n" % RESULT
_streams: dict[bytes, Any] = {}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Route `/raw/` to the raw application and everything else to the site."""
    match scope["path"]:
        case "/raw/sse":
            await _stream(receive, send)
        case "/raw/messages":
            await _message(scope, receive, send)
        case "/raw":
            await _answer(receive, send)
        case _:
            await site(scope, receive, send)


async def _stream(receive: Any, send: Any) -> None:
    key = str(len(_streams)).encode()
    _streams[key] = send
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream")],
        }
    )
    endpoint = b"event: endpoint\r\ndata: /raw/messages?session_id=%b\r\n\r\n" % key
    await send({"type": "http.response.body", "body": endpoint, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.body", "body": b""})


async def _message(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    stream = _streams[scope["query_string"].partition(b"=")[2]]
    await send(
        {
            "type": "http.response.start",
            "status": 202,
            "headers": [(b"content-length", b"0")],
        }
    )
    await send({"type": "http.response.body", "body": b""})
    # As any server of real tools: the answer comes after the 202.
    await asyncio.sleep(0)
    await stream({"type": "http.response.body", "body": EVENT, "more_body": True})


async def _answer(receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(RESULT)).encode()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": RESULT})
