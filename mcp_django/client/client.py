"""`Client`: use an MCP server, whatever it speaks and however it is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version as version_of
from types import TracebackType
from typing import TYPE_CHECKING, Self

from anyio import create_task_group, get_cancelled_exc_class
from anyio.abc import TaskGroup
from mcp_types import (
    CallToolResult,
    ClientCapabilities,
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
    SubscriptionFilter,
    Tool,
)

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.answers import (
    Answers,
    OnElicit,
    OnSample,
    RunSync,
    run_in_thread,
)
from mcp_django.client.changes import Changes
from mcp_django.client.connecting import HTTPOptions, Target, headers_with, ways_to
from mcp_django.client.connection import Connection, OnProgress, Patience
from mcp_django.client.notices import Notices, OnLog, OnNotification
from mcp_django.client.options import (
    check_callable,
    check_level,
    check_seconds,
    read_roots,
)
from mcp_django.client.reading import read, read_completion
from mcp_django.client.reconnecting import ReconnectingConnection, result_of
from mcp_django.client.requests import Requests
from mcp_django.client.subscriptions import Subscriptions
from mcp_django.client.tools import Tools
from mcp_django.exceptions import ErrorReceived, LocalProtocolError
from mcp_django.protocol import jsonrpc, versions
from mcp_django.protocol.client import ClientProtocol, State
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.methods import DISCOVER, PING

if TYPE_CHECKING:
    import ssl

    import httpx2

logger = FaultLog("mcp_django.client")


class Client:
    """Uses one MCP server.

    ::

        async with Client("https://example.com/mcp", token="...") as client:
            result = await client.call_tool("add", {"a": 1, "b": 2})

    It finds out what the server speaks: first the newest version, then the older ones,
    at last HTTP+SSE. All methods may be called concurrently. A connection that is lost
    is opened anew by the next request, if `target` says how.

    Args:
        target: URL (http, https, ws, wss), command as a list of strings, transport, a
            function that makes a transport, pair of streams, or what gives one to an
            `async with` block.
        token: Bearer token, sent as `Authorization`.
        headers: Sent with each HTTP request, and with the handshake of a WebSocket.
        auth: What httpx2 takes as `auth`, such as `httpx2.BasicAuth`.
        http: The `httpx2.AsyncClient` to use; it stays open.
        verify: TLS settings, such as a CA of your own; those of the system if left out.
        version: The one version to speak; None to find out.
        client_info: Name and version of this client.
        on_elicit: Fills in a form, or sends the user to a URL; `def` or `async def`.
        on_sample: Asks a language model; likewise.
        roots: Folders that the server may work with, as URLs or `Root`.
        on_log: Hears the log messages of the server.
        on_notification: Hears method and params of all other notifications.
        log_level: Least severe log messages to hear; None leaves it to the server.
        timeout: Seconds to wait for an answer, from the last sign of progress.
        max_total_timeout: Seconds to wait for it whatever progress there is.
        probe_timeout: Seconds to wait for the answer that old servers may never give.
        connect_timeout: Seconds until there has to be a connection.
        max_rounds: Rounds of questions that one request may take.
        run_sync: Runs the `def` functions among those above; in a thread, if left out.

    Raises:
        ValueError: `target` is no target, or `version` none that we speak.
        ImportError: A library is missing that it needs.

    Spec: 2026-07-28 basic/versioning; basic/patterns.
    """

    def __init__(
        self,
        target: Target,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx2.Auth | None = None,
        http: httpx2.AsyncClient | None = None,
        verify: ssl.SSLContext | None = None,
        version: str | None = None,
        client_info: Implementation | None = None,
        on_elicit: OnElicit | None = None,
        on_sample: OnSample | None = None,
        roots: Sequence[str | Root] | None = None,
        on_log: OnLog | None = None,
        on_notification: OnNotification | None = None,
        log_level: LoggingLevel | None = None,
        timeout: float = 60.0,
        max_total_timeout: float = 600.0,
        probe_timeout: float = 5.0,
        connect_timeout: float = 10.0,
        max_rounds: int = 10,
        run_sync: RunSync = run_in_thread,
    ) -> None:
        if version is not None and version not in versions.ALL:
            raise ValueError(f"version {version!r} is none of {list(versions.ALL)!r}")
        check_seconds(
            timeout=timeout,
            max_total_timeout=max_total_timeout,
            probe_timeout=probe_timeout,
            connect_timeout=connect_timeout,
        )
        check_callable(
            on_elicit=on_elicit,
            on_sample=on_sample,
            on_log=on_log,
            on_notification=on_notification,
        )
        if not isinstance(client_info, Implementation | None):
            raise ValueError(
                f"client_info must be an Implementation, not {client_info!r:.200}"
            )
        options = HTTPOptions(
            headers_with(token, headers, auth, target),
            auth=auth,
            http=http,
            verify=verify,
            connect_timeout=connect_timeout,
        )
        self._answers = Answers(
            on_elicit,
            on_sample,
            None if roots is None else read_roots(roots),
            run_sync,
        )
        self._protocol = ClientProtocol(
            client_info or _ourselves(), self._answers.capabilities
        )
        self._protocol.log_level = check_level(log_level)
        self._patience = Patience(timeout, max_total_timeout)
        self._connection = ReconnectingConnection(
            ways_to(target, options),
            self._protocol,
            self._answers,
            wanted=version,
            patience=self._patience,
            probe_seconds=probe_timeout,
            on_notified=self._hear,
            on_opened=self._restore,
        )
        self._requests = Requests(
            self._connection,
            self._answers,
            patience=self._patience,
            max_rounds=max_rounds,
        )
        self._tools = Tools(self._requests, self._connection)
        self._subscriptions = Subscriptions(
            self._connection, self._protocol, patience=self._patience
        )
        self._notices = Notices(
            self._answers, on_log=on_log, on_notification=on_notification
        )
        self._was_opened = False
        self._tasks: TaskGroup | None = None

    # Opening and closing -------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Connect, and find out what the server speaks.

        Raises:
            ConnectFailed: There is no connection.
            ErrorReceived, HTTPRefused, RemoteProtocolError, RequestTimeout: The server
                refuses, or is none.
        """
        if self._was_opened:
            raise LocalProtocolError("a client is opened once; make another one")
        self._was_opened = True
        self._tasks = await create_task_group().__aenter__()
        try:
            self._notices.start(self._tasks)
            await self._connection.open(self._tasks)
        except BaseException as error:
            if not await self.__aexit__(type(error), error, error.__traceback__):
                raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Close the connection and everything that belongs to it."""
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            return None
        ending = exc_value
        try:
            await self._connection.close()
            if exc_value is None:
                await self._notices.finish()
        except BaseException as error:
            ending = error
            raise
        finally:
            # Also when that is cancelled: what was entered has to be left.
            is_ours = await _leave(tasks, ending)
        return is_ours

    @property
    def version(self) -> str:
        """Protocol version that is spoken with the server."""
        return self._connection.found.version

    @property
    def server_info(self) -> Implementation | None:
        """Name and version of the server; None if it did not say."""
        return self._connection.found.server_info

    @property
    def server_capabilities(self) -> ServerCapabilities:
        """What the server offers."""
        return self._connection.found.capabilities

    @property
    def instructions(self) -> str | None:
        """How to use the server, for the model."""
        return self._connection.found.instructions

    @property
    def capabilities(self) -> ClientCapabilities:
        """What the server may ask for."""
        return self._protocol.capabilities

    # Tools ---------------------------------------------------------------------------

    async def list_tools(self, *, fresh: bool = False) -> list[Tool]:
        """Give all tools, all pages of them.

        Args:
            fresh: Whether to ask the server although what it said before still holds.
        """
        return await self._tools.list(fresh=fresh)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        check: bool = True,
    ) -> CallToolResult:
        """Call a tool, and answer what it asks.

        Args:
            name: Its name.
            arguments: By name.
            timeout: Seconds to wait, from the last sign of progress.
            on_progress: Called with progress, total and message of each report.
            check: Whether a tool that failed raises; False gives its result.

        Raises:
            ToolError: The tool failed; has the result.
            ErrorReceived: There is no such tool, or the arguments are wrong.
            RemoteProtocolError: The result is not what the tool promised.
        """
        return await self._tools.call(
            name, arguments, timeout=timeout, on_progress=on_progress, check=check
        )

    # Resources, prompts, completion --------------------------------------------------

    async def list_resources(self, *, fresh: bool = False) -> list[Resource]:
        """Give all resources that have a URI of their own."""
        return await self._requests.list("resources/list", Resource, fresh=fresh)

    async def list_resource_templates(
        self, *, fresh: bool = False
    ) -> list[ResourceTemplate]:
        """Give all templates of URIs."""
        method = "resources/templates/list"
        return await self._requests.list(method, ResourceTemplate, fresh=fresh)

    async def read_resource(
        self, uri: str, *, timeout: float | None = None, fresh: bool = False
    ) -> ReadResourceResult:
        """Read a resource.

        Raises:
            ErrorReceived: There is none of this URI.
        """
        answer = await self._requests.cached(
            "resources/read", {"uri": str(uri)}, timeout=timeout, fresh=fresh
        )
        return read(ReadResourceResult, "resources/read", answer, self.server_info)

    async def list_prompts(self, *, fresh: bool = False) -> list[Prompt]:
        """Give all prompts."""
        return await self._requests.list("prompts/list", Prompt, fresh=fresh)

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> GetPromptResult:
        """Get the messages of a prompt.

        Raises:
            ErrorReceived: There is no such prompt, or an argument is missing.
        """
        params: JSONObject = {"name": name, "arguments": dict(arguments or {})}
        answer = await self._requests.send("prompts/get", params, timeout=timeout)
        return read(GetPromptResult, "prompts/get", answer, self.server_info)

    async def complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: str,
        value: str,
        *,
        arguments: Mapping[str, str] | None = None,
    ) -> Completion:
        """Ask what an argument may go on with.

        Args:
            ref: The prompt or the template of URIs.
            argument: Name of the argument.
            value: What there is of it.
            arguments: Others that are known already.
        """
        params: JSONObject = {
            "ref": ref.model_dump(mode="json", by_alias=True, exclude_none=True),
            "argument": {"name": argument, "value": value},
        }
        if arguments:
            params["context"] = {"arguments": dict(arguments)}
        answer = await self._requests.send("completion/complete", params)
        return read_completion(answer, self.server_info)

    # What a server can be told, and tells --------------------------------------------

    async def ping(self, *, timeout: float | None = None) -> None:
        """Return when the server has shown that it is there.

        The modern era has no ping; there it is asked what it is.
        """
        await self._connection.connected()
        is_legacy = self._protocol.state is State.LEGACY
        await self._requests.send(PING if is_legacy else DISCOVER, timeout=timeout)

    async def set_log_level(self, level: LoggingLevel) -> None:
        """Say which log messages to hear from now on, the least severe of them.

        Raises:
            ValueError: There is no such level.
        """
        check_level(level)
        await self._connection.connected()
        self._protocol.log_level = level
        if self._has_log_level:
            await self._requests.send("logging/setLevel", {"level": level})

    async def set_roots(self, roots: Sequence[str | Root]) -> None:
        """Change the folders that the server may work with.

        Raises:
            LocalProtocolError: The client was made without `roots`.
        """
        if self._answers.roots is None:
            raise LocalProtocolError(
                "cannot change roots that were never declared; pass roots=[] to Client"
            )
        self._answers.roots = read_roots(roots)
        connection = await self._connection.connected()
        if self._protocol.state is State.LEGACY:
            changed = jsonrpc.notification("notifications/roots/list_changed")
            await connection.send(changed)

    def listen(
        self,
        *uris: str,
        tools: bool = False,
        prompts: bool = False,
        resources: bool = False,
    ) -> AbstractAsyncContextManager[Changes]:
        """Hear of changes to the end of an `async with` block.

        Args:
            uris: Resources whose contents are of interest.
            tools: Whether the list of tools is.
            prompts: Whether the list of prompts is.
            resources: Whether the lists of resources and templates are.

        Raises:
            ErrorReceived: The server refuses.

        Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources,
        "Subscriptions".
        """
        if self._tasks is None:
            raise LocalProtocolError(
                "cannot listen while the client is not open; use `async with`"
            )
        wanted = SubscriptionFilter(
            tools_list_changed=tools or None,
            prompts_list_changed=prompts or None,
            resources_list_changed=resources or None,
            resource_subscriptions=[str(uri) for uri in uris] or None,
        )
        return self._subscriptions.open(wanted, self._tasks)

    async def request(
        self,
        method: str,
        params: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> JSONObject:
        """Send any request, answer what the server asks, and give the result.

        Args:
            method: Such as "tools/call".
            params: As on the wire.
            timeout: Seconds to wait, from the last sign of progress.
            on_progress: Called with progress, total and message of each report.

        Raises:
            ErrorReceived: The server answered with an error.
            RequestTimeout: It did not answer in time.
            TransportError: Its answer cannot come.
            RemoteProtocolError: It broke the rules.
        """
        return await self._requests.send(
            method, params, timeout=timeout, on_progress=on_progress
        )

    def _hear(self, method: str, params: JSONObject) -> None:
        self._requests.cache.forget_changed(method, params)
        if method == "notifications/tools/list_changed":
            self._tools.forget()
        self._subscriptions.hear(method, params)
        self._notices.tell(method, params)

    async def _restore(self, connection: Connection) -> None:
        """Set, in a new session, what was set in the last one."""
        # It may be a newer server, whose tools promise something else.
        self._tools.forget()
        level = self._protocol.log_level
        if level is not None and self._has_log_level:
            request = self._protocol.send_request("logging/setLevel", {"level": level})
            try:
                result_of(await connection.request(request, self._patience))
            except ErrorReceived as error:
                logger.warning(
                    "the server keeps its own log level, as it refuses ours: %s", error
                )
        if self._protocol.state is State.LEGACY:
            await self._subscriptions.restore(connection)

    @property
    def _has_log_level(self) -> bool:
        """Whether the server keeps a log level; modern requests say it each time."""
        is_legacy = self._protocol.state is State.LEGACY
        return is_legacy and self.server_capabilities.logging is not None


async def _leave(tasks: TaskGroup, ending: BaseException | None) -> bool | None:
    """End a group of tasks, whatever it is that ends the block.

    Returns:
        Whether the exception belongs to the group, and is not to be raised.
    """
    tasks.cancel_scope.cancel()
    if isinstance(ending, get_cancelled_exc_class()):
        return await tasks.__aexit__(type(ending), ending, ending.__traceback__)
    # So that callers see the exception itself, and no group of one.
    await tasks.__aexit__(None, None, None)
    return False


def _ourselves() -> Implementation:
    return Implementation(name="mcp_django", version=version_of("mcp-django-channels"))
