"""WebSockets at /mcp: who comes in, what is said, and how they end."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.handlers.asgi import ASGIHandler
from pytest_django import Settings

from mcp_django.asgi import MCPRouter
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.consumers.exchange import Event
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import WAIT_SECONDS, site
from tests.consumers.credentials import cookie_of, token_of, without_login
from tests.consumers.websocket_connections import (
    Closed,
    make_websocket_scope,
    open_websocket,
    refusal,
)
from tests.site.mcp import Door, doors, server

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}

open_to_all = pytest.mark.usefixtures("without_authentication")


async def until_no_connection() -> None:
    """Wait until this event loop's worker holds nothing any more."""
    async with asyncio.timeout(WAIT_SECONDS):
        while len(current_worker().connections):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def in_thread(function: Any) -> Any:
    """Use the database."""
    return await authentication_threads.run(function)


# Who comes in -------------------------------------------------------------------

OWN = {"origin": "http://testserver"}
FOREIGN = {"origin": "http://evil.example"}
ALLOWED = {"origin": "https://app.example"}


@open_to_all
@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_endpoint_is_that_of_streamable_http(path: str) -> None:
    """Chosen: one URL for every client."""
    async with open_websocket(site, path) as websocket:
        assert await websocket.ask("ping") == {}


@open_to_all
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"host": "evil.example"}, (400, -32600, "Host not allowed")),
        (FOREIGN, (403, -32600, "Origin not allowed")),
        ({"origin": "null"}, (403, -32600, "Origin not allowed")),
        ({"origin": "https://testserver"}, (403, -32600, "Origin not allowed")),
        ({"host": "evil.example"} | FOREIGN, (400, -32600, "Host not allowed")),
    ],
)
async def test_handshake_passes_the_gate(
    headers: dict[str, str], error: tuple[int, int, str]
) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"; before it is accepted."""
    response = await refusal(site, headers=headers)

    assert response.error() == error
    assert response.header("content-type") == "application/json"


@open_to_all
async def test_own_origin_is_computed_from_the_scheme_of_the_websocket() -> None:
    """RFC 6455, section 3: wss is to https what ws is to http."""
    headers = {"origin": "https://testserver"}
    async with open_websocket(site, headers=headers, scheme="wss") as websocket:
        assert await websocket.ask("ping") == {}


@open_to_all
async def test_server_without_the_extension_can_refuse_too() -> None:
    """ASGI, "WebSocket": a close before the handshake is accepted is a 403."""
    assert (await refusal(site, headers=FOREIGN, extensions={})).status == 403


CREDENTIALS: dict[str, tuple[dict[str, str], bool, bool]] = {
    # what: (other headers, whether with the cookie, whether with the token) -> open
    "token": ({}, False, True),
    "token of a page": (OWN, False, True),
    "cookie of the site's page": (OWN, True, False),
    "token of an allowed page": (ALLOWED, False, True),
}


