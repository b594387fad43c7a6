"""What a process needs to serve: its channel layer, and the caches that MCP uses."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias

import anyio
from channels.layers import get_channel_layer
from django.core.cache import BaseCache

from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.worker.caches import cache_of
from mcp_django.worker.channel_layers import ChannelLayer, service_of

ANSWER_SECONDS: Final = 1.0
"""The time they have."""

_FRESH_SECONDS: Final = 0.5
"""For how long an answer counts: any stranger may ask."""

_KEY: Final = "mcp_django.health"

Asking: TypeAlias = asyncio.Task[Mapping[str, bool]]

_asking: Final[
    weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[float, Asking]]
] = weakref.WeakKeyDictionary()
"""When each event loop asked last, and the task that does."""


async def answers_of_services() -> Mapping[str, bool]:
    """Say of each service whether it answers within a second.

    They are asked once for all that ask at the same time, and soon after.
    """
    loop = asyncio.get_running_loop()
    asked_at, asking = _asking.get(loop, (0.0, None))
    if asking is None or (asking.done() and loop.time() - asked_at > _FRESH_SECONDS):
        # In a task of its own: who asked may give up, and others wait for it.
        asking = loop.create_task(_ask_all(), context=own_context())
        _asking[loop] = loop.time(), asking
    return await asyncio.shield(asking)


async def _ask_all() -> Mapping[str, bool]:
    questions = dict(_questions())
    answers = dict.fromkeys(questions, False)

    async def ask(name: str, question: Callable[[], Awaitable[object]]) -> None:
        try:
            await question()
        except Exception:
            return  # What asks it has said so in the log.
        answers[name] = True

    with anyio.move_on_after(ANSWER_SECONDS):
        async with anyio.create_task_group() as tasks:
            for name, question in questions.items():
                tasks.start_soon(ask, name, question)
    return answers


def _questions() -> Iterator[tuple[str, Callable[[], Awaitable[object]]]]:
    """Give what asks each service, by the name it has in the answer."""
    alias = mcp_settings.CHANNEL_LAYER
    layer = get_channel_layer(alias)
    if layer is not None:
        round_trip = partial(_go_round, layer)
        yield "channel_layer", partial(service_of(alias).ask, round_trip)
    yield "cache", partial(cache_of(mcp_settings.CACHE).ask, _read)
    if mcp_settings.EVENT_STORE_CACHE not in (None, mcp_settings.CACHE):
        event_store = cache_of(mcp_settings.EVENT_STORE_CACHE)
        yield "event_store", partial(event_store.ask, _read)


async def _go_round(layer: ChannelLayer) -> None:
    """Send a message through a channel layer, and receive it."""
    channel = await layer.new_channel()
    await layer.send(channel, {"type": _KEY})
    await layer.receive(channel)


def _read(cache: BaseCache) -> None:
    cache.get(_KEY)
