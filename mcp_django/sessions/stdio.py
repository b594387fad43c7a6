"""A session over standard input and output, for one local client."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from mcp_django.auth.interface import User
from mcp_django.conf import mcp_settings
from mcp_django.server.server import Server
from mcp_django.sessions.serving import serve
from mcp_django.transports.base import Sender
from mcp_django.transports.server.stdio import StdioServerTransport
from mcp_django.worker.shutdown import heed_signals

if TYPE_CHECKING:
    import httpx2

_PARENT_SECONDS = 1.0


async def serve_stdio(
    server: Server,
    user: User,
    *,
    on_close: Callable[[], None] = lambda: None,
    stdin: int,
    stdout: int,
) -> None:
    """Serve one client, until its input ends, a signal comes, or its process is gone.

    Calls that run when the input ends, or at the first signal, get
    `MCP["SHUTDOWN_SECONDS"]`; another signal ends them.

    Args:
        server: Answers the requests.
        user: The one that the client works as; read from the database now and then.
        on_close: Called when nothing more is answered; what follows takes as long as
            the handlers that run make it.
        stdin: File descriptor to read messages from.
        stdout: File descriptor to write messages to.
    """
    async with _transport(stdin, stdout, _finish_on_signal) as transport:
        transport.on_close = on_close
        await serve(server, transport, user=user)


async def bridge_stdio(
    url: str,
    *,
    headers: Mapping[str, str],
    auth: httpx2.Auth | None = None,
    on_close: Callable[[], None],
    stdin: int,
    stdout: int,
) -> None:
    """Join one client to a server elsewhere, until the same.

    Args:
        url: Of the server: http, https, ws or wss.
        headers: For the server.
        auth: What logs in there, such as `OAuth`; None for nothing.
        on_close: Called when the client is gone; what follows takes as long as the
            server makes it.
        stdin: File descriptor to read messages from.
        stdout: File descriptor to write messages to.

    Raises:
        ValueError: `url` is none of a server.
        ImportError: A library is missing that the URL needs.
    """
    # Imported here, as a server starts faster without what clients need.
    from mcp_django.bridge.bridge import bridge
    from mcp_django.client.connecting import HTTPOptions, ways_to

    # What is wrong with it is raised as it is: by a task group it would be in a group.
    ways_to(url, HTTPOptions(headers, auth))
    async with _transport(stdin, stdout, _close_on_signal) as transport:
        transport.on_close = on_close
        await bridge(transport, url, headers=headers, auth=auth)


@asynccontextmanager
async def _transport(
    stdin: int,
    stdout: int,
    heed_signals: Callable[[StdioServerTransport], Coroutine[Any, Any, None]],
) -> AsyncIterator[StdioServerTransport]:
    """Make a transport that closes when the process that started us wants it to."""
    transport = StdioServerTransport(
        stdin=stdin,
        stdout=stdout,
        sender=Sender(),
        max_line_bytes=mcp_settings.MAX_LINE_BYTES,
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heed_signals, transport)
        tasks.start_soon(_close_without_parent, transport)
        yield transport
        tasks.cancel_scope.cancel()


async def _close_on_signal(transport: StdioServerTransport) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            await transport.close()


async def _finish_on_signal(transport: StdioServerTransport) -> None:
    """Close when what runs is answered; at the next signal, at once."""

    async def finish() -> None:
        await transport.on_end()
        await transport.close()

    async with anyio.create_task_group() as tasks:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            heed_signals()
            async for _ in signals:
                tasks.start_soon(finish)


async def _close_without_parent(transport: StdioServerTransport) -> None:
    """Close when the process that started us is gone without a word."""
    parent = os.getppid()
    # No event tells of it on every system, so that this looks every second.
    while os.getppid() == parent:  # noqa: ASYNC110
        await anyio.sleep(_PARENT_SECONDS)
    await transport.close()
