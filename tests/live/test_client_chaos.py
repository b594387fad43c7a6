"""Our client when something breaks: nothing hangs, nothing leaks, and it goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import psutil
import pytest
from mcp_types import ElicitResult

from mcp_django import (
    Client,
    ConnectFailed,
    MCPError,
    RequestFailed,
    RequestTimeout,
    TransportClosed,
    TransportError,
)
from mcp_django.client.connecting import Target
from mcp_django.protocol.versions import LATEST_LEGACY, MODERN
from tests import patience
from tests.live.daphne import Daphne, running_daphne
from tests.live.processes import ROOT, environment
from tests.live.proxy import running_proxy
from tests.live.redis import free_port
from tests.live.test_client import stdio_target

pytestmark = pytest.mark.live

BOUND = patience.PATIENCE_SECONDS
SOON = patience.SOON_SECONDS
"""Seconds in which a broken connection has to be noticed."""

ON_ASYNCIO = [
    ("http", MODERN[0], "asyncio"),
    ("http", LATEST_LEGACY, "asyncio"),
    ("sse", LATEST_LEGACY, "asyncio"),
    ("websocket", MODERN[0], "asyncio"),
]
ON_TRIO = [
    ("http", MODERN[0], "trio"),
    ("sse", LATEST_LEGACY, "trio"),
    ("websocket", LATEST_LEGACY, "trio"),
]
WAYS = [*ON_ASYNCIO, *ON_TRIO]


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Name the event loop: that of the way, if there is one."""
    if "loop" not in request.fixturenames:
        return "asyncio"
    loop: str = request.getfixturevalue("loop")
    return loop


class Site:
    """A Daphne that can be killed, and started again at the same address.

    Args:
        folder: For its logs and database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self._starts = 0
        self._running = ExitStack()
        self._daphne: Daphne | None = None

    def start(self) -> None:
        """Start it unless it runs, and wait until it can be used."""
        if self._daphne is not None and self._daphne.process.poll() is None:
            return
        self._starts += 1
        self._daphne = self._running.enter_context(
            running_daphne(self._folder, name=f"daphne-{self._starts}", port=self.port)
        )

    def kill(self) -> None:
        """End it without a word."""
        assert self._daphne is not None
        self._daphne.process.send_signal(signal.SIGKILL)
        self._daphne.process.wait()

    def stop(self) -> None:
        """End it; harmless if it ended already."""
        self._running.close()

    async def restart(self) -> None:
        """Start it again, after `kill`."""
        await anyio.to_thread.run_sync(self.start)


@pytest.fixture(scope="module")
def killable_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a site that tests may kill."""
    site = Site(tmp_path_factory.mktemp("chaos"))
    yield site
    site.stop()


@pytest.fixture
def own_site(killable_site: Site) -> Site:
    """Give the site, running."""
    killable_site.start()
    return killable_site


def url_of(binding: str, port: int) -> str:
    """Give the URL of a binding."""
    match binding:
        case "websocket":
            return f"ws://127.0.0.1:{port}/mcp"
        case "sse":
            return f"http://127.0.0.1:{port}/mcp/sse"
        case _:
            return f"http://127.0.0.1:{port}/mcp"


@asynccontextmanager
async def connected(target: Target, **options: Any) -> AsyncIterator[Client]:
    """Connect, and check that nothing is left when the block has ended."""
    children = children_of_ours()
    with anyio.fail_after(BOUND):
        async with Client(target, **options) as client:
            yield client
    assert children_of_ours() == children


def children_of_ours() -> set[int]:
    """Give the processes that this one runs, without the sites."""
    return {
        child.pid
        for child in psutil.Process().children()
        if "daphne" not in child.cmdline()
    }


@asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """Check that no file and no task is left when the block has ended."""
    process = psutil.Process()
    files = process.num_fds()
    with anyio.fail_after(BOUND):
        yield
    assert process.num_fds() <= files


async def call_and_note(client: Client, noted: list[Exception]) -> None:
    """Begin a call that takes long, and note how it fails."""
    try:
        await client.call_tool("slow_echo", {"text": "", "delay": 60})
    except MCPError as error:
        noted.append(error)


