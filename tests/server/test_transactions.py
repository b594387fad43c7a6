"""Transactions around handlers, on each database by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connections, transaction
from mcp_types import CallToolResult

from mcp_django import Server, SyncContext, ToolError
from mcp_django.server.transactions import read_atomic
from mcp_django.testing.callers_thread import callers_thread
from tests.server.calls import MODERN, Caller

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "archive"])


@dataclass
class Named:
    """What is told of a group."""

    name: str


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give what says which databases have `ATOMIC_REQUESTS`."""

    def choose(*aliases: str) -> None:
        for alias, settings in connections.settings.items():
            monkeypatch.setitem(settings, "ATOMIC_REQUESTS", alias in aliases)

    return choose


def open_transactions() -> list[str]:
    """Say on which databases there is a transaction."""
    return sorted(a for a in connections.settings if connections[a].in_atomic_block)


def names_in(alias: str) -> list[str]:
    """Say which groups there are."""
    return list(Group.objects.using(alias).values_list("name", flat=True))


async def called(server: Server, **options: Any) -> Any:
    """Give the result of the only tool."""
    [name] = server.tools
    caller = Caller(server, version=MODERN, threads=callers_thread, **options)
    return await caller.call_tool(name)


@pytest.mark.parametrize(
    ("atomic", "requested", "expected"),
    [
        (None, [], []),
        (None, ["default"], ["default"]),
        (None, ["archive"], ["archive"]),
        (None, ["default", "archive"], ["archive", "default"]),
        (True, [], ["default"]),
        (True, ["archive"], ["archive", "default"]),
        (False, ["default", "archive"], []),
        ("archive", [], ["archive"]),
        ("archive", ["default"], ["archive"]),
        (["archive", "default"], [], ["archive", "default"]),
        (("archive", "archive"), [], ["archive"]),
    ],
)
async def test_each_database_has_a_transaction_as_told(
    atomic_requests: Any,
    atomic: Any,
    requested: list[str],
    expected: list[str],
) -> None:
    """Our choice: `ATOMIC_REQUESTS` is a setting of each database, as in Django."""
    atomic_requests(*requested)
    server = Server("shop")
    server.tool(atomic=atomic, name="look", structured=True)(open_transactions)
    assert (await called(server))["structuredContent"] == expected


async def test_failure_rolls_back_every_database(
    atomic_requests: Any,
) -> None:
    """Our choice: as for a view under `ATOMIC_REQUESTS`."""
    atomic_requests("default", "archive")
    server = Server("shop")

    @server.tool
    def fail() -> None:
        Group.objects.create(name="a")
        Group.objects.using("archive").create(name="b")
        raise ToolError("no such order")

    assert (await called(server))["isError"]
    for alias in ("default", "archive"):
        assert await sync_to_async(names_in)(alias) == []


@pytest.mark.parametrize(
    ("kind", "returned"),
    [
        ("tool", "no number"),
        ("tool", [object()]),
        ("tool", float("nan")),
        ("resource", {"a": object()}),
        ("resource", "\ud800"),
        ("prompt", 5),
        ("completion", 5),
    ],
)
async def test_result_that_cannot_be_sent_rolls_back(
    atomic_requests: Any, kind: str, returned: Any
) -> None:
    """Our choice: what is answered as a failure has not been done."""
    atomic_requests("archive")
    server = Server("shop")

    def add(value: str = "") -> Any:
        Group.objects.using("archive").create(name="a")
        return returned

    caller = Caller(server, version=MODERN, threads=callers_thread)
    match kind:
        case "tool":
            add.__annotations__["return"] = int
            server.tool(add)
            asked = caller.call_tool("add")
        case "resource":
            server.resource("shop://a")(add)
            asked = caller.call("resources/read", {"uri": "shop://a"})
        case "prompt":
            server.prompt(add)
            asked = caller.call("prompts/get", {"name": "add"})
        case _:
            prompt = server.prompt(name="p")(lambda a="": "")
            server.completion(prompt, "a")(add)
            argument = {"name": "a", "value": ""}
            params = {"ref": {"type": "ref/prompt", "name": "p"}, "argument": argument}
            asked = caller.call("completion/complete", params)
    with pytest.raises((TypeError, ValueError)):
        await asked
    assert await sync_to_async(names_in)("archive") == []


