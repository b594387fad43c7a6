"""Clients whose network is gone without a word, on a real Daphne."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.live.daphne import running_daphne
from tests.live.proxy import running_proxy
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import BOTH, LEGACY, STREAM_ONLY, ModernClient

pytestmark = pytest.mark.live

ANN = {"x-user": "1"}
STREAMS = 3
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "1"},
    },
}


@asynccontextmanager
async def stream_of(
    kind: str, http: httpx2.AsyncClient, url: str
) -> AsyncIterator[httpx2.Response]:
    """Open a stream of a kind."""
    if kind == "sse":
        request = http.stream("GET", f"{url}/mcp/sse", headers=ANN)
    elif kind == "listen":
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "subscriptions/listen",
            "params": {"notifications": {"toolsListChanged": True}},
        }
        headers, message = ModernClient(http)._prepare(message)
        headers = {**headers, **ANN, "accept": BOTH}
        request = http.stream("POST", f"{url}/mcp", headers=headers, json=message)
    else:
        headers = {**ANN, "accept": BOTH}
        opened = await http.post(f"{url}/mcp", headers=headers, json=INITIALIZE)
        headers = {
            **ANN,
            "accept": STREAM_ONLY,
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": LEGACY,
        }
        request = http.stream("GET", f"{url}/mcp", headers=headers)
    async with request as response:
        yield response


@pytest.mark.parametrize("kind", ["sse", "get", "listen"])
@pytest.mark.parametrize("way", ["freeze", "drop"])
async def test_streams_of_a_client_that_is_gone_make_way(
    tmp_path: Path, kind: str, way: str
) -> None:
    """We promise it: whoever comes back over another network finds room."""
    settings: dict[str, Any] = {
        "MAX_STREAMS_PER_USER": STREAMS,
        "MAX_HELD_SECONDS": 0.5,
        "MAX_FULL_SECONDS": 0.5,
        "ROOM_TIMEOUT": 0.5,
    }
    with running_daphne(
        tmp_path,
        settings="tests.live.large_settings",
        extra={"MCP": json.dumps(settings)},
    ) as site:
        port = int(site.url.rpartition(":")[2])
        async with (
            open_http() as http,
            running_proxy(port) as proxy,
            AsyncExitStack() as ghosts,
        ):
            through = f"http://127.0.0.1:{proxy.port}"
            for _ in range(STREAMS):
                stream = stream_of(kind, http, through)
                response = await ghosts.enter_async_context(stream)
                assert response.status_code == 200
            if way == "freeze":
                proxy.freeze()
            else:
                proxy.drops = True
            # Nobody is taken for dead before their time.
            statuses = []
            with anyio.fail_after(BOUND):
                while 200 not in statuses:
                    async with stream_of(kind, http, site.url) as response:
                        statuses.append(response.status_code)
            assert set(statuses) <= {200, 429}
            proxy.cut()
        assert "Traceback" not in site.log.read_text()
