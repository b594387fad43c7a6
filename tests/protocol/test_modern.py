"""The server's half of the modern era: what each request says of itself."""

from typing import Any

import pytest
from mcp_types import (
    ClientCapabilities,
    Implementation,
)
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    UNSUPPORTED_PROTOCOL_VERSION,
    JSONRPCError,
)

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import jsonrpc, methods, modern, versions
from mcp_django.protocol.events import (
    Answered,
    Ignored,
    Notified,
    Peer,
    RequestCancelled,
    RequestReceived,
)
from mcp_django.protocol.http_headers import encode_value
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.modern import ModernServerProtocol

VERSION = "2026-07-28"
KEY = "io.modelcontextprotocol"
META: JSONObject = {
    f"{KEY}/protocolVersion": VERSION,
    f"{KEY}/clientInfo": {"name": "client", "version": "1.0"},
    f"{KEY}/clientCapabilities": {"elicitation": {"url": {}}},
}
SERVER_INFO: JSONObject = {"name": "shop", "version": "1.0.0"}
SERVED_BY: JSONObject = {f"{KEY}/serverInfo": SERVER_INFO}

PEER = Peer(
    VERSION,
    Implementation(name="client", version="1.0"),
    ClientCapabilities.model_validate({"elicitation": {"url": {}}}),
)


def without(*keys: str, **changed: JSON) -> JSONObject:
    """Give the `_meta` of a request with some members left out or changed."""
    kept = {key: value for key, value in META.items() if key not in keys}
    return kept | {f"{KEY}/{name}": value for name, value in changed.items()}


def request(method: str = "tools/list", meta: JSON = META, *, id: int | str = 1) -> Any:
    return jsonrpc.request(id, method, {"_meta": meta})


# Which era --------------------------------------------------------------------------

MODERN: dict[str, Message] = {
    "a request with all it needs": request(),
    "with a version alone": request(meta={f"{KEY}/protocolVersion": 7}),
    "with capabilities alone": request(meta={f"{KEY}/clientCapabilities": None}),
    "with a client alone": request(meta={f"{KEY}/clientInfo": {}}),
    "a method of the era": jsonrpc.request(1, "server/discover", None),
    "another method of the era": jsonrpc.request(1, "subscriptions/listen", {}),
    "a method of the other era": request("initialize"),
    "a notification": jsonrpc.notification("notifications/x", {"_meta": META}),
}
LEGACY: dict[str, Message] = {
    "no params": jsonrpc.request(1, "tools/list", None),
    "no _meta": jsonrpc.request(1, "tools/list", {}),
    "another _meta": request(meta={"progressToken": 7, f"{KEY}/logLevel": "info"}),
    "a _meta that is no object": request(meta=7),
    "a notification": jsonrpc.notification("notifications/initialized"),
    "a result": jsonrpc.result(1, {"_meta": META}),
    "an error": jsonrpc.error(1, -1, "no"),
}


@pytest.mark.parametrize("message", MODERN.values(), ids=MODERN)
def test_message_is_modern_by_what_it_carries(message: Message) -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"."""
    assert modern.is_modern(message)


@pytest.mark.parametrize("message", LEGACY.values(), ids=LEGACY)
def test_other_messages_are_legacy(message: Message) -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"."""
    assert not modern.is_modern(message)


# What a request says of its client --------------------------------------------------


def test_request_says_who_the_client_is() -> None:
    """Spec: 2026-07-28 basic, "`_meta`", "Per-request protocol fields"."""
    assert modern.read_peer(request()) == PEER


def test_client_need_not_say_its_name() -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields": clientInfo is optional."""
    nameless = Peer(VERSION, Implementation(name="", version=""), ClientCapabilities())
    meta = without(f"{KEY}/clientInfo", clientCapabilities={})
    assert modern.read_peer(request(meta=meta)) == nameless
    assert (
        modern.read_peer(request(meta=meta | {f"{KEY}/clientInfo": None})) == nameless
    )


