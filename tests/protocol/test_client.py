"""The client's half of both eras: what it sends, and what it is sent means."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import ClientCapabilities, Implementation
from mcp_types.jsonrpc import (
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)

from mcp_django.exceptions import LocalProtocolError, RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.client import (
    ClientProtocol,
    State,
    choose_version,
    is_modern_error,
    subscription_of,
    supported_of,
)
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    AskReceived,
    ClientEvent,
    Ignored,
    Notified,
    Progressed,
    RequestCancelled,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message

KEY = "io.modelcontextprotocol"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
INFO: JSONObject = {"name": "client", "version": "1.0"}
CAPABILITIES: JSONObject = {"elicitation": {"form": {}}, "roots": {}}
META: JSONObject = {
    f"{KEY}/protocolVersion": MODERN,
    f"{KEY}/clientInfo": INFO,
    f"{KEY}/clientCapabilities": CAPABILITIES,
}
UNSUPPORTED = -32022


def new() -> ClientProtocol:
    return ClientProtocol(
        Implementation(name="client", version="1.0"),
        ClientCapabilities.model_validate(CAPABILITIES),
    )


def speaking(version: str) -> ClientProtocol:
    protocol = new()
    protocol.adopt(version)
    return protocol


def request(id: int, method: str, params: JSONObject | None) -> Message:
    return jsonrpc.request(id, method, params)


def ask(id: int | str, method: str = "roots/list", params: Any = None) -> Message:
    return jsonrpc.request(id, method, params)


def notified(method: str, **params: JSON) -> Message:
    return jsonrpc.notification(f"notifications/{method}", params)


# Finding out what the server speaks ---------------------------------------------------


def test_discovery_says_what_each_modern_request_says() -> None:
    """Spec: 2026-07-28 server/discover, "Request"; basic/versioning."""
    sent = new().send_discover(MODERN)
    assert sent == request(1, "server/discover", {"_meta": META})


def test_initialize_offers_a_version() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    sent = new().send_initialize(LEGACY)
    assert sent == request(
        1,
        "initialize",
        {"protocolVersion": LEGACY, "capabilities": CAPABILITIES, "clientInfo": INFO},
    )


@pytest.mark.parametrize(
    ("version", "state", "takes_batches"),
    [
        ("2026-07-28", State.MODERN, False),
        ("2025-11-25", State.LEGACY, False),
        ("2025-06-18", State.LEGACY, False),
        ("2025-03-26", State.LEGACY, True),
        ("2024-11-05", State.LEGACY, False),
    ],
)
def test_version_decides_the_era(
    version: str, state: State, takes_batches: bool
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Terminology"; 2025-03-26 basic,
    "Batching"."""
    protocol = new()
    assert (protocol.state, protocol.version) == (State.NEW, "")
    protocol.adopt(version)
    assert (protocol.state, protocol.version) == (state, version)
    assert protocol.takes_batches is takes_batches


def test_unknown_version_cannot_be_adopted() -> None:
    """Our choice: the text says which there are."""
    protocol = new()
    with pytest.raises(RemoteProtocolError) as caught:
        protocol.adopt("2099-01-01")
    assert str(caught.value) == (
        "the server speaks version '2099-01-01', which is none of ['2026-07-28', "
        "'2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']"
    )
    assert protocol.state is State.NEW


def test_what_is_not_known_yet_cannot_be_spoken() -> None:
    """Our choice: whose fault it is, is in the type."""
    protocol = new()
    with pytest.raises(LocalProtocolError) as caught:
        protocol.send_request("tools/list")
    assert str(caught.value) == (
        "cannot send 'tools/list' before the server's version is known"
    )


def test_server_that_has_forgotten_us_is_asked_anew() -> None:
    """Our choice: `forget` goes back to the beginning, and ids go on."""
    protocol = speaking(LEGACY)
    protocol.receive(ask(7))
    protocol.forget()
    assert (protocol.state, protocol.version) == (State.NEW, "")
    assert protocol.send_result(7, {}) is None
    assert protocol.send_initialize(LEGACY).id == 1
    assert protocol.send_initialize(LEGACY).id == 2


