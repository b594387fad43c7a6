"""What open streams cost a Daphne, and how they end."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp_types import TextContent

from mcp_django.conf import MCPSettings
from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, RawStream, open_http, open_stream
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

MEBIBYTE = 1024 * 1024


async def wait_until_sessions(stream: RawStream, expected: int) -> None:
    """Ask how many sessions are open until it is the expected number."""
    id = 1000
    with anyio.fail_after(BOUND):
        while True:
            id += 1
            await stream.call(id, "open_sessions")
            result = await stream.receive_answer(id)
            if result["structuredContent"] == {"result": expected}:
                return


@asynccontextmanager
async def connect(site: Daphne) -> AsyncIterator[ClientSession]:
    """Open a session with the official SDK's client."""
    async with (
        sse_client(f"{site.url}/mcp/sse") as (reading, writing),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


@dataclass
class Peak:
    """The most memory that a process was seen to hold."""

    bytes: int = 0


@asynccontextmanager
async def measure_peak(site: Daphne) -> AsyncIterator[Peak]:
    """Look at the memory of a process again and again until the end of the block."""
    peak = Peak()

    async def look() -> None:
        while True:
            peak.bytes = max(peak.bytes, processes.resident_bytes(site.pid))
            await anyio.sleep(0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        yield peak
        tasks.cancel_scope.cancel()


async def test_idle_streams_hold_no_thread_and_no_database_connection(
    tmp_path: Path,
) -> None:
    """We promise it; each user was looked up in the database, in a thread."""
    database = tmp_path / "site.sqlite3"
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.live.settings",
        "CONFORMANCE_DATABASE": str(database),
        "DJANGO_SUPERUSER_PASSWORD": "secret",
    }
    manage = [sys.executable, "manage.py"]
    with running_daphne(tmp_path, settings="tests.live.settings") as site:
        who = ["--username", "ann", "--email", "ann@example.com"]
        processes.run([*manage, "createsuperuser", "--noinput", *who], variables)
        printed, _ = processes.run(
            [*manage, "mcp_token", "create", "ann", "--name", "idle"], variables
        )
        token = printed.splitlines()[-1]
        headers = {"Authorization": f"Bearer {token}"}
        async with open_http(headers) as http, AsyncExitStack() as streams:
            first = await streams.enter_async_context(open_stream(http, site.url))
            await first.initialize()
            await first.call(1, "count_rows")
            result = await first.receive_answer(1)
            assert result["structuredContent"] == {"result": 1}
            threads_before = processes.thread_count(site.pid)
            for _ in range(59):
                await streams.enter_async_context(open_stream(http, site.url))
            threads = processes.thread_count(site.pid)
            connections = processes.open_files(site.pid).count(str(database))
            await wait_until_sessions(first, 60)
        # The pool that looks users up may have grown; it is for all streams together.
        assert threads - threads_before <= MCPSettings.AUTHENTICATION_WORKERS
        assert connections == 0


async def test_a_thousand_connects_leave_no_session_behind(site: Daphne) -> None:
    """We promise it."""

    async def connect_and_go() -> None:
        for _ in range(50):
            async with open_stream(http, site.url):
                pass

    async with open_http() as http, open_stream(http, site.url) as watcher:
        await watcher.initialize()
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(connect_and_go)
        await wait_until_sessions(watcher, 1)


async def test_session_ends_when_its_client_goes(site: Daphne) -> None:
    """We promise it: disconnects are seen at once, and running handlers end."""
    async with open_http() as http, open_stream(http, site.url) as watcher:
        await watcher.initialize()
        async with open_stream(http, site.url) as leaving:
            await leaving.initialize()
            await leaving.call(1, "slow_echo", text="", delay=60)
            await wait_until_sessions(watcher, 2)
        with anyio.fail_after(SOON_SECONDS):
            await wait_until_sessions(watcher, 1)
        await watcher.call(1, "slow_echoes")
        result = await watcher.receive_answer(1)
        assert result["structuredContent"]["running"] == []


async def test_ten_sync_tools_run_side_by_side(site: Daphne) -> None:
    """We promise it: ten of one second each take less than two together."""
    async with connect(site) as client:
        with anyio.fail_after(SOON_SECONDS):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(client.call_tool, "slow_sync", {"delay": 1})


async def test_streams_end_cleanly_at_sigterm(tmp_path: Path) -> None:
    """We promise it: idle ones within two seconds; what runs gets a few more.

    A body that is cut off raises `RemoteProtocolError` in the client; a clean end
    does not. A client that is in the middle of a POST holds nothing up.
    """
    half_a_post = (
        b"POST /mcp/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    )
    ends: list[float] = []

    async def hold(is_busy: bool, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with open_stream(http, site.url) as stream:
            await stream.initialize()
            if is_busy:
                assert await stream.call(1, "slow_echo", text="", delay=60) == 202
            task_status.started()
            with pytest.raises(StopAsyncIteration):
                await stream.receive()
        if not is_busy:
            ends.append(anyio.current_time())

    with running_daphne(tmp_path) as site:
        async with open_http() as http, anyio.create_task_group() as tasks:
            await tasks.start(hold, True)
            for _ in range(20):
                await tasks.start(hold, False)
            address = httpx2.URL(site.url)
            poster = await anyio.connect_tcp(address.host, address.port or 80)
            await poster.send(half_a_post)
            told = anyio.current_time()
            site.terminate()
            await poster.aclose()
        assert len(ends) == 20
        assert max(ends) - told < SOON_SECONDS
        assert site.process.wait(timeout=BOUND) == 0
        assert "Traceback" not in site.log.read_text()


async def test_client_that_reads_nothing_costs_little_and_slows_nobody(
    tmp_path: Path,
) -> None:
    """We promise it: of 100 results of a megabyte only a few are kept."""
    waits: list[float] = []

    async def work() -> None:
        for number in range(100):
            begun = anyio.current_time()
            result = await other.call_tool("echo", {"text": str(number)})
            waits.append(anyio.current_time() - begun)
            assert result.content == [TextContent(text=str(number))]

    with running_daphne(tmp_path) as site:
        async with (
            connect(site) as other,
            open_http() as http,
            open_stream(http, site.url) as idle,
        ):
            await idle.initialize()
            await other.call_tool("big_text", {"size": 1_000_000})
            before = processes.resident_bytes(site.pid)
            async with (
                measure_peak(site) as peak,
                anyio.create_task_group() as calls,
            ):
                calls.start_soon(work)
                for id in range(100):
                    assert await idle.call(id, "big_text", size=1_000_000) == 202
    assert peak.bytes - before < 16 * MEBIBYTE
    assert max(waits) < SOON_SECONDS


async def test_client_that_asks_for_much_at_once_gets_it_all(tmp_path: Path) -> None:
    """We promise it: one that is merely busy is never cut off, and costs little too."""
    sizes: list[int] = []

    async def call() -> None:
        result = await client.call_tool("big_text", {"size": 1_000_000})
        [block] = result.content
        assert isinstance(block, TextContent)
        sizes.append(len(block.text))

    with running_daphne(tmp_path) as site:
        async with connect(site) as client:
            before = processes.resident_bytes(site.pid)
            async with measure_peak(site) as peak:
                with anyio.fail_after(BOUND):
                    async with anyio.create_task_group() as calls:
                        for _ in range(100):
                            calls.start_soon(call)
    assert sizes == [1_000_000] * 100
    assert peak.bytes - before < 32 * MEBIBYTE
