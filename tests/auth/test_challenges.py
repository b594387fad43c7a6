"""What refusals tell, of all authenticators together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django import AuthenticationFailed
from mcp_django.auth.challenge_syntax import parse
from mcp_django.auth.challenges import bearer_challenge, complete
from tests.auth.test_challenge_syntax import challenges

METADATA = {"resource_metadata": "https://site/.well-known/x", "scope": "a b"}
SAID = 'resource_metadata="https://site/.well-known/x", scope="a b"'
FAILURE = AuthenticationFailed("secret", description='no "good"')


@pytest.mark.parametrize(
    ("given_", "full"),
    [
        ([], []),
        (["Bearer"], [f"Bearer {SAID}"]),
        (["Basic"], ["Basic"]),
        (["Session", "Bearer"], [f"Bearer {SAID}", "Session"]),
        (['Basic a="b", bearer c=d'], [f"bearer c=d, {SAID}", 'Basic a="b"']),
        (
            ['Bearer scope="c"'],
            ['Bearer scope="c", resource_metadata="https://site/.well-known/x"'],
        ),
        (
            ["Bearer", 'Bearer realm="a"', 'Bearer realm="b"', 'Bearer realm="a"'],
            [
                f"Bearer {SAID}",
                f'Bearer realm="a", {SAID}',
                f'Bearer realm="b", {SAID}',
            ],
        ),
        (
            ['Bearer realm="a"', 'Bearer realm="a", error="e"'],
            [f'Bearer realm="a", error="e", {SAID}'],
        ),
        (["Bearer a=", "Bearer"], [f"Bearer {SAID}", "Bearer a="]),
        (["Basic", "Basic"], ["Basic"]),
    ],
)
def test_what_apps_add_stands_in_each_challenge_for_bearer_tokens(
    given_: list[str], full: list[str]
) -> None:
    """Spec: RFC 9728, section 5.1. Chosen: these go first, an error first of all."""
    assert complete(given_, METADATA) == full


def test_token_that_is_unknown_to_all_is_told_in_each() -> None:
    """Chosen: no authenticator has said what is wrong with it."""
    error = 'error="invalid_token", error_description="no \'good\'"'

    assert complete(["Bearer", "Basic", "Bearer error=own"], {}, FAILURE) == [
        f"Bearer {error}",
        "Bearer error=own",
        "Basic",
    ]


def test_scope_of_a_refused_call_is_not_that_of_a_login() -> None:
    """Spec: 2025-11-25 basic/authorization, "Runtime Insufficient Scope Errors"."""
    failure = AuthenticationFailed(
        error="insufficient_scope", description="no", parameters={"scope": "mcp:write"}
    )

    [text] = complete([bearer_challenge(failure)], METADATA)

    assert text == (
        'Bearer error="insufficient_scope", error_description="no", scope="mcp:write", '
        'resource_metadata="https://site/.well-known/x"'
    )


@given(st.lists(challenges.map(str), max_size=4), st.booleans())
def test_nothing_that_was_said_is_lost(texts: list[str], is_refused: bool) -> None:
    """Chosen: for whatever authenticators there are."""
    full = complete(texts, METADATA, FAILURE if is_refused else None)
    said = [challenge for text in full for challenge in parse(text)]

    for challenge in parse(", ".join(texts)):
        assert any(
            challenge.scheme.lower() == other.scheme.lower()
            and set(challenge.parameters) <= set(other.parameters)
            for other in said
        )
    for challenge in said:
        assert not challenge.is_bearer or METADATA.keys() <= challenge.names
        assert not challenge.is_bearer or not is_refused or "error" in challenge.names
    is_bearer = [challenge.is_bearer for challenge in said]
    assert is_bearer == sorted(is_bearer, reverse=True)
