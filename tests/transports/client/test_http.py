"""HTTP for the client halves: redirects, refusals, failures and limits."""

from __future__ import annotations

import gzip
import os
import ssl
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    MessageLost,
    RequestFailed,
)
from mcp_django.transports.client.http import (
    MAX_REDIRECTS,
    EventReader,
    HTTPClient,
    media_type,
    read_body,
    read_refusal,
    read_rest,
)
from mcp_django.transports.client.http_environment import system_tls, uses_proxy
from mcp_django.transports.client.http_failures import (
    Timeouts,
    describe,
    error_in,
    is_same_origin,
    parse_url,
    refusal_of,
    show,
    show_text,
)
from mcp_django.transports.event_stream import ServerSentEvent
from tests.transports.http_servers import (
    FakeServer,
    Play,
    SocketServer,
    Stream,
    Wire,
    answer_stream,
    play_bytes,
    play_reset,
    play_until_left,
    respond,
    serve,
)
from tests.transports.witness import PATIENCE_SECONDS

URL = "http://shop.example/mcp"
SECRET = "s3cr3t"
BODY = b'{"token": "s3cr3t"}'


@asynccontextmanager
async def client_of(
    http: httpx2.AsyncClient | None = None,
    *,
    connect: float = 5.0,
    read: float = 5.0,
    **options: Any,
) -> AsyncIterator[HTTPClient]:
    """Open a client, and close it at the end."""
    given = {"headers": None, "auth": None, "verify": None, **options}
    client = HTTPClient(http=http, timeouts=Timeouts(connect, read), **given)
    client.open()
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            yield client
    finally:
        await client.close()


async def ask(
    client: HTTPClient, url: str = URL, method: str = "POST", **options: Any
) -> tuple[int, bytes]:
    """Ask for a URL, and read the whole content."""
    body = BODY if method == "POST" else None
    async with client.exchange(
        method, httpx2.URL(url), body=body, **options
    ) as response:
        return response.status_code, await read_body(response, 10_000)


# URLs -------------------------------------------------------------------------------

ORIGINS = {
    "the same": ("http://a.example/x", "http://a.example/y?z", True),
    "a default port": ("http://a.example/", "http://a.example:80/", True),
    "a default port of TLS": ("https://a.example:443/", "https://a.example/", True),
    "another case": ("HTTP://A.Example/", "http://a.example/", True),
    "a user": ("http://u:p@a.example/", "http://a.example/", True),
    "another spelling": (
        "http://müller.example/",
        "http://xn--mller-kva.example/",
        True,
    ),
    "another scheme": ("http://a.example/", "https://a.example/", False),
    "another scheme on its port": ("http://a.example:443", "https://a.example", False),
    "another host": ("http://a.example/", "http://b.example/", False),
    "a host within": ("http://a.example/", "http://a.example.evil/", False),
    "a host as user": ("http://a.example/", "http://a.example@evil/", False),
    "another port": ("http://a.example:8000/", "http://a.example:8001/", False),
}


@pytest.mark.parametrize(("one", "other", "is_same"), ORIGINS.values(), ids=ORIGINS)
def test_origin_is_scheme_host_and_port(one: str, other: str, is_same: bool) -> None:
    """Spec: RFC 6454, section 5."""
    assert is_same_origin(httpx2.URL(one), httpx2.URL(other)) is is_same


NO_URLS = {
    "mcp": "it must begin with http:// or https://",
    "": "it must begin with http:// or https://",
    "ftp://a.example/": "it must begin with http:// or https://",
    "http:///mcp": "it names no host",
    "http://a.example:70000/": "its port is larger than 65535",
    "http://a.example:x/": "it is no URL: Invalid port: 'x'",
    "http://[::1/": "it is no URL: Invalid port: ':1'",
}


@pytest.mark.parametrize(("url", "reason"), NO_URLS.items())
def test_what_cannot_be_reached_is_no_url(url: str, reason: str) -> None:
    """Our choice: the address is told apart from the network."""
    with pytest.raises(ValueError) as caught:
        parse_url(url)
    assert str(caught.value) == reason


