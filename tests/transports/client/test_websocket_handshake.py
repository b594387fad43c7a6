"""How a client becomes a WebSocket, or says why it does not."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream
from websockets.frames import Opcode

from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    TransportClosed,
    TransportError,
)
from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.websocket import WebSocketClientTransport
from tests.certificates import write_certificate
from tests.transports.websocket_peer import Peer, closing, connected, frame, listening
from tests.transports.witness import PATIENCE_SECONDS, Witness

PING = jsonrpc.request(1, "ping", None)
TEXT = jsonrpc.serialize(PING)


async def say_goodbye(peer: Peer) -> None:
    """Do what a server does when its client closes."""
    code, reason = await peer.close_frame()
    await peer.stream.send(closing(code, reason))


async def why_not(transport: WebSocketClientTransport) -> TransportError:
    """Start a client in vain; give what it raises."""
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            with pytest.raises(TransportError) as caught:
                await transport.start(tasks)
            with pytest.raises(TransportClosed, match="is not open"):
                await transport.send(PING)
            await transport.close()
    return caught.value


# What is asked for --------------------------------------------------------------


async def test_handshake_asks_for_mcp_and_no_more() -> None:
    """Chosen: no `Origin`, which is for browsers, and no compression."""
    paths: list[str] = []
    headers: dict[str, str] = {}

    async def serve(peer: Peer) -> None:
        request = await peer.accept()
        paths.append(request.path)
        headers.update(request.headers.raw_items())
        await say_goodbye(peer)

    given = {"Authorization": "Bearer t", "X-Name": "a\tb"}
    async with listening(serve) as url, connected(url + "?key=1", headers=given):
        pass
    assert paths == ["/mcp?key=1"]
    assert len(headers.pop("Sec-WebSocket-Key")) == 24
    assert headers == {
        "Host": url.removeprefix("ws://").removesuffix("/mcp"),
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "mcp",
        **given,
    }


async def test_headers_that_are_given_replace_others() -> None:
    """Chosen: such as `Host`, and what a password in the URL is sent as."""
    given = {"host": "shop.example", "authorization": "Bearer t", "Origin": "https://x"}

    async def serve(peer: Peer) -> None:
        request = await peer.accept()
        for name, value in given.items():
            assert request.headers.get_all(name) == [value]
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url.replace("://", "://me:secret@"), headers=given),
    ):
        pass


async def test_password_in_the_url_is_sent() -> None:
    """Chosen: as HTTP clients do; RFC 7617."""

    async def serve(peer: Peer) -> None:
        request = await peer.accept()
        assert request.headers["Authorization"] == "Basic bWU6c2VjcmV0"
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url.replace("://", "://me:secret@")),
    ):
        pass


async def test_name_of_a_host_is_looked_up() -> None:
    """Chosen: each of its addresses is tried."""

    async def serve(peer: Peer) -> None:
        await peer.accept()
        await say_goodbye(peer)

    async with (
        listening(serve) as url,
        connected(url.replace("127.0.0.1", "localhost")),
    ):
        pass


async def test_server_may_select_no_subprotocol() -> None:
    """Chosen: one that knows none sends text frames all the same."""

    async def serve(peer: Peer) -> None:
        await peer.accept({})
        await peer.send_text(TEXT)
        await say_goodbye(peer)

    async with listening(serve) as url, connected(url) as (_, witness):
        assert await witness.until_messages(1) == [PING]


# What cannot be asked for -------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/mcp", "begins with ws:// or wss://, not 'http'"),
        ("shop.example/mcp", "begins with ws:// or wss://, not ''"),
        ("", "begins with ws:// or wss://, not ''"),
        ("ws:///mcp", "hostname isn't provided"),
        ("ws://shop.example/mcp#top", "fragment identifier is meaningless"),
        ("ws://me@shop.example/mcp", "username provided without password"),
        ("ws://shop.example/a b", "no blanks"),
        ("ws://shop.example/\r\nX-Bad: 1", "no blanks"),
        ("ws://shop.example:mcp/", "Port"),
        ("ws://shop.example:70000/", "Port"),
        ("ws://[::1/", "IPv6"),
        (f"ws://caf\u00e9{'x' * 64}.example/", "idna"),
    ],
)
def test_url_that_is_no_websockets_is_refused(url: str, why: str) -> None:
    """Chosen: where it is written, outside of any event loop."""
    with pytest.raises(ValueError, match=re.escape(why)):
        WebSocketClientTransport(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Bad", "1\r\nX-Worse: 2"),
        ("X-Bad", "1\0"),
        ("X-Bad", "caf\u00e9"),
        ("X Bad", "1"),
        ("X-Bad:", "1"),
        ("", "1"),
        ("connection", "close"),
        ("Upgrade", "h2c"),
        ("sec-websocket-protocol", "other"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ],
)
def test_header_that_cannot_be_sent_is_refused(name: str, value: str) -> None:
    """Chosen: where it is written; values may be secret, and are not shown."""
    with pytest.raises(ValueError, match="header") as caught:
        WebSocketClientTransport("ws://shop.example/", headers={name: value})
    assert repr(name) in str(caught.value)
    assert value not in str(caught.value).replace(repr(name), "")


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_silence_needs_a_length(seconds: float) -> None:
    """Chosen: 0 could mean at once, or never."""
    with pytest.raises(ValueError, match="ping_seconds"):
        WebSocketClientTransport("ws://shop.example/", ping_seconds=seconds)


# Who is not there ---------------------------------------------------------------


async def test_refused_connection_is_told() -> None:
    """Spec of `Transport`: `ConnectFailed`. Secrets of the URL are not shown."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
    url = f"ws://me:secret@127.0.0.1:{port}/mcp?token=secret"
    error = await why_not(WebSocketClientTransport(url))
    assert type(error) is ConnectFailed
    shown = f"cannot connect to 'ws://127.0.0.1:{port}/mcp': "
    assert str(error).startswith(shown)
    assert "secret" not in str(error)
    assert "onnect" in str(error).removeprefix(shown)


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'x' * 64}.invalid", "a..b"])
async def test_host_that_is_not_found_is_told(host: str) -> None:
    """Spec of `Transport`: `ConnectFailed`, also for what can be no name."""
    error = await why_not(WebSocketClientTransport(f"ws://{host}/"))
    assert type(error) is ConnectFailed
    assert str(error).startswith(f"cannot connect to 'ws://{host}/': ")


