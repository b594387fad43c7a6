"""`WWW-Authenticate` is read as RFC 9110 writes it, and anything else without harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.client.oauth.challenges import (
    Challenge,
    find_bearer,
    parse_challenges,
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        ([""], []),
        (["Bearer"], [("bearer", {})]),
        (["bearer realm=x"], [("bearer", {"realm": "x"})]),
        (['BEARER Scope="a b"'], [("bearer", {"scope": "a b"})]),
        (
            [
                'Bearer error="invalid_token", resource_metadata="https://a.example/x?y=1"'
            ],
            [
                (
                    "bearer",
                    {
                        "error": "invalid_token",
                        "resource_metadata": "https://a.example/x?y=1",
                    },
                )
            ],
        ),
        (
            ['Bearer realm = "x" , scope = y'],
            [("bearer", {"realm": "x", "scope": "y"})],
        ),
        ([r'Bearer realm="say \"hi\", \\"'], [("bearer", {"realm": 'say "hi", \\'})]),
        (
            ['Basic realm="a, Bearer b", Bearer scope="c"'],
            [("basic", {"realm": "a, Bearer b"}), ("bearer", {"scope": "c"})],
        ),
        (["Negotiate, Bearer"], [("negotiate", {}), ("bearer", {})]),
        (["Negotiate YII=, Bearer a=b"], [("negotiate", {}), ("bearer", {"a": "b"})]),
        (
            ["Basic realm=a", "Bearer a=b"],
            [("basic", {"realm": "a"}), ("bearer", {"a": "b"})],
        ),
        (["Bearer scope=a, scope=b"], [("bearer", {"scope": "a"})]),
        (["realm=a, Bearer b=c"], [("bearer", {"b": "c"})]),
        ([',, Bearer ,, a="b" ,'], [("bearer", {"a": "b"})]),
        (['Bearer scope="never ends'], [("bearer", {})]),
        (['Bearer @@@, a="b"'], [("bearer", {"a": "b"})]),
        (['Bearer a="", b=c'], [("bearer", {"a": "", "b": "c"})]),
    ],
)
def test_challenges_are_read(
    headers: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    """Spec: RFC 9110, section 11.6.1."""
    found = [(one.scheme, one.parameters) for one in parse_challenges(headers)]

    assert found == expected


TOKENS = st.text("abcXYZ019-_.~!#$%&'*+^`|", min_size=1, max_size=8)
VALUES = st.text(st.characters(max_codepoint=0x7E), max_size=20)
CHALLENGES = st.lists(
    st.tuples(TOKENS, st.dictionaries(TOKENS.map(str.lower), VALUES, max_size=4)),
    min_size=1,
    max_size=4,
)


@given(CHALLENGES, st.booleans())
def test_what_is_written_by_the_rules_is_read(
    challenges: list[tuple[str, dict[str, str]]], together: bool
) -> None:
    """Spec: RFC 9110, section 11.6.1; one header or several say the same."""

    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    written = [
        f"{scheme} " + ", ".join(f"{k}={quoted(v)}" for k, v in parameters.items())
        for scheme, parameters in challenges
    ]
    headers = [", ".join(written)] if together else written

    assert parse_challenges(headers) == [
        Challenge(scheme.lower(), parameters) for scheme, parameters in challenges
    ]


@given(st.lists(st.text(), max_size=3))
def test_any_text_is_read_without_harm(headers: list[str]) -> None:
    """Chosen: a server may send what it likes."""
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()
        assert all(" " not in scope for scope in challenge.scopes)


@given(st.text('Bearer ="\\,', max_size=60))
def test_text_that_is_nearly_a_challenge_is_read_without_harm(header: str) -> None:
    """Chosen: likewise."""
    parse_challenges([header])


@pytest.mark.parametrize("text", ['Bearer a="', "a=", ",", '"', "Bearer ", "\\"])
def test_long_garbage_takes_no_time(text: str) -> None:
    """Chosen: a header of 16 KiB is the longest that is looked at."""
    parse_challenges([text * 100_000])


def test_bearer_challenge_that_says_where_to_log_in_is_preferred() -> None:
    """Chosen: servers with several ways to log in name several."""
    challenge = find_bearer(
        ["Basic realm=x, Bearer realm=y, Bearer resource_metadata=z, Bearer scope=a"]
    )

    assert challenge is not None
    assert challenge.resource_metadata == "z"
    assert find_bearer(["Basic realm=x"]) is None


def test_scopes_are_those_that_can_be_ones() -> None:
    """Spec: RFC 6749, section 3.3."""
    [challenge] = parse_challenges([r'Bearer scope="a:b  https://x/y \"c ä d"'])

    assert challenge.scopes == {"a:b", "https://x/y", "d"}
    assert not Challenge("bearer").scopes
