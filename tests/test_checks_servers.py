"""Checks of servers: whether they are reached, and what hosts make of their tools."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, reverse_lazy
from django.utils.functional import lazy
from django.utils.translation import get_language, gettext_lazy
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.apps import CHECKS_TAG
from mcp_django.checks.texts import check_texts
from tests.site import mcp

URL_FREE = "django.contrib.auth.urls"


def said_of(server: Server) -> list[checks.CheckMessage]:
    """Give what our checks say of a server."""
    return [
        message
        for message in checks.run_checks(tags=[CHECKS_TAG])
        if message.obj is server
    ]


def ids_of(server: Server) -> list[str]:
    """Give the ids of that."""
    return [str(message.id) for message in said_of(server)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Server:
    """Give a server that is found in an app, and has a URL."""
    server = Server("second")
    monkeypatch.setattr(mcp, "second", server, raising=False)
    settings.ROOT_URLCONF = (*mcp.server.urls(), *server.urls("second"))
    return server


# Whether it is reached --------------------------------------------------------------


def view(request: HttpRequest) -> HttpResponse:
    """Answer where a server was meant to."""
    return HttpResponse()


def test_server_at_the_url_of_another_is_an_error(
    server: Server, settings: Settings
) -> None:
    """Chosen: nobody ever reaches it. Said once, not for each of its paths."""
    settings.ROOT_URLCONF = (*mcp.server.urls(), *server.urls())
    assert said_of(server) == [
        checks.Error(
            "Server 'second' cannot be reached at '/mcp', because server 'site' "
            "answers there.",
            hint="Give one of the two another path, as in server.urls('second'), or "
            "take its URLs out.",
            obj=server,
            id="mcp_django.E013",
        )
    ]
    assert said_of(mcp.server) == []


@pytest.mark.parametrize(
    "patterns",
    [
        lambda a, b: [*a.urls("x"), path("x/", include(b.urls("")))],
        lambda a, b: [path("<slug:t>/", include([*a.urls("x"), *b.urls("x")]))],
        lambda a, b: [*a.urls("x"), *b.urls("x/sse")],
        lambda a, b: [path("<path:rest>", view), *a.urls("a"), *b.urls("x")],
        lambda a, b: [*a.urls("a"), path("x", view), path("x/", view), *b.urls("x")],
    ],
)
def test_paths_are_the_same_however_they_are_written(
    server: Server, settings: Settings, patterns: Any
) -> None:
    """Chosen: what Django resolves decides, also where a view of the site answers."""
    settings.ROOT_URLCONF = tuple(patterns(mcp.server, server))
    assert "mcp_django.E013" in ids_of(server)


@pytest.mark.parametrize(
    "patterns",
    [
        lambda a, b: [*a.urls("a"), *b.urls("b")],
        lambda a, b: [*a.urls("a"), *a.urls("c"), *b.urls("b")],
        lambda a, b: [*a.urls("a"), *a.urls("a"), *b.urls("b")],
        lambda a, b: [*a.urls(""), *b.urls("b")],
        lambda a, b: [
            path("<slug:t>/", include(a.urls("x"))),
            path("<slug:t>/", include(b.urls("y"))),
        ],
    ],
)
def test_servers_at_paths_of_their_own_are_not_talked_about(
    server: Server, settings: Settings, patterns: Any
) -> None:
    """Chosen: a server may have several URLs, and the root of the site."""
    settings.ROOT_URLCONF = tuple(patterns(mcp.server, server))
    assert said_of(server) == said_of(mcp.server) == []


def test_server_without_a_url_is_a_warning(server: Server, settings: Settings) -> None:
    """Chosen: it was forgotten, where others have one."""
    settings.ROOT_URLCONF = "tests.urls"
    assert said_of(server) == [
        checks.Warning(
            "Server 'second' has no URL in 'tests.urls'.",
            hint="Add *server.urls() to urlpatterns; silence this check if the server "
            "is used over stdio or in memory alone.",
            obj=server,
            id="mcp_django.W014",
        )
    ]


def test_project_for_stdio_alone_needs_no_urls(
    server: Server, settings: Settings
) -> None:
    """Chosen: it has neither endpoints nor an ASGI application."""
    settings.ROOT_URLCONF = URL_FREE
    assert ids_of(server) == ["mcp_django.W014"]
    del settings.ASGI_APPLICATION
    assert said_of(server) == []


def test_urlconf_that_cannot_be_read_says_nothing_of_servers(
    server: Server, settings: Settings
) -> None:
    """Chosen: Django says what is wrong with it."""
    settings.ROOT_URLCONF = "nowhere.urls"
    assert said_of(server) == []


# What hosts make of it --------------------------------------------------------------


def test_tool_without_a_description_is_a_warning(server: Server) -> None:
    """Chosen: models choose tools by it."""
    server.tool(name="bare")(lambda: None)
    server.tool(name="empty", description="")(lambda: None)
    server.tool(name="lazy", description=gettext_lazy("Ship."))(lambda: None)

    @server.tool
    def told() -> None:
        """Ship an order."""

    assert said_of(server) == [
        checks.Warning(
            f"Tool {name!r} has no description, by which models choose tools.",
            hint="Write a docstring, or pass description=.",
            obj=server,
            id="mcp_django.W015",
        )
        for name in ("bare", "empty")
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("orders.ship", "with a dot"),
        ("s" * 65, "longer than 64 characters"),
        ("s" * 60 + ".ship", "longer than 64 characters"),
    ],
)
def test_name_that_hosts_refuse_is_a_warning(
    server: Server, name: str, reason: str
) -> None:
    """Chosen: the protocol allows it, the models' own functions do not."""
    server.tool(name=name, description="Ship.")(lambda: None)
    assert said_of(server) == [
        checks.Warning(
            f"Tool {name!r} has a name {reason}, and many hosts refuse it.",
            hint="Pass name= with at most 64 of A-Z a-z 0-9 _ -.",
            obj=server,
            id="mcp_django.W016",
        )
    ]


