"""Clients that have sessions over Streamable HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence

import anyio
import httpx2

from tests.cluster import mcp
from tests.cluster.cluster import User
from tests.cluster.soak.ledger import Call, Refused
from tests.cluster.soak.traffic import (
    ASKABLE,
    CALLS,
    LOST,
    Site,
    call_message,
    read_on,
    read_result,
    result_of,
)
from tests.live.raw import INITIALIZE
from tests.live.raw_http import (
    BOTH,
    Message,
    Session,
    open_session,
)

BATCHING = "2025-03-26"


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
            await anyio.sleep(site.seconds(2))
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
        with anyio.move_on_after(5 + site.seconds(40)):
            async with session.get(site.any_url()) as stream:
                await read_on(site, stream, "session listener")
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
            await anyio.sleep(site.seconds(2))
        await http.delete(f"{site.any_url()}/mcp", headers=headers)


async def _send_batch(
    site: Site, user: User, http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    calls: dict[str, Call] = {}
    for _ in range(10):
        call = site.ledger.begin(user.name, "batch")
        calls[call.key] = call
    batch = [call_message(key, "text", key=key, size=20_000) for key in calls]
    try:
        response = await http.post(f"{site.any_url()}/mcp", headers=headers, json=batch)
    except LOST as error:
        for call in calls.values():
            call.end("lost", repr(error))
        raise
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
