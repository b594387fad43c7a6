"""What is told of a request, by the names of OpenTelemetry's conventions for MCP.

Neither arguments, results, users nor credentials are told.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from mcp_django.exceptions import ErrorAnswer
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request

Attributes: TypeAlias = dict[str, str]

_FEATURE_NAMES: Final = {"tool": "gen_ai.tool.name", "prompt": "gen_ai.prompt.name"}
_ASKED_NAMES: Final = {
    "tools/call": "gen_ai.tool.name",
    "prompts/get": "gen_ai.prompt.name",
}
_MAX_CHARACTERS: Final = 200


def comes_by_websocket(request: Request) -> bool:
    """Say whether a WebSocket brought a request."""
    return "sec-websocket-version" in request.sender.headers


def attributes_of(request: Request) -> Attributes:
    """Say of a request what is known when it begins."""
    told = {
        "mcp.method.name": request.method,
        "mcp.protocol.version": request.version,
        "jsonrpc.request.id": str(request.id)[:_MAX_CHARACTERS],
    }
    sender = request.sender
    if sender.address:
        told["client.address"] = sender.address
    if sender.headers:
        told["network.transport"] = "tcp"
        is_websocket = comes_by_websocket(request)
        told["network.protocol.name"] = "websocket" if is_websocket else "http"
    if request.method == "tools/call":
        told["gen_ai.operation.name"] = "execute_tool"
    if name := _ASKED_NAMES.get(request.method):
        _tell(told, name, request.params.get("name"))
    _tell(told, "mcp.resource.uri", request.params.get("uri"))
    return told


def measured_of(request: Request, outcome: Outcome) -> Attributes:
    """Say of a request what its time is counted by.

    These have few values, whatever clients send: features that do not exist have no
    name here.
    """
    told = {
        "mcp.method.name": request.method,
        "mcp.protocol.version": request.version,
    }
    if request.method == "tools/call":
        told["gen_ai.operation.name"] = "execute_tool"
    feature = request.feature
    if feature is not None and outcome.reason != "unknown":
        name = _FEATURE_NAMES.get(feature.kind)
        if name is not None:
            told[name] = feature.name
    error_type = error_type_of(request, outcome)
    if error_type is not None:
        told["error.type"] = error_type
    return told


def name_of(request: Request, measured: Attributes) -> str:
    """Name the span of a request, by what has few values."""
    target = measured.get(_ASKED_NAMES.get(request.method, ""))
    return request.method if target is None else f"{request.method} {target}"


def error_type_of(request: Request, outcome: Outcome) -> str | None:
    """Say what kind of error a request ended with; None for none."""
    error = outcome.error
    match outcome.kind:
        case "answered" | "asked":
            return None
        case "cancelled":
            return "cancelled"
        case "failed" if error is not None:
            kind = type(error)
            return f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, ErrorAnswer):
        return str(error.code)
    return "tool_error" if request.method == "tools/call" else "_OTHER"


def _tell(told: Attributes, name: str, value: object) -> None:
    if isinstance(value, str):
        told[name] = value[:_MAX_CHARACTERS]
