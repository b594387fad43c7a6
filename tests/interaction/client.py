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
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel

BOUND = 10.0
"""Seconds that anything may take before a scenario gives up."""

LATEST = "2025-11-25"

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
            assert self.roots is not None
            roots = [types.Root(uri=uri) for uri in self.roots]  # type: ignore[arg-type]
            return types.ListRootsResult(roots=roots)

        return {
            "elicitation_callback": on_elicit if self.elicit else None,
            "sampling_callback": on_sample if self.sample else None,
            "list_roots_callback": on_roots if self.roots is not None else None,
        }


NO_ANSWERS = Answers()
"""Of a client that declares no capability."""


@dataclass
class Client:
    """A client with an open session.

    Attributes:
        session: The SDK's session.
        initialized: What the server answered to `initialize`.
    """

    session: ClientSession
    initialized: types.InitializeResult
    _heard: MemoryObjectReceiveStream[Any] = field(repr=False)

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
        """Call a tool."""
        with anyio.fail_after(BOUND):
            result: types.CallToolResult = await self.session.call_tool(
                tool, arguments, **options
            )
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

    async def set_log_level(self, level: types.LoggingLevel) -> None:
        """Choose which log messages to hear."""
        params = types.SetLevelRequestParams(level=level)
        await self.send(types.SetLevelRequest(params=params), types.EmptyResult)

    async def subscribe(self, uri: str) -> None:
        """Subscribe to a resource."""
        params = types.SubscribeRequestParams(uri=uri)
        await self.send(types.SubscribeRequest(params=params), types.EmptyResult)

    async def unsubscribe(self, uri: str) -> None:
        """End a subscription."""
        params = types.UnsubscribeRequestParams(uri=uri)
        await self.send(types.UnsubscribeRequest(params=params), types.EmptyResult)


@asynccontextmanager
async def open_client(
    connection: AbstractAsyncContextManager[tuple[Any, Any]],
    *,
    version: str = LATEST,
    answers: Answers = NO_ANSWERS,
) -> AsyncIterator[Client]:
    """Open a session with a server.

    Args:
        connection: Gives the client's pair of streams.
        version: What to offer.
        answers: What the client answers when it is asked.
    """
    told, heard = anyio.create_memory_object_stream[Any](1000)

    async def on_notification(message: Any) -> None:
        told.send_nowait(message)

    async with (
        told,
        heard,
        connection as (reading, writing),
        ClientSession(
            reading,
            writing,
            message_handler=on_notification,
            client_info=CLIENT,
            **answers.callbacks(),
        ) as session,
    ):
        with anyio.fail_after(BOUND):
            initialized = await _initialize(session, version, answers)
        yield Client(session, initialized, heard)


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