def test_url_is_shown_without_what_may_be_secret() -> None:
    """Our choice: it goes to logs."""
    assert show(httpx2.URL(URL)) == "'http://shop.example/mcp'"
    url = httpx2.URL("http://me:s3cr3t@shop.example:81/mcp?key=s3cr3t#s3cr3t")
    assert show(url) == "'http://shop.example:81/mcp?...'"
    assert show_text("http://me:s3cr3t@shop:x/a?s3cr3t") == "'http://shop:x/a'"


def test_url_is_shown_up_to_a_length() -> None:
    """Our choice: a server cannot fill the log."""
    assert len(show(httpx2.URL("http://shop.example/" + "x" * 60_000))) < 250
    assert len(show_text("x" * 60_000)) < 250


# Requests ---------------------------------------------------------------------------


async def test_request_carries_the_headers_of_client_and_request() -> None:
    """Our choice: what the transport says counts more than what its user does."""
    server = FakeServer(lambda request: httpx2.Response(200))
    headers = {"Authorization": "Bearer x", "Accept": "text/html"}
    async with client_of(server.client(), headers=headers) as client:
        await ask(client, headers={"accept": "application/json"})
    [request] = server.requests
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers.get_list("accept") == ["application/json"]
    assert request.content == BODY


async def test_request_is_authenticated() -> None:
    """Our choice: an `auth` object goes before what the HTTP client has."""
    server = FakeServer(lambda request: httpx2.Response(200))
    http = server.client(auth=httpx2.BasicAuth("her", "own"))
    async with client_of(http, auth=httpx2.BasicAuth("a", "b")) as client:
        await ask(client)
    async with client_of(http) as client:
        await ask(client)
    given = [request.headers["authorization"] for request in server.requests]
    assert given == ["Basic YTpi", "Basic aGVyOm93bg=="]


async def test_client_of_the_caller_stays_open() -> None:
    """Our choice: the transport closes what it opened, and no more."""
    server = FakeServer(lambda request: httpx2.Response(200))
    http = server.client()
    async with client_of(http) as client:
        await ask(client)
    assert not http.is_closed
    await http.aclose()
    with pytest.raises(RequestFailed) as caught:
        await ask(client)
    assert str(caught.value) == (
        "cannot send to 'http://shop.example/mcp': the HTTP client is closed"
    )


@pytest.mark.parametrize("value", ["Bearer s3cr3t\n", "Bearer s3cr3t\0", "s3cr3té"])
def test_header_that_cannot_be_written_is_refused(value: str) -> None:
    """Our choice: at once, and without its value, which may be a token."""
    with pytest.raises(ValueError) as caught:
        HTTPClient(
            headers={"Authorization": value},
            auth=None,
            http=None,
            verify=None,
            timeouts=Timeouts(1.0, 1.0),
        )
    assert "'Authorization'" in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_token_that_cannot_be_written_stays_secret() -> None:
    """Our choice: the HTTP library would show it."""
    auth = httpx2.FunctionAuth(_add_bad_token)
    async with (
        serve(respond(200)) as server,
        client_of(auth=auth) as client,
    ):
        with pytest.raises(RequestFailed) as caught:
            await ask(client, server.url)
    assert str(caught.value) == (
        f"cannot write a request to {server.url!r}: a header has characters that HTTP "
        "forbids, such as a line end or a space behind a token"
    )
    assert caught.value.__cause__ is None


def _add_bad_token(request: httpx2.Request) -> httpx2.Request:
    request.headers["Authorization"] = f"Bearer {SECRET}\n"
    return request


# Redirects --------------------------------------------------------------------------


def redirects(*answers: tuple[int, str]) -> FakeServer:
    """Make a server that redirects, by status and location, and then answers."""
    rest = list(answers)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if not rest:
            return httpx2.Response(200, text="here")
        status, location = rest.pop(0)
        return httpx2.Response(status, headers={"location": location}, text="gone")

    return FakeServer(answer)


@pytest.mark.parametrize("status", [307, 308])
async def test_redirect_within_the_origin_is_followed(status: int) -> None:
    """Our choice: with the same method, body and headers."""
    server = redirects((status, "/mcp/"), (status, "http://shop.example:80/last?a=b"))
    async with client_of(server.client()) as client:
        assert await ask(client, headers={"x-a": "b"}) == (200, b"here")
    assert [str(request.url) for request in server.requests] == [
        "http://shop.example/mcp",
        "http://shop.example/mcp/",
        "http://shop.example/last?a=b",
    ]
    for request in server.requests:
        assert (request.method, request.content) == ("POST", BODY)
        assert request.headers["x-a"] == "b"


