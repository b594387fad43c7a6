"""`manage.py mcp_daphne`: what Daphne does, under both, and what it does otherwise."""

import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.certificates import write_certificate
from tests.live import processes
from tests.live.daphne import SETTINGS
from tests.live.raw import BOUND
from tests.live.servers_site import PIECES

pytestmark = pytest.mark.live

APPLICATION = "tests.live.servers_site:application"
DAPHNE = ("-m", "daphne")
MENDED = ("manage.py", "mcp_daphne")
LISTENING = re.compile(r"Listening on TCP address 127\.0\.0\.1:(\d+)")
MEBIBYTE = 1024 * 1024


class Wire:
    """A connection to a server, over which bytes are sent as they are."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(BOUND)
        self.socket = connected
        self._file = connected.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()
        self.socket.close()

    def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request, and read the answer to its end."""
        self.socket.sendall(request)
        return self.read(request)

    def read(self, request: bytes = b"GET") -> tuple[int, dict[str, str], bytes]:
        """Give status, headers and body of the next answer."""
        status = int(self._file.readline().split()[1])
        if status == 100:
            assert self._file.readline() == b"\r\n"
            return self.read(request)
        found = dict(http.client.parse_headers(self._file))
        headers = {name.lower(): value for name, value in found.items()}
        if request.startswith(b"HEAD") or status in {204, 304}:
            return status, headers, b""
        if headers.get("transfer-encoding") != "chunked":
            length = int(headers.get("content-length", -1))
            return status, headers, self._file.read(length)
        body = bytearray()
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            assert self._file.readline() == b"\r\n"
        assert self._file.readline() == b"\r\n"
        return status, headers, bytes(body)

    def rest(self) -> bytes:
        """Give all that comes until the end of the connection."""
        return self._file.read()


