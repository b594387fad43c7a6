"""The Model Context Protocol for Django.

Register functions on a `Server` in an app's `mcp.py`, add its `urls` to a URLconf,
and serve the project with `mcp_django.asgi.get_asgi_application` behind Daphne.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_django.client.client import Client
    from mcp_django.client.pairs import (
        sse_client,
        stdio_client,
        streamable_http_client,
        websocket_client,
    )
    from mcp_django.client.sync import SyncClient
    from mcp_django.exceptions import (
        AskFailed,
        AskRefused,
        AuthenticationFailed,
        BatchTooLarge,
        CapabilityMissing,
        ConnectFailed,
        ErrorAnswer,
        ErrorReceived,
        HandlerTooSlow,
        HTTPRefused,
        LocalProtocolError,
        LoginFailed,
        LoginRequired,
        MCPError,
        MessageLost,
        MessageTooLarge,
        OAuthError,
        OAuthFault,
        OAuthRefused,
        ParseError,
        ProtocolError,
        RateExceeded,
        ReaderTooSlow,
        RemoteProtocolError,
        RequestFailed,
        RequestTimeout,
        ResultTooLarge,
        ServiceAway,
        SessionLost,
        ToolError,
        TransportClosed,
        TransportError,
        UrlElicitationRequired,
    )
    from mcp_django.server.asking import Answer, QuestionsAsked
    from mcp_django.server.context import Context, SyncContext
    from mcp_django.server.errors import ResourceNotFound
    from mcp_django.server.outcomes import FeatureName, Outcome
    from mcp_django.server.results.media import Audio, File, Image
    from mcp_django.server.server import Server
    from mcp_django.transports.server.stdio import stdio_server

__all__ = [
    "Answer",
    "AskFailed",
    "AskRefused",
    "Audio",
    "AuthenticationFailed",
    "BatchTooLarge",
    "CapabilityMissing",
    "Client",
    "ConnectFailed",
    "Context",
    "ErrorAnswer",
    "ErrorReceived",
    "FeatureName",
    "File",
    "HTTPRefused",
    "HandlerTooSlow",
    "Image",
    "LocalProtocolError",
    "LoginFailed",
    "LoginRequired",
    "MCPError",
    "MessageLost",
    "MessageTooLarge",
    "OAuthError",
    "OAuthFault",
    "OAuthRefused",
    "Outcome",
    "ParseError",
    "ProtocolError",
    "QuestionsAsked",
    "RateExceeded",
    "ReaderTooSlow",
    "RemoteProtocolError",
    "RequestFailed",
    "RequestTimeout",
    "ResourceNotFound",
    "ResultTooLarge",
    "Server",
    "ServiceAway",
    "SessionLost",
    "SyncClient",
    "SyncContext",
    "ToolError",
    "TransportClosed",
    "TransportError",
    "UrlElicitationRequired",
    "sse_client",
    "stdio_client",
    "stdio_server",
    "streamable_http_client",
    "websocket_client",
]

_EXCEPTIONS = "mcp_django.exceptions"

_OTHERS = {
    "Answer": "mcp_django.server.asking",
    "Audio": "mcp_django.server.results.media",
    "Client": "mcp_django.client.client",
    "Context": "mcp_django.server.context",
    "FeatureName": "mcp_django.server.outcomes",
    "File": "mcp_django.server.results.media",
    "Image": "mcp_django.server.results.media",
    "Outcome": "mcp_django.server.outcomes",
    "QuestionsAsked": "mcp_django.server.asking",
    "ResourceNotFound": "mcp_django.server.errors",
    "Server": "mcp_django.server.server",
    "SyncClient": "mcp_django.client.sync",
    "SyncContext": "mcp_django.server.context",
    "sse_client": "mcp_django.client.pairs",
    "stdio_client": "mcp_django.client.pairs",
    "stdio_server": "mcp_django.transports.server.stdio",
    "streamable_http_client": "mcp_django.client.pairs",
    "websocket_client": "mcp_django.client.pairs",
}
"""Where the names are that are no exceptions."""

if not TYPE_CHECKING:  # which would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import what is asked for, so that a server starts without the client."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_OTHERS.get(name, _EXCEPTIONS)), name)


def __dir__() -> list[str]:
    """Name what is there, whether it was imported or not."""
    return sorted({*globals(), *__all__})
