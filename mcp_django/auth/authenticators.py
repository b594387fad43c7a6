"""Which authenticators there are, by `MCP["AUTHENTICATION"]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
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
    if apps.is_installed("django.contrib.sessions"):
        default.append("mcp_django.auth.django_session.SessionAuthenticator")
    return default


@cache
def _authenticators(paths: tuple[str, ...]) -> tuple[Authenticator, ...]:
    return tuple(import_string(path)() for path in paths)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("MCP", "INSTALLED_APPS"):
        is_open_to_all.cache_clear()
        _authenticators.cache_clear()
