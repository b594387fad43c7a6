"""POST /messages: what a client may post, and what it is answered."""

from __future__ import annotations

import codecs
import json
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django import Server
from mcp_django.auth.interface import anonymous
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.sessions.registry import Registry
from mcp_django.worker.addresses import Address, seal_address
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    LATEST,
    Connection,
    OpenStream,
    make_scope,
    open_stream,
    post,
    request,
    site,
    site_of,
)
from tests.consumers.credentials import cookie_of, token_of
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door, doors

JSON = {"content-type": "application/json"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
open_to_all = pytest.mark.usefixtures("without_authentication")


# Session ids --------------------------------------------------------------------

NOT_FOUND = (404, -32001, "Session not found")


def broken_ids(session_id: str) -> list[str]:
    """Give ids that look like one, more or less."""
    return [
        "unknown",
        session_id[:-1],
        session_id + "A",
        "A" + session_id[1:],
        session_id.replace(".", ":"),
        session_id.swapcase(),
        "%FF%FE%00",
        "%0D%0AX-Injected:%201",
        "%F0%9F%92%A5",
        "a" * 5000,
    ]


@open_to_all
async def test_unknown_malformed_and_tampered_session_ids_are_not_found() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 404."""
    async with open_stream(site) as stream:
        broken = broken_ids(stream.session_id)
        answers = [
            await post(site, f"/mcp/messages?session_id={id}", PING) for id in broken
        ]
        await stream.assert_alive()

    assert {answer.error() for answer in answers} == {NOT_FOUND}


@open_to_all
async def test_closed_session_is_not_found() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 404."""
    async with open_stream(site) as stream:
        await stream.assert_alive()

    assert (await stream.post(PING)).error() == NOT_FOUND


@open_to_all
async def test_session_of_a_worker_that_is_gone_is_not_found(
    settings: Settings,
) -> None:
    """Chosen: nobody acknowledges, so nothing was taken."""
    settings.MCP = {"AUTHENTICATION": [], "RELAY_TIMEOUT": 0.05}
    session_id = seal_address(
        "session", Address("key", "specific.of-a-worker-that-is-gone")
    )

    response = await post(site, f"/mcp/messages?session_id={session_id}", PING)

    assert response.error() == NOT_FOUND


@open_to_all
async def test_session_of_another_server_is_not_found() -> None:
    """Chosen: each server has sessions of its own."""
    other = site_of(Server("other"))
    async with open_stream(site) as stream:
        assert (await post(other, stream.endpoint, PING)).error() == NOT_FOUND


async def test_session_of_another_user_is_not_found(ada: User, bob: User) -> None:
    """Chosen: nobody learns that it exists."""
    async with open_stream(site, headers=await token_of(ada)) as stream:
        for credentials in (await token_of(bob), await cookie_of(bob)):
            response = await post(site, stream.endpoint, PING, headers=credentials)
            assert response.error() == NOT_FOUND
        await stream.assert_alive()


async def test_no_difference_shows_between_ids_that_are_not_found(
    ada: User, bob: User
) -> None:
    """Chosen: neither headers nor body tell an unknown id from somebody else's."""
    credentials = await token_of(bob)
    async with open_stream(site, headers=await token_of(ada)) as stream:
        urls = [
            stream.endpoint,
            *(f"/mcp/messages?session_id={id}" for id in broken_ids(stream.session_id)),
        ]
        first, *others = [
            await post(site, url, PING, headers=credentials) for url in urls
        ]
    closed = await post(site, stream.endpoint, PING, headers=credentials)

    assert first.error() == NOT_FOUND
    assert all(other == first for other in [*others, closed])


async def test_same_user_may_use_a_session_with_another_credential(ada: User) -> None:
    """Chosen: a session belongs to its user, whatever proves who that is."""
    async with open_stream(site, headers=await token_of(ada)) as stream:
        response = await post(site, stream.endpoint, PING, headers=await cookie_of(ada))

        assert response.status == 202


@open_to_all
@pytest.mark.parametrize("query", ["", "?", "?session_id=", "?session=x", "?x=1&y"])
async def test_missing_session_id_is_named(query: str) -> None:
    """Chosen: what a client sends that posts to the wrong URL."""
    assert (await post(site, f"/mcp/messages{query}", PING)).error() == (
        400,
        -32600,
        "the query parameter session_id is missing; the stream names it",
    )


@open_to_all
async def test_query_of_many_parameters_is_read() -> None:
    """Chosen: what proxies and clients add is not ours to judge."""
    response = await post(site, f"/mcp/messages?{'a&' * 5000}session_id=x", PING)

    assert response.status == 404


@open_to_all
@pytest.mark.parametrize(
    ("headers", "query"),
    [
        # Daphne refuses this one before us; other servers may not.
        ({}, b"session_id=\xff"),
        ({"content-type": "application/json; charset*=nonsense''x"}, b""),
    ],
)
async def test_request_that_django_cannot_read_is_refused(
    headers: dict[str, str], query: bytes
) -> None:
    """Chosen: bad input is never a 500."""
    headers |= {"origin": "http://testserver"}

    response = await post(
        site, "/mcp/messages", PING, headers=headers, query_string=query
    )

    assert response.error() == (400, -32600, "the request is malformed")


# Bodies -------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"not JSON",
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping",}',
        b"{'jsonrpc':'2.0','id':1,'method':'ping'}",
        '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xed\xa0\x80"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\udfff"}}',
        b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % (b"7" * 5000),
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}',
        b"[" * 10_000,
        b"[" * 300 + b"]" * 300,
        b'{"a":' * 300 + b"1" + b"}" * 300,
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_body_that_is_no_json_is_a_parse_error(body: bytes) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; the session lives on."""
    async with open_stream(site) as stream:
        response = await stream.post(body)
        await stream.assert_alive()

    status, code, message = response.error()
    assert (status, code) == (400, -32700)
    assert message.startswith("no JSON text: ")


@open_to_all
@pytest.mark.parametrize(
    "message",
    [
        None,
        True,
        7,
        "ping",
        {},
        {"id": 1, "method": "ping"},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "id": {}, "method": "ping"},
        {"jsonrpc": "2.0", "id": [1], "method": "ping"},
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "result": 7},
        {"jsonrpc": "2.0", "id": 1, "error": "no"},
        [],
        [1],
    ],
    ids=repr,
)
async def test_json_that_is_no_message_is_an_invalid_request(message: Any) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; the session lives on."""
    async with open_stream(site) as stream:
        response = await stream.post(message)
        await stream.assert_alive()

    assert (response.status, response.json()["error"]["code"]) == (400, -32600)


