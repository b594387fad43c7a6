"""Sessions over Streamable HTTP, opened without HTTP."""

from typing import Any

from mcp_types import ClientCapabilities, Implementation

from mcp_django.exchanges.session_id import (
    HTTPSession,
    make_session_id,
    read_session_id,
)
from mcp_django.protocol.events import Peer


def peer(
    version: str = "2025-11-25", *, name: str = "test", capabilities: Any = None
) -> Peer:
    """Make what `initialize` settles."""
    return Peer(
        version,
        Implementation(name=name, version="1"),
        ClientCapabilities.model_validate(capabilities or {}),
    )


def open_session(owner: str = "7", **options: Any) -> HTTPSession:
    """Open a session, and read its id."""
    session = read_session_id(make_session_id("shop", owner, peer(**options)))
    assert session is not None
    return session
