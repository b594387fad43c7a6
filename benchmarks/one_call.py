"""One call through an application without any server: `one_call KIND MODULE:NAME`.

It is run by the interpreter that has the application, and imports nothing else. What
the loop around the calls costs is measured with an application that only receives and
sends, and taken off. Writes the microseconds of time on a core of one call, the median
of many batches.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.calls import Call

_BATCH = 200

_CALL = Call("2026-07-28")
_BODY = _CALL.body
_HEADERS = {"Host": "127.0.0.1:8000", **_CALL.all_headers}


class Connection:
    """What an ASGI server is to an application, for one request."""

    __slots__ = ("body", "sent")

    def __init__(self) -> None:
        self.body: bytes | None = _BODY
        self.sent: list[Any] = []

    async def receive(self) -> dict[str, Any]:
        """Give the body, and then nothing any more."""
        if self.body is None:
            await asyncio.Event().wait()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, event: dict[str, Any]) -> None:
        """Keep what is sent."""
        self.sent.append(event)


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'"result"'})


async def measure_asgi(application: Any, seconds: float) -> float:
    """Give the microseconds of a call of an ASGI application."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in {**_HEADERS, "Content-Length": str(len(_BODY))}.items()
        ],
    }

    async def call(of: Any) -> None:
        connection = Connection()
        await of(dict(scope), connection.receive, connection.send)
        assert any(b'"result"' in it.get("body", b"") for it in connection.sent)

    async with AsyncExitStack() as stack:
        if hasattr(application, "router"):  # Starlette's, which have to be started
            lifespan = application.router.lifespan_context(application)
            await stack.enter_async_context(lifespan)

        async def batch(of: Any) -> float:
            began = time.process_time()
            for _ in range(_BATCH):
                await call(of)
            return (time.process_time() - began) / _BATCH

        await batch(application)
        own, theirs = [], []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            theirs.append(await batch(application))
            own.append(await batch(_echo))
    return (statistics.median(theirs) - statistics.median(own)) * 1e6


def measure_wsgi(application: Any, seconds: float) -> float:
    """Give the microseconds of a call of a WSGI application."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/mcp",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(_BODY)),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        **{f"HTTP_{n.upper().replace('-', '_')}": v for n, v in _HEADERS.items()},
    }
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE")

    def start(status: str, headers: Any) -> None:
        assert status == "200 OK", status

    def echo(environ: Any, start_response: Callable[..., None]) -> list[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [b'"result"']

    def batch(of: Any) -> float:
        began = time.process_time()
        for _ in range(_BATCH):
            response = of({**environ, "wsgi.input": io.BytesIO(_BODY)}, start)
            assert b'"result"' in b"".join(response)
            getattr(response, "close", int)()
        return (time.process_time() - began) / _BATCH

    batch(application)
    own, theirs = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        theirs.append(batch(application))
        own.append(batch(echo))
    return (statistics.median(theirs) - statistics.median(own)) * 1e6


def main(kind: str, name: str, seconds: float) -> None:
    """Measure the application of this name, `asgi` or `wsgi`."""
    module, _, attribute = name.partition(":")
    application = getattr(importlib.import_module(module), attribute)
    if kind == "asgi":
        microseconds = asyncio.run(measure_asgi(application, seconds))
    else:
        microseconds = measure_wsgi(application, seconds)
    sys.stdout.write(f"{microseconds}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
