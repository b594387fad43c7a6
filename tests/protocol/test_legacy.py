"""The server's half of the handshake era: which message means what, in which state."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCResponse,
)

from mcp_django.exceptions import LocalProtocolError
from mcp_django.protocol import jsonrpc, legacy, methods, versions
from mcp_django.protocol.error_codes import SESSION_NOT_FOUND
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Notified,
    Peer,
    RequestCancelled,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.initialize import MAX_KEPT_BYTES, initialized
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import (
    LegacyServerProtocol,
    State,
    answer_at_once,
)

INITIALIZE: JSONObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {}, "roots": {"listChanged": True}},
    "clientInfo": {"name": "client", "version": "1.0"},
}
DESCRIPTION: JSONObject = {
    "capabilities": {"tools": {"listChanged": True}},
    "serverInfo": {"name": "shop", "version": "1.0.0"},
    "instructions": "Look up orders.",
}

IN_SESSION = [row.name for row in methods.LEGACY.values() if row.needs_session]

MakeProtocol: TypeAlias = Callable[[], LegacyServerProtocol]


def describe(version: str) -> JSONObject:
    return DESCRIPTION


def new_protocol() -> LegacyServerProtocol:
    return LegacyServerProtocol(describe)


def open_protocol(version: str = "2025-11-25") -> LegacyServerProtocol:
    protocol = new_protocol()
    params = {**INITIALIZE, "protocolVersion": version}
    protocol.receive(jsonrpc.request("init", "initialize", params))
    return protocol


def assert_refused(event: Event, code: int, message: str) -> None:
    assert event == Answered(jsonrpc.error(1, code, message))


# initialize -------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions.LEGACY)
def test_initialize_opens_the_session_in_the_offered_version(version: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    asked: list[str] = []

    def describe_version(version: str) -> JSONObject:
        asked.append(version)
        return DESCRIPTION

    protocol = LegacyServerProtocol(describe_version)
    assert protocol.state is State.NEW
    params = {**INITIALIZE, "protocolVersion": version}
    event = protocol.receive(jsonrpc.request(0, "initialize", params))
    assert event == Answered(
        jsonrpc.result(0, {"protocolVersion": version, **DESCRIPTION})
    )
    assert (protocol.state, protocol.peer.version) == (State.OPEN, version)
    assert protocol.peer.client_info == Implementation(name="client", version="1.0")
    assert protocol.peer.client_capabilities == ClientCapabilities.model_validate(
        INITIALIZE["capabilities"]
    )
    assert asked == [version]


def test_sessions_of_one_program_share_what_it_says_of_itself() -> None:
    """Our choice: idle sessions are many."""
    assert open_protocol().peer is open_protocol().peer
    assert open_protocol("2025-06-18").peer is not open_protocol().peer


@pytest.mark.parametrize("offered", ["2026-07-28", "2099-01-01", "DRAFT", ""])
def test_initialize_that_offers_another_version_gets_the_newest_legacy_one(
    offered: str,
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    protocol = open_protocol(offered)
    assert (protocol.state, protocol.peer.version) == (State.OPEN, "2025-11-25")


def test_defaults_before_initialize_name_no_client() -> None:
    """Our choice: what a driver reads is never missing."""
    protocol = new_protocol()
    assert protocol.peer.version == "2025-11-25"
    assert protocol.peer.client_info == Implementation(name="", version="")
    assert protocol.peer.client_capabilities == ClientCapabilities()


BAD_INITIALIZE: dict[str, tuple[JSONObject | None, str]] = {
    "no params": (
        None,
        "invalid params: protocolVersion: Field required; "
        "capabilities: Field required; clientInfo: Field required",
    ),
    "a version that is a number": (
        {**INITIALIZE, "protocolVersion": 20251125},
        "invalid params: protocolVersion: Input should be a valid string",
    ),
    "capabilities that are a number": (
        {**INITIALIZE, "capabilities": 7},
        "invalid params: capabilities: Input should be a valid dictionary or "
        "instance of ClientCapabilities",
    ),
    "a capability that is a number": (
        {**INITIALIZE, "capabilities": {"roots": 7}},
        "invalid params: capabilities.roots: Input should be a valid dictionary or "
        "instance of RootsCapability",
    ),
    "no client name": (
        {**INITIALIZE, "clientInfo": {"version": "1"}},
        "invalid params: clientInfo.name: Field required",
    ),
}


@pytest.mark.parametrize(
    ("params", "reason"), BAD_INITIALIZE.values(), ids=BAD_INITIALIZE
)
def test_initialize_with_bad_params_is_refused_and_may_be_sent_again(
    params: JSONObject | None, reason: str
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32602. That it may be sent again is our
    choice."""
    protocol = new_protocol()
    event = protocol.receive(jsonrpc.request(1, "initialize", params))
    assert_refused(event, INVALID_PARAMS, reason)
    assert protocol.state.name == "NEW"
    protocol.receive(jsonrpc.request(2, "initialize", INITIALIZE))
    assert protocol.state.name == "OPEN"


