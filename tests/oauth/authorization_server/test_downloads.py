"""Fetching what a stranger's URL names, and nothing inside the network."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from mcp_django.oauth.authorization_server.downloads import (
    Downloaded,
    Downloader,
    DownloadFailed,
    is_public,
)
from tests.oauth.authorization_server.https_sites import (
    HOST,
    LocalDownloader,
    Site,
    Talk,
    answering,
)

TIMEOUT = 1.0
"""Seconds that a download may take here."""


@pytest.fixture
def local(certificate: Path) -> type[LocalDownloader]:
    """Give what finds `HOST` on this machine."""

    class OfTest(LocalDownloader):
        lookups: ClassVar[list[str]] = []

    OfTest.certificate = certificate
    return OfTest


@pytest.fixture
def serve(certificate: Path) -> Callable[[Talk], AbstractContextManager[Site]]:
    """Give what starts a server."""
    return lambda talk: Site(certificate, talk).serving()


def fetch(downloader: type[Downloader], url: str, max_bytes: int = 1000) -> Downloaded:
    """Fetch a URL."""
    return downloader().download(
        url, timeout=TIMEOUT, max_bytes=max_bytes, accept="application/json"
    )


@contextlib.contextmanager
def fails(reason: str) -> Iterator[None]:
    """Assert that a download fails, for a reason and in time."""
    before = time.monotonic()
    with pytest.raises(DownloadFailed, match=reason):
        yield
    assert time.monotonic() - before < TIMEOUT + 4


Serve = Callable[[Talk], AbstractContextManager[Site]]

# What is fetched ------------------------------------------------------------------


def test_document_is_fetched_from_the_address_of_its_host(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Spec: RFC 9110, section 9.3.1: nothing of the site or its user goes with it."""
    with serve(answering({"a": 1}, "X-Two: 1", "X-Two: 2")) as site:
        answer = fetch(local, f"https://{HOST}:{site.port}/c.json?v=1")

    assert answer.status == 200
    assert answer.body == b'{"a": 1}'
    assert answer.headers["x-two"] == "1"
    assert local.lookups == [HOST]
    assert site.last_request.decode().splitlines()[:-1] == [
        "GET /c.json?v=1 HTTP/1.1",
        f"Host: {HOST}:{site.port}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Connection: close",
    ]


def test_next_address_is_tried_where_one_does_not_listen(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: as browsers do."""

    class Two(local):  # type: ignore[valid-type, misc]
        addresses = (["127.0.0.9", "127.0.0.1"],)

        def is_allowed(self, address: str) -> bool:
            return True

    with serve(answering(b"{}")) as site:
        assert fetch(Two, f"https://{HOST}:{site.port}/").body == b"{}"


# Inside the network ---------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::e000:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "localhost",
        "127.1",
    ],
)
def test_addresses_that_are_not_of_the_internet_are_known(address: str) -> None:
    """Spec: RFC 6890; the registries of special-purpose addresses."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700::1",
        "2a00:1450:4001:81b::200e",
        "64:ff9b::808:808",
    ],
)
def test_addresses_of_the_internet_are_known(address: str) -> None:
    """Spec: RFC 6890; where all IPv4 goes through NAT64, that is the internet, too."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
    ],
)
def test_nothing_of_this_machine_is_connected_to(host: str, serve: Serve) -> None:
    """Chosen: with the real name server, and a real server that would have answered."""
    reason = "is not a public address|Name or service not known|not supported"
    with serve(answering(b"{}")) as site, fails(reason):
        fetch(Downloader, f"https://{host}:{site.port}/")

    assert site.connections == 0


def test_second_answer_of_the_name_server_changes_nothing(
    serve: Serve, certificate: Path, local: type[LocalDownloader]
) -> None:
    """Chosen: DNS rebinding, with servers at both addresses."""

    class Rebinding(local):  # type: ignore[valid-type, misc]
        addresses = (["127.0.0.1"], ["127.0.0.2"])

    with (
        serve(answering({"is": "outside"})) as outside,
        Site(
            certificate, answering({"is": "inside"}), "127.0.0.2", outside.port
        ).serving() as inside,
    ):
        url = f"https://{HOST}:{outside.port}/"
        assert fetch(Rebinding, url).body == b'{"is": "outside"}'
        with fails("127.0.0.2 is not a public address"):
            fetch(Rebinding, url)

    assert (outside.connections, inside.connections) == (1, 0)
    assert Rebinding.lookups == [HOST, HOST]


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]]
)
def test_one_address_inside_spoils_those_outside(
    addresses: Sequence[str], serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: what has both plays a trick."""

    class Both(local):  # type: ignore[valid-type, misc]
        pass

    Both.addresses = (addresses,)
    with serve(answering(b"{}")) as site, fails("10.0.0.1 is not a public address"):
        fetch(Both, f"https://{HOST}:{site.port}/")
    assert site.connections == 0


