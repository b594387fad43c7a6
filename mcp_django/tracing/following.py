"""Following a trace: what all workers write down, as they do it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from channels.layers import InMemoryChannelLayer, get_channel_layer

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.tracing.plan import Trace
from mcp_django.tracing.switching import astop, begin
from mcp_django.tracing.targets import LINES
from mcp_django.worker.asking import AWAY, NO_LAYER, Answers
from mcp_django.worker.channel_layers import ChannelLayer, service_of

_LATE_SECONDS: Final = 2.0
"""For the last lines to arrive."""

_RETRY_SECONDS: Final = 0.5

_UNHEARD: Final = (
    "the channel layer does not answer: what is said until it does may be lost"
)


async def follow(
    plan: Callable[[str], Trace],
    *,
    on_begun: Callable[[Answers], None],
    on_line: Callable[[str], None],
) -> None:
    """Have all workers trace, and hand over what they write, until its time is over.

    The trace ends when this is cancelled.

    Args:
        plan: Makes the trace, whose lines go to the channel that it is given.
        on_begun: Called with what the workers say.
        on_line: Called with each line.

    Raises:
        ValueError: The workers cannot be heard, or what `plan` raises.
    """
    alias = mcp_settings.CHANNEL_LAYER
    layer = get_channel_layer(alias)
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        raise ValueError(NO_LAYER)
    try:
        channel = await service_of(alias).ask(layer.new_channel)
    except ServiceAway:
        raise ValueError(AWAY) from None
    trace = plan(channel)
    async with _stopped_at_the_end(trace):
        on_begun(await begin(trace))
        await receive_lines(layer, trace, on_line)


@asynccontextmanager
async def _stopped_at_the_end(trace: Trace) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await astop(trace.id)


async def receive_lines(
    layer: ChannelLayer, trace: Trace, on_line: Callable[[str], None]
) -> None:
    """Hand over the lines that come on the channel of a trace, until it is over.

    What was lost on the way is said, and that the layer is away.
    """
    had: dict[str, int] = {}
    is_heard = True
    try:
        async with asyncio.timeout(max(trace.seconds_left, 0.0) + _LATE_SECONDS):
            while True:
                try:
                    message = await layer.receive(trace.to)
                except Exception:  # whatever a layer says that is away
                    if is_heard:
                        on_line(_UNHEARD)
                        is_heard = False
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                is_heard = True
                if message.get("type") == LINES:
                    _hand_over(message, had, on_line)
    except TimeoutError:
        return


def _hand_over(
    message: JSONObject, had: dict[str, int], on_line: Callable[[str], None]
) -> None:
    by, sent, lines = message["by"], message["sent"], message["lines"]
    lost = sent - had.get(by, 0)
    if lost > 0:
        on_line(
            f"{lost} lines of {message['worker']} are lost: the channel was full, or "
            "its layer away"
        )
    for line in lines:
        on_line(line)
    had[by] = sent + len(lines)