@open_to_all
@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_batch_is_refused_where_the_version_has_none(version: str) -> None:
    """Spec: 2025-06-18 changelog: batches are gone."""
    async with open_stream(site, is_initialized=False) as stream:
        await stream.initialize(version)
        response = await stream.post([PING])
        await stream.assert_alive()

    assert response.error() == (
        400,
        -32600,
        "batches are not part of this protocol version; send one message",
    )


@open_to_all
async def test_batch_is_taken_where_the_version_has_them() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    async with open_stream(site, is_initialized=False) as stream:
        await stream.initialize("2025-03-26")
        response = await stream.post([PING, PING | {"id": 2}])
        answers = [await stream.read_message(), await stream.read_message()]

    assert response.status == 202
    assert [answer["id"] for answer in answers] == [1, 2]


@open_to_all
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"],
)
async def test_content_type_that_is_not_json_is_refused(content_type: str) -> None:
    """Chosen: a page may send any other without asking; 415 in RFC 9110, 15.5.16."""
    async with open_stream(site) as stream:
        response = await stream.post(PING, headers={"content-type": content_type})

    assert response.error() == (
        415,
        -32600,
        "send JSON, with Content-Type: application/json",
    )


@open_to_all
async def test_compressed_body_is_refused_by_name_of_its_coding() -> None:
    """Spec: RFC 9110, 15.5.16: with the codings that would be taken."""
    async with open_stream(site) as stream:
        response = await stream.post(PING, headers={"content-encoding": "GZip"})
        plain = await stream.post(PING, headers={"content-encoding": "Identity"})

    assert response.error() == (
        415,
        -32600,
        "send the JSON as it is, without Content-Encoding: GZip",
    )
    assert response.header("accept-encoding") == "identity"
    assert plain.status == 202


