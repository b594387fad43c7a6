"""A connection that serves both eras: each message finds its own."""

import pytest
from mcp_types.jsonrpc import JSONRPCError

from mcp_django.exceptions import LocalProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Ignored,
    Notified,
    RequestCancelled,
    RequestReceived,
)
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import State
from mcp_django.protocol.server import ServerProtocol

KEY = "io.modelcontextprotocol"
META: JSONObject = {
    f"{KEY}/protocolVersion": "2026-07-28",
    f"{KEY}/clientCapabilities": {},
}
SERVER_INFO: JSONObject = {"name": "shop", "version": "1.0.0"}


def describe(version: str) -> JSONObject:
    return {"capabilities": {}, "serverInfo": SERVER_INFO}


def new_protocol() -> ServerProtocol:
    return ServerProtocol(describe, SERVER_INFO)


def open_protocol(version: str = "2025-11-25") -> ServerProtocol:
    """Give a protocol with an open legacy session."""
    protocol = new_protocol()
    params = {
        "protocolVersion": version,
        "capabilities": {"roots": {}},
        "clientInfo": {"name": "client", "version": "1.0"},
    }
    protocol.receive(jsonrpc.request("init", "initialize", params))
    return protocol


def legacy(id: int = 1, method: str = "tools/list") -> Message:
    return jsonrpc.request(id, method, {})


def modern(id: int = 1, method: str = "tools/list") -> Message:
    return jsonrpc.request(id, method, {"_meta": META})


def cancellation(id: object) -> Message:
    return jsonrpc.notification("notifications/cancelled", {"requestId": id})


def version_of(event: object) -> str:
    """Give the version in which a request that came has to be answered."""
    assert isinstance(event, RequestReceived)
    return event.peer.version


def test_modern_request_needs_no_session() -> None:
    """Spec: 2026-07-28 basic/versioning, "Backward Compatibility with
    Initialization-Based Versions"."""
    protocol = new_protocol()
    assert version_of(protocol.receive(modern())) == "2026-07-28"
    assert protocol.state is State.NEW
    assert protocol.send_result(1, {"tools": []}) == jsonrpc.result(
        1,
        {
            "resultType": "complete",
            "tools": [],
            "_meta": {f"{KEY}/serverInfo": SERVER_INFO},
        },
    )


def test_initialize_opens_a_session_beside() -> None:
    """Spec: 2026-07-28 basic/versioning: both eras may be served concurrently."""
    protocol = open_protocol()
    assert protocol.state is State.OPEN
    assert version_of(protocol.receive(legacy(1))) == "2025-11-25"
    assert version_of(protocol.receive(modern(2))) == "2026-07-28"
    assert protocol.has_pending(1)
    assert protocol.has_pending(2)
    assert protocol.send_result(1, {"tools": []}) == jsonrpc.result(1, {"tools": []})
    error = protocol.send_error(2, -1, "no")
    assert error == jsonrpc.error(2, -1, "no")
    assert not (protocol.has_pending(1) or protocol.has_pending(2))


def test_legacy_request_still_needs_a_session() -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    event = new_protocol().receive(legacy())
    assert isinstance(event, Answered)
    assert isinstance(event.answer, JSONRPCError)
    assert event.answer.error.message == "send initialize first, then tools/list"


@pytest.mark.parametrize(
    ("first", "second"), [(legacy(), modern()), (modern(), legacy())]
)
def test_id_in_flight_is_not_taken_again_in_the_other_era(
    first: Message, second: Message
) -> None:
    """Spec: 2026-07-28 basic, "Requests"; an answer could be taken for that of the
    first."""
    protocol = open_protocol()
    version = version_of(protocol.receive(first))
    assert protocol.receive(second) == Ignored("request id 1 is in flight already")
    result = protocol.send_result(1, {})
    assert result is not None
    assert ("resultType" in result.result) == (version == "2026-07-28")


@pytest.mark.parametrize("message", [legacy(), modern()])
def test_cancellation_finds_its_request(message: Message) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Cancellation Flow": it says
    nothing of the era."""
    protocol = open_protocol()
    protocol.receive(message)
    assert protocol.receive(cancellation(1)) == RequestCancelled(1, None)
    assert protocol.send_result(1, {}) is None
    assert protocol.send_error(1, -1, "no") is None


@pytest.mark.parametrize("id", [2, "1", None])
def test_cancellation_of_nothing_is_ignored(id: object) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Error Handling"."""
    protocol = open_protocol()
    protocol.receive(modern())
    assert protocol.receive(cancellation(id)) == Ignored(
        f"nothing to cancel: request {id!r} is not in flight"
    )
    assert protocol.has_pending(1)


def test_other_notifications_are_reported() -> None:
    """Our choice: the driver may know them."""
    message = jsonrpc.notification("notifications/x", {"_meta": META})
    assert new_protocol().receive(message) == Notified(
        "notifications/x", {"_meta": META}
    )


def test_legacy_client_can_be_asked() -> None:
    """Spec: 2025-11-25 basic, "Requests"."""
    protocol = open_protocol()
    asked = protocol.send_ask("roots/list", {})
    answer = jsonrpc.result(asked.id, {"roots": []})
    assert protocol.receive(answer) == AnswerReceived(asked.id, answer)


def test_question_can_be_withdrawn() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation, "Cancellation Flow"."""
    protocol = open_protocol()
    asked = protocol.send_ask("roots/list", {})
    assert protocol.send_ask_cancelled(asked.id, "too late") == jsonrpc.notification(
        "notifications/cancelled", {"requestId": asked.id, "reason": "too late"}
    )
    assert isinstance(protocol.receive(jsonrpc.result(asked.id, {})), Ignored)


def test_modern_client_cannot_be_asked() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr: servers send no requests."""
    protocol = new_protocol()
    protocol.receive(modern())
    with pytest.raises(LocalProtocolError):
        protocol.send_ask("roots/list", {})


@pytest.mark.parametrize(
    ("version", "takes_batches"), [("2025-03-26", True), ("2025-06-18", False)]
)
def test_batches_are_taken_where_the_session_has_them(
    version: str, takes_batches: bool
) -> None:
    """Spec: 2025-03-26 basic, "Batching"; no other version has them."""
    assert open_protocol(version).takes_batches is takes_batches
    assert not new_protocol().takes_batches


def test_request_of_either_era_can_be_settled_once() -> None:
    """Chosen: drivers write answers themselves, unless there shall be none."""
    protocol = open_protocol()
    protocol.receive(jsonrpc.request(1, "tools/list", None))
    protocol.receive(jsonrpc.request(2, "tools/list", {"_meta": META}))
    assert [protocol.settle(id) for id in (1, 2)] == [True, True]
    assert [protocol.settle(id) for id in (1, 2, 3)] == [False, False, False]
