"""The Django app of users' accounts at other servers."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, register
from django.utils.translation import gettext_lazy as _

from mcp_django.apps import CHECKS_TAG


class AccountsConfig(AppConfig):
    """`mcp_django.accounts` among the installed apps."""

    name = "mcp_django.accounts"
    label = "mcp_accounts"
    verbose_name = _("MCP accounts at other servers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what checks."""
        register(_check_accounts, CHECKS_TAG)


def _check_accounts(**kwargs: Any) -> list[CheckMessage]:
    # Late, as the checks of `mcp_django` are: most commands run none.
    from mcp_django.accounts import checks

    return checks.check_accounts(**kwargs)
