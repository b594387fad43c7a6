"""The Django app of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig, apps
from django.urls import path
from django.utils.translation import gettext_lazy as _

from mcp_django.server.endpoints import Pages, page_makers

if TYPE_CHECKING:
    from mcp_django.server.server import Server


class PagesConfig(AppConfig):
    """`mcp_django.pages` among the installed apps."""

    name = "mcp_django.pages"
    label = "mcp_pages"
    verbose_name = _("MCP")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Show the pages at each endpoint."""
        if make_pages not in page_makers:
            page_makers.append(make_pages)


def make_pages(server: Server, base: str) -> Pages:
    """Give the pages of a server.

    Args:
        server: Whose pages they are.
        base: What their paths begin with below the including URLconf, such as "mcp/".
    """
    # A server over stdio starts without what shows pages.
    from mcp_django.pages.connect import ConnectPage
    from mcp_django.pages.console import ConsolePage
    from mcp_django.pages.landing import LandingPage
    from mcp_django.pages.programs import ProgramsPage, RevokeTokenPage

    name = server.name
    patterns = [
        path(f"{base}connect/", ConnectPage(server), name=f"{name}-connect"),
        path(f"{base}programs/", ProgramsPage(server), name=f"{name}-programs"),
        path(f"{base}console/", ConsolePage(server), name=f"{name}-console"),
    ]
    if apps.is_installed("mcp_django.tokens"):
        revoke = RevokeTokenPage(server)
        patterns.append(
            path(f"{base}programs/revoke/", revoke, name=f"{name}-token-revoke")
        )
    return Pages(LandingPage(server), patterns)
