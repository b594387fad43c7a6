"""The Django way in: the same endpoints as views, behind a project's middleware."""

from __future__ import annotations

import asyncio
import gc
import json
from io import BytesIO
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import connections
from django.http import HttpRequest
from django.test import AsyncClient
from pytest_django import Settings

from mcp_django import views
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.consumers.applications import Application
from mcp_django.server.endpoints import Endpoint
from mcp_django.sessions.registry import Registry
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    make_scope,
    open_stream,
    post,
    request,
)
from tests.consumers.credentials import cookie_of, token_of, without_login
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door, doors, server

MESSAGES, SSE = Endpoint(server, "messages"), Endpoint(server, "sse")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
MIDDLEWARE = [
    "mcp_django.middleware.OriginMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "mcp_django.middleware.CorsMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


@pytest.fixture
def site(
    transactional_db: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Application:
    """Give the project as plain Django serves it, with all that may be in the way."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 5000}
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    handler: Application = ASGIHandler()
    return handler


GZIP = {"accept-encoding": "gzip, deflate"}


# Streams ------------------------------------------------------------------------


async def test_stream_works_behind_all_middleware_and_ends(site: Application) -> None:
    """Chosen: what works one way works the other."""
    async with open_stream(site, headers=GZIP) as stream:
        added = await stream.call("add", a=1, b=2)
        failed = await stream.call("fail")
        read = await stream.ask("resources/read", {"uri": "site://about"})
        registry = current_worker().part(Registry)
        assert len(registry) == 1

    assert added["structuredContent"] == {"result": 3}
    assert failed["isError"] is True
    assert read["contents"][0]["text"] == "A test site."
    assert len(registry) == 0


async def test_stream_is_marked_so_that_middleware_leaves_it_alone(
    site: Application,
) -> None:
    """Chosen: GZipMiddleware would hold events back."""
    async with open_stream(site, headers=GZIP) as stream:
        response = stream.connection.response

    assert response.header("content-type") == "text/event-stream; charset=utf-8"
    assert response.header("content-encoding") == "identity"
    assert response.header("cache-control") == "no-cache, no-transform"
    assert response.header("x-accel-buffering") == "no"
    for name in ("content-length", "connection", "transfer-encoding", "etag"):
        assert response.header(name) is None


async def test_stream_ends_when_the_worker_ends(site: Application) -> None:
    """Chosen: as on the ASGI way."""
    async with open_stream(site) as stream:
        await current_worker().close_all()
        await stream.connection.wait_for_end()

    assert len(current_worker().part(Registry)) == 0


async def test_endpoint_honors_the_root_path(site: Application) -> None:
    """Chosen: as on the ASGI way."""
    below: dict[str, Any] = {"path": "/app/mcp/sse", "root_path": "/app"}
    async with open_stream(site, is_initialized=False, **below) as stream:
        assert stream.endpoint.startswith("/app/mcp/messages?session_id=")


async def test_stream_that_nobody_reads_leaves_no_session_behind(
    site: Application,
) -> None:
    """Chosen: a client may go while middleware still handles the response."""
    scope = make_scope("GET", "/mcp/sse", {})
    response = await views.serve(Endpoint(server, "sse"), ASGIRequest(scope, BytesIO()))
    registry = current_worker().part(Registry)
    [opened] = registry
    is_closed = asyncio.Event()
    end_tasks = opened.transport.on_close

    def on_close() -> None:
        end_tasks()
        is_closed.set()

    opened.transport.on_close = on_close
    assert response.streaming
    del response
    gc.collect()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await is_closed.wait()


# Refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "url", "headers", "body", "status"),
    [
        ("GET", "/mcp/sse", {"host": "evil.example"}, b"", 400),
        ("GET", "/mcp/sse", {"origin": "https://evil.example"}, b"", 403),
        ("GET", "/mcp/sse", {"origin": "null"}, b"", 403),
        ("GET", "/mcp/sse", {"origin": "http://testserver@evil.example"}, b"", 403),
        ("POST", "/mcp/messages", {"origin": "https://evil.example"}, b"{}", 403),
        ("POST", "/mcp/messages?session_id=unknown", {}, b"{}", 404),
        ("POST", "/mcp/messages?session_id=%FF", {}, b"{}", 404),
        ("POST", "/mcp/messages", {}, b"{}", 400),
        ("POST", f"/mcp/messages?{'a&' * 500}", {}, b"{}", 400),
        ("POST", "/mcp/messages", {"content-type": "text/plain"}, b"{}", 415),
        ("POST", "/mcp/messages?session_id=unknown", {}, b" " * 5001, 413),
        ("POST", "/mcp/messages?session_id=x", {"content-length": "5001"}, b"", 413),
    ],
)
async def test_refusals_are_those_of_the_asgi_way(
    site: Application,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
) -> None:
    """Chosen: both ways pass the same gate."""
    headers = {"content-type": "application/json"} | headers

    response = await request(site, method, url, headers=headers, body=body)

    assert response.status == status


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("POST", "/mcp/sse", "GET"),
        ("OPTIONS", "/mcp/sse", "GET"),
        ("GET", "/mcp/messages", "POST"),
    ],
)
async def test_other_methods_are_refused_with_those_allowed(
    site: Application, method: str, url: str, allowed: str
) -> None:
    """Spec: RFC 9110, 15.5.6; the CSRF middleware has no say."""
    response = await request(site, method, url)

    assert response.error() == (
        405,
        -32600,
        f"{method} is not allowed here; use {allowed}",
    )
    assert response.header("allow") == allowed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"\xff", -32700),
        (b"[" * 3000, -32700),
        (b'"\\ud800"', -32700),
        (b"7" * 4999, -32700),
        (b"{}", -32600),
        (b"[]", -32600),
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_bad_bodies_are_refused_and_the_session_lives_on(
    site: Application, body: bytes, code: int
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    async with open_stream(site) as stream:
        response = await stream.post(body)
        await stream.assert_alive()

    assert (response.status, response.json()["error"]["code"]) == (400, code)


async def test_unknown_method_before_initialize_is_not_found(site: Application) -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    async with open_stream(site, is_initialized=False) as stream:
        assert (await stream.ask("server/discover"))["code"] == -32601
        assert (await stream.ask("tools/list"))["code"] == -32600
        await stream.assert_alive()


async def test_session_without_room_is_503_with_retry_after(
    site: Application, settings: Settings
) -> None:
    """Chosen: as on the ASGI way."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "MAX_CONCURRENT": 1,
        "MAX_INBOX": 0,
        "ROOM_TIMEOUT": 0.05,
    }
    call = PING | {"method": "tools/call", "id": "held"}
    params = {"name": "hold", "arguments": {"door": "view"}}
    door = doors["view"] = Door()
    async with open_stream(site) as stream:
        assert (await stream.post(call | {"params": params})).status == 202
        response = await stream.post(PING | {"method": "tools/list"})
        door.open()
        assert (await stream.read_message())["id"] == "held"
    del doors["view"]

    assert (response.status, response.header("retry-after")) == (503, "1")


class AwayAuthenticator(Authenticator):
    """Asks a directory that cannot be reached."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find nobody."""
        raise ConnectionRefusedError("directory.example")

    def is_still_valid(self, identity: Identity) -> bool:
        """Have nobody to ask about."""
        return False


async def test_refusals_while_a_service_is_away_are_not_logged_one_by_one(
    site: Application, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: Django logs each answer of 503; what is away was said in one line."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.AwayAuthenticator"]}
    for _ in range(3):
        response = await post(site, "/mcp/messages?session_id=x", b"{}")
        assert response.status == 503
    refused = await request(site, "PUT", "/mcp/messages")
    assert refused.status == 405

    assert [record.name for record in caplog.records] == [
        "mcp_django.auth",
        "django.request",
    ]


