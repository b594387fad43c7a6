"""Switching features off and on from code of the site."""

from __future__ import annotations

from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import router

from mcp_django.server.server import Server
from mcp_django.switches.models import MAX_NAME, MAX_WHY, Kind, Switch

_KINDS: Final = ", ".join(map(repr, Kind.values))


def switch_off(
    kind: str,
    name: str,
    *,
    server: Server | str = "",
    why: str = "",
    by: Any = "",
) -> bool:
    """Switch a feature off for every user, in all processes, until it is switched on.

    This process refuses it when this returns, or when the open transaction is
    committed; others within a moment, and within five seconds if they cannot be told.
    Calls that run go on: `operations.end(feature=...)` ends them.

    Args:
        kind: "tool", "resource" or "prompt"; a template is a resource.
        name: Of a resource its URI or template, as it was registered. It need not be
            known here: other processes may serve it.
        server: The one that has it, or its name; left out, all that have one.
        why: For colleagues; clients do not see it.
        by: The user, or the name of what does it.

    Returns:
        Whether it was on before.

    Raises:
        ValueError: There can be no such feature.
    """
    found = _checked(kind, name, server)
    text = by if isinstance(by, str) else by.get_username()
    if len(why) > MAX_WHY:
        raise ValueError(f"why= has {len(why)} characters; at most {MAX_WHY} are kept")
    defaults = {"why": why, "by": text[:200]}
    switches = Switch.objects.using(router.db_for_write(Switch))
    _, is_new = switches.get_or_create(**found, defaults=defaults)
    return is_new


def switch_on(kind: str, name: str, *, server: Server | str = "") -> bool:
    """Switch a feature on again that was switched off by the same words.

    Args:
        kind: As for `switch_off`, like the others.
        name: Of the feature.
        server: Left out, what is off for all servers is on again; what is off for one
            of them stays off there.

    Returns:
        Whether it was off.

    Raises:
        ValueError: There can be no such feature.
    """
    found = _checked(kind, name, server)
    switches = Switch.objects.using(router.db_for_write(Switch))
    count, _ = switches.filter(**found).delete()
    return count > 0


async def aswitch_off(
    kind: str,
    name: str,
    *,
    server: Server | str = "",
    why: str = "",
    by: Any = "",
) -> bool:
    """Switch a feature off; as `switch_off`, for async code."""
    return await sync_to_async(switch_off)(kind, name, server=server, why=why, by=by)


async def aswitch_on(kind: str, name: str, *, server: Server | str = "") -> bool:
    """Switch a feature on again; as `switch_on`, for async code."""
    return await sync_to_async(switch_on)(kind, name, server=server)


def _checked(kind: str, name: str, server: Server | str) -> dict[str, str]:
    if kind not in Kind.values:
        raise ValueError(
            f"kind must be one of {_KINDS}, not {kind!r:.200}; a template is a resource"
        )
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or "\0" in name:
        raise ValueError(
            f"name must be text of 1 to {MAX_NAME} characters, not {name!r:.200}"
        )
    if isinstance(server, Server):
        server = server.name
    if not isinstance(server, str) or len(server) > 128 or "\0" in server:
        raise ValueError(
            f"server must be a Server or the name of one, not {server!r:.200}"
        )
    return {"kind": kind, "name": name, "server": server}
