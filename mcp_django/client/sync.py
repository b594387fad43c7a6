"""`SyncClient`: the client without `await`, for ordinary views, commands and tasks."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
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
    ServerCapabilities,
    Tool,
)

from mcp_django.client.changes import Change, Changes
from mcp_django.client.client import Client
from mcp_django.client.connecting import Target
from mcp_django.client.connection import OnProgress
from mcp_django.client.waiting import WaitingThreads, runs_event_loop
from mcp_django.exceptions import LocalProtocolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject, written

T = TypeVar("T")


class SyncClient:
    """Uses one MCP server, from code that is not async.

    ::

        with SyncClient("https://example.com/mcp", token="...") as client:
            result = client.call_tool("add", {"a": 1, "b": 2})

    A thread of its own keeps the connection. Functions such as `on_elicit` and
    `on_progress` are called in the thread that waits for an answer, so that they share
    its database connection: in the one that made the request, if it is known which that
    is, or the last one that began to wait; when none waits, in another one.

    Args:
        target: As for `Client`.
        options: As for `Client`.
    """

    def __init__(self, target: Target, **options: Any) -> None:
        self._waiting = WaitingThreads()
        self._client = Client(target, **options, run_sync=self._waiting.run)
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._process = 0

    def __enter__(self) -> Self:
        """Connect; as `Client` does.

        Raises:
            LocalProtocolError: The thread runs an event loop, which must not wait.
        """
        if runs_event_loop():
            raise LocalProtocolError(
                "SyncClient cannot be used in async code; use Client there"
            )
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(self._client))
            self._portal = portal
            self._process = os.getpid()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._portal = None
        # The client has no business with what went wrong in the block.
        self._stack.close()

    @property
    def version(self) -> str:
        """As of `Client`."""
        return self._client.version

    @property
    def server_info(self) -> Implementation | None:
        """As of `Client`."""
        return self._client.server_info

    @property
    def server_capabilities(self) -> ServerCapabilities:
        """As of `Client`."""
        return self._client.server_capabilities

    @property
    def instructions(self) -> str | None:
        """As of `Client`."""
        return self._client.instructions

    def list_tools(self, *, fresh: bool = False) -> list[Tool]:
        """As `Client.list_tools`."""
        return self._wait(self._client.list_tools, fresh=fresh)

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
        return self._wait(
            self._client.call_tool,
            name,
            written(arguments),
            timeout=timeout,
            on_progress=on_progress,
            check=check,
        )

    def list_resources(self, *, fresh: bool = False) -> list[Resource]:
        """As `Client.list_resources`."""
        return self._wait(self._client.list_resources, fresh=fresh)

    def list_resource_templates(self, *, fresh: bool = False) -> list[ResourceTemplate]:
        """As `Client.list_resource_templates`."""
        return self._wait(self._client.list_resource_templates, fresh=fresh)

    def read_resource(
        self, uri: str, *, timeout: float | None = None, fresh: bool = False
    ) -> ReadResourceResult:
        """As `Client.read_resource`."""
        return self._wait(self._client.read_resource, uri, timeout=timeout, fresh=fresh)

    def list_prompts(self, *, fresh: bool = False) -> list[Prompt]:
        """As `Client.list_prompts`."""
        return self._wait(self._client.list_prompts, fresh=fresh)

    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> GetPromptResult:
        """As `Client.get_prompt`."""
        return self._wait(
            self._client.get_prompt, name, written(arguments), timeout=timeout
        )

    def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str,
        *,
        arguments: Mapping[str, str] | None = None,
    ) -> Completion:
        """As `Client.complete`."""
        return self._wait(
            self._client.complete, ref, argument, value, arguments=written(arguments)
        )

    def ping(self, *, timeout: float | None = None) -> None:
        """As `Client.ping`."""
        self._wait(self._client.ping, timeout=timeout)

    def set_log_level(self, level: LoggingLevel) -> None:
        """As `Client.set_log_level`."""
        self._wait(self._client.set_log_level, level)

    def set_roots(self, roots: Sequence[str | Root]) -> None:
        """As `Client.set_roots`."""
        self._wait(self._client.set_roots, roots)

    @contextmanager
    def listen(
        self,
        *uris: str,
        tools: bool = False,
        prompts: bool = False,
        resources: bool = False,
    ) -> Iterator[SyncChanges]:
        """As `Client.listen`, for a `with` block."""
        opened = self._client.listen(
            *uris, tools=tools, prompts=prompts, resources=resources
        )
        with self._open_portal.wrap_async_context_manager(opened) as changes:
            yield SyncChanges(changes, self._wait)

    def request(
        self,
        method: str,
        params: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        """As `Client.request`."""
        return self._wait(
            self._client.request,
            method,
            written(params),
            timeout=timeout,
            on_progress=on_progress,
        )

    @property
    def _open_portal(self) -> BlockingPortal:
        if self._portal is None:
            raise LocalProtocolError("the client is not open; use it within `with`")
        if self._process != os.getpid():
            # Threads are not copied by a fork: no answer would ever come.
            raise LocalProtocolError(
                "the client was opened in another process; open one in this process"
            )
        return self._portal

    def _wait(
        self, function: Callable[..., Awaitable[T]], *arguments: Any, **options: Any
    ) -> T:
        """Run a coroutine function of the client's, and wait for what it returns."""
        call = partial(function, *arguments, **options)
        portal = self._open_portal
        return self._waiting.wait_for(lambda: portal.start_task_soon(call))


class SyncChanges:
    """What changed, for `for`; see `Changes`.

    Args:
        changes: The same for `async for`.
        wait: Runs a coroutine function and waits for it.
    """

    def __init__(self, changes: Changes, wait: Callable[..., Any]) -> None:
        self._changes = changes
        self._wait = wait

    def __iter__(self) -> Iterator[Change]:
        """Give one change after the other, until the server ends the subscription."""
        while (change := self.next()) is not None:
            yield change

    def next(self, timeout: float | None = None) -> Change | None:
        """Wait for the next change.

        Args:
            timeout: Seconds to wait; None for as long as it takes.

        Returns:
            The change; None if the server has ended the subscription.

        Raises:
            TimeoutError: There was none in time.
        """
        change: Change | None = self._wait(self._next, timeout)
        return change

    async def _next(self, timeout: float | None) -> Change | None:
        with anyio.fail_after(timeout):
            return await anext(self._changes, None)
