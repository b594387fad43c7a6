"""Clients of Streamable HTTP, of both eras, played by the test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel

from mcp_django.consumers.applications import Application
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.event_stream import EventStreamDecoder, ServerSentEvent
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    LATEST,
    Connection,
    Response,
    make_scope,
    request,
    site_of,
)
from tests.consumers.shop import server
from tests.site.mcp import Door

MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"
JSON_ONLY = "application/json"
STREAM_ONLY = "text/event-stream"
SERVER_INFO = {"name": "shop", "version": "3.2.1"}
EVERYTHING: JSONObject = {
    "elicitation": {"form": {}, "url": {}},
    "sampling": {"tools": {}},
    "roots": {},
}

shop: Application = site_of(server)
"""The server of `tests.consumers.shop` alone, at /mcp."""


# Both eras --------------------------------------------------------------------------


async def open_post(
    application: Application,
    message: Any,
    *,
    headers: Mapping[str, str] | None = None,
    url: str = "/mcp",
    **more: Any,
) -> Connection:
    """Post a JSON value, or bytes as they are, and wait until the answer begins."""
    connection = begin_post(application, message, headers=headers, url=url, **more)
    await connection.wait_for_start()
    return connection


def begin_post(
    application: Application,
    message: Any,
    *,
    headers: Mapping[str, str] | None = None,
    url: str = "/mcp",
    **more: Any,
) -> Connection:
    """Post a JSON value, or bytes as they are, and wait for nothing."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"content-type": "application/json", "accept": BOTH, **(headers or {})}
    return Connection(application, make_scope("POST", url, headers, **more), body)


async def finish(connection: Connection) -> Response:
    """Wait until the whole answer is there."""
    await connection.wait_for_start()
    await connection.wait_for_end()
    await connection.close()
    return connection.response


async def post(application: Application, message: Any, **options: Any) -> Response:
    """Post a JSON value, or bytes as they are, and wait for the whole answer."""
    return await finish(begin_post(application, message, **options))


async def read_message(connection: Connection) -> Any:
    """Wait for the next message of a stream."""
    event = await connection.read_event()
    assert event.event == "message"
    return json.loads(event.data)


def events_of(response: Response) -> list[ServerSentEvent]:
    """Give the events of a stream that has ended."""
    assert response.status == 200
    assert response.header("content-type") == "text/event-stream; charset=utf-8"
    return EventStreamDecoder(2**24).feed(response.body)


def messages_of(response: Response) -> list[Any]:
    """Give the messages of a stream that has ended."""
    return [json.loads(event.data) for event in events_of(response) if event.data]


def call_of(tool: str, /, *, id: Any = 1, **arguments: Any) -> JSONObject:
    """Make a call of a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


def with_progress(message: JSONObject) -> JSONObject:
    """Ask for reports of progress."""
    params = message["params"]
    meta = {**params.get("_meta", {}), "progressToken": "token"}
    return {**message, "params": {**params, "_meta": meta}}


def progress(step: float, total: float | None = None) -> JSONObject:
    """Make a report of progress as the client gets it."""
    params = {"progressToken": "token", "progress": float(step)}
    if total is not None:
        params["total"] = float(total)
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def text_of(answer: Any) -> str:
    """Give the text of a tool's result."""
    [block] = answer["result"]["content"]
    text: str = block["text"]
    return text


async def arrival(door: Door) -> None:
    """Wait until a handler waits at a door, and everybody knows that it waits."""
    await door.arrivals.receive()
    await anyio.lowlevel.checkpoint()


async def tick() -> None:
    """Do what the worker does each second."""
    for connection in current_worker().connections:
        await connection.tick()


# 2026-07-28 -------------------------------------------------------------------------


def modern(
    message: JSONObject,
    *,
    version: Any = MODERN,
    capabilities: Any = None,
    **meta: Any,
) -> JSONObject:
    """Add to a request what each one says of its client.

    Args:
        message: The request.
        version: Protocol version.
        capabilities: What the client can do; nothing, if left out.
        meta: Other members of `_meta` under "io.modelcontextprotocol/".
    """
    params = message.get("params", {})
    added = {
        "protocolVersion": version,
        "clientCapabilities": {} if capabilities is None else capabilities,
        **meta,
    }
    return {
        **message,
        "params": {
            **params,
            "_meta": {
                **{f"io.modelcontextprotocol/{k}": v for k, v in added.items()},
                **params.get("_meta", {}),
            },
        },
    }


def headers_of(message: JSONObject, **headers: str) -> dict[str, str]:
    """Make the headers that say what a modern request says."""
    params = message.get("params", {})
    name = params.get("uri") if "uri" in params else params.get("name")
    standard = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
    if name is not None:
        standard["mcp-name"] = name
    return standard | {key.replace("_", "-"): value for key, value in headers.items()}


def begin_modern(message: JSONObject, **options: Any) -> Connection:
    """Post a modern request, with its headers, and wait for nothing.

    Args:
        message: The request, without what it says of its client.
        options: Of `modern`, and `headers` beside the standard ones.
    """
    headers = {**headers_of(message), **options.pop("headers", {})}
    application = options.pop("application", shop)
    return begin_post(application, modern(message, **options), headers=headers)


