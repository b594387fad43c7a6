"""Tokens that the site has given, as clients send them to an endpoint."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application, set_token_value
from pytest_django import DjangoAssertNumQueries, Settings

from mcp_django.auth.authenticators import authenticator_paths
from mcp_django.auth.interface import Identity
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.oauth.authenticators.toolkit import ToolkitAuthenticator
from mcp_django.oauth.models import Consent
from mcp_django.oauth.preset import oauth2_provider
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Response, site
from tests.consumers.credentials import token_of
from tests.consumers.streamable import begin_post, call_of, finish, headers_of, modern

MCP = "http://testserver/mcp"


@pytest.fixture(autouse=True)
def preset(settings: Settings) -> None:
    """Have the settings that mcp_django gives the toolkit."""
    settings.OAUTH2_PROVIDER = oauth2_provider()


@pytest.fixture
def user(db: Any) -> User:
    """Give a user whom this thread alone sees, which takes less time than Ada."""
    return User.objects.create_user("grace")


def give(user: User | None, **changed: Any) -> tuple[AccessToken, str]:
    """Give a program a token of a user; its row, and its text."""
    program, _ = Application.objects.get_or_create(
        client_id="program",
        defaults={
            "client_type": "public",
            "authorization_grant_type": "authorization-code",
            "client_secret": "",
        },
    )
    values = {
        "user": user,
        "application": program,
        "expires": timezone.now() + timedelta(hours=1),
        "scope": "mcp:read mcp:write",
        "resource": [MCP],
    }
    row = AccessToken(**values | changed)
    text = secrets.token_urlsafe(32)
    set_token_value(row, text)
    row.save()
    return row, text


def authenticate(text: str, path: str = "/mcp", **extra: Any) -> Identity | None:
    """Ask the authenticator about a token."""
    headers = {"Authorization": f"Bearer {text}"}
    request = RequestFactory().post(path, headers=headers, **extra)
    return ToolkitAuthenticator().authenticate(request)


def test_a_token_says_for_whom_and_how_long_and_what_it_allows(user: User) -> None:
    row, text = give(user)

    identity = authenticate(text)

    assert identity is not None
    assert identity.user == user
    assert identity.credential == row.pk
    assert identity.expires_at == row.expires
    assert identity.scopes == frozenset({"mcp:read", "mcp:write"})


def test_a_token_without_scopes_has_the_empty_set(user: User) -> None:
    identity = authenticate(give(user, scope="")[1])
    assert identity is not None
    assert identity.scopes == frozenset()


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp/sse", "/mcp/messages"])
def test_a_token_is_good_for_every_binding_of_its_endpoint(
    user: User, path: str
) -> None:
    assert authenticate(give(user)[1], path) is not None


def test_other_credentials_are_left_to_others(db: Any) -> None:
    assert authenticate("somebody else's") is None
    assert authenticate("") is None
    request = RequestFactory().post("/mcp", headers={"Authorization": "Basic eDp5"})
    assert ToolkitAuthenticator().authenticate(request) is None
    assert ToolkitAuthenticator().authenticate(RequestFactory().post("/mcp")) is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"expires": timezone.now() - timedelta(seconds=1)}, "expired"),
        ({"resource": []}, "has to ask for it with resource=http://testserver/mcp"),
        ({"resource": ["http://testserver/mcp2"]}, "not for 'http://testserver/mcp'"),
        ({"resource": ["http://testserver/"]}, "not for"),
        ({"resource": ["http://testserver/mc"]}, "not for"),
        ({"resource": ["https://testserver/mcp"]}, "not for"),
        ({"resource": [f"{MCP}/more"]}, "not for"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_token_that_is_not_good_is_refused_with_the_reason_in_the_log(
    user: User, changed: dict[str, Any], reason: str
) -> None:
    _, text = give(user, **changed)
    with pytest.raises(AuthenticationFailed) as caught:
        authenticate(text)
    assert reason in str(caught.value)
    assert text not in str(caught.value)
    assert caught.value.error == "invalid_token"


def test_a_token_of_an_inactive_user_is_refused(user: User) -> None:
    _, text = give(user)
    User.objects.update(is_active=False)
    with pytest.raises(AuthenticationFailed, match="inactive"):
        authenticate(text)


def test_a_token_of_no_user_is_refused(db: Any) -> None:
    """The toolkit makes such ones for programs that act by themselves."""
    with pytest.raises(AuthenticationFailed, match="of no user"):
        authenticate(give(None)[1])


def test_a_token_is_looked_up_in_one_query(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, text = give(user)
    authenticator = ToolkitAuthenticator()
    headers = {"Authorization": f"Bearer {text}"}
    request = RequestFactory().post("/mcp", headers=headers)
    first = authenticator.authenticate(request)  # It writes down that it was used.
    with django_assert_num_queries(1):
        assert authenticator.authenticate(request) == first
    assert first is not None
    with django_assert_num_queries(1):
        assert authenticator.is_still_valid(first)


def test_its_use_is_seen_where_the_user_allowed_it(user: User) -> None:
    Consent.objects.create(user=user, client_id="program", resource=MCP)
    authenticate(give(user)[1])
    assert Consent.objects.get().last_used_at is not None


def revoke(row: AccessToken) -> None:
    row.revoke()


def expire(row: AccessToken) -> None:
    AccessToken.objects.update(expires=timezone.now())


def narrow(row: AccessToken) -> None:
    AccessToken.objects.update(scope="mcp:read")


def deactivate(row: AccessToken) -> None:
    User.objects.update(is_active=False)


def remove_program(row: AccessToken) -> None:
    Application.objects.all().delete()


@pytest.mark.parametrize("end", [revoke, expire, narrow, deactivate, remove_program])
def test_what_ends_a_token_is_seen_by_open_streams(user: User, end: Any) -> None:
    row, text = give(user)
    identity = authenticate(text)
    assert identity is not None
    authenticator = ToolkitAuthenticator()
    assert authenticator.is_still_valid(identity)
    end(row)
    assert not authenticator.is_still_valid(identity)


def test_the_site_is_its_own_authorization_server() -> None:
    request = RequestFactory().post("/mcp")
    servers = ToolkitAuthenticator().authorization_servers(request)
    assert servers == ("http://testserver",)


def test_by_default_it_stands_between_tokens_and_sessions() -> None:
    assert list(authenticator_paths()) == [
        "mcp_django.auth.tokens.TokenAuthenticator",
        "mcp_django.oauth.authenticators.toolkit.ToolkitAuthenticator",
        "mcp_django.auth.django_session.SessionAuthenticator",
    ]


# Through the site -------------------------------------------------------------------


async def ask(text: str, path: str = "/mcp", tool: str = "name_user") -> Response:
    """Call a tool of the site."""
    call = call_of(tool)
    headers = headers_of(call, authorization=f"Bearer {text}")
    return await finish(begin_post(site, modern(call), url=path, headers=headers))


async def run(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Do what other code of the site does."""
    return await authentication_threads.run(lambda: function(*args, **kwargs))