@dataclass
class Server:
    """A server that runs.

    Attributes:
        process: The process.
        folder: Where its logs and its Unix socket are.
        listener: The socket that it was given, as `--fd`.
        port: For TCP.
        tls_port: For TLS.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    listener: socket.socket
    port: int
    tls_port: int

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "server.log"

    def wire(self) -> Wire:
        """Connect over TCP."""
        return Wire(socket.create_connection(("127.0.0.1", self.port)))

    def get(self, path: str, *headers: str) -> Any:
        """Get the JSON at a path over a connection of its own."""
        with self.wire() as wire:
            status, _, body = wire.ask(request(f"GET {path}", *headers))
        assert status == 200
        return json.loads(body)

    def wait_for(self, name: str, least: int = 1) -> int:
        """Wait until the application has seen something so often; give how often."""

        def count() -> int:
            seen: int = self.get("/seen").get(name, 0)
            return seen if seen >= least else 0

        return processes.wait_until(count)


def request(line: str, *headers: str, body: str = "", version: str = "1.1") -> bytes:
    """Write a request."""
    lines = [f"{line} HTTP/{version}", "Host: localhost", *headers, "", body]
    return "\r\n".join(lines).encode("latin-1")


@contextmanager
def serving(command: Sequence[str], folder: Path, *more: str) -> Iterator[Server]:
    """Run a server with the application of this module, until the end of the block."""
    certificate, log = folder / "certificate.pem", folder / "server.log"
    write_certificate(certificate)

    def ports() -> list[str]:
        return LISTENING.findall(log.read_text()) if log.exists() else []

    with socket.create_server(("127.0.0.1", 0)) as listener:
        tls = f"privateKey={certificate}:certKey={certificate}"
        options = [
            *("-b", "127.0.0.1", "-p", "0", "--fd", str(listener.fileno())),
            *("-u", str(folder / "socket"), "--root-path", "/below", "-s", "tried"),
            *("-e", f"ssl:port=0:interface=127.0.0.1:{tls}", "--proxy-headers"),
            *("--access-log", str(folder / "access.log")),
            *("--application-close-timeout", "1", *more),
        ]
        with processes.running(
            [sys.executable, *command, *options, APPLICATION],
            log=log,
            extra={"DJANGO_SETTINGS_MODULE": SETTINGS},
            is_ready=lambda: len(ports()) == 3,
            pass_fds=[listener.fileno()],
        ) as process:
            # Daphne listens in the order of the alphabet: fd, ssl, tcp, unix.
            _, tls_port, port = map(int, ports())
            yield Server(process, folder, listener, port, tls_port)


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run our command."""
    with serving(MENDED, tmp_path_factory.mktemp("mended")) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run plain Daphne."""
    with serving(DAPHNE, tmp_path_factory.mktemp("plain")) as server:
        yield server


@pytest.fixture(params=["plain", "mended"])
def server(request: pytest.FixtureRequest) -> Server:
    """Give the one, and the other."""
    found: Server = request.getfixturevalue(request.param)
    return found


# As under plain Daphne --------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
LONG = "y" * 200_000


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (request("GET /a%20b?c=%20d"), {"path": "/a b", "raw_path": "/a%20b"}),
        (request("GET /?c=%20d"), {"query_string": "c=%20d", "scheme": "http"}),
        (request("GET /", "X: 1", "X: 2"), {"method": "GET", "http_version": "1.1"}),
        (request("GET /", "Connection: close"), {"body": "", "pieces": 1}),
        (request("GET /", version="1.0"), {"http_version": "1.0"}),
        (request("GET /"), {"root_path": "/below", "is_async": True}),
        (request("GET /", "Daphne-Root-Path: /up%20"), {"root_path": "/up "}),
        (request("PUT /", "Content-Length: 3", body="abc"), {"body": "abc"}),
        (
            request("POST /", f"Content-Length: {len(LONG)}", body=LONG),
            {"body": LONG, "pieces": 25},
        ),
        (
            request("POST /", "Transfer-Encoding: chunked", body="1\r\na\r\n0\r\n\r\n"),
            {"body": "a"},
        ),
        (
            request("POST /", "Content-Length: 1", "Expect: 100-continue", body="a"),
            {"body": "a"},
        ),
        (
            request("POST /", "Content-Length: 3", f"Content-Type: {FORM}", body="a=1"),
            {"body": "a=1"},
        ),
        (
            request(
                "GET /",
                "X-Forwarded-For: 192.0.2.1, 192.0.2.2",
                "X-Forwarded-Port: 77",
                "X-Forwarded-Proto: https",
            ),
            {"client": ["192.0.2.1", 77], "scheme": "https"},
        ),
    ],
)
def test_request_is_told(server: Server, asked: bytes, told: dict[str, Any]) -> None:
    """We promise it: as plain Daphne does."""
    with server.wire() as wire:
        status, headers, body = wire.ask(asked)
    found = json.loads(body)
    assert (status, headers["server"]) == (200, "tried")
    assert {name: found[name] for name in told} == told


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (request("GET /pieces"), (200, b"onetwo")),
        (request("HEAD /pieces"), (200, b"")),
        (request("GET /empty"), (204, b"")),
        (request("GET /fails"), (500, b"Exception inside application")),
        (request("GET /", "B(d: 1"), (400, b"")),
        (request("GET /", "Bad: \x0b"), (400, b"Invalid header value")),
        (request("GET /\xe4"), (400, b"")),
        (request("GET /?\xe4"), (400, b"")),
        (request("nonsense"), (400, b"")),
        (request("POST /", "Content-Length: x"), (400, b"")),
    ],
)
def test_request_is_answered(
    server: Server, asked: bytes, answer: tuple[int, bytes]
) -> None:
    """We promise it: as plain Daphne does, its own errors included."""
    with server.wire() as wire:
        status, _, body = wire.ask(asked)
    assert (status, answer[1] in body) == (answer[0], True)


def test_connection_serves_requests_one_after_the_other(server: Server) -> None:
    """We promise it. RFC 9112, section 9.3: keep-alive and pipelining."""
    with server.wire() as wire:
        assert wire.ask(request("GET /pieces"))[2] == b"onetwo"
        wire.socket.sendall(request("GET /pieces") + request("GET /empty") * 2)
        assert [wire.read()[0], wire.read()[0], wire.read()[0]] == [200, 204, 204]
        assert wire.ask(request("GET /empty", "Connection: close"))[0] == 204
        assert wire.rest() == b""


def test_endpoints_of_every_kind_are_served(server: Server) -> None:
    """We promise it: TLS, Unix sockets and sockets that are handed over."""
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    tcp = socket.create_connection(("127.0.0.1", server.tls_port))
    handed_over = socket.create_connection(server.listener.getsockname())
    unix = socket.socket(socket.AF_UNIX)
    unix.connect(str(server.folder / "socket"))
    told = {}
    for kind, connected in {
        "tls": unverified.wrap_socket(tcp),
        "unix": unix,
        "fd": handed_over,
    }.items():
        with Wire(connected) as wire:
            told[kind] = json.loads(wire.ask(request("GET /"))[2])
    assert {kind: found["scheme"] for kind, found in told.items()} == {
        "tls": "https",
        "unix": "http",
        "fd": "http",
    }
    assert told["unix"]["client"] is None
    assert told["fd"]["server"] == list(server.listener.getsockname())


def test_applications_learn_that_their_client_is_gone(server: Server) -> None:
    """We promise it: those that do not end are ended, after a second here."""
    for path in ("/hangs", "/stays"):
        with server.wire() as wire:
            wire.socket.sendall(request(f"GET {path}"))
    server.wait_for("left")
    server.wait_for("killed")


def test_websockets_are_served(server: Server) -> None:
    """We promise it: as plain Daphne does."""
    url = f"ws://127.0.0.1:{server.port}"
    with connect(url, subprotocols=[Subprotocol("first")]) as websocket:
        assert websocket.subprotocol == "first"
        for message in ("text", b"bytes", "x" * 500_000):
            websocket.send(message)
            assert websocket.recv(BOUND) == message
        websocket.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(BOUND)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{url}/refused")
    assert refused.value.response.status_code == 403
    with connect(url) as websocket:
        websocket.send("text")
        websocket.recv(BOUND)
    server.wait_for("websocket left")


def test_access_log_has_every_request(server: Server) -> None:
    """We promise it: as plain Daphne writes it."""
    log = server.folder / "access.log"
    with server.wire() as wire:
        wire.ask(request("GET /pieces?logged"))
    with connect(f"ws://127.0.0.1:{server.port}/logged"):
        pass
    processes.wait_until(lambda: "WSDISCONNECT /logged" in log.read_text())
    lines = [line for line in log.read_text().splitlines() if "logged" in line]
    shown = [re.sub(r"^127\.0\.0\.1:\d+ - - \[.*\] ", "", line) for line in lines]
    assert shown == [
        '"GET /pieces?logged" 200 6',
        '"WSCONNECTING /logged" - -',
        '"WSCONNECT /logged" - -',
        '"WSDISCONNECT /logged" - -',
    ]


# Otherwise -----------------------------------------------------------------------


def test_form_that_is_none_reaches_the_application(mended: Server) -> None:
    """Chosen: who reads a form says what is wrong with it. Plain Daphne answers 400,
    because it reads forms for nobody."""
    kind = "Content-Type: multipart/form-data; boundary=\x7f"
    asked = request("POST /", kind, "Content-Length: 3", body="abc")
    with mended.wire() as wire:
        assert json.loads(wire.ask(asked)[2])["body"] == "abc"


@pytest.mark.parametrize("line", ["HEAD /pieces", "GET /unwanted"])
def test_answer_without_a_body_has_none(mended: Server, line: str) -> None:
    """We promise it. Plain Daphne sends all pieces but the first, which clients take
    for the next answer. Spec: RFC 9110, 6.4.1."""
    with mended.wire() as wire:
        wire.ask(request(line))
        wire.socket.sendall(request("GET /empty", "Connection: close"))
        assert wire.rest().startswith(b"HTTP/1.1 204 ")


def test_requests_that_ended_are_let_go(mended: Server) -> None:
    """We promise it: plain Daphne keeps each for up to a second."""
    with mended.wire() as wire:
        for _ in range(50):
            wire.ask(request("GET /pieces"))
        # The one that asks, and this wire's next.
        assert mended.get("/requests") <= 5


def test_response_waits_for_its_reader(mended: Server) -> None:
    """We promise it: 125 MiB that are not read cost little, and are sent when they
    are; plain Daphne takes them all at once."""
    before = processes.resident_bytes(mended.process.pid)
    with mended.wire() as wire:
        wire.socket.sendall(request("GET /much"))
        sent = mended.wait_for("sent")
        held = processes.resident_bytes(mended.process.pid) - before
        assert len(wire.read()[2]) == PIECES * MEBIBYTE
        mended.wait_for("much")
        assert sent < PIECES / 4
        assert held < 8 * MEBIBYTE


def test_requests_wait_until_answers_before_them_are_read(mended: Server) -> None:
    """We promise it: plain Daphne works on all at once, and keeps the answers."""
    with mended.wire() as wire:
        wire.socket.sendall(request("GET /whole") * 100)
        # So many others have been served meanwhile; the system takes a few MiB.
        begun = [mended.get("/seen").get("whole", 0) for _ in range(50)]
        assert begun[-1] < 30
        assert {len(wire.read()[2]) for _ in range(100)} == {MEBIBYTE}


def test_send_ends_when_the_client_is_gone(mended: Server) -> None:
    """We promise it: an application that waits for its reader does not wait on."""
    ended = mended.get("/seen").get("much", 0)
    with mended.wire() as wire:
        wire.socket.sendall(request("GET /much"))
        wire.socket.recv(1)
    mended.wait_for("much", ended + 1)


def test_application_that_fails_late_ends_the_connection(mended: Server) -> None:
    """We promise it: the client sees that it is not whole. Plain Daphne leaves it
    waiting, and frees no request any more."""
    with mended.wire() as wire:
        wire.socket.sendall(request("GET /fails-late"))
        with pytest.raises(ValueError, match="invalid literal"):
            wire.read()


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run our command with small limits of time."""
    folder = tmp_path_factory.mktemp("hurried")
    with serving(MENDED, folder, "-t", "1", "--websocket_timeout", "1") as server:
        yield server


