"""Whatever code of the site raises before a message is read, its client is answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest
from django.urls import include, path, register_converter
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from mcp_django.asgi import MCPRouter
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.consumers.applications import Application
from mcp_django.consumers.sse import SSEConsumer
from mcp_django.sessions.registry import Registry
from mcp_django.sessions.session import Session
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Response, open_stream, request, site
from tests.consumers.streamable import (
    STREAM_ONLY,
    call_of,
    headers_of,
    initialize_of,
    modern,
    post,
)
from tests.consumers.websocket_connections import open_websocket, refusal
from tests.fault_lines import begin_anew
from tests.server.stray_errors import STRAYS
from tests.site.mcp import server

Headers: TypeAlias = Mapping[str, str]


@dataclass
class Now:
    """What is raised now: where, and which of `STRAYS`."""

    place: str = ""
    kind: str = ""


now = Now()


@pytest.fixture(autouse=True)
def nowhere() -> Iterator[None]:
    """Raise nothing in the end."""
    yield
    now.place = ""


def stray(place: str) -> None:
    """Raise what is to be raised, if this is where."""
    if place == now.place:
        raise STRAYS[now.kind]()


def user_of(place: str) -> Any:
    """Read a user who is read late."""
    stray(place)
    return AnonymousUser()


class Straying(Authenticator):
    """Knows everybody, if nothing is raised."""

    def __init__(self) -> None:
        stray("made")

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Raise in a thread."""
        stray("authenticate")
        if now.place.startswith("challenge"):
            return None
        return Identity(SimpleLazyObject(lambda: user_of("user")), self)  # type: ignore[arg-type]

    def challenge(self, request: HttpRequest, failure: object) -> str:
        """Raise while nobody may come in."""
        stray("challenge")
        return "Bearer"

    def is_still_valid(self, identity: Identity) -> bool:
        """Go on believing."""
        return True


class AsyncStraying(Straying):
    """Decides in the event loop."""

    async def authenticate(self, request: HttpRequest) -> Identity | None:  # type: ignore[override]
        """Raise in the event loop."""
        stray("authenticate_async")
        return super().authenticate(request)

    async def challenge(self, request: HttpRequest, failure: object) -> str:  # type: ignore[override]
        """Raise in the event loop."""
        stray("challenge_async")
        return "Bearer"


Ask: TypeAlias = Callable[[], Awaitable[Response]]


def http(method: str, url: str) -> Ask:
    """Ask without a body."""

    async def ask() -> Response:
        return await request(site, method, url, headers={"accept": STREAM_ONLY})

    return ask


async def initialize() -> Response:
    """Open a session."""
    return await post(site, initialize_of())


async def call() -> Response:
    """Call a tool in the modern era."""
    message = call_of("name_user")
    return await post(site, modern(message), headers=headers_of(message))


async def connect() -> Response:
    """Open a WebSocket."""
    return await refusal(site)


ENDPOINTS: Final[Mapping[str, Ask]] = {
    "GET sse": http("GET", "/mcp/sse"),
    "POST messages": http("POST", "/mcp/messages?session_id=x"),
    "GET mcp": http("GET", "/mcp"),
    "DELETE mcp": http("DELETE", "/mcp"),
    "initialize": initialize,
    "call": call,
    "websocket": connect,
}


PLACES: Final = {
    Straying: ("made", "authenticate", "user", "challenge"),
    AsyncStraying: ("authenticate", "authenticate_async", "user", "challenge_async"),
}


@pytest.mark.parametrize(
    ("kind", "place"), [(k, place) for k, places in PLACES.items() for place in places]
)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_whatever_authenticators_raise_lets_nobody_in(
    kind: type[Authenticator],
    place: str,
    endpoint: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: an answer, and one record in the log."""
    for now.kind in STRAYS:
        settings.MCP = {"AUTHENTICATION": [f"{__name__}.{kind.__qualname__}"]}
        now.place = place
        begin_anew(caplog)

        response = await ENDPOINTS[endpoint]()

        if place.startswith("challenge"):
            assert response.status == 401, now.kind
            assert response.header("www-authenticate") == "Session"
        else:
            assert response.error() == (500, -32603, "Internal error"), now.kind
        assert_logged_once(caplog)


def assert_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Fail unless there is one record of a failure, with its traceback."""
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info, now.kind


class StrayingDriver(SSEConsumer):
    """Raises when it is to drive a stream."""

    def drive(self, transport: SSEServerTransport, session_id: str) -> Session | None:
        """Raise, or let the end of the stream do so."""
        stray("drive")
        session = super().drive(transport, session_id)
        on_close = transport.on_close

        def end() -> None:
            on_close()
            stray("on_close")

        transport.on_close = end
        return session


@pytest.mark.usefixtures("without_authentication")
async def test_whatever_a_driver_raises_ends_its_stream_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it."""
    straying = cast(Application, StrayingDriver.as_asgi(server=server))
    for now.kind in STRAYS:
        now.place = "drive"
        begin_anew(caplog)
        response = await request(straying, "GET", "/mcp/sse")
        assert response.error() == (500, -32603, "Internal error"), now.kind
        assert_logged_once(caplog)

        now.place = "on_close"
        begin_anew(caplog)
        async with open_stream(straying, is_initialized=False):
            pass
        assert_logged_once(caplog)
        assert len(current_worker().part(Registry)) == 0


class HouseConverter:
    """Raises when it is asked."""

    regex = "[a-z]+"

    def to_python(self, value: str) -> str:
        """Find a house."""
        stray("converter")
        return value

    def to_url(self, value: str) -> str:
        """Give its name."""
        return value


register_converter(HouseConverter, "straying_house")

urlpatterns = [path("<straying_house:name>/", include(server.urls("mcp")))]


@pytest.mark.parametrize("url", ["/tea/mcp", "/tea/mcp/sse"])
async def test_whatever_a_path_converter_raises_is_an_answer(
    url: str, settings: Settings
) -> None:
    """We promise it: Django's own for errors, a neutral one for what it lets pass."""
    settings.ROOT_URLCONF = __name__
    settings.MCP = {"AUTHENTICATION": []}
    application: Application = MCPRouter(ASGIHandler()).__call__
    now.place = "converter"
    for now.kind, make in STRAYS.items():
        response = await request(application, "GET", url)
        assert response.status == 500
        if not isinstance(make(), Exception):
            assert response.error() == (500, -32603, "Internal error"), now.kind
        assert (await refusal(application, url)).status == 500
    now.place = ""
    async with open_websocket(application, "/tea/mcp") as websocket:
        assert await websocket.ask("ping") == {}
