"""Checks of the site's own name, and of what takes the tokens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticator_paths
from mcp_django.checks.authentication import faults_of_authenticator
from mcp_django.checks.servers import readable_endpoints
from mcp_django.checks.setting import faults_of_setting
from mcp_django.conf import mcp_settings
from mcp_django.oauth.documents import NamesIssuers

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def check_public_url(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find sites whose name any request can change, or that send tokens in the open."""
    if any(faults_of_setting()) or not readable_endpoints():
        return []
    public_url = mcp_settings.PUBLIC_URL
    if public_url is None:
        allowed = settings.ALLOWED_HOSTS
        if not isinstance(allowed, list | tuple) or "*" not in allowed:
            return []
        return [
            checks.Error(
                "ALLOWED_HOSTS has '*' and MCP['PUBLIC_URL'] is not set, so a request "
                "could say by which name tokens know the site.",
                hint="Set MCP['PUBLIC_URL'] to the origin by which users reach the "
                "site, such as 'https://site.example', or list its names in "
                "ALLOWED_HOSTS.",
                id="mcp_django.E103",
            )
        ]
    parts = urlsplit(public_url.lower())
    if parts.scheme == "https" or parts.hostname in _LOOPBACK:
        return []
    return [
        checks.Warning(
            f"MCP['PUBLIC_URL'] is {public_url!r}, so that passwords and tokens go "
            "through the network as they are, and clients refuse to log in.",
            hint="Serve the site over https, and name that.",
            id="mcp_django.W104",
        )
    ]


def check_authenticators(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find sites that have the app, and take no tokens of OAuth."""
    if any(faults_of_setting()) or not readable_endpoints():
        return []
    paths = authenticator_paths()
    if any(any(faults_of_authenticator(path)) for path in paths):
        return []  # Those are said already.
    kinds = map(import_string, paths)
    if any(issubclass(kind, NamesIssuers) for kind in kinds):
        return []
    return [
        checks.Warning(
            "'mcp_django.oauth' is installed, and no authenticator takes tokens of "
            "OAuth: clients are not told where their users log in.",
            hint="Install 'oauth2_provider' and leave MCP['AUTHENTICATION'] out, or "
            "name an authenticator for the tokens of another issuer there, or take the "
            "app out of INSTALLED_APPS.",
            id="mcp_django.W105",
        )
    ]
