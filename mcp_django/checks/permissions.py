"""Checks of the Django permissions that features ask for."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core import checks

from mcp_django.checks.servers import known_servers
from mcp_django.server.server import Server


def check_permissions(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find permissions that no user can have but superusers: misspelt ones.

    What models declare is known without the database; what migrations and backends of
    the project add is not, so that those are warnings.
    """
    if not apps.models_ready:
        return []
    known = _declared_permissions()
    return [
        message
        for server in known_servers()
        for feature, name in _needed(server)
        for message in _faults_of(server, feature, name, known)
    ]


def _declared_permissions() -> list[str]:
    """Give the permissions of all models, as `create_permissions` makes them."""
    return [
        f"{model._meta.app_label}.{codename}"
        for model in apps.get_models()
        for codename in (
            *(
                get_permission_codename(action, model._meta)
                for action in model._meta.default_permissions
            ),
            *(codename for codename, _ in model._meta.permissions),
        )
    ]


def _needed(server: Server) -> Iterator[tuple[str, str]]:
    for kind, features in (
        ("tool", server.tools),
        ("resource", server.resources),
        ("prompt", server.prompts),
    ):
        for key, feature in features.items():
            if feature.permission is not None:
                for name in feature.permission.names:
                    yield f"{kind} {key!r}", name


def _faults_of(
    server: Server, feature: str, name: str, known: list[str]
) -> Iterator[checks.CheckMessage]:
    if not name.strip():
        yield checks.Error(
            f"{feature} asks for the permission {name!r}, which nobody has.",
            hint="Name one, such as 'shop.change_order', or leave it out.",
            obj=server,
            id="mcp_django.E070",
        )
    elif "." not in name:
        yield checks.Warning(
            f"{feature} asks for the permission {name!r}, which names no app.",
            hint=f"Write app and codename, such as {_nearest(name, known)!r}.",
            obj=server,
            id="mcp_django.W071",
        )
    elif name not in known:
        nearest = _nearest(name, known, default="")
        meant = f"Did you mean {nearest!r}? " if nearest else ""
        yield checks.Warning(
            f"{feature} asks for the permission {name!r}, which no model has.",
            hint=f"{meant}If a migration or an authentication backend knows it, "
            "silence this check.",
            obj=server,
            id="mcp_django.W072",
        )


def _nearest(name: str, known: list[str], default: str = "shop.change_order") -> str:
    """Give the permission that is spelt most like a name."""
    same = [full for full in known if full.partition(".")[2] == name]
    return (same or get_close_matches(name, known, n=1) or [default])[0]
