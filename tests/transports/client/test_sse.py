"""HTTP+SSE, the client's half."""

from __future__ import annotations

import ssl
from typing import Any

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    MessageLost,
    ParseError,
    RemoteProtocolError,
    RequestFailed,
    SessionLost,
    TransportClosed,
    TransportError,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, Message
from mcp_django.transports.base import Sender
from mcp_django.transports.client.http_transport import HTTPClientTransport
from mcp_django.transports.client.sse import MAX_WAITING, SSEClientTransport
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from tests.transports.http_servers import (
    Answer,
    FakeServer,
    Play,
    Stream,
    answer_stream,
    begin_events,
    event_of,
    opened,
    play_bytes,
    play_reset,
    play_until_left,
    respond,
    serve,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

URL = "http://shop.example/mcp/sse"
SHORT_SECONDS = 1.0
"""A timeout that runs out in a test, and not before what has to come has come."""
TOO_LONG = f"cannot read on from '{URL}': an event is longer than 1000 bytes"
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
NOTE = jsonrpc.notification("notifications/message", {"level": "info", "data": 1})
CHANGED = jsonrpc.notification("notifications/roots/list_changed")


def endpoint(named: str = "/mcp/messages?session_id=1") -> bytes:
    return b"event: endpoint\ndata: " + named.encode() + b"\n\n"


def sse_server(
    *streams: Stream | bytes | int, post: Answer | None = None
) -> FakeServer:
    """Make a server.

    Args:
        streams: What a GET is answered with, one after the other: streams, or statuses.
        post: Answers a POST; 202 unless given.
    """
    rest = list(streams)

    def answer(request: httpx2.Request) -> Any:
        if request.method == "POST":
            return post(request) if post is not None else httpx2.Response(202)
        match rest.pop(0):
            case int() as status:
                return httpx2.Response(status)
            case stream:
                return answer_stream(stream)

    return FakeServer(answer)


def over(server: FakeServer, **options: Any) -> SSEClientTransport:
    """Make a transport to a server in this process."""
    return SSEClientTransport(URL, http=server.client(), **options)


async def failure_to_open(
    transport: HTTPClientTransport,
) -> TransportError:
    """Start a transport that cannot be opened, and see that nothing of it is left."""
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            with pytest.raises((ConnectFailed, HTTPRefused)) as caught:
                await transport.start(tasks)
    await transport.close()
    assert witness.closed == 1
    return caught.value


async def until_errors(witness: Witness, count: int) -> list[Exception]:
    """Wait until so much went wrong."""
    await witness.until(lambda w: len(w.errors) >= count)
    return witness.errors


# The endpoint -----------------------------------------------------------------------

ENDPOINTS = {
    "a path": (
        "/mcp/messages?session_id=1",
        "http://shop.example/mcp/messages?session_id=1",
    ),
    "a relative path": (
        "messages?a=%C3%BC",
        "http://shop.example/mcp/messages?a=%C3%BC",
    ),
    "a query": ("?session_id=1", "http://shop.example/mcp/sse?session_id=1"),
    "a URL": ("http://shop.example/m", "http://shop.example/m"),
    "a URL with its port": ("HTTP://Shop.Example:80/m", "http://shop.example/m"),
    "no scheme": ("//shop.example/m", "http://shop.example/m"),
    "a fragment": ("/m#x", "http://shop.example/m"),
}


@pytest.mark.parametrize(("named", "url"), ENDPOINTS.values(), ids=ENDPOINTS)
async def test_messages_go_where_the_server_says(named: str, url: str) -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE"; a URI may be relative."""
    server = sse_server(Stream(endpoint(named)))
    transport = over(server, headers={"Authorization": "Bearer x"})
    async with opened(transport):
        await transport.send(PING)
        get, post = await server.until_requests(2)
    assert (get.method, str(get.url)) == ("GET", URL)
    assert get.headers["accept"] == "text/event-stream"
    assert (post.method, str(post.url)) == ("POST", url)
    assert post.headers["content-type"] == "application/json"
    assert post.content == jsonrpc.serialize(PING)
    for request in (get, post):
        assert request.headers["authorization"] == "Bearer x"


@pytest.mark.parametrize(
    "named",
    [
        "https://shop.example/m",
        "http://evil.example/m",
        "//evil.example/m",
        "http://shop.example:8000/m",
        "http://shop.example@evil.example/m",
    ],
)
async def test_endpoint_of_another_origin_is_refused(named: str) -> None:
    """Our choice: messages and tokens are for the server that was named."""
    stream = Stream(endpoint(named))
    server = sse_server(stream)
    failure = await failure_to_open(over(server))
    assert str(failure).startswith(f"'{URL}' names an endpoint of another origin, '")
    assert str(failure).endswith(
        "; a server must not send its clients' messages and tokens elsewhere"
    )
    await stream.wait_until_left()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "named", ["http://[::1", "mailto:me", "http://a.example:99999"]
)
async def test_endpoint_that_is_no_url_is_refused(named: str) -> None:
    """Our choice: it is the server's fault."""
    failure = await failure_to_open(over(sse_server(Stream(endpoint(named)))))
    assert str(failure).startswith(f"'{URL}' names an endpoint that is no URL: ")


