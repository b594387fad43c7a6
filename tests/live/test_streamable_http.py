"""What Streamable HTTP costs a Daphne, and how its streams and calls end."""

import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
import pytest
from anyio.abc import TaskStatus

from mcp_django.conf import MCPSettings
from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, INITIALIZE, open_http
from tests.live.raw_http import (
    BOTH,
    JSON_ONLY,
    STREAM_ONLY,
    Client,
    Message,
    ModernClient,
    open_session,
)
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

UntilEnd: TypeAlias = Callable[..., Awaitable[None]]
"""Opens something, says so by calling its last argument, and returns when it ended."""

EVERYTHING: Message = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
}
SETTINGS = "tests.live.settings"
MAKE_USERS = """
from django.contrib.auth.models import User
from mcp_django.tokens.models import Token
for name in ("ann", "bob"):
    print(Token.issue(User.objects.create_user(name), "live")[1])
"""


async def wait_until_running(client: Client, site: Daphne, expected: list[str]) -> None:
    """Ask which calls of `slow_echo` run until it is the expected ones."""
    with anyio.fail_after(BOUND):
        while True:
            result = await client.call(site.url, "slow_echoes")
            if result["structuredContent"]["running"] == expected:
                return


async def holdings(client: Client, site: Daphne) -> Message:
    """Ask what the process has open, and count its files."""
    result = await client.call(site.url, "holdings")
    held: Message = result["structuredContent"]
    return {**held, "files": len(processes.open_files(site.pid))}


async def holdings_at_rest(client: Client, site: Daphne) -> Message:
    """Ask what the process has open once it has begun what it goes on with."""
    async with ModernClient(client.http).listen(site.url, **EVERYTHING):
        pass
    await client.call(site.url, "holdings")
    return await holdings(client, site)


async def wait_until_released(client: Client, site: Daphne, before: Message) -> None:
    """Ask what the process has open until it is no more than before."""
    held: Message = {}

    def is_released() -> bool:
        return bool(held) and all(held[name] <= before[name] for name in before)

    try:
        with anyio.fail_after(BOUND):
            while not is_released():
                held = await holdings(client, site)
    except TimeoutError:
        assert held == before  # to say what is left


# Ends -------------------------------------------------------------------------------