async def until_it_runs(client: Client) -> None:
    """Return when one call of `slow_echo` runs."""
    while True:
        result = await client.call_tool("slow_echoes")
        content: Any = result.structured_content
        if (content.get("result") or content)["running"]:
            return


@pytest.mark.parametrize(("binding", "version", "loop"), WAYS)
async def test_server_that_is_killed_and_comes_back(
    binding: str, version: str, loop: str, own_site: Site
) -> None:
    """Our choice: the call fails at once, and the next one finds the server again."""
    noted: list[Exception] = []
    target = url_of(binding, own_site.port)
    async with leaving_nothing(), connected(target, version=version) as client:
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_and_note, client, noted)
                await until_it_runs(client)
                own_site.kill()
        [error] = noted
        assert isinstance(error, TransportError)
        with pytest.raises((TransportError, RequestTimeout)):
            await client.call_tool("add", {"a": 1, "b": 2}, timeout=0.5)
        await own_site.restart()
        added = await call_until_it_works(client)
        assert added == "3"


async def call_until_it_works(client: Client) -> str:
    """Call a tool; connections that are opened again at intervals need some time."""
    while True:
        try:
            result = await client.call_tool("add", {"a": 1, "b": 2})
        except (TransportError, RequestTimeout):
            await anyio.lowlevel.checkpoint()
        else:
            content: Any = result.content[0]
            return str(content.text)


@pytest.mark.parametrize(("binding", "version", "loop"), WAYS)
async def test_connection_that_is_cut_in_a_call(
    binding: str, version: str, loop: str, own_site: Site
) -> None:
    """Our choice: the call fails or is resumed, and the next one works."""
    noted: list[Exception] = []
    async with leaving_nothing(), running_proxy(own_site.port) as proxy:
        target = url_of(binding, proxy.port)
        async with connected(target, version=version) as client:
            with anyio.move_on_after(SOON):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call_and_note, client, noted)
                    await until_it_runs(client)
                    proxy.cut()
            assert all(isinstance(error, TransportError) for error in noted)
            assert await call_until_it_works(client) == "3"


@pytest.mark.parametrize(("binding", "version", "loop"), WAYS)
async def test_half_open_connection_ends_in_a_timeout(
    binding: str, version: str, loop: str, own_site: Site
) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timeouts"."""
    async with leaving_nothing(), running_proxy(own_site.port) as proxy:
        target = url_of(binding, proxy.port)
        async with connected(target, version=version) as client:
            proxy.freeze()
            with anyio.fail_after(SOON), pytest.raises(RequestTimeout):
                await client.call_tool("add", {"a": 1, "b": 2}, timeout=0.3)
            proxy.thaw()
            assert await call_until_it_works(client) == "3"


@pytest.mark.parametrize("binding", ["http", "sse", "websocket"])
async def test_server_that_is_frozen_does_not_hold_up_the_end(
    binding: str, own_site: Site
) -> None:
    """Our choice: leaving takes a few seconds at most, whatever the server does."""
    async with leaving_nothing(), running_proxy(own_site.port) as proxy:
        target = url_of(binding, proxy.port)
        with anyio.fail_after(SOON):
            async with connected(target):
                proxy.freeze()


@pytest.mark.parametrize("binding", ["http", "sse", "websocket"])
async def test_server_that_never_answers_is_no_connection(binding: str) -> None:
    """Our choice: a port that takes connections and says nothing."""
    async with leaving_nothing():
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        async def say_nothing(stream: Any) -> None:
            async with stream:
                await anyio.sleep_forever()

        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, say_nothing)
            with (
                anyio.fail_after(SOON),
                pytest.raises((TransportError, RequestTimeout)),
            ):
                async with connected(
                    url_of(binding, port),
                    timeout=0.3,
                    probe_timeout=0.3,
                    connect_timeout=0.3,
                ):
                    pass
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("binding", ["http", "sse", "websocket"])
async def test_server_that_is_not_there_is_no_connection(binding: str) -> None:
    """Our choice: the exception names the address."""
    url = url_of(binding, free_port())
    with anyio.fail_after(SOON), pytest.raises(ConnectFailed) as caught:
        async with connected(url):
            pass
    assert urlsplit(url).netloc in str(caught.value)