# Requests -----------------------------------------------------------------------------

SENT: dict[str, tuple[str, JSONObject | None, dict[str, Any], JSONObject | None]] = {
    # version, params, options, params as sent
    "legacy, nothing to say": (LEGACY, None, {}, None),
    "legacy, params": (LEGACY, {"a": 1}, {}, {"a": 1}),
    "legacy, _meta of the caller": (
        LEGACY,
        {"_meta": {"x": 1}},
        {},
        {"_meta": {"x": 1}},
    ),
    "legacy, with progress": (
        LEGACY,
        {"a": 1},
        {"wants_progress": True},
        {"a": 1, "_meta": {"progressToken": 1}},
    ),
    "legacy, for another client": (LEGACY, None, {"client_meta": {"x": 1}}, None),
    "modern": (MODERN, None, {}, {"_meta": META}),
    "modern, params": (MODERN, {"a": 1}, {}, {"a": 1, "_meta": META}),
    "modern, _meta of the caller": (
        MODERN,
        {"_meta": {"x": 1, f"{KEY}/protocolVersion": "another"}},
        {},
        {"_meta": {"x": 1, **META}},
    ),
    "modern, with progress": (
        MODERN,
        None,
        {"wants_progress": True},
        {"_meta": {**META, "progressToken": 1}},
    ),
    "modern, for another client": (
        MODERN,
        None,
        {"client_meta": {f"{KEY}/clientInfo": {"name": "b", "version": "2"}}},
        {
            "_meta": {
                f"{KEY}/clientInfo": {"name": "b", "version": "2"},
                f"{KEY}/protocolVersion": MODERN,
            }
        },
    ),
}


@pytest.mark.parametrize(
    ("version", "params", "options", "expected"), SENT.values(), ids=SENT
)
def test_request_says_what_its_era_demands(
    version: str,
    params: JSONObject | None,
    options: dict[str, Any],
    expected: JSONObject | None,
) -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields", and progress."""
    before = repr(params)
    sent = speaking(version).send_request("tools/call", params, **options)
    assert sent == request(1, "tools/call", expected)
    assert repr(params) == before


@pytest.mark.parametrize("version", [MODERN, LEGACY])
def test_log_level_goes_with_each_modern_request(version: str) -> None:
    """Spec: 2026-07-28 server/utilities/logging, "Per-request log level"."""
    protocol = speaking(version)
    protocol.log_level = "info"
    sent = protocol.send_request("tools/list", {"a": 1})
    meta = {**META, f"{KEY}/logLevel": "info"}
    expected = {"a": 1, "_meta": meta} if version == MODERN else {"a": 1}
    assert sent.params == expected


def test_ids_and_progress_tokens_are_unique() -> None:
    """Spec: 2025-11-25 basic, "Requests": an id is never used twice."""
    protocol = speaking(LEGACY)
    sent = [protocol.send_request("a", wants_progress=True) for _ in range(3)]
    assert [each.id for each in sent] == [1, 2, 3]
    assert [each.params for each in sent] == [
        {"_meta": {"progressToken": token}} for token in (1, 2, 3)
    ]


# Answers ------------------------------------------------------------------------------

RESULT = jsonrpc.result(1, {"a": 1})
ERROR = jsonrpc.error(1, -32000, "no")


@pytest.mark.parametrize("answer", [RESULT, ERROR])
def test_request_is_answered_once(answer: Any) -> None:
    """Spec: JSON-RPC 2.0, section 5."""
    protocol = speaking(LEGACY)
    protocol.send_request("tools/list")
    assert protocol.receive(answer) == AnswerReceived(1, answer)
    assert protocol.receive(answer) == Ignored("answer to 1, for which nobody waits")


def test_answers_come_in_any_order() -> None:
    """Spec: JSON-RPC 2.0, section 5: the id says what is answered."""
    protocol = speaking(MODERN)
    for method in "abc":
        protocol.send_request(method)
    for id in (2, 3, 1):
        answer = jsonrpc.result(id, {})
        assert protocol.receive(answer) == AnswerReceived(id, answer)


