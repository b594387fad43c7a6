"""Servers as pairs of streams, for programs that are written for these.

::

    async with streamable_http_client("https://example.com/mcp") as (read, write):
        async with ClientSession(read, write) as session:    # the official SDK's
            await session.initialize()

The same pair will do as a target of `Client`, which needs none where it has a URL.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeAlias

from mcp_django.client.connecting import client_module, headers_with
from mcp_django.transports.base import Transport
from mcp_django.transports.client.child_process import StandardError
from mcp_django.transports.client.stdio import StdioClientTransport
from mcp_django.transports.streams import ReadStream, WriteStream, open_streams

if TYPE_CHECKING:
    import httpx2

Pair: TypeAlias = AbstractAsyncContextManager[tuple[ReadStream, WriteStream]]


def stdio_client(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stderr: StandardError | Callable[[str], None] = None,
) -> Pair:
    """Start a program that is a server, and give a pair of streams for a block.

    Args:
        command: The program and its arguments; there is no shell.
        env: As for `StdioClientTransport`.
        cwd: As for `StdioClientTransport`.
        stderr: As for `StdioClientTransport`.

    Raises:
        ValueError: `command` is no list of strings.
    """
    if isinstance(command, str) or not command:
        raise ValueError(
            f"command must be a list of strings, such as ['python', 'server.py'], "
            f"not {command!r:.100}"
        )
    program, *arguments = command
    return open_streams(
        StdioClientTransport(program, arguments, env=env, cwd=cwd, stderr=stderr)
    )


def streamable_http_client(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    auth: httpx2.Auth | None = None,
    http: httpx2.AsyncClient | None = None,
    verify: ssl.SSLContext | None = None,
    connect_timeout: float = 10.0,
) -> Pair:
    """Give a server at a URL, by Streamable HTTP, as a pair of streams for a block.

    Args:
        url: Of its MCP endpoint.
        token: As for `Client`.
        headers: As for `Client`.
        auth: As for `Client`.
        http: As for `Client`.
        verify: As for `Client`.
        connect_timeout: As for `Client`.

    Raises:
        ValueError: An argument is wrong.
        ImportError: httpx2 is missing, of the extra `client`.
    """
    transport: Transport = client_module(
        "streamable_http"
    ).StreamableHTTPClientTransport(
        url,
        headers=headers_with(token, headers, auth, url),
        auth=auth,
        http=http,
        verify=verify,
        connect_timeout=connect_timeout,
    )
    return open_streams(transport)


def sse_client(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    auth: httpx2.Auth | None = None,
    http: httpx2.AsyncClient | None = None,
    verify: ssl.SSLContext | None = None,
    connect_timeout: float = 10.0,
) -> Pair:
    """Give a server at a URL, by HTTP+SSE, as a pair of streams for a block.

    Args:
        url: Of its event stream.
        token: As for `Client`.
        headers: As for `Client`.
        auth: As for `Client`.
        http: As for `Client`.
        verify: As for `Client`.
        connect_timeout: As for `Client`.

    Raises:
        ValueError: An argument is wrong.
        ImportError: httpx2 is missing, of the extra `client`.
    """
    transport: Transport = client_module("sse").SSEClientTransport(
        url,
        headers=headers_with(token, headers, auth, url),
        auth=auth,
        http=http,
        verify=verify,
        connect_timeout=connect_timeout,
    )
    return open_streams(transport)


def websocket_client(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    verify: ssl.SSLContext | None = None,
    connect_timeout: float = 10.0,
) -> Pair:
    """Give a server at a URL, over a WebSocket, as a pair of streams for a block.

    Args:
        url: Of its MCP endpoint, with the scheme ws or wss.
        token: As for `Client`.
        headers: As for `Client`.
        verify: As for `Client`.
        connect_timeout: As for `Client`.

    Raises:
        ValueError: An argument is wrong.
        ImportError: websockets is missing, of the extra `client`.
    """
    transport: Transport = client_module("websocket").WebSocketClientTransport(
        url,
        headers=headers_with(token, headers, None, url),
        ssl_context=verify,
        connect_timeout=connect_timeout,
    )
    return open_streams(transport)