async def test_endpoint_keeps_who_we_are() -> None:
    """Our choice: a server cannot name the user, and need not repeat it."""
    server = sse_server(Stream(endpoint("http://evil@shop.example/m")))
    transport = SSEClientTransport(
        "http://me:pw@shop.example/sse", http=server.client()
    )
    async with opened(transport):
        await transport.send(PING)
        _, post = await server.until_requests(2)
    assert post.url.userinfo == b"me:pw"


async def test_endpoint_is_relative_to_where_a_redirect_led() -> None:
    """Spec: RFC 3986, section 5.1.3: the base is the URL of the retrieval."""
    answers = [
        httpx2.Response(307, headers={"location": "/moved/sse"}),
        answer_stream(Stream(endpoint("messages"))),
        httpx2.Response(202),
    ]
    server = FakeServer(lambda request: answers.pop(0))
    transport = over(server)
    async with opened(transport):
        await transport.send(PING)
        *_, post = await server.until_requests(3)
    assert str(post.url) == "http://shop.example/moved/messages"


async def test_another_endpoint_is_ignored() -> None:
    """Our choice: a session has one."""
    stream = Stream(endpoint(), endpoint("/other"))
    server = sse_server(stream)
    transport = over(server)
    async with opened(transport) as witness:
        [error] = await until_errors(witness, 1)
        await transport.send(PING)
        _, post = await server.until_requests(2)
    assert post.url.path == "/mcp/messages"
    assert isinstance(error, RemoteProtocolError)
    assert str(error) == f"'{URL}' named another endpoint, which is ignored"


# No connection ----------------------------------------------------------------------


async def test_stream_that_names_no_endpoint_in_time() -> None:
    """Our choice: another kind of server is told apart from a slow one."""
    stream = Stream(b": hello\n\n", event_of(NOTE))
    failure = await failure_to_open(over(sse_server(stream), connect_timeout=0.05))
    assert str(failure) == (
        f"'{URL}' named no endpoint within 0.05 s; is it the stream of a server with "
        "the HTTP+SSE transport?"
    )
    await stream.wait_until_left()


async def test_stream_that_ends_without_endpoint() -> None:
    """Our choice: the same, at once."""
    failure = await failure_to_open(over(sse_server(b"")))
    assert str(failure) == f"'{URL}' ended the stream of events"


async def test_stream_that_is_refused() -> None:
    """Our choice: as over Streamable HTTP; its status says what to do."""
    failure = await failure_to_open(over(sse_server(401)))
    assert str(failure) == f"GET '{URL}' was refused with status 401 Unauthorized"
    assert isinstance(failure, HTTPRefused)
    assert failure.status == 401


async def test_content_that_is_no_stream() -> None:
    """Our choice: a page of HTML is no server."""
    server = FakeServer(lambda request: httpx2.Response(200, html="<html>"))
    failure = await failure_to_open(over(server))
    assert str(failure) == (
        f"'{URL}' answers with content of type 'text/html', and not with a stream of "
        "events"
    )
    assert type(failure.__cause__) is RemoteProtocolError


async def test_first_event_that_is_too_long() -> None:
    """Our choice: a server cannot fill the memory."""
    stream = Stream(*[b"data: xxxxxxx\n"] * 100)
    failure = await failure_to_open(over(sse_server(stream), max_message_bytes=1000))
    assert str(failure) == TOO_LONG
    assert isinstance(failure.__cause__, MessageLost)
    assert str(failure.__cause__) == TOO_LONG


