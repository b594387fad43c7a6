"""What a trace writes down of each binding, both ways."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from mcp_django import Server
from mcp_django.protocol import jsonrpc
from mcp_django.sessions.stdio import serve_stdio
from mcp_django.tracing import traces
from mcp_django.tracing.carriers import short_name
from tests.consumers import shop
from tests.consumers.connections import open_stream, request, site
from tests.consumers.credentials import token_of
from tests.consumers.streamable import (
    BOTH,
    EVERYTHING,
    call_of,
    headers_of,
    messages_of,
    modern,
    open_session,
    post_modern,
    read_message,
    standalone,
    with_progress,
)
from tests.consumers.websocket_connections import open_websocket
from tests.patience import PATIENCE_SECONDS
from tests.tracing.traced import SECRET, Lines, traced, traced_in_threads

urlpatterns = [*shop.server.urls("mcp")]


async def test_call_of_the_modern_era_and_its_json(folder: Path) -> None:
    """We promise it: both directions, each with who, where and how large."""
    async with traced(folder):
        response = await post_modern(call_of("log", level="info", text=SECRET))
    lines = Lines(folder)
    assert lines.said("binding", "direction", "user", "session", "http", "status") == [
        ("streamable-http", "received", "", None, "POST", None, "tools/call"),
        ("streamable-http", "sent", "", None, "POST", 200, 1),
    ]
    received, sent = lines.entries
    assert received["message"]["params"]["name"] == "log"
    assert sent["bytes"] == len(response.body)
    assert sent["worker"].endswith(f":{os.getpid()}")
    assert SECRET not in lines.text


async def test_stream_of_a_call(folder: Path) -> None:
    """We promise it: each event is a line, a keep-alive none."""
    async with traced(folder):
        response = await post_modern(with_progress(call_of("report", steps=2)))
    assert len(messages_of(response)) == 3
    assert Lines(folder).said("direction", "status") == [
        ("received", None, "tools/call"),
        ("sent", 200, None),
        ("sent", None, "notifications/progress"),
        ("sent", None, "notifications/progress"),
        ("sent", None, 1),
    ]


async def test_session_over_streamable_http(folder: Path) -> None:
    """We promise it: from the answer to `initialize` on, under a short name."""
    async with traced(folder):
        session = await open_session(capabilities=EVERYTHING)
        async with standalone(session) as stream:
            shop.server.tools_changed()
            await read_message(stream)
        await session.delete()
    lines = Lines(folder)
    short = short_name(session.id)
    assert lines.said("direction", "session", "http", "status") == [
        ("received", None, "POST", None, "initialize"),
        ("sent", short, "POST", 200, 0),
        ("received", short, "POST", None, "notifications/initialized"),
        ("sent", short, "POST", 202, None),
        ("sent", short, "GET", 200, None),
        ("sent", short, "GET", None, "notifications/tools/list_changed"),
        ("sent", short, "DELETE", 200, None),
    ]
    assert session.id not in lines.text


async def test_question_and_its_answer(folder: Path) -> None:
    """We promise it: what a user answers is masked."""
    session = await open_session(capabilities=EVERYTHING)
    async with traced(folder, session=session.id):
        call = await session.open_post(call_of("confirm"))
        question = await read_message(call)
        result = {"action": "accept", "content": {"ok": True, "name": SECRET}}
        await session.reply(question, result)
        await call.wait_for_end()
        await call.close()
    lines = Lines(folder)
    methods = [said[-1] for said in lines.said()]
    assert "elicitation/create" in methods
    assert SECRET not in lines.text


async def test_one_session_is_traced_without_others(folder: Path) -> None:
    """We promise it."""
    one, other = await open_session(), await open_session()
    async with traced(folder, session=short_name(one.id)):
        await one.ask("ping")
        await other.ask("ping")
        await post_modern(call_of("add", a=1))
    assert Lines(folder).said("session") == [
        (short_name(one.id), "ping"),
        (short_name(one.id), "ask"),
    ]


async def test_http_and_sse(folder: Path) -> None:
    """We promise it: the endpoint's id, which is a credential, is not shown."""
    async with traced(folder), open_stream(site) as stream:
        await stream.ask("ping")
    lines = Lines(folder)
    assert {entry["session"] for entry in lines.entries} == {
        short_name(stream.session_id)
    }
    said = lines.said("binding", "direction", "http", "event")
    assert said[:3] == [
        ("sse", "sent", "GET", None, None),
        ("sse", "sent", "GET", "endpoint", None),
        ("sse", "received", "POST", None, "initialize"),
    ]
    # Which of the two comes first is up to the session's task.
    assert {said[-1], said[-2]} == {
        ("sse", "sent", "POST", None, None),
        ("sse", "sent", "GET", None, "ask-2"),
    }
    assert stream.session_id not in lines.text


