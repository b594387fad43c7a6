"""What may name a scope, and how several are written."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.protocol.scopes import is_scope, parse_scopes, write_scopes

ALLOWED = "".join(sorted(set(string.printable[:94]) - {'"', "\\"}))

scope = st.text(ALLOWED, min_size=1, max_size=12)


@pytest.mark.parametrize("name", ["a", "mcp:read", "https://x/y?z#1", "!", "~", "[]"])
def test_name_of_printable_ascii_is_one(name: str) -> None:
    """Spec: RFC 6749, section 3.3."""
    assert is_scope(name)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", 'a"', "a\\", "a\n", "\x7f", "\x00", "é", "\ud800", 7, None]
)
def test_what_has_other_characters_is_none(name: object) -> None:
    """Spec: RFC 6749, section 3.3."""
    assert not is_scope(name)


@given(st.characters())
def test_character_is_allowed_exactly_where_it_is_in_the_table(character: str) -> None:
    """Spec: RFC 6749, section 3.3."""
    assert is_scope(character) is (character in ALLOWED)


@given(st.frozensets(scope, max_size=6))
def test_what_is_written_is_read_again(names: frozenset[str]) -> None:
    """Chosen: whatever they are named."""
    assert parse_scopes(write_scopes(names)) == names


def test_scopes_are_written_once_each_in_order() -> None:
    """Chosen: so that the same ones make the same text."""
    assert write_scopes(["b", "a", "b"]) == "a b"


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_text_without_names_has_no_scope(text: str) -> None:
    """Chosen: an empty claim allows nothing."""
    assert parse_scopes(text) == frozenset()


@pytest.mark.parametrize("text", ["a\tb", 'a "b"', "a\nb", "über"])
def test_text_with_what_is_no_scope_is_refused(text: str) -> None:
    """Spec: RFC 6749, section 3.3."""
    with pytest.raises(ValueError, match="is no name of a scope"):
        parse_scopes(text)
