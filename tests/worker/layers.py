"""A channel layer whose faults the test chooses."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from channels.layers import InMemoryChannelLayer

from tests import patience

PATIENCE_SECONDS = patience.PATIENCE_SECONDS


class Layer(InMemoryChannelLayer):
    """A channel layer whose faults the test chooses.

    Attributes:
        sent: Channel and message of every `send`, also of those that fail.
        joined: Channels that joined a group, also of those that fail.
        on_send: Called before each `send`: may raise, or wait, or change the message;
            if it returns False the message is lost.
        on_receive: Called before each `receive`; may raise.
        on_join: Called before each `new_channel` and `group_add`; may raise or wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.joined: list[str] = []
        self.on_send: Callable[[str, dict[str, Any]], Any] | None = None
        self.on_receive: Callable[[], None] | None = None
        self.on_join: Callable[[], Any] | None = None

    async def new_channel(self, prefix: str = "specific.") -> str:
        await self._join()
        channel: str = await super().new_channel(prefix)
        return channel

    async def group_add(self, group: str, channel: str) -> None:
        self.joined.append(channel)
        await self._join()
        await super().group_add(group, channel)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.sent.append((channel, copy.deepcopy(message)))
        if self.on_send is not None:
            answer = self.on_send(channel, message)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer is False:
                return
        await super().send(channel, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        message: dict[str, Any] = await super().receive(channel)
        if self.on_receive is not None:
            self.on_receive()
        return message

    async def _join(self) -> None:
        if self.on_join is not None:
            answer = self.on_join()
            if asyncio.iscoroutine(answer):
                await answer

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The envelopes of posts that were sent, in order."""
        return [
            envelope
            for _, message in self.sent
            for envelope in message.get("batch", ())
            if envelope["kind"] == "post"
        ]


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for tasks of this event loop, which have nothing else to wait for."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def quiet(layer: Layer) -> None:
    """Wait until every worker has read its mailbox, and done what follows."""
    for _ in range(3):
        await until(lambda: not any(q.qsize() for q in layer.channels.values()))
        for _ in range(10):
            await asyncio.sleep(0)


class AwayLayer(InMemoryChannelLayer):
    """A channel layer that answers nothing.

    Args:
        hangs: Whether it is silent; else it fails at once.
    """

    def __init__(self, *, hangs: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._hangs = hangs

    async def new_channel(self, prefix: str = "specific.") -> str:
        await self._be_away()
        raise AssertionError

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self._be_away()

    async def _be_away(self) -> None:
        if self._hangs:
            await asyncio.Event().wait()
        raise ConnectionError("redis is away")
