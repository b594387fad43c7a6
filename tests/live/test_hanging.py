"""Handlers that hang, in a real Daphne and over stdio: for others, and at the end."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.live.daphne import Daphne, serving
from tests.live.raw import BOUND
from tests.live.raw_http import BOTH, JSON_ONLY, Client, ModernClient, open_session
from tests.live.stdio import StdioServer, running_stdio
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

SETTINGS = "tests.hanging.settings"
APPLICATION = "tests.hanging.asgi:application"
VIEWS = "tests.hanging.asgi:views"
LEFT = re.compile(
    r"^the process ends, and (\d+) calls? (?:is|are) not over: (.*)$", re.M
)


@contextmanager
def hanging_site(
    folder: Path, *, seconds: float, application: str = APPLICATION
) -> Iterator[Daphne]:
    """Run the site; `seconds` is what running calls get at its end."""
    extra = {"DJANGO_SETTINGS_MODULE": SETTINGS, "SHUTDOWN_SECONDS": str(seconds)}
    with serving(application, log=folder / "daphne.log", extra=extra) as site:
        yield site


@asynccontextmanager
async def client_of(name: str) -> AsyncIterator[ModernClient]:
    """Give a client of a user, with as many connections as it wants."""
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(
        headers={"x-name": name}, timeout=BOUND, limits=limits
    ) as http:
        yield ModernClient(http)


async def wait_for_line(log: Path, text: str) -> None:
    """Wait until something stands in the log."""
    with anyio.fail_after(BOUND):
        while text not in await anyio.Path(log).read_text():  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def assert_served(site: Daphne, client: ModernClient) -> None:
    """Ask for one thing of each kind, which must not wait."""
    with anyio.fail_after(SOON_SECONDS):
        result = await client.call(site.url, "add", a=1, b=2)
        assert result["structuredContent"] == 3
        await client.ask(site.url, "resources/read", {"uri": "hanging://terms"})
        await client.ask(site.url, "prompts/get", {"name": "greet"})
        for what in ("tools", "resources", "prompts"):
            assert (await client.ask(site.url, f"{what}/list"))[what]


async def hang(
    site: Daphne, client: ModernClient, tool: str, path: Path | None = None
) -> None:
    """Call a tool that does not return, until the process ends."""
    arguments = {} if path is None else {"path": str(path)}
    try:
        await client.call(site.url, tool, **arguments)
    except (StopAsyncIteration, httpx2.RemoteProtocolError, AssertionError):
        return
    raise AssertionError(f"{tool} returned")


@pytest.mark.parametrize("count", [16, 64])
async def test_handlers_of_one_user_that_never_return_hold_up_nobody_else(
    tmp_path: Path, count: int
) -> None:
    """We promise it: also when its clients are gone; the log and the process's last
    words say what hangs."""
    with hanging_site(tmp_path, seconds=0.5) as site:
        async with client_of("bob") as bob:
            async with client_of("ann") as ann, anyio.create_task_group() as calls:
                for _ in range(count):
                    calls.start_soon(hang, site, ann, "hang")
                await assert_served(site, bob)
                if count > 16:
                    await wait_for_line(site.log, "there are not enough threads")
                    await assert_served(site, bob)
                calls.cancel_scope.cancel()
            await assert_served(site, bob)
        site.terminate()
        with anyio.fail_after(SOON_SECONDS):
            assert await anyio.to_thread.run_sync(site.process.wait) == 0
    log = site.log.read_text()
    lines = re.findall("there are not enough threads.*", log)
    assert lines == [] if count == 16 else len(lines) == 1
    assert all("16 times tools/call 'hang' of user 'ann'" in line for line in lines)
    [(left, which)] = LEFT.findall(log)
    assert left == "16"
    assert which.startswith("16 times tools/call 'hang' of user 'ann' (for ")


@pytest.mark.parametrize(
    ("tool", "application"),
    [
        ("hang", APPLICATION),
        ("hang_in_c", APPLICATION),
        ("hang_in_process", APPLICATION),
        ("hang_async", APPLICATION),
        ("hang_in_foreign_thread", APPLICATION),
        ("swallow", APPLICATION),
        ("hang", VIEWS),
        ("swallow", VIEWS),
    ],
)
async def test_process_goes_whatever_hangs(
    tmp_path: Path, tool: str, application: str
) -> None:
    """We promise it: after `MCP["SHUTDOWN_SECONDS"]`, and it says what it left."""
    with hanging_site(tmp_path, seconds=0.5, application=application) as site:
        async with client_of("ann") as ann, anyio.create_task_group() as calls:
            calls.start_soon(hang, site, ann, tool)
            calls.start_soon(hang, site, ann, tool)
            await wait_until_hanging(site, ann, 2)
            site.terminate()
            with anyio.fail_after(SOON_SECONDS):
                assert await anyio.to_thread.run_sync(site.process.wait) == 0
    log = site.log.read_text()
    assert LEFT.findall(log) == [
        ("2", f"2 times tools/call '{tool}' of user 'ann'"),
    ]
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("tool", "application", "others"),
    [
        ("block", APPLICATION, 0),
        ("block", APPLICATION, 2),
        ("spin", APPLICATION, 0),
        ("block", VIEWS, 2),
    ],
)
async def test_process_goes_also_if_its_event_loop_is_blocked(
    tmp_path: Path, tool: str, application: str, others: int
) -> None:
    """We promise it: a handler that is `async def`, and waits as others do, lets the
    event loop hear of no signal."""
    path = tmp_path / "blocked"
    with hanging_site(tmp_path, seconds=0.5, application=application) as site:
        async with client_of("ann") as ann, anyio.create_task_group() as calls:
            for _ in range(others):
                calls.start_soon(hang, site, ann, "hang_async")
            await wait_until_hanging(site, ann, others)
            calls.start_soon(hang, site, ann, tool, path)
            await wait_for_file(path)
            site.terminate()
            with anyio.fail_after(SOON_SECONDS):
                assert await anyio.to_thread.run_sync(site.process.wait) == 0
    log = site.log.read_text()
    held_up_by = re.findall("the end of the process is held up by (.*); it ends", log)
    [place] = held_up_by
    assert re.fullmatch(
        rf"its main thread, in {tool} \(.*/tests/hanging/mcp\.py, line \d+\)", place
    )
    assert [which for _, which in LEFT.findall(log)] == (
        [f"{others} times tools/call 'hang_async' of user 'ann'"] if others else []
    )
    assert "Traceback" not in log


async def test_process_goes_also_if_no_thread_can_run(tmp_path: Path) -> None:
    """We promise it: by the last means, which leaves tracebacks, and a status."""
    path = tmp_path / "blocked"
    with hanging_site(tmp_path, seconds=0.5) as site:
        async with client_of("ann") as ann, anyio.create_task_group() as calls:
            calls.start_soon(hang, site, ann, "match", path)
            await wait_for_file(path)
            site.terminate()
            with anyio.fail_after(SOON_SECONDS):
                assert await anyio.to_thread.run_sync(site.process.wait) == 1
    assert re.search(r'hanging/mcp\.py", line \d+ in match', site.log.read_text())


async def wait_for_file(path: Path) -> None:
    """Wait until there is a file."""
    with anyio.fail_after(BOUND):
        while not await anyio.Path(path).exists():  # noqa: ASYNC110
            await anyio.sleep(0.02)


async def wait_until_hanging(site: Daphne, client: Client, count: int) -> None:
    """Wait until so many calls have begun to hang."""
    with anyio.fail_after(BOUND):
        while True:
            result = await client.call(site.url, "count_hanging")
            if result["content"][0]["text"] == str(count):
                return
            await anyio.sleep(0.02)


@pytest.mark.parametrize(
    ("tool", "application"),
    [("wait_for", APPLICATION), ("wait_for_async", APPLICATION), ("wait_for", VIEWS)],
)
async def test_calls_that_run_at_sigterm_are_answered(
    tmp_path: Path, tool: str, application: str
) -> None:
    """We promise it: within `MCP["SHUTDOWN_SECONDS"]`, in both eras, as JSON and as
    event streams; what comes meanwhile is refused, and idle streams end at once."""
    path, texts = tmp_path / "go", list[str]()
    with hanging_site(tmp_path, seconds=BOUND, application=application) as site:
        async with client_of("ann") as ann, anyio.create_task_group() as calls:
            session = await open_session(ann.http, site.url)

            async def call(client: Client, accept: str) -> None:
                async with client.open_call(
                    site.url, tool, path=str(path), accept=accept
                ) as answer:
                    result = await answer.receive_result()
                    texts.append(result["content"][0]["text"])

            calls.start_soon(call, ann, JSON_ONLY)
            calls.start_soon(call, session, BOTH)
            await wait_until_hanging(site, ann, 2)
            async with ann.listen(site.url, toolsListChanged=True) as listening:
                site.terminate()
                with anyio.fail_after(SOON_SECONDS):
                    assert len(await listening.receive_all()) == 1
            async with ann.open_call(site.url, "add", a=1, b=2) as refused:
                assert refused.status == 503
                assert refused.response.headers["retry-after"] == "1"
            path.touch()
        with anyio.fail_after(SOON_SECONDS):
            assert await anyio.to_thread.run_sync(site.process.wait) == 0
    assert texts == ["there"] * 2
    assert LEFT.findall(site.log.read_text()) == []


# Over stdio -------------------------------------------------------------------------


async def begin(server: StdioServer, tool: str, **arguments: object) -> None:
    """Call a tool, and wait until its handler runs."""
    await server.initialize()
    await server.begin_call(1, tool, **arguments)
    with anyio.fail_after(BOUND):
        while True:
            result = await server.call(2, "count_hanging")
            if result["content"][0]["text"] == "1":
                return
            await anyio.sleep(0.02)


@pytest.mark.parametrize(
    ("tool", "how"),
    [
        ("wait_for", "SIGTERM"),
        ("wait_for_async", "SIGINT"),
        ("wait_for", "end of input"),
    ],
)
async def test_calls_over_stdio_that_run_at_the_end_are_answered(
    tmp_path: Path, tool: str, how: str
) -> None:
    """We promise it: within `MCP["SHUTDOWN_SECONDS"]`."""
    path = tmp_path / "go"
    extra = {"DJANGO_SETTINGS_MODULE": SETTINGS, "SHUTDOWN_SECONDS": str(BOUND)}
    async with running_stdio(extra=extra) as server:
        await begin(server, tool, path=str(path))
        await end(server, how)
        path.touch()
        answer = await server.receive()
        assert answer["result"]["content"] == [{"type": "text", "text": "there"}]
        assert await server.wait() == 0


@pytest.mark.parametrize(
    ("tool", "how"),
    [
        ("hang", "SIGTERM"),
        ("hang_in_c", "SIGINT"),
        ("hang_async", "end of input"),
        ("swallow", "SIGTERM"),
    ],
)
async def test_stdio_process_goes_whatever_hangs(
    tmp_path: Path, tool: str, how: str
) -> None:
    """We promise it: after the same time, and it says what it left."""
    extra = {"DJANGO_SETTINGS_MODULE": SETTINGS, "SHUTDOWN_SECONDS": "0.5"}
    path = tmp_path / "stderr"
    with path.open("wb") as stderr:
        async with running_stdio(extra=extra, stderr=stderr) as server:
            await begin(server, tool)
            await end(server, how)
            with anyio.fail_after(SOON_SECONDS):
                assert await server.wait() == 0
    assert path.read_text().splitlines() == [
        f"the client has gone, and 1 call is not over: tools/call '{tool}'"
    ]


async def test_stdio_process_goes_also_if_its_event_loop_is_blocked(
    tmp_path: Path,
) -> None:
    """We promise it: at a signal, such as Ctrl-C."""
    extra = {"DJANGO_SETTINGS_MODULE": SETTINGS, "SHUTDOWN_SECONDS": "0.5"}
    blocked, path = tmp_path / "blocked", tmp_path / "stderr"
    with path.open("wb") as stderr:
        async with running_stdio(extra=extra, stderr=stderr) as server:
            await server.initialize()
            await server.begin_call(1, "block", path=str(blocked))
            await wait_for_file(blocked)
            await end(server, "SIGINT")
            with anyio.fail_after(SOON_SECONDS):
                assert await server.wait() == 0
    left, line = path.read_text().splitlines()
    assert left == "the process ends, and 1 call is not over: tools/call 'block'"
    assert line.startswith("the end of the process is held up by its main thread, in b")


async def test_second_signal_ends_the_stdio_process_at_once(tmp_path: Path) -> None:
    """Chosen: clients close the input, and send a signal if that takes long."""
    extra = {"DJANGO_SETTINGS_MODULE": SETTINGS, "SHUTDOWN_SECONDS": str(BOUND)}
    async with running_stdio(extra=extra) as server:
        await begin(server, "hang")
        await server.close_input()
        server.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(SOON_SECONDS):
            assert await server.wait() == 0


async def end(server: StdioServer, how: str) -> None:
    """Let a server know that it shall end."""
    if how == "end of input":
        await server.close_input()
    else:
        server.process.send_signal(signal.Signals[how])
