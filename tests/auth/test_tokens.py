"""Bearer tokens as credentials."""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory, modify_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from mcp_django.auth.interface import Identity
from mcp_django.auth.tokens import TokenAuthenticator
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.tokens.models import Token

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def text(ada: User) -> str:
    """The text of Ada's only token."""
    return Token.issue(ada, "Laptop")[1]


def request_with(authorization: str | None) -> HttpRequest:
    if authorization is None:
        return RequestFactory().post("/mcp")
    return RequestFactory().post("/mcp", headers={"Authorization": authorization})


def authenticate(authorization: str | None) -> Identity | None:
    return TokenAuthenticator().authenticate(request_with(authorization))


def assert_refused(text: str, reason: str) -> None:
    """Assert that a token is refused for a reason that does not give it away."""
    with pytest.raises(AuthenticationFailed) as caught:
        authenticate(f"Bearer {text}")
    assert reason in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_token_names_its_user(scheme: str, text: str, ada: User) -> None:
    """Spec: RFC 6750, section 2.1; RFC 9110, section 11.1 for the case."""
    authenticator = TokenAuthenticator()
    identity = authenticator.authenticate(request_with(f"{scheme} {text}"))
    assert identity == Identity(ada, authenticator, Token.objects.get().pk)
    assert authenticator.is_still_valid(identity)


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"mcp:read"})])
def test_narrow_token_says_what_it_allows(scopes: frozenset[str], ada: User) -> None:
    """Chosen: no scope at all is not all rights."""
    authenticator = TokenAuthenticator()
    token, text = Token.issue(ada, "Laptop", scopes=scopes)
    identity = authenticator.authenticate(request_with(f"Bearer {text}"))
    assert identity == Identity(ada, authenticator, token.pk, scopes=scopes)
    assert authenticator.is_still_valid(identity)


@pytest.mark.parametrize(("before", "after"), [("a b", "a"), ("a", "a b"), (None, "")])
def test_token_that_allows_something_else_by_now_is_not_still_valid(
    before: str | None, after: str | None, text: str
) -> None:
    """Chosen: what is open ends, and its client opens it anew."""
    authenticator = TokenAuthenticator()
    for first, then in ((before, after), (after, before)):
        Token.objects.update(scope=first)
        identity = authenticator.authenticate(request_with(f"Bearer {text}"))
        assert identity is not None
        assert authenticator.is_still_valid(identity)
        Token.objects.update(scope=then)
        assert not authenticator.is_still_valid(identity)


