"""What the two eras of Streamable HTTP want of a client."""

from mcp_types import CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY

from mcp_django.protocol import jsonrpc
from mcp_django.transports.client.streamable_http_eras import LegacySession, ModernEra
from tests.transports.http_servers import INITIALIZE, SESSION_ID, opening

META = {PROTOCOL_VERSION_META_KEY: "2026-07-28", CLIENT_CAPABILITIES_META_KEY: {}}
PING = jsonrpc.request(1, "ping", {"_meta": META})
PONG = jsonrpc.result(1, {})


def test_modern_messages_stand_for_themselves() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: no sessions, no batches, no
    resumption, and no answers to the server."""
    era = ModernEra()
    assert era.headers_of(PING) == {
        "mcp-method": "ping",
        "mcp-protocol-version": "2026-07-28",
    }
    assert era.headers_of(PONG) == {}
    era.take_headers(INITIALIZE, {"mcp-session-id": SESSION_ID})
    assert "mcp-session-id" not in era.headers_of(PING)
    assert era.take_result(PING, PONG) is PONG
    assert not era.lose(SESSION_ID)
    assert not (era.takes_batches or era.can_resume or era.is_lost)


def test_legacy_session_opens_and_is_lost() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"."""
    session = LegacySession()
    assert session.headers_of(PING) == {}
    assert (session.is_open, session.has_id) == (False, False)

    session.take_headers(INITIALIZE, {"mcp-session-id": SESSION_ID})
    result = opening()
    assert isinstance(result, type(PONG))
    assert session.take_result(INITIALIZE, result) is result
    assert (session.is_open, session.has_id) == (True, True)
    assert session.headers_of(PING) == {
        "mcp-session-id": SESSION_ID,
        "mcp-protocol-version": "2025-11-25",
    }

    assert not session.lose("another")
    assert session.lose(SESSION_ID)
    assert (session.is_open, session.has_id, session.is_lost) == (False, False, True)
    assert session.headers_of(PING) == {"mcp-protocol-version": "2025-11-25"}
    assert session.lose(SESSION_ID), "others may find it lost, too"


def test_only_initialize_opens_a_session() -> None:
    """Our choice: an id that comes with another answer is none of ours."""
    session = LegacySession()
    session.take_headers(PING, {"mcp-session-id": SESSION_ID})
    session.take_result(PING, jsonrpc.result(1, {"protocolVersion": "2025-11-25"}))
    assert (session.headers_of(PING), session.is_open) == ({}, False)


def test_one_version_has_batches() -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    session = LegacySession()
    assert not session.takes_batches
    for version in ("2025-03-26", "2025-06-18"):
        result = opening(version)
        assert isinstance(result, type(PONG))
        session.take_result(INITIALIZE, result)
        assert session.takes_batches is (version == "2025-03-26")
