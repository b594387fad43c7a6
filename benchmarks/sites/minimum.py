"""The bare minimum of a tool call: route, parse, check, call, write the result.

No server of real tools can do less, so that no package can be faster. There is no
Django, no origin, host or credential is checked, and there is one tool.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

from benchmarks.sites import raw

_sessions: set[bytes] = set()
_streams: dict[bytes, Any] = {}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Route a request."""
    match scope["type"], scope["path"]:
        case "http", "/mcp":
            await _post(scope, receive, send)
        case "http", "/mcp/sse":
            await raw.open_stream(_streams, receive, send)
        case "http", "/mcp/messages":
            message = json.loads(await raw.read(receive))
            stream = _streams[scope["query_string"].partition(b"=")[2]]
            await raw.answer(send, 202, b"")
            if "id" not in message:
                return
            await asyncio.sleep(0)
            body = b"event: message\r\ndata: %b\r\n\r\n" % await _answer(message)
            await stream(
                {"type": "http.response.body", "body": body, "more_body": True}
            )
        case "http", _:
            await raw.answer(send, 404, b"")
        case _:
            await raw.application(scope, receive, send)


async def _post(scope: Any, receive: Any, send: Any) -> None:
    headers = dict(scope["headers"])
    message = json.loads(await raw.read(receive))
    match message["method"], headers.get(b"mcp-protocol-version"):
        case "initialize", _:
            key = uuid4().hex.encode()
            _sessions.add(key)
            await raw.answer(
                send, 200, await _answer(message), (b"mcp-session-id", key)
            )
        case _ if "id" not in message:
            await raw.answer(send, 202, b"")
        case _, b"2026-07-28" if headers[b"mcp-method"] == message["method"].encode():
            await raw.answer(send, 200, await _answer(message))
        case _ if headers[b"mcp-session-id"] in _sessions:
            await raw.answer(send, 200, await _answer(message))


async def _answer(message: dict[str, Any]) -> bytes:
    result: dict[str, Any]
    match message:
        case {"method": "tools/call", "params": {"name": "add", "arguments": it}}:
            value = await _add(int(it["a"]), int(it["b"]))
            content = [{"type": "text", "text": str(value)}]
            result = {"content": content, "structuredContent": {"result": value}}
        case {"method": "initialize", "params": {"protocolVersion": version}}:
            information = {"name": "minimum", "version": "1"}
            result = {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": information,
            }
        case _:
            return b""
    return json.dumps(
        {"jsonrpc": "2.0", "id": message["id"], "result": result}
    ).encode()


async def _add(a: int, b: int) -> int:
    return a + b
