"""Registering features, and telling of changes."""

import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType
from typing import Annotated, Any

import pytest
from django.db import transaction
from django.urls import path, reverse
from mcp_types import Annotations, Icon, ToolAnnotations
from pydantic import Field

from mcp_django import Context, Server, SyncContext
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.discovery import all_servers, servers
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.functions import place_of
from mcp_django.server.notices import Notice, noticed
from tests.server.calls import Caller

LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def server() -> Server:
    return Server("shop")


def assert_refuses(register: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        register()
    assert str(caught.value) == message


# Names ------------------------------------------------------------------------------

GOOD_NAMES = ["a", "A-Z_0.9", "x" * 128]
BAD_NAMES = ["", "x" * 129, "two words", "ümlaut", "a/b", "a\n", "a,b"]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_name_of_allowed_characters_is_taken(name: str) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Names"."""
    server = Server(name)
    server.tool(name=name)(lambda: None)
    server.prompt(name=name)(lambda: "text")
    assert list(server.tools) == list(server.prompts) == [name]
    assert repr(server) == f"<Server {name!r}>"


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if name])
def test_name_of_other_characters_is_refused(server: Server, name: str) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Names": they should not be used."""
    rule = "must be 1 to 128 of the characters A-Z a-z 0-9 _ . -; pass another name="
    assert_refuses(lambda: Server(name), f"server name {name!r} {rule}")
    assert_refuses(
        lambda: server.tool(name=name)(lambda: None), f"tool name {name!r} {rule}"
    )
    assert_refuses(
        lambda: server.prompt(name=name)(lambda: "x"), f"prompt name {name!r} {rule}"
    )


def test_server_needs_a_name() -> None:
    """Spec: 2025-11-25 schema.ts, `Implementation`."""
    with pytest.raises(ValueError, match="server name ''"):
        Server("")


def test_lambda_needs_a_name(server: Server) -> None:
    """Our choice: `<lambda>` is none."""
    with pytest.raises(ValueError, match="tool name '<lambda>'"):
        server.tool(lambda: None)


# Registering ------------------------------------------------------------------------


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Till:
    """Something with what can be registered but a plain function."""

    def count(self) -> int:
        return 1

    @traced
    def count_once(self) -> int:
        return 1

    def __call__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("function", "line_of"),
    [
        (Till().count, Till.count),
        (partial(Till().count), Till.count),
        (Till(), Till.__call__),
        (Till().count_once, inspect.unwrap(Till.count_once)),
        (len, None),
    ],
)
def test_place_is_where_the_function_is_written(
    function: Callable[..., Any], line_of: Callable[..., Any] | None
) -> None:
    """Our choice: below partials and decorators; what is not Python has none."""
    written = line_of and f"{__file__}:{line_of.__code__.co_firstlineno}"
    assert place_of(function) == (written or "<built-in function len>")


def test_decorators_give_the_function_back_bare_or_with_arguments(
    server: Server,
) -> None:
    """Our choice: a registered function is called as before."""

    @server.tool
    def bare(a: int) -> int:
        return a

    @server.tool(title="Named")
    def named(a: int) -> int:
        return a

    @server.prompt
    def bare_prompt(a: str) -> str:
        return a

    @server.prompt(title="Named")
    def named_prompt(a: str) -> str:
        return a

    @server.resource("shop://terms")
    def terms() -> str:
        return "None."

    @server.completion(named_prompt, "a")
    def suggest(value: str) -> list[str]:
        return [value]

    @server.around
    async def around(context: Context) -> AsyncIterator[None]:
        yield

    assert (bare(1), named(2), bare_prompt("a"), terms()) == (1, 2, "a", "None.")
    assert suggest("x") == ["x"]
    assert callable(around)


