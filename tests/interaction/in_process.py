"""An ASGI application as the other end of an httpx2 client, streams included."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

import anyio
import httpx2

from mcp_django.bulkheads.steps import outermost
from mcp_django.consumers.applications import Application
from mcp_django.consumers.exchange import Event, Scope


class InProcessTransport(httpx2.AsyncBaseTransport):
    """Runs an application in this event loop, in a task for each request.

    Attributes:
        has_stream: Set when a GET has been answered with something.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stack = AsyncExitStack()
        self.has_stream = anyio.Event()

    async def __aenter__(self) -> InProcessTransport:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        # Every stream was closed, so that the applications end by themselves.
        await self._stack.__aexit__(exc_type, exc_value, traceback)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer once the application begins to."""
        has_body = self.has_stream if request.method == "GET" else anyio.Event()
        exchange = _Exchange(await request.aread(), has_body)
        self._tasks.start_soon(self._run, _scope_of(request), exchange)
        try:
            await exchange.has_started.wait()
        except BaseException:
            await exchange.aclose()  # nobody waits for the answer any more
            raise
        return httpx2.Response(
            exchange.status, headers=exchange.headers, stream=exchange
        )

    async def _run(self, scope: Scope, exchange: _Exchange) -> None:
        # As servers do, and `MCPRouter` then.
        answering = self._application(scope, exchange.receive, exchange.send)
        await asyncio.create_task(outermost(answering))


class _Exchange(httpx2.AsyncByteStream):
    """One request, and the body of its response."""

    def __init__(self, body: bytes, has_body: anyio.Event) -> None:
        self._has_body = has_body
        self._incoming: list[Event] = [{"type": "http.request", "body": body}]
        self._is_gone = anyio.Event()
        self._body: list[bytes] = []
        self._has_more = anyio.Event()
        self._is_whole = False
        self.has_started = anyio.Event()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def receive(self) -> Event:
        if self._incoming:
            return self._incoming.pop()
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self.status, self.headers = event["status"], event["headers"]
            self.has_started.set()
            return
        self._body.append(event.get("body", b""))
        self._has_body.set()
        self._is_whole = not event.get("more_body")
        self._has_more.set()
        if self._is_whole:
            self._is_gone.set()  # Spec: ASGI HTTP, "Disconnect": also after the end.

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._body or not self._is_whole:
            await self._has_more.wait()
            self._has_more = anyio.Event()
            chunks, self._body = self._body, []
            for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        self._is_gone.set()


def _scope_of(request: httpx2.Request) -> Scope:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ["127.0.0.1", 50000],
        "server": ["127.0.0.1", 80],
    }
    return scope
