"""WebSockets to an ASGI application in the same event loop, without a server.

As strict as a server may be: what an application sends in the wrong order fails the
test, and so does an exception that leaves it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp_django.consumers.applications import Application
from mcp_django.consumers.exchange import Event, Scope
from tests.consumers.connections import (
    WAIT_SECONDS,
    LegacyClient,
    Response,
    make_scope,
)

DENIAL: dict[str, Any] = {"websocket.http.response": {}}
"""The ASGI extension by which a server lets applications refuse with any status."""


@dataclass(frozen=True)
class Closed:
    """How the server closed a WebSocket."""

    code: int
    reason: str


class WebSocket(LegacyClient):
    """One WebSocket, as its client sees it.

    Args:
        application: Answers.
        scope: As `make_websocket_scope` makes it.
    """

    def __init__(self, application: Application, scope: Scope) -> None:
        self._incoming: asyncio.Queue[Event] = asyncio.Queue()
        self._outgoing: asyncio.Queue[str | Closed] = asyncio.Queue()
        self._is_answered = asyncio.Event()
        self._state = "connecting"
        self._faults: list[str] = []
        self._denial: Event = {}
        self._last_id = 0
        self.subprotocol: str | None = None
        self.response: Response | None = None
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(
            application(scope, self._incoming.get, self._send)
        )

    @property
    def is_open(self) -> bool:
        """Whether the server has accepted, and nobody has closed."""
        return self._state == "open"

    @property
    def unread(self) -> int:
        """How many events the application has not asked for yet."""
        return self._incoming.qsize()

    async def wait_for_answer(self) -> None:
        """Wait until the server has accepted or refused, or returned."""
        answered = asyncio.create_task(self._is_answered.wait())
        await asyncio.wait(
            [answered, self._task],
            timeout=WAIT_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        answered.cancel()
        if self._task.done():
            self._task.result()
        assert self._is_answered.is_set(), "the application did not answer"

    def send(self, message: Any) -> None:
        """Send a JSON value, a text as it is, or bytes as a binary frame."""
        if isinstance(message, bytes):
            event = {"type": "websocket.receive", "bytes": message}
        else:
            text = message if isinstance(message, str) else json.dumps(message)
            event = {"type": "websocket.receive", "text": text}
        self._incoming.put_nowait(event)

    async def receive(self) -> Any:
        """Wait for the next message, or for the end."""
        async with asyncio.timeout(WAIT_SECONDS):
            item = await self.read()
        return json.loads(item) if isinstance(item, str) else item

    async def read(self) -> str | Closed:
        """Wait for the next text frame, or for the end, for however long."""
        return await self._outgoing.get()

    async def ask(self, method: str, params: Any = None) -> Any:
        """Send a request and wait for the next message, which has to answer it.

        Returns:
            The result or, for an error, the `error` member.
        """
        self._last_id += 1
        id = f"ask-{self._last_id}"
        message = {"jsonrpc": "2.0", "id": id, "method": method}
        self.send(message if params is None else {**message, "params": params})
        answer = await self.receive()
        assert not isinstance(answer, Closed), answer
        assert answer["id"] == id
        return answer["result"] if "result" in answer else answer["error"]

    async def notify(self, method: str) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method})

    async def close(self) -> None:
        """Go away, and wait until the application has noticed.

        Raises:
            AssertionError: The application broke the rules of ASGI meanwhile.
        """
        self._state = "gone"
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        async with asyncio.timeout(WAIT_SECONDS):
            await self._task
        assert self._faults == []

    async def _send(self, event: Event) -> None:
        match event["type"], self._state:
            case _, "gone":
                raise OSError("the client is gone")
            case "websocket.accept", "connecting":
                self.subprotocol = event.get("subprotocol")
                self._change("open")
            case "websocket.send", "open":
                self._outgoing.put_nowait(event["text"])
            case "websocket.close", "connecting":
                self.response = Response(403, [], b"")
                self._change("closed")
            case "websocket.close", "open":
                closed = Closed(event["code"], event["reason"])
                self._outgoing.put_nowait(closed)
                self._change("closed")
            case "websocket.http.response.start", "connecting":
                self._denial = event
                self._state = "denying"
            case "websocket.http.response.body", "denying":
                headers: Sequence[tuple[str, str]] = [
                    (name.decode("ascii"), value.decode("latin-1"))
                    for name, value in self._denial["headers"]
                ]
                self.response = Response(self._denial["status"], headers, event["body"])
                self._change("closed")
            case type_, state:
                self._faults.append(f"{type_} while {state}")

    def _change(self, state: str) -> None:
        self._state = state
        self._is_answered.set()


def make_websocket_scope(
    url: str = "/mcp",
    headers: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] = (),
    **more: Any,
) -> Scope:
    """Make what an ASGI server tells of a handshake."""
    scope = make_scope("GET", url, headers or {})
    del scope["method"]
    return {
        **scope,
        "type": "websocket",
        "scheme": "ws",
        "subprotocols": list(subprotocols),
        "extensions": DENIAL,
        **more,
    }


@asynccontextmanager
async def open_websocket(
    application: Application,
    url: str = "/mcp",
    *,
    headers: Mapping[str, str] | None = None,
    is_initialized: bool = True,
    **more: Any,
) -> AsyncIterator[WebSocket]:
    """Open a WebSocket, and a session of the legacy era unless told not to."""
    scope = make_websocket_scope(url, headers, **more)
    websocket = WebSocket(application, scope)
    try:
        await websocket.wait_for_answer()
        assert websocket.is_open, websocket.response
        if is_initialized:
            await websocket.initialize()
        yield websocket
    finally:
        await websocket.close()


async def refusal(
    application: Application,
    url: str = "/mcp",
    *,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Ask for a WebSocket that is refused, and give the answer."""
    scope = make_websocket_scope(url, headers, **more)
    websocket = WebSocket(application, scope)
    await websocket.wait_for_answer()
    await websocket.close()
    assert websocket.response is not None, "it was accepted"
    return websocket.response
