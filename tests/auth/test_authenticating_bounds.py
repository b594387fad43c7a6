"""The gate where authenticators, or what they ask, do not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from mcp_django.auth.interface import Authenticator, Identity
from tests.consumers.connections import Response, request, site
from tests.consumers.websocket_connections import refusal
from tests.patience import PATIENCE_SECONDS

AWAY = "the site's authentication does not answer; try again in 5 seconds"
DATABASE_AWAY = "the site's database does not answer; try again in 5 seconds"

WAYS = {
    "GET sse": partial(request, site, "GET", "/mcp/sse"),
    "POST messages": partial(request, site, "POST", "/mcp/messages?session_id=x"),
    "POST": partial(request, site, "POST", "/mcp"),
    "GET": partial(request, site, "GET", "/mcp"),
    "DELETE": partial(request, site, "DELETE", "/mcp"),
    "websocket": partial(refusal, site),
}
released = threading.Event()


class Hanging(Authenticator):
    """Waits for what does not come."""

    asked = 0

    def authenticate(self, request: HttpRequest) -> Identity | None:
        Hanging.asked += 1
        released.wait()
        return None

    def is_still_valid(self, identity: Identity) -> bool:
        return True


class HangingInLoop(Hanging):
    async def authenticate(self, request: HttpRequest) -> Identity | None:  # type: ignore[override]
        Hanging.asked += 1
        await asyncio.Event().wait()
        return None


class WithoutDatabase(Hanging):
    def authenticate(self, request: HttpRequest) -> Identity | None:
        raise OperationalError("connection refused")


class WithoutLDAP(Hanging):
    def authenticate(self, request: HttpRequest) -> Identity | None:
        raise ConnectionRefusedError("ldap")


class Lazy(Hanging):
    """Gives a user whom nobody can read."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        return Identity(SimpleLazyObject(self._read), self)  # type: ignore[arg-type]

    def _read(self) -> AnonymousUser:
        released.wait()
        return AnonymousUser()


class Challenging(Hanging):
    def authenticate(self, request: HttpRequest) -> Identity | None:
        return None

    def challenge(self, request: HttpRequest, failure: Any) -> str:
        released.wait()
        return "Bearer"


@pytest.fixture(autouse=True)
def hang() -> Iterator[None]:
    """Let what hangs go in the end."""
    released.clear()
    Hanging.asked = 0
    yield
    released.set()


def use(settings: Settings, *kinds: type[Authenticator], timeout: float = 0.2) -> None:
    paths = [f"{kind.__module__}.{kind.__qualname__}" for kind in kinds]
    settings.MCP = {"AUTHENTICATION": paths, "AUTHENTICATION_TIMEOUT": timeout}


def assert_unavailable(response: Response, message: str) -> None:
    assert response.error() == (503, -32603, message)
    assert response.header("retry-after") == "5"


@pytest.mark.parametrize("kind", [Hanging, HangingInLoop])
@pytest.mark.parametrize("way", WAYS)
async def test_authenticator_that_hangs_is_503_in_time_and_then_at_once(
    settings: Settings, way: str, kind: type[Hanging], caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: on every way in, and in one line."""
    use(settings, kind)

    for _ in range(3):
        assert_unavailable(await WAYS[way](), AWAY)

    assert Hanging.asked == 1
    assert caplog.messages == [
        f"{kind.__module__}.{kind.__qualname__}.authenticate() does not answer: "
        "requests are refused (TimeoutError('no answer in 0.2 seconds'))"
    ]


@pytest.mark.parametrize("way", WAYS)
async def test_database_that_is_away_is_503_and_one_line(
    settings: Settings, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the line names the database, and has no traceback."""
    use(settings, WithoutDatabase, timeout=PATIENCE_SECONDS)

    for _ in range(20):
        assert_unavailable(await WAYS[way](), DATABASE_AWAY)

    assert caplog.messages == [
        "the database 'default' does not answer: what needs it is refused, or fails "
        "(OperationalError('connection refused'))"
    ]
    assert caplog.records[0].exc_info is None


async def test_service_that_an_authenticator_asks_may_be_away(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: the authenticator is what can be named."""
    use(settings, WithoutLDAP)

    for _ in range(5):
        assert_unavailable(await WAYS["POST"](), AWAY)

    assert len(caplog.messages) == 1


async def test_user_who_cannot_be_read_is_503(settings: Settings) -> None:
    """We promise it: also where reading is left for later."""
    use(settings, Lazy)

    message = "the site's table of users does not answer; try again in 5 seconds"
    assert_unavailable(await WAYS["POST"](), message)


async def test_challenge_that_hangs_is_left_out(settings: Settings) -> None:
    """Chosen: it lets nobody in; a 401 needs one."""
    use(settings, Challenging)

    response = await WAYS["POST"]()
    assert response.status == 401
    assert response.header("www-authenticate") == "Session"


class Unknowing(Hanging):
    """Knows nobody, at once."""

    threads: ClassVar[list[int]] = []

    def authenticate(self, request: HttpRequest) -> Identity | None:
        Unknowing.threads.append(threading.get_ident())
        return None


class Knowing(Unknowing):
    def authenticate(self, request: HttpRequest) -> Identity | None:
        super().authenticate(request)
        return Identity(AnonymousUser(), self)


class UnknowingInLoop(Hanging):
    async def authenticate(self, request: HttpRequest) -> Identity | None:  # type: ignore[override]
        await asyncio.sleep(0)
        return None


async def test_authenticators_are_asked_in_one_thread(settings: Settings) -> None:
    """Chosen: each change of threads costs as much as all else of a request."""
    use(settings, Unknowing, Knowing, timeout=5.0)
    Unknowing.threads.clear()

    await WAYS["GET"]()

    first, second = Unknowing.threads
    assert first == second


async def test_async_authenticators_are_asked_in_turn_with_others(
    settings: Settings,
) -> None:
    """We promise it: in the order of the setting, whatever they are."""
    use(settings, Unknowing, UnknowingInLoop, Unknowing, Knowing, timeout=5.0)
    Unknowing.threads.clear()

    response = await WAYS["GET"]()

    assert response.status != 401
    assert len(Unknowing.threads) == 3


@pytest.mark.parametrize("first", [Unknowing, UnknowingInLoop])
async def test_authenticator_that_is_being_asked_is_the_one_that_hangs(
    settings: Settings, first: type[Authenticator], caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the line names it, and it alone is refused at once."""
    use(settings, first, Hanging, timeout=2.0)

    for _ in range(3):
        assert_unavailable(await WAYS["POST"](), AWAY)

    assert Hanging.asked == 1
    assert caplog.messages == [
        f"{Hanging.__module__}.Hanging.authenticate() does not answer: "
        "requests are refused (TimeoutError('no answer in 2 seconds'))"
    ]
