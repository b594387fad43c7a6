"""Which consumer answers at which endpoint."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.consumers.messages import MessagesConsumer
from mcp_django.consumers.sse import SSEConsumer
from mcp_django.consumers.streamable_http import (
    StreamableHTTPConsumer,
    WholeAnswersConsumer,
)
from mcp_django.consumers.websocket import WebSocketConsumer
from mcp_django.server.endpoints import Binding, Endpoint
from mcp_django.transports.server.http_response import Headers

Application: TypeAlias = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
ScopeType: TypeAlias = Literal["http", "websocket", "wsgi"]
"""The kinds of ASGI scopes, and what was made one of a request over WSGI."""

_CONSUMERS: Final[Mapping[tuple[ScopeType, Binding], type[HTTPConsumer]]] = {
    ("http", "mcp"): StreamableHTTPConsumer,
    ("wsgi", "mcp"): WholeAnswersConsumer,
    ("http", "sse"): SSEConsumer,
    ("http", "messages"): MessagesConsumer,
    ("websocket", "mcp"): WebSocketConsumer,
}

_BY_ACCEPT: Final[Headers] = ((b"vary", b"accept"),)
"""Where a browser gets a page, and a program something else."""


def has_application(endpoint: Endpoint, kind: ScopeType) -> bool:
    """Say whether an endpoint answers connections of a kind of ASGI scope."""
    return (kind, endpoint.binding) in _CONSUMERS


@cache
def application_of(endpoint: Endpoint, kind: ScopeType = "http") -> Application:
    """Give the ASGI application that answers at an endpoint.

    Args:
        endpoint: The endpoint, which has an application for the kind.
        kind: Type of the ASGI scopes.
    """
    headers = () if endpoint.landing is None else _BY_ACCEPT
    return _CONSUMERS[kind, endpoint.binding](endpoint.server, headers)
