"""Streamable HTTP, the client's half: the stream for what belongs to no request."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked

from mcp_django.exceptions import (
    HTTPRefused,
    ParseError,
    RemoteProtocolError,
    RequestFailed,
    SessionLost,
)
from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from tests.transports.http_servers import (
    INITIALIZE,
    INITIALIZED,
    SESSION_ID,
    Answer,
    FakeServer,
    Stream,
    answer_json,
    answer_stream,
    event_of,
    initialize,
    legacy_server,
    opened,
    opening,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

URL = "http://shop.example/mcp"
NOTE = jsonrpc.notification("notifications/message", {"level": "info", "data": 1})
ASK = jsonrpc.request("asked", "roots/list", {})
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})


def listened_to(*answers: Answer | Stream | bytes | int, **more: Answer) -> FakeServer:
    """Make a server that answers each GET with the next, and then never.

    Args:
        answers: Functions, streams, or statuses.
        more: As for `legacy_server`.
    """
    rest = list(answers)

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if not rest:
            await anyio.sleep_forever()
        match rest.pop(0):
            case int() as status:
                return httpx2.Response(status)
            case bytes() | Stream() as stream:
                return answer_stream(stream)
            case other:
                response = other(request)
                assert isinstance(response, httpx2.Response)
                return response

    return legacy_server({"GET": answer, **more})


def gets(server: FakeServer) -> list[httpx2.Request]:
    """Give the requests for the stream."""
    return [request for request in server.requests if request.method == "GET"]


@asynccontextmanager
async def listening(server: FakeServer, **options: Any) -> AsyncIterator[Witness]:
    """Open a session, whose stream is asked for."""
    transport = StreamableHTTPClientTransport(URL, http=server.client(), **options)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        yield witness


async def until_gets(server: FakeServer, count: int) -> list[httpx2.Request]:
    """Wait until the stream was asked for so many times."""
    # `initialize` and `notifications/initialized` come first.
    await server.until_requests(count + 2)
    return gets(server)


async def test_stream_is_read_once_the_session_is_initialized() -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server"."""
    stream = Stream(event_of(NOTE), b"event: other\ndata: x\n\n", event_of(ASK))
    server = listened_to(stream)
    async with listening(server) as witness:
        assert await witness.until_messages(2) == [NOTE, ASK]
    assert server.seen == ["initialize", "notifications/initialized", "GET", "DELETE"]
    [request] = gets(server)
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["mcp-session-id"] == SESSION_ID
    assert "last-event-id" not in request.headers
    assert witness.errors == []
    await stream.wait_until_left()


async def test_requests_wait_until_the_stream_is_given() -> None:
    """Our choice: many servers drop what they ask while there is no stream."""
    is_given = anyio.Event()

    async def give(request: httpx2.Request) -> httpx2.Response:
        await is_given.wait()
        return answer_stream(Stream())

    server = legacy_server({"GET": give, "ping": lambda request: answer_json(PONG)})
    transport = StreamableHTTPClientTransport(URL, http=server.client())
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await until_gets(server, 1)
        await wait_all_tasks_blocked()
        assert server.seen == ["initialize", "notifications/initialized", "GET"]
        is_given.set()
        assert await witness.until_messages(1) == [PONG]


async def test_stream_that_is_not_given_holds_up_requests_once_and_not_for_long() -> (
    None
):
    """Our choice: some servers give it only when they have something to send on it."""
    server = listened_to(ping=lambda request: answer_json(PONG))
    transport = StreamableHTTPClientTransport(URL, http=server.client())
    async with opened(transport) as witness:
        await initialize(transport, witness)
        for count in (1, 2):
            began_at = anyio.current_time()
            await transport.send(PING)
            await witness.until_messages(count)
            took = anyio.current_time() - began_at
            assert took >= 1 if count == 1 else took < 1


async def test_stream_is_not_asked_for_where_it_is_not_read() -> None:
    """Our choice: a program that only calls needs none."""
    server = listened_to()
    async with listening(server, listens=False):
        await server.until_requests(2)
        await wait_all_tasks_blocked()
    assert gets(server) == []


NO_STREAM = [400, 404, 405, 406, 410, 415, 422, 501]


@pytest.mark.parametrize("status", NO_STREAM)
@pytest.mark.parametrize("headers", [{}, {"MCP-Session-Id": SESSION_ID}])
async def test_server_may_have_no_stream(status: int, headers: dict[str, str]) -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server", 3,
    which has 405; many servers just have no route for it."""
    server = listened_to(
        status,
        initialize=lambda request: answer_json(opening(), headers=headers),
        ping=lambda request: answer_json(PONG),
    )
    async with listening(server) as witness:
        await until_gets(server, 1)
        await wait_all_tasks_blocked()
        await witness.transport.send(PING)
        await witness.until_messages(1)
    assert len(gets(server)) == 1
    assert witness.errors == []
    assert ("DELETE" in server.seen) == bool(headers), "there is a session to the end"


async def test_session_without_stream_is_lost_by_what_is_posted() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management", 4."""
    server = listened_to(404, ping=lambda request: httpx2.Response(404))
    async with listening(server) as witness:
        await until_gets(server, 1)
        await wait_all_tasks_blocked()
        await witness.transport.send(PING)
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert isinstance(error, SessionLost)
    assert error.request_id == 1