def name_in(response: Response) -> Any:
    assert response.status == 200, response.body
    return response.json()["result"]["content"][0]["text"]


async def test_a_program_acts_as_its_user(ada: User) -> None:
    _, text = await run(give, ada)
    assert name_in(await ask(text)) == "ada"
    plain = (await token_of(ada))["authorization"].removeprefix("Bearer ")
    assert name_in(await ask(plain)) == "ada"


async def test_a_token_that_may_only_read_does_not_write(ada: User) -> None:
    _, text = await run(give, ada, scope="mcp:read")
    response = await ask(text)
    assert response.status == 403
    challenge = response.header("www-authenticate")
    assert challenge is not None
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:read mcp:write"' in challenge


async def test_a_token_for_another_endpoint_is_a_401(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    other = "http://testserver/under/a/shop/tools"
    _, text = await run(give, ada, resource=[other])
    with caplog.at_level(logging.WARNING):
        response = await ask(text)
    assert response.status == 401
    challenge = response.header("www-authenticate")
    assert challenge is not None
    assert 'error="invalid_token"' in challenge
    assert other in caplog.text
    assert text not in caplog.text
    assert name_in(await ask(text, "/under/a/shop/tools")) == "ada"


@pytest.fixture
async def kept(settings: Settings, ada: User) -> AsyncIterator[tuple[Any, str]]:
    """Give a token that the worker has seen and keeps."""
    settings.MCP = {"CREDENTIAL_CACHE_SECONDS": 30}
    worker = current_worker()
    await worker.relay.open()
    row, text = await run(give, ada)
    assert name_in(await ask(text)) == "ada"
    yield row, text
    await worker.relay.close()


async def test_what_is_kept_of_a_token_is_for_its_endpoint(
    kept: tuple[Any, str],
) -> None:
    _, text = kept
    await run(AccessToken.objects.update, scope="")
    assert name_in(await ask(text)) == "ada", "it is kept"
    assert (await ask(text, "/under/a/shop/tools")).status == 401


@pytest.mark.parametrize("end", [revoke, remove_program])
async def test_a_token_that_ends_is_forgotten_at_once(
    kept: tuple[Any, str], end: Any
) -> None:
    row, text = kept
    await run(end, row)
    assert (await ask(text)).status == 401


async def test_what_is_kept_is_not_looked_up(kept: tuple[Any, str]) -> None:
    _, text = kept
    await run(AccessToken.objects.filter(pk__gt=0)._raw_delete, "default")
    assert name_in(await ask(text)) == "ada"