async def test_error_result_that_is_returned_commits(atomic_requests: Any) -> None:
    """Our choice: as a view that returns a response with an error status."""
    atomic_requests("default")
    server = Server("shop")

    @server.tool
    def fail() -> CallToolResult:
        Group.objects.create(name="a")
        return CallToolResult(content=[], is_error=True)

    assert (await called(server))["isError"]
    assert await sync_to_async(names_in)("default") == ["a"]


async def test_rows_are_read_in_the_transaction_of_their_handler() -> None:
    """Our choice: what a result says is what the handler has seen."""
    server = Server("shop")
    seen: list[list[str]] = []

    class Name(Group):
        class Meta:
            proxy = True
            app_label = "auth"

        def __getattribute__(self, name: str) -> Any:
            if name == "name":
                seen.append(open_transactions())
            return super().__getattribute__(name)

    @server.tool(atomic="archive")
    def names() -> list[Named]:
        Group.objects.using("archive").create(name="a")
        return Name.objects.using("archive").all()  # type: ignore[return-value]

    assert (await called(server))["structuredContent"] == [{"name": "a"}]
    assert set(map(tuple, seen)) == {("archive",)}


async def test_question_rolls_back_every_database(
    atomic_requests: Any,
) -> None:
    """Our choice: the handler is run again from the top."""
    server = Server("shop")

    @server.tool(atomic=["default", "archive"])
    def ship(context: SyncContext) -> None:
        Group.objects.create(name="a")
        Group.objects.using("archive").create(name="b")
        context.elicit("Really?", {"type": "object"})

    answers = {"elicitation/create": [{"action": "accept", "content": {}}]}
    await called(server, answers=answers)
    assert await sync_to_async(names_in)("default") == ["a"]
    assert await sync_to_async(names_in)("archive") == ["b"]


@pytest.mark.parametrize("wrap", [lambda function: function, partial])
async def test_databases_may_be_exempt_as_for_views(
    atomic_requests: Any, wrap: Any
) -> None:
    """Our choice: `transaction.non_atomic_requests` says the same here."""
    atomic_requests("default", "archive")
    server = Server("shop")

    @transaction.non_atomic_requests(using="archive")
    def look() -> list[str]:
        return open_transactions()

    server.tool(name="look")(wrap(look))
    assert (await called(server))["structuredContent"] == ["default"]


async def test_resources_prompts_and_completions_have_the_same_transactions(
    atomic_requests: Any,
) -> None:
    """Our choice: whatever runs for a request."""
    atomic_requests("archive")
    server = Server("shop")
    server.resource("shop://a", atomic=True)(lambda: ",".join(open_transactions()))
    prompt = server.prompt(name="p", atomic="default")

    @prompt
    def ask(a: str = "") -> str:
        return ",".join(open_transactions())

    @server.completion(ask, "a")
    def complete(value: str) -> list[str]:
        return open_transactions()

    caller = Caller(server, threads=callers_thread)
    read = await caller.call("resources/read", {"uri": "shop://a"})
    assert read["contents"][0]["text"] == "archive,default"
    got = await caller.call("prompts/get", {"name": "p"})
    assert got["messages"][0]["content"]["text"] == "default"
    completed = await caller.call(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "p"},
            "argument": {"name": "a", "value": ""},
        },
    )
    assert completed["completion"]["values"] == ["archive"]


async def test_database_that_there_is_not_stops_the_handler() -> None:
    """Our choice: nothing runs without the transaction that was asked for."""
    server = Server("shop")
    ran = []
    server.tool(atomic="nowhere", name="t")(lambda: ran.append(1))
    with pytest.raises(Exception, match="nowhere"):
        await called(server)
    assert ran == []


@pytest.mark.parametrize(
    "atomic", ["", 1, 0, b"default", [], ["default", ""], {"default"}, object()]
)
def test_what_names_no_database_is_refused(atomic: object) -> None:
    """Our choice: what was given, and what would be right."""
    with pytest.raises(ValueError, match="tool 'ship': atomic must be True, False, "):
        read_atomic("tool 'ship'", atomic)


@pytest.mark.parametrize("atomic", [True, "default", ["default"]])
def test_async_functions_have_no_transactions(atomic: Any) -> None:
    """Our choice: Django's transactions are synchronous."""

    async def ship() -> None: ...

    with pytest.raises(ValueError, match="needs a def function"):
        Server("shop").tool(atomic=atomic)(ship)