async def test_stream_of_the_next_session_is_asked_for_anew() -> None:
    """Our choice: the server may be another one by then."""
    stream = Stream(event_of(NOTE))
    server = listened_to(404, stream)
    async with listening(server) as witness:
        await until_gets(server, 1)
        await wait_all_tasks_blocked()
        await witness.transport.send(INITIALIZE)
        await witness.until_messages(1)
        await witness.transport.send(INITIALIZED)
        await witness.until_messages(2)
    assert witness.messages[1] == NOTE


async def test_session_that_the_stream_finds_lost() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management", 4."""
    server = listened_to(event_of(b"", retry_ms=0), 404)
    async with listening(server) as witness:
        await witness.until(lambda w: len(w.errors) == 1)
        await wait_all_tasks_blocked()
    [error] = witness.errors
    assert isinstance(error, SessionLost)
    assert error.request_id is None
    assert server.seen[-1] == "GET", "there is no session to say goodbye to"


async def test_stream_is_asked_for_again_when_it_ends() -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server", 4,
    and "Resumability and Redelivery"."""
    broken = Stream(event_of(NOTE, id="7", retry_ms=40))
    broken.break_off()
    server = listened_to(broken, event_of(ASK, id="8"), Stream())
    async with listening(server) as witness:
        began_at = anyio.current_time()
        first, second, third = await until_gets(server, 3)
        took = anyio.current_time() - began_at
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "7"
    assert third.headers["last-event-id"] == "8"
    assert took >= 0.08
    assert witness.messages == [NOTE, ASK]
    assert witness.errors == []


async def test_stream_that_ends_at_once_is_asked_for_less_and_less_often() -> None:
    """Our choice: a server in trouble is left in peace; `retry` of 0 changes nothing
    about it."""
    server = listened_to(event_of(b"", retry_ms=0), b"", b"", b"", event_of(NOTE), b"")
    async with listening(server) as witness:
        times = []
        for count in range(1, 8):
            await until_gets(server, count)
            times.append(anyio.current_time())
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    # After an event, and after the first end without one: as the server says.
    assert pauses[2] >= 0.2
    assert pauses[3] >= 0.4
    assert pauses[4] < pauses[3], "an event makes it good"
    assert witness.errors == []


async def test_trouble_is_reported_once() -> None:
    """Our choice: the stream is worth having, and not worth a warning a second."""

    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no network")

    server = listened_to(
        event_of(b"", retry_ms=0), 503, fail, event_of(NOTE), 409, Stream()
    )
    async with listening(server) as witness:
        await until_gets(server, 6)
    first, second = witness.errors
    assert isinstance(first, HTTPRefused)
    assert (first.status, first.request_id) == (503, None)
    assert isinstance(second, HTTPRefused)
    assert second.status == 409


async def test_network_that_fails_is_reported() -> None:
    """Our choice: as other trouble."""

    def fail(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no network")

    server = listened_to(fail)
    async with listening(server) as witness:
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert type(error) is RequestFailed
    assert str(error) == f"cannot reach '{URL}': no network"


async def test_stream_that_cannot_be_gone_on_with_is_begun_anew() -> None:
    """Our choice: a server that has forgotten an event can still send what follows."""
    server = listened_to(event_of(NOTE, id="7", retry_ms=0), 400, event_of(PING))
    async with listening(server) as witness:
        await witness.until_messages(2)
        await wait_all_tasks_blocked()
    first, again, anew = gets(server)[:3]
    assert again.headers["last-event-id"] == "7"
    assert "last-event-id" not in first.headers
    assert "last-event-id" not in anew.headers
    [error] = witness.errors
    assert isinstance(error, HTTPRefused)


@pytest.mark.parametrize("status", [400, 401, 403, 301])
async def test_stream_that_is_refused_for_good(status: int) -> None:
    """Our choice: asking again would change nothing."""
    server = listened_to(event_of(b"", retry_ms=0), status)
    async with listening(server) as witness:
        await witness.until(lambda w: len(w.errors) == 1)
        await wait_all_tasks_blocked()
    [error] = witness.errors
    assert isinstance(error, HTTPRefused)
    assert error.status == status
    assert len(gets(server)) == 2


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            lambda request: httpx2.Response(200, content=b"<html>"),
            "it has content of type ''",
        ),
        (b"data: %b\n\n" % (b"x" * 2000), "an event is longer than 1000 bytes"),
    ],
    ids=["another type", "an event that is too long"],
)
async def test_stream_that_cannot_be_used(answer: Any, text: str) -> None:
    """Our choice: whose fault it is is said once, and requests go on."""
    server = listened_to(answer)
    async with listening(server, max_message_bytes=1000) as witness:
        await witness.until(lambda w: len(w.errors) == 1)
        await wait_all_tasks_blocked()
    [error] = witness.errors
    assert type(error) is RemoteProtocolError
    assert str(error) == f"the event stream of '{URL}' cannot be used: {text}"
    assert len(gets(server)) == 1


async def test_garbage_is_reported_and_passed_over() -> None:
    """Our choice: what follows may be a message."""
    server = listened_to(Stream(event_of(b"{") + event_of(NOTE)))
    async with listening(server) as witness:
        assert await witness.until_messages(1) == [NOTE]
    assert [type(error) for error in witness.errors] == [ParseError]


async def test_initialized_again_is_one_stream() -> None:
    """Our choice: the newest is listened to."""
    streams = [Stream(), Stream()]
    server = listened_to(*streams)
    transport = StreamableHTTPClientTransport(URL, http=server.client())
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await until_gets(server, 1)
        await transport.send(jsonrpc.notification("notifications/initialized"))
        await streams[0].wait_until_left()
        await server.until_requests(5)
    with anyio.fail_after(PATIENCE_SECONDS):
        await streams[1].wait_until_left()
