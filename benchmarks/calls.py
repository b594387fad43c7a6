"""The bytes that are sent: one call of a tool, in each era, with its headers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Era: TypeAlias = Literal["2026-07-28", "2025-11-25"]

_PREFIX = "io.modelcontextprotocol/"
_CLIENT = {"name": "benchmarks", "version": "1"}


@dataclass(frozen=True)
class Call:
    """One call of a tool.

    Attributes:
        era: The revision whose rules it follows.
        tool: Name of the tool.
        arguments: Mapping of name to value.
        headers: More headers than the era asks for.
    """

    era: Era
    tool: str = "add"
    arguments: Mapping[str, Any] = field(default_factory=lambda: {"a": 1, "b": 2})
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """Those of the POST, but for a session's id."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": self.era,
            **self.headers,
        }
        if self.era == "2026-07-28":
            headers |= {"Mcp-Method": "tools/call", "Mcp-Name": self.tool}
        return headers

    @property
    def body(self) -> bytes:
        """The JSON-RPC request."""
        params: dict[str, Any] = {"name": self.tool, "arguments": self.arguments}
        if self.era == "2026-07-28":
            params["_meta"] = {
                _PREFIX + "protocolVersion": self.era,
                _PREFIX + "clientInfo": _CLIENT,
                _PREFIX + "clientCapabilities": {},
            }
        return request(1, "tools/call", params)


def initialize(version: str = "2025-11-25") -> bytes:
    """Give the request that opens a session."""
    return request(
        0,
        "initialize",
        {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT},
    )


def initialized() -> bytes:
    """Give the notification that says the session is open."""
    return _bytes({"jsonrpc": "2.0", "method": "notifications/initialized"})


def request(id: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Give a JSON-RPC request."""
    return _bytes({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def _bytes(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
