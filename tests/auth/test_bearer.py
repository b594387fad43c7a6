"""Which bearer tokens count, and what is said of those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from pytest_django import Settings

from mcp_django import AuthenticationFailed
from mcp_django.auth.challenges import additions
from mcp_django.auth.interface import Authenticator, Identity
from tests.consumers.connections import Response, request, site
from tests.consumers.credentials import (
    assert_challenged,
    cookie_of,
    token_of,
    without_login,
)

TOKENS = "mcp_django.auth.tokens.TokenAuthenticator"
SESSIONS = "mcp_django.auth.django_session.SessionAuthenticator"
IN_URL = (
    "a token in the URL is not accepted; send it in the header Authorization: Bearer "
    "TOKEN, and make a new one, for URLs are logged"
)
UNKNOWN = "the token is unknown, expired or revoked"


def told(code: str, description: str, begin: str = 'Bearer realm="mcp"') -> str:
    """Give the challenge that says what is wrong."""
    return f'{begin}, error="{code}", error_description="{description}"'


class Others(Authenticator):
    """Knows tokens that begin with "other-"."""

    challenge = 'Bearer realm="others"'

    def authenticate(self, request: HttpRequest) -> Identity | None:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        if not token.startswith("other-"):
            return None
        user = User.objects.filter(username=token.removeprefix("other-")).first()
        if user is None:
            raise AuthenticationFailed("unknown user", description="no such user")
        return Identity(user, self, token)

    def is_still_valid(self, identity: Identity) -> bool:
        return True


async def post(**headers: str) -> Response:
    """Ask something that needs a user."""
    return await request(site, "POST", "/mcp", headers=headers)


OTHERS = f"{__name__}.Others"


@pytest.mark.parametrize("order", [[OTHERS, TOKENS], [TOKENS, OTHERS]])
async def test_token_is_known_by_one_of_two_kinds_in_either_order(
    ada: User, settings: Settings, order: list[str]
) -> None:
    """Chosen: each leaves alone what is not its own."""
    settings.MCP = {"AUTHENTICATION": [*order, SESSIONS]}

    for headers in (await token_of(ada), {"authorization": "Bearer other-ada"}):
        assert (await post(**headers)).status == 415  # it came in, with no JSON


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", [[OTHERS, TOKENS], [TOKENS, OTHERS]])
async def test_one_that_knows_a_token_alone_says_what_is_wrong(
    settings: Settings, order: list[str]
) -> None:
    """Spec: RFC 6750, 3.1. Chosen: its challenge goes first."""
    settings.MCP = {"AUTHENTICATION": order}

    assert_challenged(
        await post(authorization="Bearer other-eve"),
        "no such user",
        told("invalid_token", "no such user", 'Bearer realm="others"')
        + ', Bearer realm="mcp"',
    )
    assert_challenged(
        await post(authorization="Bearer mcp_" + "a" * 43),
        UNKNOWN,
        told("invalid_token", UNKNOWN) + ', Bearer realm="others"',
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["a.b.c", "", "MCP_", "\xff", "a" * 47])
async def test_token_that_none_knows_is_refused_as_such(
    settings: Settings, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: RFC 6750, 3.1: `invalid_token`, so that the client gets a new one."""
    settings.MCP = {"AUTHENTICATION": [TOKENS, OTHERS, SESSIONS]}

    assert_challenged(
        await post(authorization=f"Bearer {token}"),
        UNKNOWN,
        told("invalid_token", UNKNOWN)
        + ", "
        + told("invalid_token", UNKNOWN, 'Bearer realm="others"'),
    )
    [record] = [r for r in caplog.records if r.name == "mcp_django.auth"]
    assert record.getMessage() == (
        "authentication failed: no authenticator knows the bearer token"
    )


@pytest.mark.django_db(transaction=True)
async def test_reason_is_told_under_debug(settings: Settings) -> None:
    """Chosen: who sets up a site or a client sees at once what to change."""
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.MCP = {"AUTHENTICATION": [TOKENS, OTHERS]}
    why = f"{UNKNOWN} (bearer token is malformed: it is not 'mcp_' and 43 characters)"

    assert_challenged(
        await post(authorization="Bearer mcp_x"),
        why,
        f'{told("invalid_token", why)}, Bearer realm="others"',
    )
    assert_challenged(
        await post(), challenge='Bearer realm="mcp", Bearer realm="others"'
    )