@pytest.mark.django_db(transaction=True)
def test_database_that_takes_no_writes_keeps_nobody_out(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: recording the use decides nothing, and is tried once a minute."""
    authenticator = TokenAuthenticator()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            for _ in range(3):
                assert authenticator.authenticate(request_with(f"Bearer {text}"))
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert Token.objects.get().last_used_at is None
    [record] = caplog.records
    assert record.getMessage() == (
        "the use of tokens cannot be recorded, for a minute at least; look at the "
        "database: attempt to write "
        "a readonly database"
    )


def test_challenge_asks_for_a_bearer_token() -> None:
    """Spec: RFC 6750, section 3."""
    challenge = TokenAuthenticator().challenge(request_with(None), None)
    assert challenge == 'Bearer realm="mcp"'
    assert not TokenAuthenticator.uses_cookies


@pytest.mark.parametrize(
    "authorization",
    [
        *(None, "", "Basic YTpi", "Bearerx y", "Bearer", "Bearer "),
        *("Bearer abc", "Bearer MCP_a", "Bearer xmcp_", "Bearer a.b.c"),
        "Bearer " + "a" * 47,
    ],
)
def test_request_without_a_token_of_ours_has_no_credential(
    authorization: str | None,
) -> None:
    """Chosen: it may be for another authenticator."""
    assert authenticate(authorization) is None


@pytest.mark.parametrize(
    "given",
    [
        "mcp_x",
        "mcp_" + "a" * 42,
        "mcp_" + "a" * 44,
        "mcp_" + "a" * 42 + "é",
        "mcp_" + "a" * 42 + "=",
        "mcp_" + "a" * 43 + ",Basic x",
    ],
)
def test_malformed_token_is_refused(given: str) -> None:
    """Chosen: such a text is not looked up."""
    assert_refused(given, "is malformed: it is not 'mcp_' and 43 characters")


def test_unknown_token_is_refused() -> None:
    """Spec: RFC 6750, section 3.1, "invalid_token"."""
    assert_refused("mcp_" + "a" * 43, "bearer token is unknown")


def test_expired_token_is_refused(text: str, ada: User) -> None:
    """Spec: RFC 6750, section 3.1, "invalid_token"."""
    identity = authenticate(f"Bearer {text}")
    Token.objects.update(expires_at=timezone.now())
    assert_refused(text, f"{Token.objects.get().pk} expired at ")
    assert identity is not None
    assert not TokenAuthenticator().is_still_valid(identity)


def test_token_that_expires_later_is_accepted(text: str) -> None:
    """Chosen: the end is a moment, not a day."""
    Token.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    identity = authenticate(f"Bearer {text}")
    assert identity is not None
    assert TokenAuthenticator().is_still_valid(identity)


def test_revoked_token_is_refused(text: str) -> None:
    """Spec: RFC 6750, section 3.1, "invalid_token"."""
    identity = authenticate(f"Bearer {text}")
    Token.objects.get().revoke()
    assert_refused(text, f"{Token.objects.get().pk} was revoked at ")
    assert identity is not None
    assert not TokenAuthenticator().is_still_valid(identity)


def test_token_of_inactive_user_is_refused(text: str, ada: User) -> None:
    """Chosen: who may not log in may not do it by a program either."""
    identity = authenticate(f"Bearer {text}")
    User.objects.update(is_active=False)
    assert_refused(text, f"belongs to inactive user {ada.pk}")
    assert identity is not None
    assert not TokenAuthenticator().is_still_valid(identity)


def test_deleted_token_is_no_longer_valid(text: str) -> None:
    """Chosen: deleting in the admin works as revoking does."""
    identity = authenticate(f"Bearer {text}")
    Token.objects.all().delete()
    assert identity is not None
    assert not TokenAuthenticator().is_still_valid(identity)


def test_token_does_not_vouch_for_another_user(text: str) -> None:
    """Chosen: an open stream belongs to the user who opened it."""
    identity = authenticate(f"Bearer {text}")
    Token.objects.update(user=User.objects.create_user("grace"))
    assert identity is not None
    assert not TokenAuthenticator().is_still_valid(identity)


def test_use_is_recorded_at_most_once_a_minute(
    text: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Chosen: one query for most requests, two once a minute."""
    with django_assert_num_queries(2):
        authenticate(f"Bearer {text}")
    with django_assert_num_queries(1):
        authenticate(f"Bearer {text}")
    used_before = timezone.now() - timedelta(seconds=61)
    Token.objects.update(last_used_at=used_before)
    with django_assert_num_queries(2):
        authenticate(f"Bearer {text}")
    used_at = Token.objects.get().last_used_at
    assert used_at is not None
    assert used_at > used_before


def test_looking_again_is_one_query_and_no_use(
    text: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Chosen: it happens twice a minute for every open stream."""
    identity = authenticate(f"Bearer {text}")
    Token.objects.update(last_used_at=None)
    assert identity is not None
    with django_assert_num_queries(1):
        assert TokenAuthenticator().is_still_valid(identity)
    assert Token.objects.get().last_used_at is None


@modify_settings(INSTALLED_APPS={"remove": "mcp_django.tokens"})
def test_without_the_app_the_import_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chosen: the settings are wrong, not the code that a traceback would show."""
    monkeypatch.delitem(sys.modules, "mcp_django.auth.tokens")
    with pytest.raises(ImproperlyConfigured, match=r"INSTALLED_APPS; add it and run"):
        import_module("mcp_django.auth.tokens")
