"""POST /mcp in 2026-07-28: one request, one exchange, no session."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
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
from mcp_django.server.threads import authentication_threads
from mcp_django.sessions.worker import current_worker
from tests.consumers.connections import Connection, make_scope, request, site_of
from tests.consumers.credentials import token_of
from tests.consumers.shop import Patience, patience, runs
from tests.consumers.streamable import (
    BOTH,
    JSON_ONLY,
    MODERN,
    STREAM_ONLY,
    arrival,
    begin_modern,
    call_of,
    complete,
    events_of,
    finish,
    headers_of,
    messages_of,
    modern,
    open_modern,
    post,
    post_modern,
    progress,
    read_message,
    shop,
    text_of,
    tick,
    with_progress,
)
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ADD = call_of("add", a=1, b=2)
MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
INVALID_PARAMS = -32602
NOT_FOUND = -32601


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    """Forget what the handlers of other tests did."""
    runs.clear()


def without(message: dict[str, Any], *names: str) -> dict[str, Any]:
    """Leave members of a request's `_meta` out."""
    meta = message["params"]["_meta"]
    left = {k: v for k, v in meta.items() if k.partition("/")[2] not in names}
    return {**message, "params": {**message["params"], "_meta": left}}


# Answers ----------------------------------------------------------------------------


@open_to_all
async def test_request_is_answered_as_json() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Sending Messages"."""
    response = await post_modern(ADD)

    assert response.status == 200
    assert response.header("content-type") == "application/json"
    # Spec: RFC 9111, section 3: what answers a POST is not stored anyway.
    assert response.header("cache-control") is None
    assert response.header("mcp-session-id") is None
    assert response.json() == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": complete(
            {
                "content": [{"type": "text", "text": "3"}],
                "structuredContent": 3,
            }
        ),
    }


@open_to_all
@pytest.mark.parametrize("id", [0, -1, 2**53 + 1, 10**30, "", "a", "\u00e9", "1"])
async def test_answer_has_the_id_of_its_request(id: Any) -> None:
    """Spec: JSON-RPC 2.0, section 5."""
    answer = (await post_modern(ADD | {"id": id})).json()

    assert answer["id"] == id
    assert type(answer["id"]) is type(id)


@open_to_all
async def test_discovery_names_versions_and_capabilities() -> None:
    """Spec: 2026-07-28 server/discover."""
    result = (await post_modern(DISCOVER)).json()["result"]

    assert result["supportedVersions"] == [MODERN]
    assert {"tools", "resources", "prompts"} <= result["capabilities"].keys()
    assert (result["ttlMs"], result["cacheScope"]) == (0, "private")


@open_to_all
async def test_same_id_may_be_in_use_twice(door: Door) -> None:
    """Spec: 2026-07-28 basic, "Statelessness": each exchange stands for itself."""
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    assert text_of((await post_modern(ADD)).json()) == "3"
    door.open()

    assert text_of((await finish(held)).json()) == "1"


@open_to_all
async def test_handler_sees_its_own_request_and_no_session() -> None:
    """Chosen: credentials are kept from it."""
    response = await post_modern(
        call_of("look"),
        clientInfo={"name": "tester", "version": "1"},
        headers={"x-trace": "here", "authorization": "Bearer x", "mcp-session-id": "x"},
    )

    assert response.json()["result"]["structuredContent"] == {
        "user": "",
        "version": MODERN,
        "client": "tester",
        "session": False,
        "trace": "here",
        "secret": None,
    }


@open_to_all
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (BOTH, "application/json"),
        (JSON_ONLY, "application/json"),
        ("*/*", "application/json"),
        ("text/event-stream, application/json;q=0.1", "application/json"),
        (STREAM_ONLY, "text/event-stream; charset=utf-8"),
    ],
)
async def test_answer_is_of_a_type_that_the_client_takes(
    accept: str, content_type: str
) -> None:
    """Spec: RFC 9110, 12.5.1; JSON first is chosen."""
    response = await post_modern(ADD, headers={"accept": accept})

    assert response.header("content-type") == content_type


# Refusals ---------------------------------------------------------------------------