async def open_modern(message: JSONObject, **options: Any) -> Connection:
    """Do the same, and wait until the answer begins."""
    connection = begin_modern(message, **options)
    await connection.wait_for_start()
    return connection


async def post_modern(message: JSONObject, **options: Any) -> Response:
    """Do the same, and wait for the whole answer."""
    return await finish(begin_modern(message, **options))


def complete(result: JSONObject) -> JSONObject:
    """Make what a modern result is in the answer."""
    meta = {"io.modelcontextprotocol/serverInfo": SERVER_INFO}
    return {"resultType": "complete", **result, "_meta": meta}


# Versions with sessions -------------------------------------------------------------


def initialize_of(
    offered: Any = LATEST, capabilities: Any = None, **info: Any
) -> JSONObject:
    """Make a request to open a session; `info` is more of the client's own."""
    params = {
        "protocolVersion": offered,
        "capabilities": {} if capabilities is None else capabilities,
        "clientInfo": {"name": "test", "version": "1", **info},
    }
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


class Session:
    """A session that a client has opened.

    Attributes:
        id: The session id.
        headers: Of each request.
        primes: Whether the version has events without data.
    """

    def __init__(
        self, application: Application, id: str, headers: Mapping[str, str]
    ) -> None:
        self.id = id
        self.headers = {**headers, "mcp-session-id": id}
        self.primes = False
        self._application = application

    def begin_post(self, message: Any, **headers: str) -> Connection:
        """Post a JSON value, or bytes as they are, and wait for nothing."""
        merged = self._with(headers)
        return begin_post(self._application, message, headers=merged)

    async def open_post(self, message: Any, **headers: str) -> Connection:
        """Post a JSON value, or bytes, and wait until the answer begins."""
        connection = self.begin_post(message, **headers)
        await connection.wait_for_start()
        return connection

    async def post(self, message: Any, **headers: str) -> Response:
        """Post a JSON value, or bytes, and wait for the whole answer."""
        return await finish(self.begin_post(message, **headers))

    async def post_and_leave(self, message: Any) -> Response:
        """Post a JSON value, and wait for the end of the connection alone."""
        call = self.begin_post(message)
        await call.wait_for_end()
        await call.go_away()
        return call.response

    async def ask(self, method: str, params: Any = None, **headers: str) -> Any:
        """Send a request that is answered as JSON.

        Returns:
            The result or, for an error, the `error` member.
        """
        message = {"jsonrpc": "2.0", "id": "ask", "method": method}
        if params is not None:
            message["params"] = params
        response = await self.post(message, **headers)
        answer = response.json()
        assert (response.status, answer["id"]) == (200, "ask")
        return answer["result"] if "result" in answer else answer["error"]

    async def reply(self, question: JSONObject, result: JSONObject) -> Response:
        """Answer a question of the server."""
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": result}
        return await self.post(answer)

    async def cancel(self, id: Any) -> Response:
        """Cancel a request."""
        params = {"requestId": id, "reason": "enough"}
        method = "notifications/cancelled"
        return await self.post({"jsonrpc": "2.0", "method": method, "params": params})

    async def get(self, **headers: str) -> Connection:
        """Open a stream, and wait until it begins."""
        merged = {"accept": STREAM_ONLY, **self._with(headers)}
        connection = Connection(self._application, make_scope("GET", "/mcp", merged))
        await connection.wait_for_start()
        return connection

    async def delete(self, **headers: str) -> Response:
        """End the session."""
        merged = self._with(headers)
        return await request(self._application, "DELETE", "/mcp", headers=merged)

    def _with(self, headers: Mapping[str, str]) -> dict[str, str]:
        return self.headers | {k.replace("_", "-"): v for k, v in headers.items()}


async def open_session(
    version: str = LATEST,
    capabilities: Any = None,
    *,
    application: Application = shop,
    headers: Mapping[str, str] | None = None,
    **info: Any,
) -> Session:
    """Open a session as clients do.

    Args:
        version: What the client offers.
        capabilities: What it can do; nothing, if left out.
        application: Answers.
        headers: Of each request.
        info: More of what the client says of itself.
    """
    headers = dict(headers or {})
    message = initialize_of(version, capabilities, **info)
    response = await post(application, message, headers=headers)
    assert response.status == 200
    id = response.header("mcp-session-id")
    assert id is not None
    session = Session(application, id, headers)
    session.primes = version >= "2025-11-25"
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = await session.post(initialized)
    assert (response.status, response.body) == (202, b"")
    return session


@asynccontextmanager
async def standalone(session: Session, **headers: str) -> AsyncIterator[Connection]:
    """Open the stream of a session that belongs to no call, until it is registered."""
    stream = await session.get(**headers)
    try:
        assert stream.status == 200
        while await stream.read_chunk() != b": keep-alive\r\n\r\n":
            pass
        yield stream
    finally:
        await stream.close()
