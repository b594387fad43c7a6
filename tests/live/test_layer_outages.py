"""Two Daphne processes whose channel layer fails, hangs, or forgets everything."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
import redis

from tests.live.daphne import Daphne, running_daphne
from tests.live.proxy import Proxy, running_proxy
from tests.live.raw import BOUND, RawStream, open_http, open_stream
from tests.live.raw_http import ModernClient, Session, open_session
from tests.live.restartable import RedisServer
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

LAYERS = ["core", "pubsub"]
WATCHED = "test://watched-resource"
OUTAGE_SECONDS = 4.0
MOST_LINES = 5
"""Of a process: that the layer is away, that it is back, and what was lost."""


class Site:
    """Two processes that are joined by nothing but a channel layer on Redis.

    Attributes:
        redis: Has the channel layer.
        line: The way to it.
        one: A process.
        other: Another one.
    """

    def __init__(
        self, server: RedisServer, line: Proxy, one: Daphne, other: Daphne
    ) -> None:
        self.redis = server
        self.line = line
        self.one = one
        self.other = other

    def lines(self) -> dict[str, list[str]]:
        """Give what each process has logged."""
        return {
            daphne.log.name: daphne.log.read_text().splitlines()
            for daphne in (self.one, self.other)
        }


@asynccontextmanager
async def running_site(
    folder: Path, layer: str, **variables: str
) -> AsyncIterator[Site]:
    """Run both processes and Redis until the end of the block."""
    server = RedisServer(folder)
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        async with running_proxy(server.port) as line:
            extra = {
                "REDIS_URL": f"redis://127.0.0.1:{line.port}/0",
                "REDIS_LAYER": layer,
                "OUTAGE_CACHE": str(folder / "cache"),
                **variables,
            }

            def start(name: str) -> Daphne:
                return stack.enter_context(
                    running_daphne(
                        folder,
                        name=name,
                        settings="tests.live.outage_settings",
                        extra=extra,
                        options=["--access-log", "/dev/null"],
                    )
                )

            one = await anyio.to_thread.run_sync(start, "one")
            other = await anyio.to_thread.run_sync(start, "other")
            yield Site(server, line, one, other)
            # While what they need still runs.
            for daphne in (one, other):
                daphne.terminate()
                await anyio.to_thread.run_sync(daphne.process.wait)


class Traffic:
    """Requests of every kind, to both processes.

    Attributes:
        statuses: How often each kind had each HTTP status.
        longest: Seconds that the longest request of each kind took.
    """

    def __init__(
        self, site: Site, http: httpx2.AsyncClient, local: RawStream, far: RawStream
    ) -> None:
        self.statuses: dict[str, Counter[int]] = {}
        self.longest: dict[str, float] = {}
        self._http = http
        self._modern = ModernClient(http)
        self._one, self._other = site.one.url, site.other.url
        self._local = local
        self._far = far
        self._ids = itertools.count(1000)
        self.session: Session | None = None

    async def once(self) -> None:
        """Send one request of each kind, side by side."""
        assert self.session is not None
        session, one, other = self.session, self._one, self._other
        kinds: dict[str, Callable[[], Awaitable[int]]] = {
            "sse": lambda: self._local.call(next(self._ids), "echo", text="x"),
            "far sse": lambda: self._far.call(next(self._ids), "echo", text="x"),
            "modern": lambda: self._call(self._modern, one),
            "session": lambda: self._call(session, one),
            "session of the other": lambda: self._call(session, other),
            "notice from a thread": self._touch,
            "cancel": lambda: session.cancel(other, next(self._ids)),
            "listen": self._listen,
            "get": self._get,
            "a whole session": self._open_and_end,
        }
        async with anyio.create_task_group() as tasks:
            for kind, send in kinds.items():
                tasks.start_soon(self._note, kind, send)

    async def _note(self, kind: str, send: Callable[[], Awaitable[int]]) -> None:
        begun = anyio.current_time()
        status = await send()
        self.statuses.setdefault(kind, Counter())[status] += 1
        took = anyio.current_time() - begun
        self.longest[kind] = max(took, self.longest.get(kind, 0.0))

    async def _call(self, client: ModernClient | Session, url: str) -> int:
        async with client.open_call(url, "echo", text="x") as answer:
            await answer.receive_result()
            return answer.status

    async def _touch(self) -> int:
        async with self._modern.open_call(self._one, "touch", uri=WATCHED) as answer:
            await answer.receive_result()
            return answer.status

    async def _listen(self) -> int:
        async with self._modern.listen(self._one, toolsListChanged=True) as stream:
            return stream.status

    async def _get(self) -> int:
        session = await open_session(self._http, self._other)
        async with session.get(self._one) as stream:
            return stream.status

    async def _open_and_end(self) -> int:
        session = await open_session(self._http, self._one)
        assert await session.status(self._other) == 200
        return await session.delete(self._other)


@asynccontextmanager
async def open_traffic(site: Site) -> AsyncIterator[Traffic]:
    """Open what requests are sent to, and streams that hear of changes."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http())
        local = await stack.enter_async_context(open_stream(http, site.one.url))
        far = await stack.enter_async_context(
            open_stream(http, site.one.url, post_to=site.other.url)
        )
        for stream in (local, far):
            await stream.initialize()
        traffic = Traffic(site, http, local, far)
        traffic.session = await open_session(http, site.one.url)
        await stack.enter_async_context(traffic.session.get(site.other.url))
        await traffic.once()
        yield traffic


