"""What a token says of itself."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django import AuthenticationFailed
from mcp_django.oauth.authenticators.claims import (
    audiences_of,
    moment_of,
    says_its_kind,
    scopes_of,
)
from mcp_django.oauth.authenticators.jwt import read

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("uses_zones", [True, False])
def test_times_can_be_compared_with_the_site_s_own(
    settings: Settings, uses_zones: bool
) -> None:
    """We promise it: whatever `USE_TZ` and `TIME_ZONE` say."""
    settings.USE_TZ = uses_zones
    moment = moment_of({"exp": time.time() + 60}, "exp")
    assert moment is not None
    assert 0 < (moment - timezone.now()).total_seconds() < 61


@given(st.dictionaries(st.sampled_from(["aud", "scope", "scp", "exp", "typ"]), values))
def test_claims_of_any_kind_are_read_or_refused(claims: dict[str, Any]) -> None:
    """We promise it: an issuer that writes nonsense fails its tokens alone."""
    for look in (audiences_of, scopes_of, says_its_kind):
        try:
            look(claims)
        except AuthenticationFailed:
            continue
    with suppress(AuthenticationFailed):
        moment_of(claims, "exp")


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), 1e308, float("inf"), float("nan"), True, "1", [1]]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    """Spec: RFC 7519, section 2, "NumericDate"."""
    with pytest.raises(AuthenticationFailed, match="the claim 'exp' is no"):
        moment_of({"exp": value}, "exp")


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"))
def test_text_of_any_kind_is_a_token_or_none(text: str) -> None:
    """We promise it: whatever strangers send."""
    read(text)
