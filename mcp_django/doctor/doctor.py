"""Runs all steps against one server, within a bound."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import anyio

from mcp_django.doctor.asking import Asker, is_local
from mcp_django.doctor.endpoint import examine_endpoint, examine_headers, examine_url
from mcp_django.doctor.findings import Finding
from mcp_django.doctor.known_clients import examine_clients
from mcp_django.doctor.login_endpoints import examine_login_endpoints
from mcp_django.doctor.registration import examine_registration
from mcp_django.doctor.resource_metadata import examine_resource_metadata
from mcp_django.doctor.server_metadata import examine_servers
from mcp_django.doctor.sessions import examine_session
from mcp_django.doctor.visits import Visit
from mcp_django.transports.client.http_library import httpx2


async def examine(
    url: str,
    *,
    token: str = "",
    registers: bool = False,
    seconds: float = 10.0,
    within: float = 120.0,
    http: httpx2.AsyncClient | None = None,
) -> Sequence[Finding]:
    """Examine an MCP server as clients meet it.

    Args:
        url: Of the endpoint, as users type it.
        token: Sent to this URL alone, to see what works with it; "" for none.
        registers: Whether to register as each client does, which leaves clients behind.
        seconds: For each request.
        within: Seconds for all.
        http: Makes the requests; None to make it.

    Returns:
        What was found, in the order of the steps.
    """
    async with AsyncExitStack() as stack:
        if http is None:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=None))
        visit = Visit(url, Asker(http, seconds), token)
        visit.asker.is_local = is_local(urlsplit(url).hostname or "")
        with anyio.move_on_after(within) as scope:
            await _run(visit, registers=registers)
    if scope.cancelled_caught:
        visit.fail(
            "time",
            f"not all steps were done in {within:g} seconds",
            "see what takes so long; or give it more time",
        )
    return visit.findings


async def _run(visit: Visit, *, registers: bool) -> None:
    await examine_url(visit)
    if not await examine_endpoint(visit):
        return
    await examine_headers(visit)
    if visit.needs_login:
        await examine_resource_metadata(visit)
        await examine_servers(visit)
        await examine_login_endpoints(visit)
        if registers:
            await examine_registration(visit)
    await examine_clients(visit)
    if visit.token or not visit.needs_login:
        await examine_session(visit)