@pytest.mark.parametrize("kind", [SSEClientTransport, StreamableHTTPClientTransport])
async def test_environment_that_lets_us_make_no_requests(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec of `Transport`: `start` says what is wrong with the settings."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    failure = await failure_to_open(kind(URL))
    assert str(failure).startswith("cannot make HTTP requests: ")
    assert isinstance(failure.__cause__, FileNotFoundError)


@pytest.mark.parametrize("kind", [SSEClientTransport, StreamableHTTPClientTransport])
async def test_tls_settings_for_the_callers_client_are_refused(kind: Any) -> None:
    """Our choice: they would have no effect."""
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    kind(URL, verify=verify)
    with pytest.raises(ValueError, match="verify has no effect with http"):
        kind(URL, verify=verify, http=sse_server().client())


class Failing(httpx2.Auth):
    """Raises what no one expects."""

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Fail."""
        raise KeyError("s3cr3t")
        yield request


async def test_authentication_that_fails() -> None:
    """Our choice: the type says enough, the text may be secret."""
    failure = await failure_to_open(over(sse_server(), auth=Failing()))
    assert str(failure) == f"the request to '{URL}' failed with KeyError"


async def test_url_that_cannot_be_reached() -> None:
    """Spec of `Transport`."""
    failure = await failure_to_open(SSEClientTransport("mcp"))
    assert str(failure) == (
        "cannot connect to 'mcp': it must begin with http:// or https://"
    )


async def test_start_that_is_cancelled_leaves_nothing() -> None:
    """We promise it: also while the server is silent."""
    stream = Stream()
    transport = over(sse_server(stream))
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.02):
                await transport.start(tasks)
        await stream.wait_until_left()
        await transport.close()
    assert witness.closed == 1


async def test_transport_that_is_closed_while_it_opens() -> None:
    """Our choice: the program that starts it learns of it."""
    stream = Stream()
    server = sse_server(stream)
    transport = over(server)
    witness = Witness(transport)

    async def start() -> None:
        with pytest.raises(TransportClosed):
            await transport.start(tasks)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await server.until_requests(1)
            await wait_all_tasks_blocked()
            await transport.close()
            assert witness.closed == 1


# Messages in ------------------------------------------------------------------------


async def test_messages_are_handed_over_in_order() -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE"; events with other names mean
    nothing to us."""
    stream = Stream(endpoint(), b"event: other\ndata: x\n\n", b"data:\n\n")
    server = sse_server(stream)
    transport = over(server)
    async with opened(transport) as witness:
        stream.write(b"event: message\n" + event_of(NOTE) + event_of(PONG))
        assert await witness.until_messages(2) == [NOTE, PONG]
    assert witness.senders[1] == Sender(
        size=len(jsonrpc.serialize(PONG)), binding="sse"
    )
    assert witness.errors == []
    await stream.wait_until_left()


async def test_garbage_is_reported_and_passed_over() -> None:
    """Our choice: what follows may be a message; nothing is answered."""
    stream = Stream(endpoint(), b"data: {\n\n", b"data: 7\n\n", event_of(PONG))
    server = sse_server(stream)
    transport = over(server)
    async with opened(transport) as witness:
        await witness.until_messages(1)
    assert [type(error) for error in witness.errors] == [
        ParseError,
        RemoteProtocolError,
    ]
    assert server.seen == ["GET"]


@pytest.mark.parametrize("reconnects", [0, 3])
async def test_event_that_is_too_long_is_the_end(reconnects: int) -> None:
    """Our choice: whose answer it was is not known, nor would another stream help."""
    stream = Stream(endpoint())
    transport = over(sse_server(stream), max_message_bytes=1000, reconnects=reconnects)
    async with opened(transport) as witness:
        stream.write(b"data: %b" % (b"x" * 2000))
        await witness.until_closed()
    [error] = witness.errors
    assert isinstance(error, MessageLost)


# Messages out -----------------------------------------------------------------------


async def test_messages_are_posted_in_order() -> None:
    """Our choice: each once the server has taken the one before."""
    may_take = anyio.Event()

    async def take(request: httpx2.Request) -> httpx2.Response:
        await may_take.wait()
        return httpx2.Response(202)

    server = sse_server(Stream(endpoint()), post=take)
    transport = over(server)
    cancelled = jsonrpc.notification("notifications/cancelled", {"requestId": 1})
    async with opened(transport):
        for message in (PING, CHANGED, cancelled):
            await transport.send(message)
        await server.until_requests(2)
        await wait_all_tasks_blocked()
        assert server.seen == ["GET", "ping"]
        may_take.set()
        await server.until_requests(4)
    assert server.seen[1:] == [
        "ping",
        "notifications/roots/list_changed",
        "notifications/cancelled",
    ]


async def test_slow_post_holds_up_others_for_a_while_only() -> None:
    """Our choice: a server may take a message once it has another, such as an answer
    to what it asks."""
    never = anyio.Event()

    async def take(request: httpx2.Request) -> httpx2.Response:
        if b"ping" in request.content:
            await never.wait()
        return httpx2.Response(202)

    server = sse_server(Stream(endpoint()), post=take)
    transport = over(server, connect_timeout=SHORT_SECONDS)
    async with opened(transport):
        await transport.send(PING)
        await transport.send(CHANGED)
        await server.until_requests(3)


async def test_send_waits_while_too_many_messages_wait() -> None:
    """Our choice: a server that takes nothing does not fill the memory."""

    async def take(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    server = sse_server(Stream(endpoint()), post=take)
    transport = over(server)
    refused: list[Message] = []

    async def send() -> None:
        try:
            await transport.send(CHANGED)
        except TransportClosed:
            refused.append(CHANGED)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as waiting, opened(transport):
            for _ in range(MAX_WAITING + 1):
                await transport.send(CHANGED)
                await wait_all_tasks_blocked()
            waiting.start_soon(send)
            await wait_all_tasks_blocked()
            assert refused == []
    assert refused == [CHANGED]


@pytest.mark.parametrize(("message", "id"), [(PING, 1), (CHANGED, None), (PONG, None)])
async def test_refused_message_fails(message: Message, id: JSON) -> None:
    """Our choice: the session goes on."""
    answers = [503, 202]
    server = sse_server(
        Stream(endpoint()), post=lambda request: httpx2.Response(answers.pop(0))
    )
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(message)
        [error] = await until_errors(witness, 1)
        await transport.send(PING)
        await server.until_requests(3)
    assert isinstance(error, HTTPRefused)
    assert (error.status, error.request_id) == (503, id)


async def test_post_that_does_not_arrive_fails() -> None:
    """Our choice: as above."""

    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no network")

    transport = over(sse_server(Stream(endpoint()), post=fail))
    async with opened(transport) as witness:
        await transport.send(PING)
        [error] = await until_errors(witness, 1)
    assert type(error) is RequestFailed
    assert error.request_id == 1
    assert str(error) == (
        "cannot reach 'http://shop.example/mcp/messages?...': no network"
    )


async def test_what_is_no_json_is_not_sent() -> None:
    """Spec of `Transport`."""
    transport = over(sse_server(Stream(endpoint())))
    async with opened(transport):
        with pytest.raises(ValueError):
            await transport.send(jsonrpc.request(1, "ping", {"a": "\ud800"}))


# The end ----------------------------------------------------------------------------


@pytest.mark.parametrize("breaks", [True, False], ids=["breaks", "ends"])
async def test_end_of_the_stream_is_the_end(breaks: bool) -> None:
    """Our choice: unless another one is wanted."""
    stream = Stream(endpoint())
    transport = over(sse_server(stream))
    async with opened(transport) as witness:
        stream.break_off() if breaks else stream.end()
        await witness.until_closed()
        with pytest.raises(TransportClosed):
            await transport.send(PING)
    [error] = witness.errors
    assert type(error) is TransportClosed
    assert str(error) == (
        f"the connection with '{URL}' broke"
        if breaks
        else f"'{URL}' ended the stream of events"
    )


async def test_session_that_a_post_finds_lost_is_the_end() -> None:
    """Our choice: the request was not carried out, and says so."""
    stream = Stream(endpoint())
    server = sse_server(stream, post=lambda request: httpx2.Response(404))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(PING)
        await witness.until_closed()
    await stream.wait_until_left()
    [error] = witness.errors
    assert isinstance(error, SessionLost)
    assert error.request_id == 1


async def test_close_ends_the_stream_and_what_is_posted() -> None:
    """We promise it: nothing is left behind, also by a task that is cancelled."""
    stream = Stream(endpoint())
    is_left = anyio.Event()

    async def take(request: httpx2.Request) -> httpx2.Response:
        try:
            await anyio.sleep_forever()
        finally:
            is_left.set()
        raise AssertionError

    server = sse_server(stream, post=take)
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(PING)
        await server.until_requests(2)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await transport.close()
        assert witness.closed == 1
        assert is_left.is_set()
        await stream.wait_until_left()
    assert (witness.messages, witness.errors) == ([], [])


async def test_end_of_the_driver_is_the_end_of_the_transport() -> None:
    """We promise it."""
    stream = Stream(endpoint())
    transport = over(sse_server(stream))
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            tasks.cancel_scope.cancel()
    await stream.wait_until_left()
    assert witness.closed == 1


async def test_handler_of_a_message_may_close() -> None:
    """Our choice: it does not wait for itself."""
    stream = Stream(endpoint(), event_of(NOTE))
    transport = over(sse_server(stream))
    witness = Witness(transport)

    async def close(message: Message, sender: Sender) -> None:
        await transport.close()

    transport.on_message = close
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await witness.until_closed()


# Another stream ---------------------------------------------------------------------


def test_reconnects_is_a_number_of_attempts() -> None:
    """Our choice: what is wrong is said when it is written."""
    with pytest.raises(ValueError):
        SSEClientTransport(URL, reconnects=-1)


async def test_another_stream_is_opened_when_one_ends() -> None:
    """Our choice: after the time that the server wants, with a new session."""
    first = Stream(b"retry: 50\n" + endpoint("/one"))
    second = Stream(endpoint("/two"))
    server = sse_server(first, second)
    transport = over(server, reconnects=1)
    async with opened(transport) as witness:
        began_at = anyio.current_time()
        first.end()
        [error] = await until_errors(witness, 1)
        await transport.send(PING)
        *_, post = await server.until_requests(3)
        assert anyio.current_time() - began_at >= 0.05
        second.write(event_of(PONG))
        assert await witness.until_messages(1) == [PONG]
    assert server.seen == ["GET", "GET", "ping"]
    assert post.url.path == "/two"
    assert isinstance(error, SessionLost)
    assert error.request_id is None
    assert str(error) == f"'{URL}' ended the stream of events, and with it the session"
    assert witness.errors == [error]


async def test_what_waits_when_the_session_ends_is_not_sent_in_another() -> None:
    """Our choice: it was meant for the session that is lost; requests say so."""
    never = anyio.Event()

    async def take(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/one":
            await never.wait()
        return httpx2.Response(202)

    first = Stream(b"retry: 1\n" + endpoint("/one"))
    server = sse_server(first, Stream(endpoint("/two")), post=take)
    transport = over(server, reconnects=1, connect_timeout=SHORT_SECONDS)
    async with opened(transport) as witness:
        await transport.send(CHANGED)
        await server.until_requests(2)
        await transport.send(CHANGED)
        await transport.send(PING)
        first.end()
        lost, failed = await until_errors(witness, 2)
        await transport.send(jsonrpc.request(2, "ping", None))
        await server.until_requests(4)
    assert server.seen == ["GET", "notifications/roots/list_changed", "GET", "ping"]
    for error, id in ((lost, None), (failed, 1)):
        assert isinstance(error, SessionLost)
        assert error.request_id == id


async def test_session_that_a_post_finds_lost_is_opened_anew() -> None:
    """Our choice: once, however many messages find it lost."""
    first = Stream(b"retry: 1\n" + endpoint("/one"))
    may_answer = anyio.Event()

    async def take(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/two":
            return httpx2.Response(202)
        await may_answer.wait()
        return httpx2.Response(404)

    server = sse_server(first, Stream(endpoint("/two")), post=take)
    transport = over(server, reconnects=1, connect_timeout=SHORT_SECONDS)
    async with opened(transport) as witness:
        await transport.send(PING)
        await transport.send(CHANGED)
        await server.until_requests(3)
        may_answer.set()
        await until_errors(witness, 1)
        await transport.send(jsonrpc.request(2, "ping", None))
        await server.until_requests(5)
        await wait_all_tasks_blocked()
    assert server.seen.count("GET") == 2
    [error] = [error for error in witness.errors if _request_of(error) == 1]
    assert isinstance(error, SessionLost)
    # The notification may have been the first to find it.
    assert len(witness.errors) <= 2
    assert {_request_of(error) for error in witness.errors} <= {1, None}


def _request_of(error: Exception) -> JSON:
    assert isinstance(error, SessionLost)
    return error.request_id


async def test_attempts_that_fail_are_the_end() -> None:
    """Our choice: after as many in a row as were wanted."""
    first = Stream(b"retry: 1\n" + endpoint())
    third = Stream(endpoint())
    foreign = endpoint("http://evil.example/")
    server = sse_server(first, 503, third, 503, foreign)
    transport = over(server, reconnects=2)
    async with opened(transport) as witness:
        first.end()
        await until_errors(witness, 1)
        # One attempt failed, and the next did not.
        await transport.send(PING)
        await server.until_requests(4)
        third.end()
        await witness.until_closed()
        with pytest.raises(TransportClosed):
            await transport.send(PING)
    assert server.seen == ["GET", "GET", "GET", "ping", "GET", "GET"]
    first_lost, again_lost, end = witness.errors
    assert isinstance(first_lost, SessionLost)
    assert isinstance(again_lost, SessionLost)
    assert type(end) is TransportClosed
    assert str(end).startswith(
        f"given up after 2 attempts: '{URL}' names an endpoint of another origin"
    )


async def test_message_that_waits_for_a_session_that_does_not_come() -> None:
    """Our choice: a task that waits in `send` learns it."""
    first = Stream(b"retry: 20\n" + endpoint())
    server = sse_server(first, 503)
    transport = over(server, reconnects=1)
    refused: list[Message] = []
    async with opened(transport) as witness:
        first.end()
        await until_errors(witness, 1)
        with pytest.raises(TransportClosed):
            for _ in range(MAX_WAITING + 2):
                await transport.send(CHANGED)
        await witness.until_closed()
    assert refused == []
    assert server.seen == ["GET", "GET"]


# Over sockets -----------------------------------------------------------------------


async def test_session_over_sockets() -> None:
    """Our choice: the HTTP library does what we think."""

    async def play(wire: Any) -> None:
        if wire.request.method == "POST":
            await wire.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
            return
        await wire.send(begin_events(endpoint("/m")))
        await wire.send(event_of(NOTE))
        await wire.wait_until_left()

    async with serve(play) as server:
        transport = SSEClientTransport(f"{server.url}/sse")
        async with opened(transport) as witness:
            assert await witness.until_messages(1) == [NOTE]
            await transport.send(PING)
            while len(server.requests) < 2:
                await anyio.lowlevel.checkpoint()
        with anyio.fail_after(PATIENCE_SECONDS):
            while server.connections:
                await anyio.lowlevel.checkpoint()
    get, post = server.requests
    assert (get.method, get.target) == ("GET", "/sse")
    assert (post.method, post.target, post.message["method"]) == ("POST", "/m", "ping")
    assert witness.errors == []


async def test_silent_stream_counts_as_broken() -> None:
    """Our choice: a half-open connection is noticed."""
    async with serve(play_until_left(begin_events(endpoint("/m")))) as server:
        transport = SSEClientTransport(server.url, read_timeout=SHORT_SECONDS)
        async with opened(transport) as witness:
            await witness.until_closed()
    [error] = witness.errors
    assert str(error) == f"nothing came from {server.url!r} for 1 s"


BROKEN: dict[str, Play] = {
    "garbage": play_bytes(b"hello\r\n\r\n"),
    "an end": play_bytes(b""),
    "a reset": play_reset,
    "half an event": play_bytes(begin_events(b"event: endpoint\ndata: /m\n")),
    "an endless event": play_until_left(begin_events(b"data: " + b"x" * 5000)),
    "no answer": play_until_left(b""),
    "another type": respond(200, b"<html>", {"content-type": "text/html"}),
    "a redirect elsewhere": respond(307, b"", {"location": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize("play", BROKEN.values(), ids=BROKEN)
async def test_server_that_is_none(play: Play) -> None:
    """Our choice: a clear failure within the timeout, and every socket closed."""
    async with serve(play) as server:
        transport = SSEClientTransport(
            server.url, connect_timeout=0.3, max_message_bytes=1000
        )
        await failure_to_open(transport)
        with anyio.fail_after(PATIENCE_SECONDS):
            while server.connections:
                await anyio.lowlevel.checkpoint()
