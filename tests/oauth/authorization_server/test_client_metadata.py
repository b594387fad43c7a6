"""What programs say of themselves, however absurd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.oauth.authorization_server.client_metadata import (
    APPLICATION_TYPES,
    AUTH_METHODS,
    MAX_NAME_LENGTH,
    ClientRefused,
    parse_metadata,
    read_metadata,
    shown,
)

GOOD = {
    "client_name": "Example",
    "redirect_uris": ["https://app.example/cb"],
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "web",
    "scope": "mcp:read",
}

texts = st.text(st.characters(exclude_categories=[]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=8,
)
members = st.sampled_from([*GOOD, "client_uri", "jwks", "client_name#fr", ""])


@given(st.dictionaries(members, values | st.sampled_from(list(GOOD.values()))))
def test_whatever_is_said_is_taken_or_refused(changes: dict[str, Any]) -> None:
    """Chosen: what is taken can be stored and shown, whatever was said."""
    try:
        taken = read_metadata(GOOD | changes)
    except ClientRefused as refused:
        assert refused.status == 400
        assert refused.error in ("invalid_client_metadata", "invalid_redirect_uri")
        # Spec: RFC 7591, section 3.2.2: ASCII text.
        assert refused.description.isascii()
        assert len(refused.description) < 1500
    else:
        assert len(taken.name) <= MAX_NAME_LENGTH
        assert taken.name.isprintable()
        taken.name.encode()
        assert taken.redirect_uris
        assert all(uri.text.isascii() for uri in taken.redirect_uris)
        assert taken.auth_method in AUTH_METHODS
        assert taken.application_type in (None, *APPLICATION_TYPES)


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_an_object_or_refused(body: bytes) -> None:
    """Chosen: nothing that comes from outside raises anything else."""
    try:
        assert isinstance(parse_metadata(body), dict)
    except ClientRefused as refused:
        assert refused.description.startswith("the body is not ")


@given(texts | st.text(min_size=200, max_size=400))
def test_what_is_shown_is_short_and_plain(text: str) -> None:
    """Chosen: no log is written, and no terminal steered, by who registers."""
    assert shown(text).isascii()
    assert shown(text).isprintable()
    assert shown(text).startswith(("'", '"'))


@pytest.mark.parametrize("missing", list(GOOD))
def test_what_is_null_counts_as_left_out(missing: str) -> None:
    """Spec: RFC 7591, section 2: members are optional; clients send null for them."""
    left_out = {name: value for name, value in GOOD.items() if name != missing}

    def read(given: dict[str, Any]) -> Any:
        try:
            return read_metadata(given)
        except ClientRefused as refused:
            return refused.description

    assert read({**GOOD, missing: None}) == read(left_out)
