"""POST /mcp in 2026-07-28: one request, one exchange, no session."""

from __future__ import annotations

import base64
import codecs
import json
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from mcp_django import Server
from tests.consumers.connections import Connection, make_scope, request, site_of
from tests.consumers.credentials import without_login
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    BOTH,
    JSON_ONLY,
    MODERN,
    STREAM_ONLY,
    arrival,
    begin_modern,
    call_of,
    complete,
    finish,
    headers_of,
    modern,
    post,
    post_modern,
    shop,
    text_of,
)
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
DISCOVER = {"jsonrpc": "2.0", "id": 1, "method": "server/discover"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ADD = call_of("add", a=1, b=2)
MISMATCH = -32020
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
    "other method": (ADD, {"mcp-method": "tools/list"}, False),
    "other name": (ADD, {"mcp-name": "subtract"}, False),
    "name encoded": (ADD, {"mcp-name": "=?base64?YWRk?="}, True),
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
        ({"content-encoding": "gzip"}, 415),
        ({"content-encoding": "identity, br"}, 415),
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


@open_to_all
async def test_byte_order_mark_before_a_message_is_skipped() -> None:
    """Spec: RFC 8259, section 8.1: a parser may ignore it."""
    body = codecs.BOM_UTF8 + json.dumps(modern(ADD)).encode()

    response = await post(shop, body, headers=headers_of(ADD))

    assert response.json()["result"]["resultType"] == "complete"


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
    challenge = without_login(response.header("www-authenticate"))
    assert challenge == 'Bearer realm="mcp"'


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
