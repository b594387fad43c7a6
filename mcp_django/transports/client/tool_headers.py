"""The HTTP headers of modern requests, those of tools' parameters included. Pure.

Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata".
"""

from __future__ import annotations

from typing import Final

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.jsonrpc import JSONRPCNotification, JSONRPCRequest

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.protocol import methods
from mcp_django.protocol.http_headers import (
    MAX_SHOWN,
    Mirrored,
    encode_value,
    mirrored_parameters,
    value_at,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject

logger = FaultLog("mcp_django.transports")

MAX_PARAMETERS: Final = 10_000
"""Parameters, of all tools together, whose headers are known at once."""

_MAX_REASON: Final = 500


def standard_headers(
    message: JSONRPCRequest | JSONRPCNotification,
) -> dict[str, str]:
    """Give the headers that mirror a modern message, whatever it calls.

    Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers".
    """
    params = message.params or {}
    headers = {"mcp-method": encode_value(message.method)}
    meta = params.get("_meta")
    version = meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None
    if isinstance(version, str):
        headers["mcp-protocol-version"] = encode_value(version)
    name = params.get(methods.NAMED.get(message.method, ""))
    if isinstance(name, str):
        headers["mcp-name"] = encode_value(name)
    return headers


class ToolHeaders:
    """Knows which parameters of which tools a server wants to see in headers.

    What it knows comes from the results of `tools/list`, page by page. A listing that
    went from the first page to the last says all: tools that are not on it are
    forgotten.

    Spec: 2026-07-28 basic/transports/streamable-http, "Custom Headers from Tool
    Parameters".
    """

    def __init__(self) -> None:
        # Only tools that have such parameters; those listed last come last.
        self._mirrored: dict[str, Mirrored] = {}
        self._listed: set[str] | None = None
        self._parameters = 0

    def take_result(self, request: JSONRPCRequest, result: JSONObject) -> JSONObject:
        """Learn from the result of a `tools/list`, and leave out what must not be used.

        Tools are left out whose schema names headers in a way that the specification
        forbids; a warning says which, and why.

        Args:
            request: What was asked.
            result: Not changed.

        Returns:
            The result to go on with.
        """
        tools = result.get("tools")
        if not isinstance(tools, list):
            return result
        if (request.params or {}).get("cursor") is None:
            self._listed = set()
        usable = [tool for tool in tools if self._learn(tool)]
        if result.get("nextCursor") is None:
            self._forget_unlisted()
        while self._parameters > MAX_PARAMETERS:
            self._forget(next(iter(self._mirrored)))
        return result if len(usable) == len(tools) else {**result, "tools": usable}

    def headers_of(self, message: JSONRPCRequest) -> dict[str, str]:
        """Give the headers of a call's parameters; none for other requests.

        Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior".
        """
        if message.method != "tools/call":
            return {}
        params = message.params or {}
        name = params.get("name")
        mirrored = self._mirrored.get(name, {}) if isinstance(name, str) else {}
        values = {
            header: _text_of(value_at(path, params.get("arguments")))
            for header, path in mirrored.items()
        }
        return {
            header: encode_value(value)
            for header, value in values.items()
            if value is not None
        }

    def _learn(self, tool: JSON) -> bool:
        """Note the headers of a tool; False if it must not be used."""
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(name, str):
            return True  # It is no tool, which is for the reader of the list to say.
        self._forget(name)
        try:
            mirrored = mirrored_parameters(tool.get("inputSchema"))
        except ValueError as error:
            logger.warning(
                "tool %r is left out, by fault of the server: %s",
                name[:MAX_SHOWN],
                str(error)[:_MAX_REASON],
                of=name,
            )
            return False
        if mirrored:
            self._mirrored[name] = mirrored
            self._parameters += len(mirrored)
            if self._listed is not None:
                self._listed.add(name)
        return True

    def _forget_unlisted(self) -> None:
        if self._listed is not None:
            for name in self._mirrored.keys() - self._listed:
                self._forget(name)
        self._listed = None

    def _forget(self, name: str) -> None:
        self._parameters -= len(self._mirrored.pop(name, {}))


def _text_of(value: JSON) -> str | int | bool | None:
    """Give what a header says for a value; None for what no header is for."""
    if isinstance(value, float) and value.is_integer():
        return int(value)  # an integer to JSON Schema
    return value if isinstance(value, str | int) else None
