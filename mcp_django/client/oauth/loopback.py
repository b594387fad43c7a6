"""A redirect for programs on the user's own machine: a browser, and one port.

The browser is sent back to a port of 127.0.0.1 that is open for this login alone. Where
the browser runs elsewhere, the user brings the address that it ended at by hand.

Spec: RFC 8252, sections 7.3 and 8.3.
"""

from __future__ import annotations

import html
import os
import secrets
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, TextIO
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, SocketStream
from anyio.streams.stapled import MultiListener

from mcp_django.client.oauth.redirect import Receiver, Redirect
from mcp_django.exceptions import LoginFailed
from mcp_django.transports.client.extras import brought_by

with brought_by("client"):
    import h11

LOGIN_SECONDS: Final = 300.0
"""How long a user may take by default."""

_HOST: Final = "127.0.0.1"
_PATH: Final = "/callback"
_REQUEST_SECONDS: Final = 10.0
_READ_BYTES: Final = 16 * 1024
_MAX_LINE_BYTES: Final = 16 * 1024

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto;
padding: 0 1.5rem }}
h1 {{ font-size: 1.5rem; line-height: 1.3 }}
</style>
<h1>{title}</h1>
<p>{text}</p>
"""

_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Connection", "close"),
)


def open_browser(url: str) -> bool:
    """Show a page in the user's browser, and say whether there is one.

    A browser that would run in the terminal is none: the terminal is in use.
    """
    has_windows = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    try:
        return has_windows and webbrowser.open(url)
    except (OSError, webbrowser.Error):
        return False


def _write_to_stderr(text: str) -> None:
    if sys.stderr is not None:  # In a process without a console there is none.
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


class LoopbackRedirect(Redirect):
    """Sends the user to a browser, and hears at a port of 127.0.0.1 of their return.

    Args:
        tell: Shows the user a text, of one or more lines; on standard error if left
            out.
        browse: Shows a URL in a browser, and says whether it could; None for users who
            open it themselves.
        terminal: Where users may type the address that the browser ended at, such as
            `sys.stdin`; None, or what is no terminal, for none.
        timeout: Seconds that a user may take.
        remedy: What helps where there is neither browser nor terminal, for the error.
    """

    def __init__(
        self,
        *,
        tell: Callable[[str], None] | None = None,
        browse: Callable[[str], bool] | None = open_browser,
        terminal: TextIO | None = None,
        timeout: float = LOGIN_SECONDS,
        remedy: str = "log in once where there is one",
    ) -> None:
        self._remedy = remedy
        self._tell = _write_to_stderr if tell is None else tell
        self._browse = browse
        self._terminal = _descriptor_of(terminal)
        self._timeout = timeout

    @asynccontextmanager
    async def receive(self, registered: str | None = None) -> AsyncIterator[Receiver]:
        """Listen until the end of the block: at the registered port if it is free.

        Raises:
            LoginFailed: This machine lets nothing listen.
        """
        listener = await _listen(_port_of(registered))
        async with listener:
            yield _LoopbackReceiver(
                listener,
                tell=self._tell,
                browse=self._browse,
                terminal=self._terminal,
                timeout=self._timeout,
                remedy=self._remedy,
            )


class _LoopbackReceiver(Receiver):
    """Listens at one port; the arguments are those of `LoopbackRedirect`."""

    def __init__(
        self,
        listener: MultiListener[SocketStream],
        *,
        tell: Callable[[str], None],
        browse: Callable[[str], bool] | None,
        terminal: int | None,
        timeout: float,
        remedy: str,
    ) -> None:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        self.uri = f"http://{_HOST}:{port}{_PATH}"
        self._listener = listener
        self._tell = tell
        self._browse = browse
        self._terminal = terminal
        self._timeout = timeout
        self._remedy = remedy

    async def visit(self, url: str) -> str:
        """Take the user to a page, and wait for the first right way back.

        Raises:
            LoginFailed: There is no browser and no terminal, or the user took too long.
        """
        wait = _Wait(self.uri, state=parse_qs(urlsplit(url).query)["state"][0])
        self._tell_how(url)
        with anyio.move_on_after(self._timeout):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listener.serve, partial(_answer, wait))
                # Beside it: some browsers are only left when they have been closed.
                tasks.start_soon(self._open, url, wait)
                if self._terminal is not None:
                    tasks.start_soon(self._read_address, self._terminal, wait)
                await wait.is_over.wait()
                tasks.cancel_scope.cancel()
        if wait.cannot_ask:
            raise LoginFailed(
                "a user has to log in, and there is no browser here and no terminal to "
                f"ask at; {self._remedy}"
            )
        if wait.query is None:
            raise LoginFailed(
                "the user did not come back from the login within "
                f"{self._timeout:g} seconds"
            )
        return wait.query

    def _tell_how(self, url: str) -> None:
        self._tell(
            "To log in, open this page in a browser:"
            if self._browse is None
            else "Log in at this page, which opens in your browser if there is one:"
        )
        self._tell(f"\n  {url}\n")
        if self._terminal is not None:
            self._tell(
                "If your browser is on another machine, it ends at an address that it "
                f"cannot open,\n{self.uri}?...: paste that here, and press Enter."
            )

    async def _open(self, url: str, wait: _Wait) -> None:
        """Show the page; give up where there is no way to do so."""
        if self._browse is None:
            return
        is_shown = await anyio.to_thread.run_sync(
            self._browse, url, abandon_on_cancel=True
        )
        if not is_shown and self._terminal is None:
            wait.give_up()

    async def _read_address(self, terminal: int, wait: _Wait) -> None:
        """Read lines until one is the address, or there are no more."""
        while True:
            # Not in a thread: one that waits for a line would take the next one, too.
            await anyio.wait_readable(terminal)
            try:
                line = os.read(terminal, _MAX_LINE_BYTES)
            except OSError:  # It was hung up.
                return
            if not line:
                return
            text = line.decode(errors="replace").strip()
            _, _, query = text.partition("?")
            if wait.is_right(query.partition("#")[0]):
                wait.end(query.partition("#")[0])
                return
            if text:
                self._tell(
                    "That is not the address of this login. It begins with\n"
                    f"{self.uri}? and has a state in it; paste it whole."
                )


class _Wait:
    """What one login waits for.

    Attributes:
        query: What the user came back with; None as long as they did not.
        cannot_ask: Whether the user cannot be asked to.
        is_over: Set when one of these is settled.

    Args:
        uri: The redirect URI.
        state: What shows that they come back from this very login.
    """

    def __init__(self, uri: str, *, state: str) -> None:
        self.query: str | None = None
        self.cannot_ask = False
        self.is_over = anyio.Event()
        self._authority = urlsplit(uri).netloc
        self._state = state

    def is_right(self, query: str) -> bool:
        """Say whether a query is that of a user who comes back from this login."""
        states = parse_qs(query).get("state", [])
        return len(states) == 1 and secrets.compare_digest(
            states[0].encode(errors="replace"), self._state.encode()
        )

    def end(self, query: str) -> None:
        """Let the login go on; the first query counts."""
        if self.query is None:
            self.query = query
            self.is_over.set()

    def give_up(self) -> None:
        """End the login, because the user cannot be asked."""
        self.cannot_ask = self.query is None
        self.is_over.set()

    def judge(self, request: h11.Request) -> tuple[int, str, str, str | None]:
        """Say what a request of a browser, or of any other program, is answered.

        Returns:
            HTTP status, title and text of the page, and the query if it is right.
        """
        hosts = [value for name, value in request.headers if name == b"host"]
        path, _, query = request.target.decode("latin-1").partition("?")
        # Another name of this address would be a page that plays tricks with DNS.
        if hosts != [self._authority.encode()] or path != _PATH:
            return 404, "There is nothing here", "This is for one login alone.", None
        if request.method != b"GET":
            return 405, "There is nothing here", "This is for browsers.", None
        if not self.is_right(query):
            text = "This page belongs to another login. Begin again where you began."
            return 400, "That did not work", text, None
        if "error" in parse_qs(query):
            text = "You can close this page; the terminal says what happened."
            return 200, "You are not logged in", text, query
        text = "You can close this page, and go on where you began."
        return 200, "Thank you", text, query


async def _answer(wait: _Wait, stream: ByteStream) -> None:
    """Answer one connection's request; the login goes on when its page is sent."""
    query = None
    # A program that says nothing, or no HTTP, is no browser: it gets no answer.
    with anyio.move_on_after(_REQUEST_SECONDS), suppress(anyio.BrokenResourceError):
        async with stream:
            connection = h11.Connection(h11.SERVER)
            try:
                request = await _read_request(connection, stream)
            except h11.RemoteProtocolError:
                return
            if request is None:
                return
            status, title, text, query = wait.judge(request)
            page = _page(connection, request.method, status, title, text)
            await stream.send(page)
    if query is not None:
        wait.end(query)