def test_client_may_say_much_of_itself() -> None:
    """Our choice: only what is short is kept for its next request."""
    for name in ("client", "client", "x" * 10_000, "x" * 10_000):
        meta = without(clientInfo={"name": name, "version": "1.0"})
        assert modern.read_peer(request(meta=meta)).client_info.name == name


@pytest.mark.parametrize("level", ["debug", "emergency"])
def test_request_says_which_log_messages_it_wants(level: str) -> None:
    """Spec: 2026-07-28 server/utilities/logging, "Per-request log level"."""
    assert modern.read_peer(request(meta=without(logLevel=level))).log_level == level
    assert modern.read_peer(request(meta=without(logLevel=None))).log_level is None


def test_version_may_be_any_text() -> None:
    """Our choice: whether we have it is looked at once the headers agree."""
    meta = without(protocolVersion="v999.0.0")
    assert modern.read_peer(request(meta=meta)).version == "v999.0.0"


NEEDS_META = (
    "a request needs _meta with ('io.modelcontextprotocol/protocolVersion', "
    "'io.modelcontextprotocol/clientCapabilities')"
)
LEVELS = (
    "('debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency')"
)
MALFORMED: dict[str, tuple[JSONObject | None, str]] = {
    "no params": (None, NEEDS_META),
    "no _meta": ({}, NEEDS_META),
    "a _meta that is a list": ({"_meta": []}, NEEDS_META),
    "no version": (
        {"_meta": without(f"{KEY}/protocolVersion")},
        "_meta needs 'io.modelcontextprotocol/protocolVersion', a version as text",
    ),
    "a version that is a number": (
        {"_meta": without(protocolVersion=20260728)},
        "_meta needs 'io.modelcontextprotocol/protocolVersion', a version as text",
    ),
    "no capabilities": (
        {"_meta": without(f"{KEY}/clientCapabilities")},
        "_meta needs 'io.modelcontextprotocol/clientCapabilities', {} if there are "
        "none",
    ),
    "capabilities that are null": (
        {"_meta": without(clientCapabilities=None)},
        "invalid _meta['io.modelcontextprotocol/clientCapabilities']: Input should be "
        "a valid dictionary or instance of ClientCapabilities",
    ),
    "capabilities that are a number": (
        {"_meta": without(clientCapabilities=7)},
        "invalid _meta['io.modelcontextprotocol/clientCapabilities']: Input should be "
        "a valid dictionary or instance of ClientCapabilities",
    ),
    "a client without a version": (
        {"_meta": without(clientInfo={"name": "client"})},
        "invalid _meta['io.modelcontextprotocol/clientInfo']: version: Field required",
    ),
    "a log level that there is not": (
        {"_meta": without(logLevel="loud")},
        f"_meta['io.modelcontextprotocol/logLevel'] must be one of {LEVELS}",
    ),
    "a log level that is a list": (
        {"_meta": without(logLevel=["info"])},
        f"_meta['io.modelcontextprotocol/logLevel'] must be one of {LEVELS}",
    ),
}


