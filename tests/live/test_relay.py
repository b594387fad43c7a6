"""Two Daphne processes on one Redis: the stream on one, every POST on the other."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, RawStream, open_http, open_stream
from tests.live.redis import free_port, running_redis
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

LAYERS = ["core", "pubsub"]


@dataclass
class Pair:
    """Two processes of the fixture site.

    Attributes:
        owner: Holds the streams of the tests.
        other: Takes the POSTs.
        port: Redis's.
        redis: Ends Redis when it is closed.
        folder: For logs.
    """

    owner: Daphne
    other: Daphne
    port: int
    redis: ExitStack
    folder: Path

    def restart_redis(self) -> None:
        """End Redis and start it again; it forgets everything."""
        self.redis.close()
        self.redis.enter_context(running_redis(self.folder, port=self.port))


@contextmanager
def running_pair(folder: Path, layer: str) -> Iterator[Pair]:
    """Run Redis and two Daphnes until the end of the block.

    Args:
        folder: For logs and the database.
        layer: Channel layer, "core" or "pubsub".
    """
    with ExitStack() as redis:
        port = free_port()
        server = redis.enter_context(running_redis(folder, port=port))
        extra = {"REDIS_URL": server.url, "REDIS_LAYER": layer}
        with (
            running_daphne(folder, name="owner", extra=extra) as owner,
            running_daphne(folder, name="other", extra=extra) as other,
        ):
            yield Pair(owner, other, port, redis, folder)


@pytest.fixture(scope="module", params=LAYERS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Give two processes that are joined by one or the other channel layer."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_pair(folder, request.param) as running:
        yield running


async def add(stream: RawStream, id: int) -> None:
    """Call a tool and wait for its result."""
    assert await stream.call(id, "add", a=id, b=1) == 202
    result = await stream.receive_answer(id)
    assert result["structuredContent"] == {"result": id + 1}


async def call_until_taken(
    stream: RawStream, id: int, name: str, **arguments: int
) -> set[int]:
    """Post a tool call again and again until it is taken.

    Returns:
        The HTTP statuses that refused it.
    """
    refused = set()
    with anyio.fail_after(BOUND):
        while (status := await stream.call(id, name, **arguments)) != 202:
            refused.add(status)
            await anyio.sleep(0.1)
    return refused


async def test_stream_on_one_process_and_every_post_on_the_other(pair: Pair) -> None:
    """We promise it: no sticky sessions anywhere."""
    async with (
        open_http() as http,
        open_stream(http, pair.owner.url, post_to=pair.other.url) as stream,
    ):
        await stream.initialize()
        for id in range(50):
            await add(stream, id)
        async with anyio.create_task_group() as tasks:
            for id in range(100, 200):
                tasks.start_soon(stream.call, id, "echo")
        answered = {(await stream.receive())["id"] for _ in range(100)}
        assert answered == set(range(100, 200))


async def test_change_in_one_process_is_told_by_the_other(pair: Pair) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"; wherever the change is."""
    uri = "test://watched-resource"
    async with (
        open_http() as http,
        open_stream(http, pair.owner.url) as subscribed,
        open_stream(http, pair.other.url) as changing,
    ):
        await subscribed.initialize()
        await changing.initialize()
        subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe"}
        await subscribed.post({**subscribe, "params": {"uri": uri}})
        await subscribed.receive_answer(1)
        await changing.call(1, "touch", uri=uri)
        assert await subscribed.receive() == {
            "jsonrpc": "2.0",
            "method": "notifications/resources/updated",
            "params": {"uri": uri},
        }


async def test_process_that_stopped_is_reported_and_runs_nothing_late(
    pair: Pair,
) -> None:
    """We promise it: what was answered 404 is not done afterwards."""
    async with (
        open_http() as http,
        open_stream(http, pair.owner.url, post_to=pair.other.url) as stream,
    ):
        await stream.initialize()
        await add(stream, 1)
        pair.owner.process.send_signal(signal.SIGSTOP)
        try:
            begun = anyio.current_time()
            statuses: list[int] = []

            async def call(id: int) -> None:
                statuses.append(await stream.call(id, "slow_echo", text="", delay=0))

            async with anyio.create_task_group() as tasks:
                for id in range(100, 120):
                    tasks.start_soon(call, id)
            assert statuses == [404] * 20
            waited = anyio.current_time() - begun
            assert waited < SOON_SECONDS
            begun = anyio.current_time()
            assert await stream.call(120, "slow_echo", text="", delay=0) == 404
            assert anyio.current_time() - begun < waited / 2
        finally:
            pair.owner.process.send_signal(signal.SIGCONT)
        # Asked in the process that woke up, behind whatever it found in its mailbox.
        await call_until_taken(stream, 200, "slow_echoes")
        answer = await stream.receive()
        assert answer["id"] == 200
        assert answer["result"]["structuredContent"] == {"running": [], "begun": 0}


async def test_restart_of_redis_ends_nothing(pair: Pair) -> None:
    """We promise it: POSTs are refused meanwhile, and taken again afterwards."""
    async with (
        open_http() as http,
        open_stream(http, pair.owner.url, post_to=pair.other.url) as stream,
    ):
        await stream.initialize()
        await add(stream, 1)
        await anyio.to_thread.run_sync(pair.restart_redis)
        refused = await call_until_taken(stream, 2, "add", a=2, b=1)
        assert refused <= {404, 503}
        result = await stream.receive_answer(2)
        assert result["structuredContent"] == {"result": 3}
        for id in range(3, 20):
            await add(stream, id)


async def idle_for_half_a_minute(folder: Path) -> None:
    """Open a stream over each layer, and use it after half a minute.

    Nothing happens that could be waited for: it is the silence that is tested.
    """
    with ExitStack() as stack:
        pairs = []
        for layer in LAYERS:
            (folder / layer).mkdir()
            pairs.append(stack.enter_context(running_pair(folder / layer, layer)))
        async with open_http() as http, AsyncExitStack() as streams:
            opened = []
            for pair in pairs:
                stream = await streams.enter_async_context(
                    open_stream(http, pair.owner.url, post_to=pair.other.url)
                )
                await stream.initialize()
                opened.append(stream)
            await anyio.sleep(30)
            for stream in opened:
                await add(stream, 1)


@pytest.fixture(scope="module", autouse=True)
def idling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[None]]:
    """Let streams idle beside all tests of this module."""
    folder = tmp_path_factory.mktemp("idling")
    with start_blocking_portal() as portal:
        idling = portal.start_task_soon(idle_for_half_a_minute, folder)
        yield idling
        idling.cancel()  # harmless at its end


def test_streams_that_idled_for_half_a_minute_still_receive(
    idling: Future[None],
) -> None:
    """We promise it; a timeout of the layer's connection to Redis would end that."""
    idling.result(2 * BOUND)
