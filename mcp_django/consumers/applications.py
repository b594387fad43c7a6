"""Which consumer answers at which endpoint."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any, Final, TypeAlias, cast

from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.consumers.messages import MessagesConsumer
from mcp_django.consumers.sse import SSEConsumer
from mcp_django.server.endpoints import Binding, Endpoint

Application: TypeAlias = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

_CONSUMERS: Final[Mapping[Binding, type[HTTPConsumer]]] = {
    "sse": SSEConsumer,
    "messages": MessagesConsumer,
}


@cache
def application_of(endpoint: Endpoint) -> Application:
    """Give the ASGI application that answers at an endpoint."""
    application = _CONSUMERS[endpoint.binding].as_asgi(server=endpoint.server)
    return cast(Application, application)
