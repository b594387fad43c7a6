"""Checks of what the gate lets in: hosts, origins, CORS."""

from __future__ import annotations

import re
from typing import Any

from corsheaders.conf import conf as cors_settings
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticator_paths, is_open_to_all
from mcp_django.checks.authentication import faults_of_authenticator
from mcp_django.checks.setting import faults_of_setting, values
from mcp_django.consumers.cors import EndpointCorsMiddleware

_UNGUESSABLE_ORIGIN = "https://2d0a1f4e7c.mcp-django.invalid"


def check_hosts(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find host names that any page can give the site."""
    messages: list[checks.CheckMessage] = []
    if "*" in _listed(settings.ALLOWED_HOSTS):
        messages.append(
            checks.Warning(
                "ALLOWED_HOSTS has '*', so MCP paths take loopback names and "
                "MCP['ALLOWED_HOSTS'] only: a page can give any name to the site.",
                hint="List the site's names in ALLOWED_HOSTS.",
                id="mcp_django.W040",
            )
        )
    if "*" in _listed(values()["ALLOWED_HOSTS"]):
        messages.append(
            checks.Warning(
                "MCP['ALLOWED_HOSTS'] has '*', so a page that gives its own name to "
                "the site's address reaches MCP as if it were the site.",
                hint="List the site's names.",
                id="mcp_django.W041",
            )
        )
    return messages


def check_cors(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find CORS settings that open too much, and middleware that knows no MCP."""
    messages: list[checks.CheckMessage] = []
    if _any_origin_is_allowed() and (
        cors_settings.CORS_ALLOW_CREDENTIALS or _cookies_authenticate()
    ):
        messages.append(
            checks.Warning(
                "CORS settings allow every origin while cookies prove who a user is. "
                "CORS_ALLOW_ALL_ORIGINS is ignored on MCP paths, a pattern that "
                "matches every origin is not.",
                hint="List origins in CORS_ALLOWED_ORIGINS or MCP['ALLOWED_ORIGINS'].",
                id="mcp_django.W042",
            )
        )
    for path in _listed(settings.MIDDLEWARE):
        if _is_stock_cors(path):
            messages.append(
                checks.Warning(
                    f"{path!r} in MIDDLEWARE does not know what MCP endpoints need.",
                    hint="Put 'mcp_django.middleware.CorsMiddleware' in its place; on "
                    "the rest of the site it does the same.",
                    id="mcp_django.W043",
                )
            )
    return messages


def _any_origin_is_allowed() -> bool:
    if cors_settings.CORS_ALLOW_ALL_ORIGINS:
        return True
    try:
        return any(
            re.fullmatch(pattern, _UNGUESSABLE_ORIGIN)
            for pattern in cors_settings.CORS_ALLOWED_ORIGIN_REGEXES
        )
    except (TypeError, re.error):  # django-cors-headers' checks say so.
        return False


def _cookies_authenticate() -> bool:
    if any(faults_of_setting()) or is_open_to_all():
        return False
    for path in authenticator_paths():
        if not any(faults_of_authenticator(path)) and import_string(path).uses_cookies:
            return True
    return False


def _is_stock_cors(path: str) -> bool:
    try:
        middleware = import_string(path)
        return issubclass(middleware, CorsMiddleware) and not issubclass(
            middleware, EndpointCorsMiddleware
        )
    except Exception:  # Django says so when it loads the middleware.
        return False


def _listed(value: Any) -> list[Any] | tuple[Any, ...]:
    """Give the members of a setting; none if it is not of a kind that has any."""
    return value if isinstance(value, list | tuple) else ()
