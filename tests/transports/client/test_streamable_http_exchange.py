"""Streamable HTTP, the client's half: what a request is answered with."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest
from anyio import wait_all_tasks_blocked
from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.exceptions import (
    HTTPRefused,
    MessageLost,
    ParseError,
    RemoteProtocolError,
    RequestFailed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, Message
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from tests.transports.http_servers import (
    JSON as JSON_HEADERS,
)
from tests.transports.http_servers import (
    FakeServer,
    Play,
    Stream,
    Wire,
    answer_json,
    answer_stream,
    begin_events,
    event_of,
    initialize,
    legacy_server,
    opened,
    opening,
    play_bytes,
    play_reset,
    play_until_left,
    respond,
    serve,
)
from tests.transports.witness import PATIENCE_SECONDS, Witness

URL = "http://shop.example/mcp"
META = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: {}}
PING = jsonrpc.request(1, "ping", None)
PONG = jsonrpc.result(1, {})
NOTE = jsonrpc.notification("notifications/message", {"level": "info", "data": 1})
ASK = jsonrpc.request("asked", "roots/list", {})
NO_ANSWER = f"'{URL}' ended the stream without an answer"
UNUSABLE = f"the answer of '{URL}' cannot be used: "


def modern(id: int | str = 1) -> JSONRPCRequest:
    return jsonrpc.request(id, "tools/list", {"_meta": META})


def over(server: FakeServer, **options: Any) -> StreamableHTTPClientTransport:
    """Make a transport to a server in this process, which opens no stream by itself."""
    return StreamableHTTPClientTransport(
        URL, http=server.client(), **{"listens": False, **options}
    )


async def ask_modern(
    response: httpx2.Response, request: JSONRPCRequest | None = None, **options: Any
) -> Witness:
    """Ask once, and wait for the answer or the failure."""
    transport = over(FakeServer(lambda request: response), **options)
    async with opened(transport) as witness:
        await transport.send(request or modern())
        await witness.until(lambda w: bool(w.errors or w.messages))
        await wait_all_tasks_blocked()
    return witness


def failure_in(witness: Witness) -> RequestFailed:
    """Give the one failure of the one request that was asked."""
    failures = [error for error in witness.errors if isinstance(error, RequestFailed)]
    [failure] = failures
    assert failure.request_id == 1
    return failure


def check_cause(failure: RequestFailed, kind: type[RemoteProtocolError]) -> None:
    """See that the cause tells whose fault it is, in the same words."""
    assert type(failure.__cause__) is kind
    assert str(failure.__cause__) == str(failure)


# JSON -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("id", [1, None])
async def test_error_in_a_refusal_is_the_answer(status: int, id: int | None) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Protocol Version Header":
    errors come with status 400 and 404; without an id they are for what was asked."""
    body = jsonrpc.error(id, -32022, "Unsupported protocol version", {"supported": []})
    witness = await ask_modern(answer_json(body, status))
    assert witness.messages == [body.model_copy(update={"id": 1})]
    assert witness.errors == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (404, b"<html>"),
        (400, jsonrpc.serialize(jsonrpc.error(2, -32600, "no"))),
        (400, jsonrpc.serialize(PONG)),
        (500, jsonrpc.serialize(jsonrpc.error(1, -32603, "no"))),
        (401, jsonrpc.serialize(jsonrpc.error(1, -32603, "no"))),
    ],
)
async def test_other_refusals_fail(status: int, body: bytes) -> None:
    """Our choice: the status says more than what has no answer in it."""
    response = httpx2.Response(status, headers=JSON_HEADERS, content=body)
    failure = failure_in(await ask_modern(response))
    assert isinstance(failure, HTTPRefused)
    assert (failure.status, failure.body) == (status, body.decode())


async def test_error_without_id_is_the_answer() -> None:
    """Our choice: on the request's own response it can be for nothing else."""
    body = jsonrpc.error(None, -32600, "no")
    witness = await ask_modern(answer_json(body))
    assert witness.messages == [jsonrpc.error(1, -32600, "no")]


