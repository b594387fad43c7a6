"""Asking all workers something, and gathering what they answer."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final

from channels.layers import InMemoryChannelLayer, get_channel_layer

from mcp_django.bulkheads.services import Service
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.channel_layers import ChannelLayer, service_of
from mcp_django.worker.mailbox import GROUP
from mcp_django.worker.operated import TOLD, Operated
from mcp_django.worker.worker import Worker, workers_of_process

NO_LAYER: Final = (
    "there is no channel layer that joins processes, so that only the workers of this "
    "process can be asked: set CHANNEL_LAYERS, such as to channels_redis"
)
AWAY: Final = "the channel layer does not answer: only this process was asked"


@dataclass(slots=True)
class Answers:
    """What all workers answered.

    Attributes:
        workers: What each says, by the name of its mailbox where it has one.
        silent: Mailboxes of workers that others heard of and that did not answer, with
            the seconds since then: they were killed, hang, or have no room.
        problem: Why not all could be asked; "" if they could.
    """

    workers: list[JSONObject] = field(default_factory=list)
    silent: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def as_json(self) -> JSONObject:
        """Give it as JSON."""
        return asdict(self)

    def add(self, answer: JSONObject) -> None:
        """Add what one worker answered; a second time it changes nothing."""
        told = {key: answer[key] for key in answer if key not in ("type", "nonce")}
        peers = told.pop("peers")
        if all(told["worker"] != other["worker"] for other in self.workers):
            self.workers.append(told)
        for mailbox, seconds in peers.items():
            known = self.silent.get(mailbox, seconds)
            self.silent[mailbox] = min(known, seconds)
        for worker in self.workers:
            self.silent.pop(worker["mailbox"], None)

    @property
    def are_missing(self) -> bool:
        """Whether some may be missing."""
        return bool(self.problem or self.silent)

    def warnings(self) -> list[str]:
        """Say in lines what is missing."""
        lines = [
            f"WARNING: a worker is silent, last heard of {age:.0f} s ago ({mailbox})"
            for mailbox, age in self.silent.items()
        ]
        if self.problem:
            lines.append(f"WARNING: {self.problem}")
        elif not self.workers:
            lines.append(
                "no worker answered: none has had an MCP request yet, or joined "
                "again the channel layer that was away"
            )
        return lines


async def ask_all(ask: JSONObject) -> Answers:
    """Ask all workers something, and wait for their answers, but not for long.

    Those of this process are asked directly, the others over the channel layer.
    """
    ask = {"kind": TOLD, "nonce": secrets.token_urlsafe(9), **ask}
    answers = Answers()
    for worker in workers_of_process():
        with suppress(TimeoutError):
            answers.add(await _ask_here(worker, ask))
    alias = mcp_settings.CHANNEL_LAYER
    layer = get_channel_layer(alias)
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        answers.problem = NO_LAYER
    else:
        await ask_over(layer, service_of(alias), ask, answers)
    return answers


async def _ask_here(worker: Worker, ask: JSONObject) -> JSONObject:
    """Ask a worker of this process, in its own event loop.

    Raises:
        TimeoutError: That loop does not turn.
    """

    async def answer() -> JSONObject:
        return worker.part(Operated).answer(ask)

    if worker.loop is asyncio.get_running_loop():
        return await answer()
    answered = asyncio.run_coroutine_threadsafe(answer(), worker.loop)
    async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT):
        return await asyncio.wrap_future(answered)


async def ask_over(
    layer: ChannelLayer, service: Service, ask: JSONObject, answers: Answers
) -> None:
    """Ask over a channel layer until all have answered of whom others have heard.

    They are asked twice: a group loses messages without a word.

    Args:
        layer: Joins the workers.
        service: Asks it within a bound.
        ask: What is asked; with a `nonce`.
        answers: Gets the answers.
    """
    try:
        channel = await service.ask(layer.new_channel)
        told = [{**ask, "to": channel}]
        message = {"type": "mcp.told", "from": "", "by": "", "number": 0, "told": told}
        await service.ask(lambda: layer.group_send(GROUP, message))
        await _gather(layer, service, channel, ask["nonce"], answers)
        for mailbox in list(answers.silent):
            with suppress(Exception):  # Such as no room: it stays silent.
                await layer.send(mailbox, message)
        if answers.silent:
            await _gather(layer, service, channel, ask["nonce"], answers)
    except ServiceAway:
        answers.problem = AWAY


async def _gather(
    layer: ChannelLayer, service: Service, channel: str, nonce: str, answers: Answers
) -> None:
    """Take answers until all are there, or half of the time is over.

    Raises:
        ServiceAway: The layer fails meanwhile.
    """
    heard = False
    with suppress(TimeoutError):
        async with asyncio.timeout(mcp_settings.RELAY_TIMEOUT / 2):
            while not heard or answers.silent:
                try:
                    answer = await layer.receive(channel)
                except Exception as error:
                    raise service.refusal_for(error) or error from error
                if answer.get("nonce") == nonce:
                    answers.add(answer)
                    heard = True
