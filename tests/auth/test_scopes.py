"""Tokens that allow less than their users may do, over each way into the site."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.consumers.applications import Application
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Response, open_stream, site_of
from tests.consumers.credentials import token_of
from tests.consumers.streamable import (
    JSON_ONLY,
    call_of,
    open_modern,
    open_session,
    post_modern,
    read_message,
)
from tests.consumers.websocket_connections import open_websocket

server = Server("library", scopes={"library:lend": "Borrow and return books"})
site: Application = site_of(server)

WANTED = "library:lend mcp:read"
TEXT = "this needs the scope library:lend, which the token does not have"
DATA = {"error": "insufficient_scope", "scope": WANTED}
ERROR = {"code": -32600, "message": TEXT, "data": DATA}


@server.tool(read_only=True)
async def find(context: Context) -> str:
    """Say what is allowed."""
    return "everything" if context.scopes is None else " ".join(sorted(context.scopes))


@server.tool(scope="library:lend")
def lend() -> str:
    """Need a scope of its own."""
    return "lent"


@server.resource("library://stats")
def stats() -> str:
    """Need the scope of reading."""
    return "42"


@server.resource("library://loans/{reader}", scope="library:lend")
def loans(reader: str) -> str:
    """Need a scope of its own."""
    return reader


@pytest.fixture
async def reader(ada: User) -> dict[str, str]:
    """Give a token of Ada's that only reads."""
    return await token_of(ada, scopes=["mcp:read"])


