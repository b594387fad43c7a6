"""`Client` and `SyncClient` log in: over which transport, how long, and what they say.

Clocks jump here: what takes minutes takes no time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx2
import pytest

from mcp_django import (
    Client,
    LoginFailed,
    LoginRequired,
    OAuthFault,
    OAuthRefused,
    RequestTimeout,
    SyncClient,
)
from mcp_django.client.oauth import (
    FileStorage,
    LoopbackRedirect,
    OAuth,
    Receiver,
    Redirect,
)
from tests.client.oauth.site import ISSUER, URL, Answer, Asked, Site, User
from tests.client.scripted import DISCOVERED, INITIALIZED
from tests.client.virtual_time import BACKENDS

STREAM = "https://mcp.example/mcp/sse"
MESSAGES = "https://mcp.example/mcp/messages"
TOOL = {"name": "add", "inputSchema": {"type": "object"}}
RESULTS: dict[str, Any] = {
    "server/discover": DISCOVERED,
    "initialize": INITIALIZED,
    "tools/list": {"tools": [TOOL], "ttlMs": 0, "cacheScope": "private"},
    "tools/call": {"content": [{"type": "text", "text": "3"}]},
}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump."""
    return request.param, BACKENDS[request.param]()


def answer_to(asked: Asked) -> Any:
    """Answer a message as an MCP server does; None for what has no answer."""
    message = json.loads(asked.body)
    if "id" not in message:
        return None
    result = {"resultType": "complete", **RESULTS[message["method"]]}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


class MCPSite(Site):
    """A site whose MCP server speaks MCP; a tool needs more rights than the rest."""

    def call(self, asked: Asked) -> Answer:
        """Answer a message that comes with a good token."""
        is_call = asked.headers.get("mcp-method") == "tools/call"
        self.needs = frozenset({"mcp:read", *(["mcp:write"] if is_call else [])})
        answer = super().call(asked)
        if answer.status != 200:
            return answer
        body = answer_to(asked)
        return Answer(202 if body is None else 200, body)


@pytest.fixture
def site() -> MCPSite:
    """Make a site whose challenge asks for little."""
    site = MCPSite()
    site.resource_metadata["scopes_supported"] = ["mcp:read"]
    return site


class SlowUser(User):
    """A user who first has to find their password."""

    async def visit(self, url: str) -> str:
        """Take four minutes."""
        await anyio.sleep(240)
        return await super().visit(url)


@asynccontextmanager
async def connected(
    site: Site, redirect: Redirect | None, url: str = URL, **options: Any
) -> AsyncIterator[Client]:
    """Connect a client that logs in."""
    async with site.client() as asking, site.client() as http:
        auth = OAuth(redirect=redirect, http=asking)
        async with Client(url, auth=auth, http=http, **options) as client:
            yield client


async def test_user_logs_in_while_a_client_connects_and_again_for_a_tool(
    site: Site,
) -> None:
    """Chosen: no timeout of the client runs while the user logs in."""
    user = SlowUser(site)
    async with connected(site, user, timeout=5, probe_timeout=1) as client:
        assert client.version == "2026-07-28"
        await client.list_tools()
        result = await client.call_tool("add", {})

    assert result.content[0].text == "3"  # type: ignore[union-attr]  # the site's
    assert user.scopes == [{"mcp:read"}, {"mcp:read", "mcp:write"}]


async def test_calls_that_begin_while_a_user_logs_in_wait_with_the_others(
    site: Site,
) -> None:
    """Chosen: likewise."""
    user = SlowUser(site)
    async with (
        connected(site, user, timeout=5, probe_timeout=1) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, "add", {})
        await anyio.sleep(120)
        for _ in range(3):
            tasks.start_soon(client.call_tool, "add", {})

    assert len(user.visits) == 2


async def test_server_that_is_silent_is_not_waited_for_longer(site: Site) -> None:
    """Chosen: only the time of the user does not count."""
    silent = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        if scope["path"] == "/mcp" and b"authorization" in headers:
            silent.set()
            await anyio.sleep_forever()
        await site(scope, receive, send)

    user = SlowUser(site)
    transport = httpx2.ASGITransport(app=app)
    async with (
        site.client() as asking,
        httpx2.AsyncClient(transport=transport) as http,
    ):
        auth = OAuth(redirect=user, http=asking)
        started = anyio.current_time()
        with pytest.raises(RequestTimeout):
            async with Client(URL, auth=auth, http=http, timeout=5, probe_timeout=1):
                pass

    assert silent.is_set()
    assert 240 <= anyio.current_time() - started < 260


async def test_user_who_never_comes_back_is_an_error_of_the_login(site: Site) -> None:
    """Chosen: not a timeout of the server, which is not to blame."""

    class Absent(User):
        async def visit(self, url: str) -> str:
            await anyio.sleep_forever()
            raise AssertionError

    with pytest.raises(LoginFailed, match="within 300 seconds"):
        async with connected(site, Absent(site)):
            pass


@pytest.mark.parametrize(
    ("lie", "expected"),
    [
        (lambda site: setattr(site, "user_agrees", False), LoginFailed),
        (lambda site: site.metadata.update(issuer="https://evil.example"), OAuthFault),
        (lambda site: site.routes.pop(("POST", f"{ISSUER}/register")), OAuthFault),
    ],
    ids=["the user says no", "another issuer", "no registration"],
)
async def test_what_went_wrong_is_what_is_raised(
    site: Site, lie: Any, expected: type[Exception]
) -> None:
    """Chosen: it is the same on every way to the server, so that no other is tried."""
    lie(site)
    with pytest.raises(expected, match=r"login\.example"):
        async with connected(site, User(site)):
            pass

    assert site.urls().count(URL) == 1


