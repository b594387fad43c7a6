"""A server written with the official SDK alone, to be run over our transports."""

from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender

Request = ServerRequestContext[Any, Any]


def wrap(message: Message, sender: Sender) -> SessionMessage:
    """Make an item as the SDK's `Server` has it, whose request is our sender."""
    return SessionMessage(message, ServerMessageMetadata(request_context=sender))


def make_server() -> Server[Any]:
    """Make a server with three tools: add, who and ask."""
    return Server(
        "official", version="2.0", on_list_tools=_list_tools, on_call_tool=_call_tool
    )


async def _list_tools(
    request: Request, params: types.PaginatedRequestParams | None
) -> types.ListToolsResult:
    schema = {"type": "object"}
    return types.ListToolsResult(
        tools=[types.Tool(name=name, input_schema=schema) for name in _TOOLS]
    )


async def _call_tool(
    request: Request, params: types.CallToolRequestParams
) -> types.CallToolResult:
    text = await _TOOLS[params.name](request, params.arguments or {})
    return types.CallToolResult(content=[types.TextContent(text=text)])


async def _add(request: Request, arguments: dict[str, Any]) -> str:
    return str(arguments["a"] + arguments["b"])


async def _who(request: Request, arguments: dict[str, Any]) -> str:
    assert request.request is not None
    return str(request.request.user)


async def _ask(request: Request, arguments: dict[str, Any]) -> str:
    answer = await request.session.elicit_form(
        "Really?", {"type": "object", "properties": {"sure": {"type": "boolean"}}}
    )
    return answer.action


_TOOLS: dict[str, Callable[..., Any]] = {"add": _add, "who": _who, "ask": _ask}