USELESS: dict[str, tuple[httpx2.Response, str]] = {
    "another type": (
        httpx2.Response(200, headers={"content-type": "text/html"}, content=b"<html>"),
        "status 200 with content of type 'text/html'; a request is answered with "
        "application/json or text/event-stream",
    ),
    "no type": (
        httpx2.Response(200, content=b"{}"),
        "status 200 with content of type ''; a request is answered with "
        "application/json or text/event-stream",
    ),
    "nothing": (
        httpx2.Response(202),
        "status 202 with content of type ''; a request is answered with "
        "application/json or text/event-stream",
    ),
    "a batch": (
        httpx2.Response(
            200, headers=JSON_HEADERS, content=b"[%b]" % jsonrpc.serialize(PONG)
        ),
        "batches are not part of this protocol version; send one message",
    ),
    "no JSON": (
        httpx2.Response(200, headers=JSON_HEADERS, content=b"{"),
        "no JSON text: ",
    ),
    "no message": (
        httpx2.Response(200, headers=JSON_HEADERS, content=b"7"),
        "a message is a JSON object, not a number",
    ),
    "another id": (
        answer_json(jsonrpc.result(2, {})),
        "it answers request 2, not 1",
    ),
    "another type of id": (
        answer_json(jsonrpc.result("1", {})),
        "it answers request '1', not 1",
    ),
    "too much": (
        answer_json(jsonrpc.result(1, {"a": "x" * 2000})),
        "the content is longer than 1000 bytes",
    ),
}


@pytest.mark.parametrize(("response", "text"), USELESS.values(), ids=USELESS)
async def test_answer_that_cannot_be_used(response: httpx2.Response, text: str) -> None:
    """Our choice: the request fails at once, and the text says whose fault it is."""
    witness = await ask_modern(response, max_message_bytes=1000)
    failure = failure_in(witness)
    assert str(failure).startswith(UNUSABLE + text)
    assert type(failure) is RequestFailed
    is_too_long = "longer than" in text
    check_cause(failure, MessageLost if is_too_long else RemoteProtocolError)
    assert witness.messages == []


async def test_json_that_is_no_answer() -> None:
    """Our choice: what it is is handed over, and the request fails."""
    witness = await ask_modern(answer_json(NOTE))
    assert witness.messages == [NOTE]


# Streams ----------------------------------------------------------------------------


async def test_messages_before_the_answer_are_handed_over_in_order() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages"."""
    stream = Stream(b": keep-alive\n\n", event_of(b"", id="1"), event_of(NOTE))
    server = FakeServer(lambda request: answer_stream(stream))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern())
        assert await witness.until_messages(1) == [NOTE]
        stream.write(b"event: other\ndata: x\n\n" + event_of(ASK))
        assert await witness.until_messages(2) == [NOTE, ASK]
        stream.write(event_of(PONG))
        assert await witness.until_messages(3) == [NOTE, ASK, PONG]
        stream.end()
    assert witness.errors == []


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "goes on"])
async def test_nothing_is_read_after_the_answer(ends: bool) -> None:
    """Our choice: one request has one answer."""
    events = event_of(PONG) + event_of(PONG) + event_of(NOTE) + b"data: {\n\n"
    stream = Stream(events, ends=ends)
    transport = over(FakeServer(lambda request: answer_stream(stream)))
    async with opened(transport) as witness:
        await transport.send(modern())
        await stream.wait_until_left()
    assert witness.messages == [PONG]
    assert witness.errors == []


async def test_what_breaks_after_the_answer_is_no_failure() -> None:
    """Our choice: no task waits for it any more."""
    stream = Stream(event_of(PONG))
    stream.break_off()
    transport = over(FakeServer(lambda request: answer_stream(stream)))
    async with opened(transport) as witness:
        await transport.send(modern())
        await stream.wait_until_left()
    assert (witness.messages, witness.errors) == ([PONG], [])


