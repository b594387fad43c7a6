"""Encryption of what is stored of accounts."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django.accounts.encryption import (
    Undecryptable,
    decrypt,
    encrypt,
    is_current,
)

PLACE = ("account", "7", "https://warehouse.example/mcp")
RECORD = {"tokens": {"access": "secret-ä"}, "expires": 1.5}


def test_text_hides_the_value_and_gives_it_back() -> None:
    """Chosen: what is stored says nothing to those who have the database alone."""
    text = encrypt(RECORD, *PLACE)

    assert "secret" not in text
    assert b"secret" not in base64.urlsafe_b64decode(text.rpartition(".")[2])
    assert decrypt(text, *PLACE) == RECORD


def test_two_texts_of_a_value_differ() -> None:
    """Chosen: a reader cannot see that two have the same, or none changed."""
    assert encrypt(RECORD, *PLACE) != encrypt(RECORD, *PLACE)


@pytest.mark.parametrize(
    "place",
    [
        ("account", "8", "https://warehouse.example/mcp"),
        ("account", "7", "https://other.example/mcp"),
        ("login", "7", "https://warehouse.example/mcp"),
        ("account", "7https://warehouse.example/mcp"),
        (),
    ],
)
def test_text_cannot_be_read_in_another_place(place: tuple[str, ...]) -> None:
    """Chosen: a row copied to another user is of no use."""
    text = encrypt(RECORD, *PLACE)

    with pytest.raises(Undecryptable, match="another user or server"):
        decrypt(text, *place)


def test_text_of_a_fallback_key_is_read_and_not_current(settings: Settings) -> None:
    """Chosen: as Django does with what it signs."""
    settings.SECRET_KEY = "old"
    text = encrypt(RECORD, *PLACE)
    assert is_current(text)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["other", "old"]

    assert decrypt(text, *PLACE) == RECORD
    assert not is_current(text)


def test_text_of_a_lost_key_says_which_setting_lacks_it(settings: Settings) -> None:
    """Chosen: what is wrong is the key, and not the text."""
    settings.SECRET_KEY = "old"
    text = encrypt(RECORD, *PLACE)
    settings.SECRET_KEY = "new"

    with pytest.raises(Undecryptable, match="SECRET_KEY_FALLBACKS"):
        decrypt(text, *PLACE)


@given(position=st.integers(min_value=0), flip=st.integers(1, 127))
def test_changed_text_is_never_read(position: int, flip: int) -> None:
    """Chosen: whatever is changed, there is one kind of exception, and no value."""
    text = encrypt(RECORD, *PLACE)
    position %= len(text)
    changed = text[:position] + chr(ord(text[position]) ^ flip) + text[position + 1 :]

    with pytest.raises(Undecryptable):
        decrypt(changed, *PLACE)


@pytest.mark.parametrize("text", ["", ".", "a.b.c.d", "1.00000000.", "1.x.ä", "{}"])
def test_what_is_no_such_text_is_refused(text: str) -> None:
    """Chosen: an import of other data ends in words, and not in a traceback."""
    with pytest.raises(Undecryptable):
        decrypt(text, *PLACE)
    assert not is_current(text)


def test_key_as_bytes_is_the_same_key(settings: Settings) -> None:
    """Chosen: Django takes both."""
    settings.SECRET_KEY = "same"
    text = encrypt(RECORD, *PLACE)
    settings.SECRET_KEY = b"same"

    assert decrypt(text, *PLACE) == RECORD
