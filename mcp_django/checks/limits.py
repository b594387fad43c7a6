"""Checks of limits that only make sense together."""

from __future__ import annotations

from typing import Any

from django.core import checks

from mcp_django.checks.setting import faults_of_setting
from mcp_django.conf import mcp_settings


def check_limits(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find results that may be large, and could never be sent."""
    if any(faults_of_setting()):
        return []
    largest, budget = mcp_settings.MAX_RESULT_BYTES, mcp_settings.MAX_UNREAD_BYTES
    if largest * 2 <= budget:
        return []
    return [
        checks.Warning(
            f"MCP['MAX_RESULT_BYTES'] is {largest}, and MCP['MAX_UNREAD_BYTES'] is "
            f"{budget}: no answer may take more than half of that.",
            hint="Raise MAX_UNREAD_BYTES, or lower MAX_RESULT_BYTES.",
            id="mcp_django.W009",
        )
    ]
