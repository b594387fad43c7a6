"""What answers cost that are large, many, or not read, on a real Daphne."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psutil
import pytest

from tests.live import processes
from tests.live.daphne import Daphne, running_daphne
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import BOTH, JSON_ONLY, ModernClient

pytestmark = pytest.mark.live

MEBIBYTE = 1024 * 1024
CALLS = 300
UNREAD = 12
MEGABYTES = 20
ANN, BOB = {"x-user": "1"}, {"x-user": "2"}


@contextmanager
def running_site(folder: Path, **settings: Any) -> Iterator[Daphne]:
    """Serve answers as large as is asked for."""
    with running_daphne(
        folder,
        settings="tests.live.large_settings",
        extra={"MCP": json.dumps(settings)},
    ) as daphne:
        yield daphne
        assert "Traceback" not in daphne.log.read_text()


@contextmanager
def peak_of(daphne: Daphne) -> Iterator[list[int]]:
    """Measure by how many bytes a process is larger in the block, at most."""
    reset = Path(f"/proc/{daphne.pid}/clear_refs")
    reset.write_text("5")
    before = processes.peak_bytes(daphne.pid)
    grown: list[int] = []
    yield grown
    grown.append(processes.peak_bytes(daphne.pid) - before)


def call(id: int, megabytes: float) -> dict[str, Any]:
    params = {"name": "large", "arguments": {"megabytes": megabytes}}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}


@pytest.mark.parametrize("accept", [JSON_ONLY, BOTH])
async def test_batch_costs_no_more_than_what_runs_at_a_time(
    tmp_path: Path, accept: str
) -> None:
    """We promise it: 30 KB that ask for 300 MB cost a fraction of that."""
    initialize = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-03-26",
            "capabilities": {},
            "clientInfo": {"name": "by hand", "version": "1"},
        },
    }
    with running_site(tmp_path) as site:
        async with open_http() as http:
            url, headers = f"{site.url}/mcp", {**ANN, "accept": accept}
            response = await http.post(url, headers=headers, json=initialize)
            headers["mcp-session-id"] = response.headers["mcp-session-id"]
            batch = [call(id, 1) for id in range(CALLS)]
            with peak_of(site) as grown, anyio.fail_after(BOUND):
                async with http.stream(
                    "POST", url, headers=headers, json=batch
                ) as answered:
                    assert answered.status_code == 200
                    size = 0
                    async for chunk in answered.aiter_bytes():
                        size += len(chunk)
    assert size > (CALLS * 1_000_000 if accept == BOTH else 10_000_000)
    assert grown[0] < 150 * MEBIBYTE


async def test_json_answers_that_are_not_read_are_counted_and_ended(
    tmp_path: Path,
) -> None:
    """We promise it: their user gets no more of them, others do, and when nothing of
    them was read for MCP["MAX_FULL_SECONDS"], their connections end."""
    with (
        running_site(tmp_path, MAX_FULL_SECONDS=2, ROOM_TIMEOUT=0.5) as site,
        ExitStack() as sockets,
    ):
        async with open_http() as http:
            before = processes.resident_bytes(site.pid)
            readers = [
                sockets.enter_context(ask(site, MEGABYTES)) for _ in range(UNREAD)
            ]
            statuses = [await status_of(reader) for reader in readers]
            held = processes.resident_bytes(site.pid) - before
            assert set(statuses) == {200, 503}

            for headers, expected in ((ANN, 503), (BOB, 200)):
                assert await ask_and_read(http, site, headers) == expected
            unread = {
                reader.getsockname()[1]
                for reader, status in zip(readers, statuses, strict=True)
                if status == 200
            }
            with anyio.fail_after(BOUND):
                while unread & peers_of(site):
                    await ask_and_read(http, site, BOB)
            assert await ask_and_read(http, site, ANN) == 200
            for reader, status in zip(readers, statuses, strict=True):
                if status == 200:
                    assert await read_to_the_end(reader) < MEGABYTES * 1_000_000
    assert held < 200 * MEBIBYTE


def peers_of(site: Daphne) -> set[int]:
    """Give the ports of clients whose connections are open."""
    connections = psutil.Process(site.pid).net_connections("tcp")
    return {c.raddr.port for c in connections if c.status == psutil.CONN_ESTABLISHED}


@contextmanager
def ask(site: Daphne, megabytes: float) -> Iterator[socket.socket]:
    """Ask for an answer over a connection of its own, and read nothing."""
    headers, message = ModernClient(httpx2.AsyncClient())._prepare(call(1, megabytes))
    body = json.dumps(message).encode()
    all_headers = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": JSON_ONLY,
        **ANN,
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        url = httpx2.URL(site.url)
        reader.connect((url.host, url.port))
        reader.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        reader.setblocking(False)
        yield reader


async def status_of(reader: socket.socket) -> int:
    """Wait for the beginning of an answer, and read no more of it."""
    with anyio.fail_after(BOUND):
        await anyio.wait_readable(reader)
    return int(reader.recv(12).split()[1])


async def read_to_the_end(reader: socket.socket) -> int:
    """Read what there is until the connection is broken, and count it."""
    count = 0
    with anyio.fail_after(BOUND):
        while True:
            await anyio.wait_readable(reader)
            try:
                read = len(reader.recv(1_000_000))
            except ConnectionError:
                return count
            if not read:
                return count
            count += read


async def ask_and_read(
    http: httpx2.AsyncClient, site: Daphne, user: dict[str, str]
) -> int:
    """Ask for an answer, read it, and give the HTTP status."""
    headers, message = ModernClient(http)._prepare(call(1, 1))
    headers = {**headers, **user, "accept": JSON_ONLY}
    response = await http.post(f"{site.url}/mcp", headers=headers, json=message)
    return int(response.status_code)
