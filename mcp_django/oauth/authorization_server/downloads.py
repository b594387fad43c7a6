"""Fetches what a stranger's URL names, and nothing inside the network.

The host is looked up once; the connection goes to the very address that was checked, so
that a second answer of the name server changes nothing. All of it has one deadline:
then the socket is shut down, whatever the other end has sent by then.

Spec: draft-ietf-oauth-client-id-metadata-document, section 6.5, on SSRF attacks.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_MAX_ADDRESSES: Final = 4
_MAX_THREADS: Final = 32

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_IPV6: Final = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC: Final = (
    # For protocols, and for relays to other networks.
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("192.88.99.0/24"),
    # Addresses that carry another: 6to4 and Teredo.
    ipaddress.ip_network("2002::/16"),
    ipaddress.ip_network("2001::/32"),
)

_threads: Final = threading.BoundedSemaphore(_MAX_THREADS)
"""Those that fetch; one that waits for a name server cannot be ended."""


class DownloadFailed(Exception):
    """Nothing was fetched, for the reason that its text gives."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a server answered.

    Attributes:
        status: The HTTP status.
        headers: The headers, by their names in lower case; the first of each name.
        body: At most as many bytes as were asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet.

    Spec: RFC 6890; RFC 6052 for addresses that carry one of IPv4.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed in _NAT64:
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        elif parsed not in _PUBLIC_IPV6:
            return False
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and not any(parsed in network for network in _NOT_PUBLIC)
    )


class Downloader:
    """Fetches a document over https, from public addresses alone.

    A subclass may fetch by other ways, such as a proxy for what leaves the network.
    """

    def is_allowed(self, address: str) -> bool:
        """Say whether an IP address may be connected to."""
        return is_public(address)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """Look a host's addresses up.

        Raises:
            OSError: It has none.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def make_ssl_context(self) -> ssl.SSLContext:
        """Make what checks the certificate."""
        return ssl.create_default_context()

    def download(
        self, url: str, *, timeout: float, max_bytes: int, accept: str
    ) -> Downloaded:
        """Fetch a URL, without following redirects, sending nothing but a GET.

        Args:
            url: An https URL, well formed and without a user or a fragment.
            timeout: Seconds until it fails, whatever happens.
            max_bytes: How much of the body is read.
            accept: The media types that are asked for.

        Raises:
            DownloadFailed: There was no answer in time, or from nowhere allowed.
        """
        if not _threads.acquire(blocking=False):
            raise DownloadFailed("too much is being fetched")
        task = _Task(self, url, timeout, max_bytes, accept)
        try:
            # Name servers have timeouts of their own, of half a minute and more.
            threading.Thread(target=task.run, name="mcp-download", daemon=True).start()
        except RuntimeError:
            _threads.release()
            raise DownloadFailed("there is no thread to fetch it") from None
        return task.wait()


class _Task:
    """One download, which a thread runs and another waits for."""

    def __init__(
        self,
        downloader: Downloader,
        url: str,
        timeout: float,
        max_bytes: int,
        accept: str,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._authority = parts.netloc
        self._port = parts.port or 443
        self._target = parts.path + (f"?{parts.query}" if parts.query else "")
        self._downloader = downloader
        self._max_bytes = max_bytes
        self._accept = accept
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_over = False
        self._answer: Downloaded | None = None
        self._reason = ""

    def wait(self) -> Downloaded:
        """Wait for the answer until the deadline.

        Raises:
            DownloadFailed: There is none.
        """
        is_done = self._done.wait(max(0.0, self._deadline - time.monotonic()))
        with self._lock:
            self._is_over = True
            if self._socket is not None:
                _shut_down(self._socket)
        if not is_done:
            # What the thread says or gives now is of the shutdown.
            raise DownloadFailed(f"it took more than {self._timeout:g} s")
        if self._answer is None:
            raise DownloadFailed(self._reason)
        return self._answer

    def run(self) -> None:
        """Fetch it; the thread's whole work."""
        try:
            self._answer = self._fetch()
        except Exception as error:  # What ends with this thread is told by `wait`.
            self._reason = str(error) or repr(error)
        finally:
            _threads.release()
            self._done.set()

    def _fetch(self) -> Downloaded:
        addresses = self._downloader.resolve(self._host, self._port)
        # One that is not allowed spoils all: what has both plays a trick.
        for address in addresses:
            if not self._downloader.is_allowed(address):
                raise DownloadFailed(f"{address} is not a public address")
        plain = self._connect(addresses[:_MAX_ADDRESSES])
        with self._secure(plain) as secured:
            return self._ask(secured)

    def _connect(self, addresses: Sequence[str]) -> socket.socket:
        """Connect to the first address that answers."""
        last: OSError = OSError("it has no address")
        for number, address in enumerate(addresses):
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            try:
                plain = socket.create_connection(
                    (address, self._port), timeout=left / (len(addresses) - number)
                )
            except OSError as error:
                last = error
                continue
            return plain
        raise last

    def _secure(self, plain: socket.socket) -> ssl.SSLSocket:
        """Wrap a socket, without a word to the other end yet."""
        with plain:  # Which is of no use any more.
            context = self._downloader.make_ssl_context()
            secured = context.wrap_socket(
                plain, server_hostname=self._host, do_handshake_on_connect=False
            )
        with self._lock:
            self._socket = secured
            if self._is_over:
                _shut_down(secured)
        secured.settimeout(max(0.01, self._deadline - time.monotonic()))
        return secured

    def _ask(self, secured: ssl.SSLSocket) -> Downloaded:
        secured.do_handshake()
        connection = http.client.HTTPConnection(self._host)
        connection.sock = secured
        try:
            connection.request(
                "GET",
                self._target,
                headers={
                    "Host": self._authority,
                    "Accept": self._accept,
                    "Accept-Encoding": "identity",
                    "Connection": "close",
                },
            )
            response = connection.getresponse()
            headers: dict[str, str] = {}
            for name, value in response.getheaders():
                headers.setdefault(name.lower(), value)
            body = response.read(self._max_bytes)
            if response.length and len(body) < self._max_bytes:
                raise DownloadFailed("the connection ended within the body")
            return Downloaded(response.status, headers, body)
        finally:
            connection.close()


def _shut_down(open_socket: socket.socket) -> None:
    """Wake the thread that reads from a socket, or writes to it."""
    with contextlib.suppress(OSError):  # It is closed already.
        open_socket.shutdown(socket.SHUT_RDWR)
