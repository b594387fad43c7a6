"""A real Daphne, and a real stdio process, whatever code of the site raises."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import httpx2
import pytest
from mcp_types import TextContent

from mcp_django.client.client import Client
from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, RawStream, open_http, open_stream
from tests.live.stdio import running_stdio
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

KINDS: Final = (
    "StopIteration",
    "GeneratorExit",
    "SystemExit",
    "KeyboardInterrupt",
    "CancelledError",
    "BaseExceptionGroup",
)
"""Those of `STRAYS` that would end a task, a thread or the process."""

TOOLS: Final[Mapping[str, str]] = {
    # tool -> what its client is told
    "fail": "Internal error",
    "fail_async": "Internal error",
    "fail_later": "Internal error",
    "fail_around_it": "Internal error",
    "fail_to_read": "Internal error",
    "fail_to_write": "Internal error",
    "fail_to_decide": "Not found",
}

WAYS: Final[Mapping[str, tuple[str, str]]] = {
    # what: (application, path and version)
    "http": ("application", "/mcp 2026-07-28"),
    "http with a session": ("application", "/mcp 2025-11-25"),
    "sse": ("application", "/mcp/sse 2025-11-25"),
    "websocket": ("application", "ws 2026-07-28"),
    "websocket with a session": ("application", "ws 2025-11-25"),
    "view": ("plain", "/mcp 2026-07-28"),
    "view with a session": ("plain", "/mcp 2025-11-25"),
    "view of sse": ("plain", "/mcp/sse 2025-11-25"),
}


def client_of(site: Daphne, way: str) -> Client:
    """Make a client that comes by a way."""
    url, version = way.split()
    if url == "ws":
        return Client(f"{site.url.replace('http', 'ws', 1)}/mcp", version=version)
    return Client(f"{site.url}{url}", version=version)


async def said_by(client: Client, tool: str, kind: str) -> str:
    """Call a tool, and give its text."""
    name = "around" if tool == "fail_around_it" else "kind"
    result = await client.call_tool(
        tool,
        {name: kind},
        on_progress=hear if tool == "fail_later" else None,
        check=False,
    )
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


def hear(progress: float, total: float | None, message: str | None) -> None:
    """Hear how far a tool is."""


@pytest.mark.parametrize(
    ("application", "number"),
    [("application", signal.SIGTERM), ("plain", signal.SIGINT)],
)
async def test_process_answers_whatever_is_raised_and_ends_by_a_signal_only(
    application: str, number: signal.Signals, tmp_path: Path
) -> None:
    """We promise it: others are answered meanwhile, and each is logged once."""
    with running_daphne(
        tmp_path,
        application=f"tests.live.straying_site.asgi:{application}",
        settings="tests.live.straying_site.settings",
    ) as site:
        async with open_http() as http, open_stream(http, site.url) as witness:
            await witness.initialize()
            ways = [way for served, way in WAYS.values() if served == application]
            for number_of_way, way in enumerate(ways):
                async with client_of(site, way) as client:
                    for tool, told in TOOLS.items():
                        for kind in KINDS:
                            assert await said_by(client, tool, kind) == told, kind
                await assert_alive(witness, number_of_way)
            refusals = await assert_refused(http, site)
            await assert_alive(witness, len(ways))
            if application == "application":
                await assert_ended(http, site)
                await assert_alive(witness, len(ways) + 1)
        assert site.process.poll() is None
        site.process.send_signal(number)
        assert site.process.wait(BOUND) == 0
    log = site.log.read_text()
    calls = len(ways) * len(KINDS) * (len(TOOLS) - 1)
    assert count_of(r"tools/call '\w+' failed", log) == calls
    assert count_of(r"(GET|POST) \S+ failed", log) == refusals


def count_of(text: str, log: str) -> int:
    """Count what a log tells of: entries with a traceback, and more like them."""
    entries = re.findall(rf"{text}\n(?:Traceback|  \+ Exception Group)", log)
    held = rf"{text}: .* \((?P<more>\d+) more like it in the last minute\)"
    return len(entries) + sum(int(m["more"]) for m in re.finditer(held, log))


async def assert_alive(witness: RawStream, id: int) -> None:
    """Fail unless another client is answered."""
    assert await witness.call(id + 1, "fail", kind="") == 202
    result = await witness.receive_answer(id + 1)
    assert result["content"] == [{"type": "text", "text": "fine"}]


async def assert_refused(http: httpx2.AsyncClient, site: Daphne) -> int:
    """Fail unless authenticators that raise refuse; give how often they did."""
    number = 0
    for kind in KINDS:
        for method, path in (
            ("GET", "/mcp/sse"),
            ("POST", "/mcp/messages?session_id=x"),
            ("POST", "/mcp"),
            ("GET", "/mcp"),
        ):
            number += 1
            response = await http.request(
                method, f"{site.url}{path}", headers={"X-Stray": kind}
            )
            assert response.status_code == 500
            error = {"code": -32603, "message": "Internal error"}
            assert response.json() == {"jsonrpc": "2.0", "id": None, "error": error}
    return number


async def assert_ended(http: httpx2.AsyncClient, site: Daphne) -> None:
    """Fail unless streams end whose authenticator raises when it is asked again."""

    async def read(kind: str) -> None:
        headers = {"X-Stray": f"later {kind}"}
        async with http.sse(f"{site.url}/mcp/sse", headers=headers) as source:
            assert [event.event async for event in source] == ["endpoint"], kind

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as tasks:
            for kind in KINDS:
                tasks.start_soon(read, kind)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_process_of_stdio_answers_whatever_is_raised(
    number: signal.Signals, tmp_path: Path
) -> None:
    """We promise it, and a signal still ends it."""
    extra = {
        "DJANGO_SETTINGS_MODULE": "tests.live.straying_site.settings",
        "CONFORMANCE_DATABASE": str(tmp_path / "site.sqlite3"),
    }
    log = tmp_path / "stdio.log"
    with log.open("wb") as stderr:
        async with running_stdio(
            "--server", "straying", extra=extra, stderr=stderr
        ) as process:
            await process.initialize()
            for tool, told in TOOLS.items():
                name = "around" if tool == "fail_around_it" else "kind"
                for id, kind in enumerate(KINDS):
                    result = await process.call(id, tool, **{name: kind})
                    text = {"type": "text", "text": told}
                    assert result == {"content": [text], "isError": True}, kind
            result = await process.call(1, "fail", kind="")
            assert result["content"] == [{"type": "text", "text": "fine"}]
            process.process.send_signal(number)
            with anyio.fail_after(SOON_SECONDS):
                assert await process.wait() == 0
    calls = len(KINDS) * (len(TOOLS) - 1)
    assert count_of(r"tools/call '\w+' failed", log.read_text()) == calls
