"""The scopes that programs may ask for: of the MCP endpoints, and the project's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oauth2_provider.scopes import BaseScopes, SettingsScopes
from oauth2_provider.settings import oauth2_settings

from mcp_django.server.routes import all_endpoints
from mcp_django.server.texts import Text


class EndpointScopes(BaseScopes):  # type: ignore[misc]  # the toolkit has no types
    """Says which scopes there are, to django-oauth-toolkit.

    Name it as `SCOPES_BACKEND_CLASS`; `oauth2_provider()` does. Besides those of MCP
    endpoints there are those of `SCOPES`, where a project sets it for what else its
    tokens open. No MCP endpoint has them, so that no program is asked about both.
    """

    def of_endpoints(self) -> Mapping[str, Text]:
        """Give the scopes of all MCP endpoints, each with what it allows, in words."""
        found: dict[str, Text] = {}
        for endpoint in all_endpoints():
            found |= endpoint.server.scopes
        return found

    def get_all_scopes(self) -> Mapping[str, Text]:
        """Give all scopes that there are, each with what it allows, in words."""
        own = SettingsScopes().get_all_scopes() if _has_own() else {}
        return {**own, **self.of_endpoints()}

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> Sequence[str]:
        """Give the scopes that any program may ask for."""
        return list(self.get_all_scopes())

    def get_default_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> Sequence[str]:
        """Give the scopes of a program that asks for none, and names no endpoint."""
        if _has_own():
            return list(SettingsScopes().get_default_scopes())
        endpoints = all_endpoints()
        return sorted({s for found in endpoints for s in found.server.login_scopes})


def _has_own() -> bool:
    return "SCOPES" in oauth2_settings.user_settings