@pytest.mark.parametrize("id", [2, 0, -1, "1", "x"])
def test_answer_to_what_was_not_asked_is_ignored(id: Any) -> None:
    """Our choice: nobody waits for it."""
    protocol = speaking(LEGACY)
    protocol.send_request("tools/list")
    ignored = Ignored(f"answer to {id!r}, for which nobody waits")
    assert protocol.receive(jsonrpc.result(id, {})) == ignored
    assert protocol.receive(jsonrpc.error(id, -1, "no")) == ignored


def test_error_without_an_id_is_of_the_only_request() -> None:
    """Our choice: the server could not read the id, and there is only one it can be.

    Spec: JSON-RPC 2.0, section 5.
    """
    protocol = speaking(LEGACY)
    protocol.send_request("a")
    error = jsonrpc.error(None, -32700, "no JSON")
    assert protocol.receive(error) == AnswerReceived(1, error)


@pytest.mark.parametrize("in_flight", [0, 2])
def test_error_without_an_id_is_ignored_if_it_can_be_of_several(in_flight: int) -> None:
    """Our choice: those others go on."""
    protocol = speaking(LEGACY)
    for _ in range(in_flight):
        protocol.send_request("a")
    error = jsonrpc.error(None, -32700, "no JSON")
    ignored = Ignored("answer to None, for which nobody waits")
    assert protocol.receive(error) == ignored


def test_dropped_request_is_not_waited_for() -> None:
    """Our choice: `drop` for what the transport says will not be answered."""
    protocol = speaking(LEGACY)
    protocol.send_request("a")
    protocol.drop(1)
    protocol.drop(1)
    assert protocol.receive(RESULT) == Ignored("answer to 1, for which nobody waits")