HINTS = [
    ({"read_only": True}, {"readOnlyHint": True}),
    (
        {"destructive": False, "idempotent": True, "open_world": False},
        {"destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
    ),
    (
        {"annotations": ToolAnnotations(title="Ship"), "read_only": False},
        {"title": "Ship", "readOnlyHint": False},
    ),
    (
        {"annotations": ToolAnnotations(read_only_hint=True), "read_only": True},
        {"readOnlyHint": True},
    ),
]


@pytest.mark.parametrize(("given", "shown"), HINTS)
def test_hints_by_keyword_join_the_annotations_of_a_tool(
    server: Server, given: dict[str, Any], shown: JSONObject
) -> None:
    """Our choice. Spec: 2025-11-25 schema.ts, `ToolAnnotations`."""
    server.tool(name="ship", **given)(lambda: None)
    assert server.tools["ship"].entry["annotations"] == shown


def test_annotations_that_were_given_stay_as_they_are(server: Server) -> None:
    """Our choice: several tools may share them."""
    shared = ToolAnnotations(title="Ship")
    server.tool(name="ship", annotations=shared, read_only=True)(lambda: None)
    assert shared == ToolAnnotations(title="Ship")


CONTRADICTIONS = [
    (
        {"read_only": "yes"},
        "tool 'ship': read_only must be True or False, not 'yes'",
    ),
    (
        {"annotations": ToolAnnotations(idempotent_hint=True), "idempotent": False},
        "tool 'ship': idempotent=False contradicts idempotent_hint=True of its "
        "annotations; leave one of the two out",
    ),
    (
        {"read_only": True, "destructive": True},
        "tool 'ship' cannot be both read-only and destructive; leave one of the two "
        "out",
    ),
    (
        {"annotations": ToolAnnotations(destructive_hint=True), "read_only": True},
        "tool 'ship' cannot be both read-only and destructive; leave one of the two "
        "out",
    ),
]


@pytest.mark.parametrize(("given", "message"), CONTRADICTIONS)
def test_hints_that_contradict_each_other_are_refused(
    server: Server, given: dict[str, Any], message: str
) -> None:
    """Our choice: a client believes either, and asks its user or not."""
    assert_refuses(lambda: server.tool(name="ship", **given)(lambda: None), message)


def test_one_name_is_for_one_feature_of_a_kind(server: Server) -> None:
    """Spec: 2025-11-25 server/tools, "Tool Names": unique within a server. Our
    choice: the error says where to look for the other one."""

    def order() -> str:
        return "x"

    here = f"{__file__}:{order.__code__.co_firstlineno}"

    server.tool(order)
    server.prompt(order)
    server.resource("shop://order")(order)
    assert_refuses(
        lambda: server.tool(order),
        f"tool 'order' is already on server 'shop', from {here}; give one of the two "
        "another name",
    )
    assert_refuses(
        lambda: server.prompt(order),
        f"prompt 'order' is already on server 'shop', from {here}; give one of the two "
        "another name",
    )
    assert_refuses(
        lambda: server.resource("shop://order")(order),
        f"resource 'shop://order' is already on server 'shop', from {here}; give one "
        "of the two another name",
    )
    server.tool(name="order-2")(order)
    server.resource("shop://order/2")(order)
    assert list(server.tools) == ["order", "order-2"]


def test_refused_function_leaves_nothing_behind(server: Server) -> None:
    """Our choice: registration is all or nothing."""

    def wrong(context: Context) -> None: ...

    for register in (server.tool, server.prompt, server.resource("shop://x")):
        with pytest.raises(ValueError):
            register(wrong)
    assert (server.tools, server.prompts, server.resources) == ({}, {}, {})


def no_variables() -> str:
    return "x"


def one_variable(number: int) -> str:
    return "x"


def one_optional_variable(number: int = 1, context: SyncContext | None = None) -> str:
    return "x"


def any_variables(**variables: str) -> str:
    return "x"


@pytest.mark.parametrize(
    ("uri", "function"),
    [
        ("shop://orders", no_variables),
        ("shop://orders", one_optional_variable),
        ("shop://orders", any_variables),
        ("shop://orders/{number}", one_variable),
        ("shop://orders/{number}", one_optional_variable),
        ("shop://orders/{number}/{part}", any_variables),
        ("shop://orders{?number}", one_optional_variable),
    ],
)
def test_function_takes_the_variables_of_its_template(
    server: Server, uri: str, function: Callable[..., str]
) -> None:
    """Our choice: like the converters of Django's URL patterns."""
    server.resource(uri)(function)
    assert list(server.resources) == [uri]


@pytest.mark.parametrize(
    ("uri", "function", "takes", "has"),
    [
        ("shop://orders", one_variable, ["number"], []),
        ("shop://orders/{number}", no_variables, [], ["number"]),
        ("shop://orders/{id}", one_variable, ["number"], ["id"]),
        ("shop://orders/{number}/{part}", one_variable, ["number"], ["number", "part"]),
        ("shop://orders/{id}", one_optional_variable, ["number"], ["id"]),
    ],
)
def test_function_with_other_parameters_than_its_template_is_refused(
    server: Server,
    uri: str,
    function: Callable[..., str],
    takes: list[str],
    has: list[str],
) -> None:
    """Our choice: said at registration, not at the first call."""
    assert_refuses(
        lambda: server.resource(uri)(function),
        f"resource {function.__name__}: the function takes {takes!r}, the URI has the "
        f"variables {has!r}; they must be the same",
    )


@pytest.mark.parametrize("uri", ["shop://{", "shop://{a", "shop://a}", "shop://{}"])
def test_malformed_template_is_refused(server: Server, uri: str) -> None:
    """Spec: RFC 6570, section 2."""
    with pytest.raises(ValueError):
        server.resource(uri)(any_variables)


def test_size_is_for_fixed_uris_only(server: Server) -> None:
    """Spec: 2025-11-25 schema.ts: `Resource` has a size, `ResourceTemplate` none."""
    server.resource("shop://orders", size=3)(no_variables)
    server.resource("shop://orders/{number}", size=3)(one_variable)
    entries = [resource.entry for resource in server.resources.values()]
    assert ["size" in entry for entry in entries] == [True, False]


def test_entry_has_all_that_was_told(server: Server) -> None:
    """Spec: 2025-11-25 schema.ts, `Resource`, `Prompt`."""
    icon = Icon(src="https://shop.example/icon.png", sizes=["48x48"])
    annotations = Annotations(audience=["user"], priority=0.5)
    server.resource(
        "shop://orders",
        name="orders",
        title="Orders",
        description="All orders.",
        mime_type="text/csv",
        size=7,
        annotations=annotations,
        icons=[icon],
        meta={"a": None},
    )(no_variables)
    assert server.resources["shop://orders"].entry == {
        "uri": "shop://orders",
        "name": "orders",
        "title": "Orders",
        "description": "All orders.",
        "mimeType": "text/csv",
        "size": 7,
        "annotations": {"audience": ["user"], "priority": 0.5},
        "icons": [{"src": "https://shop.example/icon.png", "sizes": ["48x48"]}],
        "_meta": {"a": None},
    }
    server.prompt(
        name="greet",
        title="Greet",
        description="Greet somebody.",
        icons=[icon],
        meta={"a": 1},
    )(no_variables)
    assert server.prompts["greet"].entry == {
        "name": "greet",
        "title": "Greet",
        "description": "Greet somebody.",
        "arguments": [],
        "icons": [{"src": "https://shop.example/icon.png", "sizes": ["48x48"]}],
        "_meta": {"a": 1},
    }


def test_verbatim_schemas_are_shown_as_they_are(server: Server) -> None:
    """Our choice: what a signature cannot say is written by hand."""
    input_schema = {"type": "object", "properties": {"a": {"const": 1}}}
    output_schema = {"type": "array"}

    @server.tool(input_schema=input_schema, output_schema=output_schema)
    def tool(**arguments: Any) -> Any:
        return []

    entry = server.tools["tool"].entry
    assert entry["inputSchema"] == input_schema
    assert entry["outputSchema"] == output_schema


# What a newcomer writes first -------------------------------------------------------


class Counter:
    """Counts; its methods are handlers."""

    def count(self, step: int = 1) -> int:
        """Count on."""
        return step

    async def greet(self, name: str) -> str:
        """Greet somebody."""
        return name

    def __call__(self, step: int = 1) -> int:
        return step


def test_methods_partials_and_callable_objects_are_named_after_themselves(
    server: Server,
) -> None:
    """Our choice: "partial" would say nothing."""
    counter = Counter()
    server.tool()(counter.count)
    server.tool(counter)
    server.prompt(partial(counter.greet, name="you"))
    assert list(server.tools) == ["count", "Counter"]
    assert list(server.prompts) == ["greet"]


def test_completion_is_of_a_bound_method(server: Server) -> None:
    """Our choice: each access to a method makes another, but equal, object."""
    counter = Counter()
    server.prompt(counter.greet)
    server.completion(counter.greet, "name")(suggest)
    assert set(server.completions) == {("greet", "name")}


def test_method_that_is_not_bound_is_refused(server: Server) -> None:
    """Our choice: else every call would fail for a missing argument "self"."""
    assert_refuses(
        lambda: server.tool(Counter.count),
        "'count' takes 'self', which no client can give; register the bound method of "
        "an instance, outside of the class body",
    )


def test_positional_name_is_refused(server: Server) -> None:
    """Our choice: other frameworks take it so."""
    message = "'total' is no function; give a name by keyword: name='total'"
    assert_refuses(lambda: server.tool("total"), message)  # type: ignore[call-overload]
    assert_refuses(lambda: server.prompt("total"), message)  # type: ignore[call-overload]


def test_resource_without_a_uri_is_refused(server: Server) -> None:
    """Our choice: a bare decorator would register nothing, and say nothing."""
    assert_refuses(
        lambda: server.resource(no_variables),  # type: ignore[arg-type]
        "resource needs a URI or a template, as in "
        f'@server.resource("shop://orders/{{order_id}}"), not {no_variables!r}',
    )


@pytest.mark.parametrize("uri", ["", "orders", "/orders/{number}", "7up:x", "://x"])
def test_resource_at_a_relative_uri_is_refused(server: Server, uri: str) -> None:
    """Spec: RFC 3986, section 4.3: what a URI identifies alone has a scheme."""
    assert_refuses(
        lambda: server.resource(uri),
        f"resource {uri!r} is no absolute URI; begin it with a scheme of your own, "
        "such as 'shop://'",
    )


@pytest.mark.parametrize("uri", ["urn:x-shop:{number}", "{+number}", "a{number}://b"])
def test_scheme_has_no_slashes_or_is_a_variable(server: Server, uri: str) -> None:
    """Spec: RFC 3986, section 3.1; RFC 6570 templates begin as they like."""
    server.resource(uri)(one_variable)
    assert list(server.resources) == [uri]


@pytest.mark.parametrize("page_size", [0, -1])
def test_page_without_room_is_refused(page_size: int) -> None:
    """Our choice: a list would have no end."""
    assert_refuses(
        lambda: Server("shop", page_size=page_size),
        "server 'shop': page_size must be a whole number of 1 or more, not "
        f"{page_size}",
    )


# Headers of parameters --------------------------------------------------------------


def test_parameter_that_cannot_be_a_header_is_refused(server: Server) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Schema Extension": clients
    would drop the tool, and nobody would know why."""

    def locate(
        region: Annotated[
            str | None, Field(json_schema_extra={"x-mcp-header": "Region"})
        ] = None,
    ) -> None: ...

    assert_refuses(
        lambda: server.tool(locate),
        "tool 'locate': parameter 'region': x-mcp-header needs a schema with the one "
        "type string, integer or boolean; for an optional parameter give a default of "
        "that type instead of None",
    )
    schema = {"type": "object", "properties": {"a": {"items": {"x-mcp-header": "A"}}}}
    assert_refuses(
        lambda: server.tool(name="a", input_schema=schema)(lambda **kwargs: None),
        "tool 'a': x-mcp-header at properties.a.items of the input schema: only what "
        "is reached through `properties` alone can be a header; write the parameter "
        "there and without $ref",
    )
    assert not server.tools


# Completions ------------------------------------------------------------------------


@pytest.fixture
def completable(server: Server) -> Server:
    @server.prompt
    def greet(name: str) -> str:
        return name

    server.resource("shop://orders/{number}")(one_variable)
    server.resource("shop://terms")(no_variables)
    return server


def suggest(value: str) -> list[str]:
    return [value]


def test_completion_is_of_a_function_a_name_or_a_template(completable: Server) -> None:
    """Our choice: whatever is at hand."""
    completable.completion("greet", "name")(suggest)
    completable.completion(one_variable, "number")(suggest)
    assert set(completable.completions) == {
        ("greet", "name"),
        ("shop://orders/{number}", "number"),
    }


def test_completion_of_the_unknown_is_refused(completable: Server) -> None:
    """Our choice: said at registration; a fixed URI has nothing to complete."""
    for of in ("nothing", "shop://terms"):
        assert_refuses(
            lambda of=of: completable.completion(of, "x"),  # type: ignore[misc]
            f"server 'shop' has no prompt or resource template {of!r}; register it "
            "before its completions",
        )
    assert_refuses(
        lambda: completable.completion("greet", "tone"),
        "'greet' has no argument 'tone'; it has ['name']",
    )


def test_argument_has_one_completion(completable: Server) -> None:
    """Our choice: the second would never be called."""
    completable.completion("greet", "name")(suggest)
    assert_refuses(
        lambda: completable.completion("greet", "name"),
        "argument 'name' of 'greet' has a completion already, from "
        f"{__file__}:{suggest.__code__.co_firstlineno}",
    )


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_blank_description_is_that_of_the_docstring(blank: str) -> None:
    """Our choice: as if it was left out; models learn nothing from it."""
    server = Server("shop")

    @server.tool(description=blank)
    def ship() -> None:
        """Ship an order."""

    assert server.tools["ship"].entry["description"] == "Ship an order."


def test_completion_must_take_value(completable: Server) -> None:
    """Our choice: said at registration, as it is always given."""

    def wrong(arguments: dict[str, str]) -> list[str]:
        return []

    assert_refuses(
        lambda: completable.completion("greet", "name")(wrong),
        "completion wrong must take value, the text typed so far; name a parameter so",
    )


def test_completion_takes_value_and_arguments_only(completable: Server) -> None:
    """Our choice: said at registration."""

    def wrong(value: str, limit: int, page: int = 1) -> list[str]:
        return []

    assert_refuses(
        lambda: completable.completion("greet", "name")(wrong),
        "completion wrong takes ['limit', 'page']; it may take value, arguments and a "
        "context",
    )


# What `initialize` tells ------------------------------------------------------------


@pytest.mark.parametrize("version", LEGACY)
def test_server_without_features_has_only_logging(server: Server, version: str) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Capabilities"."""
    assert server.describe(version) == {
        "capabilities": {"logging": {}},
        "serverInfo": {"name": "shop", "version": "1.0.0"},
    }


@pytest.mark.parametrize("version", LEGACY)
def test_server_tells_what_it_has_features_for(
    completable: Server, version: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"; completions were
    named in 2025-03-26 first."""
    completable.tool(name="tool")(lambda: None)
    completable.completion("greet", "name")(suggest)
    expected: JSONObject = {
        "logging": {},
        "tools": {"listChanged": True},
        "resources": {"subscribe": True, "listChanged": True},
        "prompts": {"listChanged": True},
    }
    if version != "2024-11-05":
        expected["completions"] = {}
    assert completable.capabilities(version) == expected


def test_server_describes_itself_as_far_as_the_version_goes() -> None:
    """Spec: `schema.ts` of each version, `Implementation`."""
    server = Server(
        "shop",
        version="2.1",
        title="The shop",
        description="Sells books.",
        instructions="Look up orders first.",
        website_url="https://shop.example",
        icons=[Icon(src="https://shop.example/icon.png")],
    )
    oldest = {"name": "shop", "version": "2.1"}
    newest = {
        **oldest,
        "title": "The shop",
        "description": "Sells books.",
        "websiteUrl": "https://shop.example",
        "icons": [{"src": "https://shop.example/icon.png"}],
    }
    expected = [oldest, oldest, {**oldest, "title": "The shop"}, newest]
    for version, information in zip(LEGACY, expected, strict=True):
        assert server.describe(version) == {
            "capabilities": {"logging": {}},
            "serverInfo": information,
            "instructions": "Look up orders first.",
        }


# Several servers --------------------------------------------------------------------


async def test_servers_share_nothing() -> None:
    """Our choice: several servers per project, each with features of its own."""
    shop, staff = Server("shop"), Server("staff")

    @shop.tool
    @staff.tool(name="sell-all")
    def sell() -> str:
        return "sold"

    assert await Caller(shop).names("tools/list", "tools") == ["sell"]
    assert await Caller(staff).names("tools/list", "tools") == ["sell-all"]
    assert await Caller(staff).text_of("sell-all") == "sold"


@contextmanager
def module(name: str, **members: Any) -> Iterator[None]:
    """Put a module among the imported ones."""
    there = sys.modules.get(name)
    made = ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made
    try:
        yield
    finally:
        del sys.modules[name]
        if there is not None:
            sys.modules[name] = there


def test_servers_are_found_in_the_apps_mcp_modules() -> None:
    """Our choice: like Django's admin; each once, however often it is imported."""
    shop, staff, double = Server("shop"), Server("staff"), Server("shop")
    with (
        module("django.contrib.auth.mcp", shop=shop, also=shop, text="x"),
        module("mcp_django.tokens.mcp", staff=staff, imported=shop, double=double),
    ):
        found = all_servers()
        assert [one for one in found if one in (shop, staff, double)] == [
            shop,
            staff,
            double,
        ]
        by_name = servers()
        assert (by_name["shop"], by_name["staff"]) == (shop, staff)
    assert "staff" not in servers()


class Urls:
    """A URLconf of two servers."""

    shop, staff = Server("shop"), Server("staff")
    urlpatterns = (
        path("admin/", lambda request: None),  # type: ignore[arg-type, return-value]
        *shop.urls("mcp"),
        *staff.urls("/staff/mcp/"),
        *Server("bare").urls(""),
    )


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("shop-sse", "/mcp/sse"),
        ("shop-messages", "/mcp/messages"),
        ("staff-sse", "/staff/mcp/sse"),
        ("staff-messages", "/staff/mcp/messages"),
        ("bare-sse", "/sse"),
        ("bare-messages", "/messages"),
    ],
)
def test_each_server_has_urls_of_its_own(name: str, url: str) -> None:
    """Our choice: named after the server, below any prefix."""
    assert reverse(name, urlconf=Urls) == url  # type: ignore[arg-type]


