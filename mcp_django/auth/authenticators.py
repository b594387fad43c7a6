"""Which authenticators there are, by `MCP["AUTHENTICATION"]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from typing import Any

from django.apps import apps
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from mcp_django.auth.interface import Authenticator
from mcp_django.conf import mcp_settings


@cache  # on the hot path
def is_open_to_all() -> bool:
    """Say whether `MCP["AUTHENTICATION"]` switches authentication off."""
    paths = mcp_settings.AUTHENTICATION
    return paths is not None and not paths


def authenticators() -> tuple[Authenticator, ...]:
    """Give the authenticators of `MCP["AUTHENTICATION"]`, or the default ones."""
    return _authenticators(tuple(authenticator_paths()))


def authenticator_paths() -> Sequence[str]:
    """Give the dotted paths of the authenticators in use."""
    paths = mcp_settings.AUTHENTICATION
    if paths is not None:
        return paths
    default = []
    if apps.is_installed("mcp_django.tokens"):
        default.append("mcp_django.auth.tokens.TokenAuthenticator")
    if all(map(apps.is_installed, ("mcp_django.oauth", "oauth2_provider"))):
        default.append("mcp_django.oauth.authenticators.toolkit.ToolkitAuthenticator")
    if apps.is_installed("django.contrib.sessions"):
        default.append("mcp_django.auth.django_session.SessionAuthenticator")
    return default


@cache
def _authenticators(paths: tuple[str, ...]) -> tuple[Authenticator, ...]:
    return tuple(import_string(path)() for path in paths)


@cache  # on the hot path
def keeping() -> tuple[Authenticator, ...]:
    """Give the authenticators whose identities may be kept, in order.

    Those alone that are asked before all others: what goes before decides, too.
    """
    if not mcp_settings.CREDENTIAL_CACHE_SECONDS:
        return ()
    return tuple(takewhile(_header_of, authenticators()))


@cache  # on the hot path
def kept_headers() -> frozenset[bytes]:
    """Give the headers that decide of what may be kept, in lower case."""
    names = filter(None, map(_header_of, keeping()))
    return frozenset(name.lower().encode("ascii") for name in names)


def _header_of(authenticator: Authenticator) -> str | None:
    """Give its `credential_header`, if that was said of its `authenticate`."""
    if authenticator.uses_cookies:
        return None
    for kind in type(authenticator).__mro__:
        if "credential_header" in vars(kind):
            return authenticator.credential_header
        if "authenticate" in vars(kind):
            return None
    return None


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("MCP", "INSTALLED_APPS"):
        is_open_to_all.cache_clear()
        keeping.cache_clear()
        kept_headers.cache_clear()
        _authenticators.cache_clear()
