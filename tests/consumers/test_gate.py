"""The gate, at the endpoints: Host, Origin, methods, authentication."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from mcp_django import AuthenticationFailed
from mcp_django.auth.challenges import bearer_challenge
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.tokens import TokenAuthenticator
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.tokens.models import Token
from tests.consumers.connections import (
    Response,
    open_stream,
    post,
    request,
    site,
)
from tests.consumers.credentials import cookie_of, token_of

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


def assert_challenged(
    response: Response,
    message: str = "Authentication required",
    challenge: str = 'Bearer realm="mcp"',
) -> None:
    """Fail unless a response is the 401 of the test project."""
    assert response.error() == (401, -32600, message)
    assert response.header("content-type") == "application/json"
    assert response.header("www-authenticate") == challenge
    assert response.header("location") is None


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


class Doorkeeper(Authenticator):
    """Refuses everybody who shows a pass."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        if "X-Pass" not in request.headers:
            return None
        raise AuthenticationFailed("of 1999", description='a pass "of old"')

    def is_still_valid(self, identity: Identity) -> bool:
        return False


class Plain(Doorkeeper):
    challenge = "Bearer"


class Mixed(Doorkeeper):
    challenge = 'bearer realm="a", Basic realm="b"'


class Basic(Doorkeeper):
    challenge = 'Basic realm="shop"'


class Said(Doorkeeper):
    challenge = 'Bearer error="of our own"'


class Asking(Doorkeeper):
    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        where = f"https://{request.get_host()}{request.path}"
        return bearer_challenge(failure, resource_metadata=where, scope="a b")


class AskingLater(Asking):
    async def challenge(  # type: ignore[override]
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        return super().challenge(request, failure)


class Broken(Doorkeeper):
    def challenge(
        self, request: HttpRequest, failure: AuthenticationFailed | None
    ) -> str:
        raise LookupError("no challenge")


class Splitting(Doorkeeper):
    challenge = "Bearer\r\nset-cookie: a=b"


OLD = 'error="invalid_token", error_description="a pass \'of old\'"'
METADATA = 'resource_metadata="https://testserver/mcp/sse", scope="a b"'
CHALLENGES = [
    ([Doorkeeper], "Session", "Session"),
    ([Plain], "Bearer", f"Bearer {OLD}"),
    (
        [Mixed],
        'bearer realm="a", Basic realm="b"',
        f'bearer {OLD}, realm="a", Basic realm="b"',
    ),
    ([Basic], 'Basic realm="shop"', 'Basic realm="shop"'),
    ([Said], 'Bearer error="of our own"', 'Bearer error="of our own"'),
    ([Asking], f"Bearer {METADATA}", f"Bearer {METADATA}, {OLD}"),
    ([AskingLater], f"Bearer {METADATA}", f"Bearer {METADATA}, {OLD}"),
    ([Broken], "Session", "Session"),
    ([Splitting], "Session", "Session"),
    ([Broken, Plain], "Bearer", "Bearer"),
    ([Plain, Basic], 'Bearer, Basic realm="shop"', f'Bearer {OLD}, Basic realm="shop"'),
    ([Plain, Plain], "Bearer", f"Bearer {OLD}, Bearer"),
]


@pytest.mark.parametrize(("kinds", "without", "refused"), CHALLENGES)
async def test_each_authenticator_says_what_it_wants_and_what_was_wrong(
    settings: Settings,
    kinds: list[type[Authenticator]],
    without: str,
    refused: str,
) -> None:
    """Spec: RFC 9110, 11.6.1; RFC 6750, 3. Chosen: one that breaks lets nobody in."""
    paths = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
    settings.MCP = {"AUTHENTICATION": paths}

    assert_challenged(await get_stream(), challenge=without)
    assert_challenged(
        await get_stream(headers={"x-pass": "1999"}), 'a pass "of old"', refused
    )


async def test_challenge_is_never_empty(settings: Settings) -> None:
    """Spec: RFC 9110, 15.5.2: a 401 has to have a challenge."""
    settings.MCP = {
        "AUTHENTICATION": ["mcp_django.auth.django_session.SessionAuthenticator"]
    }

    response = await get_stream()

    assert response.status == 401
    assert response.header("www-authenticate") == "Session"


class AsyncAuthenticator(TokenAuthenticator):
    """Finds users of tokens in a coroutine."""

    async def authenticate(self, request: HttpRequest) -> Identity | None:  # type: ignore[override]
        return await sync_to_async(super().authenticate)(request)


class Confused(Authenticator):
    """Gives a user in place of an identity."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        return AnonymousUser()  # type: ignore[return-value]

    def is_still_valid(self, identity: Identity) -> bool:
        return True


async def test_authenticator_may_be_async(ada: User, settings: Settings) -> None:
    """Chosen: what it returns is awaited; None leaves it to the next one."""
    settings.MCP = {
        "AUTHENTICATION": [
            "tests.consumers.test_gate.AsyncAuthenticator",
            "mcp_django.auth.django_session.SessionAuthenticator",
        ]
    }
    for headers in (await token_of(ada), await cookie_of(ada)):
        async with open_stream(site, headers=headers) as stream:
            result = await stream.call("name_user")
        assert result["content"][0]["text"] == "ada"

    assert_challenged(await get_stream())
    wrong = {"authorization": "Bearer mcp_" + "a" * 43}
    assert (await get_stream(headers=wrong)).status == 401


async def test_what_is_no_identity_lets_nobody_in(settings: Settings) -> None:
    """Chosen: a mistake of the site, told as such."""
    settings.MCP = {"AUTHENTICATION": ["tests.consumers.test_gate.Confused"]}

    assert (await get_stream()).status == 500


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


class Strict(Doorkeeper):
    """Refuses for the reason that a header names."""

    challenge = "Bearer"

    def authenticate(self, request: HttpRequest) -> Identity | None:
        raise AuthenticationFailed(
            "no", error=request.headers["X-Code"], description="no"
        )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalid_token", 401),
        ("insufficient_scope", 403),
        ("invalid_request", 400),
        ("of_our_own", 401),
    ],
)
async def test_code_of_a_failure_decides_the_status(
    settings: Settings, code: str, status: int
) -> None:
    """Spec: RFC 6750, 3.1."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Strict"]}

    response = await get_stream(headers={"x-code": code})

    assert response.error() == (status, -32600, "no")
    assert response.header("www-authenticate") == (
        f'Bearer error="{code}", error_description="no"'
    )