ENVELOPES: dict[str, tuple[Any, dict[str, str], int, int]] = {
    # What is wrong -> body, headers beside the right ones, status, code.
    "no _meta": (LIST, {}, 400, INVALID_PARAMS),
    "_meta is no object": (
        LIST | {"params": {"_meta": 7}},
        {},
        400,
        INVALID_PARAMS,
    ),
    "no version": (without(modern(LIST), "protocolVersion"), {}, 400, INVALID_PARAMS),
    "version is no text": (modern(LIST, version=7), {}, 400, INVALID_PARAMS),
    "no capabilities": (
        without(modern(LIST), "clientCapabilities"),
        {},
        400,
        INVALID_PARAMS,
    ),
    "capabilities are 7": (modern(LIST, capabilities=7), {}, 400, INVALID_PARAMS),
    "capability is 7": (
        modern(LIST, capabilities={"sampling": 7}),
        {},
        400,
        INVALID_PARAMS,
    ),
    "client is no object": (modern(LIST, clientInfo=[]), {}, 400, INVALID_PARAMS),
    "unknown log level": (modern(LIST, logLevel="loud"), {}, 400, INVALID_PARAMS),
    "unknown version": (
        modern(LIST, version="v999.0.0"),
        {"mcp-protocol-version": "v999.0.0"},
        400,
        UNSUPPORTED_VERSION,
    ),
    "version of the other era": (
        modern(LIST, version="2025-11-25"),
        {"mcp-protocol-version": "2025-11-25"},
        400,
        UNSUPPORTED_VERSION,
    ),
    "unknown version, but the header names a known one": (
        modern(LIST, version="v999.0.0"),
        {},
        400,
        MISMATCH,
    ),
    "known version, but the header names an unknown one": (
        modern(LIST),
        {"mcp-protocol-version": "v999.0.0"},
        400,
        MISMATCH,
    ),
    "unknown method": (modern(LIST | {"method": "tools/lost"}), {}, 404, NOT_FOUND),
    "unknown version and method": (
        modern(LIST | {"method": "tools/lost"}, version="v999.0.0"),
        {"mcp-protocol-version": "v999.0.0"},
        400,
        UNSUPPORTED_VERSION,
    ),
    "batch": ([modern(LIST)], {}, 400, -32600),
    "result": ({"jsonrpc": "2.0", "id": 1, "result": {}}, {}, 400, -32600),
    "error": (
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}},
        {},
        400,
        -32600,
    ),
    "id is an object": (modern(LIST | {"id": {}}), {}, 400, -32600),
    "id is null": (modern(LIST | {"id": None}), {}, 400, -32600),
    "no JSON": (b"{", {}, 400, -32700),
    "invalid UTF-8": (b'{"\xff":1}', {}, 400, -32700),
    "a lone surrogate": (b'{"a":"\\ud800"}', {}, 400, -32700),
    "not a number": (b'{"a":NaN}', {}, 400, -32700),
    "nested too deep": (b"[" * 10_000, {}, 400, -32700),
    "an integer of thousands of digits": (b"7" * 5000, {}, 400, -32700),
    "nothing": (b"", {}, 400, -32700),
}


@open_to_all
@pytest.mark.parametrize(
    ("body", "headers", "status", "code"), ENVELOPES.values(), ids=ENVELOPES.keys()
)
async def test_malformed_request_is_refused_with_its_id(
    body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    """Spec: 2026-07-28 basic, "`_meta`"; basic/transports/streamable-http."""
    method = body["method"] if isinstance(body, dict) and "method" in body else "x"
    standard = {"mcp-protocol-version": MODERN, "mcp-method": method}

    response = await post(shop, body, headers=standard | headers)

    answer = response.json()
    is_request = code not in (-32600, -32700)
    assert (response.status, answer["error"]["code"]) == (status, code)
    assert answer["id"] == (1 if is_request else None)
    assert response.header("content-type") == "application/json"


@open_to_all
async def test_unknown_version_is_told_the_known_ones() -> None:
    """Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation"."""
    headers = {"mcp-protocol-version": "v999.0.0"}
    response = await post_modern(LIST, version="v999.0.0", headers=headers)

    assert response.json()["error"] == {
        "code": UNSUPPORTED_VERSION,
        "message": "Unsupported protocol version",
        "data": {"supported": [MODERN], "requested": "v999.0.0"},
    }


@open_to_all
@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
    ],
)
async def test_methods_of_the_other_era_are_not_found(method: str) -> None:
    """Spec: 2026-07-28 changelog; the era is decided before the method is."""
    response = await post_modern(LIST | {"method": method})

    assert (response.status, response.json()["error"]["code"]) == (404, NOT_FOUND)
    assert response.header("mcp-session-id") is None


