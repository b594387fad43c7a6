"""Authenticators, as they are asked at the endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
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
from tests.consumers.connections import Response, open_stream, request, site
from tests.consumers.credentials import assert_challenged, cookie_of, token_of


async def get_stream(**options: Any) -> Response:
    """Ask for the event stream, and leave it at once."""
    return await request(site, "GET", "/mcp/sse", **options)


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


class Odd(Doorkeeper):
    challenge = 'Shop key="a", b c'


ODD = Odd.challenge
SAID = Said.challenge
OLD = 'error="invalid_token", error_description="a pass \'of old\'"'
METADATA = 'resource_metadata="https://testserver/mcp/sse", scope="a b"'
CHALLENGES = [
    ([Doorkeeper], "Session", "Session"),
    ([Plain], "Bearer", f"Bearer {OLD}"),
    (
        [Mixed],
        'bearer realm="a", Basic realm="b"',
        f'bearer realm="a", {OLD}, Basic realm="b"',
    ),
    ([Basic], 'Basic realm="shop"', 'Basic realm="shop"'),
    ([Said], 'Bearer error="of our own"', 'Bearer error="of our own"'),
    ([Asking], f"Bearer {METADATA}", f"Bearer {METADATA}, {OLD}"),
    ([AskingLater], f"Bearer {METADATA}", f"Bearer {METADATA}, {OLD}"),
    ([Broken], "Session", "Session"),
    ([Splitting], "Session", "Session"),
    ([Broken, Plain], "Bearer", "Bearer"),
    ([Plain, Basic], 'Bearer, Basic realm="shop"', f'Bearer {OLD}, Basic realm="shop"'),
    ([Plain, Plain], "Bearer", f"Bearer {OLD}"),
    ([Basic, Plain], 'Bearer, Basic realm="shop"', 'Bearer, Basic realm="shop"'),
    ([Asking, Said], f"{SAID}, Bearer {METADATA}", f"Bearer {METADATA}, {OLD}, {SAID}"),
    ([Odd, Plain], f"Bearer, {ODD}", f"Bearer, {ODD}"),
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
            f"{__name__}.AsyncAuthenticator",
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
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.Confused"]}

    assert (await get_stream()).status == 500


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
