"""Checks of authenticators."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticator_paths, is_open_to_all
from mcp_django.auth.interface import Authenticator
from mcp_django.checks.setting import faults_of_setting

_TOKENS = "mcp_django.tokens"
_TOKEN_MODULE = "mcp_django.auth.tokens"


def check_authentication(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find authenticators that are none, and sites that need none."""
    if any(faults_of_setting()):
        return []
    if is_open_to_all():
        return [] if settings.DEBUG else [_open_to_all()]
    paths = authenticator_paths()
    if not paths:
        return [
            checks.Error(
                "No MCP client can prove who its user is: MCP['AUTHENTICATION'] is not "
                "set, and the default needs an app that is not installed.",
                hint="Add 'django.contrib.sessions' or 'mcp_django.tokens', or "
                "'mcp_django.oauth' and 'oauth2_provider', to INSTALLED_APPS.",
                id="mcp_django.E008",
            )
        ]
    return [message for path in paths for message in faults_of_authenticator(path)]


def _open_to_all() -> checks.CheckMessage:
    return checks.Warning(
        "MCP['AUTHENTICATION'] is [], so everybody who reaches the site may use every "
        "MCP feature that needs no permission.",
        hint="Leave MCP['AUTHENTICATION'] out to accept login sessions and tokens, or "
        "silence this check if all of it is meant to be public.",
        id="mcp_django.W007",
    )


def faults_of_authenticator(path: str) -> Iterator[checks.CheckMessage]:
    """Say what is wrong with a dotted path in `MCP["AUTHENTICATION"]`."""
    if path.startswith(f"{_TOKEN_MODULE}.") and not apps.is_installed(_TOKENS):
        yield _tokens_missing(path)
        return
    try:
        authenticator = import_string(path)
    except Exception as error:  # Whatever the module does when it is imported.
        yield checks.Error(
            f"The authenticator {path!r} cannot be imported: {error}",
            hint="MCP['AUTHENTICATION'] lists dotted paths of classes.",
            id="mcp_django.E004",
        )
        return
    if not _is_authenticator(authenticator):
        yield checks.Error(
            f"{path!r} in MCP['AUTHENTICATION'] is not an authenticator.",
            hint="Name a subclass of mcp_django.auth.interface.Authenticator that has "
            "both methods and can be created without arguments.",
            id="mcp_django.E005",
        )
    elif not apps.is_installed(_TOKENS) and any(
        base.__module__ == _TOKEN_MODULE for base in authenticator.__mro__
    ):
        yield _tokens_missing(path)


def _tokens_missing(path: str) -> checks.CheckMessage:
    return checks.Error(
        f"The authenticator {path!r} needs an app that is not installed.",
        hint=f"Add {_TOKENS!r} to INSTALLED_APPS and run migrate.",
        id="mcp_django.E006",
    )


def _is_authenticator(thing: Any) -> bool:
    if not isinstance(thing, type) or not issubclass(thing, Authenticator):
        return False
    try:
        inspect.signature(thing).bind()
    except (TypeError, ValueError):
        return False
    return not inspect.isabstract(thing)