async def test_redirect_keeps_who_we_are() -> None:
    """Our choice: a server cannot name the user, and need not repeat it."""
    server = redirects((307, "http://evil@shop.example/a"), (307, "/b"))
    async with client_of(server.client()) as client:
        await ask(client, "http://me:pw@shop.example/mcp")
    users = [request.url.userinfo for request in server.requests]
    assert users == [b"me:pw"] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_get_is_redirected_by_any_status(status: int) -> None:
    """Our choice: a GET stays one, whatever the status."""
    server = redirects((status, "/sse/"))
    async with client_of(server.client()) as client:
        assert await ask(client, method="GET") == (200, b"here")
    assert [request.method for request in server.requests] == ["GET", "GET"]


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_redirect_that_would_make_a_get_is_refused(status: int) -> None:
    """Our choice: the message would be lost on the way."""
    server = redirects((status, "/mcp/?key=s3cr3t"))
    async with client_of(server.client()) as client:
        with pytest.raises(HTTPRefused) as caught:
            await ask(client)
    assert str(caught.value).endswith(
        ": the server redirects to 'http://shop.example/mcp/?...'; if that is meant, "
        "connect to it"
    )
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "https://shop.example/mcp",
        "http://evil.example/mcp",
        "//evil.example/mcp",
        "http://shop.example:8000/mcp",
        "http://shop.example@evil.example/mcp",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_redirect_to_another_origin_is_refused(
    location: str, method: str
) -> None:
    """Our choice: messages and tokens are for the server that was named."""
    server = redirects((308, location))
    async with client_of(server.client()) as client:
        with pytest.raises(HTTPRefused) as caught:
            await ask(client, method=method)
    target = show(httpx2.URL(URL).join(location))
    assert str(caught.value) == (
        f"{method} 'http://shop.example/mcp' was refused with status 308 Permanent "
        f"Redirect: the server redirects to {target}; if that is meant, connect to it"
    )
    assert (caught.value.status, caught.value.headers["location"]) == (308, location)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location", ["http://[::1", "ftp://a.example/", "http://a.example:70000/"]
)
async def test_redirect_to_nowhere_is_refused(location: str) -> None:
    """Our choice: it is the server's fault."""
    server = redirects((307, location))
    async with client_of(server.client()) as client:
        with pytest.raises(HTTPRefused) as caught:
            await ask(client)
    assert str(caught.value).endswith(": the server redirects to what is no URL")


async def test_redirects_are_followed_a_few_times() -> None:
    """Our choice: a circle ends."""
    several = [(307, "/mcp")] * MAX_REDIRECTS
    async with client_of(redirects(*several).client()) as client:
        assert await ask(client) == (200, b"here")
    server = redirects(*several, (307, "/mcp"))
    async with client_of(server.client()) as client:
        with pytest.raises(HTTPRefused) as caught:
            await ask(client)
    assert str(caught.value).endswith(": the server redirects more than 5 times")


async def test_client_that_follows_redirects_does_not_here() -> None:
    """Our choice: the rule holds for the caller's client, too."""
    server = redirects((302, "http://evil.example/"))
    async with client_of(server.client(follow_redirects=True)) as client:
        with pytest.raises(HTTPRefused):
            await ask(client)
    assert len(server.requests) == 1


# Failures ---------------------------------------------------------------------------


async def test_port_where_no_server_listens() -> None:
    """Our choice: the text is for people who look at three in the morning."""
    async with serve(respond(200)) as server:
        pass
    async with client_of() as client:
        with pytest.raises(RequestFailed) as caught:
            await ask(client, f"{server.url}/mcp?key=s3cr3t")
    assert str(caught.value) == (
        f"cannot reach '{server.url}/mcp?...': Connection refused"
    )


