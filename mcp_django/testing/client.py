"""`MCPClient`: a server under test, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, Unpack

from asgiref.sync import async_to_sync
from mcp_types import (
    CallToolResult,
    Completion,
    GetPromptResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Tool,
)

from mcp_django.auth.interface import User
from mcp_django.client.connection import OnProgress
from mcp_django.client.waiting import runs_event_loop
from mcp_django.exceptions import LocalProtocolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.server import Server
from mcp_django.testing.async_client import AsyncMCPClient, ClientOptions

T = TypeVar("T")
P = ParamSpec("P")


class MCPClient:
    """Uses a server in the same process, for tests.

    ::

        client = MCPClient()
        client.force_login(user)
        result = client.call_tool("add", {"a": 1, "b": 2})

    Each method opens a connection in memory, and closes it. Handlers, `def` ones and
    the database work of `async def` ones, run on the test's own thread: they are in its
    transaction, and `assertNumQueries` and its like count what they do. Functions such
    as `on_elicit` run there too.

    Args:
        server: The one that answers; the project's only server if left out.
        version: Protocol version to speak; the newest if left out.
        headers: HTTP headers for handlers to find.
        raise_request_exception: Whether an unexpected exception, in a handler
            or in a function such as `on_elicit`, is raised in the test. False gives
            what a client is told of it.
        options: As for `AsyncMCPClient`.

    Raises:
        ValueError: The project has no server, or more than one.
    """

    def __init__(
        self,
        server: Server | None = None,
        *,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        raise_request_exception: bool = True,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._client = AsyncMCPClient(
            server,
            version=version,
            headers=headers,
            raise_request_exception=raise_request_exception,
            **options,
        )

    @property
    def server(self) -> Server:
        """The server that answers."""
        return self._client.server

    def force_login(self, user: User, *, scopes: Iterable[str] | None = None) -> None:
        """As `AsyncMCPClient.force_login`."""
        self._client.force_login(user, scopes=scopes)

    def logout(self) -> None:
        """Ask as an anonymous user from now on."""
        self._client.logout()

    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        check: bool = True,
    ) -> CallToolResult:
        """As `Client.call_tool`."""
        return _wait_for(
            self._client.call_tool,
            name,
            arguments,
            timeout=timeout,
            on_progress=on_progress,
            check=check,
        )

    def list_tools(self) -> list[Tool]:
        """As `Client.list_tools`."""
        return _wait_for(self._client.list_tools)

    def list_resources(self) -> list[Resource]:
        """As `Client.list_resources`."""
        return _wait_for(self._client.list_resources)

    def list_resource_templates(self) -> list[ResourceTemplate]:
        """As `Client.list_resource_templates`."""
        return _wait_for(self._client.list_resource_templates)

    def read_resource(
        self, uri: str, *, timeout: float | None = None
    ) -> ReadResourceResult:
        """As `Client.read_resource`."""
        return _wait_for(self._client.read_resource, uri, timeout=timeout)

    def list_prompts(self) -> list[Prompt]:
        """As `Client.list_prompts`."""
        return _wait_for(self._client.list_prompts)

    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> GetPromptResult:
        """As `Client.get_prompt`."""
        return _wait_for(self._client.get_prompt, name, arguments, timeout=timeout)

    def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str,
        *,
        arguments: Mapping[str, str] | None = None,
    ) -> Completion:
        """As `Client.complete`."""
        return _wait_for(
            self._client.complete, ref, argument, value, arguments=arguments
        )

    def ping(self, *, timeout: float | None = None) -> None:
        """As `Client.ping`."""
        _wait_for(self._client.ping, timeout=timeout)

    def request(
        self,
        method: str,
        params: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        """As `Client.request`."""
        return _wait_for(
            self._client.request,
            method,
            params,
            timeout=timeout,
            on_progress=on_progress,
        )


def _wait_for(
    function: Callable[P, Coroutine[Any, Any, T]],
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """Run a coroutine function in an event loop of its own; this thread works for it.

    Raises:
        LocalProtocolError: This thread runs an event loop, which must not wait.
    """
    if runs_event_loop():
        raise LocalProtocolError(
            "MCPClient cannot be used in async code; use AsyncMCPClient there"
        )
    return async_to_sync(function)(*arguments, **options)
