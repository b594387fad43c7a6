"""Subscribers: asked again, before they are told, whether they may still read."""

from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import OperationalError
from django.utils.functional import SimpleLazyObject
from pytest_django import Settings

from mcp_django import Context, Server, SyncContext
from mcp_django.bulkheads.threads import handler_threads
from mcp_django.server.notices import Notice
from mcp_django.worker.subscribers import Subscriber
from tests.server.calls import MODERN, Caller, Notebook

FIRST = Notice("resource", "shop://orders/1")
SECOND = Notice("resource", "shop://orders/2")
GONE = Notice("resource", FIRST.subject, is_gone=True)


class Orders:
    """Which orders may be read, and which were asked for."""

    def __init__(self) -> None:
        self.readable = {1}
        self.asked: list[int] = []
        self.error: Exception | None = None
        self.server = Server("shop")

        @self.server.resource("shop://orders/{number}", permission=self.may_see)
        def order(number: int) -> str:
            return str(number)

    def may_see(self, context: SyncContext, number: int) -> bool:
        self.asked.append(number)
        if self.error is not None:
            raise self.error
        return number in self.readable

    def subscriber(self, user: Any = None, *readable: str) -> Subscriber:
        request = Caller(self.server, version=MODERN, user=user).request("x")
        return Subscriber(self.server, request, readable)


@pytest.fixture
def orders() -> Orders:
    return Orders()


async def test_rights_are_asked_again_when_they_were_asked_long_ago(
    orders: Orders, settings: Settings
) -> None:
    """Our choice: at latest with the recheck of credentials."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    subscriber = orders.subscriber(None, FIRST.subject)
    assert await subscriber.may_hear(FIRST)
    orders.readable.clear()
    assert not await subscriber.may_hear(FIRST)
    orders.readable.add(1)
    assert await subscriber.may_hear(FIRST)
    assert orders.asked == [1, 1, 1]


async def test_what_was_found_a_moment_ago_is_not_asked_again(
    orders: Orders, settings: Settings
) -> None:
    """Our choice: a row that changes every second is not asked for every second."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    subscriber = orders.subscriber(None, FIRST.subject)
    assert await subscriber.may_hear(FIRST)
    assert orders.asked == []
    assert not await subscriber.may_hear(SECOND)
    assert not await subscriber.may_hear(SECOND)
    assert orders.asked == [2]
    subscriber.forget(SECOND.subject)
    orders.readable.add(2)
    assert await subscriber.may_hear(SECOND)
    assert orders.asked == [2, 2]


async def test_rights_that_cannot_be_asked_are_as_they_were_and_asked_again(
    orders: Orders, settings: Settings
) -> None:
    """We promise it: an outage takes no subscription away, and tells no client more."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    orders.readable.add(2)
    subscriber = orders.subscriber(None, FIRST.subject)
    orders.error = OperationalError("connection refused")
    await subscriber.recheck([FIRST.subject])
    assert await subscriber.may_hear(FIRST)
    assert not await subscriber.may_hear(SECOND)
    orders.error = None
    assert await subscriber.may_hear(SECOND)


async def test_handler_that_hangs_tells_nobody_of_a_change_for_a_moment(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: it is asked within a bound who may read, and holds up no other."""
    settings.MCP = {"RECHECK_SECONDS": 0, "PERMISSION_TIMEOUT": 0.05}
    server = Server("shop")

    @server.resource("shop://orders/{number}")
    async def order(number: int) -> str:
        if number == 1:
            await anyio.sleep_forever()
        return str(number)

    request = Caller(server, version=MODERN).request("x")
    subscriber = Subscriber(server, request)
    for _ in range(3):
        assert not await subscriber.may_hear(FIRST)
        assert await subscriber.may_hear(SECOND)
    assert len([line for line in caplog.messages if "does not answer" in line]) == 1


async def test_what_is_remembered_is_bounded(orders: Orders) -> None:
    """Our choice: clients may subscribe to many."""
    subscriber = orders.subscriber(None, *(f"shop://orders/{n}" for n in range(1001)))
    assert not await subscriber.may_hear(Notice("resource", "shop://orders/0"))
    assert orders.asked == [0]