@pytest.mark.parametrize(("params", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_request_that_says_too_little_is_malformed(
    params: JSONObject | None, reason: str
) -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields"; server/utilities/logging,
    "Error Handling"."""
    with pytest.raises(RemoteProtocolError) as caught:
        modern.read_peer(jsonrpc.request("a", "tools/list", params))
    error = caught.value
    assert (error.code, error.request_id) == (INVALID_PARAMS, "a")
    assert error.message == reason


@pytest.mark.parametrize("version", ["2025-11-25", "v999.0.0", "", "9" * 200])
def test_version_that_is_not_served_is_refused_with_those_that_are(
    version: str,
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation"."""
    meta = without(protocolVersion=version)
    with pytest.raises(RemoteProtocolError) as caught:
        modern.read_request(request(meta=meta, id=7))
    error = caught.value
    assert (error.code, error.request_id) == (UNSUPPORTED_PROTOCOL_VERSION, 7)
    assert error.message == "Unsupported protocol version"
    assert error.data == {"supported": [VERSION], "requested": version[:100]}


@pytest.mark.parametrize("method", sorted(methods.MODERN))
def test_methods_of_the_era_are_served(method: str) -> None:
    """Spec: 2026-07-28 schema.ts, `ClientRequest`."""
    assert versions.MODERN == (VERSION,)
    assert modern.read_request(request(method)) == RequestReceived(
        1, method, {"_meta": META}, PEER
    )


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tools/Call",
        "x" * 200,
    ],
)
def test_methods_of_other_eras_are_unknown(method: str) -> None:
    """Spec: 2026-07-28 changelog, "Major changes", 2, 4 and 5."""
    with pytest.raises(RemoteProtocolError) as caught:
        modern.read_request(request(method))
    error = caught.value
    assert (error.code, error.request_id) == (METHOD_NOT_FOUND, 1)
    assert error.message == f"unknown method: {method[:100]}"


# Standard headers -------------------------------------------------------------------


def check(
    headers: dict[str, str],
    method: str = "tools/call",
    params: JSONObject | None = None,
) -> None:
    params = {"name": "add"} if params is None else params
    modern.check_headers(jsonrpc.request(1, method, params), VERSION, headers)


AGREEING: dict[str, tuple[str, JSONObject | None, dict[str, str]]] = {
    "a tool": ("tools/call", {"name": "add"}, {"mcp-name": "add"}),
    "a prompt": ("prompts/get", {"name": "greet"}, {"mcp-name": "greet"}),
    "a resource": ("resources/read", {"uri": "a://b"}, {"mcp-name": "a://b"}),
    "a list": ("tools/list", {}, {}),
    "no params": ("tools/list", None, {}),
    "a name that nobody needs": ("tools/list", {}, {"mcp-name": "add"}),
    "blanks": ("tools/call", {"name": "add"}, {"mcp-name": "\tadd "}),
    "an encoded name": (
        "tools/call",
        {"name": "Hello, 世界"},
        {"mcp-name": "=?base64?SGVsbG8sIOS4lueVjA==?="},
    ),
    # Refused for themselves, when the params are read.
    "no name": ("tools/call", {}, {}),
    "a name that is a number": ("tools/call", {"name": 7}, {"mcp-name": "7"}),
    "no params where there should be": ("tools/call", None, {}),
}


