"""How severe log messages are."""

import pytest

from mcp_django.protocol.log_levels import DEFAULT_LOG_LEVEL, LOG_LEVELS, is_severe


def test_severities_are_ordered() -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Log Levels"."""
    assert LOG_LEVELS == (
        "debug",
        "info",
        "notice",
        "warning",
        "error",
        "critical",
        "alert",
        "emergency",
    )
    assert DEFAULT_LOG_LEVEL in LOG_LEVELS


@pytest.mark.parametrize(
    ("level", "least", "is_heard"),
    [
        ("debug", "info", False),
        ("info", "info", True),
        ("emergency", "info", True),
        ("notice", "warning", False),
    ],
)
def test_messages_at_least_as_severe_are_heard(
    level: str, least: str, is_heard: bool
) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Setting Log Level"."""
    assert is_severe(level, least) is is_heard