# Users that are read late, and databases that are not ready -----------------------


class LazyKeeper(Authenticator):
    """Knows users by the name in a header, as middleware of Django's does: late."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        name = request.headers.get("X-User")
        user: Any = SimpleLazyObject(User.objects.filter(username=name).first)
        return Identity(user, self, name)

    def is_still_valid(self, identity: Identity) -> bool:
        name = str(identity.credential)
        return User.objects.filter(username=name, is_active=True).exists()


class AsyncLazyKeeper(LazyKeeper):
    async def authenticate(self, request: HttpRequest) -> Identity | None:  # type: ignore[override]
        return super().authenticate(request)


@pytest.mark.parametrize("kind", [LazyKeeper, AsyncLazyKeeper])
async def test_lazy_user_is_as_good_as_any(
    settings: Settings, ada: User, kind: type[Authenticator]
) -> None:
    """Chosen: `request.user` is one. It lasts as long as the stream."""
    settings.MCP = {
        "AUTHENTICATION": [f"{kind.__module__}.{kind.__qualname__}"],
        "RECHECK_SECONDS": 0.05,
    }
    async with open_stream(site, headers={"x-user": "ada"}) as stream:
        result = await stream.call("name_user")
        ada.is_active = False
        await authentication_threads.run(ada.save)
        await stream.connection.wait_for_end()

    assert result["content"] == [{"type": "text", "text": "ada"}]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [LazyKeeper, AsyncLazyKeeper])
async def test_lazy_nobody_is_not_let_in(
    settings: Settings, kind: type[Authenticator], caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: an authenticator that vouches for None is broken, and nobody comes in."""
    settings.MCP = {"AUTHENTICATION": [f"{kind.__module__}.{kind.__qualname__}"]}

    response = await get_stream(headers={"x-user": "nobody"})

    assert response.error() == (500, -32603, "Internal error")
    assert "an Identity needs a user" in caplog.text


@pytest.fixture(params=["mcp_tokens", "sessions"])
def headers_in_vain(
    request: pytest.FixtureRequest, transactional_db: None
) -> Iterator[dict[str, str]]:
    """Take the table of credentials away for a while, and give such a credential."""
    call_command("migrate", request.param, "zero", verbosity=0)
    if request.param == "mcp_tokens":
        yield {"authorization": "Bearer mcp_" + "a" * 43}
    else:
        yield {"cookie": "sessionid=" + "a" * 32}
    call_command("migrate", request.param, verbosity=0)


async def test_database_without_migrations_is_said_to_be_one(
    headers_in_vain: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: 503 and a line in the log in place of a traceback."""
    response = await get_stream(headers=headers_in_vain)

    assert response.error() == (
        503,
        -32600,
        "The site's database is not ready: its administrator must run migrate",
    )
    [record] = [r for r in caplog.records if r.name.startswith("mcp_django")]
    assert record.getMessage().startswith(
        "the database lacks migrations; run migrate (no such table: "
    )
    assert record.exc_info is None


@pytest.fixture
def unmade(transactional_db: None) -> Iterator[None]:
    """Take away a table that no migration would make again."""
    table = Token._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(Token, table, "elsewhere")
    yield
    with connection.schema_editor() as editor:
        editor.alter_db_table(Token, "elsewhere", table)


class Counting(LazyKeeper):
    """Asks for the table of a model itself."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        Token.objects.count()
        return None


@pytest.mark.usefixtures("unmade")
async def test_model_without_a_migration_is_said_to_need_one(
    settings: Settings,
) -> None:
    """Chosen: 503 for whatever authenticator asks for it."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Counting"]}

    assert (await get_stream()).error() == (
        503,
        -32600,
        "The site's database is not ready: its administrator must run makemigrations "
        "and migrate",
    )


async def test_other_errors_of_the_database_are_not_called_so(
    settings: Settings, transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: only what running migrations would mend."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Misled"]}

    assert (await get_stream()).status == 500
    assert "no such table: nowhere" in caplog.text


class Misled(LazyKeeper):
    """Asks for a table that no migration makes."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")
        return None


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