async def test_garbage_on_a_stream_is_reported_and_passed_over() -> None:
    """Our choice: the answer may still come."""
    events = b"data: {\n\n" + event_of(b"7") + event_of(PONG)
    witness = await ask_modern(answer_stream(events))
    kinds = [type(error) for error in witness.errors]
    assert kinds == [ParseError, RemoteProtocolError]
    assert witness.messages == [PONG]


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (b"", NO_ANSWER),
        (event_of(NOTE, id="7"), NO_ANSWER),
        (
            event_of(b"7"),
            f"{NO_ANSWER} (what is no message came on it: a message is a JSON object, "
            "not a number)",
        ),
        (event_of(PONG).removesuffix(b"\n"), NO_ANSWER),
    ],
    ids=["nothing", "a notification", "garbage", "half an answer"],
)
async def test_modern_stream_that_ends_without_answer(events: bytes, text: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages": streams
    cannot be resumed."""
    server = FakeServer(lambda request: answer_stream(events))
    transport = over(server)
    async with opened(transport) as witness:
        await transport.send(modern())
        await witness.until(
            lambda w: any(isinstance(error, RequestFailed) for error in w.errors)
        )
    failure = failure_in(witness)
    assert str(failure) == text
    if "no message" in text:
        check_cause(failure, RemoteProtocolError)
    else:
        assert failure.__cause__ is None  # what breaks off is no peer's fault
    assert server.seen == ["tools/list"]


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (jsonrpc.result(2, {}), "2"),
        (jsonrpc.result("1", {}), "'1'"),
        (jsonrpc.error(2, 1, ""), "2"),
    ],
)
async def test_stream_with_the_answer_to_another_request(
    answer: Message, id: str
) -> None:
    """Our choice: both ids are in the text, and nothing more is read."""
    stream = Stream(event_of(answer, id="5") + event_of(PONG))
    server = legacy_server({"ping": lambda request: answer_stream(stream)})
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await stream.wait_until_left()
        await wait_all_tasks_blocked()
    failure = failure_in(witness)
    assert str(failure) == f"{UNUSABLE}it answers request {id}, not 1"
    check_cause(failure, RemoteProtocolError)
    assert witness.messages == []
    assert "GET" not in server.seen


async def test_event_that_is_too_long_fails_its_request() -> None:
    """Our choice: a server cannot fill the memory; nothing of it is asked again."""
    stream = Stream(event_of(NOTE, id="1"), *[b"data: xxxxxxxxx\n"] * 200)
    server = legacy_server({"ping": lambda request: answer_stream(stream)})
    transport = over(server, max_message_bytes=1000)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await stream.wait_until_left()
        await wait_all_tasks_blocked()
    failure = failure_in(witness)
    assert str(failure) == f"{UNUSABLE}an event is longer than 1000 bytes"
    check_cause(failure, MessageLost)
    assert "GET" not in server.seen


async def test_batch_is_taken_in_the_version_that_has_it() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    body = b"[%b]" % b",".join(jsonrpc.serialize(m) for m in (NOTE, PONG, PONG, ASK))
    server = legacy_server(
        {
            "initialize": lambda request: answer_json(opening("2025-03-26")),
            "ping": lambda request: httpx2.Response(
                200, headers=JSON_HEADERS, content=body
            ),
        }
    )
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        assert await witness.until_messages(3) == [NOTE, PONG, ASK]
        await transport.send(jsonrpc.request(1, "ping", {"_meta": META}))
        await witness.until(lambda w: len(w.errors) == 1)
    assert "batches are not part of this protocol version" in str(failure_in(witness))


# Streams that are gone on with ------------------------------------------------------


def resumable(first: bytes | Stream, *rest: JSON) -> FakeServer:
    """Make a server that answers a ping with a stream, and each GET with the next.

    Args:
        first: The stream of the POST.
        rest: Streams, statuses, responses or exceptions.
    """
    answers = list(rest)

    def go_on(request: httpx2.Request) -> httpx2.Response:
        match answers.pop(0):
            case int() as status:
                return httpx2.Response(status)
            case httpx2.Response() as response:
                return response
            case Exception() as error:
                raise error
            case stream:
                return answer_stream(stream)

    return legacy_server({"ping": lambda request: answer_stream(first), "GET": go_on})


async def ask_legacy(server: FakeServer) -> tuple[Witness, list[httpx2.Request], float]:
    """Ask in a session, and give what came of it, the GETs, and how long it took."""
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        began_at = anyio.current_time()
        await transport.send(PING)
        await witness.until(lambda w: PONG in w.messages or bool(w.errors))
        took = anyio.current_time() - began_at
        await wait_all_tasks_blocked()
    return witness, [r for r in server.requests if r.method == "GET"], took


@pytest.mark.parametrize("breaks", [True, False], ids=["breaks", "ends"])
async def test_legacy_stream_is_gone_on_with(breaks: bool) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"; and "Sending
    Messages to the Server", 6: the client MUST respect `retry`."""
    first = Stream(event_of(b"", id="1", retry_ms=60), event_of(NOTE, id="2"))
    first.break_off() if breaks else first.end()
    server = resumable(first, event_of(ASK, id="3") + event_of(PONG, id="4"))
    witness, [request], took = await ask_legacy(server)
    assert witness.messages == [NOTE, ASK, PONG]
    assert witness.errors == []
    assert took >= 0.06
    assert request.headers["last-event-id"] == "2"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["mcp-session-id"] == "session-1"
    assert "content-type" not in request.headers


async def test_server_may_end_the_connection_as_often_as_it_likes() -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server", 6: the
    client polls. A `retry` without data counts, too."""
    streams = [
        event_of(b"", id=str(number)) + b"retry: %d\n\n" % number
        for number in range(2, 8)
    ]
    server = resumable(
        event_of(b"", id="1", retry_ms=1), *streams, event_of(PONG, id="8")
    )
    witness, requests, _ = await ask_legacy(server)
    assert witness.errors == []
    ids = [request.headers["last-event-id"] for request in requests]
    assert ids == ["1", "2", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    "nothing",
    [
        (b"", 503),
        (b": hello\n\n", httpx2.ReadError("broken")),
        (
            httpx2.Response(307, headers={"location": "http://evil.example"}),
            httpx2.Response(200, content=b"<html>"),
        ),
    ],
)
async def test_stream_that_brings_nothing_twice_is_given_up(
    nothing: tuple[Any, Any],
) -> None:
    """Our choice: a request does not wait forever."""
    more = event_of(NOTE, id="2")
    server = resumable(event_of(b"", id="1", retry_ms=1), b"", more, *nothing)
    witness, requests, _ = await ask_legacy(server)
    assert len(requests) == 4
    assert str(failure_in(witness)) == (
        f"{NO_ANSWER}, and 2 attempts to go on with it brought nothing"
    )
    assert type(failure_in(witness)) is RequestFailed


@pytest.mark.parametrize("status", [404, 405])
async def test_stream_that_must_not_be_gone_on_with(status: int) -> None:
    """Our choice: the request may have been carried out, so that its session is not
    said to be lost; the next request will see."""
    server = resumable(event_of(b"", id="1", retry_ms=1), status)
    witness, requests, _ = await ask_legacy(server)
    assert len(requests) == 1
    assert type(failure_in(witness)) is RequestFailed
    assert str(failure_in(witness)) == (
        f"{NO_ANSWER}, and does not let us go on with it (status {status})"
    )


async def test_legacy_stream_without_ids_is_not_gone_on_with() -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery": ids are
    optional."""
    witness, requests, _ = await ask_legacy(resumable(event_of(NOTE)))
    assert str(failure_in(witness)) == NO_ANSWER
    assert requests == []


async def test_cancelled_request_is_not_gone_on_with() -> None:
    """Our choice: no task waits for it."""
    server = resumable(event_of(b"", id="1", retry_ms=10_000))
    transport = over(server)
    async with opened(transport) as witness:
        await initialize(transport, witness)
        await transport.send(PING)
        await server.until_requests(3)
        await wait_all_tasks_blocked()
        await transport.send(
            jsonrpc.notification("notifications/cancelled", {"requestId": 1})
        )
        await server.until_requests(4)
    assert server.seen[3:] == ["notifications/cancelled", "DELETE"]
    assert witness.errors == []


# Over sockets -----------------------------------------------------------------------


async def ask_over_socket(*plays: Any, **options: Any) -> Witness:
    """Ask once over a socket, in the modern era."""
    async with serve(*plays) as server:
        transport = StreamableHTTPClientTransport(server.url, **options)
        async with opened(transport) as witness:
            await transport.send(modern())
            await witness.until(lambda w: bool(w.errors or w.messages))
        with anyio.fail_after(PATIENCE_SECONDS):
            while server.connections:
                await anyio.lowlevel.checkpoint()
    return witness


async def test_answers_come_over_sockets() -> None:
    """Our choice: the HTTP library does what we think."""
    witness = await ask_over_socket(respond(200, jsonrpc.serialize(PONG), JSON_HEADERS))
    assert (witness.messages, witness.errors) == ([PONG], [])
    events = begin_events(event_of(PONG))
    witness = await ask_over_socket(play_bytes(events))
    assert (witness.messages, witness.errors) == ([PONG], [])
    witness = await ask_over_socket(play_until_left(events))
    assert (witness.messages, witness.errors) == ([PONG], [])


async def test_connection_is_kept_after_the_answer_on_a_stream() -> None:
    """Our choice: most servers end the stream then, and shaking hands is dear."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n"

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)

    async def play(wire: Wire) -> None:
        await wire.send(head + chunk(event_of(PONG)) + b"0\r\n\r\n")
        await wire.receive_next()
        again = event_of(jsonrpc.result(2, {}))
        await wire.send(head + chunk(again) + b"0\r\n\r\n")

    async with serve(play, respond(500)) as server:
        transport = StreamableHTTPClientTransport(server.url)
        async with opened(transport) as witness:
            await transport.send(modern())
            await witness.until_messages(1)
            await transport.send(modern(2))
            await witness.until_messages(2)
    assert witness.errors == []


@pytest.mark.parametrize(
    "begun", [b"", begin_events(), begin_events(event_of(NOTE))], ids=len
)
async def test_silent_server_counts_as_broken(begun: bytes) -> None:
    """Our choice: a request does not wait forever, whatever has come of its answer."""
    async with serve(play_until_left(begun)) as server:
        transport = StreamableHTTPClientTransport(server.url, read_timeout=0.05)
        async with opened(transport) as witness:
            await transport.send(modern())
            await witness.until(lambda w: len(w.errors) == 1)
    assert str(failure_in(witness)) == f"nothing came from {server.url!r} for 0.05 s"


async def test_silent_legacy_stream_is_gone_on_with() -> None:
    """Our choice: silence is one way in which networks break."""
    session = {**JSON_HEADERS, "mcp-session-id": "s"}
    async with serve(
        respond(200, jsonrpc.serialize(opening()), session),
        respond(202),
        play_until_left(begin_events(event_of(b"", id="1", retry_ms=1))),
        play_bytes(begin_events(event_of(PONG))),
        respond(200),
    ) as server:
        transport = StreamableHTTPClientTransport(
            server.url, read_timeout=0.2, listens=False
        )
        async with opened(transport) as witness:
            await initialize(transport, witness)
            await transport.send(PING)
            assert await witness.until_messages(1) == [PONG]
    methods = [request.method for request in server.requests]
    assert methods == ["POST", "POST", "POST", "GET", "DELETE"]
    assert server.requests[3].headers["last-event-id"] == "1"
    assert witness.errors == []


BROKEN = {
    "garbage": play_bytes(b"hello\r\n\r\n"),
    "half a JSON answer": play_bytes(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        b'content-length: 99\r\n\r\n{"jsonrpc"'
    ),
    "half a stream": play_bytes(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        b"transfer-encoding: chunked\r\n\r\n5\r\ndata:\r\n"
    ),
    "a reset": play_reset,
    "another type": respond(200, b"<html>", {"content-type": "text/html"}),
    "a redirect": respond(302, b"", {"location": "/elsewhere"}),
    "an endless event": play_until_left(begin_events(b"data: " + b"x" * 5000)),
}


@pytest.mark.parametrize("play", BROKEN.values(), ids=BROKEN)
async def test_broken_answer_fails_its_request(play: Play) -> None:
    """Our choice: at once, in our words, and with every socket closed."""
    witness = await ask_over_socket(play, max_message_bytes=1000)
    failure_in(witness)
    assert witness.messages == []


async def test_request_in_flight_leaves_nothing_when_it_is_cancelled() -> None:
    """Our choice: the server sees the end of the connection."""
    is_left = anyio.Event()

    async def play(wire: Wire) -> None:
        await wire.send(begin_events(event_of(NOTE)))
        await wire.wait_until_left()
        is_left.set()

    async with serve(play) as server:
        transport = StreamableHTTPClientTransport(server.url)
        async with opened(transport) as witness:
            await transport.send(modern())
            await witness.until_messages(1)
            await transport.send(
                jsonrpc.notification("notifications/cancelled", {"requestId": 1})
            )
            with anyio.fail_after(PATIENCE_SECONDS):
                await is_left.wait()
    assert witness.errors == []
