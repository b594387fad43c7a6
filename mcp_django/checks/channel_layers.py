"""Checks of the channel layer, which joins processes."""

from __future__ import annotations

from importlib import metadata
from typing import Any
from urllib.parse import parse_qs, urlsplit

from channels.layers import InMemoryChannelLayer
from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.checks.setting import values
from mcp_django.conf import MCPSettings


def check_channel_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a channel layer that is missing or broken."""
    alias, config = _layer()
    if config is None:
        return [
            checks.Warning(
                f"CHANNEL_LAYERS has no {alias!r}, so MCP works in one process only.",
                hint="Configure channels_redis for several processes, or "
                "'channels.layers.InMemoryChannelLayer' to say that there is one.",
                id="mcp_django.W030",
            )
        ]
    try:
        _backend(config)
    except Exception as error:  # Whatever the module does when it is imported.
        return [
            checks.Error(
                f"The backend of CHANNEL_LAYERS[{alias!r}] cannot be imported: {error}",
                hint="The one for Redis is installed by "
                "`pip install 'mcp-django-channels[redis]'`.",
                id="mcp_django.E031",
            )
        ]
    return []


def check_several_processes(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a channel layer that cannot join processes; for deployment."""
    alias, config = _layer()
    if not _is_alone(config):
        return []
    return [
        checks.Warning(
            f"CHANNEL_LAYERS[{alias!r}] is in memory and cannot join processes: with "
            "more than one, messages for MCP sessions of another are answered 404.",
            hint="Use channels_redis, or silence this check if there is one process.",
            id="mcp_django.W032",
        )
    ]


def check_kept_credentials(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find credentials whose end is not told to other processes; for deployment."""
    _, config = _layer()
    seconds = values()["CREDENTIAL_CACHE_SECONDS"]
    if not seconds or not (config is None or _is_alone(config)):
        return []
    return [
        checks.Warning(
            f"MCP['CREDENTIAL_CACHE_SECONDS'] is {seconds!r}, and no channel layer "
            "joins processes: a token that another one revokes, such as `mcp_token "
            "revoke`, is accepted until these seconds are over.",
            hint="Use channels_redis, or silence this check if that is soon enough.",
            id="mcp_django.W034",
        )
    ]


def check_redis_timeout(
    *, redis_version: str | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Find a layer on Redis whose idle connections are cut off while they wait.

    channels_redis' core layer waits in a blocking pop. redis-py ends it with an error
    when its `socket_timeout` is not longer, and since version 8 it has one by default.

    Args:
        redis_version: Version of redis-py; the installed one if left out.
        kwargs: What Django passes to every check.
    """
    alias, config = _layer()
    try:
        blocking_seconds = _backend(config).brpop_timeout
        hosts = config.get("CONFIG", {}).get("hosts")
        version = redis_version or metadata.version("redis")
        default = blocking_seconds if int(version.partition(".")[0]) >= 8 else None
        timeouts = [_socket_timeout(host, default) for host in hosts or [{}]]
    except Exception:  # Not that layer, or not configured as it has to be.
        return []
    if all(timeout is None or timeout > blocking_seconds for timeout in timeouts):
        return []
    return [
        checks.Warning(
            f"Connections of CHANNEL_LAYERS[{alias!r}] to Redis time out while they "
            "wait for messages, so MCP messages between processes are lost.",
            hint='Write each of "hosts" as {"address": "redis://...", '
            '"socket_timeout": 30}.',
            id="mcp_django.W033",
        )
    ]


def _layer() -> tuple[str, Any]:
    """Give the alias of the channel layer, and its configuration if there is one."""
    alias = values()["CHANNEL_LAYER"]
    if not isinstance(alias, str):
        alias = MCPSettings.CHANNEL_LAYER
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    return alias, layers.get(alias) if isinstance(layers, dict) else None


def _is_alone(config: Any) -> bool:
    """Say whether a layer joins no processes; not of one that cannot be imported."""
    try:
        return issubclass(_backend(config), InMemoryChannelLayer)
    except Exception:  # What `check_channel_layer` tells.
        return False


def _backend(config: Any) -> Any:
    return import_string(config["BACKEND"])


def _socket_timeout(host: Any, default: float | None) -> float | None:
    """Give the seconds after which redis-py gives up; None for never."""
    address = host.get("address", "") if isinstance(host, dict) else host
    if isinstance(host, dict) and "socket_timeout" in host:
        timeout = host["socket_timeout"]
        return None if timeout is None else float(timeout)
    if isinstance(address, str):
        for text in parse_qs(urlsplit(address).query).get("socket_timeout", []):
            return float(text)
    return default
