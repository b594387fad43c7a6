"""Start, call, stream, a slow reader, a disconnect, the end: on every ASGI server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest

from tests.live import processes
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import Client, ModernClient, open_session
from tests.matrix.servers import OVER_ASGI, Running, running_server

pytestmark = pytest.mark.live

MEGABYTES = 30


@pytest.fixture(scope="module", params=OVER_ASGI, ids=lambda program: program.name)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Run each server in its turn."""
    with running_server(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running
    assert "Traceback" not in running.log.read_text()


async def value_of(client: Client, url: str, tool: str, **arguments: Any) -> int:
    """Call a tool, and give the number that it returned."""
    result = await client.call(url, tool, **arguments)
    return int(result["content"][0]["text"])


async def test_handlers_are_called_in_both_eras(server: Running) -> None:
    """We promise it: in threads and in the event loop."""
    async with open_http() as http:
        client = ModernClient(http)
        session = await open_session(http, server.url)
        assert await value_of(client, server.url, "add", a=1, b=2) == 3
        assert await value_of(client, server.url, "count_users") == 0
        assert await value_of(session, server.url, "add", a=2, b=2) == 4


async def test_events_come_when_they_happen(server: Running) -> None:
    """We promise it: no server holds the first back until the last."""
    async with (
        open_http() as http,
        ModernClient(http).open_call(
            server.url, "wait", seconds=0.5, with_progress=True
        ) as answer,
    ):
        begun = time.monotonic()
        first = await answer.receive()
        came = time.monotonic()
        await answer.receive_all()
        ended = time.monotonic()
    assert first["method"] == "notifications/progress"
    assert came - begun < ended - came


async def test_changes_are_told(server: Running) -> None:
    """We promise it."""
    async with open_http() as http:
        client = ModernClient(http)
        async with client.listen(server.url, toolsListChanged=True) as stream:
            await client.call(server.url, "change")
            told = await stream.receive()
    assert told["method"] == "notifications/tools/list_changed"


async def test_slow_reader_gets_everything_and_holds_up_nobody(server: Running) -> None:
    """We promise it."""
    async with open_http() as http:
        client = ModernClient(http)
        async with client.open_call(server.url, "large", megabytes=MEGABYTES) as answer:
            assert await value_of(client, server.url, "add", a=1, b=2) == 3
            body = b"".join([piece async for piece in answer.response.aiter_raw()])
    assert body.count(b"x") >= MEGABYTES * 1_000_000


async def test_handler_ends_when_its_client_goes(server: Running) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"."""
    async with open_http() as http:
        client = ModernClient(http)
        before = await value_of(client, server.url, "count", name="cancelled")
        async with client.open_call(
            server.url, "wait", seconds=600, with_progress=True
        ) as answer:
            await answer.receive()
        with anyio.fail_after(BOUND):
            while (
                await value_of(client, server.url, "count", name="cancelled") == before
            ):
                pass  # each look is a request


async def test_end_of_the_process(
    server: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """We promise it: idle streams end, calls that run are answered, and it is quick."""
    program = server.program
    folder = tmp_path_factory.mktemp("ending")
    with running_server(program, folder) as ending:
        async with (
            open_http() as http,
            ModernClient(http).listen(ending.url, toolsListChanged=True) as stream,
            ModernClient(http).open_call(
                ending.url, "wait", seconds=1, with_progress=True
            ) as call,
        ):
            await call.receive()
            begun = time.monotonic()
            ending.process.terminate()
            is_answered = await _ends(call, "result")
            is_ended = await _ends(stream, "result")
        processes.wait_until(lambda: ending.process.poll() is not None)
        seconds = time.monotonic() - begun
    assert (is_answered, is_ended) == (program.finishes_calls, program.ends_streams)
    assert seconds < 9
    assert "Traceback" not in ending.log.read_text()


async def _ends(answer: Any, member: str) -> bool:
    """Say whether an answer ends as HTTP wants it, with a result."""
    try:
        messages = await answer.receive_all()
    except httpx2.TransportError:
        return False
    return any(member in message for message in messages)