async def test_server_that_says_nothing_is_not_waited_for() -> None:
    """We promise it: within `connect_timeout`."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.until_gone()

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url, connect_timeout=0.1))
    assert type(error) is ConnectFailed
    assert "no answer within 0.1 seconds" in str(error)


# What is no handshake -----------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "connection closed while reading HTTP status line"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "invalid HTTP status line: SSH-2.0"),
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", "HTTP/1.0 401 Unauthorized"),
        (b"HTTP/1.1 101 OK\r\nUpgr", "connection closed while reading HTTP headers"),
        (b"HTTP/1.1 101 OK\r\n\r\n", "missing Connection header"),
        (b"x" * 100_000, "this is no WebSocket: "),
        (b"HTTP/1.1 101 OK\r\nA: " + b"x" * 100_000, "this is no WebSocket: "),
        (b"HTTP/1.1 101 OK\r\n" + b"A: b\r\n" * 1000, "this is no WebSocket: "),
        (b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n", "invalid status code"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 99999999\r\n\r\n", "body too large"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nabc", "after 3 bytes"),
    ],
)
async def test_answer_that_is_no_handshake_is_told(answer: bytes, why: str) -> None:
    """Spec of `Transport`: `ConnectFailed`, in few words, and nothing is left open."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send(answer)

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url))
    assert type(error) is ConnectFailed
    assert why in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Sec-WebSocket-Protocol": "soap"}, "unsupported subprotocol: soap"),
        ({"Sec-WebSocket-Protocol": "mcp, x"}, "invalid Sec-WebSocket-Protocol header"),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, "no extensions supported"),
        ({"Sec-WebSocket-Accept": "x" * 1000}, "invalid Sec-WebSocket-Accept header"),
        ({"Sec-WebSocket-Accept": None}, "missing Sec-WebSocket-Accept header"),
        ({"Upgrade": "h2c"}, "invalid Upgrade header: h2c"),
        ({"Connection": None}, "missing Connection header"),
    ],
)
async def test_handshake_that_was_not_asked_for_is_refused(
    headers: dict[str, str | None], why: str
) -> None:
    """Spec: RFC 6455, 4.1."""

    async def serve(peer: Peer) -> None:
        await peer.accept(headers)
        await peer.until_gone()

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url))
    assert type(error) is ConnectFailed
    assert f"this is no WebSocket: {why}" in str(error)
    assert len(str(error)) < 400


