"""What a program may do whose credential allows less than its user may do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import mcp_types as types
import pytest
from mcp_types.jsonrpc import INVALID_REQUEST

from mcp_django import Context, Server, SyncContext
from tests.interaction.bindings import STAFF
from tests.interaction.client import Client, error_of
from tests.interaction.conftest import Connect
from tests.interaction.ways import only

READ = frozenset({"mcp:read"})
LEGACY = only(until="2025-11-25", loop="asyncio")

library = Server("library", scopes={"library:lend": "Borrow and return books"})

runs: Counter[str] = Counter()
"""How often the handlers ran that change something."""


def is_staff(context: SyncContext) -> bool:
    """Say who may see some of it."""
    return context.user.get_username() == STAFF.username


def never(context: SyncContext) -> bool:
    """Hide something from all users."""
    return False


@library.tool(read_only=True)
async def find(context: Context) -> str:
    """Find books."""
    return " ".join(sorted(context.scopes or ["everything"]))


@library.tool(read_only=True, permission=is_staff)
def count() -> str:
    """Count books."""
    return "three"


@library.tool(permission=is_staff)
def write(title: str) -> str:
    """Write a book."""
    runs["write"] += 1
    return title


@library.tool(scope="library:lend")
async def lend(isbn: int) -> str:
    """Lend a book."""
    runs["lend"] += 1
    return str(isbn)


@library.tool(permission=never)
def burn() -> None:
    """Burn all books."""
    runs["burn"] += 1


@library.resource("library://stats")
def stats() -> str:
    """The library in numbers."""
    return "42"


@library.resource("library://loans/{reader}", scope=["library:lend", "mcp:read"])
def loans(reader: str) -> str:
    """What a reader has at home."""
    runs["loans"] += 1
    return reader


@library.prompt
def recommend() -> str:
    """Ask for a recommendation."""
    return "Recommend a book."


@library.prompt(scope="library:lend")
def remind() -> str:
    """Ask for a reminder."""
    runs["remind"] += 1
    return "Remind a reader."


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what ran before."""
    runs.clear()


def lacking(scope: str, *, with_scope: str) -> types.ErrorData:
    """Make the error for want of a scope, and with it the ones that would do."""
    return types.ErrorData(
        code=INVALID_REQUEST,
        message=f"this needs the scope {scope}, which the token does not have",
        data={"error": "insufficient_scope", "scope": with_scope},
    )


async def names_of(client: Client) -> list[list[str]]:
    """Give the names of all that a client is shown."""
    session = client.session
    templates = await session.list_resource_templates()
    return [
        [tool.name for tool in (await session.list_tools()).tools],
        [found.name for found in (await session.list_resources()).resources],
        [found.name for found in templates.resource_templates],
        [prompt.name for prompt in (await session.list_prompts()).prompts],
    ]


async def test_everything_is_listed_that_the_user_may_see(connect: Connect) -> None:
    """Chosen: a program has to see what it could ask for."""
    async with connect(server=library, user=STAFF, scopes=frozenset()) as client:
        assert await names_of(client) == [
            ["find", "count", "write", "lend"],
            ["stats"],
            ["loans"],
            ["recommend", "remind"],
        ]


async def test_token_that_reads_may_read(connect: Connect) -> None:
    """Chosen: as its user may, and no more."""
    async with connect(server=library, user=STAFF, scopes=READ) as client:
        assert await client.call_for_text("find") == "mcp:read"
        assert await client.call_for_text("count") == "three"
        read = await client.session.read_resource("library://stats")
        assert isinstance(read.contents[0], types.TextResourceContents)
        assert read.contents[0].text == "42"
        prompt = await client.session.get_prompt("recommend")
        assert len(prompt.messages) == 1


REFUSED: list[tuple[str, Any, types.ErrorData]] = [
    (
        "call_tool",
        ("write", {"title": "Emma"}),
        lacking("mcp:write", with_scope="mcp:read mcp:write"),
    ),
    (
        "call_tool",
        ("lend", {"isbn": "no number"}),
        lacking("library:lend", with_scope="library:lend mcp:read"),
    ),
    (
        "read_resource",
        ("library://loans/ada",),
        lacking("library:lend", with_scope="library:lend mcp:read"),
    ),
    (
        "get_prompt",
        ("remind",),
        lacking("library:lend", with_scope="library:lend mcp:read"),
    ),
]


async def test_token_that_reads_cannot_do_more(connect: Connect) -> None:
    """Chosen: errors say what would do, no handler runs, and all goes on as before.
    What its user may not see stays unknown, whatever scopes it needs."""
    async with connect(server=library, user=STAFF, scopes=READ) as client:
        for method, arguments, expected in REFUSED:
            error = await error_of(getattr(client.session, method)(*arguments))
            assert error == expected
        error = await error_of(client.session.call_tool("burn", {}))
        assert (error.message, error.data) == ("Unknown tool: burn", None)
        assert not runs
        assert await client.call_for_text("find") == "mcp:read"


async def test_token_that_allows_it_does_it(connect: Connect) -> None:
    """Chosen: each scope by itself."""
    scopes = frozenset({"library:lend", "mcp:read"})
    async with connect(server=library, user=STAFF, scopes=scopes) as client:
        assert await client.call_for_text("lend", isbn=7) == "7"
        await client.session.read_resource("library://loans/ada")
        await client.session.get_prompt("remind")
        error = await error_of(client.session.call_tool("write", {"title": "Emma"}))
        assert error == lacking(
            "mcp:write", with_scope="library:lend mcp:read mcp:write"
        )
    assert runs == {"lend": 1, "loans": 1, "remind": 1}


# Changes ------------------------------------------------------------------------------


@only(loop="asyncio")
async def test_token_that_reads_hears_of_what_it_reads(connect: Connect) -> None:
    """Chosen: a change tells no more than reading."""
    async with (
        connect(server=library, scopes=READ) as client,
        client.listening("library://stats"),
    ):
        library.resource_updated("library://stats")
        heard = await client.hear(types.ResourceUpdatedNotification)
        assert str(heard.params.uri) == "library://stats"


@LEGACY
async def test_subscription_needs_the_scope_of_reading(connect: Connect) -> None:
    """Chosen: as above."""
    async with connect(server=library, scopes=READ) as client:
        error = await error_of(client.subscribe("library://loans/ada"))
        assert error == lacking("library:lend", with_scope="library:lend mcp:read")
        assert not runs


@only(since="2026-07-28", loop="asyncio")
async def test_listening_needs_the_scopes_of_reading_all_of_it(
    connect: Connect,
) -> None:
    """Spec: 2026-07-28 basic/authorization, "Runtime Insufficient Scope Errors"."""
    uris = ["library://stats", "library://loans/ada"]
    wanted = types.SubscriptionFilter(resource_subscriptions=uris)
    params = types.SubscriptionsListenRequestParams(notifications=wanted)
    request = types.SubscriptionsListenRequest(params=params)
    async with connect(server=library, scopes=frozenset()) as client:
        error = await error_of(client.send(request, types.EmptyResult))
        assert error == lacking(
            "library:lend mcp:read", with_scope="library:lend mcp:read"
        )
        assert not runs