@open_to_all
async def test_byte_order_mark_before_a_message_is_skipped() -> None:
    """Spec: RFC 8259, section 8.1: a parser may ignore it."""
    async with open_stream(site) as stream:
        body = codecs.BOM_UTF8 + json.dumps(PING).encode()
        response = await stream.post(body)
        answer = await stream.read_message()

    assert (response.status, answer["id"]) == (202, 1)


@open_to_all
async def test_missing_content_type_is_refused() -> None:
    """Chosen: as above."""
    body = json.dumps(PING).encode()

    response = await request(site, "POST", "/mcp/messages?session_id=x", body=body)

    assert response.status == 415


@open_to_all
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=\xff",
    ],
)
async def test_parameters_and_case_of_the_content_type_do_not_matter(
    content_type: str,
) -> None:
    """Spec: RFC 8259, section 11: JSON has no parameters."""
    async with open_stream(site, headers={"origin": "http://testserver"}) as stream:
        response = await stream.post(PING, headers={"content-type": content_type})

    assert response.status == 202


@pytest.mark.parametrize("is_declared", [True, False])
async def test_body_that_is_too_large_is_refused(
    settings: Settings, is_declared: bool
) -> None:
    """Chosen: MCP["MAX_BODY_BYTES"]; 413 in RFC 9110, 15.5.14."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 2000}
    body = json.dumps(PING).encode()
    async with open_stream(site) as stream:
        for size, status in ((2000, 202), (2001, 413)):
            padded = body.ljust(size)
            headers = {"content-length": str(size)} if is_declared else {}
            response = await stream.post(padded, headers=headers)
            assert response.status == status
        assert (await stream.read_message())["id"] == 1
        await stream.assert_alive()

    assert response.error() == (413, -32600, "the body is larger than 2000 bytes")


@open_to_all
@pytest.mark.parametrize("length", ["9" * 5000, "-1", "x", "\xb2", "1e9"])
async def test_declared_length_is_not_trusted(length: str) -> None:
    """Chosen: a wrong Content-Length is never a 500."""
    async with open_stream(site) as stream:
        response = await stream.post(PING, headers={"content-length": length})

    assert response.status in (202, 413)


@open_to_all
async def test_body_may_arrive_in_pieces() -> None:
    """Spec: ASGI HTTP, "Request"."""
    body = json.dumps(PING).encode()
    async with open_stream(site) as stream:
        scope = make_scope("POST", stream.endpoint, JSON)
        connection = Connection(site, scope, body[:5], is_whole=False)
        connection.send_body(b"", is_whole=False)
        connection.send_body(body[5:])
        await connection.wait_for_end()
        await connection.close()

        assert (await stream.read_message())["id"] == 1

    assert connection.response.status == 202


async def test_body_in_pieces_is_refused_as_soon_as_it_is_too_large(
    settings: Settings,
) -> None:
    """Chosen: the rest is not waited for."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 100}
    scope = make_scope("POST", "/mcp/messages?session_id=x", JSON)
    connection = Connection(site, scope, b" " * 101, is_whole=False)

    await connection.wait_for_end()
    await connection.close()

    assert connection.response.status == 413


@open_to_all
async def test_client_that_goes_in_the_middle_of_its_body_is_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: ASGI HTTP, "Disconnect"; that is no failure to be logged."""
    async with open_stream(site) as stream:
        scope = make_scope("POST", stream.endpoint, JSON)
        connection = Connection(site, scope, b"{", is_whole=False)
        await connection.close()
        await stream.assert_alive()

    assert connection.status == 0
    assert caplog.records == []


# Messages -----------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("is_initialized", [True, False])
async def test_unknown_method_is_not_found_before_and_after_initialize(
    is_initialized: bool,
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; newer clients probe by server/discover."""
    async with open_stream(site, is_initialized=is_initialized) as stream:
        error = await stream.ask("server/discover")
        await stream.assert_alive()

    assert error == {"code": -32601, "message": "unknown method: server/discover"}


