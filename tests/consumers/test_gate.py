"""The gate, at the endpoints: Host, Origin, methods, authentication."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from pytest_django import Settings

from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import workers_of_process
from tests.consumers.connections import (
    Response,
    open_stream,
    post,
    request,
    site,
)
from tests.consumers.credentials import assert_challenged, cookie_of, token_of

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def get_stream(**options: Any) -> Response:
    """Ask for the event stream, and leave it at once."""
    return await request(site, "GET", "/mcp/sse", **options)


# Host ---------------------------------------------------------------------------


@pytest.mark.usefixtures("without_authentication")
@pytest.mark.parametrize(
    "host",
    [
        "testserver",
        "TestServer",
        "testserver:8000",
        "localhost:8000",
        "127.0.0.1",
        "[::1]:8000",
    ],
)
async def test_host_of_the_site_is_admitted(host: str) -> None:
    """Chosen: as Django's own check of ALLOWED_HOSTS."""
    assert (await get_stream(headers={"host": host})).status == 200


@pytest.mark.usefixtures("without_authentication")
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "testserver.evil.example",
        "testserver@evil.example",
        "evil.example:testserver",
        "testserver, evil.example",
        "testserver\\evil.example",
        "test server",
        "[::1",
        ":8000",
        "",
        "*",
    ],
)
async def test_host_of_another_site_is_refused(host: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning" (DNS rebinding)."""
    response = await get_stream(headers={"host": host})

    assert response.error() == (400, -32600, "Host not allowed")
    assert response.header("content-type") == "application/json"


@pytest.mark.usefixtures("without_authentication")
async def test_host_is_looked_at_for_posts_too() -> None:
    """Chosen: no endpoint is without the gate."""
    url = "/mcp/messages?session_id=x"
    response = await post(site, url, PING, headers={"host": "evil.example"})

    assert response.error() == (400, -32600, "Host not allowed")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("app.localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("mcp.example", 200),
        ("a.wild.example", 200),
        ("testserver", 400),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("evillocalhost", 400),
    ],
)
async def test_only_loopback_and_named_hosts_pass_where_all_are_allowed(
    settings: Settings, host: str, status: int
) -> None:
    """Chosen: a page that rebinds its name sends no Origin with a GET."""
    settings.ALLOWED_HOSTS = ["*"]
    settings.MCP = {
        "AUTHENTICATION": [],
        "ALLOWED_HOSTS": ["mcp.example", ".wild.example"],
    }

    assert (await get_stream(headers={"host": host})).status == status


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("testserver", 400)])
async def test_only_loopback_passes_in_development_without_allowed_hosts(
    settings: Settings, host: str, status: int
) -> None:
    """Chosen: as Django does."""
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = []
    settings.MCP = {"AUTHENTICATION": []}

    assert (await get_stream(headers={"host": host})).status == status


@pytest.mark.usefixtures("without_authentication")
async def test_forwarded_host_counts_only_where_the_project_says_so(
    settings: Settings,
) -> None:
    """Chosen: as Django does."""
    foreign = {"host": "testserver", "x-forwarded-host": "evil.example"}
    behind_proxy = {"host": "10.0.0.1:8000", "x-forwarded-host": "testserver"}

    assert (await get_stream(headers=foreign)).status == 200
    assert (await get_stream(headers=behind_proxy)).status == 400
    settings.USE_X_FORWARDED_HOST = True
    assert (await get_stream(headers=foreign)).status == 400
    assert (await get_stream(headers=behind_proxy)).status == 200