async def test_name_that_no_host_has() -> None:
    """Our choice: the text says that it is the name."""
    async with client_of() as client:
        with pytest.raises(RequestFailed) as caught:
            await ask(client, "http://nobody.invalid/")
    assert str(caught.value).startswith(
        "cannot reach 'http://nobody.invalid/': its name is not known: "
    )


async def test_server_that_speaks_no_tls() -> None:
    """Our choice: the text says that it is TLS."""
    async with (
        serve(play_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server,
        client_of() as client,
    ):
        url = server.url.replace("http", "https")
        with pytest.raises(RequestFailed) as caught:
            await ask(client, url)
    assert str(caught.value).startswith(f"cannot reach {url!r}: TLS failed: ")


BROKEN: dict[str, tuple[Play, str]] = {
    "an end": (
        play_bytes(b""),
        "{} does not speak HTTP as it should: Server disconnected without sending a "
        "response.",
    ),
    "garbage": (
        play_bytes(b"hello\r\n\r\n"),
        "{} does not speak HTTP as it should: illegal status line: bytearray(b'hello')",
    ),
    "half a response": (
        play_bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
        "{} does not speak HTTP as it should: peer closed connection without sending "
        "complete message body (received 5 bytes, expected 10)",
    ),
    "a wrong encoding": (
        respond(200, b"hello", {"content-encoding": "gzip"}),
        "the content of {} is not encoded as its headers say",
    ),
}


@pytest.mark.parametrize(("play", "text"), BROKEN.values(), ids=BROKEN)
async def test_server_that_breaks_off(play: Play, text: str) -> None:
    """Our choice: no exception of the HTTP library is seen outside."""
    async with serve(play) as server, client_of() as client:
        with pytest.raises(RequestFailed) as caught:
            await ask(client, server.url)
    assert str(caught.value) == text.format(repr(server.url))
    assert caught.value.request_id is None


async def test_server_that_resets_the_connection() -> None:
    """Our choice: as above; whether the end comes first is for the system to say."""
    async with serve(play_reset) as server, client_of() as client:
        with pytest.raises(RequestFailed, match=r" broke$|disconnected without"):
            await ask(client, server.url)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello"])
async def test_server_that_is_silent(begun: bytes) -> None:
    """Our choice: silence counts as a broken connection."""
    async with (
        serve(play_until_left(begun)) as server,
        client_of(read=0.05) as client,
    ):
        with pytest.raises(RequestFailed) as caught:
            await ask(client, server.url)
    assert str(caught.value) == f"nothing came from {server.url!r} for 0.05 s"


TIMES = Timeouts(connect=2.0, read=30.0)
WORDS = {
    httpx2.ConnectTimeout: "cannot reach 'http://a.example': no connection in 2 s",
    httpx2.WriteTimeout: "'http://a.example' took nothing for 30 s",
    httpx2.PoolTimeout: (
        "cannot reach 'http://a.example': the HTTP client had no connection left for "
        "2 s; let it open more, by httpx2.Limits"
    ),
    httpx2.ProxyError: "cannot reach 'http://a.example': no",
    httpx2.ConnectError: "cannot reach 'http://a.example': no",
    httpx2.WriteError: "the connection with 'http://a.example' broke",
    httpx2.CloseError: "the connection with 'http://a.example' broke",
    httpx2.UnsupportedProtocol: "cannot reach 'http://a.example': no",
    httpx2.InvalidURL: "cannot reach 'http://a.example': no",
    httpx2.TooManyRedirects: "the request to 'http://a.example' failed with "
    "TooManyRedirects",
}


@pytest.mark.parametrize(("kind", "text"), WORDS.items())
def test_failures_have_our_words(kind: type[Exception], text: str) -> None:
    """Our choice: of what cannot be made to happen here."""
    assert describe(kind("no"), httpx2.URL("http://me:pw@a.example"), TIMES) == text


async def test_connection_that_does_not_come_about() -> None:
    """Our choice: a caller's own client obeys, too, and says which limit it has."""
    async with (
        serve(play_until_left(b"HTTP/1.1 200 OK\r\n\r\n")) as server,
        httpx2.AsyncClient(limits=httpx2.Limits(max_connections=1)) as http,
        client_of(http, connect=0.05) as client,
        client.exchange("GET", httpx2.URL(server.url)),
    ):
        with pytest.raises(RequestFailed, match=r"had no connection left for 0.05 s"):
            await ask(client, server.url)


# The environment --------------------------------------------------------------------

PROXY = "http://me:s3cr3t@127.0.0.1:1"
WRONG_SETTINGS: dict[str, tuple[str, str, str, type[Exception] | None]] = {
    "a file that is not there": (
        "SSL_CERT_FILE",
        "/nonexistent",
        "[Errno 2] No such file or directory",
        FileNotFoundError,
    ),
    "a file without certificates": (
        "SSL_CERT_FILE",
        __file__,
        "[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found",
        ssl.SSLError,
    ),
    "a proxy that is none": (
        "HTTP_PROXY",
        "ftp://me:s3cr3t@proxy.example",
        "the URL of a proxy cannot be used",
        ValueError,
    ),
    "a proxy that has no URL": (
        "HTTP_PROXY",
        "http://me:s3cr3t",
        "the URL of a proxy cannot be used",
        None,
    ),
    "a proxy that needs a library": (
        "ALL_PROXY",
        "socks5://me:s3cr3t@127.0.0.1:1",
        "Using SOCKS proxy, but the 'socksio' package is not installed",
        ImportError,
    ),
}


@pytest.mark.parametrize(
    ("name", "value", "reason", "cause"), WRONG_SETTINGS.values(), ids=WRONG_SETTINGS
)
def test_environment_that_lets_us_make_no_requests(
    name: str,
    value: str,
    reason: str,
    cause: type[Exception] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our choice: the text says where to look, and shows no password."""
    monkeypatch.setitem(sys.modules, "socksio", None)  # as if it were not installed
    monkeypatch.setenv(name, value)
    client = HTTPClient(
        headers=None, auth=None, http=None, verify=None, timeouts=Timeouts(1.0, 1.0)
    )
    with pytest.raises(ConnectFailed) as caught:
        client.open()
    text = str(caught.value)
    assert text.startswith(f"cannot make HTTP requests: {reason}")
    assert text.endswith("; look at SSL_CERT_FILE / HTTP_PROXY / ALL_PROXY")
    assert isinstance(caught.value.__cause__, cause or type(None))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_tls_settings_of_the_system_are_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our choice: to read all certificates takes long."""
    first = system_tls()
    assert system_tls() is first
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    assert system_tls() is not first


@pytest.mark.parametrize("own", [True, False])
async def test_clients_are_made_with_the_tls_settings(
    own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: those of the caller, or else those of the system."""
    given: list[object] = []
    make = httpx2.AsyncClient

    def note(**options: Any) -> httpx2.AsyncClient:
        given.append(options["verify"])
        return make(**options)

    monkeypatch.setattr(httpx2, "AsyncClient", note)
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if own else None
    for _ in range(2):
        async with client_of(verify=verify):
            pass
    assert given == [verify or system_tls()] * 2


async def test_tls_settings_for_the_callers_client_are_refused() -> None:
    """Our choice: they would have no effect."""
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx2.AsyncClient() as http:
        with pytest.raises(ValueError, match="verify has no effect with http"):
            async with client_of(http, verify=verify):
                pass


PROXIES: list[tuple[str, str, str, bool]] = [
    ("HTTP_PROXY", "", "http://a.example", True),
    ("HTTP_PROXY", "", "https://a.example", False),
    ("HTTPS_PROXY", "", "https://a.example", True),
    ("ALL_PROXY", "", "http://a.example", True),
    ("ALL_PROXY", "*", "http://a.example", False),
    ("ALL_PROXY", "b.example, a.example", "http://x.a.example", False),
    ("ALL_PROXY", "b.example", "http://a.example", True),
    ("ALL_PROXY", "10.0.0.0/8", "http://10.1.2.3", False),
    ("ALL_PROXY", "10.0.0.0/8", "http://11.1.2.3", True),
]


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies out of the environment."""
    for name in list(os.environ):
        # HTTP_PROXY means nothing to a program that looks like one of CGI.
        if name.lower().endswith("_proxy") or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(("name", "no_proxy", "url", "uses"), PROXIES)
async def test_proxy_of_the_environment(
    name: str, no_proxy: str, url: str, uses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: what we say of it is what httpx2 does."""
    monkeypatch.setenv(name, PROXY)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert uses_proxy(httpx2.URL(url)) is uses
    async with httpx2.AsyncClient() as http:
        transport = http._transport_for_url(httpx2.URL(url))
        assert (transport is not http._transport) is uses


@pytest.mark.usefixtures("no_proxies")
async def test_proxy_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: the text says that the server was not even asked."""
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    async with client_of() as client:
        with pytest.raises(RequestFailed) as caught:
            await ask(client)
    assert str(caught.value) == (
        f"cannot reach {URL!r}: Connection refused (by the proxy that the environment "
        "names)"
    )


@pytest.mark.usefixtures("no_proxies")
async def test_failure_of_the_callers_client_names_no_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our choice: which proxy that has, we do not know."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no")

    monkeypatch.setenv("HTTP_PROXY", PROXY)
    async with client_of(FakeServer(refuse).client()) as client:
        with pytest.raises(RequestFailed, match=r"cannot reach '[^']*': no$"):
            await ask(client)


# Refusals ---------------------------------------------------------------------------


def response_of(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> httpx2.Response:
    request = httpx2.Request("POST", "http://me:pw@shop.example/mcp?key=s3cr3t")
    return httpx2.Response(status, headers=headers, content=body, request=request)


def test_refusal_has_status_headers_and_the_beginning_of_the_body() -> None:
    """Our choice: what a program needs to go on, such as to log in."""
    body = b"x" * 3000 + b"\xff"
    headers = {"WWW-Authenticate": "Bearer", "X-A": "b"}
    refused = refusal_of(response_of(401, body, headers), body)
    assert str(refused) == (
        "POST 'http://shop.example/mcp?...' was refused with status 401 Unauthorized"
    )
    assert refused.status == 401
    assert refused.body == "x" * 2000
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["x-a"] == "b"


def test_refusal_says_what_a_json_rpc_error_in_it_says() -> None:
    """Our choice: that is written for developers; a page of HTML is not."""
    body = b'{"jsonrpc":"2.0","error":{"code":-32000,"message":"%b"}}' % (b"x" * 500)
    text = str(refusal_of(response_of(503, body), body))
    assert text.endswith(f"with status 503 Service Unavailable: {'x' * 200}")
    page = b"<html>Sorry</html>"
    assert str(refusal_of(response_of(599, page), page)).endswith("with status 599")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"jsonrpc":"2.0","result":{}}'])
def test_other_bodies_hold_no_error(body: bytes) -> None:
    """Our choice: a result, for example, is none, whatever the status."""
    assert error_in(body) is None


# Content ----------------------------------------------------------------------------


async def read_with(server: FakeServer | SocketServer, read: Any) -> Any:
    """Read the content of a response in some way."""
    http = server.client() if isinstance(server, FakeServer) else None
    url = URL if isinstance(server, FakeServer) else server.url
    async with (
        client_of(http) as client,
        client.exchange("GET", httpx2.URL(url)) as response,
    ):
        return await read(response)


def test_media_type_is_read_without_parameters() -> None:
    """Spec: RFC 9110, section 8.3.1."""
    headers = {"content-type": "Application/JSON ; charset=utf-8"}
    assert media_type(response_of(200, headers=headers)) == "application/json"
    assert media_type(response_of(200)) == ""


@pytest.mark.parametrize("ends", [True, False])
async def test_body_that_is_too_long_is_not_read(ends: bool) -> None:
    """Our choice: a server cannot fill the memory, nor by what it compresses."""
    body = Stream(b"x" * 60, b"x" * 60, ends=ends)
    server = FakeServer(lambda request: httpx2.Response(200, stream=body))
    with pytest.raises(MessageLost) as caught:
        await read_with(server, lambda response: read_body(response, 100))
    assert str(caught.value) == "the content is longer than 100 bytes"
    await body.wait_until_left()


async def test_body_that_grows_too_long_when_unpacked_is_not_read() -> None:
    """Our choice: the limit is for what has to be kept."""
    headers = {"content-encoding": "gzip"}
    async with serve(respond(200, gzip.compress(b"x" * 10**7), headers)) as server:
        with pytest.raises(MessageLost):
            await read_with(server, lambda response: read_body(response, 2 * 10**6))


async def test_body_as_long_as_the_limit_is_read() -> None:
    """Our choice: a limit is what may be."""
    server = FakeServer(lambda request: httpx2.Response(200, content=b"x" * 100))
    assert await read_with(server, lambda r: read_body(r, 100)) == b"x" * 100


async def test_endless_refusal_is_read_in_part() -> None:
    """Our choice: its beginning says enough."""
    body = Stream(*[b"x" * 1000] * 1000)
    server = FakeServer(lambda request: httpx2.Response(500, stream=body))
    assert await read_with(server, read_refusal) == b"x" * 256 * 1024


async def test_refusal_that_breaks_off_is_read_in_part() -> None:
    """Our choice: the status counts more than how it ends."""
    body = Stream(b"sorry")
    body.break_off()
    server = FakeServer(lambda request: httpx2.Response(500, stream=body))
    assert await read_with(server, read_refusal) == b"sorry"


@pytest.mark.parametrize("chunks", [[], [b"x" * 1000] * 1000])
async def test_rest_that_does_not_end_is_left(chunks: list[bytes]) -> None:
    """Our choice: the connection is worth a second, and 64 KiB."""
    body = Stream(*chunks)
    server = FakeServer(lambda request: httpx2.Response(202, stream=body))
    await read_with(server, read_rest)
    await body.wait_until_left()


async def test_rest_that_breaks_off_is_no_failure() -> None:
    """Our choice: it was not wanted."""
    body = Stream(b"x")
    body.break_off()
    server = FakeServer(lambda request: httpx2.Response(202, stream=body))
    await read_with(server, read_rest)


async def test_connection_is_kept_for_the_next_request() -> None:
    """Our choice: shaking hands costs more than a small request."""
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    async def play(wire: Wire) -> None:
        await wire.send(whole)
        await wire.receive_next()
        await wire.send(whole)

    async with serve(play, respond(500)) as server, client_of() as client:
        assert await ask(client, server.url) == (200, b"{}")
        assert await ask(client, server.url) == (200, b"{}")


# Events -----------------------------------------------------------------------------


async def read_events(reader: EventReader, *chunks: bytes) -> list[ServerSentEvent]:
    """Read one connection of a stream to its end."""
    server = FakeServer(lambda request: answer_stream(Stream(*chunks, ends=True)))

    async def read(response: httpx2.Response) -> list[ServerSentEvent]:
        async with aclosing(reader.read(response)) as events:
            return [event async for event in events]

    events: list[ServerSentEvent] = await read_with(server, read)
    return events


async def test_events_are_read_over_several_connections() -> None:
    """Our choice: where to go on is known however often the connection breaks."""
    reader = EventReader(1000)
    assert await read_events(reader, b"id: 1\ndata: a\n\nid: 2\nda", b"ta: b\n\n") == [
        ServerSentEvent("a", id="1"),
        ServerSentEvent("b", id="2"),
    ]
    assert (reader.last_event_id, reader.retry_seconds) == ("2", None)
    assert await read_events(reader, b"data: c\n\nid: 4\ndata: half") == [
        ServerSentEvent("c")
    ]
    assert (reader.last_event_id, reader.count) == ("2", 3)


async def test_event_without_data_says_when_and_where_to_come_back() -> None:
    """Spec: WHATWG HTML, 9.2.6 "Interpreting an event stream"."""
    reader = EventReader(1000)
    assert await read_events(reader, b"id: 7\nretry: 1500\n\n") == []
    assert (reader.last_event_id, reader.retry_seconds) == ("7", 1.5)
    await read_events(reader, b"retry: 20\ndata: a\n\n", b"retry: 30\n")
    assert reader.retry_seconds == 0.03
    await read_events(reader, b"data: a\n\n")
    assert (reader.last_event_id, reader.retry_seconds) == ("7", 0.03)


async def test_event_that_is_too_long_is_an_error() -> None:
    """Our choice: a server cannot fill the memory."""
    with pytest.raises(MessageLost, match="an event is longer than 1000 bytes"):
        await read_events(EventReader(1000), *[b"data: %b\n" % (b"x" * 100)] * 11)
