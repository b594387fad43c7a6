"""One tool call through the engine: bytes in, bytes out, in one process."""

from __future__ import annotations

import asyncio
import os
import time

import anyio
import django
from anyio.abc import TaskGroup

from benchmarks.load import CALL, INITIALIZE
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport

_CALLS = 10_000
_AT_ONCE = 20


class _Sink(Transport):
    """Takes messages as far as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def start(self, tasks: TaskGroup) -> None:
        pass

    async def send(self, message: Message) -> None:
        await self.send_answer(jsonrpc.serialize(message))

    async def send_answer(self, answer: bytes) -> None:
        self.count += 1

    async def close(self) -> None:
        pass


def measure_engine() -> float:
    """Give the microseconds of one call of `add`, the best of several runs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.conformance.settings")
    django.setup()
    return asyncio.run(_measure())


async def _measure() -> float:
    # These need Django to be set up.
    from mcp_django.server.discovery import servers
    from mcp_django.sessions.session import Session
    from mcp_django.worker.tasks import LoopTasks

    [server] = servers().values()
    sink = _Sink()
    sender = Sender()
    async with anyio.create_task_group() as tasks:
        Session(server, sink, LoopTasks())
        await _post(sink, INITIALIZE, sender)
        best = min([await _run(sink, sender) for _ in range(5)])
        tasks.cancel_scope.cancel()
    return best * 1e6


async def _run(sink: _Sink, sender: Sender) -> float:
    began = time.perf_counter()
    for first in range(0, _CALLS, _AT_ONCE):
        wanted = sink.count + _AT_ONCE
        for number in range(first, first + _AT_ONCE):
            await _post(sink, CALL % number, sender)
        while sink.count < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return (time.perf_counter() - began) / _CALLS


async def _post(sink: _Sink, body: bytes, sender: Sender) -> None:
    message = jsonrpc.parse(body)
    assert not isinstance(message, list)
    await sink.on_message(message, sender)