@pytest.mark.usefixtures("without_authentication")
async def test_refused_host_and_remedy_are_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: the client learns nothing, whoever runs the site learns all."""
    await get_stream(headers={"host": "evil.example"})

    [record] = caplog.records
    assert (record.name, record.levelno) == ("mcp_django.gate", logging.WARNING)
    assert record.getMessage() == (
        "Host 'evil.example' refused; to allow it, add it to "
        "ALLOWED_HOSTS or MCP['ALLOWED_HOSTS']"
    )


@pytest.mark.usefixtures("without_authentication")
async def test_refused_host_and_remedy_are_in_the_answer_under_debug(
    settings: Settings,
) -> None:
    """Chosen: what a developer needs to see at once."""
    settings.DEBUG = True

    assert (await get_stream(headers={"host": "evil.example"})).error() == (
        400,
        -32600,
        "Host not allowed: 'evil.example'; to allow it, add it to "
        "ALLOWED_HOSTS or MCP['ALLOWED_HOSTS']",
    )


# Origin -------------------------------------------------------------------------


@pytest.mark.usefixtures("without_authentication")
async def test_own_origin_is_admitted() -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"."""
    headers = {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"}

    assert (await get_stream(headers=headers)).status == 200


@pytest.mark.usefixtures("without_authentication")
@pytest.mark.parametrize("url", ["/mcp/sse", "/mcp/messages?session_id=x"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:8000@evil.example",
        "null",
        "not an origin",
        "",
    ],
)
async def test_foreign_or_malformed_origin_is_refused(url: str, origin: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"."""
    headers = {"host": "127.0.0.1:8000", "origin": origin}
    method = "GET" if url.endswith("sse") else "POST"

    response = await request(site, method, url, headers=headers)

    assert response.error() == (403, -32600, "Origin not allowed")
    assert response.header("access-control-allow-origin") is None


@pytest.mark.usefixtures("without_authentication")
async def test_refused_origin_and_remedy_are_in_log_and_debug_answer(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the log always says it, the answer only under DEBUG."""
    settings.DEBUG = True

    response = await get_stream(headers={"origin": "https://evil.example"})

    remedy = "to allow it, add it to MCP['ALLOWED_ORIGINS']"
    assert response.error() == (
        403,
        -32600,
        f"Origin not allowed: 'https://evil.example'; {remedy}",
    )
    assert caplog.messages == [f"Origin 'https://evil.example' refused; {remedy}"]


async def test_origin_is_looked_at_before_credentials() -> None:
    """Chosen: the order of the gate; no look-up is done for a foreign page."""
    response = await get_stream(headers={"origin": "https://evil.example"})

    assert response.status == 403


# Methods ------------------------------------------------------------------------


@pytest.mark.usefixtures("without_authentication")
@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("POST", "/mcp/sse", "GET"),
        ("HEAD", "/mcp/sse", "GET"),
        ("PUT", "/mcp/sse", "GET"),
        ("DELETE", "/mcp/sse", "GET"),
        ("OPTIONS", "/mcp/sse", "GET"),
        ("GET", "/mcp/messages", "POST"),
        ("DELETE", "/mcp/messages", "POST"),
        ("PATCH", "/mcp/messages", "POST"),
    ],
)
async def test_other_methods_are_refused_with_those_allowed(
    method: str, url: str, allowed: str
) -> None:
    """Spec: RFC 9110, 15.5.6; clients probe by POST for Streamable HTTP."""
    response = await request(site, method, url)

    assert response.error() == (
        405,
        -32600,
        f"{method} is not allowed here; use {allowed}",
    )
    assert response.header("allow") == allowed


# Authentication -----------------------------------------------------------------


REASON = "the token is unknown, expired or revoked"
ERROR = f'error="invalid_token", error_description="{REASON}"'


def assert_token_refused(response: Response) -> None:
    """Fail unless a response says that the token was no good."""
    assert_challenged(response, REASON, f'Bearer realm="mcp", {ERROR}')


def assert_login_refused(response: Response) -> None:
    """Fail unless a response says that the login is over."""
    assert_challenged(response, "the login has ended; log in to the site again")


URLS = [
    ("GET", "/mcp/sse"),
    ("POST", "/mcp/messages?session_id=x"),
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Basic YWRhOmFkYQ=="},
        {"authorization": "Bearertoken"},
        {"cookie": "sessionid=" + "a" * 32},
        {"cookie": 'sessionid="\\000"'},
        {"cookie": ";;=;\xff"},
    ],
)
@pytest.mark.parametrize(("method", "url"), URLS)
async def test_no_credentials_are_challenged_in_json_without_an_error(
    method: str, url: str, headers: dict[str, str]
) -> None:
    """Spec: RFC 6750, 3.1; chosen: a program cannot follow a login redirect."""
    assert_challenged(await request(site, method, url, headers=headers))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["mcp_" + "a" * 43, "", "\xff\x01", "a b", "abc.def"])
@pytest.mark.parametrize(("method", "url"), URLS)
async def test_wrong_token_is_told_to_be_one(method: str, url: str, token: str) -> None:
    """Spec: RFC 6750, 3.1: `invalid_token`, with a description."""
    headers = {"authorization": f"bearer {token}"}

    assert_token_refused(await request(site, method, url, headers=headers))


@pytest.mark.django_db(transaction=True)
async def test_process_that_refuses_all_is_seen_by_operators() -> None:
    """We promise it: `mcp_status` shows whom nobody could log in at, too."""
    before = workers_of_process()

    assert_token_refused(await get_stream(headers={"authorization": "bearer wrong"}))

    assert len([w for w in workers_of_process() if w not in before]) == 1


async def test_expired_and_revoked_tokens_are_told_apart_in_the_log_alone(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a stranger shall not learn which tokens there were."""
    revoked, expired = await token_of(ada), await token_of(ada)

    def spoil() -> None:
        first, second = Token.objects.order_by("created_at", "pk")
        first.revoke()
        Token.objects.filter(pk=second.pk).update(expires_at=second.created_at)

    await authentication_threads.run(spoil)

    assert_token_refused(await get_stream(headers=revoked))
    assert_token_refused(await get_stream(headers=expired))
    assert "was revoked at" in caplog.text
    assert "expired at" in caplog.text


async def test_login_that_has_ended_is_told_and_is_no_token(ada: User) -> None:
    """Chosen: the challenge speaks of tokens, of which none came."""
    headers = await cookie_of(ada)

    def change_password() -> None:
        ada.set_password("new")
        ada.save()

    await authentication_threads.run(change_password)

    assert_login_refused(await get_stream(headers=headers))


async def test_expired_login_session_is_no_credential(ada: User) -> None:
    """Chosen: every visitor's browser sends such a cookie."""
    headers = await cookie_of(ada)
    expire = partial(Session.objects.update, expire_date="2000-01-01T00:00Z")
    await authentication_threads.run(expire)

    assert_challenged(await get_stream(headers=headers))


async def test_login_session_opens_a_stream(ada: User) -> None:
    """Chosen: whoever is logged in to the site is known here."""
    async with open_stream(site, headers=await cookie_of(ada)) as stream:
        result = await stream.call("name_user")

    assert result["content"] == [{"type": "text", "text": "ada"}]


async def test_token_opens_a_stream(ada: User) -> None:
    """Spec: RFC 6750, 2.1."""
    async with open_stream(site, headers=await token_of(ada)) as stream:
        result = await stream.call("name_user")

    assert result["content"] == [{"type": "text", "text": "ada"}]


async def test_token_goes_before_the_login_session(ada: User, bob: User) -> None:
    """Chosen: what was sent on purpose outranks what a browser attaches."""
    async with open_stream(
        site, headers=await cookie_of(ada) | await token_of(bob)
    ) as stream:
        result = await stream.call("name_user")

    assert result["content"] == [{"type": "text", "text": "bob"}]


async def test_wrong_token_is_not_made_good_by_a_login_session(ada: User) -> None:
    """Chosen: a program whose token was revoked must not go on unnoticed."""
    headers = await cookie_of(ada) | {"authorization": "Bearer mcp_" + "a" * 43}

    assert_token_refused(await get_stream(headers=headers))


@pytest.mark.parametrize(
    ("credentials", "assert_refused"),
    [(cookie_of, assert_login_refused), (token_of, assert_token_refused)],
)
async def test_inactive_user_is_refused(
    ada: User, credentials: Any, assert_refused: Callable[[Response], None]
) -> None:
    """Chosen: as everywhere in Django."""
    headers = await credentials(ada)
    ada.is_active = False
    await authentication_threads.run(ada.save)

    assert_refused(await get_stream(headers=headers))


@pytest.mark.parametrize("from_where", ["cross-site", "same-site"])
async def test_cookie_of_a_request_that_a_foreign_page_made_is_ignored(
    ada: User, from_where: str
) -> None:
    """Spec: Fetch Metadata, "Sec-Fetch-Site"; a GET carries no Origin."""
    headers = await cookie_of(ada) | {"sec-fetch-site": from_where}

    assert_challenged(await get_stream(headers=headers))


@pytest.mark.parametrize("from_where", ["same-origin", "none"])
async def test_cookie_of_a_request_that_the_site_or_the_user_made_is_accepted(
    ada: User, from_where: str
) -> None:
    """Spec: Fetch Metadata, "Sec-Fetch-Site"."""
    headers = await cookie_of(ada) | {"sec-fetch-site": from_where}

    assert (await get_stream(headers=headers)).status == 200


async def test_token_of_a_request_from_another_site_is_accepted(ada: User) -> None:
    """Chosen: browsers attach no token by themselves."""
    headers = await token_of(ada) | {"sec-fetch-site": "cross-site"}

    assert (await get_stream(headers=headers)).status == 200


async def test_cookie_with_an_allowed_origin_is_accepted(
    ada: User, settings: Settings
) -> None:
    """Chosen: whom the site named may act with its users' cookies."""
    settings.MCP = {"ALLOWED_ORIGINS": ["https://app.example"]}
    headers = await cookie_of(ada) | {
        "origin": "https://app.example",
        "sec-fetch-site": "cross-site",
    }

    assert (await get_stream(headers=headers)).status == 200


async def test_cookie_with_a_foreign_origin_is_refused(ada: User) -> None:
    """Spec: 2025-11-25 basic/transports, "Security Warning"."""
    headers = await cookie_of(ada) | {"origin": "https://evil.example"}

    assert (await get_stream(headers=headers)).status == 403


# Credentials that end -----------------------------------------------------------


async def test_logout_refuses_the_next_message_and_ends_the_stream(
    ada: User, settings: Settings
) -> None:
    """Chosen: the next message at once, the open stream at the next look."""
    settings.MCP = {"RECHECK_SECONDS": 0.1}
    async with open_stream(site, headers=await cookie_of(ada)) as stream:
        await authentication_threads.run(Session.objects.all().delete)

        assert_challenged(await stream.post(PING))
        await stream.connection.wait_for_end()

        assert stream.connection.status == 200


async def test_revoked_token_refuses_the_next_message_and_ends_the_stream(
    ada: User, settings: Settings
) -> None:
    """Chosen: as for a logout."""
    settings.MCP = {"RECHECK_SECONDS": 0.1}
    async with open_stream(site, headers=await token_of(ada)) as stream:
        token = await authentication_threads.run(Token.objects.get)
        await authentication_threads.run(token.revoke)

        assert_token_refused(await stream.post(PING))
        await stream.connection.wait_for_end()


async def test_deactivated_user_is_refused_and_the_stream_ends(
    ada: User, settings: Settings
) -> None:
    """Chosen: as for a logout."""
    settings.MCP = {"RECHECK_SECONDS": 0.1}
    async with open_stream(site, headers=await token_of(ada)) as stream:
        ada.is_active = False
        await authentication_threads.run(ada.save)

        assert_token_refused(await stream.post(PING))
        await stream.connection.wait_for_end()


async def test_streams_of_others_go_on_when_one_ends(
    ada: User, bob: User, settings: Settings
) -> None:
    """Chosen: a logout is nobody else's business."""
    settings.MCP = {"RECHECK_SECONDS": 0.1}
    async with (
        open_stream(site, headers=await token_of(ada)) as of_ada,
        open_stream(site, headers=await token_of(bob)) as of_bob,
    ):
        token = await authentication_threads.run(Token.objects.filter(user=ada).get)
        await authentication_threads.run(token.revoke)
        await of_ada.connection.wait_for_end()

        await of_bob.assert_alive()
