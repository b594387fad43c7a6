"""Challenges as they stand in `WWW-Authenticate`."""

from __future__ import annotations

import string
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.auth.challenge_syntax import Challenge, parse, quoted

TCHARS = "!#$%&'*+.^_`|~-" + string.digits + string.ascii_letters

tokens = st.text(TCHARS, min_size=1, max_size=8)
"""Spec: RFC 9110, section 5.6.2."""

values = tokens | st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12
).map(quoted)

challenges = st.builds(
    Challenge,
    tokens,
    st.lists(
        st.tuples(tokens, values), max_size=4, unique_by=lambda item: item[0].lower()
    ).map(tuple),
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" , ,", []),
        ("Bearer", [Challenge("Bearer")]),
        ("Session, bearer ,", [Challenge("Session"), Challenge("bearer")]),
        (
            'Newauth realm="apps", type=1, title="Log in to \\"it\\"", Basic realm="s"',
            [
                Challenge(
                    "Newauth",
                    (
                        ("realm", '"apps"'),
                        ("type", "1"),
                        ("title", '"Log in to \\"it\\""'),
                    ),
                ),
                Challenge("Basic", (("realm", '"s"'),)),
            ],
        ),
        ("Negotiate abc==", [Challenge("Negotiate", token="abc==")]),
        (
            "Negotiate abc==,Bearer a = b",
            [Challenge("Negotiate", token="abc=="), Challenge("Bearer", (("a", "b"),))],
        ),
        ('Bearer  a="x, y",,b=z', [Challenge("Bearer", (("a", '"x, y"'), ("b", "z")))]),
        ("a, b c=d", [Challenge("a"), Challenge("b", (("c", "d"),))]),
    ],
)
def test_list_of_challenges_is_taken_apart(text: str, found: list[Challenge]) -> None:
    """Spec: RFC 9110, sections 11.2, 11.3 and 11.6.1."""
    assert parse(text) == found


@pytest.mark.parametrize(
    "text",
    [
        '"a"',
        "=",
        'Bearer "a"',
        'Bearer a="b',
        'Bearer a="b" c="d"',
        "a b c",
        "ä",
        "a=b",
    ],
)
def test_what_is_no_list_of_challenges_is_refused(text: str) -> None:
    """Chosen: nothing is guessed."""
    with pytest.raises(ValueError, match="no challenge goes on at character"):
        parse(text)


@given(st.lists(challenges, max_size=4), st.sampled_from([",", ", ", " ,\t", ",, "]))
def test_what_was_written_is_read_again(written: list[Challenge], gap: str) -> None:
    """Spec: RFC 9110, section 5.6.1, for the commas."""
    assert parse(gap.join(map(str, written))) == written


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Chosen: a project writes it, and a mistake of it must not hang or fail."""
    try:
        found = parse(text)
    except ValueError:
        return
    assert parse(", ".join(map(str, found))) == found


@given(
    st.dictionaries(tokens.map(str.lower), st.text(max_size=20), max_size=4),
    st.dictionaries(tokens, st.text(max_size=20), max_size=4),
)
def test_whatever_is_said_stays_one_challenge(
    there: dict[str, str], added: dict[str, str]
) -> None:
    """Spec: RFC 6750, section 3. Chosen: texts cannot break out of their quotes."""
    before = Challenge("Bearer").adding(there)
    challenge = before.adding(added)

    [again] = parse(str(challenge))

    assert again == challenge
    assert challenge.parameters[: len(there)] == before.parameters
    # By another reader, Python's own, which takes such a list with semicolons.
    message = Message()
    message["x"] = "; ".join(["Bearer", *(f"{n}={v}" for n, v in again.parameters)])
    names = [name.lower() for name, _ in again.parameters]
    assert len(message.get_params(header="x", unquote=False) or ()) == len(names) + 1


def test_parameter_that_is_there_is_not_said_again() -> None:
    """Spec: RFC 9110, section 11.2: each name occurs once, in whichever case."""
    challenge = Challenge("Bearer", (("Scope", "a"),)).adding({"scope": "b", "x": "y"})

    assert str(challenge) == 'Bearer Scope=a, x="y"'
