"""The Django app of the audit trail."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    """`mcp_django.audit` among the installed apps."""

    name = "mcp_django.audit"
    label = "mcp_audit"
    verbose_name = _("MCP audit trail")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Begin to record."""
        from mcp_django.audit.recorder import recorder
        from mcp_django.server.observers import observe

        observe(recorder)