async def _read_request(
    connection: h11.Connection, stream: ByteStream
) -> h11.Request | None:
    """Read the head of a request; None if there comes none."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        try:
            connection.receive_data(await stream.receive(_READ_BYTES))
        except anyio.EndOfStream:
            return None


def _page(
    connection: h11.Connection, method: bytes, status: int, title: str, text: str
) -> bytes:
    body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
    headers = [*_HEADERS, ("Content-Length", str(len(body)))]
    parts = (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=b"" if method == b"HEAD" else body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(part) or b"" for part in parts)


async def _listen(port: int) -> MultiListener[SocketStream]:
    """Listen at a port, or at any free one where that is taken."""
    try:
        return await anyio.create_tcp_listener(local_host=_HOST, local_port=port)
    except OSError as error:
        if port:
            return await _listen(0)
        raise LoginFailed(
            f"cannot listen at {_HOST} for the way back from a login: {error}"
        ) from None


def _port_of(uri: str | None) -> int:
    """Give the port of a redirect URI that was ours; 0 for any port."""
    parts = urlsplit(uri or "")
    is_ours = (parts.scheme, parts.hostname, parts.path) == ("http", _HOST, _PATH)
    return (parts.port or 0) if is_ours else 0


def _descriptor_of(terminal: TextIO | None) -> int | None:
    """Give the file descriptor of a terminal; None if it is none that can be heard."""
    # Elsewhere than on POSIX only sockets can be waited for.
    if os.name != "posix" or terminal is None or not terminal.isatty():
        return None
    return terminal.fileno()
