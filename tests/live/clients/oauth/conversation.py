"""What the client programs in Python share: lines of JSON, and hearing of a login."""

import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import anyio

Call: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[str]]


def say(**what: Any) -> None:
    """Say something to the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def text_of(result: Any) -> str:
    """Give the text of a tool's result.

    Raises:
        ValueError: The tool has failed.
    """
    text: str = result.content[0].text if result.content else ""
    if getattr(result, "is_error", False) or getattr(result, "isError", False):
        raise ValueError(text)
    return text


def describe(error: BaseException) -> str:
    """Give what was wrong, of a group of errors the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def obey(call: Call, expire: Callable[[], None]) -> None:
    """Do what the test tells, until it tells nothing more."""
    while line := await anyio.to_thread.run_sync(sys.stdin.readline):
        told = json.loads(line)
        if "expire" in told:
            expire()
            continue
        try:
            say(text=await call(told["call"], told["arguments"]))
        except Exception as error:
            say(error=describe(error))


class Callback:
    """Hears of the end of a login, at a port of this computer."""

    def __init__(self) -> None:
        self._server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    async def wait(self) -> dict[str, str]:
        """Give the parameters with which the browser comes back.

        Raises:
            PermissionError: The user has not allowed it.
        """
        found: dict[str, str] = {}
        self._server.found = found  # type: ignore[attr-defined]
        while not found:
            await anyio.to_thread.run_sync(self._server.handle_request)
        if "error" in found:
            raise PermissionError(found["error"])
        return found


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/callback":
            self.server.found.update(parse_qsl(parts.query))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>Back</title>You may close this window.")

    log_message = partial(lambda *args: None)