@open_to_all
async def test_feature_that_is_not_declared_is_not_found() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http; a server without prompts."""
    message = LIST | {"method": "prompts/list"}

    response = await post_modern(message, application=site_of(Server("bare")))

    assert (response.status, response.json()["error"]["code"]) == (404, NOT_FOUND)


HEADERS: dict[str, tuple[Any, dict[str, str | None], bool]] = {
    # What is special -> request, headers instead of the right ones, whether it is fine.
    "all as they should be": (ADD, {}, True),
    "no version": (ADD, {"mcp-protocol-version": None}, False),
    "no method": (ADD, {"mcp-method": None}, False),
    "other method": (ADD, {"mcp-method": "tools/list"}, False),
    "method in capitals": (ADD, {"mcp-method": "Tools/Call"}, False),
    "method twice": (ADD, {"mcp-method": "tools/call, tools/call"}, False),
    "blanks around the method": (ADD, {"mcp-method": " \ttools/call "}, True),
    "method encoded": (ADD, {"mcp-method": "=?base64?dG9vbHMvY2FsbA==?="}, False),
    "no name": (ADD, {"mcp-name": None}, False),
    "other name": (ADD, {"mcp-name": "subtract"}, False),
    "name in capitals": (ADD, {"mcp-name": "Add"}, False),
    "blanks around the name": (ADD, {"mcp-name": "\t add  "}, True),
    "name encoded": (ADD, {"mcp-name": "=?base64?YWRk?="}, True),
    "other name encoded": (ADD, {"mcp-name": "=?base64?c3Vi?="}, False),
    "name badly encoded": (ADD, {"mcp-name": "=?base64?YWR!?="}, False),
    "name not in ASCII": (ADD, {"mcp-name": "add\u00e9"}, False),
    "name where none is needed": (LIST, {"mcp-name": "anything"}, True),
    "URI": (
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "resources/read",
            "params": {"uri": "shop://stock"},
        },
        {},
        True,
    ),
    "other URI": (
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "resources/read",
            "params": {"uri": "shop://stock"},
        },
        {"mcp-name": "shop://other"},
        False,
    ),
    "parameter": (
        call_of("route", region="eu"),
        {"mcp-param-region": "eu"},
        True,
    ),
    "parameter encoded": (
        call_of("route", region="caf\u00e9"),
        {"mcp-param-region": "=?base64?Y2Fmw6k=?="},
        True,
    ),
    "no parameter": (call_of("route", region="eu"), {}, False),
    "other parameter": (
        call_of("route", region="eu"),
        {"mcp-param-region": "us"},
        False,
    ),
    "parameter that no tool has": (ADD, {"mcp-param-region": "eu"}, True),
}


@open_to_all
@pytest.mark.parametrize(
    ("message", "headers", "is_fine"), HEADERS.values(), ids=HEADERS.keys()
)
async def test_headers_have_to_say_what_the_body_says(
    message: Any, headers: dict[str, str | None], is_fine: bool
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation"."""
    merged = {**headers_of(message), **headers}
    sent = {name: value for name, value in merged.items() if value is not None}

    response = await post(shop, modern(message), headers=sent)

    answer = response.json()
    if is_fine:
        assert response.status == 200
        assert "result" in answer
    else:
        assert (response.status, answer["error"]["code"]) == (400, MISMATCH)
        assert answer["error"]["message"].startswith("Header mismatch: ")
    assert answer["id"] == 1


@open_to_all
async def test_names_of_headers_may_be_in_any_case() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Case Sensitivity"."""
    headers = {name.upper(): value for name, value in headers_of(ADD).items()}

    assert (await post(shop, modern(ADD), headers=headers)).status == 200


