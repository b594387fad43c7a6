"""The Django app of users' accounts at other servers."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """`mcp_django.accounts` among the installed apps."""

    name = "mcp_django.accounts"
    label = "mcp_accounts"
    verbose_name = _("Accounts at other MCP servers")
    default_auto_field = "django.db.models.BigAutoField"