def test_client_capabilities_of_the_modern_era_are_no_params() -> None:
    """Our choice: a modern `_meta` in a legacy request changes nothing."""
    protocol = new_protocol()
    params = {**INITIALIZE, "_meta": {"clientCapabilities": 7}, "clientCapabilities": 7}
    protocol.receive(jsonrpc.request(1, "initialize", params))
    assert protocol.state is State.OPEN


def test_client_that_says_too_much_of_itself_is_refused() -> None:
    """Our choice: a session keeps it as long as it lasts."""
    protocol = new_protocol()
    long = {"name": "a" * MAX_KEPT_BYTES, "version": "1"}
    params = {**INITIALIZE, "clientInfo": long}
    event = protocol.receive(jsonrpc.request(1, "initialize", params))
    assert isinstance(event, Answered)
    assert isinstance(event.answer, JSONRPCError)
    assert event.answer.error.code == INVALID_PARAMS
    assert event.answer.error.message.endswith("long; 262144 are allowed")


# A second initialize. Spec: 2025-11-25 basic/lifecycle: initialization is the first
# interaction, and happens once; we chose to answer gateways that do it again.


def test_second_initialize_of_the_same_client_changes_nothing() -> None:
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/list", {}))
    ask = protocol.send_ask("roots/list", {})
    event = protocol.receive(jsonrpc.request(2, "initialize", INITIALIZE))
    assert event == Answered(
        jsonrpc.result(2, {"protocolVersion": "2025-11-25", **DESCRIPTION})
    )
    assert protocol.has_pending(1)
    answer = jsonrpc.result(ask.id, {"roots": []})
    assert protocol.receive(answer) == AnswerReceived(ask.id, answer)


ANOTHER_PEER: dict[str, JSONObject] = {
    "another version": {**INITIALIZE, "protocolVersion": "2025-03-26"},
    "another client": {**INITIALIZE, "clientInfo": {"name": "other", "version": "1"}},
    "other capabilities": {**INITIALIZE, "capabilities": {}},
}


@pytest.mark.parametrize("params", ANOTHER_PEER.values(), ids=ANOTHER_PEER)
def test_second_initialize_of_another_client_restarts_the_session(
    params: JSONObject,
) -> None:
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/list", {}))
    ask = protocol.send_ask("roots/list", {})
    event = protocol.receive(jsonrpc.request(2, "initialize", params))
    version = params["protocolVersion"]
    assert event == SessionRestarted(
        jsonrpc.result(2, {"protocolVersion": version, **DESCRIPTION}), protocol.peer
    )
    assert protocol.peer.version == version
    assert protocol.peer.client_info.name == params["clientInfo"]["name"]
    # The driver still answers what it ends; nobody answers what was asked.
    assert protocol.has_pending(1)
    assert isinstance(protocol.receive(jsonrpc.result(ask.id, {})), Ignored)
    assert protocol.send_ask("roots/list", {}).id != ask.id