@open_to_all
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "text/html"}, 406),
        ({"accept": "application/json;q=0, text/event-stream;q=0"}, 406),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": ""}, 415),
        ({"content-length": "100000000"}, 413),
        ({"host": "evil.example"}, 400),
        ({"origin": "https://evil.example"}, 403),
    ],
)
async def test_request_is_refused_before_it_is_read(
    headers: dict[str, str], status: int
) -> None:
    """Spec: RFC 9110, 15.5; 2026-07-28 basic/transports/streamable-http."""
    response = await post_modern(ADD, headers=headers)

    assert response.error()[:2] == (status, -32600)


async def test_body_that_is_too_large_is_refused(settings: Settings) -> None:
    """Chosen: MCP["MAX_BODY_BYTES"]; 413 in RFC 9110, 15.5.14."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 100}

    assert (await post_modern(ADD)).error() == (
        413,
        -32600,
        "the body is larger than 100 bytes",
    )


@open_to_all
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_other_http_methods_are_not_of_this_version(method: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Earlier Streamable HTTP
    Revisions"."""
    headers = {"mcp-protocol-version": MODERN, "accept": BOTH}

    response = await request(shop, method, "/mcp", headers=headers)

    assert response.error()[:2] == (405, -32600)
    assert response.header("allow") == "POST"


@open_to_all
@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS"])
async def test_http_methods_that_there_are_not_are_refused(method: str) -> None:
    """Spec: RFC 9110, 15.5.6."""
    response = await request(shop, method, "/mcp")

    assert response.status == 405
    assert response.header("allow") == "POST, GET, DELETE"


async def test_nobody_is_asked_for_credentials(settings: Settings) -> None:
    """Spec: RFC 9110, 11.6.1."""
    settings.MCP = {}

    response = await post_modern(ADD)

    assert response.error() == (401, -32600, "Authentication required")
    assert response.header("www-authenticate") == 'Bearer realm="mcp"'


# Notifications ----------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("method", ["notifications/cancelled", "notifications/lost"])
async def test_notification_is_accepted(method: str) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Sending Messages"."""
    message = {"jsonrpc": "2.0", "method": method}
    headers = {"mcp-protocol-version": MODERN}

    response = await post(shop, message, headers=headers)

    assert (response.status, response.body) == (202, b"")


@open_to_all
async def test_posted_cancellation_cancels_nothing(door: Door) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation: closing the stream does."""
    held = begin_modern(call_of("hold", door="here", id=7))
    await arrival(door)
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    response = await post(
        shop,
        message | {"params": {"requestId": 7}},
        headers={"mcp-protocol-version": MODERN},
    )
    door.open()

    assert response.status == 202
    assert text_of((await finish(held)).json()) == "7"
    assert runs.cancelled == []


# Streams ----------------------------------------------------------------------------


@open_to_all
async def test_answer_becomes_a_stream_when_progress_is_reported() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages"."""
    response = await post_modern(with_progress(call_of("report", steps=2)))

    first, second, answer = messages_of(response)
    assert [first, second] == [progress(1, 2), progress(2, 2)]
    assert (answer["id"], text_of(answer)) == (1, "reported")
    assert response.header("x-accel-buffering") == "no"
    assert all(event.id == "" for event in events_of(response))


@open_to_all
async def test_progress_comes_while_the_handler_runs(door: Door) -> None:
    """Spec: 2026-07-28 basic/patterns/progress."""
    message = with_progress(call_of("report", steps=2, door="here"))
    stream = await open_modern(message)
    assert await read_message(stream) == progress(1, 2)
    door.open()

    assert await read_message(stream) == progress(2, 2)
    assert text_of(await read_message(stream)) == "reported"
    await finish(stream)


@open_to_all
async def test_progress_that_nobody_asked_for_makes_no_stream() -> None:
    """Spec: 2026-07-28 basic/patterns/progress: only with a progress token."""
    response = await post_modern(call_of("report", steps=2))

    assert text_of(response.json()) == "reported"


@open_to_all
@pytest.mark.parametrize(
    ("wanted", "is_sent"),
    [(None, False), ("warning", False), ("info", True), ("debug", True)],
)
async def test_log_messages_are_sent_from_the_level_that_the_request_wants(
    wanted: str | None, is_sent: bool
) -> None:
    """Spec: 2026-07-28 server/utilities/logging: none without `logLevel`."""
    meta = {} if wanted is None else {"logLevel": wanted}
    response = await post_modern(call_of("log", level="info", text="hello"), **meta)

    if not is_sent:
        assert text_of(response.json()) == "logged"
        return
    logged, answer = messages_of(response)
    assert logged == {
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": {"level": "info", "data": "hello"},
    }
    assert text_of(answer) == "logged"