@pytest.mark.parametrize("name", ["s" * 64, "ship-order_2"])
def test_name_that_hosts_take_is_not_talked_about(server: Server, name: str) -> None:
    """Chosen."""
    server.tool(name=name, description="Ship.")(lambda: None)
    assert said_of(server) == []


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_choice_at_the_top_of_a_schema_is_a_warning(
    server: Server, keyword: str
) -> None:
    """Chosen: hosts want an object with properties."""
    schema = {
        "type": "object",
        "properties": {"id": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        keyword: [{"required": ["id"]}],
    }

    @server.tool(input_schema=schema, output_schema=schema, description="Ship.")
    def ship(id: Any) -> Any: ...

    assert said_of(server) == [
        checks.Warning(
            f"The inputSchema of tool 'ship' has {keyword!r} at its top, and many "
            "hosts refuse it.",
            hint="List every argument in 'properties', optional where one or the other "
            "is needed, and check in the tool what goes together.",
            obj=server,
            id="mcp_django.W062",
        )
    ]


ARRAYS = {
    "type": "object",
    "properties": {
        "bare": {"type": "array"},
        "tuple": {"type": "array", "prefixItems": [{"type": "string"}]},
        "no_type": {"prefixItems": [{"type": "string"}]},
        "closed": {"type": "array", "prefixItems": [{}], "items": False},
        "inner": {"type": "array", "items": {"type": "array"}},
        "deep": {"anyOf": [{"type": "object", "properties": {"x": {"type": "array"}}}]},
        "good": {"type": "array", "items": {"type": "string"}},
        "prefixItems": {"type": "string"},
        "data": {"type": "object", "default": {"type": "array"}},
    },
}


def test_array_that_does_not_say_of_what_is_a_warning(server: Server) -> None:
    """Chosen: hosts refuse the tool, and some the whole list."""

    @server.tool(input_schema=ARRAYS)
    def take(**rest: Any) -> None:
        """Take."""

    @server.tool
    def place(at: tuple[int, int], tags: list[str], rest: tuple[int, ...]) -> None:
        """Place."""

    assert said_of(server) == [
        checks.Warning(
            f"The inputSchema of tool {name!r} has arrays without 'items', and many "
            f"hosts refuse it: {places}.",
            hint="Take a list of one type, or an object, in the place of a tuple.",
            obj=server,
            id="mcp_django.W063",
        )
        for name, places in (
            ("take", "'bare', 'closed', 'deep', 'inner', 'no_type', 'tuple'"),
            ("place", "'at'"),
        )
    ]


# Transactions -----------------------------------------------------------------------


def test_transaction_on_a_database_that_there_is_not_is_an_error(
    server: Server,
) -> None:
    """Chosen: the handler would fail at every call."""

    @server.tool(atomic=["default", "nowhere"])
    def ship() -> None:
        """Ship."""

    assert said_of(server) == [
        checks.Error(
            "Tool 'ship' has atomic='nowhere', which DATABASES has not.",
            hint="Name one of 'default', 'archive'.",
            obj=server,
            id="mcp_django.E080",
        )
    ]


def test_async_handler_under_atomic_requests_is_a_warning(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: Django refuses such views."""

    @server.tool
    async def ship(context: Context) -> None:
        """Ship."""

    @server.resource("shop://a", atomic=False)
    async def read() -> str:
        return ""

    assert said_of(server) == []
    monkeypatch.setitem(connections.settings["archive"], "ATOMIC_REQUESTS", True)
    assert said_of(server) == [
        checks.Warning(
            "Tool 'ship' is async def and has no transaction, although 'archive' has "
            "ATOMIC_REQUESTS; Django's transactions are synchronous.",
            hint="Write it as def, or pass atomic=False to say that it needs none.",
            obj=server,
            id="mcp_django.W081",
        )
    ]


# Lazy texts -------------------------------------------------------------------------


def add_failing_texts(server: Server) -> None:
    """Register a tool with texts that cannot be made."""

    @server.tool(
        title=gettext_lazy("Ship"),
        description=reverse_lazy("nope"),
        icons=[{"src": reverse_lazy("nope")}],
    )
    def ship() -> None:
        """Ship an order."""


def test_lazy_text_that_cannot_be_made_is_named(server: Server) -> None:
    """Chosen: clients are shown the rest, so that nobody would notice."""
    add_failing_texts(server)
    assert said_of(server) == [
        checks.Warning(
            f"The text {place!r} of tool 'ship' cannot be made: NoReverseMatch: "
            "Reverse for 'nope' not found. 'nope' is not a valid view function or "
            "pattern name.",
            hint="Clients are shown the rest without it. Mend it, such as the name "
            "of a URL or the placeholders of a translation.",
            obj=server,
            id="mcp_django.W090",
        )
        for place in ("description", "icons.0.src")
    ]


def test_lazy_text_that_fails_in_one_language_says_in_which(
    server: Server, settings: Settings
) -> None:
    """Chosen: a translation with a wrong placeholder is one of many."""
    settings.LANGUAGES = [("en", "English"), ("de", "German")]

    def in_english() -> str:
        if get_language() == "de":
            raise SystemExit
        return "Ship"

    server.instructions = lazy(in_english, str)()
    [message] = said_of(server)
    assert message.msg == (
        "The text 'instructions' of server 'second' cannot be made in 'de': "
        "SystemExit: "
    )


@pytest.mark.parametrize("urlconf", [None, "tests.no_such_module"])
def test_lazy_texts_are_not_blamed_for_a_broken_urlconf(
    urlconf: str | None, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Chosen: Django's own checks tell of it, once."""
    server = Server("third")
    monkeypatch.setattr(mcp, "third", server, raising=False)
    add_failing_texts(server)
    settings.ROOT_URLCONF = urlconf
    ids = [message.id for message in check_texts() if message.obj is server]
    assert ids == ([] if urlconf else ["mcp_django.W090"] * 2)


@pytest.mark.parametrize("description", [" ", "\n\t"])
def test_blank_description_is_none(server: Server, description: str) -> None:
    """Chosen: models learn nothing from it."""

    @server.tool(description=description)
    def ship() -> None: ...

    assert ids_of(server) == ["mcp_django.W015"]
