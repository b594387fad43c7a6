"""What works with a token, and whether streams arrive while they are sent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import anyio

from mcp_django.doctor.asking import Answer, fault_of
from mcp_django.doctor.endpoint import BOTH, EVENT_STREAM, INITIALIZE
from mcp_django.doctor.visits import Visit

_FIRST_BYTE_SECONDS: Final = 20.0


async def examine_session(visit: Visit) -> None:
    """Open a session with the token, and a stream in it."""
    step = "session"
    if visit.method == "GET":
        await _examine_stream(visit, authorization(visit))
        return
    headers = {"accept": BOTH, **authorization(visit)}
    started = await _post(visit, INITIALIZE, headers)
    if started is None:
        return
    answer, result = started
    if result is None:
        visit.fail(
            step,
            f"with the token, initialize is answered with {answer.shown()}",
            _remedy(answer),
        )
        return
    name = (result.get("serverInfo") or {}).get("name")
    visit.ok(step, f"{name!r:.100} speaks {result.get('protocolVersion')!r:.20}")
    more = dict(headers)
    if session := answer.headers.get("mcp-session-id"):
        more["mcp-session-id"] = session
    more["mcp-protocol-version"] = str(result.get("protocolVersion"))
    try:
        await _examine_tools(visit, more)
        await _examine_stream(visit, more)
    finally:
        if session:
            await visit.asker.ask("DELETE", visit.url, headers=more)


def authorization(visit: Visit) -> Mapping[str, str]:
    """Give the header that has the token, for the endpoint alone."""
    return {"authorization": f"Bearer {visit.token}"} if visit.token else {}


async def _examine_tools(visit: Visit, headers: Mapping[str, str]) -> None:
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    await visit.asker.ask("POST", visit.url, headers=headers, message=ready)
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    found = await _post(visit, listing, headers)
    if found is None:
        return
    answer, result = found
    tools = None if result is None else result.get("tools")
    if isinstance(tools, list):
        visit.ok("tools", f"{len(tools)} are listed")
    else:
        visit.note("tools", f"tools/list is answered with {answer.shown()}")


async def _post(
    visit: Visit, message: Any, headers: Mapping[str, str]
) -> tuple[Answer, dict[str, Any] | None] | None:
    """Post a request; give the answer, and the result in it."""
    try:
        with anyio.fail_after(visit.asker.seconds):
            async with visit.asker.open(
                "POST", visit.url, headers=headers, message=message
            ) as response:
                found = {name.lower(): text for name, text in response.headers.items()}
                answer = Answer("POST", visit.url, response.status_code, found)
                body = await _first_message(response)
    except Exception as error:
        visit.fail(
            "session",
            fault_of(error, visit.asker.seconds),
            "let the proxy send on what comes, without a buffer",
        )
        return None
    answer = Answer(answer.method, answer.url, answer.status, answer.headers, body)
    message = answer.json_object() or {}
    result = message.get("result")
    return answer, result if isinstance(result, dict) else None


async def _first_message(response: Any) -> bytes:
    """Read a body, of an event stream up to its first message."""
    body = bytearray()
    is_stream = EVENT_STREAM in response.headers.get("content-type", "")
    async for chunk in response.aiter_bytes(4096):
        body += chunk
        if len(body) > 1 << 20:
            break
        if is_stream:
            for line in bytes(body).splitlines(keepends=True):
                if line.startswith(b"data:") and line.endswith((b"\n", b"\r")):
                    data = line[5:].strip()
                    if data:
                        return data
    return bytes(body)


async def _examine_stream(visit: Visit, headers: Mapping[str, str]) -> None:
    """Open the stream for what belongs to no request, and wait for its first byte."""
    step = "stream"
    sent = {**headers, "accept": EVENT_STREAM}
    begun_at = time.monotonic()
    try:
        with anyio.fail_after(visit.asker.seconds):
            async with visit.asker.open("GET", visit.url, headers=sent) as response:
                status, kind = response.status_code, response.headers
                if status == 405:
                    visit.note(step, "the server has none outside of requests (405)")
                    return
                if status != 200 or EVENT_STREAM not in kind.get("content-type", ""):
                    visit.warn(
                        step,
                        f"GET is answered with {status} "
                        f"({kind.get('content-type', 'no type')})",
                        "answer with an event stream, or 405 where there is none",
                    )
                    return
                _examine_stream_headers(visit, kind)
                await _wait_for_byte(visit, response, begun_at)
    except Exception as error:
        visit.fail(
            step,
            f"no headers of it come: {fault_of(error, visit.asker.seconds)}",
            "let the proxy send on what comes (nginx: proxy_buffering off), and speak "
            "HTTP/1.1 to the site",
        )


def _examine_stream_headers(visit: Visit, headers: Any) -> None:
    if headers.get("content-encoding", "identity") != "identity":
        visit.warn(
            "stream",
            f"it is packed ({headers['content-encoding']}), which holds events back",
            "do not compress text/event-stream",
        )


async def _wait_for_byte(visit: Visit, response: Any, begun_at: float) -> None:
    wait = min(_FIRST_BYTE_SECONDS, visit.asker.seconds * 0.8)
    with anyio.move_on_after(wait):
        async for _ in response.aiter_raw():
            seconds = time.monotonic() - begun_at
            visit.ok("stream", f"its first bytes came after {seconds:.1f} seconds")
            return
    visit.warn(
        "stream",
        f"nothing came on it in {wait:g} seconds",
        "if the server sends keep-alives, a proxy holds them back: switch its buffer "
        "off (nginx: proxy_buffering off; or X-Accel-Buffering: no)",
    )


def _remedy(answer: Answer) -> str:
    if answer.status == 401:
        return "take a token for this endpoint that has not ended; see the site's log"
    if answer.status == 403:
        return "take a token with the scopes that the answer names"
    return "see the log of the site"
