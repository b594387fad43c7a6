"""Clients whose network is gone without a word, on a real Daphne."""

import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import httpx2
import pytest

from tests.live.daphne import Daphne, running_daphne
from tests.live.proxy import running_proxy
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import BOTH, LEGACY, STREAM_ONLY, ModernClient

pytestmark = pytest.mark.live

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
    kind: str, http: httpx2.AsyncClient, url: str, user: Mapping[str, str]
) -> AsyncIterator[httpx2.Response]:
    """Open a stream of a kind."""
    if kind == "sse":
        request = http.stream("GET", f"{url}/mcp/sse", headers=user)
    elif kind == "listen":
        message = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "subscriptions/listen",
            "params": {"notifications": {"toolsListChanged": True}},
        }
        headers, message = ModernClient(http)._prepare(message)
        headers = {**headers, **user, "accept": BOTH}
        request = http.stream("POST", f"{url}/mcp", headers=headers, json=message)
    else:
        headers = {**user, "accept": BOTH}
        opened = await http.post(f"{url}/mcp", headers=headers, json=INITIALIZE)
        headers = {
            **user,
            "accept": STREAM_ONLY,
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": LEGACY,
        }
        request = http.stream("GET", f"{url}/mcp", headers=headers)
    async with request as response:
        yield response


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daphne]:
    """Serve a site that gives up soon what is not read."""
    settings: dict[str, Any] = {
        "MAX_STREAMS_PER_USER": STREAMS,
        "MAX_HELD_SECONDS": 0.5,
        "MAX_FULL_SECONDS": 0.5,
        "ROOM_TIMEOUT": 0.5,
    }
    with running_daphne(
        tmp_path_factory.mktemp("strict"),
        settings="tests.live.large_settings",
        extra={"MCP": json.dumps(settings)},
    ) as daphne:
        yield daphne


USERS: Final = itertools.count(1)


@pytest.mark.parametrize("kind", ["sse", "get", "listen"])
@pytest.mark.parametrize("way", ["freeze", "drop"])
async def test_streams_of_a_client_that_is_gone_make_way(
    strict_site: Daphne, kind: str, way: str
) -> None:
    """We promise it: a client that comes back over another network finds room."""
    user = {"x-user": str(next(USERS))}
    port = int(strict_site.url.rpartition(":")[2])
    async with (
        open_http() as http,
        running_proxy(port) as proxy,
        AsyncExitStack() as ghosts,
    ):
        through = f"http://127.0.0.1:{proxy.port}"
        for _ in range(STREAMS):
            stream = stream_of(kind, http, through, user)
            response = await ghosts.enter_async_context(stream)
            assert response.status_code == 200
        if way == "freeze":
            proxy.freeze()
        else:
            proxy.drops = True
        # No client is taken for dead before its time.
        statuses = []
        with anyio.fail_after(BOUND):
            while 200 not in statuses:
                async with stream_of(kind, http, strict_site.url, user) as response:
                    statuses.append(response.status_code)
        assert set(statuses) <= {200, 429}
        proxy.cut()
    assert "Traceback" not in strict_site.log.read_text()
