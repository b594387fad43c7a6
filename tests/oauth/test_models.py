"""What is remembered of what users allowed."""

import pytest

from mcp_django.oauth.models import Consent


@pytest.mark.parametrize(
    ("before", "ticked", "unticked", "after"),
    [
        ([], ["b", "a"], [], ["a", "b"]),
        (["a"], ["b"], [], ["a", "b"]),
        (["a", "b"], ["a"], ["b"], ["a"]),
        (["a", "b"], [], ["c"], ["a", "b"]),
    ],
)
def test_what_was_not_asked_for_stays_allowed(
    before: list[str], ticked: list[str], unticked: list[str], after: list[str]
) -> None:
    """Chosen: unticking is the user's word, too."""
    consent = Consent(scopes=before)

    consent.change(ticked=ticked, unticked=unticked)

    assert consent.scopes == after


def test_consent_covers_what_was_allowed_and_no_more() -> None:
    """Chosen."""
    consent = Consent(scopes=["a", "b"])

    assert consent.covers(["a"])
    assert consent.covers([])
    assert not consent.covers(["a", "c"])
