"""The Django app of OAuth."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OAuthConfig(AppConfig):
    """`mcp_django.oauth` among the installed apps."""

    name = "mcp_django.oauth"
    label = "mcp_oauth"
    verbose_name = _("OAuth for MCP")
    default_auto_field = "django.db.models.BigAutoField"
