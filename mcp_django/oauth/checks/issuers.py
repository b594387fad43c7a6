"""Checks of authenticators that take tokens of other issuers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticator_paths
from mcp_django.checks.authentication import faults_of_authenticator
from mcp_django.checks.setting import faults_of_setting


def check_issuers(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find class attributes with which no token could be taken."""
    if any(faults_of_setting()):
        return []
    return [message for path in authenticator_paths() for message in _faults(path)]


def _faults(path: str) -> Iterator[checks.CheckMessage]:
    if any(faults_of_authenticator(path)):
        return  # It is said elsewhere.
    kind = import_string(path)
    if not hasattr(kind, "authorization_servers"):
        return
    try:
        kind()
    except ImproperlyConfigured as error:
        yield checks.Error(
            f"{path!r} in MCP['AUTHENTICATION'] cannot be used: {error}.",
            hint="Set the attribute on the class.",
            id="mcp_django.E130",
        )
