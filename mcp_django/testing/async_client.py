"""`AsyncMCPClient`: a server under test without a socket, for async tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Concatenate, ParamSpec, TypedDict, TypeVar, Unpack

from mcp_types import (
    CallToolResult,
    Completion,
    GetPromptResult,
    Implementation,
    LoggingLevel,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    Root,
    Tool,
)

from mcp_django.auth.interface import User, user_behind
from mcp_django.client.answers import OnElicit, OnSample
from mcp_django.client.client import Client
from mcp_django.client.connection import OnProgress
from mcp_django.client.notices import OnLog, OnNotification
from mcp_django.exceptions import MCPError
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.discovery import servers
from mcp_django.server.scopes import check_declared, read_scopes
from mcp_django.server.server import Server
from mcp_django.testing.connection import Connection, as_if_read_now
from mcp_django.transports.base import Sender

T = TypeVar("T")
P = ParamSpec("P")


class ClientOptions(TypedDict, total=False):
    """Arguments that `MCPClient` and `AsyncMCPClient` take as `mcp_django.Client`."""

    client_info: Implementation
    on_elicit: OnElicit
    on_sample: OnSample
    roots: Sequence[str | Root]
    on_log: OnLog
    on_notification: OnNotification
    log_level: LoggingLevel
    timeout: float
    max_total_timeout: float
    max_rounds: int


class AsyncMCPClient:
    """Uses a server in the same process, for async tests.

    ::

        client = AsyncMCPClient()
        client.force_login(user)
        result = await client.call_tool("add", {"a": 1, "b": 2})

    Each method opens a connection in memory and closes it; `connect` gives one that
    lasts. `def` handlers run on the thread of Django's async ORM: in an async test of
    `django.test.TestCase` the test's own, in its transaction.

    Args:
        server: The one that answers; the project's only server if left out.
        version: Protocol version to speak; the newest if left out.
        headers: HTTP headers for handlers to find.
        raise_request_exception: Whether an unexpected exception, in a handler
            or in a function such as `on_elicit`, is raised in the test. False gives
            what a client is told of it.
        options: As for `Client`: client_info, on_elicit, on_sample, roots, on_log,
            on_notification, log_level, timeout, max_total_timeout, max_rounds.

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
        unknown = options.keys() - ClientOptions.__annotations__.keys()
        if unknown:
            raise TypeError(
                f"a client in memory has no option {min(unknown)!r}; it has "
                f"{list(ClientOptions.__annotations__)!r}, and force_login()"
            )
        self._server = the_only_server() if server is None else server
        self._headers = {name.lower(): text for name, text in (headers or {}).items()}
        self._raise_request_exception = raise_request_exception
        self._options = {**options, "version": version}
        self._user: User | None = None
        self._scopes: frozenset[str] | None = None

    @property
    def server(self) -> Server:
        """The server that answers."""
        return self._server

    def force_login(self, user: User, *, scopes: Iterable[str] | None = None) -> None:
        """Ask as a user from now on.

        Its permissions are looked up anew for each request; its fields are as in this
        object.

        Args:
            user: The user.
            scopes: What the user's credential allows, such as `{"mcp:read"}`; None for
                everything.

        Raises:
            ValueError: The server has no such scope.
        """
        self._scopes = None if scopes is None else _scopes_of(self._server, scopes)
        self._user = user_behind(user)

    def logout(self) -> None:
        """Ask as an anonymous user from now on."""
        self._user = None
        self._scopes = None

    def connect(self) -> AbstractAsyncContextManager[Client]:
        """Open a connection that lasts to the end of an `async with` block.

        It hears of change notices. What was not expected is raised at its end.

        Returns:
            A context manager that gives the connected `Client`.
        """
        connection = Connection(self._server, self._sender, self._options)
        return connection.open(raise_request_exception=self._raise_request_exception)

    def _sender(self) -> Sender:
        user = as_if_read_now(self._user)
        return Sender(user, self._headers, scopes=self._scopes)

    async def _once(
        self,
        method: Callable[Concatenate[Client, P], Awaitable[T]],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T:
        """Call a method of `Client` over a connection of its own."""
        async with self.connect() as client:
            # Raised below, so that it is no context of what the block's end raises.
            try:
                outcome: T | MCPError = await method(client, *arguments, **options)
            except MCPError as error:
                outcome = error
        if isinstance(outcome, MCPError):
            raise outcome
        return outcome

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        check: bool = True,
    ) -> CallToolResult:
        """As `Client.call_tool`."""
        return await self._once(
            Client.call_tool,
            name,
            arguments,
            timeout=timeout,
            on_progress=on_progress,
            check=check,
        )

    async def list_tools(self) -> list[Tool]:
        """As `Client.list_tools`."""
        return await self._once(Client.list_tools)

    async def list_resources(self) -> list[Resource]:
        """As `Client.list_resources`."""
        return await self._once(Client.list_resources)

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """As `Client.list_resource_templates`."""
        return await self._once(Client.list_resource_templates)

    async def read_resource(
        self, uri: str, *, timeout: float | None = None
    ) -> ReadResourceResult:
        """As `Client.read_resource`."""
        return await self._once(Client.read_resource, uri, timeout=timeout)

    async def list_prompts(self) -> list[Prompt]:
        """As `Client.list_prompts`."""
        return await self._once(Client.list_prompts)

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> GetPromptResult:
        """As `Client.get_prompt`."""
        return await self._once(Client.get_prompt, name, arguments, timeout=timeout)

    async def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str,
        *,
        arguments: Mapping[str, str] | None = None,
    ) -> Completion:
        """As `Client.complete`."""
        return await self._once(
            Client.complete, ref, argument, value, arguments=arguments
        )

    async def ping(self, *, timeout: float | None = None) -> None:
        """As `Client.ping`."""
        await self._once(Client.ping, timeout=timeout)

    async def request(
        self,
        method: str,
        params: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        """As `Client.request`."""
        return await self._once(
            Client.request, method, params, timeout=timeout, on_progress=on_progress
        )


def _scopes_of(server: Server, scopes: Iterable[str]) -> frozenset[str]:
    found = read_scopes("force_login()", "scopes", scopes)
    check_declared(server, "force_login()", found)
    return found


def the_only_server() -> Server:
    """Give the project's server.

    Raises:
        ValueError: There is none, or more than one.
    """
    found = servers()
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise ValueError("no server found; make one in an installed app's mcp.py")
    raise ValueError(
        f"the project has several servers, {sorted(found)!r}; pass one of them"
    )
