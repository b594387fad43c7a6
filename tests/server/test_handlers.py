"""Calling a developer's function: threads, transactions, `around`, permissions."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection, transaction
from django.utils import translation
from pytest_django import Settings

from mcp_django import Context, HandlerTooSlow, Outcome, Server, SyncContext
from mcp_django.bulkheads.threads import (
    ThreadPool,
    handler_threads,
    held_by_handlers,
)
from mcp_django.conf import MCPSettings
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.handlers import make_around, make_handler
from tests import patience
from tests.fault_lines import more, said
from tests.server.calls import Caller
from tests.worker.layers import until

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
_THREADS = MCPSettings.SYNC_WORKERS
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


GOES_ON = (
    "tools/call 'hold' goes on although it was cancelled, and is waited for no more; "
    "let it raise CancelledError again where it catches that"
)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def server() -> Server:
    return Server("shop")


# Threads ----------------------------------------------------------------------------


async def test_def_handlers_run_in_threads_and_async_ones_do_not(
    server: Server,
) -> None:
    """Our choice: a slow `def` handler blocks nobody."""

    @server.tool
    def where() -> str:
        return threading.current_thread().name

    @server.tool
    async def where_async() -> str:
        return threading.current_thread().name

    assert await Caller(server).text_of("where") != threading.current_thread().name
    assert await Caller(server).text_of("where_async") == (
        threading.current_thread().name
    )


async def test_def_handlers_run_side_by_side(server: Server) -> None:
    """Our choice: as many as `MCP["SYNC_WORKERS"]`."""
    barrier = threading.Barrier(10)

    @server.tool
    def meet() -> str:
        barrier.wait(PATIENCE_SECONDS)
        return "met"

    caller = Caller(server)
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(caller.text_of, "meet")
    assert not barrier.broken


async def test_cancelled_call_of_a_def_handler_waits_for_no_thread(
    server: Server,
) -> None:
    """Our choice: threads cannot be cancelled; the caller goes on, and calls that
    wait for a thread never begin."""
    started, go_on = threading.Semaphore(0), threading.Event()
    begun: list[int] = []

    @server.tool
    def wait(number: int) -> str:
        begun.append(number)
        started.release()
        go_on.wait(PATIENCE_SECONDS)
        return "done"

    caller = Caller(server)
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                for number in range(_THREADS + 8):
                    tasks.start_soon(wait_for, caller, number)
                for _ in range(_THREADS):
                    await anyio.to_thread.run_sync(started.acquire)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
    finally:
        go_on.set()
    assert len(begun) == _THREADS
    with anyio.fail_after(PATIENCE_SECONDS):
        assert await caller.text_of("wait", number=40) == "done"
    assert len(begun) == _THREADS + 1


async def wait_for(caller: Caller, number: int) -> None:
    await caller.text_of("wait", number=number)


async def test_def_handlers_that_read_def_resources_find_threads(
    server: Server,
) -> None:
    """Our choice: more of them than the pool has threads, and none waits for ever."""
    caller = Caller(server)
    barrier = threading.Barrier(_THREADS)

    @server.resource("shop://terms")
    def terms() -> str:
        return "None."

    @server.tool
    def quote(context: SyncContext) -> str:
        barrier.wait(PATIENCE_SECONDS)  # every thread of the pool is taken
        [contents] = context.read_resource("shop://terms")
        return str(getattr(contents, "text", ""))

    texts: list[str] = []

    async def call() -> None:
        texts.append(await caller.text_of("quote"))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            for _ in range(2 * _THREADS):
                tasks.start_soon(call)
    assert texts == ["None."] * (2 * _THREADS)


# Transactions -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("atomic", "atomic_requests", "expected"),
    [
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (False, True, False),
    ],
)
async def test_def_handlers_run_in_a_transaction_as_told(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    atomic: bool | None,
    atomic_requests: bool,
    expected: bool,
) -> None:
    """Our choice: `atomic=`, else as the database's `ATOMIC_REQUESTS` says."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic_requests)

    @server.tool(atomic=atomic)
    def is_in_transaction() -> bool:
        return connection.in_atomic_block

    assert await Caller(server).text_of("is_in_transaction") == (
        "true" if expected else "false"
    )