def http(status: str, body: str = "", **headers: str) -> bytes:
    """Write an HTTP response."""
    fields = {"Content-Length": str(len(body.encode())), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{n}: {v}" for n, v in fields.items()), "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            http("404 Not Found", "no such\npath"),
            r"HTTP 404 Not Found: 'no such\npath'",
        ),
        (http("503 " + "x" * 1000, "y" * 1000), f"HTTP 503 {'x' * 200}: '{'y' * 199}"),
        (b"HTTP/1.1 500 Oh\r\n\r\nto the end", "HTTP 500 Oh: 'to the end'"),
        (
            b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nHos\r\n1\r\nt\r\n0\r\n\r\n",
            "HTTP 400 No: 'Host'",
        ),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP 103 Early Hints: ''"),
        (
            http("200 OK", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
            "HTTP 200 OK",
        ),
        (
            http("301 Moved", Location="wss://shop.example/mcp"),
            "HTTP 301 Moved leads to 'wss://shop.example/mcp', where nothing is sent",
        ),
        (http("302 Found", "nowhere"), "HTTP 302 Found: 'nowhere'"),
    ],
)
async def test_other_status_is_told(answer: bytes, why: str) -> None:
    """Chosen: with the beginning of the body; redirects are not followed."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send(answer)

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url))
    assert type(error) is ConnectFailed
    assert why in str(error)
    assert len(str(error)) < 600


@pytest.mark.parametrize("status", [401, 403])
async def test_refusal_of_credentials_is_told_as_over_http(status: int) -> None:
    """Chosen: a program that has others may try with them."""
    headers = {"WWW-Authenticate": "Bearer", "Set-Cookie": "a=1\r\nSet-Cookie: b=2"}

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send(http(f"{status} No", "\u20ac" * 3000, **headers))
        await peer.until_gone()

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url))
    assert isinstance(error, HTTPRefused)
    assert str(error) == f"cannot connect to {url!r}: refused with HTTP {status} No"
    assert (error.status, error.body) == (status, "\u20ac" * 2000)
    assert error.headers == {
        "content-length": "9000",
        "www-authenticate": "Bearer",
        "set-cookie": "a=1, b=2",
    }
    assert error.request_id is None


async def test_refusal_of_credentials_says_what_a_json_rpc_error_in_it_says() -> None:
    """Chosen: as over HTTP; a person can act on it."""
    reason = "the token is unknown, expired or revoked"
    body = jsonrpc.serialize(jsonrpc.error(None, -32600, reason)).decode()

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.stream.send(http("401 Unauthorized", body))
        await peer.until_gone()

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url))
    assert isinstance(error, HTTPRefused)
    assert str(error) == (
        f"cannot connect to {url!r}: refused with HTTP 401 Unauthorized: {reason}"
    )


# Who goes meanwhile -------------------------------------------------------------


async def test_task_that_is_cancelled_while_it_connects_leaves_nothing() -> None:
    """We promise it: the server sees the end of the connection."""
    is_asked = anyio.Event()

    async def serve(peer: Peer) -> None:
        await peer.request()
        is_asked.set()
        await peer.until_gone()

    async with listening(serve) as url, anyio.create_task_group() as tasks:
        transport = WebSocketClientTransport(url)
        tasks.start_soon(transport.start, tasks)
        with anyio.fail_after(PATIENCE_SECONDS):
            await is_asked.wait()
        tasks.cancel_scope.cancel()


async def test_transport_that_is_closed_while_it_connects_does_not_open() -> None:
    """Spec of `Transport`: after `close` nothing is delivered."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await transport.close()
        await peer.until_gone()

    async with listening(serve) as url:
        transport = WebSocketClientTransport(url)
        witness = Witness(transport)
        error = await why_not(transport)
    assert str(error) == f"cannot connect to {url!r}: the transport is closed"
    assert witness.closed == 1