@open_to_all
async def test_known_method_before_initialize_is_refused_and_initialize_named() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    async with open_stream(site, is_initialized=False) as stream:
        error = await stream.ask("tools/list")
        result = await stream.initialize()

    assert error == {
        "code": -32600,
        "message": "send initialize first, then tools/list",
    }
    assert result["protocolVersion"] == LATEST


@open_to_all
async def test_ping_before_initialize_is_answered() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    async with open_stream(site, is_initialized=False) as stream:
        await stream.assert_alive()


@open_to_all
@pytest.mark.parametrize(
    ("method", "params", "code", "message"),
    [
        ("tools/call", {"name": "nothing"}, -32602, "Unknown tool: nothing"),
        ("tools/call", {"name": "count_users"}, -32602, "Unknown tool: count_users"),
        ("prompts/get", {"name": "nothing"}, -32602, "Unknown prompt: nothing"),
        ("resources/read", {"uri": "site://no"}, -32002, "Resource not found"),
        ("resources/read", {"uri": "site://pages/x"}, -32002, "Resource not found"),
    ],
)
async def test_unknown_features_are_errors_of_the_spec(
    method: str, params: Any, code: int, message: str
) -> None:
    """Spec: 2025-11-25 server/tools, prompts and resources, "Error Handling".

    What a user may not use is unknown to them.
    """
    async with open_stream(site) as stream:
        error = await stream.ask(method, params)

    assert (error["code"], error["message"]) == (code, message)


@open_to_all
@pytest.mark.parametrize("params", [{}, {"name": 7}, {"name": "add", "arguments": 7}])
async def test_bad_params_are_an_error_over_the_stream(params: Any) -> None:
    """Spec: JSON-RPC 2.0, section 5.1: -32602."""
    async with open_stream(site) as stream:
        error = await stream.ask("tools/call", params)

    assert error["code"] == -32602
    assert error["message"].startswith("invalid params: ")


@open_to_all
async def test_arguments_that_do_not_fit_are_told_to_the_model() -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""
    async with open_stream(site) as stream:
        result = await stream.call("add", a="many", c=1)

    assert result["isError"] is True
    [content] = result["content"]
    assert "a: " in content["text"]
    assert "c" in content["text"]


@open_to_all
async def test_tool_that_raises_is_a_neutral_error_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: the reason is for the log, and for what listens to Django's signal."""
    reports = []

    def report(sender: object, **kwargs: Any) -> None:
        reports.append(sender)

    got_request_exception.connect(report)
    try:
        async with open_stream(site) as stream:
            result = await stream.call("fail")
            await stream.assert_alive()
    finally:
        got_request_exception.disconnect(report)

    assert result == {
        "content": [{"type": "text", "text": "Internal error"}],
        "isError": True,
    }
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert len(reports) == 1


@open_to_all
async def test_id_that_is_in_flight_is_ignored_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2025-11-25 basic, "Requests": ids are not used twice."""
    call = {"name": "hold", "arguments": {"door": "here"}}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": call}
    async with open_stream(site) as stream:
        door = doors["here"] = Door()
        assert (await stream.post(message)).status == 202
        await door.arrivals.receive()

        assert (await stream.post(message)).status == 202
        await stream.assert_alive()
        door.open()
        answer = await stream.read_message()
        await stream.assert_alive()
    del doors["here"]

    assert (answer["id"], answer["result"]["content"][0]["text"]) == (7, "7")
    assert caplog.messages == ["message ignored: request id 7 is in flight already"]


@open_to_all
@pytest.mark.parametrize(
    "answer",
    [
        {"jsonrpc": "2.0", "id": 99, "result": {}},
        {"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}},
        {"jsonrpc": "2.0", "id": 99, "error": {"code": 1, "message": "no"}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "no"}},
    ],
    ids=repr,
)
async def test_answer_to_nothing_asked_is_ignored_and_logged(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: harmless, so the session lives on."""
    async with open_stream(site) as stream:
        assert (await stream.post(answer)).status == 202
        await stream.assert_alive()

    assert caplog.messages == [
        f"message ignored: answer to {answer['id']!r}, which was not asked"
    ]