# Cancellation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "params"),
    [(None, {"requestId": 1}), ("late", {"requestId": 1, "reason": "late"})],
)
def test_cancelled_request_is_not_waited_for(
    reason: str | None, params: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Behavior Requirements"."""
    protocol = speaking(MODERN)
    protocol.send_request("tools/call")
    assert protocol.send_cancelled(1, reason) == notified("cancelled", **params)
    assert protocol.send_cancelled(1, reason) is None


def test_what_crosses_a_cancellation_is_late_and_not_wrong() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timing Considerations"."""
    protocol = speaking(MODERN)
    protocol.send_request("tools/call", wants_progress=True)
    protocol.send_cancelled(1)
    progress = protocol.receive(notified("progress", progressToken=1, progress=1))
    assert progress == Ignored("progress of 1, which has ended", is_late=True)
    answer = protocol.receive(RESULT)
    assert answer == Ignored("answer to 1, for which nobody waits", is_late=True)


def test_initialize_is_not_cancelled() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Behavior Requirements"."""
    protocol = new()
    protocol.send_initialize(LEGACY)
    assert protocol.send_cancelled(1) is None
    assert protocol.receive(RESULT) == Ignored("answer to 1, for which nobody waits")


def test_server_ends_a_subscription_by_cancelling_it() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation."""
    protocol = speaking(MODERN)
    protocol.send_request("subscriptions/listen")
    ended = AnswerReceived(1, jsonrpc.result(1, {}))
    assert protocol.receive(notified("cancelled", requestId=1)) == ended
    again = protocol.receive(notified("cancelled", requestId=1))
    assert again == Ignored("nothing to cancel: 1 is no open question")


def test_server_cannot_cancel_other_requests_of_ours() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation: servers cancel subscriptions."""
    protocol = speaking(MODERN)
    protocol.send_request("tools/call")
    cancelled = protocol.receive(notified("cancelled", requestId=1))
    assert cancelled == Ignored("nothing to cancel: 1 is no open question")
    assert protocol.receive(RESULT) == AnswerReceived(1, RESULT)


# Progress -----------------------------------------------------------------------------


def test_progress_belongs_to_a_request() -> None:
    """Spec: 2026-07-28 basic/patterns/progress, "Behavior Requirements"."""
    protocol = speaking(LEGACY)
    protocol.send_request("tools/call", wants_progress=True)
    plain = notified("progress", progressToken=1, progress=0.5)
    assert protocol.receive(plain) == Progressed(1, 0.5, None, None)
    full = notified("progress", progressToken=1, progress=2, total=3, message="two")
    assert protocol.receive(full) == Progressed(1, 2.0, 3.0, "two")
    protocol.receive(RESULT)
    assert protocol.receive(plain) == Ignored("progress of 1, which has ended")


@pytest.mark.parametrize("token", [2, "1", "x"])
def test_progress_of_nothing_is_ignored(token: JSON) -> None:
    """Spec: 2026-07-28 basic/patterns/progress, "Behavior Requirements"."""
    protocol = speaking(LEGACY)
    protocol.send_request("tools/call", wants_progress=True)
    stray = notified("progress", progressToken=token, progress=1)
    assert protocol.receive(stray) == Ignored(f"progress of {token!r}, which has ended")


# Other notifications ------------------------------------------------------------------


@pytest.mark.parametrize("version", [MODERN, LEGACY])
def test_other_notifications_are_passed_on(version: str) -> None:
    """Our choice: what they mean is not for the protocol to say."""
    protocol = speaking(version)
    told = protocol.receive(notified("tools/list_changed", x=1))
    assert told == Notified("notifications/tools/list_changed", {"x": 1})
    bare = protocol.receive(jsonrpc.notification("acme/news"))
    assert bare == Notified("acme/news", {})


MALFORMED: dict[str, tuple[Message, str]] = {
    "progress without token": (
        notified("progress", progress=1),
        "notifications/progress: invalid params: progressToken: Field required",
    ),
    "progress that is no number": (
        notified("progress", progressToken=1, progress="half"),
        "notifications/progress: invalid params: progress: Input should be a valid "
        "number, unable to parse string as a number",
    ),
    "cancelled without an id": (
        notified("cancelled"),
        "nothing to cancel: None is no open question",
    ),
    "cancelled with an object for an id": (
        notified("cancelled", requestId={}),
        "notifications/cancelled: invalid params: requestId.int: Input should be a "
        "valid integer; requestId.str: Input should be a valid string",
    ),
}


@pytest.mark.parametrize(("message", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_notification_is_ignored(message: Message, reason: str) -> None:
    """Our choice: nothing can be answered, and all goes on."""
    protocol = speaking(LEGACY)
    protocol.send_request("tools/call", wants_progress=True)
    assert protocol.receive(message) == Ignored(reason)


# Questions of the server --------------------------------------------------------------


def test_question_waits_for_its_answer() -> None:
    """Spec: 2025-11-25 client/elicitation; client/roots."""
    protocol = speaking(LEGACY)
    asked = protocol.receive(ask("q", "elicitation/create", {"message": "?"}))
    assert asked == AskReceived("q", "elicitation/create", {"message": "?"})
    assert protocol.receive(ask(2)) == AskReceived(2, "roots/list", {})
    result: JSONObject = {"action": "decline"}
    assert protocol.send_result("q", result) == jsonrpc.result("q", result)
    assert protocol.send_error(2, -1, "no", {"a": 1}) == jsonrpc.error(
        2, -1, "no", {"a": 1}
    )
    assert protocol.send_result("q", result) is None
    assert protocol.send_error(2, -1, "no") is None


def test_question_with_an_id_that_waits_already_is_ignored() -> None:
    """Spec: 2025-11-25 basic, "Requests": an id is never used twice."""
    protocol = speaking(LEGACY)
    protocol.receive(ask(1))
    assert protocol.receive(ask(1)) == Ignored("request id 1 is in flight already")
    protocol.send_result(1, {})
    assert protocol.receive(ask(1)) == AskReceived(1, "roots/list", {})


@pytest.mark.parametrize("reason", [None, "changed my mind"])
def test_cancelled_question_wants_no_answer(reason: str | None) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    protocol = speaking(LEGACY)
    protocol.receive(ask("q"))
    cancelled = notified("cancelled", requestId="q", reason=reason)
    assert protocol.receive(cancelled) == RequestCancelled("q", reason)
    assert protocol.send_result("q", {}) is None
    ignored = Ignored("nothing to cancel: 'q' is no open question")
    assert protocol.receive(cancelled) == ignored


@pytest.mark.parametrize("version", [LEGACY, ""])
def test_ping_is_answered_at_any_time(version: str) -> None:
    """Spec: 2025-11-25 basic/utilities/ping; also before `initialize` is answered."""
    protocol = speaking(version) if version else new()
    assert protocol.receive(ask(1, "ping")) == Answered(jsonrpc.result(1, {}))


@pytest.mark.parametrize("method", ["sampling/createMessage", "tools/list", "acme/x"])
def test_question_that_was_not_offered_is_refused(method: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Operation"."""
    error = jsonrpc.error(1, METHOD_NOT_FOUND, f"this client does not offer {method}")
    assert speaking(LEGACY).receive(ask(1, method)) == Answered(error)


@pytest.mark.parametrize("method", ["ping", "roots/list", "x" * 200])
def test_modern_servers_must_not_ask(method: str) -> None:
    """Spec: 2026-07-28 basic/transports/stdio, "Receiving Messages"."""
    asked: ClientEvent = speaking(MODERN).receive(ask(1, method))
    reason = f"request {method[:100]!r}, which modern servers never send"
    assert asked == Ignored(reason)


# What answers say ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("supported", "wanted", "chosen"),
    [
        (["2025-06-18", "2026-07-28", "2025-11-25"], None, "2026-07-28"),
        (["2024-11-05", "2025-06-18", 7, None], None, "2025-06-18"),
        (["2099-01-01"], None, None),
        ([], None, None),
        (["2026-07-28", "2025-06-18"], "2025-06-18", "2025-06-18"),
        (["2026-07-28"], "2025-06-18", None),
    ],
)
def test_newest_common_version_is_chosen(
    supported: list[JSON], wanted: str | None, chosen: str | None
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation"."""
    assert choose_version(supported, wanted) == chosen


@pytest.mark.parametrize(
    ("code", "data", "supported"),
    [
        (UNSUPPORTED, {"supported": ["a"], "requested": "b"}, ["a"]),
        (UNSUPPORTED, {"supported": "a"}, []),
        (UNSUPPORTED, {}, []),
        (UNSUPPORTED, None, None),
        (UNSUPPORTED, ["a"], None),
        (METHOD_NOT_FOUND, {"supported": ["a"]}, None),
    ],
)
def test_error_lists_the_versions_of_the_server(
    code: int, data: JSON, supported: list[JSON] | None
) -> None:
    """Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation"."""
    assert supported_of(jsonrpc.error(1, code, "no", data)) == supported


@pytest.mark.parametrize(
    ("code", "is_modern"),
    [
        (UNSUPPORTED, True),
        (HEADER_MISMATCH, True),
        (MISSING_REQUIRED_CLIENT_CAPABILITY, True),
        (METHOD_NOT_FOUND, False),
        (-32602, False),
        (-32000, False),
    ],
)
def test_some_errors_only_modern_servers_have(code: int, is_modern: bool) -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"."""
    assert is_modern_error(jsonrpc.error(1, code, "no")) is is_modern


SUBSCRIPTIONS: list[tuple[JSONObject, JSON]] = [
    ({"_meta": {f"{KEY}/subscriptionId": 1}}, 1),
    ({"_meta": {f"{KEY}/subscriptionId": "a"}}, "a"),
    ({"_meta": {f"{KEY}/subscriptionId": []}}, None),
    ({"_meta": {}}, None),
    ({"_meta": 7}, None),
    ({}, None),
]


@pytest.mark.parametrize(("params", "id"), SUBSCRIPTIONS)
def test_notification_names_its_subscription(params: JSONObject, id: JSON) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications"."""
    assert subscription_of(params) == id
