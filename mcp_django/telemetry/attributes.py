"""What is told of requests, by the names of OpenTelemetry's conventions for MCP.

Neither arguments, results, users nor credentials are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from mcp_types.jsonrpc import INTERNAL_ERROR, JSONRPCError, JSONRPCRequest

from mcp_django.client.observers import Answer, FarEnd
from mcp_django.exceptions import ErrorAnswer, RequestTimeout
from mcp_django.server.outcomes import Outcome
from mcp_django.server.requests import Request
from mcp_django.server.session_lives import label_of

Attributes: TypeAlias = dict[str, str | int]

_FEATURE_NAMES: Final = {"tool": "gen_ai.tool.name", "prompt": "gen_ai.prompt.name"}
_ASKED_NAMES: Final = {
    "tools/call": "gen_ai.tool.name",
    "prompts/get": "gen_ai.prompt.name",
}
_HTTP: Final[Attributes] = {
    "network.transport": "tcp",
    "network.protocol.name": "http",
}
_NETWORKS: Final[Mapping[str, Attributes]] = {
    "streamable-http": _HTTP,
    "sse": _HTTP,
    "websocket": {"network.transport": "tcp", "network.protocol.name": "websocket"},
    "stdio": {"network.transport": "pipe"},
}
_NOTHING: Final[Attributes] = {}
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_OF_SPANS_ONLY: Final = ("jsonrpc.request.id", "mcp.resource.uri")
_MAX_CHARACTERS: Final = 200


# What is answered here --------------------------------------------------------------


def attributes_of(request: Request) -> Attributes:
    """Say of a request what is known when it begins."""
    told = _asked(request.method, request.params, request.id)
    told["mcp.protocol.version"] = request.version
    told |= network_of(request.sender.binding)
    if request.sender.address:
        told["client.address"] = request.sender.address
    session = request.session
    if session is not None and session.id is not None:
        told["mcp.session.id"] = label_of(session.id)
    return told


def measured_of(request: Request, outcome: Outcome) -> Attributes:
    """Say of a request what its time is counted by.

    These have few values, whatever clients send: features that do not exist have no
    name here.
    """
    told: Attributes = {
        "mcp.method.name": request.method,
        "mcp.protocol.version": request.version,
        **network_of(request.sender.binding),
    }
    if request.method == "tools/call":
        told["gen_ai.operation.name"] = "execute_tool"
    feature = request.feature
    if feature is not None and outcome.reason != "unknown":
        name = _FEATURE_NAMES.get(feature.kind)
        if name is not None:
            told[name] = feature.name
    if outcome.kind not in ("answered", "asked"):
        told |= _error_of(request, outcome)
    return told


def _error_of(request: Request, outcome: Outcome) -> Attributes:
    """Say what kind of error a request ended with."""
    if outcome.kind == "cancelled":
        return {"error.type": "cancelled"}
    if isinstance(outcome.error, ErrorAnswer):
        return _by_code(outcome.error.code)
    if request.method == "tools/call":
        return {"error.type": "tool_error"}
    return _by_code(INTERNAL_ERROR)


# What is asked elsewhere ------------------------------------------------------------


def attributes_of_call(request: JSONRPCRequest, far_end: FarEnd) -> Attributes:
    """Say of a request what is known when it is sent."""
    told = _asked(request.method, request.params or {}, request.id)
    return told | way_to(far_end)


def measured_of_call(
    asked: Attributes, answer: Answer | None, failure: BaseException | None
) -> Attributes:
    """Say of a request what its time is counted by.

    Args:
        asked: What was said of it when it was sent.
        answer: Its answer; None for none.
        failure: Why there is none.
    """
    told = {k: v for k, v in asked.items() if k not in _OF_SPANS_ONLY}
    if isinstance(answer, JSONRPCError):
        # Names of what the server does not have have no end.
        for name in _FEATURE_NAMES.values():
            told.pop(name, None)
        return told | _by_code(answer.error.code)
    if answer is not None:
        is_call = asked["mcp.method.name"] == "tools/call"
        if is_call and answer.result.get("isError") is True:
            told["error.type"] = "tool_error"
    elif failure is not None:
        told["error.type"] = kind_of(failure)
    return told


def way_to(far_end: FarEnd) -> Attributes:
    """Say where requests go."""
    told = network_of(far_end.binding) | _place_of(far_end.url)
    if far_end.version:
        told["mcp.protocol.version"] = far_end.version
    return told


@lru_cache(maxsize=64)
def _place_of(url: str) -> Attributes:
    """Give host and port of a URL; nothing if it has none that can be read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return _NOTHING
    if not host:
        return _NOTHING
    told: Attributes = {"server.address": host}
    if port := port or _PORTS.get(parts.scheme):
        told["server.port"] = port
    return told


# What both have in common -----------------------------------------------------------


def network_of(binding: str) -> Attributes:
    """Say what carries the messages of a binding; not to be changed."""
    return _NETWORKS.get(binding, _NOTHING)


def name_of(method: str, told: Attributes) -> str:
    """Name the span of a request, by what is told of it."""
    target = told.get(_ASKED_NAMES.get(method, ""))
    return method if target is None else f"{method} {target}"


def kind_of(error: BaseException) -> str:
    """Name a kind of error."""
    if isinstance(error, RequestTimeout):
        return "timeout"
    if not isinstance(error, Exception):
        return "cancelled"
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"


def _by_code(code: int) -> Attributes:
    return {"error.type": str(code), "rpc.response.status_code": str(code)}


def _asked(method: str, params: Mapping[str, Any], id: str | int) -> Attributes:
    told: Attributes = {
        "mcp.method.name": method,
        "jsonrpc.request.id": str(id)[:_MAX_CHARACTERS],
    }
    if method == "tools/call":
        told["gen_ai.operation.name"] = "execute_tool"
    if name := _ASKED_NAMES.get(method):
        _tell(told, name, params.get("name"))
    _tell(told, "mcp.resource.uri", params.get("uri"))
    return told


def _tell(told: Attributes, name: str, value: object) -> None:
    if isinstance(value, str):
        told[name] = value[:_MAX_CHARACTERS]