@pytest.mark.parametrize(
    ("method", "params", "headers"), AGREEING.values(), ids=AGREEING
)
def test_headers_that_say_what_the_body_says_are_taken(
    method: str, params: JSONObject | None, headers: dict[str, str]
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request
    Headers"."""
    message = jsonrpc.request(1, method, params)
    standard = {"mcp-protocol-version": f" {VERSION}", "mcp-method": f"{method}\t"}
    modern.check_headers(message, VERSION, standard | headers)


DIFFERING: dict[str, tuple[dict[str, str | None], str]] = {
    "no version": (
        {"mcp-protocol-version": None},
        "mcp-protocol-version is missing; it must say '2026-07-28'",
    ),
    "another version": (
        {"mcp-protocol-version": "2025-11-25"},
        "mcp-protocol-version is '2025-11-25', but the body says '2026-07-28'",
    ),
    "no method": (
        {"mcp-method": None},
        "mcp-method is missing; it must say 'tools/call'",
    ),
    "another method": (
        {"mcp-method": "tools/list"},
        "mcp-method is 'tools/list', but the body says 'tools/call'",
    ),
    "the method in capitals": (
        {"mcp-method": "Tools/Call"},
        "mcp-method is 'Tools/Call', but the body says 'tools/call'",
    ),
    "the method twice": (
        {"mcp-method": "tools/call, tools/call"},
        "mcp-method is 'tools/call, tools/call', but the body says 'tools/call'",
    ),
    "no name": (
        {"mcp-name": None},
        "mcp-name is missing; it must say what params.name does",
    ),
    "another name": (
        {"mcp-name": "remove"},
        "mcp-name is 'remove', which is not what params.name says",
    ),
    "the name in capitals": (
        {"mcp-name": "ADD"},
        "mcp-name is 'ADD', which is not what params.name says",
    ),
    "a long name": (
        {"mcp-name": "a" * 1000},
        f"mcp-name is '{'a' * 100}', which is not what params.name says",
    ),
    "a name that is no Base64": (
        {"mcp-name": "=?base64?YWRk!?="},
        "mcp-name is '=?base64?YWRk!?=': it is no Base64 of UTF-8, though marked as "
        "such",
    ),
    "a name beyond ASCII": (
        {"mcp-name": "ädd"},
        "mcp-name is 'ädd': it has characters that are not visible ASCII; encode it",
    ),
}


@pytest.mark.parametrize(("changed", "reason"), DIFFERING.values(), ids=DIFFERING)
def test_headers_that_say_something_else_are_refused(
    changed: dict[str, str | None], reason: str
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation"."""
    right = {
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "add",
    }
    given = {name: changed.get(name, value) for name, value in right.items()}
    headers = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(RemoteProtocolError) as caught:
        check(headers)
    assert (caught.value.code, caught.value.request_id) == (HEADER_MISMATCH, 1)
    assert caught.value.message == f"Header mismatch: {reason}"


def test_name_that_looks_encoded_has_to_be_encoded() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding"."""
    name = "=?base64?YWRk?="
    standard = {"mcp-protocol-version": VERSION, "mcp-method": "tools/call"}
    with pytest.raises(RemoteProtocolError):
        check({**standard, "mcp-name": name}, params={"name": name})
    check({**standard, "mcp-name": encode_value(name)}, params={"name": name})


# What is posted over HTTP -----------------------------------------------------------

HEADED = {"mcp-protocol-version": VERSION}


def headers_of(method: str = "tools/list") -> dict[str, str]:
    return {**HEADED, "mcp-method": method}


def refused(
    status: int, code: int, text: str, *, id: int | None = 1, data: JSON = None
) -> Answered:
    return Answered(jsonrpc.error(id, code, text, data), status)


NOT_ALONE = refused(
    400,
    INVALID_REQUEST,
    "this version takes one request or notification, no answers, no batches",
    id=None,
)
POSTED: dict[str, tuple[Message | list[Message], dict[str, str], object]] = {
    "a request": (
        request(),
        headers_of(),
        RequestReceived(1, "tools/list", {"_meta": META}, PEER),
    ),
    "a notification": (
        jsonrpc.notification("notifications/x", {"_meta": META}),
        {},
        Notified("notifications/x", {"_meta": META}),
    ),
    "a cancellation, which cancels nothing": (
        jsonrpc.notification("notifications/cancelled", {"requestId": 1}),
        HEADED,
        Notified("notifications/cancelled", {"requestId": 1}),
    ),
    "a notification without params": (
        jsonrpc.notification("notifications/x"),
        HEADED,
        Notified("notifications/x", {}),
    ),
    "a request that a header alone makes modern": (
        jsonrpc.request(1, "tools/list", {}),
        headers_of(),
        refused(
            400,
            INVALID_PARAMS,
            f"a request needs _meta with ('{KEY}/protocolVersion', "
            f"'{KEY}/clientCapabilities')",
        ),
    ),
    "a request whose headers are missing": (
        request(),
        {},
        refused(
            400,
            HEADER_MISMATCH,
            "Header mismatch: mcp-protocol-version is missing; it must say "
            f"{VERSION!r}",
        ),
    ),
    "a version that its header says otherwise": (
        request(meta=without(protocolVersion="v9")),
        headers_of(),
        refused(
            400,
            HEADER_MISMATCH,
            f"Header mismatch: mcp-protocol-version is {VERSION!r}, but the body says "
            "'v9'",
        ),
    ),
    "a version that is not served": (
        request(meta=without(protocolVersion="v9")),
        {**headers_of(), "mcp-protocol-version": "v9"},
        refused(
            400,
            UNSUPPORTED_PROTOCOL_VERSION,
            "Unsupported protocol version",
            data={"supported": [VERSION], "requested": "v9"},
        ),
    ),
    "a method that there is not": (
        request("ping"),
        headers_of("ping"),
        refused(404, METHOD_NOT_FOUND, "unknown method: ping"),
    ),
    "initialize with metadata of the era": (
        request("initialize"),
        headers_of("initialize"),
        refused(404, METHOD_NOT_FOUND, "unknown method: initialize"),
    ),
    "an answer": (jsonrpc.result(1, {}), HEADED, NOT_ALONE),
    "an error": (jsonrpc.error(None, 1, "no"), HEADED, NOT_ALONE),
    "a batch": ([request()], HEADED, NOT_ALONE),
    # Of the other era:
    "initialize": (jsonrpc.request(1, "initialize", {}), HEADED, None),
    "a request without metadata": (jsonrpc.request(1, "tools/list", {}), {}, None),
    "a request of an older version": (
        jsonrpc.request(1, "tools/list", {}),
        {"mcp-protocol-version": "2025-11-25"},
        None,
    ),
    "a notification without metadata": (
        jsonrpc.notification("notifications/x"),
        {},
        None,
    ),
    "an answer without the header": (jsonrpc.result(1, {}), {}, None),
    "a batch without the header": ([request()], {}, None),
}


@pytest.mark.parametrize(("posted", "headers", "event"), POSTED.values(), ids=POSTED)
def test_post_means_what_it_carries_and_its_headers_say(
    posted: Message | list[Message], headers: dict[str, str], event: object
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http; basic/versioning, "Backward
    Compatibility with Initialization-Based Versions"."""
    assert modern.receive_post(posted, headers) == event


# Answers ----------------------------------------------------------------------------


def test_result_says_its_type_and_who_made_it() -> None:
    """Spec: 2026-07-28 basic, "ResultType" and "Per-response protocol fields"."""
    assert modern.complete({"tools": []}, SERVER_INFO) == {
        "resultType": "complete",
        "tools": [],
        "_meta": SERVED_BY,
    }


def test_result_keeps_what_it_says_itself() -> None:
    """Our choice: `input_required` is a type, too, and handlers may add metadata."""
    given = {"resultType": "input_required", "_meta": {"a": 1}}
    assert modern.complete(given, SERVER_INFO) == {
        "resultType": "input_required",
        "_meta": {**SERVED_BY, "a": 1},
    }
    assert given == {"resultType": "input_required", "_meta": {"a": 1}}


# A two-way connection ---------------------------------------------------------------


def new_protocol() -> ModernServerProtocol:
    return ModernServerProtocol(SERVER_INFO)


def test_request_waits_for_its_result() -> None:
    """Spec: 2026-07-28 basic, "Result Responses"."""
    protocol = new_protocol()
    message = request("tools/call", id="a")
    assert protocol.receive(message) == RequestReceived(
        "a", "tools/call", {"_meta": META}, PEER
    )
    assert protocol.has_pending("a")
    assert protocol.send_result("a", {"content": []}) == jsonrpc.result(
        "a", {"resultType": "complete", "content": [], "_meta": SERVED_BY}
    )
    assert not protocol.has_pending("a")
    assert protocol.send_result("a", {}) is None, "each request is answered once"


def test_request_may_be_answered_with_an_error() -> None:
    """Spec: 2026-07-28 basic, "Error Responses"."""
    protocol = new_protocol()
    protocol.receive(request())
    assert protocol.send_error(1, -1, "no", {"a": 1}) == jsonrpc.error(
        1, -1, "no", {"a": 1}
    )
    assert protocol.send_error(1, -1, "no") is None


def test_nothing_is_remembered_of_a_client() -> None:
    """Spec: 2026-07-28 basic, "Statelessness"."""
    protocol = new_protocol()
    protocol.receive(request())
    event = protocol.receive(request(meta=without(clientCapabilities={}), id=2))
    assert isinstance(event, RequestReceived)
    assert event.peer.client_capabilities == ClientCapabilities()


def test_id_in_flight_is_not_taken_again() -> None:
    """Spec: 2026-07-28 basic, "Requests"; that it is ignored is our choice: an answer
    could be taken for that of the first."""
    protocol = new_protocol()
    protocol.receive(request())
    assert protocol.receive(request()) == Ignored("request id 1 is in flight already")
    assert isinstance(protocol.receive(request(id="1")), RequestReceived)


REFUSED: dict[str, tuple[str, JSON, int]] = {
    "what is malformed": ("tools/list", 7, INVALID_PARAMS),
    "an unknown version": (
        "tools/list",
        without(protocolVersion="1"),
        UNSUPPORTED_PROTOCOL_VERSION,
    ),
    "an unknown method": ("ping", META, METHOD_NOT_FOUND),
    "a malformed request before its method": ("ping", 7, INVALID_PARAMS),
    "a version before the method": (
        "ping",
        without(protocolVersion="1"),
        UNSUPPORTED_PROTOCOL_VERSION,
    ),
}


@pytest.mark.parametrize(("method", "meta", "code"), REFUSED.values(), ids=REFUSED)
def test_request_that_breaks_a_rule_is_answered_at_once(
    method: str, meta: JSON, code: int
) -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields"; basic/versioning."""
    protocol = new_protocol()
    event = protocol.receive(request(method, meta))
    assert isinstance(event, Answered)
    assert isinstance(event.answer, JSONRPCError)
    assert (event.answer.id, event.answer.error.code) == (1, code)
    assert not protocol.has_pending(1)


def test_cancelled_request_wants_no_answer() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Behavior Requirements"."""
    protocol = new_protocol()
    protocol.receive(request())
    params = {"requestId": 1, "reason": "too slow"}
    message = jsonrpc.notification("notifications/cancelled", params)
    assert protocol.receive(message) == RequestCancelled(1, "too slow")
    assert protocol.send_result(1, {}) is None
    assert protocol.receive(message) == Ignored(
        "nothing to cancel: request 1 is not in flight"
    )


NOTHING_TO_CANCEL: dict[str, tuple[JSONObject | None, str]] = {
    "no params": (None, "nothing to cancel: request None is not in flight"),
    "another id": (
        {"requestId": "1"},
        "nothing to cancel: request '1' is not in flight",
    ),
    "no id": (
        {"requestId": True},
        "invalid params: requestId.int: Input should be a valid integer; "
        "requestId.str: Input should be a valid string",
    ),
}


@pytest.mark.parametrize(
    ("params", "reason"), NOTHING_TO_CANCEL.values(), ids=NOTHING_TO_CANCEL
)
def test_malformed_cancellation_is_ignored(
    params: JSONObject | None, reason: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Error Handling"."""
    protocol = new_protocol()
    protocol.receive(request())
    message = jsonrpc.notification("notifications/cancelled", params)
    assert protocol.receive(message) == Ignored(reason)
    assert protocol.has_pending(1)


def test_other_notifications_are_reported() -> None:
    """Our choice: the driver may know them."""
    protocol = new_protocol()
    message = jsonrpc.notification("notifications/x", {"_meta": META})
    assert protocol.receive(message) == Notified("notifications/x", {"_meta": META})
    assert protocol.receive(jsonrpc.notification("notifications/x")) == Notified(
        "notifications/x", {}
    )