async def test_child_that_is_killed_in_a_call(tmp_path: Path) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Unexpected Termination"."""
    noted: list[Exception] = []
    others = children_of_ours()
    async with connected(stdio_target(tmp_path)) as client:
        [pid] = children_of_ours() - others
        child = psutil.Process(pid)
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call_and_note, client, noted)
                await until_it_runs(client)
                child.kill()
        [error] = noted
        assert isinstance(error, TransportClosed)
        assert "SIGKILL" in str(error)
        # It is started again.
        assert await call_until_it_works(client) == "3"


async def test_child_that_is_stopped_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Our choice: it is killed in the end, with all that it started."""
    others = children_of_ours()
    with anyio.fail_after(BOUND):
        async with connected(stdio_target(tmp_path)) as client:
            await client.ping()
            [pid] = children_of_ours() - others
            child = psutil.Process(pid)
            child.suspend()
    assert not child.is_running()


@pytest.mark.parametrize(
    ("binding", "version", "loop"),
    [*WAYS, ("stdio", MODERN[0], "asyncio"), ("stdio", LATEST_LEGACY, "trio")],
)
async def test_calls_that_are_cancelled_leave_nothing(
    binding: str, version: str, loop: str, own_site: Site, tmp_path: Path
) -> None:
    """Our choice: whenever that is, also before anything was sent."""
    target: Target = (
        stdio_target(tmp_path) if binding == "stdio" else url_of(binding, own_site.port)
    )
    async with leaving_nothing(), connected(target, version=version) as client:
        for turns in range(30):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(call_and_note, client, [])
                    for _ in range(turns):
                        await anyio.lowlevel.checkpoint()
                    scope.cancel()
        while True:
            result = await client.call_tool("slow_echoes")
            content: Any = result.structured_content
            if not (content.get("result") or content)["running"]:
                break
        assert await call_until_it_works(client) == "3"


@pytest.mark.parametrize(("binding", "version", "loop"), WAYS)
async def test_opening_that_is_cancelled_leaves_nothing(
    binding: str, version: str, loop: str, own_site: Site
) -> None:
    """Our choice: likewise."""
    for turns in [*range(0, 60, 3), *range(60, 600, 30)]:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def open_and_close() -> None:
                    url = url_of(binding, own_site.port)
                    async with connected(url, version=version):
                        pass

                tasks.start_soon(open_and_close)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()


async def test_listening_ends_with_an_error_when_the_server_is_killed(
    own_site: Site,
) -> None:
    """Our choice: what changed meanwhile is not known, so it must not look quiet."""
    async with (
        connected(url_of("http", own_site.port)) as client,
        client.listen(tools=True) as changes,
    ):
        own_site.kill()
        with anyio.fail_after(SOON), pytest.raises(RequestFailed):
            await anext(changes)
        await own_site.restart()


async def test_question_that_is_open_when_the_server_is_killed(own_site: Site) -> None:
    """Our choice: the user is no longer asked, and the call fails."""
    is_asked, is_left = anyio.Event(), anyio.Event()

    async def ponder(form: Any) -> ElicitResult:
        is_asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            is_left.set()
        return ElicitResult(action="cancel")

    noted: list[Exception] = []

    async def call(client: Client) -> None:
        try:
            await client.call_tool("test_elicitation", {"message": "Who?"})
        except MCPError as error:
            noted.append(error)

    async with connected(
        url_of("websocket", own_site.port), version=LATEST_LEGACY, on_elicit=ponder
    ) as client:
        with anyio.fail_after(SOON):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, client)
                await is_asked.wait()
                own_site.kill()
                await is_left.wait()
        [error] = noted
        assert isinstance(error, TransportClosed)


def test_processes_are_not_left_behind_when_we_are_killed(tmp_path: Path) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Shutdown": end of file."""
    program = (
        "import anyio, sys\n"
        "from tests.live.test_client import stdio_target\n"
        "from pathlib import Path\n"
        "from mcp_django import Client\n"
        "import psutil\n"
        "async def main():\n"
        "    async with Client(stdio_target(Path(sys.argv[1]))):\n"
        "        [child] = psutil.Process().children()\n"
        "        print(child.pid, flush=True)\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env=environment({}),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        child = psutil.Process(int(process.stdout.readline()))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    psutil.wait_procs([child], timeout=SOON)
    assert not child.is_running()