@pytest.mark.parametrize(
    ("headers", "has_cookie", "has_token"), CREDENTIALS.values(), ids=CREDENTIALS
)
async def test_credentials_are_those_of_http(
    settings: Settings,
    ada: User,
    headers: dict[str, str],
    has_cookie: bool,
    has_token: bool,
) -> None:
    """Chosen: the same authenticators, and the user is the one that they name."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}
    if has_cookie:
        headers = headers | await cookie_of(ada)
    if has_token:
        headers = headers | await token_of(ada)
    async with open_websocket(site, headers=headers) as websocket:
        result = await websocket.call("name_user")

    assert result["content"] == [{"type": "text", "text": "ada"}]


@pytest.mark.parametrize(
    "kind",
    [
        "nothing",
        "cookie without an origin",
        "cookie of an allowed page",
        "wrong token",
        "token as a cookie",
    ],
)
async def test_handshake_without_good_credentials_is_refused(
    settings: Settings, ada: User, kind: str
) -> None:
    """Chosen: browsers always send an Origin with a handshake, and CORS does not hold
    for it; so a cookie proves nothing without the site's own Origin."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}
    settings.CORS_ALLOW_CREDENTIALS = True
    headers = {
        "nothing": {},
        "cookie without an origin": await cookie_of(ada),
        "cookie of an allowed page": ALLOWED | await cookie_of(ada),
        "wrong token": {"authorization": "Bearer wrong"},
        "token as a cookie": {"cookie": (await token_of(ada))["authorization"]},
    }[kind]
    response = await refusal(site, headers=headers)

    if kind == "wrong token":
        reason = "the token is unknown, expired or revoked"
        assert response.error() == (401, -32600, reason)
        challenge = without_login(response.header("www-authenticate"))
        assert challenge == (
            f'Bearer realm="mcp", error="invalid_token", error_description="{reason}"'
        )
    else:
        assert response.error() == (401, -32600, "Authentication required")
        challenge = without_login(response.header("www-authenticate"))
        assert challenge == 'Bearer realm="mcp"'


async def test_user_has_a_bounded_number_of_connections(
    settings: Settings, ada: User
) -> None:
    """Chosen: MCP["MAX_STREAMS_PER_USER"]; the next may come when one has gone."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 1}
    headers = await token_of(ada)
    async with open_websocket(site, headers=headers):
        response = await refusal(site, headers=headers)
        assert response.status == 429
        assert response.header("retry-after") == "10"
    async with open_websocket(site, headers=headers) as websocket:
        assert await websocket.ask("ping") == {}


@open_to_all
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        ([""], None),
        (["mcp"], "mcp"),
        (["chat", "mcp"], "mcp"),
    ],
)
async def test_subprotocol_is_ours_or_none(
    offered: list[str], chosen: str | None
) -> None:
    """RFC 6455, section 4.2.2: the server names one of those offered, or none."""
    async with open_websocket(site, subprotocols=offered) as websocket:
        assert websocket.subprotocol == chosen


@open_to_all
@pytest.mark.parametrize("offered", [["chat"], ["MCP"], ["mcp2", "chat"]])
async def test_client_that_offers_other_subprotocols_only_is_refused(
    offered: list[str],
) -> None:
    """Chosen: who speaks something else would not understand us."""
    response = await refusal(site, subprotocols=offered)

    assert response.error() == (400, -32600, "offer the subprotocol mcp, or none")


@open_to_all
async def test_client_that_goes_before_the_answer_is_let_go() -> None:
    """ASGI: a disconnect may come at any time."""
    events = asyncio.Queue[dict[str, Any]]()
    events.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def refuse_to_send(event: Any) -> None:
        raise AssertionError(event)

    await site(make_websocket_scope(), events.get, refuse_to_send)

    assert len(current_worker().connections) == 0


@pytest.mark.parametrize("path", ["/elsewhere", "/mcp/sse", "/mcp/messages"])
async def test_websocket_to_another_path_is_refused_where_django_comes_next(
    path: str,
) -> None:
    """Chosen: Django's own handler raises for every WebSocket."""
    response = await refusal(MCPRouter(ASGIHandler()).__call__, path)

    assert (response.status, response.body) == (404, b"")


# What is said -------------------------------------------------------------------


