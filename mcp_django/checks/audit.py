"""Checks of the audit trail: what is set for it has an effect."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core import checks

from mcp_django.checks.setting import values
from mcp_django.conf import DEFAULTS


def check_audit(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find settings of the audit trail where none is kept."""
    if apps.is_installed("mcp_django.audit"):
        return []
    given = [
        key
        for key, value in values().items()
        if str(key).startswith("AUDIT_") and key in DEFAULTS and value != DEFAULTS[key]
    ]
    if not given:
        return []
    return [
        checks.Warning(
            f"MCP[{given[0]!r}] has no effect: no audit trail is kept.",
            hint="Add 'mcp_django.audit' to INSTALLED_APPS and run manage.py migrate, "
            f"or leave out {', '.join(given)}.",
            id="mcp_django.W170",
        )
    ]
