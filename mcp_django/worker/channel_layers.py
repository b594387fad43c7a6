"""The channel layer that joins the processes of a site, asked within a bound."""

from __future__ import annotations

import logging
from functools import cache, lru_cache
from typing import Any, Final, Protocol

from channels.exceptions import ChannelFull
from django.core.signals import setting_changed
from django.dispatch import receiver

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.floods import OnceAMinute
from mcp_django.bulkheads.services import Service
from mcp_django.conf import mcp_settings

logger = FaultLog("mcp_django.worker")

_FLOODS: Final = (
    ("channels_redis.pubsub", "Unexpected exception in receive task"),
    ("channels_redis.core", "channels over capacity in group"),
    ("asyncio", "RedisChannelLayer._clean_receive_backup"),
)
"""Loggers, and what they are told again and again, some of it with a traceback."""


class ChannelLayer(Protocol):
    """What we use of a channel layer. Spec: Channels, "Channel Layer Specification"."""

    async def new_channel(self) -> str: ...
    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def make_service(alias: str) -> Service:
    """Make what asks a channel layer."""
    return Service(
        f"the channel layer {alias!r}",
        "processes do not hear of each other's changes, cancellations and ends of "
        "sessions, and do not reach each other's sessions",
        timeout=lambda: mcp_settings.RELAY_TIMEOUT,
        shown_as="the channel layer",
        logger=logger,
    )


@lru_cache(maxsize=8)
def service_of(alias: str) -> Service:
    """Give what asks a channel layer; the same to every event loop of the process."""
    _quiet_channels_redis()
    return make_service(alias)


@cache
def _quiet_channels_redis() -> None:
    """Shorten what channels_redis logs while Redis is away: we say it in one line."""
    for name, text in _FLOODS:
        logging.getLogger(name).addFilter(OnceAMinute(text, FaultLog(name)))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("CHANNEL_LAYERS", "MCP"):
        service_of.cache_clear()


async def send(
    service: Service, layer: ChannelLayer, channel: str, message: dict[str, Any]
) -> bool:
    """Send a message to one channel.

    Returns:
        Whether there was room for it, as far as the layer says.

    Raises:
        ServiceAway: The layer is away.
    """

    async def ask() -> bool:
        try:
            await layer.send(channel, message)
        except ChannelFull:
            return False
        return True

    return await service.ask(ask)