@open_to_all
async def test_both_eras_are_spoken_over_one_connection() -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility"; each message says
    which era it is of."""
    async with open_websocket(site, is_initialized=False) as websocket:
        discovered = await websocket.ask("server/discover", {"_meta": META})
        assert MODERN in discovered["supportedVersions"]
        initialized = await websocket.initialize()
        assert initialized["protocolVersion"] == "2025-11-25"
        legacy = await websocket.call("add", a=2)
        assert legacy["structuredContent"] == {"result": 3}
        arguments = {"name": "add", "arguments": {"a": 3}, "_meta": META}
        modern = await websocket.ask("tools/call", arguments)
        assert modern["resultType"] == "complete"


FRAMES: dict[str, tuple[str, int]] = {
    # what: (frame, JSON-RPC error)
    "nothing": ("", -32700),
    "no JSON": ("hello", -32700),
    "two messages": ('{"jsonrpc":"2.0","id":1,"method":"ping"}\n{}', -32700),
    "a lone surrogate": ("\ud800", -32700),
    "no message": ("{}", -32600),
    "an empty batch": ("[]", -32600),
    "a batch": ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
}


@open_to_all
@pytest.mark.parametrize(("frame", "code"), FRAMES.values(), ids=FRAMES)
async def test_frame_that_is_no_message_is_answered_and_the_session_goes_on(
    frame: str, code: int
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; as over stdio."""
    async with open_websocket(site) as websocket:
        websocket.send(frame)
        answer = await websocket.receive()
        assert (answer["id"], answer["error"]["code"]) == (None, code)
        assert await websocket.ask("ping") == {}


@open_to_all
async def test_byte_order_mark_before_a_message_is_skipped() -> None:
    """Spec: RFC 8259, section 8.1: a parser may ignore it."""
    async with open_websocket(site) as websocket:
        websocket.send('\ufeff{"jsonrpc":"2.0","id":7,"method":"ping"}')
        assert await websocket.receive() == {"jsonrpc": "2.0", "id": 7, "result": {}}


@open_to_all
async def test_batch_is_taken_where_the_version_has_them() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    async with open_websocket(site, is_initialized=False) as websocket:
        await websocket.initialize("2025-03-26")
        ping = {"jsonrpc": "2.0", "method": "ping"}
        websocket.send([ping | {"id": 1}, ping | {"id": 2}])
        answers = [await websocket.receive(), await websocket.receive()]

    assert [answer["id"] for answer in answers] == [1, 2]


@open_to_all
@pytest.mark.parametrize(
    ("frame", "closed"),
    [
        (b"{}", Closed(1003, "send each message as a text frame")),
        ("x" * 101, Closed(1009, "at most 100 bytes are taken")),
        ("\u00e9" * 51, Closed(1009, "at most 100 bytes are taken")),
    ],
    ids=["binary", "too large", "too large in UTF-8"],
)
async def test_frame_that_cannot_be_taken_closes(
    settings: Settings, frame: str | bytes, closed: Closed
) -> None:
    """RFC 6455, section 7.4.1; MCP["MAX_LINE_BYTES"]."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_LINE_BYTES": 100}
    async with open_websocket(site, is_initialized=False) as websocket:
        websocket.send(frame)
        assert await websocket.receive() == closed
        await until_no_connection()


@open_to_all
async def test_result_larger_than_clients_take_becomes_an_error(
    settings: Settings,
) -> None:
    """Chosen: MCP["MAX_EVENT_BYTES"], as on event streams."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_EVENT_BYTES": 1000}
    async with open_websocket(site) as websocket:
        result = await websocket.ask("prompts/get", {"name": "greet", "arguments": {}})
        assert "code" in result
        result = await websocket.ask(
            "prompts/get", {"name": "greet", "arguments": {"name": "x" * 1000}}
        )
        assert result["code"] == -32603
        assert "at most 1000 can be sent" in result["message"]


