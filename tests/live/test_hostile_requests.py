"""Requests that are hard to check, while another client works on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import httpx2
import psutil
import pytest

from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, open_http, open_stream
from tests.live.raw_http import Client, Message, ModernClient, open_session

pytestmark = pytest.mark.live

SECONDS = 3.0
"""How long another client waits at most; most of it for a machine that is busy."""

MEGABYTES = 150.0
"""More than the process has at rest: what is read, twice, and what Daphne holds."""

Ask: TypeAlias = Callable[[str, Message], Awaitable[Message]]
"""Sends a request, and gives its answer."""

LONG = "x" * 4_000_000
TOO_MUCH_WORK = "too much work to check; give fewer or shorter values at a time"


def calling(tool: str, **arguments: Any) -> tuple[str, Message]:
    return "tools/call", {"name": tool, "arguments": arguments}


REQUESTS: dict[str, tuple[tuple[str, Message], str]] = {
    "objects that are unlike": (
        calling("verbatim", unlike=[{"a": number} for number in range(90_000)]),
        TOO_MUCH_WORK,
    ),
    "a pattern": (calling("verbatim", pattern="1" * 40 + "!"), "does not match"),
    "a lookahead": (calling("verbatim", lookahead="a" * 80 + "!"), TOO_MUCH_WORK),
    "wrong leaves": (calling("verbatim", tree=["x"] * 800_000), TOO_MUCH_WORK),
    "wrong values of a union": (
        calling("typed", values=["x"] * 800_000),
        TOO_MUCH_WORK,
    ),
    "a URI": (
        ("resources/read", {"uri": f"shop://things1/{LONG}"}),
        "the URI is 4000015 characters long; 8000 are allowed",
    ),
    "a tool": (calling(LONG), "Unknown tool: xxx"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daphne]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    with running_daphne(folder, settings="tests.live.hostile.settings") as daphne:
        yield daphne


def over_http(client: Client, url: str) -> Ask:
    async def ask(method: str, params: Message) -> Message:
        async with client.open(url, method, params) as answer:
            while "method" in (message := await answer.receive()):
                pass
            return message

    return ask


@asynccontextmanager
async def modern(http: httpx2.AsyncClient, url: str) -> AsyncIterator[Ask]:
    yield over_http(ModernClient(http), url)


@asynccontextmanager
async def legacy(http: httpx2.AsyncClient, url: str) -> AsyncIterator[Ask]:
    yield over_http(await open_session(http, url), url)


@asynccontextmanager
async def sse(http: httpx2.AsyncClient, url: str) -> AsyncIterator[Ask]:
    async with open_stream(http, url) as stream:
        await stream.initialize()

        async def ask(method: str, params: Message) -> Message:
            request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            assert await stream.post(request) == 202
            while (message := await stream.receive()).get("id") != 1:
                pass
            return message

        yield ask


@pytest.mark.parametrize(
    ("binding", "name"),
    [
        (binding, name)
        for binding in (modern, legacy, sse)
        for name in REQUESTS
        # A name is a header of the modern era, too, which Daphne takes 16 KiB of.
        if binding is not modern or name not in ("a URI", "a tool")
    ],
)
async def test_others_are_answered_while_a_request_is_checked(
    site: Daphne, binding: Any, name: str
) -> None:
    """We promise it: one request stalls no process, nor takes its memory."""
    request, reason = REQUESTS[name]
    process = psutil.Process(site.pid)
    at_rest = process.memory_info().rss
    waits, sizes = [0.0], [at_rest]

    async def ping(client: Client) -> None:
        while True:
            began = anyio.current_time()
            await client.ask(site.url, "ping")
            waits.append(anyio.current_time() - began)
            sizes.append(process.memory_info().rss)

    async with (
        open_http() as http,
        open_http() as other,
        binding(http, site.url) as ask,
    ):
        pinging = await open_session(other, site.url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ping, pinging)
            with anyio.fail_after(BOUND):
                answer = await ask(*request)
            await pinging.ask(site.url, "ping")
            tasks.cancel_scope.cancel()
    assert reason in str(answer)
    assert max(waits) < SECONDS
    assert (max(sizes) - at_rest) / 1e6 < MEGABYTES