@open_to_all
async def test_post_is_accepted_before_its_handler_has_run() -> None:
    """Spec: 2024-11-05 basic/transports; clients give a POST five seconds."""
    call = {"name": "hold", "arguments": {"door": "here"}}
    async with open_stream(site) as stream:
        door = doors["here"] = Door()
        response = await stream.post(
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        )
        assert (response.status, response.body) == (202, b"")
        assert response.header("content-length") == "0"

        door.open()
        assert (await stream.read_message())["id"] == 1
    del doors["here"]


# Room ---------------------------------------------------------------------------


async def fill(stream: OpenStream, door: Door, count: int) -> list[int]:
    """Post calls that wait at a door, and give the statuses of the answers."""
    params = {"name": "hold", "arguments": {"door": "room"}}
    return [
        (
            await stream.post(
                {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params}
            )
        ).status
        for n in range(count)
    ]


async def test_session_without_room_is_503_with_retry_after(
    settings: Settings,
) -> None:
    """Chosen: as the last resort; MAX_CONCURRENT run and MAX_INBOX wait."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "MAX_CONCURRENT": 2,
        "MAX_INBOX": 3,
        "ROOM_TIMEOUT": 0.05,
    }
    door = doors["room"] = Door()
    async with open_stream(site) as stream:
        assert await fill(stream, door, 5) == [202] * 5

        response = await stream.post(PING | {"method": "tools/list", "id": "more"})

        assert response.error() == (
            503,
            -32603,
            "The session has no room for more requests; try again later",
        )
        assert response.header("retry-after") == "1"

        # What ends a jam has to get through.
        await stream.assert_alive()
        for message in (
            {"jsonrpc": "2.0", "id": 99, "result": {}},
            {
                "jsonrpc": "2.0",
                "method": "notifications/cancelled",
                "params": {"requestId": 4},
            },
        ):
            assert (await stream.post(message)).status == 202
        assert (
            await stream.post(PING | {"id": 5, "method": "tools/list"})
        ).status == 202

        door.open()
        answers = [await stream.read_message() for _ in range(5)]
    del doors["room"]

    assert sorted(answer["id"] for answer in answers) == [0, 1, 2, 3, 5]


async def test_post_waits_for_room_before_it_is_refused(settings: Settings) -> None:
    """Chosen: a client that is merely busy is not cut off."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1, "MAX_INBOX": 0}
    door = doors["room"] = Door()
    statuses: list[int] = []
    async with open_stream(site) as stream:
        assert await fill(stream, door, 1) == [202]
        await door.arrivals.receive()

        async def post_another() -> None:
            response = await stream.post(PING | {"id": 9, "method": "tools/list"})
            statuses.append(response.status)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post_another)
            await anyio.wait_all_tasks_blocked()
            assert statuses == []
            door.open()
        answers = [await stream.read_message() for _ in range(2)]
    del doors["room"]

    assert statuses == [202]
    assert [answer["id"] for answer in answers] == [0, 9]


async def test_pings_are_accepted_while_the_stream_is_full_and_unread(
    settings: Settings,
) -> None:
    """Chosen: a POST never waits until the stream is read."""
    settings.MCP = {"AUTHENTICATION": [], "UNCONFIRMED_BYTES": 1, "MAX_HELD_BYTES": 1}
    async with open_stream(site, is_initialized=False) as stream:
        with anyio.fail_after(PATIENCE_SECONDS):
            for number in range(3):
                assert (await stream.post(PING | {"id": number})).status == 202

        answered: list[int] = []
        while len(answered) < 3:
            message = await stream.read_message()
            if "method" in message:
                pong = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
                assert (await stream.post(pong)).status == 202
            else:
                answered.append(message["id"])

    assert answered == [0, 1, 2]


