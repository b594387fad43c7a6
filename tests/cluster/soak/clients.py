"""What the clients of the soak do: one function for each kind of them.

Each is one round of a client's life: it connects, asks, and goes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import httpx2
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.cluster import mcp
from tests.cluster.cluster import User
from tests.cluster.soak.ledger import Call, Refused
from tests.cluster.soak.traffic import Site, read_result, result_of
from tests.live.raw import INITIALIZE, INITIALIZED, open_stream
from tests.live.raw_http import BOTH, Message, ModernClient, Session, open_session

CALLS = 20
"""Of one round."""

ASKABLE: Message = {"elicitation": {"form": {}}}
BATCHING = "2025-03-26"


# Streamable HTTP, modern era --------------------------------------------------------


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
            await anyio.sleep(site.seconds(1))


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
        with anyio.move_on_after(5 + site.seconds(20)):
            async with ModernClient(http).listen(
                site.any_url(), resourceSubscriptions=[mcp.BOARD], toolsListChanged=True
            ) as stream:
                while True:
                    await stream.receive()


async def flood(site: Site, user: User) -> None:
    """Call much at once, and then nothing for a while."""
    async with site.connections(user, cookie=False) as http:
        client, url = ModernClient(http), site.any_url()

        async def ask(key: str) -> Message:
            async with client.open_call(url, "run", key=key) as answer:
                return await read_result(answer)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(site.attempt, user, "flood", ask)
    await anyio.sleep(4)


async def read_slowly(site: Site, user: User) -> None:
    """Ask for much, read little of it, and go."""
    port = httpx2.URL(site.any_url()).port or 80
    calls = [site.ledger.begin(user.name, "slow reader") for _ in range(4)]
    for call in calls:
        call.end("left")
    async with await anyio.connect_tcp("127.0.0.1", port) as connection:
        for call in calls:
            await connection.send(_modern_post(user, "text", call.key, size=3_000_000))
        for _ in range(10):
            await connection.receive(1000)
            await anyio.sleep(site.seconds(1))


def _modern_post(user: User, tool: str, key: str, **arguments: Any) -> bytes:
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


# Streamable HTTP, in a session ------------------------------------------------------


async def call_in_session(site: Site, user: User) -> None:
    """Open a session, call tools in it on any worker, and end it."""
    async with site.connections(user, cookie=True) as http:
        session = await _open(site, http)

        async def ask(key: str) -> Message:
            tool, arguments = site.choose()
            async with session.open_call(
                site.any_url(), tool, key=key, **arguments
            ) as answer:
                return await read_result(answer)

        for _ in range(CALLS):
            await site.attempt(user, "session", ask)
            await anyio.sleep(site.seconds(1))
        await session.delete(site.any_url())


async def stream_in_session(site: Site, user: User) -> None:
    """Call what reports progress; leave the stream now and then, and come back."""
    async with site.connections(user, cookie=False) as http:
        session = await _open(site, http)

        async def ask(key: str) -> Message:
            async with session.open_call(
                site.any_url(), "wait", with_progress=True, key=key, seconds=1
            ) as answer:
                return await read_result(answer)

        async def come_back(key: str) -> Message:
            async with session.open_call(
                site.any_url(), "wait", with_progress=True, key=key, seconds=1
            ) as answer:
                if answer.status != 200:
                    return await read_result(answer)
                await answer.receive()
            if not answer.last_event_id:
                raise anyio.EndOfStream
            async with session.get(
                site.any_url(), last_event_id=answer.last_event_id
            ) as resumed:
                return await read_result(resumed)

        for _ in range(CALLS // 4):
            await site.attempt(user, "session stream", ask)
            await site.attempt(user, "session resumed", come_back)
        await session.delete(site.any_url())


async def answer_in_session(site: Site, user: User) -> None:
    """Call tools that ask, and post the answer to any worker."""
    async with site.connections(user, cookie=False) as http:
        session = await _open(site, http)

        async def ask(key: str) -> Message:
            tool, _ = site.choose(("ask", "ask_in_thread"))
            async with session.open_call(site.any_url(), tool, key=key) as answer:
                if answer.status != 200:
                    return await read_result(answer)
                question = await answer.receive()
                if "method" not in question:
                    return result_of(question)
                content = {"action": "accept", "content": {"name": key}}
                status = await session.answer(site.any_url(), question, content)
                if status != 202:
                    raise Refused(f"{status} to an answer")
                return await read_result(answer)

        for _ in range(CALLS // 4):
            await site.attempt(user, "session question", ask)
        await session.delete(site.any_url())


async def cancel_in_session(site: Site, user: User) -> None:
    """Cancel calls on any worker, which then shall not be run to their ends."""
    async with site.connections(user, cookie=False) as http:
        session = await _open(site, http)
        for _ in range(CALLS // 4):
            call = site.ledger.begin(user.name, "session cancelled")
            async with session.open_call(
                site.any_url(),
                "wait",
                id=call.key,
                with_progress=True,
                key=call.key,
                seconds=15,
            ) as answer:
                await answer.receive()
                status = await session.cancel(site.any_url(), call.key)
                with anyio.move_on_after(10) as scope:
                    await answer.receive_all()
            is_late = status == 202 and scope.cancelled_caught
            call.end("left", "202, and nothing happened" if is_late else status)
            site.ledger.late_cancels += is_late
        await session.delete(site.any_url())


async def listen_in_session(site: Site, user: User) -> None:
    """Subscribe, and listen for changes, for a while."""
    async with site.connections(user, cookie=True) as http:
        session = await _open(site, http)
        await session.subscribe(site.any_url(), mcp.BOARD)
        with anyio.move_on_after(5 + site.seconds(20)):
            async with session.get(site.any_url()) as stream:
                while True:
                    await stream.receive()
        await session.delete(site.any_url())


async def call_in_batches(site: Site, user: User) -> None:
    """Send batches of calls, in the one version that has them."""
    params = {**INITIALIZE["params"], "protocolVersion": BATCHING}  # type: ignore[dict-item]
    async with site.connections(user, cookie=False) as http:
        url = site.any_url()
        opened = await http.post(
            f"{url}/mcp",
            headers={"accept": BOTH},
            json={**INITIALIZE, "params": params},
        )
        opened.raise_for_status()
        headers = {
            "accept": BOTH,
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": BATCHING,
        }
        for _ in range(CALLS // 4):
            await _send_batch(site, user, http, headers)
            await anyio.sleep(site.seconds(1))
        await http.delete(f"{site.any_url()}/mcp", headers=headers)


async def _send_batch(
    site: Site, user: User, http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    calls: dict[str, Call] = {}
    for _ in range(10):
        call = site.ledger.begin(user.name, "batch")
        calls[call.key] = call
    batch = [_call(key, "text", key=key, size=20_000) for key in calls]
    response = await http.post(f"{site.any_url()}/mcp", headers=headers, json=batch)
    if response.status_code != 200:
        for call in calls.values():
            call.end("refused", response.status_code)
        return
    for message in _messages(response):
        if message["id"] not in calls:
            site.ledger.broken["batch: an answer came twice, or to nobody"] += 1
            continue
        call = calls.pop(message["id"])
        if "result" not in message or message["result"].get("isError"):
            call.end("failed", message)
        else:
            call.end("answered")
            text = message["result"]["content"][0]["text"]
            site.ledger.check(call, text.partition(" ")[0], user.name)
    for call in calls.values():
        call.end("lost", "no answer in the batch")


def _messages(response: httpx2.Response) -> Sequence[Message]:
    if response.headers["content-type"].startswith("application/json"):
        found = response.json()
        return found if isinstance(found, list) else [found]
    events = [line[6:] for line in response.text.splitlines() if line[:6] == "data: "]
    messages = []
    for data in events:
        found = json.loads(data) if data.strip() else []
        messages += found if isinstance(found, list) else [found]
    return messages


async def _open(site: Site, http: httpx2.AsyncClient) -> Session:
    return await open_session(http, site.any_url(), ASKABLE)


# Connections that stay --------------------------------------------------------------


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
                status = await stream.post(_call(key, tool, key=key, **arguments))
                if status != 202:
                    raise Refused(f"{status} to a POST")
                return await _receive(stream.receive, key, site)

            for _ in range(CALLS):
                call = await site.attempt(user, "sse", ask)
                if call.outcome == "lost":
                    return
                await anyio.sleep(site.seconds(1))


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
            await connection.send(json.dumps(_call(key, tool, key=key, **arguments)))
            return await _receive(receive, key, site)

        for _ in range(CALLS):
            call = await site.attempt(user, "websocket", ask)
            if call.outcome == "lost":
                return
            await anyio.sleep(site.seconds(1))


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


def _call(id: str, tool: str, **arguments: Any) -> Message:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


KINDS = (
    *(call_modern, call_in_session, call_over_sse, call_over_websocket) * 2,
    *(answer_modern, answer_in_session, stream_in_session, cancel_in_session) * 2,
    *(listen_modern, listen_in_session) * 3,
    *(call_in_batches, flood, read_slowly, change),
)
"""Who lives beside each other."""