UPGRADE = (
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def test_limits_of_time_hold_whatever_other_connections_do(hurried: Server) -> None:
    """We promise it: plain Daphne looks at none any more after one that it cannot end:
    because its client is gone, or it is no WebSocket yet."""
    with hurried.wire() as wire, hurried.wire() as undecided:
        undecided.socket.sendall(request("GET /undecided", *UPGRADE))
        with hurried.wire() as left:
            left.socket.sendall(request("GET /begins"))
            left.socket.recv(1)
        status, _, body = wire.ask(request("GET /hangs"))
        assert (status, b"within time limit" in body) == (503, True)
        with pytest.raises(ConnectionResetError):
            undecided.read()
        assert wire.ask(request("GET /hangs"))[0] == 503


def test_time_that_a_client_takes_is_not_its_application_s(hurried: Server) -> None:
    """We promise it: plain Daphne has taken all by then, and `--http-timeout` is for
    applications."""
    with hurried.wire() as slow, hurried.wire() as wire:
        slow.socket.sendall(request("GET /much"))
        assert wire.ask(request("GET /hangs"))[0] == 503
        assert wire.ask(request("GET /hangs"))[0] == 503
        assert len(slow.read()[2]) == PIECES * MEBIBYTE


def test_client_that_reads_nothing_is_ended(hurried: Server) -> None:
    """We promise it: as idle connections end, after a minute, and here a second."""
    ended = hurried.get("/seen").get("much", 0)
    with hurried.wire() as wire:
        wire.ask(request("GET /patience?1"))
        try:
            wire.socket.sendall(request("GET /much"))
            hurried.wait_for("much", ended + 1)
        finally:
            with hurried.wire() as other:
                other.ask(request("GET /patience?60"))
        with pytest.raises(ConnectionResetError):
            wire.read()


def test_application_of_the_settings_ends_its_streams(tmp_path: Path) -> None:
    """We promise it: at SIGTERM, as `daphne` with that application does."""
    log = tmp_path / "server.log"
    with processes.running(
        [sys.executable, *MENDED, "-b", "127.0.0.1", "-p", "0"],
        log=log,
        extra={"DJANGO_SETTINGS_MODULE": SETTINGS},
        is_ready=lambda: log.exists() and bool(LISTENING.search(log.read_text())),
    ) as process:
        found = LISTENING.search(log.read_text())
        assert found is not None
        address = ("127.0.0.1", int(found[1]))
        with (
            Wire(socket.create_connection(address)) as begun,
            Wire(socket.create_connection(address)) as wire,
        ):
            begun.socket.sendall(b"GET / HTTP/1.1\r\n")
            wire.socket.sendall(request("GET /mcp/sse", "Accept: text/event-stream"))
            wire.socket.recv(1, socket.MSG_PEEK)
            process.send_signal(signal.SIGTERM)
            status, _, body = wire.read()
            assert process.wait(BOUND) == 0
    assert (status, body.startswith(b"event: endpoint")) == (200, True)
    # Plain Daphne stumbles over the request that has only begun.
    assert "pending application instances" in log.read_text()
