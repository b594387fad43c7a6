"""Streamable HTTP, the client's half: what is sent, and in which session."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.exceptions import (
    AuthenticationFailed,
    ConnectFailed,
    HTTPRefused,
    RequestFailed,
    SessionLost,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, Message
from mcp_django.transports.base import Sender
from mcp_django.transports.client.streamable_http import (
    MAX_ON_THEIR_WAY,
    StreamableHTTPClientTransport,
)
from tests.transports.http_servers import (
    INITIALIZE,
    SESSION_ID,
    VERSION,
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
    play_until_left,
    respond,
    serve,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

URL = "http://shop.example/mcp"
META = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: {}}
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
CHANGED = jsonrpc.notification("notifications/roots/list_changed")


def modern(id: int, method: str, **params: JSON) -> JSONRPCRequest:
    return jsonrpc.request(id, method, {"_meta": META, **params})


def cancelled(id: JSON) -> Message:
    return jsonrpc.notification("notifications/cancelled", {"requestId": id})


def over(server: FakeServer, **options: Any) -> StreamableHTTPClientTransport:
    """Make a transport to a server in this process."""
    return StreamableHTTPClientTransport(URL, http=server.client(), **options)


def takes(message: Message) -> Answer:
    return lambda request: answer_json(message)


# What is sent -----------------------------------------------------------------------


async def test_modern_request_is_mirrored_in_its_headers() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata"."""
    server = FakeServer(takes(jsonrpc.result(7, {"content": []})))
    transport = over(server)
    call = modern(7, "tools/call", name="größe", arguments={})
    async with opened(transport) as witness:
        await transport.send(call)
        await witness.until_messages(1)
    [request] = server.requests
    assert (request.method, str(request.url)) == ("POST", URL)
    assert request.content == jsonrpc.serialize(call)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json, text/event-stream"
    assert request.headers["mcp-protocol-version"] == "2026-07-28"
    assert request.headers["mcp-method"] == "tools/call"
    assert request.headers["mcp-name"] == "=?base64?Z3LDtsOfZQ==?="
    assert "mcp-session-id" not in request.headers
    # No session, no goodbye.
    assert server.seen == ["tools/call"]


async def test_answer_is_handed_over() -> None:
    """Spec of `Transport`: from no user, and with the bytes that it took."""
    body = jsonrpc.result(7, {"tools": []})
    transport = over(FakeServer(takes(body)))
    async with opened(transport) as witness:
        await transport.send(modern(7, "tools/list"))
        assert await witness.until_messages(1) == [body]
    assert witness.senders == [Sender(size=len(jsonrpc.serialize(body)))]
    assert witness.errors == []


async def test_parameters_are_mirrored_once_the_tools_are_listed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers from Tool
    Parameters"; tools whose headers are invalid are left out."""
    schema = {"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}
    good = {"name": "good", "inputSchema": schema}
    bad = {"name": "bad", "inputSchema": {"x-mcp-header": "A"}}
    answers = [
        jsonrpc.result(1, {"tools": [good, bad]}),
        jsonrpc.result(2, {"content": []}),
    ]
    server = FakeServer(lambda request: answer_json(answers.pop(0)))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern(1, "tools/list"))
        [listed] = await witness.until_messages(1)
        assert listed == jsonrpc.result(1, {"tools": [good]})
        await transport.send(modern(2, "tools/call", name="good", arguments={"a": "b"}))
        await witness.until_messages(2)
    assert server.requests[1].headers["mcp-param-a"] == "b"
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "mcp_django.transports")


