"""System checks of accounts at other servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from mcp_django.accounts.servers import read_server
from mcp_django.checks.setting import values


def check_accounts(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find servers that are configured wrongly, and pages that are not there."""
    servers = values()["OTHER_SERVERS"]
    # What is no dictionary is told of by the check of the setting.
    if not isinstance(servers, dict) or not servers:
        return []
    return [*_faults_of_servers(servers), *_faults_of_pages()]


def _faults_of_servers(servers: dict[Any, Any]) -> Iterator[checks.CheckMessage]:
    seen: dict[str, str] = {}
    for name, given in servers.items():
        try:
            server = read_server(name, given)
        except ImproperlyConfigured as error:
            yield checks.Error(
                f"{error}.",
                hint="See the settings reference for what a server may have.",
                id="mcp_django.E140",
            )
            continue
        if server.url in seen:
            yield checks.Error(
                f"MCP['OTHER_SERVERS'] has {server.url!r} as {seen[server.url]!r} and "
                f"as {name!r}: users have one account at a URL.",
                hint="Leave one of them out.",
                id="mcp_django.E141",
            )
        seen[server.url] = name


def _faults_of_pages() -> Iterator[checks.CheckMessage]:
    try:
        reverse("mcp_accounts:accounts")
    except NoReverseMatch:
        yield checks.Error(
            "MCP['OTHER_SERVERS'] has servers, and users have no page to connect "
            "their accounts on.",
            hint='Add path("accounts/", include("mcp_django.accounts.urls")) to the '
            "URLconf.",
            id="mcp_django.E142",
        )
    except Exception:  # What is wrong with the URLconf is told by Django.
        return
    if str(settings.SESSION_COOKIE_SAMESITE).lower() == "strict":
        yield checks.Warning(
            "SESSION_COOKIE_SAMESITE is 'Strict', so that browsers leave the session "
            "out when users come back from another server: no account can be "
            "connected.",
            hint="Set it to 'Lax', which is Django's default.",
            id="mcp_django.W143",
        )
