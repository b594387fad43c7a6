"""Runs all steps against one server, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, TypeAlias
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

_STEPS: Final = 9

OnStep: TypeAlias = Callable[[int, int, str], None]
"""Told which step begins, of how many, and what is examined; some may be left out."""


async def examine(
    url: str,
    *,
    token: str = "",
    registers: bool = False,
    seconds: float = 10.0,
    within: float = 120.0,
    http: httpx2.AsyncClient | None = None,
    on_step: OnStep = lambda step, of, what: None,
) -> Sequence[Finding]:
    """Examine an MCP server as clients meet it.

    Args:
        url: Of the endpoint, as users type it.
        token: Sent to this URL alone, to see what works with it; "" for none.
        registers: Whether to register as each client does, which leaves clients behind.
        seconds: For each request.
        within: Seconds for all.
        http: Makes the requests; None to make it.
        on_step: Told of each step that begins.

    Returns:
        What was found, in the order of the steps.
    """
    async with AsyncExitStack() as stack:
        if http is None:
            http = await stack.enter_async_context(httpx2.AsyncClient(timeout=None))
        visit = Visit(url, Asker(http, seconds), token)
        visit.asker.is_local = is_local(urlsplit(url).hostname or "")
        with anyio.move_on_after(within) as scope:
            await _run(visit, on_step, registers=registers)
    if scope.cancelled_caught:
        visit.fail(
            "time",
            f"not all steps were done in {within:g} seconds",
            "see what takes so long; or give it more time",
        )
    return visit.findings


async def _run(visit: Visit, on_step: OnStep, *, registers: bool) -> None:
    async def go(step: int, what: str, examine: Callable[[Visit], Any]) -> Any:
        on_step(step, _STEPS, what)
        return await examine(visit)

    await go(0, "the URL", examine_url)
    if not await go(1, "the endpoint", examine_endpoint):
        return
    await go(2, "headers", examine_headers)
    if visit.needs_login:
        await go(3, "the metadata of the resource", examine_resource_metadata)
        await go(4, "the metadata of the server for logins", examine_servers)
        await go(5, "where it logs users in", examine_login_endpoints)
        if registers:
            await go(6, "registering", examine_registration)
    await go(7, "what each client would do", examine_clients)
    if visit.token or not visit.needs_login:
        await go(8, "a session", examine_session)