async def test_session_without_room_is_not_read_from(settings: Settings) -> None:
    """We promise it: the client waits, and the messages stay in its own buffers."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    doors["room"] = Door()
    try:
        async with open_websocket(site) as websocket:
            for id in range(5):
                websocket.send(
                    {
                        "jsonrpc": "2.0",
                        "id": id,
                        "method": "tools/call",
                        "params": {"name": "hold", "arguments": {"door": "room"}},
                    }
                )
            await doors["room"].arrivals.receive()
            # One runs, one is in the inbox, one waits for room.
            assert websocket.unread == 2
            doors["room"].open()
            ids = {(await websocket.receive())["id"] for _ in range(5)}
            assert ids == set(range(5))
            assert websocket.unread == 0
    finally:
        del doors["room"]


# How it ends --------------------------------------------------------------------


@open_to_all
async def test_handlers_end_with_their_connection() -> None:
    """We promise it: nobody would read what they return."""
    doors["end"] = Door()
    try:
        async with open_websocket(site) as websocket:
            params = {"name": "hold", "arguments": {"door": "end"}}
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
            websocket.send(message | {"params": params})
            await doors["end"].arrivals.receive()
            before = asyncio.all_tasks()
        assert len(current_worker().connections) == 0
        assert asyncio.all_tasks() < before
    finally:
        doors.pop("end").open()


@open_to_all
async def test_connections_close_when_the_process_ends() -> None:
    """RFC 6455, section 7.4.1: 1001 says that a server goes down. What the client
    listens to ends before (Spec: 2026-07-28 basic/patterns/subscriptions)."""
    async with open_websocket(site) as websocket:
        listen = {"notifications": {"toolsListChanged": True}, "_meta": META}
        websocket.send(
            {
                "jsonrpc": "2.0",
                "id": "mine",
                "method": "subscriptions/listen",
                "params": listen,
            }
        )
        acknowledged = await websocket.receive()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        await current_worker().close_all()
        assert (await websocket.receive())["id"] == "mine"
        assert await websocket.receive() == Closed(1001, "")


async def test_idle_connection_of_a_revoked_user_closes(
    settings: Settings, ada: User
) -> None:
    """We promise it: within a minute; here the look comes with the next tick."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    async with open_websocket(site, headers=await token_of(ada)) as websocket:
        assert await websocket.ask("ping") == {}
        await in_thread(Token.objects.all().delete)
        assert await websocket.receive() == Closed(1001, "")


async def test_message_of_a_revoked_user_is_not_taken(
    settings: Settings, ada: User
) -> None:
    """Chosen: credentials that came with the handshake are looked at again."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    async with open_websocket(site, headers=await token_of(ada)) as websocket:
        ada.is_active = False
        await in_thread(ada.save)
        websocket.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        reason = "the token is unknown, expired or revoked"
        assert await websocket.receive() == Closed(1008, reason)


async def test_permission_that_is_granted_meanwhile_counts(
    settings: Settings, ada: User
) -> None:
    """Chosen: a connection may live for days; Django keeps permissions on the user."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    async with open_websocket(site, headers=await token_of(ada)) as websocket:
        before = await websocket.ask("tools/list")
        permission = await in_thread(
            Permission.objects.filter(codename="view_user").get
        )
        await in_thread(lambda: ada.user_permissions.add(permission))
        after = await websocket.ask("tools/list")

    names = [{tool["name"] for tool in listed["tools"]} for listed in (before, after)]
    assert names[1] - names[0] == {"count_users"}


@open_to_all
async def test_change_is_heard_over_a_websocket() -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    async with open_websocket(site) as websocket:
        await websocket.ask("resources/subscribe", {"uri": "site://about"})
        server.resource_updated("site://about")
        heard = await websocket.receive()

    assert heard["method"] == "notifications/resources/updated"
    assert heard["params"]["uri"] == "site://about"


@open_to_all
async def test_bug_closes_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """We promise it: nothing leaves the application, and the client is told."""
    sent: list[Event] = []
    events: list[Event | Exception] = [
        {"type": "websocket.connect"},
        LookupError("the server's own fault"),
    ]

    async def receive() -> Event:
        event = events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    async def send(event: Event) -> None:
        sent.append(event)

    with caplog.at_level(logging.ERROR):
        await site(make_websocket_scope(), receive, send)

    assert [event["type"] for event in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == 1011
    assert "GET /mcp failed" in caplog.text
    assert len(current_worker().connections) == 0
