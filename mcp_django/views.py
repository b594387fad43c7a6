"""The Django way in: MCP endpoints as async views, behind the project's middleware.

The view runs the very ASGI application of the other way in. A stream costs a thread
here, so that `mcp_django.asgi` is the documented way. Over WSGI there are no streams,
and what needs none works; it runs in an event loop of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

from django.core.handlers.asgi import ASGIRequest
from django.http import (
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase

from mcp_django.bulkheads.steps import outermost
from mcp_django.bulkheads.task_contexts import own_context
from mcp_django.conf import mcp_settings
from mcp_django.consumers.applications import ScopeType, application_of
from mcp_django.consumers.exchange import Event, Scope
from mcp_django.consumers.languages import language_of_path, preferring
from mcp_django.consumers.wsgi import scope_of
from mcp_django.server.endpoints import Endpoint
from mcp_django.worker.collector import spare_loaded_objects
from mcp_django.worker.thread_loop import run_in_thread_loop

_HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding"})
"""Headers that belong to the outer answer. Spec: RFC 9110, 7.6.1."""

_LEAVE_SECONDS: Final = 1.0
"""How long the end of a stream may take while Django waits."""

_running: Final[set[asyncio.Task[Any]]] = set()
"""Exchanges whose client is gone: their tasks have to be held."""

_DISCONNECT: Final[Event] = {"type": "http.disconnect"}

_refused: Final[weakref.WeakSet[HttpRequest]] = weakref.WeakSet()
"""Requests that were answered 503."""


class _WithoutRefusals(logging.Filter):
    """Keeps Django from logging each request that is refused for the time being.

    What does not answer was logged already, in one line for all of them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "request", None) not in _refused


_without_refusals: Final = _WithoutRefusals()


async def serve(endpoint: Endpoint, request: HttpRequest) -> HttpResponseBase:
    """Answer a request of Django's at an MCP endpoint.

    Over WSGI a stream cannot be held open, so that what needs one is answered 501.
    """
    if isinstance(request, ASGIRequest):
        spare_loaded_objects()
        body = request.read(mcp_settings.MAX_BODY_BYTES + 1)
        return await _answer(endpoint, request, dict(request.scope), body, "http")
    if endpoint.binding != "mcp":
        return _refusal(
            501,
            "HTTP+SSE needs streams, which need ASGI: run the project's "
            "ASGI_APPLICATION behind Daphne",
        )
    spare_loaded_objects()
    try:
        body = request.read(mcp_settings.MAX_BODY_BYTES + 1)
    except UnreadablePostError:
        return _refusal(400, "the body did not come to its end")
    answering = run_in_thread_loop(
        _answer(endpoint, request, scope_of(request), body, "wsgi")
    )
    return await asyncio.wrap_future(answering)


def _refusal(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain")


async def _answer(
    endpoint: Endpoint, request: HttpRequest, scope: Scope, body: bytes, kind: ScopeType
) -> HttpResponseBase:
    """Answer a request in the event loop that runs.

    Args:
        endpoint: Answers it.
        request: As Django sees it.
        scope: As ASGI servers tell of it.
        body: What it brings, as far as that may be read.
        kind: Whether streams can be held.
    """
    language = language_of_path(request.path_info, getattr(request, "urlconf", None))
    if language is not None:
        scope = preferring(language, dict(scope))
    return await _InnerExchange(request, scope, body).run(endpoint, kind)


class _InnerExchange:
    """Runs an ASGI application under a Django request."""

    def __init__(self, request: HttpRequest, scope: Scope, body: bytes) -> None:
        self._request = request
        self._scope = scope
        self._incoming: asyncio.Queue[Event] = asyncio.Queue()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._started: asyncio.Future[Event] = (
            asyncio.get_running_loop().create_future()
        )
        self._incoming.put_nowait({"type": "http.request", "body": body})

    async def run(self, endpoint: Endpoint, kind: ScopeType) -> HttpResponseBase:
        task = asyncio.create_task(
            outermost(
                application_of(endpoint, kind)(
                    dict(self._scope),
                    self._incoming.get,
                    self._send,
                )
            ),
            context=own_context(),  # A call may go on when the request is over.
        )
        try:
            both: list[asyncio.Future[Any]] = [self._started, task]
            await asyncio.wait(both, return_when=FIRST_COMPLETED)
        except asyncio.CancelledError:
            if endpoint.binding == "mcp":
                # The call of a session goes on without its client.
                self._leave(task)
            else:
                task.cancel()
            raise
        start = self._started.result()
        status: int = start["status"]
        headers = _outer_headers(start)
        if headers.get("content-type", "").startswith("text/event-stream"):
            chunks = self._stream(task)
            self._disconnect_with(chunks)
            return StreamingHttpResponse(chunks, status=status, headers=headers)
        response = HttpResponse(await self._read_all(), status=status, headers=headers)
        self._leave(task)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            _refused.add(self._request)
            # Harmless if it is there; whatever sets up logging may have removed it.
            logging.getLogger("django.request").addFilter(_without_refusals)
        if "content-type" not in headers:
            del response["content-type"]  # Django's default, for an empty body.
        return response

    async def _send(self, event: Event) -> None:
        if event["type"] == "http.response.start":
            self._started.set_result(event)
            return
        if event.get("body"):
            self._chunks.put_nowait(event["body"])
        if not event.get("more_body"):
            self._chunks.put_nowait(None)

    async def _read_all(self) -> bytes:
        pieces = []
        while (chunk := await self._chunks.get()) is not None:
            pieces.append(chunk)
        return b"".join(pieces)

    async def _stream(self, task: asyncio.Task[Any]) -> AsyncIterator[bytes]:
        """Give the chunks; when Django stops asking, the client is gone."""
        try:
            while (chunk := await self._chunks.get()) is not None:
                yield chunk
        finally:
            self._leave(task)
            # What goes on without its client must not hold up Django.
            await asyncio.wait([task], timeout=_LEAVE_SECONDS)

    def _leave(self, task: asyncio.Task[Any]) -> None:
        """Say that the client is gone, and hold what may go on without it."""
        self._incoming.put_nowait(_DISCONNECT)
        _running.add(task)
        task.add_done_callback(_running.discard)

    def _disconnect_with(self, chunks: AsyncIterator[bytes]) -> None:
        """End the stream, too, if its chunks are thrown away before the first is read.

        So Django does when the client goes while middleware handles the response; an
        iterator that has not begun says nothing when it goes.
        """
        loop, incoming = asyncio.get_running_loop(), self._incoming

        def disconnect() -> None:
            with contextlib.suppress(RuntimeError):  # The loop has ended before.
                loop.call_soon_threadsafe(incoming.put_nowait, _DISCONNECT)

        weakref.finalize(chunks, disconnect).atexit = False


def _outer_headers(start: Event) -> dict[str, str]:
    """Give the headers of an inner answer, repeated ones joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in start["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name not in _HOP_BY_HOP:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
