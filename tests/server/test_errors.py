"""What is told of a failure."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from mcp_django.server.errors import with_details


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError


FAILURES: dict[str, tuple[BaseException, str]] = {
    "a text": (ValueError("no such colour"), "Failed: ValueError: no such colour"),
    "no text": (LookupError(), "Failed: LookupError"),
    "a text that fails": (Mute(), "Failed: Mute: its text cannot be made"),
    "of a task group": (
        ExceptionGroup("tasks", [ExceptionGroup("tasks", [KeyError("a")])]),
        "Failed: KeyError: 'a'",
    ),
    "a lone surrogate": (ValueError("\ud800"), "Failed: ValueError: \\ud800"),
    "the end of the program": (SystemExit(3), "Failed: SystemExit: 3"),
}


@pytest.mark.parametrize(("error", "text"), FAILURES.values(), ids=FAILURES)
def test_failure_is_named_under_debug(
    settings: LazySettings, error: BaseException, text: str
) -> None:
    """We chose it: as Django shows its traceback there, and only there."""
    assert with_details("Failed", error) == "Failed"
    settings.DEBUG = True
    assert with_details("Failed", error) == text


def test_what_is_named_has_an_end(settings: LazySettings) -> None:
    """We chose it: an exception may hold a whole table."""
    settings.DEBUG = True
    assert len(with_details("Failed", ValueError("x" * 10**6))) < 2000
