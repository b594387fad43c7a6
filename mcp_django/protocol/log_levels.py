"""How severe log messages are, and which of them a client hears.

Spec: 2025-11-25 server/utilities/logging, "Log Levels".
"""

from __future__ import annotations

from typing import Final, get_args

from mcp_types import LoggingLevel

LOG_LEVELS: Final[tuple[str, ...]] = get_args(LoggingLevel)
"""Severities, least severe first."""

DEFAULT_LOG_LEVEL: Final = "info"
"""Least severe messages that sessions hear whose clients did not say; our choice."""


def is_severe(level: str, least: str) -> bool:
    """Say whether a severity is at least as severe as another."""
    return LOG_LEVELS.index(level) >= LOG_LEVELS.index(least)
