"""Start, call, sessions, what there is none of, the end: on servers of WSGI."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.live import processes
from tests.live.raw import open_http
from tests.live.raw_http import Message, ModernClient, open_session
from tests.matrix.servers import OVER_WSGI, Running, running_server
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", params=OVER_WSGI, ids=lambda program: program.name)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Run each server in its turn."""
    # Not pytest's own folder, which Apache's processes of another user cannot enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_server(request.param, folder) as running:
            yield running
            begun = time.monotonic()
            processes.stop(running.process)
            assert time.monotonic() - begun < SOON_SECONDS
        assert "Traceback" not in running.log.read_text()


def text_of(result: Message) -> str:
    """Give the text of a tool's result."""
    text: str = result["content"][0]["text"]
    return text


async def test_handlers_are_called_in_both_eras(server: Running) -> None:
    """We promise it: in threads and in the event loop; progress has no way."""
    async with open_http() as http:
        client = ModernClient(http)
        session = await open_session(http, server.url)
        for caller in (client, session):
            added = await caller.call(server.url, "add", a=1, b=2)
            counted = await caller.call(server.url, "count_users")
            assert text_of(added) == "3"
            assert text_of(counted) == "0"
            async with caller.open_call(
                server.url, "wait", seconds=0, with_progress=True
            ) as answer:
                assert not answer.is_stream
                assert text_of(await answer.receive_result()) == "waited"
        assert await session.delete(server.url) == 200


async def test_large_answers_arrive(server: Running) -> None:
    """We promise it."""
    async with open_http() as http:
        result = await ModernClient(http).call(server.url, "large", megabytes=10)
    assert len(text_of(result)) == 10_000_000


async def test_streams_are_refused(server: Running) -> None:
    """Spec: 2025-11-25 basic/transports; 2026-07-28 for the method."""
    async with open_http() as http:
        listen = {"notifications": {"toolsListChanged": True}}
        async with ModernClient(http).open(
            server.url, "subscriptions/listen", listen
        ) as answer:
            assert answer.status == 404
        statuses = [
            (await http.get(f"{server.url}/mcp{path}")).status_code
            for path in ("", "/sse", "/messages")
        ]
    assert statuses == [405, 501, 501]


def test_demo_shows_its_pages(server: Running) -> None:
    """We promise it: it is the project's own application."""
    url = server.url.removesuffix("matrix")
    assert httpx2.get(url, trust_env=False, follow_redirects=True).status_code == 200