def listen_to(*uris: str) -> JSONObject:
    """Make a request to listen."""
    params: Any = {"notifications": {"resourceSubscriptions": list(uris)}}
    method = "subscriptions/listen"
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def read_of(uri: str) -> JSONObject:
    """Make a request to read."""
    params = {"uri": uri}
    return {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": params}


def assert_refused(response: Response) -> None:
    """Fail unless a response is the 403 that says what would do."""
    assert response.status == 403
    challenge = response.header("www-authenticate") or ""
    assert challenge.startswith("Bearer ")
    for part in ('error="insufficient_scope"', f'scope="{WANTED}"', TEXT):
        assert part in challenge
    assert response.json() == {"jsonrpc": "2.0", "id": 1, "error": ERROR}


REFUSED = [
    call_of("lend"),
    read_of("library://loans/ada"),
    listen_to("library://stats", "library://loans/ada"),
]


@pytest.mark.parametrize("message", REFUSED)
async def test_request_is_refused_with_403_and_what_would_do(
    reader: dict[str, str], message: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Runtime Insufficient Scope Errors"."""
    response = await post_modern(message, application=site, headers=reader)
    assert_refused(response)


async def test_request_of_a_session_is_refused_alike(reader: dict[str, str]) -> None:
    """Spec: 2025-11-25, as above."""
    session = await open_session(application=site, headers=reader)
    subscription = read_of("library://loans/ada") | {"method": "resources/subscribe"}

    for message in (*REFUSED[:2], subscription):
        assert_refused(await session.post(message))
    assert (await session.post(call_of("find"))).status == 200


async def test_session_does_not_keep_what_its_first_token_allowed(
    reader: dict[str, str], ada: User
) -> None:
    """Chosen: each message is authenticated by itself."""
    session = await open_session(application=site, headers=reader)
    wider = await token_of(ada, scopes=["library:lend"])
    response = await session.post(call_of("lend"), **wider)
    assert response.json()["result"]["content"][0]["text"] == "lent"

    assert_refused(await session.post(call_of("lend")))


async def test_each_message_of_a_batch_is_refused_by_itself(
    reader: dict[str, str],
) -> None:
    """Chosen: the others are answered."""
    session = await open_session("2025-03-26", application=site, headers=reader)
    batch = [call_of("lend"), call_of("find", id=2)]
    response = await session.post(batch, accept=JSON_ONLY)

    assert (response.status, response.header("www-authenticate")) == (200, None)
    answers = {answer["id"]: answer for answer in response.json()}
    assert answers[1]["error"] == ERROR
    assert answers[2]["result"]["content"][0]["text"] == "mcp:read"


async def test_post_to_a_stream_allows_what_its_own_token_does(
    reader: dict[str, str], ada: User
) -> None:
    """Chosen: and not what that of the stream does."""
    everything = await token_of(ada)
    async with open_stream(site, headers=everything) as stream:
        assert (await stream.call("lend"))["content"][0]["text"] == "lent"
        await stream.post(call_of("lend"), headers=reader)
        assert (await stream.read_message())["error"] == ERROR


async def test_websocket_allows_what_the_token_of_its_handshake_does(
    reader: dict[str, str],
) -> None:
    """Chosen: it has been accepted before, so that there is no status."""
    async with open_websocket(site, headers=reader) as socket:
        assert await socket.call("lend") == ERROR
        found = await socket.call("find")
        assert found["content"][0]["text"] == "mcp:read"


@pytest.mark.parametrize(
    ("scopes", "found"),
    [(None, "everything"), (["mcp:read", "other"], "mcp:read other")],
)
async def test_handler_knows_what_is_allowed(
    ada: User, scopes: Iterable[str] | None, found: str
) -> None:
    """Chosen: whatever the site calls it."""
    headers = await token_of(ada, scopes=scopes)
    response = await post_modern(call_of("find"), application=site, headers=headers)
    assert response.json()["result"]["content"][0]["text"] == found


async def test_token_with_an_empty_set_allows_nothing(ada: User) -> None:
    """Chosen: it is not the same as all rights."""
    headers = await token_of(ada, scopes=[])
    response = await post_modern(call_of("find"), application=site, headers=headers)
    assert response.status == 403
    assert response.json()["error"]["data"]["scope"] == "mcp:read"


@pytest.mark.parametrize("scopes", ["mcp:read", {"mcp:read"}, ["mcp:read"], ()])
def test_identity_has_a_frozenset_of_scopes_or_none(scopes: Any) -> None:
    """Chosen: a text has its letters in it, and what can change may change later."""
    with pytest.raises(ValueError, match="must be a frozenset of names, or None for"):
        Identity(AnonymousUser(), scopes=scopes)


# Kept and told ------------------------------------------------------------------------


async def test_kept_credential_allows_what_its_token_does(
    settings: Settings, reader: dict[str, str]
) -> None:
    """Chosen: and what changes in its row counts at once."""
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": 30}
    worker = current_worker()
    await worker.relay.open()
    for _ in range(2):
        assert_refused(
            await post_modern(call_of("lend"), application=site, headers=reader)
        )

    widen = partial(Token.objects.update, scope=WANTED)
    await authentication_threads.run(widen)
    response = await post_modern(call_of("lend"), application=site, headers=reader)
    assert response.json()["result"]["content"][0]["text"] == "lent"
    await worker.relay.close()


# Streams ------------------------------------------------------------------------------


def updated(uri: str) -> JSONObject:
    """Make the notice of a resource that changed."""
    method = "notifications/resources/updated"
    return {"jsonrpc": "2.0", "method": method, "params": {"uri": uri}}


async def test_stream_of_a_session_tells_what_its_own_token_may_read(
    settings: Settings, reader: dict[str, str], ada: User
) -> None:
    """Chosen: whichever token subscribed, and whatever another stream of the session
    was told before."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    session = await open_session(application=site, headers=reader)
    wide = await token_of(ada, scopes=WANTED.split())
    for uri in ("library://loans/ada", "library://stats"):
        subscription = read_of(uri) | {"method": "resources/subscribe"}
        assert (await session.post(subscription, **wide)).status == 200

    stream = await session.get(**wide)
    server.resource_updated("library://loans/ada")
    assert await read_message(stream) == updated("library://loans/ada")
    await stream.close()

    stream = await session.get()
    server.resource_updated("library://loans/ada")
    server.resource_updated("library://loans/ada", is_gone=True)
    server.resource_updated("library://stats")
    assert await read_message(stream) == updated("library://stats")
    await stream.close()


@pytest.mark.parametrize("scope", ["", WANTED, None])
async def test_what_is_open_ends_once_its_token_allows_something_else(
    settings: Settings, reader: dict[str, str], scope: str | None
) -> None:
    """Chosen: its client comes back, with what the token allows then."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    session = await open_session(application=site, headers=reader)
    listening = await open_modern(
        listen_to("library://stats"), application=site, headers=reader
    )
    standalone = await session.get()

    await authentication_threads.run(partial(Token.objects.update, scope=scope))
    await listening.wait_for_end()
    await standalone.wait_for_end()
    await listening.close()
    await standalone.close()