async def test_client_that_goes_while_its_message_waits_for_room_is_forgotten(
    site: Application, settings: Settings
) -> None:
    """Chosen: nothing of it runs later."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1, "MAX_INBOX": 0}
    call = PING | {"method": "tools/call", "id": "held"}
    params = {"name": "hold", "arguments": {"door": "left"}}
    door = doors["left"] = Door()
    async with open_stream(site) as stream:
        await stream.post(call | {"params": params})
        await door.arrivals.receive()
        headers = {"content-type": "application/json"}
        body = BytesIO(json.dumps(PING | {"method": "tools/list"}).encode())
        scope = make_scope("POST", stream.endpoint, headers)
        waiting = asyncio.create_task(views.serve(MESSAGES, ASGIRequest(scope, body)))
        await anyio.wait_all_tasks_blocked()
        assert not waiting.done()

        # So Django does when a client goes.
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        door.open()

        assert (await stream.read_message())["id"] == "held"
        await stream.assert_alive()
    del doors["left"]


async def test_accepted_message_has_an_empty_answer(site: Application) -> None:
    """Spec: 2024-11-05 basic/transports."""
    async with open_stream(site) as stream:
        response = await stream.post(PING)

    assert (response.status, response.body) == (202, b"")


# Authentication -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_missing_credentials_are_challenged_and_not_sent_to_a_login_page(
    site: Application, settings: Settings, method: str
) -> None:
    """Chosen: LoginRequiredMiddleware and the CSRF middleware leave MCP alone."""
    settings.MCP = {}
    url = "/mcp/sse" if method == "GET" else "/mcp/messages?session_id=x"

    response = await request(site, method, url)

    assert response.error() == (401, -32600, "Authentication required")
    challenge = without_login(response.header("www-authenticate"))
    assert challenge == 'Bearer realm="mcp"'
    assert response.header("location") is None


class First(Authenticator):
    """Never finds anybody."""

    challenge = "First"

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Find nobody."""
        return None

    def is_still_valid(self, identity: Identity) -> bool:
        """Vouch for nobody."""
        return False


