"""Flow control on a real Daphne, which has none of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from websockets.asyncio.client import connect

from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.flow_site import CHUNK, COUNT
from tests.live.raw import BOUND, open_http

pytestmark = pytest.mark.live

MEBIBYTE = 1024 * 1024


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Daphne]:
    """Serve the application that sends much."""
    with running_daphne(
        tmp_path, application="tests.live.flow_site:application"
    ) as daphne:
        yield daphne
        assert "Traceback" not in daphne.log.read_text()


async def wait_until(site: Daphne, http: Any, **expected: Any) -> dict[str, Any]:
    """Ask what the application does until it is what is expected."""
    with anyio.fail_after(BOUND):
        while True:
            response = await http.get(f"{site.url}/state")
            state: dict[str, Any] = response.json()
            if {name: state[name] for name in expected} == expected:
                return state


async def test_response_waits_for_its_reader(site: Daphne) -> None:
    """We promise it: 100 MB that are not read cost little. A request behind it on the
    same connection is answered as ever."""
    address = httpx2.URL(site.url)
    async with open_http() as http:
        await wait_until(site, http, sent=0)
        before = processes.resident_bytes(site.pid)
        async with await anyio.connect_tcp(address.host, address.port or 80) as stream:
            for path in (b"/chunks", b"/state"):
                await stream.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            state = await wait_until(site, http, is_congested=True)
            held = processes.resident_bytes(site.pid) - before
            reader = BufferedByteReceiveStream(stream)
            with anyio.fail_after(BOUND):
                head = await reader.receive_until(b"\r\n\r\n", 10_000)
                body = await reader.receive_until(b"\r\n0\r\n\r\n", 2 * COUNT * 10**6)
                assert await reader.receive_until(b"\r\n\r\n", 10_000)
                last = await reader.receive_until(b"\r\n0\r\n\r\n", 10_000)
    assert state["sent"] < COUNT / 2
    assert held < 16 * MEBIBYTE
    assert b"200 OK" in head
    assert body.count(b"x") == COUNT * len(CHUNK)
    assert b'"sent": 100' in last


async def test_websocket_waits_for_its_reader_and_reads_on(site: Daphne) -> None:
    """We promise it: who does not read can still speak, and gets everything later."""
    url = site.url.replace("http", "ws")
    options: dict[str, Any] = {"max_size": None, "max_queue": 1, "compression": None}
    async with open_http() as http:
        await wait_until(site, http, sent=0)
        before = processes.resident_bytes(site.pid)
        async with connect(f"{url}/chunks", **options) as websocket:
            await wait_until(site, http, is_congested=True)
            await websocket.send("still here")
            state = await wait_until(site, http, received=["still here"])
            held = processes.resident_bytes(site.pid) - before
            with anyio.fail_after(BOUND):
                sizes = [len(await websocket.recv()) for _ in range(COUNT)]
    assert state["sent"] < COUNT / 2
    assert held < 16 * MEBIBYTE
    assert sizes == [len(CHUNK)] * COUNT


async def test_reading_can_be_held(site: Daphne) -> None:
    """We promise it: a flood of messages stays with the client who sends it."""
    url = site.url.replace("http", "ws")
    async with open_http() as http, connect(f"{url}/held", max_size=None) as websocket:
        with anyio.fail_after(BOUND):
            for _ in range(COUNT):
                await websocket.recv()
        before = processes.resident_bytes(site.pid)
        await websocket.send("hold")
        await wait_until(site, http, received=["hold"])
        sent = 0
        with anyio.move_on_after(1):
            for _ in range(50):
                await websocket.send(CHUNK)
                sent += 1
        held = processes.resident_bytes(site.pid) - before
        await http.get(f"{site.url}/release")
        await websocket.send("the end")
        expected = ["hold", *[CHUNK[:10]] * (sent + 1), "the end"]
        await wait_until(site, http, received=expected)
    assert sent < 25
    assert held < 4 * MEBIBYTE