def begin_outage(site: Site, how: str) -> None:
    """Take the channel layer away."""
    match how:
        case "killed":
            site.redis.kill()
        case "stopped":
            site.redis.freeze()
        case "frozen line":
            site.line.freeze()


def end_outage(site: Site, how: str) -> None:
    """Give it back."""
    match how:
        case "killed":
            site.redis.start()
        case "stopped":
            site.redis.thaw()
        case "frozen line":
            site.line.thaw()


@pytest.mark.parametrize(
    ("layer", "how"),
    [
        ("core", "killed"),
        ("pubsub", "killed"),
        ("core", "stopped"),
        ("pubsub", "frozen line"),
    ],
)
async def test_layer_that_is_away_costs_a_few_lines_and_only_what_needs_it(
    tmp_path: Path, layer: str, how: str
) -> None:
    """We promise it: who needs no other process is answered as if nothing were."""
    async with running_site(tmp_path, layer) as site, open_traffic(site) as traffic:
        assert {kind: {*n} for kind, n in traffic.statuses.items()}["far sse"] == {202}
        before = {name: len(lines) for name, lines in site.lines().items()}
        traffic.statuses.clear()
        begin_outage(site, how)
        with anyio.move_on_after(OUTAGE_SECONDS):
            async with anyio.create_task_group() as tasks:
                while True:
                    tasks.start_soon(traffic.once)
                    await anyio.sleep(0.1)
        during = {kind: {*counts} for kind, counts in traffic.statuses.items()}
        longest = traffic.longest
        await anyio.to_thread.run_sync(end_outage, site, how)
        with anyio.fail_after(BOUND):
            while 202 not in traffic.statuses["far sse"]:
                await traffic.once()
        lines = {name: lines[before[name] :] for name, lines in site.lines().items()}
    needing = {"far sse": {503}, "cancel": {503}}
    assert {kind: during[kind] for kind in needing} == needing
    assert {
        status
        for kind, statuses in during.items()
        if kind not in needing
        for status in statuses
    } == {200, 202}
    assert max(longest.values()) < SOON_SECONDS
    for name, written in lines.items():
        assert len(written) <= MOST_LINES, (name, written)
        assert "the channel layer 'default' does not answer" in "".join(written)


@pytest.mark.parametrize("layer", LAYERS)
async def test_nothing_is_lost_when_redis_forgets_everything(
    tmp_path: Path, layer: str
) -> None:
    """We promise it: FLUSHALL, an eviction, a failover to an empty Redis."""
    async with (
        running_site(tmp_path, layer) as site,
        open_http() as http,
    ):
        modern = ModernClient(http)
        session = await open_session(http, site.one.url)
        async with (
            session.open_call(
                site.one.url, "slow_echo", id="slow", text="", delay=60
            ) as call,
            modern.listen(site.one.url, resourceSubscriptions=[WATCHED]) as stream,
        ):
            # The other process begins to hear of the first one.
            assert await session.cancel(site.other.url, "another") == 202
            await modern.call(site.other.url, "touch", uri=WATCHED)
            assert (await stream.receive())["params"]["uri"] == WATCHED
            flush(site.redis)
            assert await session.cancel(site.other.url, "slow") == 202
            assert await call.receive_all() == []
            flush(site.redis)
            await modern.call(site.other.url, "touch", uri=WATCHED)
            assert (await stream.receive())["params"]["uri"] == WATCHED
            flush(site.redis)
            assert await session.delete(site.other.url) == 200
            with anyio.fail_after(BOUND):
                while await session.status(site.one.url) != 404:
                    pass
        if layer == "core":
            await wait_for_line(site, "had lost the group of all workers")


async def wait_for_line(site: Site, text: str) -> None:
    """Wait until a process has logged something."""
    with anyio.fail_after(BOUND):
        while not any(  # noqa: ASYNC110  # The log is of another process.
            text in line for lines in site.lines().values() for line in lines
        ):
            await anyio.sleep(0.1)


def flush(server: RedisServer) -> None:
    """Have Redis forget everything."""
    with redis.Redis(port=server.port) as client:
        client.flushall()