@pytest.mark.parametrize(
    "target", ["https://client.example:1/inside", "http://127.0.0.1/", "/other"]
)
def test_redirects_are_not_followed(
    target: str, serve: Serve, local: type[LocalDownloader]
) -> None:
    """Spec: draft-ietf-oauth-client-id-metadata-document, section 6.5."""
    moved = answering(b"", f"Location: {target}", status="302 Found")
    with serve(moved) as site:
        assert fetch(local, f"https://{HOST}:{site.port}/c.json").status == 302
    assert site.requests == ["GET /c.json HTTP/1.1"]


def test_certificate_has_to_be_of_the_host(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Spec: RFC 9525; the address that is connected to plays no part."""
    with serve(answering(b"{}")) as site, fails("Hostname mismatch"):
        fetch(local, f"https://other.example:{site.port}/")
    assert site.requests == []


def test_certificate_has_to_be_trusted(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Spec: RFC 8446; by what the system trusts."""

    class Strict(local):  # type: ignore[valid-type, misc]
        make_ssl_context = Downloader.make_ssl_context

    with serve(answering(b"{}")) as site, fails("self.signed certificate"):
        fetch(Strict, f"https://{HOST}:{site.port}/")
    assert site.requests == []


# What goes on for ever ------------------------------------------------------------


def say_nothing(site: Site, connection: socket.socket) -> None:
    """Accept, and leave it at that."""
    site.is_over.wait(10)


def drip_a_handshake(site: Site, connection: socket.socket) -> None:
    """Begin a record of TLS that does not end."""
    connection.sendall(b"\x16\x03\x03\x3f\xff")
    site.drip(connection, b"a")


def drip_headers(site: Site, connection: socket.socket) -> None:
    """Send a header that does not end."""
    secured = site.secure(connection)
    secured.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    site.drip(secured, b"a")


def drip_interim_responses(site: Site, connection: socket.socket) -> None:
    """Send answers that are none."""
    site.drip(site.secure(connection), b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_a_body(site: Site, connection: socket.socket) -> None:
    """Send a body that comes a byte at a time."""
    secured = site.secure(connection)
    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    site.drip(secured, b" ")


def drip_chunks(site: Site, connection: socket.socket) -> None:
    """Send a body that comes in chunks of a byte."""
    secured = site.secure(connection)
    secured.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    site.drip(secured, b"1\r\n \r\n")


@pytest.mark.parametrize(
    "talk",
    [
        say_nothing,
        drip_a_handshake,
        drip_headers,
        drip_interim_responses,
        drip_a_body,
        drip_chunks,
    ],
)
def test_what_is_slow_ends_in_time(
    talk: Talk, serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: each byte is in time for itself, and all of them are not."""
    with serve(talk) as site, fails(r"it took more than 1 s|timed out"):
        fetch(local, f"https://{HOST}:{site.port}/")
    assert site.connections == 1


def end_within_a_body(site: Site, connection: socket.socket) -> None:
    """Send less than was announced."""
    with site.secure(connection) as secured:
        secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}")


def test_body_that_is_not_complete_is_none(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Spec: RFC 9112, section 8."""
    with serve(end_within_a_body) as site, fails("ended within the body"):
        fetch(local, f"https://{HOST}:{site.port}/")


def test_name_server_that_does_not_answer_ends_in_time_and_holds_few_threads(
    local: type[LocalDownloader],
) -> None:
    """Chosen: nothing ends a look-up, so at most so many go on."""
    is_over = threading.Event()

    class Hanging(local):  # type: ignore[valid-type, misc]
        def resolve(self, host: str, port: int) -> Sequence[str]:
            is_over.wait(10)
            return []

    reasons = []

    def try_it() -> None:
        with pytest.raises(DownloadFailed) as failed:
            fetch(Hanging, f"https://{HOST}/")
        reasons.append(str(failed.value))

    before = time.monotonic()
    threads = [threading.Thread(target=try_it) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert time.monotonic() - before < TIMEOUT + 4
    is_over.set()
    for thread in threading.enumerate():
        if thread.name == "mcp-download":
            thread.join(5)

    assert (
        sorted(reasons)
        == ["it took more than 1 s"] * 32 + ["too much is being fetched"] * 8
    )
    with fails("it has no address"):
        fetch(Hanging, f"https://{HOST}/")


def test_large_body_is_read_as_far_as_asked(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: a body without an end takes no memory."""

    def flood(site: Site, connection: socket.socket) -> None:
        secured = site.secure(connection)
        secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not site.is_over.is_set():
            secured.sendall(b"x" * 10_000)

    with serve(flood) as site:
        answer = fetch(local, f"https://{HOST}:{site.port}/", max_bytes=5000)
    assert answer.body == b"x" * 5000


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 twohundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_not_http_is_told(
    sent: bytes, serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: no exception of a library gets out."""

    def talk(site: Site, connection: socket.socket) -> None:
        with site.secure(connection) as secured:
            secured.sendall(sent)

    with serve(talk) as site, fails("."):
        fetch(local, f"https://{HOST}:{site.port}/")


def test_what_does_not_speak_tls_is_told(
    serve: Serve, local: type[LocalDownloader]
) -> None:
    """Chosen: no request reaches it."""

    def talk(site: Site, connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(100)

    with serve(talk) as site, fails("(?i)ssl"):
        fetch(local, f"https://{HOST}:{site.port}/")