@open_to_all
async def test_client_that_reads_json_only_gets_its_answer_alone() -> None:
    """Chosen: what cannot be sent is dropped."""
    message = with_progress(call_of("report", steps=2))

    response = await post_modern(message, headers={"accept": JSON_ONLY})

    assert text_of(response.json()) == "reported"


async def test_answer_becomes_a_stream_when_the_handler_is_silent(
    settings: Settings, door: Door
) -> None:
    """Chosen: MCP["STREAM_AFTER_SECONDS"], so that the connection stays alive."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1e-9}
    stream = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    assert stream.status == 0
    await tick()
    assert stream.status == 200
    door.open()

    [answer] = messages_of(await finish(stream))
    assert text_of(answer) == "1"


async def test_handler_is_left_alone_until_it_was_silent_for_long(
    settings: Settings, door: Door
) -> None:
    """Chosen: as above; the worker looks each second."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1000.0}
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    await tick()
    door.open()

    assert (await finish(held)).header("content-type") == "application/json"


async def test_silent_stream_is_kept_alive(settings: Settings, door: Door) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, on comments."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "STREAM_AFTER_SECONDS": 1e-9,
        "KEEP_ALIVE_SECONDS": 1e-9,
    }
    stream = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    await tick()
    await tick()
    assert await stream.read_chunk() == b": keep-alive\r\n\r\n"
    door.open()

    await finish(stream)


async def test_client_that_reads_json_only_waits_however_long(
    settings: Settings, door: Door
) -> None:
    """Chosen: there is no other way to answer it."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1e-9}
    held = begin_modern(call_of("hold", door="here"), headers={"accept": JSON_ONLY})
    await arrival(door)
    await tick()
    assert held.status == 0
    door.open()

    assert text_of((await finish(held)).json()) == "1"


@open_to_all
async def test_error_after_the_stream_began_is_its_last_event() -> None:
    """Chosen: the status is sent already."""
    message = with_progress(call_of("report", steps="many"))
    headers = {"accept": STREAM_ONLY}

    response = await post_modern(LIST | {"method": "prompts/get"}, headers=headers)
    [answer] = messages_of(response)
    assert answer["error"]["code"] == INVALID_PARAMS

    [answer] = messages_of(await post_modern(message, headers=headers))
    assert answer["result"]["isError"] is True


async def test_result_too_large_for_an_event_is_fine_as_json(
    settings: Settings,
) -> None:
    """Chosen: clients limit events, not bodies."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_EVENT_BYTES": 300}
    message = call_of("refuse", code=1)
    name = "x" * 400

    assert (await post_modern(message | {"id": name})).json()["id"] == name
    with_stream = await post_modern(LIST, headers={"accept": STREAM_ONLY})

    [answer] = messages_of(with_stream)
    assert answer["error"]["code"] == -32603
    assert "at most 300 can be sent" in answer["error"]["message"]


# Errors of handlers -----------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("tool", ["fail", "leave_python", "break_text"])
async def test_handler_that_fails_is_a_neutral_tool_error(
    tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what went wrong is in the log, and Django is told."""
    told: list[Any] = []

    def receive(**kwargs: Any) -> None:
        told.append(kwargs)

    got_request_exception.connect(receive)
    response = await post_modern(call_of(tool))
    got_request_exception.disconnect(receive)

    assert response.status == 200
    assert response.json()["result"] == complete(
        {"content": [{"type": "text", "text": "Internal error"}], "isError": True}
    )
    assert len(told) == 1
    assert caplog.messages == [f"tools/call '{tool}' failed"]
    assert caplog.records[0].exc_info is not None


@open_to_all
@pytest.mark.parametrize(
    ("code", "status"),
    [(1, 200), (INVALID_PARAMS, 200), (NOT_FOUND, 404), (MISSING_CAPABILITY, 400)],
)
async def test_error_of_a_handler_has_the_status_of_its_code(
    code: int, status: int
) -> None:
    """Spec: 2026-07-28 basic, "Error Codes"; 200 for others is chosen."""
    response = await post_modern(call_of("refuse", code=code))

    assert response.status == status
    assert response.json()["error"] == {
        "code": code,
        "message": "no",
        "data": {"why": "because"},
    }


@open_to_all
async def test_unknown_tool_is_an_error_in_a_good_response() -> None:
    """Spec: 2026-07-28 server/tools, "Error Handling"; the status is chosen."""
    response = await post_modern(call_of("lost"))

    assert (response.status, response.json()["error"]["code"]) == (200, INVALID_PARAMS)


# Cancellation -----------------------------------------------------------------------


@open_to_all
async def test_handler_is_cancelled_when_the_client_goes(door: Door) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation: a disconnect is one."""
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)

    await held.close()

    assert runs.cancelled == ["hold"]
    assert held.status == 0
    assert len(current_worker().connections) == 0


