"""The Django app of switches."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SwitchesConfig(AppConfig):
    """`mcp_django.switches` among the installed apps."""

    name = "mcp_django.switches"
    label = "mcp_switches"
    verbose_name = _("MCP switches")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have every request look at what is switched off, and every worker hear."""
        from mcp_django.switches import keeper, reading

        keeper.connect()
        reading.connect()
