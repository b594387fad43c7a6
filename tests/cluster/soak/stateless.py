"""Clients of the modern era over Streamable HTTP, and some that are no good."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import httpx2

from tests.cluster import mcp
from tests.cluster.cluster import User
from tests.cluster.soak.ledger import Refused
from tests.cluster.soak.traffic import (
    ASKABLE,
    CALLS,
    Site,
    read_on,
    read_result,
)
from tests.live.raw_http import (
    BOTH,
    Message,
    ModernClient,
)


async def call_modern(site: Site, user: User) -> None:
    """Call tools, each on any worker."""
    async with site.connections(user, cookie=False) as http:
        client = ModernClient(http)

        async def ask(key: str) -> Message:
            tool, arguments = site.choose()
            async with client.open_call(
                site.any_url(), tool, key=key, **arguments
            ) as answer:
                return await read_result(answer)

        for _ in range(CALLS):
            await site.attempt(user, "modern", ask)
            await anyio.sleep(site.seconds(2))


async def answer_modern(site: Site, user: User) -> None:
    """Call a tool that asks, and bring the answer to another worker."""
    async with site.connections(user, cookie=True) as http:
        client = ModernClient(http, ASKABLE)

        async def ask(key: str) -> Message:
            params: Message = {"name": "ask", "arguments": {"key": key}}
            async with client.open(site.any_url(), "tools/call", params) as answer:
                asked = await _read_questions(answer.status, answer.receive_all)
            retry = {
                "requestState": asked["requestState"],
                "inputResponses": {
                    name: {"action": "accept", "content": {"name": key}}
                    for name in asked["inputRequests"]
                },
            }
            await anyio.sleep(site.seconds(0.5))
            async with client.open(
                site.any_url(), "tools/call", {**params, **retry}
            ) as answer:
                return await read_result(answer)

        for _ in range(CALLS // 4):
            await site.attempt(user, "modern question", ask)


async def _read_questions(
    status: int, receive_all: Callable[[], Awaitable[Sequence[Message]]]
) -> Message:
    messages = await receive_all()
    if status != 200 or not messages:
        raise Refused(f"{status} {messages}")
    last = messages[-1]
    if "result" not in last or "inputRequests" not in last["result"]:
        raise Refused(last)
    result: Message = last["result"]
    return result


async def listen_modern(site: Site, user: User) -> None:
    """Listen for changes, for a while."""
    async with site.connections(user, cookie=True) as http:
        with anyio.move_on_after(5 + site.seconds(40)):
            async with ModernClient(http).listen(
                site.any_url(), resourceSubscriptions=[mcp.BOARD], toolsListChanged=True
            ) as stream:
                await read_on(site, stream, "modern listener")


async def flood(site: Site, user: User) -> None:
    """Call much at once, and then nothing for a while."""
    async with site.connections(user, cookie=False) as http:
        client, url = ModernClient(http), site.any_url()

        async def ask(key: str) -> Message:
            async with client.open_call(url, "run", key=key) as answer:
                return await read_result(answer)

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(site.attempt, user, "flood", ask)
    await anyio.sleep(8)


async def read_slowly(site: Site, user: User) -> None:
    """Ask for much, read little of it, and go."""
    port = httpx2.URL(site.any_url()).port or 80
    calls = [site.ledger.begin(user.name, "slow reader") for _ in range(4)]
    for call in calls:
        call.end("left")
    async with await anyio.connect_tcp("127.0.0.1", port) as connection:
        for call in calls:
            await connection.send(modern_post(user, "text", call.key, size=3_000_000))
        for _ in range(10):
            await connection.receive(1000)
            await anyio.sleep(site.seconds(2))


def modern_post(user: User, tool: str, key: str, **arguments: Any) -> bytes:
    """Write the request that calls a tool, as it is sent."""
    version = "2026-07-28"
    params = {
        "name": tool,
        "arguments": {"key": key, **arguments},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }
    message = {"jsonrpc": "2.0", "id": key, "method": "tools/call", "params": params}
    body = json.dumps(message).encode()
    head = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Accept": BOTH,
        "Mcp-Protocol-Version": version,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
        "Content-Length": str(len(body)),
        **user.with_token,
    }
    lines = [f"{name}: {value}\r\n" for name, value in head.items()]
    return f"POST /mcp HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body


async def change(site: Site, user: User) -> None:
    """Change now and then what the others listen for."""
    async with site.connections(user, cookie=False) as http:

        async def ask(key: str) -> Message:
            async with ModernClient(http).open_call(
                site.any_url(), "touch", key=key
            ) as answer:
                return await read_result(answer)

        for _ in range(CALLS):
            await site.attempt(user, "change", ask)
            await anyio.sleep(0.5)
