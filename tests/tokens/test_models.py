"""Tokens in the database."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone

from mcp_django.tokens.models import Token, TokenState

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def test_issued_token_has_the_text_only_as_a_digest(ada: User) -> None:
    """Chosen: who reads the database can use none of its tokens."""
    until = timezone.now() + timedelta(days=1)
    token, text = Token.issue(ada, "Laptop", until)
    assert re.fullmatch(r"mcp_[A-Za-z0-9_-]{43}", text)
    assert Token.objects.values().get() == {
        "id": token.pk,
        "user_id": ada.pk,
        "name": "Laptop",
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "hint": text[-4:],
        "created_at": token.created_at,
        "expires_at": until,
        "last_used_at": None,
        "revoked_at": None,
        "scope": None,
    }
    assert str(token) == f"Laptop (…{text[-4:]})"


def test_tokens_differ(ada: User) -> None:
    """Chosen: 256 random bits each."""
    assert len({Token.issue(ada, "Laptop")[1] for _ in range(100)}) == 100


def test_token_is_found_by_its_whole_text(ada: User) -> None:
    """Chosen: the hint opens nothing."""
    token, text = Token.issue(ada, "Laptop")
    assert Token.objects.with_text(text).get() == token
    assert not Token.objects.with_text(text[-4:]).exists()
    assert not Token.objects.with_text("").exists()


@pytest.mark.parametrize(
    ("given", "scope", "scopes"),
    [
        (None, None, None),
        ([], "", frozenset()),
        (["mcp:write", "mcp:read"], "mcp:read mcp:write", {"mcp:read", "mcp:write"}),
        ("mcp:read", "mcp:read", {"mcp:read"}),
    ],
)
def test_token_allows_what_it_was_issued_for(
    given: Any, scope: str | None, scopes: Any, ada: User
) -> None:
    """Chosen: no scope at all is something else than all rights."""
    Token.issue(ada, "Laptop", scopes=given)
    token = Token.objects.get()

    assert (token.scope, token.scopes) == (scope, scopes)


@pytest.mark.parametrize("scopes", [["a b"], [""], 'a"', ["é"]])
def test_token_cannot_allow_what_is_no_scope(scopes: Any, ada: User) -> None:
    """Spec: RFC 6749, section 3.3."""
    with pytest.raises(ValueError, match="is no name of a scope"):
        Token.issue(ada, "Laptop", scopes=scopes)
    assert not Token.objects.exists()


def test_states_in_python_and_in_the_database_agree(ada: User) -> None:
    """Chosen: the end belongs to the time after it; revoked outranks expired."""
    now = timezone.now()
    moments = {
        "never": (None, None, TokenState.USABLE),
        "later": (now + timedelta(seconds=1), None, TokenState.USABLE),
        "now": (now, None, TokenState.EXPIRED),
        "before": (now - timedelta(seconds=1), None, TokenState.EXPIRED),
        "revoked": (None, now, TokenState.REVOKED),
        "both": (now, now, TokenState.REVOKED),
    }
    for name, (expires_at, revoked_at, _) in moments.items():
        token, _ = Token.issue(ada, name, expires_at)
        Token.objects.filter(pk=token.pk).update(revoked_at=revoked_at)
    expected = {name: state for name, (*_, state) in moments.items()}
    assert {t.name: t.state_at(now) for t in Token.objects.all()} == expected
    for state in TokenState:
        names = Token.objects.in_state(state, now).values_list("name", flat=True)
        assert set(names) == {name for name in expected if expected[name] == state}
    usable = Token.objects.usable(now).values_list("name", flat=True)
    assert set(usable) == {"never", "later"}


def test_first_revocation_is_the_one_recorded(ada: User) -> None:
    """Chosen: also when two people revoke at once."""
    token, _ = Token.issue(ada, "Laptop")
    same_token = Token.objects.get()
    token.revoke()
    assert token.revoked_at is not None
    same_token.revoke()
    assert same_token.revoked_at == token.revoked_at
    assert Token.objects.get().revoked_at == token.revoked_at


def test_uses_within_a_minute_are_recorded_once(ada: User) -> None:
    """Chosen: also when each request loaded the token before the other's write."""
    token, _ = Token.issue(ada, "Laptop")
    same_token = Token.objects.get()
    now = timezone.now()
    token.record_use(now)
    same_token.record_use(now + timedelta(seconds=59))
    assert Token.objects.get().last_used_at == now
    same_token.record_use(now + timedelta(seconds=60))
    assert Token.objects.get().last_used_at == now + timedelta(seconds=60)


def test_recording_a_use_undoes_no_revocation(ada: User) -> None:
    """Chosen: only the one column is written."""
    token, _ = Token.issue(ada, "Laptop")
    Token.objects.get().revoke()
    token.record_use(timezone.now())
    assert Token.objects.get().revoked_at is not None


def test_tokens_go_with_their_user(ada: User) -> None:
    """Chosen: there is nobody left to act as."""
    Token.issue(ada, "Laptop")
    ada.delete()
    assert not Token.objects.exists()


def test_new_token_that_would_not_be_usable_is_invalid(ada: User) -> None:
    """Chosen: for forms; an old one may be renamed after its end."""
    past = timezone.now() - timedelta(days=1)
    token = Token(user=ada, name="Laptop", expires_at=past)
    token.set_new_text()
    with pytest.raises(ValidationError) as caught:
        token.full_clean()
    assert set(caught.value.message_dict) == {"expires_at"}
    token.save()
    token.full_clean()

    ada.is_active = False
    other = Token(user=ada, name="Laptop")
    other.set_new_text()
    with pytest.raises(ValidationError) as caught:
        other.full_clean()
    assert set(caught.value.message_dict) == {"user"}


def test_hint_is_never_taken_for_an_option() -> None:
    """Chosen: one of 64 would begin with a hyphen, and these are 2,000."""
    tokens = [Token() for _ in range(2000)]
    for token in tokens:
        token.set_new_text()
    assert {token.hint[0] for token in tokens}.isdisjoint("-")
