"""Checks of limits that only make sense together."""

from __future__ import annotations

from typing import Any

from django.core import checks

from mcp_django.auth.authenticators import is_open_to_all
from mcp_django.checks.setting import faults_of_setting
from mcp_django.conf import mcp_settings


def check_rates(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a rate of requests that is never counted."""
    if any(faults_of_setting()) or mcp_settings.MAX_RATE is None:
        return []
    if not is_open_to_all():
        return []
    return [
        checks.Warning(
            "MCP['MAX_RATE'] has no effect: authentication is switched off, and "
            "clients that are no user's are not counted.",
            hint="Limit the requests of each address in the proxy, such as with "
            "nginx's limit_req.",
            id="mcp_django.W155",
        )
    ]


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