async def test_transport_that_is_closed_does_not_start() -> None:
    """Spec of `Transport`: it is started once."""
    transport = WebSocketClientTransport("ws://127.0.0.1:1/")
    await transport.close()
    assert "the transport is closed" in str(await why_not(transport))


# TLS ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of 127.0.0.1, signed by itself, with its key."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    write_certificate(path)
    return path


async def secured(peer: Peer, certificate: Path) -> Peer:
    """Do the server's half of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    stream = await TLSStream.wrap(
        peer.stream, server_side=True, ssl_context=context, standard_compatible=False
    )
    return Peer(stream)


@pytest.mark.parametrize("ending", ["agreed", "cut"])
async def test_messages_travel_over_tls(certificate: Path, ending: str) -> None:
    """Chosen: the end is agreed upon by frames, so that TLS need not say it too."""
    big = jsonrpc.result(1, {"text": "x" * 1_000_000})

    async def serve(peer: Peer) -> None:
        secure = await secured(peer, certificate)
        await secure.accept()
        assert await secure.text() == jsonrpc.serialize(big)
        await secure.send_text(jsonrpc.serialize(big))
        if ending == "agreed":
            await say_goodbye(secure)

    trusting = ssl.create_default_context(cafile=certificate)
    async with (
        listening(serve) as url,
        connected(url.replace("ws:", "wss:"), ssl_context=trusting) as (
            client,
            witness,
        ),
    ):
        await client.send(big)
        assert await witness.until_messages(1) == [big]
        if ending == "cut":
            await witness.until_closed()
    went = ["the server went without closing the WebSocket"]
    assert [str(error) for error in witness.errors] == went * (ending == "cut")


async def test_bytes_that_are_no_tls_end_the_connection(certificate: Path) -> None:
    """Spec of `Transport`: reported, and closed."""

    async def serve(peer: Peer) -> None:
        secure = await secured(peer, certificate)
        await secure.accept(more=frame(Opcode.TEXT, TEXT))
        await secure.text()
        await peer.stream.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await peer.until_gone()

    trusting = ssl.create_default_context(cafile=certificate)
    async with (
        listening(serve) as url,
        connected(url.replace("ws:", "wss:"), ssl_context=trusting) as (
            client,
            witness,
        ),
    ):
        await client.send(PING)
        await witness.until_closed()
    [error] = witness.errors
    assert type(error) is TransportClosed
    assert "went without closing the WebSocket: " in str(error)
    assert witness.messages == [PING]


@pytest.mark.parametrize("trusts", ["nobody", "another name"])
async def test_certificate_that_is_not_trusted_is_told(
    certificate: Path, trusts: str
) -> None:
    """Chosen: by default whom Python trusts is trusted, and only under its name."""

    async def serve(peer: Peer) -> None:
        with pytest.raises((ssl.SSLError, anyio.EndOfStream)):
            await secured(peer, certificate)

    async with listening(serve) as url:
        url = url.replace("ws:", "wss:")
        context = None
        if trusts == "another name":
            url = url.replace("127.0.0.1", "localhost")
            context = ssl.create_default_context(cafile=certificate)
        error = await why_not(WebSocketClientTransport(url, ssl_context=context))
    assert type(error) is ConnectFailed
    assert "certificate verify failed" in str(error)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
async def test_server_without_tls_is_told(answer: bytes) -> None:
    """Spec of `Transport`: `ConnectFailed`."""

    async def serve(peer: Peer) -> None:
        await peer.stream.receive()
        await peer.stream.send(answer)
        if answer:
            await peer.until_gone()

    async with listening(serve) as url:
        error = await why_not(WebSocketClientTransport(url.replace("ws:", "wss:")))
    assert type(error) is ConnectFailed
    expected = "SSL" if answer else "the peer closed the connection"
    assert expected in str(error)


async def test_server_that_does_not_finish_tls_is_not_waited_for() -> None:
    """We promise it: within `connect_timeout`."""

    async def serve(peer: Peer) -> None:
        await peer.until_gone()

    async with listening(serve) as url:
        url = url.replace("ws:", "wss:")
        error = await why_not(WebSocketClientTransport(url, connect_timeout=0.1))
    assert "no answer within 0.1 seconds" in str(error)
