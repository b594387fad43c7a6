"""Permissions: what is taken for one, and what counts as yes."""

import asyncio
import functools
import logging
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import TextChoices
from django.http import Http404, HttpResponseForbidden
from pydantic import BaseModel

from mcp_django import Context, Server, SyncContext
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import MODERN, Caller


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Confirm(BaseModel):
    sure: bool


def user_with(*names: str, is_staff: bool = False) -> Any:
    """Make a user who has some Django permissions."""
    return SimpleNamespace(is_staff=is_staff, has_perm=lambda name: name in names)


STAFF = user_with(is_staff=True)
CUSTOMER = user_with()
READ_BOOK: JSONObject = {"uri": "shop://books/1"}
COMPLETE: JSONObject = {
    "ref": {"type": "ref/prompt", "name": "greet"},
    "argument": {"name": "name", "value": ""},
}


def guarded_by(permission: Any) -> Server:
    """Make a server with one feature of each kind that needs a permission."""
    server = Server("shop")
    server.tool(name="see")(lambda: "seen")
    server.tool(name="sell", permission=permission)(lambda: "sold")

    @server.resource("shop://books", permission=permission)
    def books() -> str:
        return "books"

    @server.resource("shop://books/{id}", permission=permission)
    def book(id: str) -> str:
        return id

    @server.prompt(permission=permission)
    def greet(name: str) -> str:
        return name

    @server.completion(greet, "name")
    def names(value: str) -> list[str]:
        return ["Ada"]

    return server