async def test_modern_call_ends_with_its_connection_and_a_legacy_one_runs_on(
    site: Daphne,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"; 2025-11-25
    basic/transports, "Sending Messages to the Server": disconnection is none there.
    """

    async def call(client: Client, id: str) -> None:
        async with client.open_call(site.url, "slow_echo", id=id, text="", delay=60):
            pass

    async with open_http() as http:
        watcher = ModernClient(http)
        before = await holdings_at_rest(watcher, site)
        async with open_http() as leaving:
            session = await open_session(leaving, site.url)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, session, "legacy")
                await wait_until_running(watcher, site, ["legacy"])
                tasks.start_soon(call, ModernClient(leaving), "modern")
                await wait_until_running(watcher, site, ["legacy", "modern"])
                tasks.cancel_scope.cancel()
        with anyio.fail_after(SOON_SECONDS):
            await wait_until_running(watcher, site, ["legacy"])
        # Both connections are closed now.
        await wait_until_released(watcher, site, {"files": before["files"]})
        await wait_until_running(watcher, site, ["legacy"])
        session = session.over(http)
        assert await session.cancel(site.url, "legacy") == 202
        await wait_until_running(watcher, site, [])
        await wait_until_released(watcher, site, before)


async def test_streams_and_calls_end_cleanly_at_sigterm(tmp_path: Path) -> None:
    """We promise it: within two seconds, each as its clients expect.

    A body that is cut off raises `RemoteProtocolError` in the client; a clean end
    does not.
    """
    ends: list[float] = []

    async def hold(
        until_end: UntilEnd, *args: Any, task_status: TaskStatus[None]
    ) -> None:
        await until_end(http, site, *args, task_status.started)
        ends.append(anyio.current_time())

    with running_daphne(tmp_path) as site:
        async with open_http() as http, anyio.create_task_group() as tasks:
            for until_end in (listen, stand_alone, resume):
                for _ in range(10):
                    await tasks.start(hold, until_end)
            for accept in (BOTH, STREAM_ONLY, JSON_ONLY):
                for is_modern in (True, False):
                    for _ in range(4):
                        await tasks.start(hold, call_slowly, is_modern, accept)
            await wait_until_running(ModernClient(http), site, ["slow"] * 24)
            told = anyio.current_time()
            site.terminate()
        assert len(ends) == 54
        assert max(ends) - told < SOON_SECONDS
        assert site.process.wait(timeout=BOUND) == 0
        assert "Traceback" not in site.log.read_text()


async def listen(
    http: httpx2.AsyncClient, site: Daphne, on_open: Callable[[], None]
) -> None:
    """Listen until the subscription ends gracefully.

    Spec: 2026-07-28 basic/patterns/subscriptions.
    """
    async with ModernClient(http).listen(site.url, **EVERYTHING) as stream:
        on_open()
        result = await stream.receive_result()
        assert result["resultType"] == "complete"
        assert result["_meta"]["io.modelcontextprotocol/subscriptionId"] == 1
        assert await stream.receive_all() == []


async def stand_alone(
    http: httpx2.AsyncClient, site: Daphne, on_open: Callable[[], None]
) -> None:
    """Hold a standalone stream until it ends."""
    session = await open_session(http, site.url)
    async with session.get(site.url) as stream:
        on_open()
        assert await stream.receive_all() == []


async def resume(
    http: httpx2.AsyncClient, site: Daphne, on_open: Callable[[], None]
) -> None:
    """Come back for a call that asks, and hold its stream until it ends."""
    session = await open_session(http, site.url, {"elicitation": {}})
    async with session.open_call(site.url, "leave_and_ask") as left:
        assert await left.receive_all() == []
    async with session.get(site.url, last_event_id=left.last_event_id) as resumed:
        question = await resumed.receive()
        on_open()
        # It may be withdrawn: nobody waits for its answer any more.
        for message in await resumed.receive_all():
            if "error" not in message:
                assert message["method"] == "notifications/cancelled"
                assert message["params"]["requestId"] == question["id"]


async def call_slowly(
    http: httpx2.AsyncClient,
    site: Daphne,
    is_modern: bool,
    accept: str,
    on_begin: Callable[[], None],
) -> None:
    """Call a tool that does not come to its end."""
    client = ModernClient(http) if is_modern else await open_session(http, site.url)
    on_begin()
    async with client.open_call(
        site.url, "slow_echo", id="slow", accept=accept, text="", delay=60
    ) as answer:
        if accept == JSON_ONLY:
            assert answer.status == 503
            assert answer.response.headers["retry-after"] == "1"
        else:
            assert answer.status == 200
            assert await answer.receive_all() == []


# Costs ------------------------------------------------------------------------------


async def test_thousand_streams_that_come_and_go_leave_nothing_behind(
    site: Daphne,
) -> None:
    """We promise it, for every kind of stream."""

    async def come_and_go() -> None:
        session = await open_session(http, site.url)
        for _ in range(18):
            async with client.listen(site.url, **EVERYTHING):
                pass
            async with session.get(site.url):
                pass
            async with client.open_call(
                site.url, "test_tool_with_progress", with_progress=True
            ) as answer:
                assert answer.is_stream

    async with open_http() as http:
        client = ModernClient(http)
        before = await holdings_at_rest(client, site)
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(come_and_go)
        await wait_until_released(client, site, before)


async def test_two_thousand_calls_leave_nothing_behind(site: Daphne) -> None:
    """We promise it, in both eras, whether answered as JSON or by a stream."""

    async def work(client: Client) -> None:
        for number in range(100):
            accept = STREAM_ONLY if number % 10 == 0 else BOTH
            async with client.open_call(
                site.url, "add", accept=accept, a=number, b=1
            ) as answer:
                result = await answer.receive_result()
            assert result["content"] == [{"type": "text", "text": f"{number + 1}"}]

    async with open_http() as http:
        watcher = ModernClient(http)
        before = await holdings_at_rest(watcher, site)
        with anyio.fail_after(BOUND):
            async with open_http() as working:
                session = await open_session(working, site.url)
                modern = ModernClient(working)
                async with anyio.create_task_group() as tasks:
                    for client in [session, modern] * 10:
                        tasks.start_soon(work, client)
        await wait_until_released(watcher, site, before)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_big_result_needs_an_answer_in_json(site: Daphne, era: str) -> None:
    """We promise it: clients drop the connection at large events, not large bodies."""
    async with open_http() as http:
        client: Client = ModernClient(http)
        if era == "legacy":
            client = await open_session(http, site.url)
        result = await client.call(site.url, "big_text", size=5_000_000)
        assert result["content"] == [{"type": "text", "text": "x" * 5_000_000}]
        async with client.open_call(
            site.url, "big_text", accept=STREAM_ONLY, size=5_000_000
        ) as answer:
            result = await answer.receive_result()
        assert result["isError"] is True
        [block] = result["content"]
        assert re.fullmatch(
            rf"the result takes 5000\d\d\d bytes, and at most "
            rf"{MCPSettings.MAX_EVENT_BYTES} can be sent on this connection; ask for "
            "less",
            block["text"],
        )


# Who may ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_foreign_origin_is_refused(site: Daphne, method: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Security Warning"."""
    async with open_http({"Origin": "https://evil.example"}) as http:
        response = await http.request(
            method, f"{site.url}/mcp", headers={"accept": BOTH}, json=INITIALIZE
        )
        assert response.status_code == 403
        assert "access-control-allow-origin" not in response.headers
        assert "mcp-session-id" not in response.headers


@dataclass(frozen=True)
class Members:
    """A site that lets in only whom it knows.

    Attributes:
        site: The site. It looks at credentials again every second, and its Daphne ends
            applications a second after their clients have gone.
        variables: Environment of its commands.
        database: Path of its database.
        tokens: Name of a user -> token.
    """

    site: Daphne
    variables: dict[str, str]
    database: str
    tokens: dict[str, str]

    def manage(self, *arguments: str) -> str:
        """Run a command of the site, and return what it printed."""
        printed, _ = processes.run(
            [sys.executable, "manage.py", *arguments], self.variables
        )
        return printed

    def headers(self, user: str) -> dict[str, str]:
        """Give the credentials of a user."""
        return {"Authorization": f"Bearer {self.tokens[user]}"}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """Serve the fixture site with authentication."""
    folder = tmp_path_factory.mktemp("members")
    database = str(folder / "site.sqlite3")
    variables = {"DJANGO_SETTINGS_MODULE": SETTINGS, "CONFORMANCE_DATABASE": database}
    with running_daphne(
        folder,
        settings=SETTINGS,
        extra={"RECHECK_SECONDS": "1"},
        options=["--application-close-timeout", "1"],
    ) as site:
        members = Members(site, variables, database, {})
        printed = members.manage("shell", "-v", "0", "-c", MAKE_USERS)
        members.tokens.update(zip(("ann", "bob"), printed.splitlines(), strict=True))
        yield members


async def test_idle_streams_hold_no_thread_and_no_database_connection(
    members: Members,
) -> None:
    """We promise it; each user was looked up in the database, in a thread."""
    site = members.site
    async with (
        open_http(members.headers("ann")) as ann,
        open_http(members.headers("bob")) as bob,
        AsyncExitStack() as streams,
    ):
        listener = ModernClient(ann)

        async def open_two() -> None:
            await streams.enter_async_context(listener.listen(site.url, **EVERYTHING))
            session = await open_session(bob, site.url)
            await streams.enter_async_context(session.get(site.url))

        await open_two()
        result = await listener.call(site.url, "count_rows")
        assert result["content"] == [{"type": "text", "text": "2"}]
        threads_before = processes.thread_count(site.pid)
        for _ in range(59):
            await open_two()
        held = await holdings(listener, site)
        assert held["connections"] == 120
        # Pools may have grown that are for all streams together: the one that looks
        # users up, and that of the cache.
        threads = processes.thread_count(site.pid)
        most = MCPSettings.AUTHENTICATION_WORKERS + MCPSettings.CACHE_WORKERS
        assert threads - threads_before <= most
        # A look at the credentials may be under way.
        with anyio.fail_after(BOUND):
            while members.database in processes.open_files(site.pid):
                await listener.call(site.url, "echo", text="")


async def test_legacy_call_outlives_the_patience_of_daphne(members: Members) -> None:
    """We promise it: a user may take more time to answer than Daphne gives."""
    url = members.site.url
    async with open_http(members.headers("bob")) as http:
        session = await open_session(http, url, {"elicitation": {}})
        async with session.open_call(
            url, "test_streaming_elicitation", with_progress=True
        ) as left:
            await left.receive()
        # Daphne looks at its applications every second.
        await session.call(url, "slow_echo", text="", delay=2.5)
        async with session.get(url, last_event_id=left.last_event_id) as resumed:
            question = await resumed.receive()
            assert await session.answer(url, question, {"action": "decline"}) == 202
            result = await resumed.receive_result()
        text = "Elicitation completed: decline"
        assert result["content"] == [{"type": "text", "text": text}]


async def test_stream_ends_soon_after_its_token_is_revoked(members: Members) -> None:
    """We promise it: within `RECHECK_SECONDS`, here one."""
    site = members.site
    async with (
        open_http(members.headers("ann")) as ann,
        open_http(members.headers("bob")) as bob,
        ModernClient(bob).listen(site.url, **EVERYTHING) as other,
    ):
        session = await open_session(ann, site.url)
        async with (
            ModernClient(ann).listen(site.url, **EVERYTHING) as listening,
            session.get(site.url) as standalone,
        ):
            hint = members.tokens["ann"][-4:]
            await anyio.to_thread.run_sync(members.manage, "mcp_token", "revoke", hint)
            with anyio.fail_after(SOON_SECONDS):
                result = await listening.receive_result()
                assert result["resultType"] == "complete"
                assert await listening.receive_all() == []
                assert await standalone.receive_all() == []
        async with session.open(site.url, "ping") as refused:
            assert refused.status == 401
        await ModernClient(bob).call(site.url, "test_trigger_tool_change")
        message = await other.receive()
        assert message["method"] == "notifications/tools/list_changed"
