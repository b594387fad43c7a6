"""The params of requests."""

import pytest
from mcp_types.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND

from mcp_django import Server
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import Caller, Notebook


async def assert_refused(
    caller: Caller, method: str, params: JSONObject | None, code: int, message: str
) -> None:
    error = await caller.error_of(method, params)
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize(
    "method",
    [
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "completion/complete",
    ],
)
async def test_method_without_features_is_unknown(method: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation": no capability was
    declared for it; server/utilities/completion, "Error Handling"."""
    params = {
        "ref": {"type": "ref/prompt", "name": "greet"},
        "argument": {"name": "tone", "value": ""},
    }
    await assert_refused(
        Caller(Server("shop")),
        method,
        params,
        METHOD_NOT_FOUND,
        f"unknown method: {method}",
    )


BAD_PARAMS: list[tuple[str, JSONObject, str]] = [
    ("tools/call", {}, "invalid params: name: Field required"),
    ("tools/call", {"name": 7}, "invalid params: name: Input should be a valid string"),
    (
        "tools/call",
        {"name": "x", "arguments": [1]},
        "invalid params: arguments: Input should be a valid dictionary",
    ),
    (
        "tools/call",
        {"name": "x", "arguments": "[1]"},
        "invalid params: arguments: Input should be a valid dictionary",
    ),
    (
        "tools/call",
        {"name": "x", "arguments": '{"a": 1'},
        "invalid params: arguments: Input should be a valid dictionary",
    ),
    (
        "tools/list",
        {"cursor": 7},
        "invalid params: cursor: Input should be a valid string",
    ),
    ("resources/read", {}, "invalid params: uri: Field required"),
    (
        "resources/subscribe",
        {"uri": None},
        "invalid params: uri: Input should be a valid string",
    ),
    ("prompts/get", {}, "invalid params: name: Field required"),
    (
        "tools/call",
        {"name": "x", "_meta": 7},
        "invalid params: _meta: Input should be a valid dictionary",
    ),
]


@pytest.mark.parametrize(("method", "params", "message"), BAD_PARAMS)
async def test_params_that_do_not_fit_are_invalid(
    method: str, params: JSONObject, message: str
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32602."""

    server = Server("shop")

    @server.tool
    def x() -> None: ...

    caller = Caller(server, session=Notebook())
    await assert_refused(caller, method, params, INVALID_PARAMS, message)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": {"type": "ref/tool", "name": "x"}, "argument": {}},
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "a"}},
    ],
)
async def test_completion_params_that_do_not_fit_are_invalid(
    completer: Server, params: JSONObject
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32602."""
    error = await Caller(completer).error_of("completion/complete", params)
    assert error.code == INVALID_PARAMS