@pytest.mark.parametrize("order", [[TOKENS, SESSIONS], [SESSIONS, TOKENS], [SESSIONS]])
async def test_token_that_none_knows_is_not_made_good_by_a_login(
    ada: User, settings: Settings, order: list[str]
) -> None:
    """Chosen: a program whose token has ended must not go on as another user."""
    settings.MCP = {"AUTHENTICATION": order}
    headers = await cookie_of(ada) | {"authorization": "Bearer a.b.c"}

    response = await post(**headers)

    assert response.error() == (401, -32600, UNKNOWN)
    challenge = response.header("www-authenticate") or ""
    assert challenge.startswith("Bearer" if TOKENS in order else "Session")


async def test_other_schemes_leave_a_login_as_it_is(ada: User) -> None:
    """Chosen: such as that of a proxy, before which the site has a password."""
    headers = await cookie_of(ada) | {"authorization": "Basic YTpi"}

    assert (await post(**headers)).status == 415


@pytest.mark.parametrize("kept", [0, 30])
async def test_token_in_the_url_is_refused_in_words(
    ada: User, settings: Settings, kept: int
) -> None:
    """Spec: RFC 6750, 2.3 and 3.1; RFC 9700, 4.3.2."""
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": kept}
    headers = await token_of(ada)
    token = headers["authorization"].partition(" ")[2]
    assert (await post(**headers)).status == 415

    for url in ("/mcp", "/mcp/messages", "/mcp/sse"):
        method = "GET" if url.endswith("sse") else "POST"
        alone = await request(site, method, f"{url}?access_token={token}")
        assert_challenged(alone, IN_URL, told("invalid_token", IN_URL))
    for query in (f"access_token={token}", "access_token", "a&%61ccess%5Ftoken=x"):
        twice = await request(site, "POST", f"/mcp?{query}", headers=headers)
        assert twice.error() == (400, -32600, IN_URL)
        challenge = without_login(twice.header("www-authenticate"))
        assert challenge == told("invalid_request", IN_URL)


async def test_token_in_the_url_is_not_made_good_by_a_login(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: it was sent on purpose; and it is not repeated in the log."""
    response = await request(
        site, "POST", "/mcp?access_token=s3cret", headers=await cookie_of(ada)
    )

    assert response.error() == (401, -32600, IN_URL)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("query", "is_refused"),
    [
        ("access_token", True),
        ("access_token=", True),
        ("a=1&access%5Ftoken=x", True),
        ("xaccess_token=x&access_token_x=y&a=access_token", False),
        ("&".join(f"a{n}=1" for n in range(2000)), False),
        ("%ff=%ff&&=&%", False),
        ("%ff&access_token=%ff", True),
    ],
)
async def test_token_is_found_in_any_query(query: str, is_refused: bool) -> None:
    """Chosen: a query that Django does not read makes nothing fail."""
    response = await request(site, "POST", f"/mcp?{query}")

    told_ = IN_URL if is_refused else "Authentication required"
    assert response.error() == (401, -32600, told_)


# What apps add --------------------------------------------------------------------


@pytest.fixture
def added() -> Iterator[list[Any]]:
    """Give what apps add, and take away afterwards what the test has put there."""
    before = list(additions)
    additions.clear()
    yield additions
    additions[:] = before


async def test_app_adds_to_challenges_what_the_request_decides(
    added: list[Any], settings: Settings
) -> None:
    """Chosen: in each challenge, of whatever authenticator, and once."""
    added.append(lambda request: {"resource_metadata": f"https://a{request.path}"})
    settings.MCP = {"AUTHENTICATION": [OTHERS, TOKENS, SESSIONS]}
    where = 'resource_metadata="https://a/mcp"'

    assert_challenged(
        await post(),
        challenge=f'Bearer realm="others", {where}, Bearer realm="mcp", {where}',
    )


async def test_addition_that_fails_keeps_the_challenge(
    added: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the request is refused all the same, and the site reads the log."""

    def fail(request: HttpRequest) -> dict[str, str]:
        raise LookupError("nothing to add")

    added += [fail, lambda request: {"scope": "a"}]

    assert_challenged(await post(), challenge='Bearer realm="mcp", scope="a"')
    [record] = [r for r in caplog.records if r.exc_info]
    assert record.getMessage().startswith("a challenge is without what <function")