@pytest.mark.parametrize("params", [INITIALIZE, ANOTHER_PEER["another client"]])
def test_second_initialize_with_the_id_of_a_request_restarts_the_session(
    params: JSONObject,
) -> None:
    """A program that began anew counts from one again; the old request's answer would
    be taken for that of `initialize`."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/list", {}))
    event = protocol.receive(jsonrpc.request(1, "initialize", params))
    assert isinstance(event, SessionRestarted)
    assert protocol.send_result(1, {}) is None


def test_second_initialize_that_is_malformed_changes_nothing() -> None:
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(2, "tools/list", {}))
    event = protocol.receive(jsonrpc.request(1, "initialize", {"capabilities": {}}))
    assert isinstance(event, Answered)
    assert isinstance(event.answer, JSONRPCError)
    assert protocol.has_pending(2)
    assert protocol.peer.version == "2025-11-25"


# The table of states ----------------------------------------------------------------


@pytest.mark.parametrize("make", [new_protocol, open_protocol])
def test_ping_is_answered_in_every_state(make: MakeProtocol) -> None:
    """Spec: 2025-11-25 basic/utilities/ping."""
    event = make().receive(jsonrpc.request("p", "ping", None))
    assert event == Answered(jsonrpc.result("p", {}))


@pytest.mark.parametrize("make", [new_protocol, open_protocol])
@pytest.mark.parametrize(
    "method", ["server/discover", "tasks/list", "sampling/createMessage", "x", ""]
)
def test_unknown_method_is_answered_so_in_every_state(
    make: MakeProtocol, method: str
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32601. Before `initialize` too, because
    newer clients probe with `server/discover` and go on only after this code."""
    event = make().receive(jsonrpc.request(1, method, None))
    assert_refused(event, METHOD_NOT_FOUND, f"unknown method: {method}")


def test_unknown_method_is_shown_in_part_only() -> None:
    """Our choice: an answer is not as long as what a peer likes to send."""
    event = new_protocol().receive(jsonrpc.request(1, "x" * 5000, None))
    assert_refused(event, METHOD_NOT_FOUND, f"unknown method: {'x' * 100}")


