"""Whom a token of another issuer stands for."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from mcp_django import AuthenticationFailed
from mcp_django.oauth.authenticators.users import find_active_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    """Give some users."""
    make = User.objects.create_user
    return {
        "ada": make("ada", "Ada@example.com"),
        "bob": make("bob", "bob@example.com"),
        "twin": make("twin", "BOB@example.com"),
        "gone": make("gone", "gone@example.com", is_active=False),
        "old": make("old", "ada@example.com", is_active=False),
    }


@pytest.mark.parametrize(
    ("claims", "claim", "field"),
    [
        ({"sub": "ada"}, "sub", ""),
        ({"oid": "ada"}, "oid", "username"),
        ({"email": "ada@example.com", "email_verified": True}, "email", ""),
        ({"email": "ADA@EXAMPLE.COM", "email_verified": "true"}, "email", "email"),
    ],
)
def test_claim_names_the_one_active_user(
    people: dict[str, User], claims: dict[str, Any], claim: str, field: str
) -> None:
    """We promise it: one who is not active is none."""
    assert find_active_user(claims, claim, field) == people["ada"]


@pytest.mark.parametrize(
    ("claims", "claim", "field", "reason"),
    [
        ({"sub": "nobody"}, "sub", "", "no active user has what the claim 'sub' says"),
        ({"sub": "gone"}, "sub", "", "no active user has"),
        ({"sub": "Ada"}, "sub", "", "no active user has"),
        ({}, "sub", "", "no claim 'sub'"),
        ({"sub": ""}, "sub", "", "no claim 'sub'"),
        ({"sub": 5}, "sub", "", "no claim 'sub'"),
        ({"sub": ["ada"]}, "sub", "", "no claim 'sub'"),
        ({"sub": "a" * 300}, "sub", "", "no claim 'sub'"),
        ({"sub": "a\0b"}, "sub", "", "no active user has"),
        ({"sub": "ada"}, "sub", "pk", "no active user has"),
        ({"sub": "9" * 99}, "sub", "pk", "no active user has"),
        ({"email": "ada@example.com"}, "email", "", "is verified"),
        ({"email": "a@b.c", "email_verified": False}, "email", "", "is verified"),
        ({"email": "a@b.c", "email_verified": "false"}, "email", "", "is verified"),
        ({"email": "a@b.c", "email_verified": 1}, "email", "", "no active user has"),
        (
            {"email": "bob@example.com", "email_verified": True},
            "email",
            "",
            "2 active users have what the claim 'email' says in the field 'email'",
        ),
    ],
)
def test_other_claims_name_nobody(
    people: dict[str, User], claims: dict[str, Any], claim: str, field: str, reason: str
) -> None:
    """We promise it: never one of several, nor one whose address any user may claim."""
    with pytest.raises(AuthenticationFailed) as caught:
        find_active_user(claims, claim, field)
    assert reason in str(caught.value)
    assert caught.value.error == "invalid_token"


def test_letters_that_only_look_alike_are_others(people: dict[str, User]) -> None:
    """We promise it: a database may fold more than mail does."""
    User.objects.create_user("mike", "mike@example.com")
    claims = {"email": "m\u0131ke@example.com", "email_verified": True}
    with pytest.raises(AuthenticationFailed):
        find_active_user(claims, "email", "")


def test_value_that_is_nowhere_is_not_in_the_text(people: dict[str, User]) -> None:
    """Chosen: what a token says of people is not for logs."""
    with pytest.raises(AuthenticationFailed) as caught:
        find_active_user({"sub": "private-name"}, "sub", "")
    assert "private-name" not in str(caught.value)
