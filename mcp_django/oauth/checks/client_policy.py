"""Checks of the class that says which programs may become clients."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.checks.setting import faults_of_setting
from mcp_django.conf import mcp_settings

_COUNTS: Final = ("clients_per_minute", "max_unused_clients")


def check_client_policy(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a `MCP["CLIENT_POLICY"]` that every registration would fail of."""
    if any(faults_of_setting()) or not apps.is_installed("oauth2_provider"):
        return []
    path = mcp_settings.CLIENT_POLICY
    try:
        policy = import_string(path)
    except Exception as error:  # Whatever the module does when it is imported.
        return [
            checks.Error(
                f"The client policy {path!r} cannot be imported: {error}",
                hint="MCP['CLIENT_POLICY'] is the dotted path of a class.",
                id="mcp_django.E120",
            )
        ]
    if not _is_policy(policy):
        return [
            checks.Error(
                f"{path!r} in MCP['CLIENT_POLICY'] is not a client policy.",
                hint="Name a subclass of mcp_django.oauth.authorization_server."
                "policies.ClientPolicy that can be created without arguments.",
                id="mcp_django.E121",
            )
        ]
    return [
        checks.Error(
            f"The client policy {path!r} has {fault}.",
            hint=hint,
            id="mcp_django.E122",
        )
        for fault, hint in _faults_of(policy)
    ]


def _is_policy(thing: Any) -> bool:
    from mcp_django.oauth.authorization_server.policies import ClientPolicy

    if not isinstance(thing, type) or not issubclass(thing, ClientPolicy):
        return False
    try:
        inspect.signature(thing).bind()
    except (TypeError, ValueError):
        return False
    return True


def _faults_of(policy: Any) -> Iterator[tuple[str, str]]:
    hosts = policy.hosts
    if isinstance(hosts, str):
        yield f"hosts = {hosts!r}", f"Write hosts = [{hosts!r}]."
    elif hosts is not None and not all(_is_host(host) for host in hosts):
        yield (
            f"hosts = {hosts!r}",
            "List names such as 'app.example', or '.example' for a domain with all "
            "below it: without a scheme, a port or a path.",
        )
    for name in _COUNTS:
        count = getattr(policy, name)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            hint = "It has to be a whole number, one or more. To let no programs in by "
            yield (
                f"{name} = {count!r}",
                f"{hint}themselves, set DCR_ENABLED and CIMD_ENABLED to False.",
            )


def _is_host(host: Any) -> bool:
    return (
        isinstance(host, str) and not set(host) & set(":/@ ") and host == host.lower()
    )
