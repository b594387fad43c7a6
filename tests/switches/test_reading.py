"""How workers hear of what others switched off."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.switches.reading import Reader
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker
from tests.switches.test_keeper import REFUND, Process, put
from tests.worker.layers import Layer, until

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600.0


@pytest.fixture(autouse=True)
def works_again(settings: Settings) -> None:
    """Forget what was away in tests before."""
    settings.MCP = {}


def worker_of(
    layer: Layer | None, process: Process, read_seconds: float
) -> tuple[Worker, Reader]:
    worker = Worker(asyncio.get_running_loop(), Relay(layer))
    return worker, Reader(worker, process.keeper, read_seconds)


async def test_worker_reads_at_once_what_another_one_tells() -> None:
    """We promise it: it waits for no tick."""
    layer, here, there = Layer(), Process(), Process()
    workers = [worker_of(layer, each, HOUR)[0] for each in (here, there)]
    try:
        for worker in workers:
            await worker.relay.open()
        await sync_to_async(put)(REFUND)
        told: JSONObject = {"kind": "switched"}
        workers[0].relay.tell_soon(told, "switched")
        await until(lambda: there.off.features == {REFUND})
        assert not here.off.features  # which reads what it changes by itself
    finally:
        for worker in workers:
            await worker.close_all()


async def test_worker_without_a_layer_reads_again_and_again() -> None:
    """We promise it: switching needs no relay, only a few seconds."""
    process = Process()
    worker, _ = worker_of(None, process, 0.01)
    try:
        await until(lambda: not process.off.is_any)
        await sync_to_async(put)(REFUND)
        await until(lambda: process.off.features == {REFUND})
    finally:
        await worker.close_all()


async def test_change_that_comes_while_the_table_is_read_is_read_too() -> None:
    """We promise it: the reading that goes on may have begun before it."""
    process = Process()
    worker, reader = worker_of(None, process, HOUR)
    try:
        reader.look_again()
        await sync_to_async(put)(REFUND)
        reader.look_again()
        await until(lambda: process.off.features == {REFUND})
    finally:
        await worker.close_all()