@pytest.mark.parametrize("topic", ["tools", "resources", "prompts", "elicitation"])
async def test_other_notices_are_for_everybody(orders: Orders, topic: Any) -> None:
    """Our choice: a list has no rows."""
    assert await orders.subscriber().may_hear(Notice(topic))
    assert orders.asked == []


async def test_what_is_gone_is_told_to_whom_it_was_shown_a_moment_ago(
    orders: Orders, settings: Settings
) -> None:
    """Our choice: a handler cannot say who may read a row that is deleted."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    subscriber = orders.subscriber(None, FIRST.subject)
    orders.readable.clear()
    assert await subscriber.may_hear(GONE)
    assert orders.asked == []
    assert not await subscriber.may_hear(FIRST)
    orders.readable.add(1)
    assert not await subscriber.may_hear(GONE)
    assert orders.asked == [1]


@pytest.mark.parametrize("may", [True, False])
async def test_what_is_gone_is_told_as_the_last_recheck_found(
    orders: Orders, settings: Settings, may: bool
) -> None:
    """Our choice: while a subscription lasts its rights are asked for again."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    subscriber = orders.subscriber(None, FIRST.subject)
    if not may:
        orders.readable.clear()
    await subscriber.recheck([FIRST.subject])
    orders.readable.clear()
    assert await subscriber.may_hear(GONE) is may
    assert orders.asked == [1]


@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_gone_is_told_where_rights_need_no_row(
    orders: Orders, settings: Settings, is_known: bool
) -> None:
    """Our choice: a permission that takes the variables is asked where the last answer
    is too old, or there is none."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    subscriber = orders.subscriber(None, *[FIRST.subject] * is_known)
    assert await subscriber.may_hear(GONE)
    orders.readable.clear()
    assert not await subscriber.may_hear(GONE)
    assert orders.asked == [1, 1]


@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_gone_is_not_told_where_only_its_handler_knew(
    settings: Settings, is_known: bool
) -> None:
    """Our choice: fails closed; the handler has no row to decide by."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    server = Server("shop")
    asked: list[str] = []

    @server.resource("shop://orders/{number}")
    def order(number: str) -> str:
        asked.append(number)
        return number

    request = Caller(server, version=MODERN).request("x")
    subscriber = Subscriber(server, request, [FIRST.subject] * is_known)
    assert not await subscriber.may_hear(GONE)
    assert asked == []


class Kept:
    """What the streams of one session found; fails when it is `broken`."""

    def __init__(self, *, broken: bool = False) -> None:
        self.found: dict[str, bool] = {}
        self.broken = broken

    async def get(self, uri: str) -> bool | None:
        if self.broken:
            raise OSError("away")
        return self.found.get(uri)

    async def put(self, uri: str, may: bool) -> None:
        if self.broken:
            raise OSError("away")
        self.found[uri] = may


async def test_new_stream_of_a_session_knows_what_the_last_one_found(
    settings: Settings,
) -> None:
    """Our choice: also that it may no longer be read."""
    settings.MCP = {"RECHECK_SECONDS": 1000}
    orders, kept = Orders(), Kept()

    def stream() -> Subscriber:
        request = Caller(orders.server, version=MODERN).request("x")
        return Subscriber(orders.server, request, kept=kept)

    assert await stream().may_hear(FIRST)
    orders.readable.clear()
    assert await stream().may_hear(GONE)
    assert not await stream().may_hear(FIRST)
    orders.readable.add(1)
    assert not await stream().may_hear(GONE)


