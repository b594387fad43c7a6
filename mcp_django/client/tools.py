"""The tools of a server: what they promise, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool
from mcp_types.jsonrpc import HEADER_MISMATCH

from mcp_django.client.connection import OnProgress
from mcp_django.client.output import check_output
from mcp_django.client.reading import read_tool_result
from mcp_django.client.reconnecting import ReconnectingConnection
from mcp_django.client.requests import Requests
from mcp_django.exceptions import ErrorReceived, ToolError
from mcp_django.protocol.jsonrpc import JSON, JSONObject


class Tools:
    """The tools of one server, as they were listed last.

    Args:
        requests: Go to the server.
        connection: Knows which server it is.
    """

    def __init__(self, requests: Requests, connection: ReconnectingConnection) -> None:
        self._requests = requests
        self._connection = connection
        self._listed: dict[str, Tool] = {}

    def forget(self) -> None:
        """Forget what the tools promised: they have changed, or the server has."""
        self._listed = {}

    async def list(self, *, fresh: bool = False) -> list[Tool]:
        """Give all tools; see `Client.list_tools`."""
        tools = await self._requests.list("tools/list", Tool, fresh=fresh)
        self._listed = {tool.name: tool for tool in tools}
        return tools

    async def call(
        self,
        name: str,
        arguments: Mapping[str, JSON] | None,
        *,
        timeout: float | None,
        on_progress: OnProgress | None,
        check: bool,
    ) -> CallToolResult:
        """Call a tool; see `Client.call_tool`."""
        params: JSONObject = {"name": name, "arguments": dict(arguments or {})}
        options: dict[str, Any] = {
            "timeout": timeout,
            "on_progress": on_progress,
            "is_harmless": self._is_harmless(name),
        }
        try:
            answer = await self._requests.send("tools/call", params, **options)
        except ErrorReceived as error:
            if error.code != HEADER_MISMATCH:
                raise
            # Spec: 2026-07-28 basic/transports/streamable-http, "Client Behavior": the
            # tool's parameters may have changed.
            await self.list(fresh=True)
            answer = await self._requests.send("tools/call", params, **options)
        result = read_tool_result(name, answer, self._connection.found.server_info)
        if result.is_error and check:
            raise ToolError(_text_of(result), result=result)
        if name in self._listed:
            check_output(self._listed[name], result)
        return result

    def _is_harmless(self, name: str) -> bool:
        """Say whether a tool is known to do no more when it is called twice."""
        listed = self._listed.get(name)
        if listed is None or listed.annotations is None:
            return False
        hints = listed.annotations
        return hints.read_only_hint is True or hints.idempotent_hint is True


def _text_of(result: CallToolResult) -> str:
    texts = [block.text for block in result.content if isinstance(block, TextContent)]
    return "\n".join(texts) or "the tool failed and did not say why"