async def test_call_that_needs_more_than_is_given_fails_alone(site: Site) -> None:
    """Chosen: the connection stays, and what is allowed goes on."""
    site.grantable = frozenset({"mcp:read"})
    async with connected(site, User(site)) as client:
        with pytest.raises(OAuthRefused, match="mcp:write"):
            await client.call_tool("add", {})
        assert [tool.name for tool in await client.list_tools()] == ["add"]


async def test_without_a_redirect_the_caller_learns_what_to_do(site: Site) -> None:
    """Chosen: a view sends its user to a page then."""
    with pytest.raises(LoginRequired) as caught:
        async with connected(site, None):
            pass

    assert caught.value.url == URL


async def test_end_of_a_session_is_worth_no_login(site: Site) -> None:
    """Chosen: no user wants to log in to say goodbye."""
    old = {"server/discover": None}

    def call(asked: Asked) -> Answer:
        answer = Site.call(site, asked)
        if answer.status != 200:
            return answer
        if asked.method == "POST" and json.loads(asked.body)["method"] in old:
            return Answer(404)
        headers = {"mcp-session-id": "s"}
        body = answer_to(asked) if asked.method == "POST" else None
        return Answer(202 if body is None else 200, body, headers)

    site.routes["POST", URL] = call
    site.routes["GET", URL] = lambda _: Answer(405)
    site.routes["DELETE", URL] = call
    user = User(site)
    async with connected(site, user):
        site.tokens.clear()
        site.refresh_tokens.clear()

    assert [one.method for one in site.asked][-1] == "DELETE"
    assert len(user.visits) == 1


# HTTP+SSE -----------------------------------------------------------------------


class StreamingSite(httpx2.AsyncBaseTransport):
    """A server with HTTP+SSE alone, whose answers come on a stream.

    Args:
        site: Looks at the tokens, and answers all else.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._others = httpx2.ASGITransport(app=site)
        self._send, self._receive = anyio.create_memory_object_stream[bytes](10)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer the stream and what is posted, if the token is good."""
        body = await request.aread()
        url = str(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, url, {}, headers, body)
        if (request.method, url) not in {("GET", STREAM), ("POST", MESSAGES)}:
            return await self._others.handle_async_request(request)
        self._site.asked.append(asked)
        refusal = self._site.call(asked)
        if refusal.status != 200:
            return httpx2.Response(refusal.status, headers=dict(refusal.headers))
        if request.method == "GET":
            kind = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=kind, stream=_Events(self._receive))
        if (answer := answer_to(asked)) is not None:
            await self._send.send(json.dumps(answer).encode())
        return httpx2.Response(202)

    async def aclose(self) -> None:
        """End the stream."""
        self._send.close()
        self._receive.close()


class _Events(httpx2.AsyncByteStream):
    """The events of one stream."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"event: endpoint\ndata: /mcp/messages\n\n"
        async for answer in self._answers:
            yield b"data: " + answer + b"\n\n"


async def test_token_for_a_stream_is_good_for_its_messages(site: Site) -> None:
    """Chosen: both are one server; no timeout of the transport runs, either."""
    site = Site()
    site.names_metadata = False
    site.resource_metadata["resource"] = "https://mcp.example/mcp"
    root = "https://mcp.example/.well-known/oauth-protected-resource"
    site.routes["GET", f"{root}/mcp/sse"] = lambda _: Answer(
        body=site.resource_metadata
    )
    user = SlowUser(site)
    async with (
        site.client() as asking,
        httpx2.AsyncClient(transport=StreamingSite(site)) as http,
    ):
        auth = OAuth(redirect=user, http=asking)
        async with Client(STREAM, auth=auth, http=http, timeout=5) as client:
            await client.list_tools()
            site.tokens.clear()
            await client.list_tools()

    assert len(user.visits) == 1
    assert user.visits[0].params["resource"] == "https://mcp.example/mcp"
    assert len(site.forms("refresh_token")) == 1


# Without async ------------------------------------------------------------------


def test_sync_client_logs_in_and_the_next_one_need_not(
    site: Site, tmp_path: Path
) -> None:
    """Chosen: the same object, and the same file, for every kind of client."""
    user = User(site)
    auth = OAuth(
        redirect=user, storage=FileStorage(tmp_path / "tokens"), http=site.client()
    )
    for _ in range(2):
        with SyncClient(URL, auth=auth, http=site.client()) as client:
            client.call_tool("add", {})

    assert len(user.visits) == 2  # for the rights that the tool needs


# What is not for it -------------------------------------------------------------


def test_websocket_takes_no_oauth() -> None:
    """Chosen: its handshake is one request, and a refusal of it says too little."""
    with pytest.raises(ValueError, match="token="):
        Client("wss://mcp.example/mcp", auth=OAuth())


def test_redirect_and_receiver_are_what_programs_derive_from() -> None:
    """Chosen: a program's own way to its user is as good as ours."""
    assert issubclass(LoopbackRedirect, Redirect)
    assert issubclass(User, Receiver)
