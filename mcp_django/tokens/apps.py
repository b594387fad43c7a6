"""The Django app of bearer tokens."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TokensConfig(AppConfig):
    """`mcp_django.tokens` among the installed apps."""

    name = "mcp_django.tokens"
    label = "mcp_tokens"
    verbose_name = _("MCP tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what tells of tokens that change."""
        from mcp_django.tokens import models

        models.connect()