async def test_websocket(folder: Path) -> None:
    """We promise it: one session, both ways; a binary frame is only counted."""
    async with traced(folder), open_websocket(site) as websocket:
        await websocket.ask("ping")
        websocket.send(b"\x00\x01")
        await websocket.receive()
    lines = Lines(folder)
    assert lines.said("binding", "direction")[3:] == [
        ("websocket", "received", "ping"),
        ("websocket", "sent", "ask-2"),
        ("websocket", "received", "<no JSON: 2 bytes>"),
    ]
    [short] = {entry["session"] for entry in lines.entries}
    assert short_name(short) == short


async def test_refusals_are_of_no_user(
    folder: Path, settings: Settings, ada: User
) -> None:
    """We promise it: `everything` shows why a client does not get in."""
    settings.MCP = {"TRACE_DIR": folder}
    headers = {"content-type": "application/json", "authorization": f"Bearer {SECRET}"}
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    async with traced(folder):
        await request(site, "POST", "/mcp", headers=headers, body=body)
    [refused] = (lines := Lines(folder)).entries
    assert (refused["status"], refused["user"]) == (401, None)
    assert SECRET not in lines.text


async def test_one_user_is_traced_without_others(
    folder: Path, settings: Settings, ada: User, bob: User
) -> None:
    """We promise it: whatever the session, and not who is refused."""
    settings.MCP = {"TRACE_DIR": folder}
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    async with traced(folder, user=ada):
        for user in (ada, bob):
            headers = {"content-type": "application/json", **await token_of(user)}
            await request(site, "POST", "/mcp", headers=headers, body=ping)
        headers["authorization"] = "Bearer unknown"
        await request(site, "POST", "/mcp", headers=headers, body=ping)
    assert {entry["user"] for entry in Lines(folder).entries} == {str(ada.pk)}


async def test_stdio(folder: Path, ada: User) -> None:
    """We promise it: the user is the one that the process works as."""
    (stdin, client_out), (client_in, stdout) = os.pipe(), os.pipe()
    server = Server("shop")
    async with asyncio.timeout(PATIENCE_SECONDS), traced(folder, user=ada):
        os.write(
            client_out, jsonrpc.serialize(jsonrpc.request(1, "ping", None)) + b"\n"
        )
        os.close(client_out)
        await serve_stdio(server, ada, stdin=stdin, stdout=stdout)
    for descriptor in (stdin, stdout, client_in):
        os.close(descriptor)
    assert Lines(folder).said("binding", "direction", "user") == [
        ("stdio", "received", str(ada.pk), "ping"),
        ("stdio", "sent", str(ada.pk), 1),
    ]


def test_wsgi(folder: Path, settings: Settings) -> None:
    """We promise it: under a server that has no event loop, too."""
    settings.ROOT_URLCONF = __name__
    message = call_of("log", level="info", text=SECRET)
    headers = {"accept": BOTH, **headers_of(message)}

    def post() -> Any:
        return Client().post(
            "/mcp", modern(message), content_type="application/json", headers=headers
        )

    post()  # the worker is there from the first request on
    with traced_in_threads():
        assert post().status_code == 200
        [worker] = traces().workers
        assert worker["traces"][0]["lines"] == 2
    lines = Lines(folder)
    assert lines.said("binding", "direction", "status") == [
        ("streamable-http", "received", None, "tools/call"),
        ("streamable-http", "sent", 200, 1),
    ]
    assert SECRET not in lines.text