@pytest.mark.parametrize("method", IN_SESSION)
def test_request_before_initialize_is_refused(method: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization". That the answer names
    `initialize` is our choice."""
    protocol = new_protocol()
    event = protocol.receive(jsonrpc.request(1, method, None))
    assert_refused(event, INVALID_REQUEST, f"send initialize first, then {method}")
    assert protocol.send_result(1, {}) is None


@pytest.mark.parametrize("method", IN_SESSION)
def test_request_in_an_open_session_waits_for_its_answer(method: str) -> None:
    """Spec: 2025-11-25 schema.ts, `ClientRequest`."""
    protocol = open_protocol()
    event = protocol.receive(jsonrpc.request(1, method, {"a": 1}))
    assert event == RequestReceived(1, method, {"a": 1}, protocol.peer)


def test_request_without_params_has_empty_ones() -> None:
    """Our choice: a driver need not tell the two apart."""
    protocol = open_protocol()
    event = protocol.receive(jsonrpc.request(1, "tools/list", None))
    assert event == RequestReceived(1, "tools/list", {}, protocol.peer)


def test_initialized_notification_is_not_needed() -> None:
    """Our choice: clients that forget it are served all the same."""
    protocol = open_protocol()
    assert isinstance(
        protocol.receive(jsonrpc.request(1, "tools/list", None)), RequestReceived
    )


@pytest.mark.parametrize("make", [new_protocol, open_protocol])
@pytest.mark.parametrize(
    "method",
    [
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/unknown",
    ],
)
def test_other_notifications_are_passed_on(make: MakeProtocol, method: str) -> None:
    """Spec: JSON-RPC 2.0, section 4.1: a notification is never answered."""
    protocol = new_protocol()
    state = protocol.state
    event = protocol.receive(jsonrpc.notification(method, {"a": 1}))
    assert event == Notified(method, {"a": 1})
    assert protocol.receive(jsonrpc.notification(method)) == Notified(method, {})
    assert protocol.state is state


@pytest.mark.parametrize("version", [None, *versions.LEGACY])
def test_batches_are_taken_in_one_version_only(version: str | None) -> None:
    """Spec: 2025-03-26 basic, "Batching", and basic/lifecycle: `initialize` is in no
    batch, so that there is none before it is answered."""
    protocol = new_protocol() if version is None else open_protocol(version)
    assert protocol.takes_batches is (version == "2025-03-26")


# Answers to requests ----------------------------------------------------------------


def test_result_answers_its_request_once() -> None:
    """Spec: 2025-11-25 basic, "Result Responses": the same id."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request("a", "tools/list", None))
    assert protocol.send_result("a", {"tools": []}) == jsonrpc.result(
        "a", {"tools": []}
    )
    assert protocol.send_result("a", {"tools": []}) is None
    assert protocol.send_error("a", -32603, "late") is None


def test_error_answers_its_request_once() -> None:
    """Spec: 2025-11-25 basic, "Error Responses": the same id."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/call", None))
    assert protocol.send_error(1, -32602, "no", {"a": 1}) == jsonrpc.error(
        1, -32602, "no", {"a": 1}
    )
    assert protocol.send_error(1, -32602, "no") is None
    assert protocol.send_result(1, {}) is None


def test_nobody_is_answered_who_did_not_ask() -> None:
    """Our choice: what a driver answers too much is dropped."""
    protocol = open_protocol()
    assert protocol.send_result(99, {}) is None
    assert protocol.send_error(99, -32603, "no") is None


@pytest.mark.parametrize("method", ["tools/list", "ping", "initialize", "unknown"])
def test_id_that_is_in_flight_is_not_taken_again(method: str) -> None:
    """Spec: 2025-11-25 basic, "Requests": ids are unique. That the second is ignored
    is our choice: an answer to it could be taken for the first one's."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/list", None))
    event = protocol.receive(jsonrpc.request(1, method, None))
    assert event == Ignored("request id 1 is in flight already")
    assert isinstance(protocol.send_result(1, {}), JSONRPCResponse)


def test_ids_of_different_types_are_different() -> None:
    """Spec: 2025-11-25 schema.ts, `RequestId`: "1" is not 1."""
    protocol = open_protocol()
    for id in (1, "1"):
        event = protocol.receive(jsonrpc.request(id, "tools/list", None))
        assert event == RequestReceived(id, "tools/list", {}, protocol.peer)


def test_id_may_come_again_after_its_answer() -> None:
    """Our choice: to remember every id would grow without bound."""
    protocol = open_protocol()
    for _ in range(2):
        event = protocol.receive(jsonrpc.request(1, "tools/list", None))
        assert event == RequestReceived(1, "tools/list", {}, protocol.peer)
        assert protocol.send_result(1, {}) == jsonrpc.result(1, {})


# Cancellation -----------------------------------------------------------------------


def cancel(**params: Any) -> Any:
    return jsonrpc.notification("notifications/cancelled", params)


def test_cancelled_request_gets_no_answer() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Behavior Requirements"."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/call", None))
    event = protocol.receive(cancel(requestId=1, reason="changed my mind"))
    assert event == RequestCancelled(1, "changed my mind")
    assert protocol.send_result(1, {}) is None
    assert protocol.send_error(1, -32603, "no") is None


def test_cancellation_needs_no_reason() -> None:
    """Spec: 2025-11-25 schema.ts, `CancelledNotificationParams`."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request("a", "tools/call", None))
    assert protocol.receive(cancel(requestId="a")) == RequestCancelled("a", None)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"requestId": 99}, "nothing to cancel: request 99 is not in flight"),
        ({"requestId": "1"}, "nothing to cancel: request '1' is not in flight"),
        ({}, "nothing to cancel: request None is not in flight"),
        ({"requestId": None}, "nothing to cancel: request None is not in flight"),
        ({"requestId": "init"}, "nothing to cancel: request 'init' is not in flight"),
        (
            {"requestId": True},
            "invalid params: requestId.int: Input should be a valid integer; "
            "requestId.str: Input should be a valid string",
        ),
        (
            {"requestId": 1, "reason": 7},
            "invalid params: reason: Input should be a valid string",
        ),
    ],
)
def test_invalid_cancellation_is_ignored(params: JSONObject, reason: str) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Error Handling"."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/call", None))
    assert protocol.receive(cancel(**params)) == Ignored(reason)
    assert protocol.send_result(1, {}) == jsonrpc.result(1, {})


def test_cancellation_after_the_answer_is_ignored() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Timing Considerations"."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/call", None))
    protocol.send_result(1, {})
    event = protocol.receive(cancel(requestId=1))
    assert event == Ignored("nothing to cancel: request 1 is not in flight")


# Asking the client ------------------------------------------------------------------


def test_client_is_not_asked_before_initialize() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    with pytest.raises(LocalProtocolError) as caught:
        new_protocol().send_ask("roots/list", {})
    assert caught.value.message == "cannot send 'roots/list' while session is new"


def test_questions_have_ids_of_their_own() -> None:
    """Spec: 2025-11-25 basic, "Requests": no id is used twice."""
    protocol = open_protocol()
    assert protocol.send_ask("roots/list", {}) == jsonrpc.request(
        "ask-1", "roots/list", {}
    )
    assert protocol.send_ask("roots/list", {}) == jsonrpc.request(
        "ask-2", "roots/list", {}
    )


@pytest.mark.parametrize(
    "answer",
    [
        jsonrpc.result("ask-1", {"roots": []}),
        jsonrpc.error("ask-1", -1, "User rejected"),
    ],
)
def test_answer_of_the_client_is_passed_on_once(
    answer: JSONRPCResponse | JSONRPCError,
) -> None:
    """Spec: JSON-RPC 2.0, section 5: a result or an error."""
    protocol = open_protocol()
    protocol.send_ask("roots/list", {})
    assert protocol.receive(answer) == AnswerReceived("ask-1", answer)
    assert protocol.receive(answer) == Ignored("answer to 'ask-1', which was not asked")


@pytest.mark.parametrize("id", [None, 1, "ask-2", "ping-1"])
def test_answer_to_nothing_asked_is_ignored(id: str | int | None) -> None:
    """Our choice: it cannot be answered, and the session lives on."""
    protocol = open_protocol()
    protocol.send_ask("roots/list", {})
    event = protocol.receive(jsonrpc.error(id, -32700, "what?"))
    assert event == Ignored(f"answer to {id!r}, which was not asked")


def test_withdrawn_question_needs_no_answer() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation: the sender ignores an answer that
    arrives afterwards."""
    protocol = open_protocol()
    id = protocol.send_ask("elicitation/create", {"message": "?"}).id
    assert protocol.send_ask_cancelled(id, "too late") == jsonrpc.notification(
        "notifications/cancelled", {"requestId": "ask-1", "reason": "too late"}
    )
    event = protocol.receive(jsonrpc.result(id, {"action": "decline"}))
    assert event == Ignored("answer to 'ask-1', which was not asked")


# What needs no session --------------------------------------------------------------


def test_ping_and_unknown_methods_are_answered_at_once() -> None:
    """Spec: 2025-11-25 basic/utilities/ping; JSON-RPC 2.0, section 5.1, code
    -32601."""
    assert answer_at_once(jsonrpc.request(1, "ping", None)) == jsonrpc.result(1, {})
    assert answer_at_once(jsonrpc.request(1, "x" * 200, None)) == jsonrpc.error(
        1, METHOD_NOT_FOUND, f"unknown method: {'x' * 100}"
    )


@pytest.mark.parametrize("method", IN_SESSION)
def test_other_methods_need_a_handler(method: str) -> None:
    """Spec: 2025-11-25 schema.ts, `ClientRequest`."""
    assert answer_at_once(jsonrpc.request(1, method, {})) is None


# What is posted over HTTP -----------------------------------------------------------

PEER = Peer(
    "2025-11-25",
    Implementation(name="client", version="1.0"),
    ClientCapabilities.model_validate(INITIALIZE["capabilities"]),
)
BATCHING = replace(PEER, version="2025-03-26")
HEADERS = {"mcp-session-id": "id", "mcp-protocol-version": "2025-11-25"}
LIST = jsonrpc.request(1, "tools/list", None)
LISTED = RequestReceived(1, "tools/list", {}, PEER)
PING = jsonrpc.request("p", "ping", None)
ANSWER = jsonrpc.result("ask", {"action": "accept"})
NOTIFICATION = jsonrpc.notification("notifications/initialized")


def refused(
    status: int, text: str, *, id: int | None = None, code: int = INVALID_REQUEST
) -> Answered:
    return Answered(jsonrpc.error(id, code, text), status)


POSTED: dict[str, tuple[Message, Event]] = {
    "a request": (LIST, LISTED),
    "a ping": (PING, Answered(jsonrpc.result("p", {}))),
    "a method that there is not": (
        jsonrpc.request(1, "server/discover", {}),
        Answered(jsonrpc.error(1, METHOD_NOT_FOUND, "unknown method: server/discover")),
    ),
    "a notification": (NOTIFICATION, Notified("notifications/initialized", {})),
    "a cancellation": (
        jsonrpc.notification(
            "notifications/cancelled", {"requestId": 7, "reason": "late"}
        ),
        RequestCancelled(7, "late"),
    ),
    "a cancellation of another id": (
        jsonrpc.notification("notifications/cancelled", {"requestId": "a"}),
        RequestCancelled("a", None),
    ),
    "a cancellation of nothing": (
        jsonrpc.notification("notifications/cancelled"),
        Ignored("nothing to cancel: request None is not in flight"),
    ),
    "an answer": (ANSWER, AnswerReceived("ask", ANSWER)),
    "an error": (
        jsonrpc.error(3, 1, "no"),
        AnswerReceived(3, jsonrpc.error(3, 1, "no")),
    ),
    "an error without an id": (
        jsonrpc.error(None, 1, "no"),
        refused(400, legacy.NOT_ASKED, code=INTERNAL_ERROR),
    ),
}


@pytest.mark.parametrize(("posted", "event"), POSTED.values(), ids=POSTED)
def test_post_in_a_session_means_what_it_carries(posted: Message, event: Event) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    assert legacy.receive_post(posted, HEADERS, PEER) == event


@pytest.mark.parametrize("peer", [None, PEER])
def test_initialize_that_is_posted_is_answered_by_the_driver(peer: Peer | None) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"; whatever its headers say."""
    initialize = jsonrpc.request(1, "initialize", INITIALIZE)
    headers = {"mcp-protocol-version": "2026-07-28"}
    assert legacy.receive_post(initialize, headers, peer) == RequestReceived(
        1, "initialize", INITIALIZE, PEER
    )
    assert initialized(1, PEER, DESCRIPTION) == jsonrpc.result(
        1, {"protocolVersion": "2025-11-25", **DESCRIPTION}
    )


def test_malformed_initialize_that_is_posted_is_answered() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Error Handling"."""
    event = legacy.receive_post(jsonrpc.request(1, "initialize", {}), {}, None)
    assert isinstance(event, Answered)
    assert isinstance(event.answer, JSONRPCError)
    assert (event.status, event.answer.id) == (200, 1)
    assert event.answer.error.code == INVALID_PARAMS


BATCHES: dict[str, tuple[list[Message], Event | list[Event]]] = {
    "all kinds": (
        [LIST, PING, NOTIFICATION, ANSWER],
        [
            replace(LISTED, peer=BATCHING),
            Answered(jsonrpc.result("p", {})),
            Notified("notifications/initialized", {}),
            AnswerReceived("ask", ANSWER),
        ],
    ),
    "initialize": (
        [PING, jsonrpc.request(2, "initialize", INITIALIZE)],
        refused(400, "initialize must not be part of a batch", id=2),
    ),
    "an id twice": (
        [LIST, NOTIFICATION, jsonrpc.request(1, "ping", None)],
        refused(400, "two requests of a batch have the same id", id=1),
    ),
}


@pytest.mark.parametrize(("posted", "events"), BATCHES.values(), ids=BATCHES)
def test_batch_that_is_posted_means_what_its_messages_mean(
    posted: list[Message], events: Event | list[Event]
) -> None:
    """Spec: 2025-03-26 basic, "Batching"; basic/lifecycle, "Initialization"."""
    assert legacy.receive_post(posted, HEADERS, BATCHING) == events


def test_batch_is_refused_where_there_are_none() -> None:
    """Spec: 2025-06-18 changelog, "Major changes", 1."""
    assert legacy.receive_post([LIST], HEADERS, PEER) == refused(
        400, "batches are not part of this protocol version; send one message"
    )


UNFIT: dict[str, tuple[dict[str, str], Peer | None, Answered]] = {
    "no session id": (
        {},
        None,
        refused(
            400,
            "Mcp-Session-Id is missing: send initialize first, and then the id from "
            "its answer",
        ),
    ),
    "no such session": (
        HEADERS,
        None,
        refused(404, "Session not found", code=SESSION_NOT_FOUND),
    ),
    "a version that there is not": (
        HEADERS | {"mcp-protocol-version": "v" * 200},
        PEER,
        refused(
            400,
            f"unsupported MCP-Protocol-Version {'v' * 100!r}; supported are "
            f"{list(versions.ALL)!r}",
        ),
    ),
}


@pytest.mark.parametrize(("headers", "peer", "answered"), UNFIT.values(), ids=UNFIT)
def test_post_whose_headers_name_no_session_is_refused(
    headers: dict[str, str], peer: Peer | None, answered: Answered
) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management" and "Protocol Version
    Header"."""
    assert legacy.receive_post(LIST, headers, peer) == answered
    assert legacy.check_headers(headers, peer, "GET") == answered


def test_other_http_methods_need_a_version_with_sessions() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: there is only POST."""
    headers = HEADERS | {"mcp-protocol-version": "2026-07-28"}
    assert legacy.check_headers(headers, PEER, "DELETE") == refused(
        405, "DELETE is not part of protocol version 2026-07-28; use POST"
    )
    assert legacy.check_headers({"mcp-session-id": "id"}, PEER, "DELETE") is None
