"""Permissions that hang, or whose services are away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from django.db import OperationalError
from pytest_django import Settings

from mcp_django import Context, ErrorAnswer, Server, ServiceAway, SyncContext
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import MODERN, Caller, Notebook

USES: dict[str, tuple[str, JSONObject]] = {
    "tool": ("tools/call", {"name": "sell", "arguments": {}}),
    "resource": ("resources/read", {"uri": "shop://books"}),
    "prompt": ("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}}),
    "completion": (
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "greet"},
            "argument": {"name": "name", "value": ""},
        },
    ),
    "subscription": ("resources/subscribe", {"uri": "shop://books"}),
}
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "prompts/list": "prompts",
}
FUNCTION = "a permission of the site does not answer; try again in 5 seconds"
DJANGO = "the site's table of permissions does not answer; try again in 1 second"
DATABASE = "the site's database does not answer; try again in 5 seconds"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def short(settings: Settings) -> None:
    settings.MCP = {"PERMISSION_TIMEOUT": 0.2}


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Give what lets hanging threads go in the end."""
    event = threading.Event()
    yield event
    event.set()


def guarded_by(permission: Any) -> Server:
    """Make a server with guarded features of each kind, and one that is not."""
    server = Server("shop")
    server.tool(name="see")(lambda: "seen")
    server.tool(name="sell", permission=permission)(lambda: "sold")
    server.resource("shop://doors", name="doors")(lambda: "doors")
    server.resource("shop://books", name="books", permission=permission)(lambda: "x")
    server.prompt(name="open")(lambda: "open")

    @server.prompt(permission=permission)
    def greet(name: str) -> str:
        return name

    @server.completion(greet, "name")
    def names(value: str) -> list[str]:
        return ["Ada"]

    return server


def hanging(kind: str, released: threading.Event) -> Callable[..., Any]:
    async def in_loop(context: Context) -> bool:
        await anyio.sleep_forever()
        return True

    def in_thread(context: SyncContext) -> bool:
        return released.wait()

    return in_loop if kind == "async def" else in_thread


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_function_that_hangs_is_left_out_of_lists_and_refused(
    kind: str, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: in time, then at once, and in one line."""
    caller = Caller(guarded_by(hanging(kind, released)), session=Notebook())
    began = time.monotonic()
    for method, member in LISTS.items():
        assert len(await caller.names(method, member)) == 1
    for method, params in USES.values():
        error = await caller.error_of(method, params)
        assert isinstance(error, ServiceAway)
        assert error.message == FUNCTION
    assert time.monotonic() - began < 2
    [line] = caplog.messages
    assert line.startswith("the permission tests.server.test_rights.hanging.<locals>.")
    assert "does not answer: what needs it is refused (TimeoutError(" in line


async def test_functions_that_hang_are_waited_for_together(
    released: threading.Event, settings: Settings
) -> None:
    """We promise it: a list takes no longer for twenty of them than for one."""
    settings.MCP = {"PERMISSION_TIMEOUT": 0.5}
    server = Server("shop")
    for number in range(20):
        kind = "def" if number < 3 else "async def"
        server.tool(name=f"t{number}", permission=hanging(kind, released))(lambda: 1)
    server.tool(name="see", permission=lambda context: True)(lambda: 1)
    with anyio.fail_after(3):
        names = await Caller(server).names("tools/list", "tools")
    assert names == ["see"]


async def test_django_s_permissions_that_hang_are_refused_for_all(
    released: threading.Event, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: an empty list would say that there is nothing."""
    settings.MCP = {"PERMISSION_TIMEOUT": 0.2, "AWAY_SECONDS": 0.2}
    user = SimpleNamespace(has_perm=lambda name: released.wait())
    server = guarded_by("shop.sell")
    caller = Caller(server, user=user, session=Notebook())
    for method in LISTS:
        assert (await caller.error_of(method)).message == DJANGO
    for method, params in USES.values():
        assert (await caller.error_of(method, params)).message == DJANGO
    assert len(caplog.messages) == 1
    released.set()
    with anyio.fail_after(5):
        while True:
            try:
                await caller.names("tools/list", "tools")
                break
            except ErrorAnswer:
                await anyio.lowlevel.checkpoint()


class Away:
    """A user whose database is away."""

    def has_perm(self, name: str) -> bool:
        raise OperationalError("connection refused")


def asks_database(context: SyncContext) -> bool:
    raise OperationalError("connection refused")


async def asks_database_later(context: Context) -> bool:
    raise OperationalError("connection refused")


@pytest.mark.parametrize(
    "permission", ["shop.sell", asks_database, asks_database_later], ids=str
)
async def test_database_that_is_away_refuses_lists_and_uses(
    permission: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the line names the database."""
    caller = Caller(guarded_by(permission), user=Away(), version=MODERN)
    for method in LISTS:
        assert (await caller.error_of(method)).message == DATABASE
    for method, params in list(USES.values())[:-1]:
        assert (await caller.error_of(method, params)).message == DATABASE
    assert caplog.messages == [
        "the database 'default' does not answer: what needs it is refused, or fails "
        "(OperationalError('connection refused'))"
    ]


async def test_permission_of_one_object_that_hangs_is_refused(
    released: threading.Event,
) -> None:
    """We promise it: for completions, too."""
    server = Server("shop")

    def may_see(context: SyncContext, number: int) -> bool:
        return number == 1 or released.wait()

    @server.resource("shop://orders/{number}", permission=may_see)
    def order(number: int) -> str:
        return str(number)

    caller = Caller(server)
    assert await caller.call("resources/read", {"uri": "shop://orders/1"})
    error = await caller.error_of("resources/read", {"uri": "shop://orders/2"})
    assert error.message == FUNCTION
