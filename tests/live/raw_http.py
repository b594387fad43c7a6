"""Streamable HTTP by hand: each request goes to the address that the test names."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias, cast

import anyio
import httpx2
from mcp_types.jsonrpc import RequestId

from tests.live.raw import BOUND, INITIALIZE, INITIALIZED

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
BOTH = "application/json, text/event-stream"
JSON_ONLY = "application/json"
STREAM_ONLY = "text/event-stream"

Message: TypeAlias = dict[str, Any]


class Answer:
    """What a request is answered with: an event stream, or a whole body.

    Attributes:
        response: The HTTP response.
        last_event_id: Of the event that was read last, "" if it has none.
        retry_ms: When the client was told to come back, in milliseconds.
    """

    def __init__(
        self, response: httpx2.Response, lines: AsyncGenerator[str, None]
    ) -> None:
        self.response = response
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._lines = lines

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def is_stream(self) -> bool:
        """Whether it is an event stream."""
        content_type = self.response.headers.get("content-type", "")
        return bool(content_type.startswith("text/event-stream"))

    async def wait_until_open(self) -> None:
        """Wait for the comment by which a standalone stream begins."""
        with anyio.fail_after(BOUND):
            while await self.read_line() != ("", "keep-alive"):
                pass

    async def receive(self) -> Message:
        """Wait for the next message.

        Raises:
            StopAsyncIteration: The answer ended as HTTP wants it.
        """
        with anyio.fail_after(BOUND):
            if not self.is_stream:
                return cast(Message, json.loads(await anext(self._lines)))
            while True:
                name, value = await self.read_line()
                if name == "data" and value:
                    return cast(Message, json.loads(value))

    async def read_line(self) -> tuple[str, str]:
        """Read one line of an event stream: the name of a field and its value."""
        name, _, value = (await anext(self._lines)).partition(": ")
        match name:
            case "id":
                self.last_event_id = value
            case "retry":
                self.retry_ms = int(value)
        return name, value

    async def receive_all(self) -> list[Message]:
        """Wait for the end, and return the messages until then."""
        messages = []
        while True:
            try:
                messages.append(await self.receive())
            except StopAsyncIteration:
                return messages

    async def receive_result(self) -> Message:
        """Wait for the answer of the server, and return its result.

        Raises:
            AssertionError: It is an error.
        """
        while "method" in (message := await self.receive()):
            pass
        assert "result" in message, message
        return cast(Message, message["result"])


class Client(ABC):
    """Sends requests; the ids count up.

    Attributes:
        http: Sends them.
    """

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http
        self._ids = itertools.count(1)

    async def ask(
        self, url: str, method: str, params: Message | None = None
    ) -> Message:
        """Send a request and return its result.

        Args:
            url: Of the site, without a path.
            method: What to ask.
            params: Its parameters.
        """
        async with self.open(url, method, params) as answer:
            return await answer.receive_result()

    async def call(self, url: str, tool: str, /, **arguments: Any) -> Message:
        """Call a tool and return its result."""
        async with self.open_call(url, tool, **arguments) as answer:
            return await answer.receive_result()

    @asynccontextmanager
    async def open(
        self,
        url: str,
        method: str,
        params: Message | None = None,
        *,
        id: RequestId | None = None,
        accept: str = BOTH,
    ) -> AsyncIterator[Answer]:
        """Send a request and wait for the beginning of the answer."""
        message = {
            "jsonrpc": "2.0",
            "id": next(self._ids) if id is None else id,
            "method": method,
            "params": params or {},
        }
        headers, body = self._prepare(message)
        async with self._open("POST", url, {**headers, "accept": accept}, body) as got:
            yield got

    @asynccontextmanager
    async def open_call(
        self,
        url: str,
        tool: str,
        /,
        *,
        id: RequestId | None = None,
        accept: str = BOTH,
        with_progress: bool = False,
        **arguments: Any,
    ) -> AsyncIterator[Answer]:
        """Call a tool and wait for the beginning of the answer."""
        params: Message = {"name": tool, "arguments": arguments}
        if with_progress:
            params["_meta"] = {"progressToken": "token"}
        async with self.open(url, "tools/call", params, id=id, accept=accept) as answer:
            yield answer

    @abstractmethod
    def _prepare(self, message: Message) -> tuple[dict[str, str], Message]:
        """Give the headers of a message, and the message as it is sent."""

    @asynccontextmanager
    async def _open(
        self,
        http_method: str,
        url: str,
        headers: Mapping[str, str],
        body: Message | None = None,
    ) -> AsyncIterator[Answer]:
        async with self.http.stream(
            http_method, f"{url}/mcp", headers=headers, json=body
        ) as response:
            lines = cast(AsyncGenerator[str, None], response.aiter_lines())
            async with aclosing(lines):
                yield Answer(response, lines)


class ModernClient(Client):
    """Says with each request what it is.

    Args:
        http: Sends the requests.
        capabilities: What the client can do.
    """

    def __init__(
        self, http: httpx2.AsyncClient, capabilities: Message | None = None
    ) -> None:
        super().__init__(http)
        self._meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": capabilities or {},
        }

    @asynccontextmanager
    async def listen(self, url: str, **filters: Any) -> AsyncIterator[Answer]:
        """Open a stream of change notices, until it is acknowledged."""
        params = {"notifications": filters}
        async with self.open(url, "subscriptions/listen", params) as answer:
            acknowledged = await answer.receive()
            assert (
                acknowledged.get("method") == "notifications/subscriptions/acknowledged"
            ), acknowledged
            yield answer

    def _prepare(self, message: Message) -> tuple[dict[str, str], Message]:
        params = message["params"]
        headers = {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
        name = params.get("name") or params.get("uri")
        if name is not None:
            headers["mcp-name"] = name
        meta = {**params.get("_meta", {}), **self._meta}
        return headers, {**message, "params": {**params, "_meta": meta}}


class Session(Client):
    """A session of the legacy era; open one by `open_session`.

    Attributes:
        headers: Of each request.
    """

    def __init__(self, http: httpx2.AsyncClient, id: str) -> None:
        super().__init__(http)
        self.headers = {"mcp-session-id": id, "mcp-protocol-version": LEGACY}

    def over(self, http: httpx2.AsyncClient) -> "Session":
        """Give the same session, over other connections."""
        return Session(http, self.headers["mcp-session-id"])

    async def post(self, url: str, message: Message) -> int:
        """Post an answer or a notification, and return the HTTP status."""
        async with self._open(
            "POST", url, {**self.headers, "accept": BOTH}, message
        ) as answer:
            return answer.status

    async def answer(self, url: str, question: Message, result: Message) -> int:
        """Answer a question of the server, and return the HTTP status."""
        answer = {"jsonrpc": "2.0", "id": question["id"], "result": result}
        return await self.post(url, answer)

    async def cancel(self, url: str, id: RequestId) -> int:
        """Cancel a request, and return the HTTP status."""
        method = "notifications/cancelled"
        return await self.post(
            url, {"jsonrpc": "2.0", "method": method, "params": {"requestId": id}}
        )

    async def subscribe(self, url: str, uri: str) -> None:
        """Ask for word of the changes of a resource."""
        await self.ask(url, "resources/subscribe", {"uri": uri})

    @asynccontextmanager
    async def get(
        self, url: str, *, last_event_id: str | None = None
    ) -> AsyncIterator[Answer]:
        """Open the standalone stream, or resume one."""
        headers = {**self.headers, "accept": STREAM_ONLY}
        if last_event_id is not None:
            headers["last-event-id"] = last_event_id
        async with self._open("GET", url, headers) as answer:
            assert answer.status == 200
            if last_event_id is None:
                await answer.wait_until_open()
            yield answer

    async def delete(self, url: str) -> int:
        """End the session, and return the HTTP status."""
        async with self._open("DELETE", url, self.headers) as answer:
            return answer.status

    async def status(self, url: str) -> int:
        """Send a ping and return the HTTP status."""
        async with self.open(url, "ping") as answer:
            return answer.status

    def _prepare(self, message: Message) -> tuple[dict[str, str], Message]:
        return self.headers, message


async def open_session(
    http: httpx2.AsyncClient, url: str, capabilities: Message | None = None
) -> Session:
    """Open a session as clients do.

    Args:
        http: Sends the requests.
        url: Of the site, without a path.
        capabilities: What the client can do.
    """
    params = {**cast(Message, INITIALIZE["params"]), "capabilities": capabilities or {}}
    response = await http.post(
        f"{url}/mcp", headers={"accept": BOTH}, json={**INITIALIZE, "params": params}
    )
    assert response.status_code == 200
    session = Session(http, response.headers["mcp-session-id"])
    assert await session.post(url, INITIALIZED) == 202
    return session
