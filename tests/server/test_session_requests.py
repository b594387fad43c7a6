"""What a session remembers, and how clients change it."""

import pytest
from mcp_types.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND

from mcp_django import Server
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import Caller, Notebook


async def test_client_subscribes_to_what_it_may_read(library: Server) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    notebook = Notebook()
    caller = Caller(library, session=notebook)
    for uri in ("shop://terms", "shop://orders/7"):
        assert await caller.call("resources/subscribe", {"uri": uri}) == {}
    assert notebook.uris == {"shop://terms", "shop://orders/7"}
    assert await caller.call("resources/unsubscribe", {"uri": "shop://terms"}) == {}
    assert await caller.call("resources/unsubscribe", {"uri": "shop://terms"}) == {}
    assert notebook.uris == {"shop://orders/7"}
    error = await caller.error_of("resources/subscribe", {"uri": "shop://nothing"})
    assert (error.code, error.data) == (RESOURCE_NOT_FOUND, {"uri": "shop://nothing"})


async def test_client_chooses_the_severity_of_log_messages(library: Server) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Setting Log Level"."""
    notebook = Notebook()
    caller = Caller(library, session=notebook)
    assert await caller.call("logging/setLevel", {"level": "critical"}) == {}
    assert notebook.log_level == "critical"
    error = await caller.error_of("logging/setLevel", {"level": "loud"})
    assert error.code == INVALID_PARAMS
    assert notebook.log_level == "critical"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("logging/setLevel", {"level": "error"}),
        ("resources/subscribe", {"uri": "shop://terms"}),
        ("resources/unsubscribe", {"uri": "shop://terms"}),
    ],
)
async def test_what_needs_a_session_is_unknown_without_one(
    library: Server, method: str, params: JSONObject
) -> None:
    """Our choice: where there are no sessions, nothing of them can be set."""
    error = await Caller(library).error_of(method, params)
    assert (error.code, error.message) == (
        METHOD_NOT_FOUND,
        f"unknown method: {method}",
    )