def test_urls_point_to_the_server_s_endpoints(server: Server) -> None:
    """Our choice: the ASGI way in finds them in the project's own URLconf."""
    patterns = server.urls()
    endpoints = [p.callback for p in patterns if isinstance(p.callback, Endpoint)]
    assert [(endpoint.server, endpoint.binding) for endpoint in endpoints] == [
        (server, "mcp"),
        (server, "mcp"),
        (server, "sse"),
        (server, "messages"),
    ]


# Telling of changes -----------------------------------------------------------------

Told = list[tuple[Server, Notice]]


@pytest.fixture
def told(server: Server) -> Iterator[Told]:
    """Give the list of notices that were sent."""
    sent: Told = []

    def note(sender: Server, notice: Notice, **kwargs: Any) -> None:
        sent.append((sender, notice))

    noticed.connect(note)
    yield sent
    noticed.disconnect(note)


CHANGES: list[tuple[str, tuple[str, ...], Notice]] = [
    ("tools_changed", (), Notice("tools")),
    ("resources_changed", (), Notice("resources")),
    ("prompts_changed", (), Notice("prompts")),
    ("resource_updated", ("shop://x",), Notice("resource", "shop://x")),
    ("elicitation_done", ("pay-1",), Notice("elicitation", "pay-1")),
]


@pytest.mark.parametrize(("method", "args", "notice"), CHANGES)
def test_change_is_told_at_once_outside_of_a_transaction(
    server: Server, told: Told, method: str, args: tuple[str, ...], notice: Notice
) -> None:
    """Our choice: without opening a database connection to look."""
    getattr(server, method)(*args)
    assert told == [(server, notice)]


async def test_change_is_told_from_async_code(server: Server, told: Told) -> None:
    """Our choice: one call for both kinds of code."""
    server.tools_changed()
    assert told == [(server, Notice("tools"))]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "args", "notice"), CHANGES)
def test_change_is_told_when_the_transaction_is_committed(
    server: Server, told: Told, method: str, args: tuple[str, ...], notice: Notice
) -> None:
    """Our choice: a client that reads at once must find what changed."""
    with transaction.atomic():
        getattr(server, method)(*args)
        assert told == []
    assert told == [(server, notice)]


@pytest.mark.django_db(transaction=True)
def test_change_that_is_rolled_back_is_not_told(server: Server, told: Told) -> None:
    """Our choice: nothing changed."""
    with pytest.raises(LookupError), transaction.atomic():
        server.tools_changed()
        raise LookupError("no such order")
    assert told == []