@pytest.mark.django_db(transaction=True)
async def test_transaction_is_rolled_back_when_the_handler_fails(
    server: Server,
) -> None:
    """Our choice: as for a view under `ATOMIC_REQUESTS`."""

    @server.tool(atomic=True)
    def fail() -> None:
        Group.objects.create(name="lost")
        raise LookupError("no such order")

    with pytest.raises(LookupError):
        await Caller(server).call_tool("fail")
    assert await handler_threads.run(Group.objects.count) == 0


@pytest.mark.django_db(transaction=True)
async def test_transaction_is_rolled_back_when_the_handler_asks(
    server: Server,
) -> None:
    """Our choice: it is run again from the top, and must not do things twice."""
    counts: list[int] = []

    @server.tool(atomic=True)
    def ship(context: SyncContext) -> str:
        counts.append(Group.objects.count())
        Group.objects.create(name=f"shipped in run {len(counts)}")
        return context.elicit("Really?", {"type": "object"}).action

    answers = {"elicitation/create": [{"action": "accept", "content": {}}]}
    caller = Caller(server, answers=answers)
    assert await caller.text_of("ship") == "accept"
    assert counts == [0, 0]
    names = await handler_threads.run(
        lambda: list(Group.objects.values_list("name", flat=True))
    )
    assert names == ["shipped in run 2"]


@pytest.mark.django_db(transaction=True)
async def test_inner_transaction_is_rolled_back_when_the_handler_asks(
    server: Server,
) -> None:
    """Our choice: a `with transaction.atomic()` of the handler's own does the same."""

    @server.tool
    def ship(context: SyncContext) -> str:
        with transaction.atomic():
            Group.objects.create(name="shipped")
            return context.elicit("Really?", {"type": "object"}).action

    answers = {"elicitation/create": [{"action": "decline"}]}
    caller = Caller(server, answers=answers)
    assert await caller.text_of("ship") == "decline"
    assert await handler_threads.run(Group.objects.count) == 1


def test_async_handlers_cannot_be_atomic() -> None:
    """Our choice: Django's transactions are synchronous."""

    async def ship() -> None: ...

    with pytest.raises(ValueError) as caught:
        make_handler(ship, name="ship", atomic=True)
    assert str(caught.value) == (
        "ship: atomic=True needs a def function, because Django's transactions are "
        "synchronous; this one is async def"
    )


# around -----------------------------------------------------------------------------


async def test_around_surrounds_every_handler_the_first_outermost(
    server: Server,
) -> None:
    """Our choice: as middleware does, and new for each call."""
    steps: list[str] = []

    @server.around
    async def outer(context: Context) -> AsyncIterator[None]:
        steps.append(f"outer in {context.request_id}")
        yield
        steps.append("outer out")

    @server.around
    @asynccontextmanager
    async def inner(context: Context) -> AsyncIterator[None]:
        steps.append("inner in")
        yield
        steps.append("inner out")

    @server.tool
    def sell() -> None:
        steps.append("tool")

    @server.resource("shop://terms")
    async def terms() -> str:
        steps.append("resource")
        return "None."

    @server.prompt
    def greet(name: str) -> str:
        steps.append("prompt")
        return name

    @server.completion(greet, "name")
    async def names(value: str) -> list[str]:
        steps.append("completion")
        return []

    caller = Caller(server)
    requests: list[tuple[str, JSONObject]] = [
        ("tools/call", {"name": "sell"}),
        ("resources/read", {"uri": "shop://terms"}),
        ("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "name", "value": ""},
            },
        ),
    ]
    for method, params in requests:
        steps.clear()
        await caller.call(method, params)
        assert steps[:2] == ["outer in 7", "inner in"]
        assert steps[3:] == ["inner out", "outer out"]
    steps.clear()
    await caller.call("tools/list")
    assert steps == [], "lists call no handler"


async def test_around_reaches_def_and_async_def_handlers(server: Server) -> None:
    """Our choice: context variables set around a handler are seen in its thread."""

    @server.around
    async def choose_tenant(context: Context) -> AsyncIterator[None]:
        token = tenant.set(context.headers["x-tenant"])
        try:
            yield
        finally:
            tenant.reset(token)

    @server.tool
    def name() -> str:
        return tenant.get()

    @server.tool
    async def name_async() -> str:
        return tenant.get()

    caller = Caller(server, headers={"x-tenant": "acme"})
    assert await caller.text_of("name") == "acme"
    assert await caller.text_of("name_async") == "acme"
    assert tenant.get() == "nobody"