class Second(First):
    """Another one."""

    challenge = "Second"


async def test_every_challenge_is_passed_on(
    site: Application, settings: Settings
) -> None:
    """Spec: RFC 9110, 11.6.1: there may be several."""
    authenticators = [f"{__name__}.First", f"{__name__}.Second"]
    settings.MCP = {"AUTHENTICATION": authenticators}

    response = await request(site, "GET", "/mcp/sse")

    assert response.header("www-authenticate") == "First, Second"


@pytest.mark.parametrize("credentials", [cookie_of, token_of])
async def test_login_sessions_and_tokens_open_streams(
    site: Application, settings: Settings, ada: User, credentials: Any
) -> None:
    """Chosen: as on the ASGI way."""
    settings.MCP = {}
    async with open_stream(site, headers=await credentials(ada)) as stream:
        result = await stream.call("name_user")

    assert result["content"] == [{"type": "text", "text": "ada"}]


async def test_session_of_another_user_is_not_found(
    site: Application, settings: Settings, ada: User, bob: User
) -> None:
    """Chosen: as on the ASGI way."""
    settings.MCP = {}
    async with open_stream(site, headers=await token_of(ada)) as stream:
        response = await post(site, stream.endpoint, PING, headers=await cookie_of(bob))

    assert response.error() == (404, -32001, "Session not found")


# CORS ---------------------------------------------------------------------------


async def test_preflight_of_an_allowed_origin_is_answered(
    site: Application, settings: Settings
) -> None:
    """Spec: Fetch, "CORS-preflight request"."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}
    headers = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "mcp-param-region",
    }

    response = await request(site, "OPTIONS", "/mcp/messages", headers=headers)

    assert response.status == 200
    assert response.header("access-control-allow-origin") == "https://app.example"
    allowed = (response.header("access-control-allow-headers") or "").split(", ")
    assert {"mcp-param-region", "authorization", "content-type"} <= set(allowed)


async def test_stream_of_an_allowed_origin_says_so_once(
    site: Application, settings: Settings
) -> None:
    """Chosen: the view and the middleware both know; browsers refuse two values."""
    settings.MCP = {"AUTHENTICATION": [], "ALLOWED_ORIGINS": ["https://app.example"]}
    headers = {"origin": "https://app.example"}

    response = await request(site, "GET", "/mcp/sse", headers=headers)

    assert response.header("access-control-allow-origin") == "https://app.example"
    assert response.header("access-control-expose-headers") == (
        "mcp-session-id, www-authenticate"
    )


# Test clients -------------------------------------------------------------------


async def test_django_async_client_can_post(
    site: Application, settings: Settings
) -> None:
    """Chosen: developers test with it."""
    client = AsyncClient(headers={"origin": "http://testserver"})
    async with open_stream(site) as stream:
        accepted = await client.post(
            stream.endpoint, PING, content_type="application/json"
        )
        refused = await client.get("/mcp/messages")

        assert (accepted.status_code, accepted.content) == (202, b"")
        assert (await stream.read_message())["result"] == {}
    assert (refused.status_code, refused["allow"]) == (405, "POST")