async def test_answers_that_cannot_be_kept_are_unknown(
    orders: Orders, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: fails closed, and changes are told all the same."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    request = Caller(orders.server, version=MODERN).request("x")
    subscriber = Subscriber(orders.server, request, kept=Kept(broken=True))
    assert await subscriber.may_hear(FIRST)
    orders.readable.clear()
    assert not await subscriber.may_hear(GONE)
    assert caplog.messages == [
        "the cache does not take who may read what; look at it",
        "the cache does not say who could read what is gone; look at it",
    ]


async def test_what_no_resource_has_is_not_told(orders: Orders) -> None:
    """Our choice: fails closed."""
    for uri in ("shop://orders/x", "shop://nothing"):
        assert not await orders.subscriber().may_hear(Notice("resource", uri))


@pytest.mark.parametrize(
    "make", [lambda user: user, lambda user: SimpleLazyObject(lambda: user)]
)
async def test_user_is_read_again(
    transactional_db: None, settings: Settings, make: Any
) -> None:
    """Our choice: Django keeps permissions on the user, who may be gone, too."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    server = Server("shop")
    server.resource("shop://stock", name="stock", permission="auth.view_group")(
        lambda: "x"
    )

    def make_user() -> User:
        user = User.objects.create_user("ada")
        user.user_permissions.add(Permission.objects.get(codename="view_group"))
        user = User.objects.get(pk=user.pk)
        assert user.has_perm("auth.view_group")
        return user

    server.resource("shop://rows/{pk}", name="row", permission="auth.view_group")(
        lambda pk: pk
    )
    gone = Notice("resource", "shop://rows/1", is_gone=True)

    async def may_hear_of_end() -> bool:
        settings.MCP = {"RECHECK_SECONDS": 1000}  # the last answer counts
        subscriber.note_readable(gone.subject, request)
        may = await subscriber.may_hear(gone)
        settings.MCP = {"RECHECK_SECONDS": 0}
        return may

    user = await handler_threads.run(make_user)
    request = Caller(server, version=MODERN, user=make(user)).request("x")
    subscriber = Subscriber(server, request)
    stock = Notice("resource", "shop://stock")
    assert await subscriber.may_hear(stock)
    assert await may_hear_of_end()
    await handler_threads.run(user.user_permissions.clear)
    assert not await subscriber.may_hear(stock)
    assert not await may_hear_of_end()
    permission = await handler_threads.run(
        lambda: Permission.objects.get(codename="view_group")
    )
    await handler_threads.run(lambda: user.user_permissions.add(permission))
    assert await subscriber.may_hear(stock)
    assert await may_hear_of_end()
    await handler_threads.run(User.objects.filter(pk=user.pk).delete)
    assert not await subscriber.may_hear(stock)
    assert not await may_hear_of_end()


@pytest.mark.parametrize("user", [None, AnonymousUser(), SimpleNamespace(pk=7)])
async def test_user_of_no_table_stays_as_it_is(orders: Orders, user: Any) -> None:
    """Our choice: an authenticator may make users as it likes."""
    assert await orders.subscriber(user).may_hear(FIRST)


async def test_user_who_cannot_be_read_is_told_nothing(
    orders: Orders, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: fails closed. No database may be used in this test."""
    assert not await orders.subscriber(User(pk=1)).may_hear(FIRST)
    assert orders.asked == []
    assert (
        "a subscriber's user cannot be read, so that nothing is told; look at the "
        "database" in caplog.messages
    )


async def test_handler_that_wants_to_ask_again_is_told_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: no request is there to answer when a row changes."""
    server = Server("shop")

    @server.resource("shop://secret")
    async def secret(context: Context) -> str:
        return str(await context.list_roots())

    caller = Caller(server, session=Notebook())
    subscriber = Subscriber(server, caller.request("resources/subscribe"))
    assert not await subscriber.may_hear(Notice("resource", "shop://secret"))
    assert "is asked of the client" in caplog.text


async def test_handler_that_is_asked_again_is_not_told_that_nobody_waits(
    settings: Settings,
) -> None:
    """Our choice: the request by which the client subscribed was answered long ago."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    server = Server("shop")
    seen: list[bool] = []

    @server.resource("shop://stock")
    def stock(context: SyncContext) -> str:
        seen.append(context.is_cancelled)
        return "x"

    request = Caller(server, session=Notebook()).request("resources/subscribe")
    request.is_cancelled = True
    subscriber = Subscriber(server, request)
    assert await subscriber.may_hear(Notice("resource", "shop://stock"))
    assert seen == [False]
