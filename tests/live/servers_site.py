"""An ASGI application that shows what its server tells it, and what that does."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from typing import Any

from asgiref.sync import iscoroutinefunction
from daphne.http_protocol import WebRequest

from mcp_django.consumers.exchange import Event, Receive, Scope, Send

PIECE = b"x" * 1024 * 1024
PIECES = 125
seen: Counter[str] = Counter()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what the path says."""
    if scope["type"] == "websocket":
        await _talk(scope, receive, send)
    else:
        await _PATHS.get(scope["path"], _tell)(scope, receive, send)


async def _tell(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what the server has told."""
    body, pieces = await _read(receive)
    told = {
        **{name: scope[name] for name in _TOLD},
        "raw_path": scope["raw_path"].decode(),
        "query_string": scope["query_string"].decode(),
        "body": body.decode("latin-1"),
        "pieces": pieces,
        "is_async": iscoroutinefunction(send),
    }
    await _answer(send, told)


_TOLD = ("method", "path", "root_path", "scheme", "http_version", "client", "server")
_BODY: Event = {"type": "http.response.body"}


async def _read(receive: Receive) -> tuple[bytes, int]:
    body, pieces = b"", 0
    while True:
        event = await receive()
        body += event.get("body", b"")
        pieces += 1
        if not event.get("more_body"):
            return body, pieces


async def _start(send: Send, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*headers]})


async def _answer(send: Send, value: Any) -> None:
    body = json.dumps(value).encode()
    await _start(send, (b"content-length", b"%d" % len(body)))
    await send({**_BODY, "body": body})


async def _send_pieces(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send)
    for piece in (b"one", b"two"):
        await send({**_BODY, "body": piece, "more_body": True})
    await send(_BODY)


async def _send_whole(scope: Scope, receive: Receive, send: Send) -> None:
    seen["whole"] += 1
    await _start(send, (b"content-length", b"%d" % len(PIECE)))
    await send({**_BODY, "body": PIECE})


async def _send_unwanted(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 304, "headers": []})
    for piece in (b"one", b"two"):
        await send({**_BODY, "body": piece, "more_body": True})
    await send(_BODY)


async def _send_much(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send)
    for _ in range(PIECES):
        await send({**_BODY, "body": PIECE, "more_body": True})
        seen["sent"] += 1
    await send(_BODY)
    seen["much"] += 1


async def _send_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send(_BODY)


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("it fails")


async def _fail_late(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send)
    await send({**_BODY, "body": b"begun", "more_body": True})
    raise ValueError("it fails")


async def _wait_for_disconnect(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    seen["left"] += 1


async def _stay(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        seen["killed"] += 1


async def _begin_and_stay(scope: Scope, receive: Receive, send: Send) -> None:
    await _start(send)
    await send({**_BODY, "body": b"begun", "more_body": True})
    await _stay(scope, receive, send)


async def _set_patience(scope: Scope, receive: Receive, send: Any) -> None:
    """Say for how many seconds connections may idle."""
    send.args[0].server.http_factory.timeOut = int(scope["query_string"])
    await _send_nothing(scope, receive, send)


async def _tell_seen(scope: Scope, receive: Receive, send: Send) -> None:
    await _answer(send, dict(seen))


async def _count_requests(scope: Scope, receive: Receive, send: Send) -> None:
    """Count the requests that are in memory."""
    kept = [kept for kept in gc.get_objects() if isinstance(kept, WebRequest)]
    await _answer(send, len(kept))


_PATHS = {
    "/pieces": _send_pieces,
    "/whole": _send_whole,
    "/unwanted": _send_unwanted,
    "/much": _send_much,
    "/empty": _send_nothing,
    "/fails": _fail,
    "/fails-late": _fail_late,
    "/hangs": _wait_for_disconnect,
    "/stays": _stay,
    "/begins": _begin_and_stay,
    "/patience": _set_patience,
    "/seen": _tell_seen,
    "/requests": _count_requests,
}


async def _talk(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if scope["path"] == "/refused":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/undecided":
        await asyncio.Event().wait()
    offered = next(iter(scope["subprotocols"]), None)
    await send({"type": "websocket.accept", "subprotocol": offered})
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001})
            return
        await send({**event, "type": "websocket.send"})
    seen["websocket left"] += 1
