"""The client of the scenarios: the official SDK's session, and what it heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import mcp_types as types
import pytest
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp import ClientSession
from mcp.client.subscriptions import listen
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

from tests import patience

BOUND = patience.PATIENCE_SECONDS
"""Seconds that anything may take before a scenario gives up."""

LATEST_LEGACY = "2025-11-25"

MODERN = "2026-07-28"

CLIENT = types.Implementation(name="scenario", version="1")

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Answers:
    """What the client answers when it is asked; None where it cannot be asked.

    Attributes:
        elicit: For forms and URLs.
        sample: For the model.
        roots: For folders.
    """

    elicit: Callable[[Any], Awaitable[types.ElicitResult | types.ErrorData]] | None = (
        None
    )
    sample: (
        Callable[[Any], Awaitable[types.CreateMessageResult | types.ErrorData]] | None
    ) = None
    roots: Sequence[str] | None = None

    async def answer(self, request: types.InputRequest) -> Any:
        """Answer a question that came with a result, as the modern era has it."""
        match request:
            case types.ElicitRequest(params=params):
                assert self.elicit is not None
                return await self.elicit(params)
            case types.CreateMessageRequest(params=sampling):
                assert self.sample is not None
                return await self.sample(sampling)
            case _:
                return self.listed_roots()

    def listed_roots(self) -> types.ListRootsResult:
        """List the folders."""
        assert self.roots is not None
        roots = [types.Root(uri=uri) for uri in self.roots]  # type: ignore[arg-type]
        return types.ListRootsResult(roots=roots)

    @property
    def capabilities(self) -> types.ClientCapabilities:
        """What a client declares that answers so."""
        return types.ClientCapabilities(
            sampling=types.SamplingCapability() if self.sample else None,
            elicitation=types.ElicitationCapability(
                form=types.FormElicitationCapability(),
                url=types.UrlElicitationCapability(),
            )
            if self.elicit
            else None,
            roots=None if self.roots is None else types.RootsCapability(),
        )

    def callbacks(self) -> dict[str, Any]:
        """Give the arguments of `ClientSession`."""

        async def on_elicit(context: Any, params: Any) -> Any:
            assert self.elicit is not None
            return await self.elicit(params)

        async def on_sample(context: Any, params: Any) -> Any:
            assert self.sample is not None
            return await self.sample(params)

        async def on_roots(context: Any) -> Any:
            return self.listed_roots()

        return {
            "elicitation_callback": on_elicit if self.elicit else None,
            "sampling_callback": on_sample if self.sample else None,
            "list_roots_callback": on_roots if self.roots is not None else None,
        }


NO_ANSWERS = Answers()
"""Of a client that declares no capability."""


@dataclass
class Client:
    """A client that has found out what the server is.

    Attributes:
        session: The SDK's session, in either era.
        opened: What the server answered to `initialize` or `server/discover`.
        answers: What the client answers when it is asked.
    """

    session: ClientSession
    opened: types.InitializeResult | types.DiscoverResult
    answers: Answers
    _heard: MemoryObjectReceiveStream[Any] = field(repr=False)
    _is_listening: anyio.Event | None = field(repr=False)

    @property
    def version(self) -> str:
        """Protocol version of what the server answers."""
        version = self.session.protocol_version
        assert version is not None
        return version

    @property
    def is_modern(self) -> bool:
        """Whether each request stands for itself."""
        return self.version == MODERN

    async def hear(self, kind: type[T]) -> T:
        """Wait for the next notification, which has to be of a kind."""
        with anyio.fail_after(BOUND):
            notification = await self._heard.receive()
        assert isinstance(notification, kind)
        return notification

    def assert_heard_nothing(self) -> None:
        """Fail if there is a notification that nobody waited for."""
        with pytest.raises(anyio.WouldBlock):
            self._heard.receive_nowait()

    async def call(
        self, tool: str, /, arguments: dict[str, Any] | None = None, **options: Any
    ) -> types.CallToolResult:
        """Call a tool, and answer what it asks."""
        with anyio.fail_after(BOUND):
            result: Any = await self.session.call_tool(
                tool, arguments, allow_input_required=True, **options
            )
            while isinstance(result, types.InputRequiredResult):
                answers = {
                    key: await self.answers.answer(request)
                    for key, request in (result.input_requests or {}).items()
                }
                result = await self.session.call_tool(
                    tool,
                    arguments,
                    input_responses=answers,
                    request_state=result.request_state,
                    allow_input_required=True,
                    **options,
                )
        assert isinstance(result, types.CallToolResult)
        return result

    async def call_for_text(self, tool: str, **arguments: Any) -> str:
        """Call a tool that works, and give the text of its result."""
        result = await self.call(tool, arguments)
        assert not result.is_error
        return text_of(result)

    async def call_for_error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that fails, and give what it says to the model."""
        result = await self.call(tool, arguments)
        assert result.is_error
        return text_of(result)

    async def send(self, request: Any, result: type[T]) -> T:
        """Send a request for which the session's own method is deprecated."""
        with anyio.fail_after(BOUND):
            return await self.session.send_request(request, result)

    async def initialize_again(self, name: str = CLIENT.name) -> types.InitializeResult:
        """Send a second `initialize`; legacy era."""
        params = types.InitializeRequestParams(
            protocol_version=self.version,
            capabilities=self.answers.capabilities,
            client_info=types.Implementation(name=name, version=CLIENT.version),
        )
        request = types.InitializeRequest(params=params)
        return await self.send(request, types.InitializeResult)

    async def set_log_level(self, level: types.LoggingLevel) -> None:
        """Choose which log messages to hear; legacy era."""
        params = types.SetLevelRequestParams(level=level)
        await self.send(types.SetLevelRequest(params=params), types.EmptyResult)

    async def subscribe(self, uri: str) -> None:
        """Subscribe to a resource; legacy era."""
        params = types.SubscribeRequestParams(uri=uri)
        await self.send(types.SubscribeRequest(params=params), types.EmptyResult)

    async def unsubscribe(self, uri: str) -> None:
        """End a subscription; legacy era."""
        params = types.UnsubscribeRequestParams(uri=uri)
        await self.send(types.UnsubscribeRequest(params=params), types.EmptyResult)

    @asynccontextmanager
    async def listening(self, *uris: str) -> AsyncIterator[None]:
        """Hear of all lists, and of some resources, to the end of the block."""
        if self.is_modern:
            with anyio.fail_after(BOUND):
                subscription = listen(
                    self.session,
                    tools_list_changed=True,
                    prompts_list_changed=True,
                    resources_list_changed=True,
                    resource_subscriptions=uris,
                )
                await subscription.__aenter__()
            try:
                yield
            finally:
                await subscription.__aexit__(None, None, None)
            return
        if self._is_listening is not None:
            with anyio.fail_after(BOUND):
                await self._is_listening.wait()
        for uri in uris:
            await self.subscribe(uri)
        yield
        for uri in uris:
            await self.unsubscribe(uri)