@open_to_all
async def test_handler_is_cancelled_when_the_client_closes_its_stream(
    door: Door,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"."""
    message = with_progress(call_of("report", steps=2, door="here"))
    stream = await open_modern(message)
    assert await read_message(stream) == progress(1, 2)

    await stream.close()

    assert len(current_worker().connections) == 0


@open_to_all
async def test_handler_that_swallows_its_cancellation_is_not_answered() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation": no further
    messages."""
    server = Server("stubborn")
    has_begun = anyio.Event()

    @server.tool
    async def stay() -> str:
        """Stay to the end."""
        has_begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return "stayed"

    stream = begin_modern(call_of("stay"), application=site_of(server))
    await has_begun.wait()
    await stream.close()

    assert (stream.status, stream.response.body) == (0, b"")


@open_to_all
async def test_what_a_thread_returns_is_dropped_when_the_client_is_gone() -> None:
    """Chosen: threads cannot be cancelled, but they can look whether they should."""
    mine = patience["gone"] = Patience()
    held = begin_modern(call_of("work", name="gone"))
    await asyncio.to_thread(mine.has_begun.wait, 10)

    await held.close()
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["gone"]
    assert mine.was_cancelled
    assert held.status == 0


@open_to_all
async def test_exchange_that_is_cancelled_from_outside_ends_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: Django cancels its views when a client goes; that is no failure."""
    mine = patience["outside"] = Patience()
    message = call_of("work", name="outside")
    body = json.dumps(modern(message)).encode()
    headers = {"content-type": "application/json", **headers_of(message)}
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": body})
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    scope = make_scope("POST", "/mcp", headers)
    task = asyncio.create_task(shop(scope, incoming.get, send))
    await asyncio.to_thread(mine.has_begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["outside"]
    assert mine.was_cancelled
    assert sent == []
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@open_to_all
async def test_handler_that_waits_for_a_cancelled_task_of_its_own_has_failed() -> None:
    """Chosen: nobody cancelled the request, so that it is answered."""
    server = Server("own")

    @server.tool
    async def wait_in_vain() -> None:
        """Wait for what is cancelled."""
        task = asyncio.create_task(asyncio.sleep(0))
        task.cancel()
        await task

    response = await post_modern(call_of("wait_in_vain"), application=site_of(server))

    assert response.json()["result"]["isError"] is True


@open_to_all
async def test_end_of_the_worker_ends_requests_that_run(door: Door) -> None:
    """Chosen: clients see the end of the body, and no answer."""
    held = begin_modern(call_of("hold", door="here"))
    json_only = begin_modern(
        call_of("hold", door="here"), headers={"accept": JSON_ONLY}
    )
    for _ in range(2):
        await arrival(door)

    await current_worker().close_all()

    assert messages_of(await finish(held)) == []
    refused = await finish(json_only)
    assert refused.error() == (503, -32603, "the request was ended; try again")
    assert refused.header("retry-after") == "1"
    assert runs.cancelled == ["hold", "hold"]


# Limits -----------------------------------------------------------------------------


async def test_one_call_too_many_of_a_user_is_refused(
    settings: Settings, ada: User, bob: User, door: Door
) -> None:
    """Chosen: MCP["MAX_CALLS_PER_USER"]; notifications are always taken."""
    settings.MCP = {"MAX_CALLS_PER_USER": 2}
    headers = await token_of(ada)
    message = call_of("hold", door="here")
    held = [begin_modern(message, headers=headers) for _ in range(2)]
    for _ in held:
        await arrival(door)

    refused = await post_modern(ADD, headers=headers)
    notified = await post(
        shop,
        {"jsonrpc": "2.0", "method": "notifications/lost"},
        headers={**headers, "mcp-protocol-version": MODERN},
    )
    of_another = await post_modern(ADD, headers=await token_of(bob))
    door.open()
    answers = [await finish(connection) for connection in held]

    assert refused.error() == (
        503,
        -32600,
        "2 requests of this user are running; try again later",
    )
    assert refused.header("retry-after") == "1"
    assert notified.status == 202
    assert [of_another.status, *(answer.status for answer in answers)] == [200] * 3
    assert (await post_modern(ADD, headers=headers)).status == 200


async def test_calls_of_nobody_are_not_counted(settings: Settings, door: Door) -> None:
    """Chosen: without authentication all clients would be one user."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CALLS_PER_USER": 1}
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    assert (await post_modern(ADD)).status == 200
    door.open()
    await finish(held)


async def test_permissions_are_those_at_the_time_of_the_request(ada: User) -> None:
    """Chosen: a right that was given counts from the next request on."""
    headers = await token_of(ada)
    before = await post_modern(call_of("count_users"), headers=headers)
    ada.is_superuser = True
    await authentication_threads.run(ada.save)
    after = await post_modern(call_of("count_users"), headers=headers)

    assert before.json()["error"]["code"] == INVALID_PARAMS
    assert text_of(after.json()) == "0"


# Anything at all --------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
METHODS = [
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/read",
    "prompts/get",
    "completion/complete",
    "initialize",
    "ping",
    "notifications/cancelled",
]
metas = st.fixed_dictionaries(
    {},
    optional={
        "io.modelcontextprotocol/protocolVersion": st.just(MODERN) | json_values,
        "io.modelcontextprotocol/clientCapabilities": st.just({}) | json_values,
        "io.modelcontextprotocol/clientInfo": json_values,
        "io.modelcontextprotocol/logLevel": st.just("debug") | json_values,
        "progressToken": json_values,
    },
)
envelopes = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | json_values},
    optional={
        "id": st.integers() | st.text() | json_values,
        "method": st.sampled_from(METHODS) | json_values,
        "params": st.fixed_dictionaries(
            {},
            optional={
                "_meta": metas | json_values,
                "name": st.sampled_from(["add", "log", "confirm", "offer"])
                | json_values,
                "uri": st.just("shop://stock") | json_values,
                "arguments": st.dictionaries(
                    st.sampled_from(["a", "b", "level", "text"]), json_values
                )
                | json_values,
                "cursor": json_values,
                "ref": json_values,
                "argument": json_values,
                "inputResponses": json_values,
                "requestState": json_values,
            },
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
    body=envelopes.map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200),
    version=st.sampled_from([MODERN, "2025-11-25", "x", None]),
    name=st.sampled_from(["add", "log", "confirm", "offer", "shop://stock", None]),
    is_agreed=st.booleans(),
)
def test_no_bytes_give_a_500(
    body: bytes, version: str | None, name: str | None, is_agreed: bool
) -> None:
    """Chosen: whatever is posted is answered or refused."""
    headers = {"accept": BOTH, "content-type": "application/json"}
    try:
        method = json.loads(body)["method"]
    except (ValueError, LookupError, TypeError):
        method = None
    if isinstance(method, str) and is_agreed:
        encoded = base64.b64encode(method.encode("utf-8", "replace")).decode()
        headers["mcp-method"] = method if method in METHODS else encoded
    if version is not None:
        headers["mcp-protocol-version"] = version
    if name is not None:
        headers["mcp-name"] = name

    async def post_it() -> int:
        connection = Connection(shop, make_scope("POST", "/mcp", headers), body)
        response = await finish(connection)
        if response.header("content-type") == "application/json":
            assert response.json()["jsonrpc"] == "2.0"
        return response.status

    assert anyio.run(post_it) in (200, 202, 400, 404)
