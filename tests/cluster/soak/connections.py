"""Clients that hold a connection: over HTTP+SSE, and over a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import anyio
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.cluster.cluster import User
from tests.cluster.soak.ledger import Refused
from tests.cluster.soak.traffic import (
    CALLS,
    Site,
    call_message,
    result_of,
)
from tests.live.raw import INITIALIZE, INITIALIZED, open_stream
from tests.live.raw_http import (
    Message,
)


async def call_over_sse(site: Site, user: User) -> None:
    """Open a stream on one worker, and post to any."""
    async with site.connections(user, cookie=True) as http:
        home = site.any_url()
        async with open_stream(http, home) as stream:
            await stream.initialize()
            path = stream.endpoint.removeprefix(home)

            async def ask(key: str) -> Message:
                tool, arguments = site.choose()
                stream.endpoint = site.any_url() + path
                status = await stream.post(
                    call_message(key, tool, key=key, **arguments)
                )
                if status != 202:
                    raise Refused(f"{status} to a POST")
                return await _receive(stream.receive, key, site)

            for _ in range(CALLS):
                call = await site.attempt(user, "sse", ask)
                if call.outcome == "lost":
                    return
                await anyio.sleep(site.seconds(2))


async def call_over_websocket(site: Site, user: User) -> None:
    """Call tools over a WebSocket."""
    url = site.any_url().replace("http", "ws", 1) + "/mcp"
    async with connect(
        url,
        subprotocols=[Subprotocol("mcp")],
        additional_headers=user.with_token,
        open_timeout=20,
        close_timeout=2,
    ) as connection:

        async def receive() -> Message:
            message: Message = json.loads(await connection.recv())
            return message

        await connection.send(json.dumps(INITIALIZE))
        with anyio.fail_after(20):
            await receive()
        await connection.send(json.dumps(INITIALIZED))

        async def ask(key: str) -> Message:
            tool, arguments = site.choose()
            await connection.send(
                json.dumps(call_message(key, tool, key=key, **arguments))
            )
            return await _receive(receive, key, site)

        for _ in range(CALLS):
            call = await site.attempt(user, "websocket", ask)
            if call.outcome == "lost":
                return
            await anyio.sleep(site.seconds(2))


async def _receive(
    receive: Callable[[], Awaitable[Message]], key: str, site: Site
) -> Message:
    """Wait for the answer to a call on a stream of many."""
    while True:
        message = await receive()
        if message.get("id") == key:
            return result_of(message)
        if "id" in message and "method" not in message:
            late = site.ledger.calls.get(str(message["id"]))
            # One that the client gave up may be answered later.
            if late is None or late.outcome == "answered":
                site.ledger.broken["an answer came twice, or to nobody"] += 1