async def open_to(server: Server, user: Any, version: str = MODERN) -> list[bool]:
    """Say of each list and use of what is guarded whether it is open to a user."""
    caller = Caller(server, user=user, version=version)
    found = [
        "sell" in await caller.names("tools/list", "tools"),
        await caller.names("resources/list", "resources") == ["books"],
        await caller.names("resources/templates/list", "resourceTemplates") == ["book"],
        await caller.names("prompts/list", "prompts") == ["greet"],
    ]
    uses: list[tuple[str, JSONObject]] = [
        ("tools/call", {"name": "sell"}),
        ("resources/read", {"uri": "shop://books"}),
        ("resources/read", READ_BOOK),
        ("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}}),
        ("completion/complete", COMPLETE),
    ]
    for method, params in uses:
        try:
            await caller.call(method, params)
        except Exception as error:
            assert "Internal" not in str(error)
            found.append(False)
        else:
            found.append(True)
    return found


# Awaitables ---------------------------------------------------------------------


async def is_staff(context: Context) -> bool:
    return bool(context.user.is_staff)  # type: ignore[union-attr]


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


async def nested(context: Context) -> Any:
    return is_staff(context)


class Asks:
    """An object whose plain `__call__` passes a coroutine on."""

    def __call__(self, context: SyncContext) -> Any:
        return is_staff(context)  # type: ignore[arg-type]

    def ask(self, context: SyncContext) -> Any:
        return is_staff(context)  # type: ignore[arg-type]


class AsksAsync:
    async def __call__(self, context: Context) -> bool:
        return await is_staff(context)


@dataclass
class Unhashable:
    """Compares by value, so that it has no hash."""

    level: int = 1

    def __call__(self, context: SyncContext) -> bool:
        return bool(context.user.is_staff)  # type: ignore[union-attr]


class Later:
    def __init__(self, context: Any) -> None:
        self.context = context

    def __await__(self) -> Iterator[Any]:
        return is_staff(self.context).__await__()


def with_level(context: SyncContext, level: int) -> bool:
    return level > 0 and bool(context.user.is_staff)  # type: ignore[union-attr]


AWAITABLES: dict[str, Any] = {
    "async def": is_staff,
    "lambda": lambda context: is_staff(context),
    "functools.wraps": logged(is_staff),
    "partial": functools.partial(is_staff),
    "partial of an object": functools.partial(AsksAsync()),
    "object": Asks(),
    "async object": AsksAsync(),
    "bound method": Asks().ask,
    "coroutine of a coroutine": nested,
    "awaitable from a lambda": lambda context: Later(context),
    "in a list": [lambda context: is_staff(context)],
    "object without a hash": Unhashable(),
    "partial with a keyword": functools.partial(with_level, level=2),
    "attrgetter": operator.attrgetter("user.is_staff"),
    "any arguments": lambda *args: args[0].user.is_staff,
}


@pytest.mark.parametrize("permission", AWAITABLES.values(), ids=AWAITABLES)
async def test_what_a_permission_returns_is_awaited_before_it_counts(
    permission: Any,
) -> None:
    """Our choice: an awaitable is true whatever will come of it."""
    server = guarded_by(permission)
    assert await open_to(server, STAFF) == [True] * 9
    assert await open_to(server, CUSTOMER) == [False] * 9


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_permission_in_a_thread_of_asgiref_is_awaited() -> None:
    """Our choice: a callable object of others is taken like our own."""
    asks = sync_to_async(lambda context: context.user.is_staff)
    assert await open_to(guarded_by(asks), STAFF) == [True] * 9
    assert await open_to(guarded_by(asks), CUSTOMER) == [False] * 9


class Unawaited:
    """May be awaited, and does not complain if nobody does."""

    def __await__(self) -> Iterator[Any]:
        yield


def yields(context: SyncContext) -> Iterator[bool]:
    yield False


async def yields_async(context: Context) -> AsyncIterator[bool]:
    yield False


ALWAYS_TRUE: dict[str, Any] = {
    "a function that nobody called": lambda context: is_staff,
    "a bound method": lambda context: context.user.has_perm,
    "a generator": lambda context: (c for c in [False]),
    "an async generator": lambda context: yields_async(context),
    "an iterator": lambda context: filter(None, [False]),
    "an exception": lambda context: PermissionDenied(),
    "a response": lambda context: HttpResponseForbidden(),
    "a class": lambda context: bool,
    "an object": lambda context: object(),
    "no, and why": lambda context: (False, "you are new here"),
    "what Python means by no answer": lambda context: NotImplemented,
    "a coroutine in a list": lambda context: [Unawaited()],
}


@pytest.mark.parametrize("permission", ALWAYS_TRUE.values(), ids=ALWAYS_TRUE)
async def test_what_is_true_whatever_it_holds_means_no(
    permission: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it was meant to be called, iterated or raised; fails closed."""
    server = guarded_by(permission)
    assert await open_to(server, STAFF) == [False] * 9
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert "always true" in str(caplog.records[0].exc_info)


@pytest.mark.parametrize(
    ("returned", "holds"),
    [(True, True), (1, True), (["x"], True), (False, False), (None, False), (0, False)],
)
async def test_other_values_count_by_their_truth(returned: Any, holds: bool) -> None:
    """Our choice: as everywhere in Python."""
    server = guarded_by(lambda context: returned)
    assert await open_to(server, CUSTOMER) == [holds] * 9


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_context_for_threads_is_refused_in_the_event_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: it would wait for the loop that waits for it."""

    async def reads(context: Any) -> bool:
        return bool(context.read_resource("shop://books"))

    server = guarded_by(None)
    server.tool(name="count", permission=lambda context: reads(context))(lambda: "1")
    async with asyncio.timeout(10):
        names = await Caller(server).names("tools/list", "tools")
    assert names == ["see", "sell"]
    assert "take a Context" in str(caplog.records[0].exc_info)


async def test_decorated_permission_that_is_annotated_gets_a_context() -> None:
    """Our choice: `await` has to work in it."""

    async def reads(context: Context) -> bool:
        return bool(await context.read_resource("shop://books"))

    server = guarded_by(None)
    server.tool(name="count", permission=logged(reads))(lambda: "1")
    assert "count" in await Caller(server).names("tools/list", "tools")


# Kinds --------------------------------------------------------------------------


class Right(TextChoices):
    SELL = "shop.sell"


NAMES: dict[str, Any] = {
    "name": "shop.sell",
    "choice": Right.SELL,
    "list": ["shop.sell"],
    "tuple": ("shop.sell", "shop.sell"),
    "two": ["shop.sell", "shop.see"],
    "name and function": ["shop.sell", lambda context: context.user.is_staff],
    "function and name": (lambda context: is_staff(context), "shop.sell"),
}


@pytest.mark.parametrize("permission", NAMES.values(), ids=NAMES)
async def test_several_permissions_are_all_needed(permission: Any) -> None:
    """Our choice: as `permission_required` of Django."""
    server = guarded_by(permission)
    both = user_with("shop.sell", "shop.see", is_staff=True)
    assert await open_to(server, both) == [True] * 9
    assert await open_to(server, user_with("shop.see", is_staff=True)) == [False] * 9


@pytest.mark.parametrize("permission", [["shop.sell", "shop.see"]])
async def test_one_of_several_permissions_is_not_enough(permission: Any) -> None:
    """Our choice: all, not any."""
    assert await open_to(guarded_by(permission), user_with("shop.sell")) == [False] * 9


async def test_functions_are_asked_of_those_only_who_have_the_names() -> None:
    """Our choice: the cheap before the dear."""
    asked: list[Any] = []

    def ask(context: SyncContext) -> bool:
        asked.append(context.user)
        return True

    server = Server("shop")
    server.tool(name="sell", permission=[ask, "shop.sell"])(lambda: "sold")
    assert await Caller(server, user=CUSTOMER).names("tools/list", "tools") == []
    assert asked == []
    seller = user_with("shop.sell")
    assert await Caller(server, user=seller).names("tools/list", "tools") == ["sell"]
    assert asked == [seller]


NO_PERMISSIONS: dict[str, Any] = {
    "an empty list": [],
    "an empty tuple": (),
    "a set": {"shop.sell"},
    "a dict": {"shop.sell": True},
    "a number": 5,
    "False": False,
    "True": True,
    "bytes": b"shop.sell",
    "a range": range(3),
    "None in a list": ["shop.sell", None],
    "a number in a list": [5],
    "a list in a list": [["shop.sell"]],
    "a class": Later,
    "a class in a list": [Later],
    "a generator": yields,
    "an async generator": yields_async,
    "a function without a context": lambda: True,
    "a context by keyword only": lambda *, context: True,
    "only keywords": lambda **kwargs: True,
    "a parameter that nothing is called": lambda context, x: True,
    "one with a default": lambda context, x=1: True,
    "a parameter by position only": eval("lambda context, id, /: True"),
}


@pytest.mark.parametrize("permission", NO_PERMISSIONS.values(), ids=NO_PERMISSIONS)
def test_what_is_no_permission_is_refused_at_once(permission: Any) -> None:
    """Our choice: at the first request it would break the list for everybody."""
    server = Server("shop")

    def book(id: str) -> str:
        return id

    for register in (
        server.tool(permission=permission),
        server.resource("shop://{id}", permission=permission),
        server.prompt(permission=permission),
    ):
        with pytest.raises(ValueError, match="permission"):
            register(book)
    assert not (server.tools or server.resources or server.prompts)


@pytest.mark.parametrize("permission", [str.isdigit, [].append])
def test_permission_may_be_made_in_c(permission: Any) -> None:
    """Our choice: it says less of itself, which is no reason to refuse it."""
    server = Server("shop")
    server.tool(name="sell", permission=permission)(lambda: None)
    assert permission.__qualname__ in str(server.tools["sell"].permission)


def test_refused_permission_is_named_with_what_would_be_right() -> None:
    """Our choice: what was given, where, and what to give."""
    server = Server("shop")
    with pytest.raises(ValueError) as caught:
        server.tool(name="sell", permission=["shop.sell", 5])(lambda: None)  # type: ignore[list-item]
    assert str(caught.value) == (
        "permission=['shop.sell', 5] of tool 'sell' has 5, which is none; give a "
        "Django permission such as 'shop.change_order', a function that takes the "
        "context, or a list of these, which all have to agree"
    )
    with pytest.raises(ValueError) as caught:
        server.tool(name="sell", permission=with_level)(lambda id: None)
    assert str(caught.value) == (
        "the permission tests.server.test_permissions.with_level of tool 'sell' takes "
        "'level'; after the context it may take arguments of the feature, by their "
        "names: ['id']"
    )


# What raises --------------------------------------------------------------------


def raising(error: BaseException) -> Callable[..., bool]:
    def ask(context: SyncContext) -> bool:
        raise error

    return ask


def raising_async(error: BaseException) -> Callable[..., Any]:
    async def ask(context: Context) -> bool:
        raise error

    return ask


FAILURES: list[BaseException] = [
    RuntimeError("no"),
    StopIteration(),
    SystemExit(1),
    GeneratorExit(),
    KeyboardInterrupt(),
    BaseException("no"),
    ExceptionGroup("several", [ValueError("no")]),
    BaseExceptionGroup("several", [GeneratorExit()]),
]
REFUSALS: list[BaseException] = [PermissionDenied(), Http404(), ObjectDoesNotExist()]


@pytest.mark.parametrize("make", [raising, raising_async])
@pytest.mark.parametrize("error", [*FAILURES, *REFUSALS], ids=repr)
async def test_permission_that_raises_hides_its_own_feature_alone(
    make: Callable[[BaseException], Any],
    error: BaseException,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: nobody else's list breaks, and the log says so once."""
    server = Server("shop")
    server.tool(name="see")(lambda: "seen")
    server.tool(name="sell", permission=make(error))(lambda: "sold")
    caller = Caller(server)
    for _ in range(3):
        assert await caller.names("tools/list", "tools") == ["see"]
        refusal = await caller.error_of("tools/call", {"name": "sell"})
        assert refusal.message == "Unknown tool: sell"
    [record] = caplog.records
    is_refusal = error in REFUSALS
    assert record.levelno == (logging.WARNING if is_refusal else logging.ERROR)
    assert (record.exc_info is None) is is_refusal


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("make", [raising, raising_async])
async def test_permission_that_cancels_itself_hides_its_own_feature(make: Any) -> None:
    """Our choice: nobody cancelled the request."""
    server = guarded_by(make(asyncio.CancelledError()))
    assert await open_to(server, STAFF) == [False] * 9


async def test_backend_that_raises_hides_what_needs_the_name() -> None:
    """Our choice: fails closed."""

    def has_perm(name: str) -> bool:
        raise RuntimeError("no directory server")

    user = SimpleNamespace(is_staff=True, has_perm=has_perm)
    assert await open_to(guarded_by("shop.sell"), user) == [False] * 9
    assert await open_to(guarded_by(is_staff), user) == [True] * 9


async def test_user_without_permissions_has_none() -> None:
    """Our choice: a user model need not know of permissions."""
    assert await open_to(guarded_by("shop.sell"), SimpleNamespace()) == [False] * 9


async def test_permission_that_asks_the_client_hides_its_feature_where_it_cannot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests": not in lists."""
    server = Server("shop")
    server.tool(name="see")(lambda: "seen")

    @server.tool(permission=lambda context: context.elicit("May I?", Confirm).accepted)
    def ship() -> str:
        return "shipped"

    sure: JSONObject = {"action": "accept", "content": {"sure": True}}
    caller = Caller(server, version=MODERN, answers={"elicitation/create": [sure]})
    assert await caller.names("tools/list", "tools") == ["see"]
    assert await caller.names("tools/list", "tools") == ["see"]
    [message] = caplog.messages
    assert "asks the client, which tools/list cannot" in message
    assert await caller.text_of("ship") == "shipped"
