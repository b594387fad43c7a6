"""Requests that change what a session remembers: its log level, its subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_types import SetLevelRequestParams, SubscribeRequestParams

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.errors import ResourceNotFound, unknown_method
from mcp_django.server.outcomes import FeatureName
from mcp_django.server.params import read_params
from mcp_django.server.requests import Request, SessionState
from mcp_django.server.subscriptions import check_readable, check_uri

if TYPE_CHECKING:
    from mcp_django.server.server import Server


async def set_log_level(server: Server, request: Request) -> JSONObject:
    """Send log messages of a severity and above from now on."""
    level = read_params(SetLevelRequestParams, request).level
    await _session_of(request).set_log_level(level)
    return {}


async def subscribe(server: Server, request: Request) -> JSONObject:
    """Tell the client from now on when a resource changes.

    Raises:
        ErrorAnswer: There is no such resource, or none that the user may read.
    """
    uri, session = _read_subscription(request)
    try:
        await check_readable(server, request, uri)
    except ResourceNotFound as error:
        raise error.in_era(request.era, uri) from None
    await session.subscribe(uri, request)
    return {}


async def unsubscribe(server: Server, request: Request) -> JSONObject:
    """Tell it no longer."""
    uri, session = _read_subscription(request)
    await session.unsubscribe(uri)
    return {}


def _read_subscription(request: Request) -> tuple[str, SessionState]:
    _check_streams(request)
    uri = read_params(SubscribeRequestParams, request).uri
    request.feature = FeatureName.unknown("resource", uri)
    session = _session_of(request)
    check_uri(uri)
    return uri, session


def _session_of(request: Request) -> SessionState:
    if request.session is None:
        raise unknown_method(request.method)
    return request.session


def _check_streams(request: Request) -> None:
    """Refuse what needs a stream by which the client could be told of changes.

    Raises:
        ErrorAnswer: There is none.
    """
    if not request.sender.has_streams:
        raise unknown_method(request.method)