@asynccontextmanager
async def open_client(
    connection: AbstractAsyncContextManager[Sequence[Any]],
    *,
    version: str = LATEST_LEGACY,
    answers: Answers = NO_ANSWERS,
    log_level: types.LoggingLevel | None = None,
) -> AsyncIterator[Client]:
    """Connect with a server and find out what it is.

    Args:
        connection: Gives the client's pair of streams; a third item is set when the
            client hears of changes.
        version: What to offer; the era follows from it.
        answers: What the client answers when it is asked.
        log_level: Which log messages it wants; modern era.
    """
    told, heard = anyio.create_memory_object_stream[Any](1000)

    async def on_notification(message: Any) -> None:
        told.send_nowait(message)

    async with (
        told,
        heard,
        connection as streams,
        ClientSession(
            streams[0],
            streams[1],
            message_handler=on_notification,
            client_info=CLIENT,
            log_level=log_level,
            **answers.callbacks(),
        ) as session,
    ):
        opened: types.InitializeResult | types.DiscoverResult
        with anyio.fail_after(BOUND):
            if version == MODERN:
                opened = await session.discover()
            else:
                opened = await _initialize(session, version, answers)
        is_listening = streams[2] if len(streams) > 2 else None
        yield Client(session, opened, answers, heard, is_listening)


async def _initialize(
    session: ClientSession, version: str, answers: Answers
) -> types.InitializeResult:
    """Offer a version and go on with what the server answers."""
    params = types.InitializeRequestParams(
        protocol_version=version,
        capabilities=answers.capabilities,
        client_info=CLIENT,
    )
    initialized = await session.send_request(
        types.InitializeRequest(params=params), types.InitializeResult
    )
    session.adopt(initialized)
    await session.send_notification(types.InitializedNotification())
    return initialized


def text_of(result: types.CallToolResult) -> str:
    """Give the text of a result that has one text block."""
    [block] = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def error_of(request: Awaitable[object]) -> types.ErrorData:
    """Wait for a request that fails, and give the JSON-RPC error."""
    with anyio.fail_after(BOUND), pytest.raises(MCPError) as caught:
        await request
    return caught.value.error
