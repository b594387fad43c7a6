"""Servers over TLS that say just what a test wants, as slowly as it wants."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from mcp_django.oauth.authorization_server.downloads import Downloader

HOST = "client.example"

Talk: TypeAlias = Callable[["Site", socket.socket], None]


class Site:
    """A server on 127.0.0.1, or another loopback address.

    Args:
        certificate: File of its certificate and key, for `HOST`.
        talk: What it does with each connection.

    Attributes:
        port: Where it listens.
        connections: How many it has accepted.
        requests: What it was asked, the first line of each.
        is_over: Set when the test is over.
    """

    def __init__(
        self, certificate: Path, talk: Talk, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server((address, port))
        self._talk = talk
        self._threads: list[threading.Thread] = []
        # What the thread of a connection closes at its end.
        self._open: ContextVar[contextlib.ExitStack] = ContextVar("open")
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.requests: list[str] = []
        self.is_over = threading.Event()

    @contextlib.contextmanager
    def serving(self) -> Iterator[Site]:
        """Accept connections until the end."""
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self.is_over.set()
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for one in (thread, *self._threads):
                one.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(connection)
            self._open.set(stack)
            self._talk(self, connection)

    def secure(self, connection: socket.socket) -> ssl.SSLSocket:
        """Do the handshake, and read the request."""
        secured = self._context.wrap_socket(connection, server_side=True)
        self._open.get().enter_context(secured)
        request = b""
        while b"\r\n\r\n" not in request:
            request += secured.recv(4096)
        self.requests.append(request.split(b"\r\n")[0].decode())
        self.last_request = request
        return secured

    def drip(self, secured: socket.socket, what: bytes) -> None:
        """Send something for ever, a byte at a time."""
        while not self.is_over.wait(0.05):
            secured.sendall(what)


def answering(
    body: Any,
    *headers: str,
    status: str = "200 OK",
    content_type: str = "application/json",
) -> Talk:
    """Give what answers each request alike; what is not bytes is sent as JSON."""

    def talk(site: Site, connection: socket.socket) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = (
            f"HTTP/1.1 {status}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(content)}",
            *headers,
        )
        with site.secure(connection) as secured:
            secured.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    return talk


class LocalDownloader(Downloader):
    """Takes 127.0.0.1 for an address of the internet, where `HOST` is.

    Attributes:
        certificate: File of the certificate that it trusts.
        addresses: What the name server says, one answer after the other.
        lookups: What it was asked.
    """

    certificate: ClassVar[Path]
    addresses: ClassVar[Sequence[Sequence[str]]] = (["127.0.0.1"],)
    lookups: ClassVar[list[str]] = []

    def is_allowed(self, address: str) -> bool:
        """Take the one address."""
        return address == "127.0.0.1"

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """Give the next answer, or the last again."""
        number = len(self.lookups)
        self.lookups.append(host)
        return self.addresses[min(number, len(self.addresses) - 1)]

    def make_ssl_context(self) -> ssl.SSLContext:
        """Trust the certificate of the tests."""
        return ssl.create_default_context(cafile=str(self.certificate))