async def test_flood_of_pings_on_an_unread_stream_is_503_in_the_end(
    settings: Settings,
) -> None:
    """Chosen: a thousand may wait; what waits is bounded."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "UNCONFIRMED_BYTES": 1,
        "MAX_HELD_BYTES": 1,
        "ROOM_TIMEOUT": 0.05,
    }
    async with open_stream(site, is_initialized=False) as stream:
        statuses = [
            (await stream.post(PING | {"id": number})).status for number in range(1002)
        ]

    assert statuses == [202] * 1001 + [503]


async def test_bytes_that_wait_are_bounded_too(settings: Settings) -> None:
    """Chosen: MCP["MAX_INBOX_BYTES"]."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "MAX_CONCURRENT": 1,
        "MAX_INBOX_BYTES": 5000,
        "ROOM_TIMEOUT": 0.05,
    }
    large = json.dumps(PING | {"id": "large", "method": "tools/list"}).encode()
    door = doors["room"] = Door()
    async with open_stream(site) as stream:
        assert await fill(stream, door, 1) == [202]

        assert (await stream.post(large.ljust(6000))).status == 202
        assert (await stream.post(PING | {"method": "tools/list"})).status == 503

        door.open()
        assert [(await stream.read_message())["id"] for _ in range(2)] == [0, "large"]
    del doors["room"]


async def test_other_sessions_have_room_when_one_is_full(settings: Settings) -> None:
    """Chosen: room is a session's own."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "MAX_CONCURRENT": 1,
        "MAX_INBOX": 0,
        "ROOM_TIMEOUT": 0.05,
    }
    door = doors["room"] = Door()
    async with open_stream(site) as full, open_stream(site) as other:
        assert await fill(full, door, 2) == [202, 503]

        assert (await other.call("add", a=1))["structuredContent"] == {"result": 2}
        door.open()
    del doors["room"]


# Who sends ----------------------------------------------------------------------


@open_to_all
async def test_handler_sees_nobody_where_authentication_is_off() -> None:
    """Chosen: AnonymousUser, as in Django."""
    async with open_stream(site) as stream:
        result = await stream.call("name_user")

    assert result["content"] == [
        {"type": "text", "text": anonymous().user.get_username()}
    ]


async def test_permissions_are_those_at_the_time_of_the_message(ada: User) -> None:
    """Chosen: a right that was given or taken counts from the next message on."""
    async with open_stream(site, headers=await token_of(ada)) as stream:
        before = await stream.ask("tools/call", {"name": "count_users"})
        ada.is_superuser = True
        await authentication_threads.run(ada.save)
        after = await stream.ask("tools/call", {"name": "count_users"})

    assert before["code"] == -32602
    assert after["structuredContent"] == {"result": 0}


# Anything at all ----------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
odd_messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | st.text() | json_values,
        "method": st.sampled_from(
            [
                "initialize",
                "ping",
                "tools/call",
                "tools/list",
                "notifications/cancelled",
            ]
        )
        | json_values,
        "params": st.dictionaries(
            st.sampled_from(["name", "arguments", "_meta", "cursor", "requestId"]),
            json_values,
        )
        | json_values,
        "result": json_values,
        "error": json_values,
    },
)


@open_to_all
@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    bodies=st.lists(
        st.binary(max_size=200)
        | odd_messages.map(lambda value: json.dumps(value).encode())
        | json_values.map(lambda value: json.dumps(value).encode()),
        min_size=1,
        max_size=5,
    )
)
def test_no_bytes_end_a_session_or_give_a_500(bodies: list[bytes]) -> None:
    """Chosen: whatever is posted is taken or refused, and the session lives on."""

    async def post_all() -> None:
        async with open_stream(site, is_initialized=False) as stream:
            for body in bodies:
                assert (await stream.post(body)).status in (202, 400)
            await stream.post({"jsonrpc": "2.0", "id": "last one", "method": "ping"})
            while (await stream.read_message()).get("id") != "last one":
                pass
            assert len(current_worker().part(Registry)) == 1
        assert len(current_worker().part(Registry)) == 0

    anyio.run(post_all)
