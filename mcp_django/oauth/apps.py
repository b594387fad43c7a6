"""The Django app of OAuth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, register
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from mcp_django.apps import CHECKS_TAG
from mcp_django.auth.challenges import additions
from mcp_django.auth.grants import Grant, finders
from mcp_django.server.well_known import Place, documents


class OAuthConfig(AppConfig):
    """`mcp_django.oauth` among the installed apps."""

    name = "mcp_django.oauth"
    label = "mcp_oauth"
    verbose_name = _("MCP OAuth")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Say at the endpoints where programs log in, and register the checks."""
        documents["oauth-protected-resource"] = _describe_resource
        if _said_in_challenges not in additions:
            additions.append(_said_in_challenges)
        if apps.is_installed("oauth2_provider"):
            from mcp_django.oauth.authorization_server import changes

            changes.connect()
            if _find_grants not in finders:
                finders.append(_find_grants)
            documents["oauth-authorization-server"] = _describe_authorization_server
        register(_check_project, CHECKS_TAG)


# A command that serves nothing, such as a server over stdio, starts without importing
# what these need.


def _describe_resource(request: HttpRequest, place: Place) -> HttpResponse | None:
    from mcp_django.oauth.documents import describe

    return describe(request, place)


def _describe_authorization_server(
    request: HttpRequest, place: Place
) -> HttpResponse | None:
    from mcp_django.oauth.authorization_server.metadata import describe

    return describe(request, place)


def _said_in_challenges(request: HttpRequest) -> Mapping[str, str]:
    from mcp_django.oauth.documents import said_in_challenges

    return said_in_challenges(request)


def _find_grants(request: HttpRequest) -> list[Grant]:
    from mcp_django.oauth.authorization_server.programs import find_grants

    return find_grants(request)


def _check_project(**kwargs: Any) -> list[CheckMessage]:
    from mcp_django.oauth import checks

    return checks.check_project(**kwargs)
