"""The Model Context Protocol for Django.

Register functions on a `Server` in an app's `mcp.py`, add its `urls` to a URLconf,
and serve the project with `mcp_django.asgi.get_asgi_application` behind Daphne.
"""

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
    HTTPRefused,
    LocalProtocolError,
    MCPError,
    MessageLost,
    MessageTooLarge,
    ParseError,
    ProtocolError,
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
    "Image",
    "LocalProtocolError",
    "MCPError",
    "MessageLost",
    "MessageTooLarge",
    "Outcome",
    "ParseError",
    "ProtocolError",
    "QuestionsAsked",
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