async def test_legacy_tools_are_left_as_they_are() -> None:
    """Our choice: the versions before know no such headers."""
    bad = {"name": "bad", "inputSchema": {"x-mcp-header": "A"}}
    result = jsonrpc.result(1, {"tools": [bad]})
    server = legacy_server({"tools/list": takes(result)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(jsonrpc.request(1, "tools/list", {}))
        assert await witness.until_messages(1) == [result]


async def test_modern_notification_is_posted() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Sending Messages"."""
    server = FakeServer(lambda request: httpx2.Response(202))
    transport = over(server)
    async with opened(transport) as witness:
        notification = jsonrpc.notification("notifications/any", {"_meta": META})
        await transport.send(notification)
        [request] = await server.until_requests(1)
        await wait_all_tasks_blocked()
    assert request.headers["mcp-method"] == "notifications/any"
    assert witness.errors == []


async def test_what_is_no_json_is_not_sent() -> None:
    """Spec of `Transport`."""
    server = FakeServer(takes(PONG))
    transport = over(server)
    async with opened(transport):
        with pytest.raises(ValueError):
            await transport.send(jsonrpc.request(1, "ping", {"a": "\ud800"}))
    assert server.requests == []


# Sessions ---------------------------------------------------------------------------


async def test_session_and_version_are_named_once_they_are_known() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management" and "Protocol Version
    Header"."""
    server = legacy_server({"ping": takes(PONG)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await witness.until_messages(1)
    first, *others = server.requests
    assert "mcp-session-id" not in first.headers
    assert "mcp-protocol-version" not in first.headers
    assert {request.method for request in others} == {"POST", "GET", "DELETE"}
    for request in others:
        assert request.headers["mcp-session-id"] == SESSION_ID
        assert request.headers["mcp-protocol-version"] == VERSION
        assert "mcp-method" not in request.headers


async def test_session_without_id_is_one_all_the_same() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": the id is optional."""
    server = legacy_server(
        {
            "initialize": lambda request: answer_json(opening("2025-03-26")),
            "ping": takes(PONG),
        }
    )
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await witness.until_messages(1)
    assert "DELETE" not in server.seen
    for request in server.requests[1:]:
        assert "mcp-session-id" not in request.headers
        assert request.headers["mcp-protocol-version"] == "2025-03-26"


async def test_session_opens_by_a_stream_too() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"."""
    headers = {"mcp-session-id": SESSION_ID}
    server = legacy_server(
        {"initialize": lambda request: answer_stream(event_of(opening()), headers)}
    )
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await server.until_requests(2)
    assert server.seen == ["initialize", "notifications/initialized", "DELETE"]
    assert server.requests[1].headers["mcp-session-id"] == SESSION_ID


@pytest.mark.parametrize("id", ["größe", "a b", "x" * 20_000])
async def test_session_id_that_cannot_be_named_is_refused(id: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": visible ASCII."""
    headers = [
        (b"content-type", b"application/json"),
        (b"mcp-session-id", id.encode()),
    ]
    body = jsonrpc.serialize(opening())
    response = httpx2.Response(200, headers=headers, content=body)
    server = legacy_server({"initialize": lambda request: response})
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(INITIALIZE)
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert isinstance(error, RequestFailed)
    assert error.request_id == "init"
    assert "a session id that is not visible ASCII" in str(error)


@pytest.mark.parametrize("version", [None, 7, "a\r\nX-Evil: b", "x" * 1000])
async def test_version_that_cannot_be_named_is_not(version: Any) -> None:
    """Our choice: the client that reads the result says what is wrong with it."""
    result = opening(version)
    server = legacy_server({"initialize": takes(result), "ping": takes(PONG)})
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(INITIALIZE)
        assert await witness.until_messages(1) == [result]
        await transport.send(PING)
        await witness.until_messages(2)
    assert "mcp-protocol-version" not in server.requests[1].headers


async def test_initialize_again_forgets_the_session() -> None:
    """Our choice: the stream of the old session is left, and a new id counts."""
    stream = Stream()
    ids = ["one", "two"]
    server = legacy_server(
        {
            "initialize": lambda request: answer_json(
                opening(), headers={"mcp-session-id": ids.pop(0)}
            ),
            "GET": lambda request: answer_stream(stream),
            "ping": takes(PONG),
        }
    )
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await server.until_requests(3)
        await transport.send(INITIALIZE)
        await stream.wait_until_left()
        await witness.until_messages(1)
        await transport.send(PING)
        await witness.until_messages(2)
    again, ping, goodbye = server.requests[3:]
    assert "mcp-session-id" not in again.headers
    assert "mcp-protocol-version" not in again.headers
    assert ping.headers["mcp-session-id"] == "two"
    assert (goodbye.method, goodbye.headers["mcp-session-id"]) == ("DELETE", "two")


@pytest.mark.parametrize(
    "refuse",
    [
        lambda request: httpx2.Response(404),
        lambda request: answer_json(jsonrpc.error(1, -32001, "no session"), 404),
        lambda request: answer_json(jsonrpc.error(None, -32600, "no session"), 404),
    ],
    ids=["empty", "an error for the request", "an error for none"],
)
async def test_unknown_session_is_lost(refuse: Answer) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management", 4."""
    stream = Stream()
    server = legacy_server(
        {"ping": refuse, "GET": lambda request: answer_stream(stream)}
    )
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await server.until_requests(3)
        await transport.send(PING)
        await stream.wait_until_left()
        await witness.until(lambda w: len(w.errors) == 1)
        # Without a session there is nothing to ask.
        await transport.send(jsonrpc.request(2, "ping", None))
        await witness.until(lambda w: len(w.errors) == 2)
        # That was told already.
        await transport.send(CHANGED)
        await wait_all_tasks_blocked()
        assert len(witness.errors) == 2
        assert len(server.requests) == 4
        await transport.send(INITIALIZE)
        await witness.until_messages(1)
    for error, id in zip(witness.errors, [1, 2], strict=True):
        assert isinstance(error, SessionLost)
        assert error.request_id == id
        assert str(error) == (
            f"'{URL}' knows the session no more; initialize a new one"
        )


async def test_session_that_a_notification_finds_lost() -> None:
    """Our choice: it concerns no request."""
    server = legacy_server(
        {"notifications/roots/list_changed": lambda request: httpx2.Response(404)}
    )
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(CHANGED)
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert isinstance(error, SessionLost)
    assert error.request_id is None
    assert "DELETE" not in server.seen


async def test_unknown_method_does_not_lose_the_session() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: a modern server answers 404
    with -32601 to a method that it does not know."""
    unknown = jsonrpc.error(1, -32601, "no such method")
    server = legacy_server({"ping": lambda request: answer_json(unknown, 404)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        assert await witness.until_messages(1) == [unknown]
    assert server.seen[-1] == "DELETE"


# Order ------------------------------------------------------------------------------


async def test_nothing_passes_initialized() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    may_accept = anyio.Event()

    async def accept(request: httpx2.Request) -> httpx2.Response:
        await may_accept.wait()
        return httpx2.Response(202)

    server = legacy_server({"notifications/initialized": accept, "ping": takes(PONG)})
    transport = over(server, connect_timeout=0.01)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(CHANGED)
        await transport.send(jsonrpc.result("asked", {}))
        await transport.send(PING)
        await wait_all_tasks_blocked()
        assert server.seen == ["initialize", "notifications/initialized"]
        may_accept.set()
        await witness.until_messages(1)
    assert server.seen[2:] != []
    assert server.seen.index("notifications/roots/list_changed") < server.seen.index(
        "ping"
    )


async def test_nothing_passes_a_notification() -> None:
    """Our choice: what a notification says holds for what comes after it."""
    may_accept = anyio.Event()

    async def accept(request: httpx2.Request) -> httpx2.Response:
        await may_accept.wait()
        return httpx2.Response(202)

    server = legacy_server(
        {"notifications/roots/list_changed": accept, "ping": takes(PONG)}
    )
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(CHANGED)
        await transport.send(PING)
        await server.until_requests(3)
        await wait_all_tasks_blocked()
        assert server.seen[-1] == "notifications/roots/list_changed"
        may_accept.set()
        await witness.until_messages(1)


async def test_notification_holds_up_others_for_a_while_only() -> None:
    """Our choice: a server may ask something before it accepts."""

    async def never(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    server = legacy_server(
        {"notifications/roots/list_changed": never, "ping": takes(PONG)}
    )
    transport = over(server, connect_timeout=0.01)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(CHANGED)
        await transport.send(PING)
        await witness.until_messages(1)


async def test_failed_notification_holds_up_nothing() -> None:
    """Our choice: it is reported, and what follows goes out."""
    server = legacy_server(
        {
            "notifications/initialized": lambda request: httpx2.Response(500),
            "ping": takes(PONG),
        }
    )
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await witness.until_messages(1)
    [error] = witness.errors
    assert isinstance(error, HTTPRefused)
    assert (error.status, error.request_id) == (500, None)
    assert "GET" not in server.seen


async def test_send_waits_while_many_notifications_are_on_their_way() -> None:
    """Our choice: a server that accepts nothing does not fill the memory."""

    async def never(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    transport = over(FakeServer(never))
    refused: list[Message] = []

    async def send(message: Message) -> None:
        try:
            await transport.send(message)
        except TransportClosed:
            refused.append(message)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as waiting, opened(transport):
            for _ in range(MAX_ON_THEIR_WAY):
                await transport.send(CHANGED)
            for _ in range(3):
                waiting.start_soon(send, CHANGED)
            await wait_all_tasks_blocked()
            assert refused == []
    assert refused == [CHANGED] * 3


# Cancellation -----------------------------------------------------------------------


@pytest.mark.parametrize("has_begun", [True, False])
async def test_modern_cancellation_closes_the_connection(has_begun: bool) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"."""
    stream = Stream()
    is_left = anyio.Event()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if has_begun:
            return answer_stream(stream)
        try:
            await anyio.sleep_forever()
        finally:
            is_left.set()
        raise AssertionError

    server = FakeServer(answer)
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern(1, "tools/call", name="a"))
        await server.until_requests(1)
        await wait_all_tasks_blocked()
        await transport.send(cancelled(1))
        if has_begun:
            await stream.wait_until_left()
        else:
            with anyio.fail_after(PATIENCE_SECONDS):
                await is_left.wait()
    assert server.seen == ["tools/call"]
    assert (witness.messages, witness.errors) == ([], [])


async def test_legacy_cancellation_is_posted_and_the_stream_is_left() -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server", 6."""
    stream = Stream(event_of(b"", id="1"))
    server = legacy_server({"ping": lambda request: answer_stream(stream)})
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await server.until_requests(3)
        await transport.send(cancelled(1))
        await stream.wait_until_left()
        await server.until_requests(4)
    assert server.seen[3:] == ["notifications/cancelled", "DELETE"]
    assert server.requests[3].headers["mcp-session-id"] == SESSION_ID
    assert witness.errors == []


async def test_legacy_request_that_is_cancelled_before_it_went_out() -> None:
    """Our choice: the server hears neither of it nor of its cancellation."""

    async def never(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    server = legacy_server({"notifications/roots/list_changed": never})
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(CHANGED)
        await transport.send(PING)
        await server.until_requests(3)
        await transport.send(cancelled(1))
        await wait_all_tasks_blocked()
    assert server.seen[3:] == ["DELETE"]


async def test_legacy_cancellation_does_not_overtake_its_request() -> None:
    """Our choice: a server that does not know the request yet could only ignore it."""
    is_sent, may_answer = anyio.Event(), anyio.Event()

    async def answer_late(request: httpx2.Request) -> httpx2.Response:
        is_sent.set()
        await may_answer.wait()
        return httpx2.Response(202)

    server = legacy_server({"ping": answer_late})
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await is_sent.wait()
        # This server does not say that it has read all of the request.
        await transport.send(cancelled(1))
        await wait_all_tasks_blocked()
        assert server.seen[2:] == ["ping"]
        may_answer.set()
        await server.until_requests(4)
    assert server.seen[3:] == ["notifications/cancelled", "DELETE"]


@pytest.mark.parametrize("id", [99, "1", None, [1]])
async def test_cancellation_of_what_is_unknown(id: JSON) -> None:
    """Our choice: a session is told, and the modern era has none to tell."""
    server = legacy_server()
    transport = over(server, listens=False)
    async with opened(transport) as witness:
        await transport.send(cancelled(id))
        await wait_all_tasks_blocked()
        assert server.seen == []
        await initialize(transport, witness)
        await transport.send(cancelled(id))
        await server.until_requests(3)
        modern_one = {"requestId": id, "_meta": META}
        await transport.send(
            jsonrpc.notification("notifications/cancelled", modern_one)
        )
        await wait_all_tasks_blocked()
    assert server.seen[2:] == ["notifications/cancelled", "DELETE"]


async def test_id_that_is_used_again_is_cancelled_as_the_newest() -> None:
    """Our choice: the older one had its answer, or no task waits for it."""
    streams = [Stream(), Stream()]
    server = FakeServer(
        lambda request: answer_stream(streams[len(server.requests) - 1])
    )
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern(1, "tools/list"))
        await server.until_requests(1)
        await transport.send(modern(1, "tools/list"))
        await server.until_requests(2)
        await wait_all_tasks_blocked()
        streams[0].write(event_of(PONG))
        await witness.until_messages(1)
        streams[0].end()
        await wait_all_tasks_blocked()
        await transport.send(cancelled(1))
        await streams[1].wait_until_left()


# Failures ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 413, 429, 500, 503])
async def test_refused_request_fails(status: int) -> None:
    """Our choice: the driver decides by the status."""
    body = jsonrpc.error(None, -32000, "not now")
    headers = {"retry-after": "1"}
    server = FakeServer(lambda request: answer_json(body, status, headers))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern(1, "tools/list"))
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert isinstance(error, HTTPRefused)
    assert (error.status, error.request_id) == (status, 1)
    assert error.headers["retry-after"] == "1"
    assert str(error).endswith(": not now")
    assert witness.messages == []


async def test_server_that_is_not_there() -> None:
    """Our choice: a request fails, and the transport stays open for the next."""
    async with serve(respond(200)) as server:
        pass
    transport = StreamableHTTPClientTransport(server.url)
    async with opened(transport) as witness:
        for _ in range(2):
            await transport.send(PING)
        await witness.until(lambda w: len(w.errors) == 2)
    for error in witness.errors:
        assert type(error) is RequestFailed
        assert error.request_id == 1
        assert str(error) == f"cannot reach {server.url!r}: Connection refused"


async def test_redirect_to_another_origin_is_refused() -> None:
    """Our choice: the user decides whom to trust."""
    location = {"location": "https://evil.example/mcp"}
    server = FakeServer(lambda request: httpx2.Response(308, headers=location))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(PING)
        await witness.until(lambda w: len(w.errors) == 1)
    [error] = witness.errors
    assert isinstance(error, HTTPRefused)
    assert (error.status, error.request_id) == (308, 1)
    assert "the server redirects to 'https://evil.example/mcp'" in str(error)


class Failing(httpx2.Auth):
    """Raises whatever it is given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Fail."""
        raise self._error
        yield request


async def test_authentication_that_fails_ends_its_request_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: what is ours says why, what is not is logged."""
    server = FakeServer(takes(PONG))
    failures: list[tuple[Exception, str]] = [
        (AuthenticationFailed("the token is revoked"), "the token is revoked"),
        (KeyError("s3cr3t"), f"the request to '{URL}' failed: KeyError"),
    ]
    for failure, text in failures:
        transport = over(server, auth=Failing(failure))
        async with opened(transport) as witness:
            await transport.send(PING)
            await witness.until(lambda w: len(w.errors) == 1)
        [error] = witness.errors
        assert isinstance(error, RequestFailed)
        assert (error.request_id, str(error)) == (1, text)
        assert error.__cause__ in (failure, None)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://me:pw@shop.example/", "it must begin with http:// or https://"),
        ("http://shop.example:x/?s3cr3t", "it is no URL: Invalid port: 'x'"),
    ],
)
async def test_url_that_cannot_be_reached_fails_at_the_start(
    url: str, reason: str
) -> None:
    """Spec of `Transport`: what, which address, and no secrets of it."""
    transport = StreamableHTTPClientTransport(url)
    witness = Witness(transport)
    async with anyio.create_task_group() as tasks:
        with pytest.raises(ConnectFailed) as caught:
            await transport.start(tasks)
    assert str(caught.value).endswith(f": {reason}")
    assert "pw" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    await transport.close()
    assert witness.closed == 1


# The end ----------------------------------------------------------------------------


async def test_close_says_goodbye_to_the_session() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management", 5."""
    stream = Stream()
    server = legacy_server({"ping": lambda request: answer_stream(stream)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await server.until_requests(4)
        await transport.close()
        assert witness.closed == 1
        await stream.wait_until_left()
        with pytest.raises(TransportClosed):
            await transport.send(PING)
    assert server.seen[-1] == "DELETE"
    assert (witness.messages, witness.errors) == ([], [])


@pytest.mark.parametrize("status", [404, 405, 500])
async def test_goodbye_that_is_refused_is_no_failure(status: int) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management", 5: 405 is allowed."""
    server = legacy_server({"DELETE": lambda request: httpx2.Response(status)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await server.until_requests(3)
    assert witness.errors == []


class FailingAtTheEnd(httpx2.Auth):
    """Has no token any more when it comes to the goodbye."""

    def auth_flow(self, request: httpx2.Request) -> Any:
        """Fail, once it is the end."""
        if request.method == "DELETE":
            raise KeyError("token")
        yield request


async def test_goodbye_that_cannot_be_said_is_no_failure() -> None:
    """Our choice: whatever goes wrong, the transport is closed."""
    transport = over(legacy_server(), auth=FailingAtTheEnd(), listens=False)
    async with opened(transport) as witness:
        await initialize(transport, witness)
    assert witness.errors == []


async def test_close_does_not_wait_for_a_server_that_does_not_answer() -> None:
    """We promise it: closing takes a few seconds at most."""

    async def never(request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    server = legacy_server({"DELETE": never})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await server.until_requests(3)
    assert witness.closed == 1


async def test_close_is_shielded_from_who_is_cancelled() -> None:
    """We promise it: connections are closed whatever becomes of the caller."""
    server = legacy_server()
    transport = over(server)
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await initialize(transport, witness)
            await server.until_requests(3)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await transport.close()
            assert server.seen[-1] == "DELETE"
            assert witness.closed == 1


async def test_end_of_the_driver_is_the_end_of_the_transport() -> None:
    """We promise it: nothing is left behind, the goodbye included."""
    stream = Stream()
    server = legacy_server({"ping": lambda request: answer_stream(stream)})
    transport = over(server)
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await initialize(transport, witness)
            await transport.send(PING)
            await server.until_requests(4)
            tasks.cancel_scope.cancel()
    await stream.wait_until_left()
    assert server.seen[-1] == "DELETE"
    assert witness.closed == 1
    await transport.close()
    assert witness.closed == 1


async def test_start_that_is_cancelled_leaves_nothing() -> None:
    """We promise it."""
    transport = over(legacy_server())
    witness = Witness(transport)
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await transport.start(tasks)
        await transport.close()
    assert witness.closed == 1
    with pytest.raises(TransportClosed):
        await transport.send(PING)


async def test_start_in_a_group_that_has_ended() -> None:
    """Our choice: whose mistake it is is not ours to say, and nothing is left."""
    transport = over(legacy_server())
    witness = Witness(transport)
    async with anyio.create_task_group() as tasks:
        pass
    with anyio.fail_after(PATIENCE_SECONDS):
        with pytest.raises(RuntimeError):
            await transport.start(tasks)
        await transport.close()
    assert witness.closed == 1


async def test_close_before_the_start() -> None:
    """Spec of `Transport`: it is closed, and cannot be started."""
    transport = over(legacy_server())
    witness = Witness(transport)
    await transport.close()
    await transport.close()
    assert witness.closed == 1
    async with anyio.create_task_group() as tasks:
        with pytest.raises(TransportClosed):
            await transport.start(tasks)


def test_transport_is_made_outside_an_event_loop() -> None:
    """Our choice: settings and modules may do so."""
    StreamableHTTPClientTransport(URL, headers={"Authorization": "Bearer x"})


async def test_send_before_the_start_is_refused() -> None:
    """Spec of `Transport`."""
    with pytest.raises(TransportClosed):
        await over(legacy_server()).send(PING)


async def test_handler_of_a_message_may_close() -> None:
    """Our choice: it does not wait for itself."""
    transport = over(FakeServer(takes(PONG)))
    witness = Witness(transport)

    async def close(message: Message, sender: Sender) -> None:
        await transport.close()

    transport.on_message = close
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            await transport.send(modern(1, "tools/list"))
            await witness.until_closed()


async def test_error_of_the_driver_is_reported() -> None:
    """Our choice: as all transports do."""
    transport = over(FakeServer(takes(PONG)))
    async with opened(transport) as witness:

        async def fail(message: Message, sender: Sender) -> None:
            raise KeyError(message)

        transport.on_message = fail
        await transport.send(modern(1, "tools/list"))
        await witness.until(lambda w: len(w.errors) == 1)
    assert isinstance(witness.errors[0], KeyError)


async def test_sockets_are_closed_with_the_transport() -> None:
    """We promise it: also those whose answers have not come."""
    async with serve(play_until_left(b"")) as server:
        transport = StreamableHTTPClientTransport(server.url)
        async with opened(transport):
            for id in range(5):
                await transport.send(modern(id, "tools/list"))
            while len(server.requests) < 5:
                await anyio.lowlevel.checkpoint()
        with anyio.fail_after(PATIENCE_SECONDS):
            while server.connections:
                await anyio.lowlevel.checkpoint()