async def test_around_sees_exceptions_and_may_change_them(server: Server) -> None:
    """Our choice: as a context manager does."""
    seen: list[str] = []

    @server.around
    async def translate(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except KeyError as error:
            seen.append(repr(error))
            raise LookupError("no such order") from error

    @server.tool
    def fail() -> None:
        raise KeyError(7)

    with pytest.raises(LookupError, match="no such order"):
        await Caller(server).call_tool("fail")
    assert seen == ["KeyError(7)"]


async def test_around_surrounds_each_run_of_a_handler_that_asks(
    server: Server,
) -> None:
    """Our choice: what it opens is closed while the user ponders."""
    steps: list[str] = []

    @server.around
    async def count(context: Context) -> AsyncIterator[None]:
        steps.append("in")
        try:
            yield
        except Exception:
            steps.append("failed")
            raise
        finally:
            steps.append("out")

    @server.tool
    async def ship(context: Context) -> str:
        return (await context.elicit("Really?", {"type": "object"})).action

    answers = {"elicitation/create": [{"action": "cancel"}]}
    caller = Caller(server, answers=answers)
    assert await caller.text_of("ship") == "cancel"
    assert steps == ["in", "out", "in", "out"]


async def test_around_that_raises_keeps_the_handler_from_running(
    server: Server,
) -> None:
    """Our choice: it can refuse."""
    called: list[str] = []

    @server.around
    async def refuse(context: Context) -> AsyncIterator[None]:
        raise PermissionError("closed on Sundays")
        yield

    @server.tool
    def sell() -> None:
        called.append("sell")

    with pytest.raises(PermissionError):
        await Caller(server).call_tool("sell")
    assert called == []


def yields_once(context: Context) -> Iterator[None]:
    yield


async def returns_nothing(context: Context) -> None: ...


@pytest.mark.parametrize("function", [yields_once, returns_nothing])
def test_around_that_is_no_async_context_manager_is_refused(
    function: Callable[[Context], Any],
) -> None:
    """Our choice: said at registration, not at the first call."""
    with pytest.raises(ValueError, match="around needs an async def function") as error:
        make_around(function)
    assert function.__name__ in str(error.value)


# Permissions ------------------------------------------------------------------------


def permit_staff(context: SyncContext) -> bool:
    return bool(getattr(context.user, "is_staff", False))


async def permit_staff_async(context: Context) -> bool:
    return bool(getattr(context.user, "is_staff", False))


class PermitStaff:
    """A callable that is no function."""

    async def __call__(self, context: Context) -> bool:
        return await permit_staff_async(context)


def register_everything(server: Server, permission: Any) -> None:
    """Register one feature of each kind, beside a tool that everybody sees."""

    @server.tool
    def see() -> str:
        return "seen"

    @server.tool(permission=permission)
    def sell() -> str:
        return "sold"

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


STAFF = SimpleNamespace(is_staff=True, has_perm=lambda name: name == "shop.sell")
CUSTOMER = SimpleNamespace(is_staff=False, has_perm=lambda name: False)
PERMISSIONS = ["shop.sell", permit_staff, permit_staff_async, PermitStaff()]
COMPLETE: JSONObject = {
    "ref": {"type": "ref/prompt", "name": "greet"},
    "argument": {"name": "name", "value": ""},
}


@pytest.mark.parametrize("permission", PERMISSIONS)
async def test_who_has_the_permission_sees_and_uses_everything(
    server: Server, permission: Any
) -> None:
    """Our choice: a Django permission's name, or a function of a context."""
    register_everything(server, permission)
    caller = Caller(server, user=STAFF)
    assert await caller.names("tools/list", "tools") == ["see", "sell"]
    assert await caller.names("resources/list", "resources") == ["books"]
    templates = await caller.names("resources/templates/list", "resourceTemplates")
    assert templates == ["book"]
    assert await caller.names("prompts/list", "prompts") == ["greet"]
    assert await caller.text_of("sell") == "sold"
    for uri in ("shop://books", "shop://books/1"):
        assert (await caller.call("resources/read", {"uri": uri}))["contents"]
    prompt = {"name": "greet", "arguments": {"name": "Ada"}}
    assert (await caller.call("prompts/get", prompt))["messages"]
    completed = await caller.call("completion/complete", COMPLETE)
    assert completed["completion"]["values"] == ["Ada"]


@pytest.mark.parametrize("permission", PERMISSIONS)
@pytest.mark.parametrize("user", [CUSTOMER, AnonymousUser(), None])
async def test_who_lacks_the_permission_gets_the_answers_for_the_unknown(
    server: Server, permission: Any, user: Any
) -> None:
    """Our choice: nobody learns of what they may not use."""
    register_everything(server, permission)
    caller = Caller(server, user=user)
    assert await caller.names("tools/list", "tools") == ["see"]
    assert await caller.names("resources/list", "resources") == []
    templates = await caller.names("resources/templates/list", "resourceTemplates")
    assert templates == []
    assert await caller.names("prompts/list", "prompts") == []
    refusals: list[tuple[str, JSONObject, JSONObject]] = [
        ("tools/call", {"name": "sell"}, {"name": "nothing"}),
        ("prompts/get", {"name": "greet"}, {"name": "nothing"}),
        ("resources/read", {"uri": "shop://books"}, {"uri": "shop://x"}),
        ("resources/read", {"uri": "shop://books/1"}, {"uri": "shop://x"}),
        ("resources/subscribe", {"uri": "shop://books"}, {"uri": "shop://x"}),
        (
            "completion/complete",
            COMPLETE,
            {**COMPLETE, "ref": {"type": "ref/prompt", "name": "nothing"}},
        ),
    ]
    for method, params, unknown in refusals:
        refused = await caller.error_of(method, params)
        other = await caller.error_of(method, unknown)
        assert (refused.code, shape(refused.message)) == (
            other.code,
            shape(other.message),
        )


def shape(message: str) -> str:
    """Give a message without the name in it."""
    return message.partition(":")[0]


@pytest.mark.django_db(transaction=True)
async def test_permission_is_django_s_own(server: Server) -> None:
    """Our choice: `has_perm`, in a thread, because backends use the database."""
    register_everything(server, "auth.view_group")

    def make_user() -> User:
        user = User.objects.create_user("ada")
        user.user_permissions.add(Permission.objects.get(codename="view_group"))
        return User.objects.get(pk=user.pk)

    user = await handler_threads.run(make_user)
    assert await Caller(server, user=user).text_of("sell") == "sold"
    other = await handler_threads.run(lambda: User.objects.create_user("bob"))
    error = await Caller(server, user=other).error_of("tools/call", {"name": "sell"})
    assert error.message == "Unknown tool: sell"


async def test_each_permission_is_asked_once_for_a_list(server: Server) -> None:
    """Our choice: a list of a hundred tools is not a hundred questions."""
    asked: list[str] = []

    def permit(context: SyncContext) -> bool:
        asked.append("permit")
        return True

    for number in range(5):

        @server.tool(name=f"tool-{number}", permission=permit)
        def tool() -> None: ...

    names = await Caller(server).names("tools/list", "tools")
    assert names == [f"tool-{number}" for number in range(5)]
    assert asked == ["permit"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_language_of_around_reaches_def_handlers(server: Server) -> None:
    """Our choice: what Django keeps in its context goes along into the thread."""

    @server.around
    async def speak_german(context: Context) -> AsyncIterator[None]:
        with translation.override("de"):
            yield

    @server.tool
    def language() -> str | None:
        return translation.get_language()

    assert await Caller(server).text_of("language") == "de"


# Handlers that take too long ----------------------------------------------------------


async def test_what_stands_around_sees_that_a_handler_took_too_long(
    server: Server,
) -> None:
    """Our choice: it is no cancellation, and what it does after may take its time."""
    seen: list[object] = []

    @server.around
    @asynccontextmanager
    async def note(context: Context) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.lowlevel.checkpoint()
            seen.append(context.outcome)

    @server.tool(timeout=0.01)
    async def sleep() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)

    with pytest.raises(HandlerTooSlow, match="was stopped") as raised:
        await Caller(server).call_tool("sleep")

    assert (raised.value.seconds, raised.value.goes_on) == (0.01, False)
    assert seen == [Outcome("failed", error=raised.value)]


async def test_timeout_of_its_own_is_that_of_a_handler_itself(server: Server) -> None:
    """Our choice: only ours is told to the client."""

    @server.tool(timeout=60)
    async def give_up() -> None:
        with anyio.fail_after(0):
            await anyio.sleep_forever()

    with pytest.raises(TimeoutError):
        await Caller(server).call_tool("give_up")


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_handler_that_catches_its_cancellation_has_answered(
    server: Server,
) -> None:
    """Our choice: it may know a part of the answer."""

    @server.tool(timeout=0.01)
    async def find() -> str:
        with suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        return "a part"

    assert await Caller(server).text_of("find") == "a part"


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_handler_that_does_not_take_its_cancellation_is_waited_for_no_more(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the client is answered, the operator sees it, and it can end."""
    door, told = asyncio.Event(), []

    @server.tool(timeout=0.01)
    async def hold(ctx: Context) -> None:
        while not door.is_set():
            with suppress(asyncio.CancelledError):
                await door.wait()
        told.append(ctx.is_cancelled)
        await ctx.report_progress(1)

    caller = Caller(server)
    for _ in range(2):
        with pytest.raises(HandlerTooSlow, match="goes on") as caught:
            await caller.call_tool("hold")
        assert caught.value.goes_on
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]

    first, second = held_by_handlers()
    assert first.what == "tools/call 'hold'"
    assert first.is_given_up and second.is_given_up
    assert said(caplog) == [GOES_ON, GOES_ON + more(1)]

    door.set()
    await until(lambda: not held_by_handlers())
    assert told == [True, True]


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_handler_may_take_some_time_to_end(server: Server) -> None:
    """We promise it: it closes what it opened, in its own task."""
    closed: list[asyncio.Task[None] | None] = []

    @server.tool(timeout=0.01)
    async def hold() -> None:
        begun_in = asyncio.current_task()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.01)
                assert asyncio.current_task() is begun_in
                closed.append(None)

    with pytest.raises(HandlerTooSlow, match="was stopped"):
        await Caller(server).call_tool("hold")
    assert closed == [None]
    assert held_by_handlers() == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_failure_of_what_is_waited_for_no_more_is_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: no request is there any more that could fail."""

    @server.tool(timeout=0.01)
    async def hold() -> None:
        with suppress(asyncio.CancelledError):
            await anyio.sleep_forever()
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            raise ValueError from None

    with pytest.raises(HandlerTooSlow):
        await Caller(server).call_tool("hold")
    await until(lambda: not held_by_handlers())
    assert caplog.messages == [
        GOES_ON,
        "what went on although it was cancelled failed; see the error",
    ]


async def test_site_says_how_long_a_handler_may_take(
    server: Server, settings: Settings
) -> None:
    """We promise it: MCP["HANDLER_TIMEOUT"], unless the handler says something else."""
    settings.MCP = {"HANDLER_TIMEOUT": 0.01}

    @server.tool
    async def sleep() -> None:
        await anyio.sleep_forever()

    @server.tool(timeout=60)
    async def nap() -> str:
        await anyio.sleep(0.02)
        return "rested"

    with pytest.raises(HandlerTooSlow):
        await Caller(server).call_tool("sleep")
    assert await Caller(server).text_of("nap") == "rested"


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_handler_that_finds_no_thread_in_time_never_runs(
    server: Server, settings: Settings
) -> None:
    """We promise it: the client may try again without a doubt."""
    settings.MCP = {"SYNC_WORKERS": 1}
    pool = ThreadPool("mcp-test", "SYNC_WORKERS", purpose="tests", is_shared=False)
    door, ran = threading.Event(), []

    @server.tool
    def hold() -> None:
        door.wait(PATIENCE_SECONDS)

    @server.tool(timeout=0.01)
    def count() -> None:
        ran.append(1)

    caller = Caller(server, threads=pool)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(caller.call_tool, "hold")
        await wait_all_tasks_blocked()
        with pytest.raises(HandlerTooSlow, match="was not begun") as raised:
            await caller.call_tool("count")
        door.set()
    await caller.call_tool("hold")  # the thread is free, and has run what waited

    assert (raised.value.goes_on, ran) == (False, [])


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "5", True])
def test_timeout_that_is_no_time_is_refused(server: Server, timeout: Any) -> None:
    """Our choice: there is no time without end."""
    with pytest.raises(ValueError, match=r"tool 'wait': timeout must be a finite"):
        server.tool(name="wait", timeout=timeout)(lambda: None)
