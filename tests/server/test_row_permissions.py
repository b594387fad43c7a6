"""Permissions for one object: functions that take the arguments of a feature."""

import functools
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404
from mcp_types.jsonrpc import INVALID_PARAMS
from pydantic import BaseModel, Field

from mcp_django import Context, ErrorAnswer, ResourceNotFound, Server, SyncContext
from mcp_django.exceptions import ToolError
from mcp_django.protocol.error_codes import RESOURCE_NOT_FOUND
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.dispatch import tool_error
from mcp_django.server.subscriptions import subscribe
from tests.server.calls import LATEST, MODERN, Caller, Notebook

ORDERS = {1: "ada", 2: "bob", 3: "ada"}
"""Number of each order -> whose it is."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def user(name: str, *names: str) -> Any:
    return SimpleNamespace(name=name, has_perm=lambda permission: permission in names)


ADA = user("ada", "shop.view_order")
BOB = user("bob", "shop.view_order")
EVE = user("eve")


def name_of(context: Context | SyncContext) -> str:
    user: Any = context.user
    return str(user.name)


class Asked(list[Any]):
    """Permission functions, and what they were asked of."""

    def own(self, context: SyncContext, order_id: int) -> bool:
        self.append(order_id)
        return ORDERS.get(order_id) == name_of(context)

    async def own_async(self, context: Context, order_id: int) -> bool:
        self.append(order_id)
        return ORDERS.get(order_id) == name_of(context)

    def own_later(self, context: Context, *, order_id: int) -> Any:
        return self.own_async(context, order_id)

    def own_or_missing(self, context: SyncContext, order_id: int) -> bool:
        if not self.own(context, order_id):
            raise Http404("No such order") if order_id in ORDERS else KeyError()
        return True


def shop(permission: Any) -> Server:
    """Make a server whose orders are read, shipped and praised."""
    server = Server("shop")

    @server.resource("shop://orders/{order_id}", permission=permission)
    def order(order_id: int) -> str:
        if order_id not in ORDERS:
            raise ResourceNotFound()
        return f"order {order_id}"

    @server.tool(permission=permission)
    def ship(order_id: int, days: int = 3) -> str:
        if order_id not in ORDERS:
            raise Http404()
        return f"shipped {order_id} in {days}"

    @server.prompt(permission=permission)
    def praise(order_id: int) -> str:
        if order_id not in ORDERS:
            raise Http404()
        return f"praise {order_id}"

    return server


def read(order_id: object) -> JSONObject:
    return {"uri": f"shop://orders/{order_id}"}


def ship(order_id: object) -> JSONObject:
    return {"name": "ship", "arguments": {"order_id": order_id}}


def praise(order_id: object) -> JSONObject:
    return {"name": "praise", "arguments": {"order_id": str(order_id)}}


async def outcome(caller: Caller, method: str, params: JSONObject) -> JSONObject:
    """Give a result, or a JSON-RPC error, as the client sees it."""
    try:
        return await caller.call(method, params)
    except ErrorAnswer as error:
        return {"code": error.code, "message": error.message}


KINDS = ["own", "own_async", "own_later", "own_or_missing"]
VERSIONS = [LATEST, MODERN]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_name", [False, True])
async def test_rights_for_one_object_hold_for_every_use(
    kind: str, version: str, with_name: bool
) -> None:
    """Our choice: said once; a refusal looks like a row that is not there."""
    asked = Asked()
    own = getattr(asked, kind)
    server = shop(["shop.view_order", own] if with_name else own)
    caller = Caller(server, user=ADA, version=version, session=Notebook())
    contents = (await caller.call("resources/read", read(1)))["contents"]
    assert contents[0]["text"] == "order 1"
    assert (await caller.call_tool("ship", order_id=1))["content"][0]["text"] == (
        "shipped 1 in 3"
    )
    assert (await caller.call("prompts/get", praise(1)))["messages"]
    assert asked == [1, 1, 1]
    for make, method in (
        (read, "resources/read"),
        (ship, "tools/call"),
        (praise, "prompts/get"),
    ):
        refused = await outcome(caller, method, make(2))
        assert refused == await outcome(caller, method, make(9))
        if method == "tools/call":
            assert refused == tool_error("Not found")
        elif method == "prompts/get":
            assert refused == {"code": INVALID_PARAMS, "message": "Not found"}


async def test_refusal_is_that_of_a_handler_that_finds_nothing() -> None:
    """Our choice: who may not see a row does not learn that it is there."""
    guarded = Caller(shop(Asked().own), user=ADA)
    open_to_all = Caller(shop(None), user=ADA)
    for make, method in (
        (read, "resources/read"),
        (ship, "tools/call"),
        (praise, "prompts/get"),
    ):
        refused = await outcome(guarded, method, make(2))
        missing = await outcome(open_to_all, method, make(9))
        assert refused == missing


async def test_lists_ask_only_what_needs_no_value() -> None:
    """Our choice: a list is of kinds of things, not of things."""
    asked = Asked()
    server = shop(["shop.view_order", asked.own])
    lists = [
        ("tools/list", "tools", ["ship"]),
        ("resources/templates/list", "resourceTemplates", ["order"]),
        ("prompts/list", "prompts", ["praise"]),
    ]
    for method, member, names in lists:
        assert await Caller(server, user=BOB).names(method, member) == names
        assert await Caller(server, user=EVE).names(method, member) == []
    assert asked == []


async def test_names_are_asked_before_arguments_and_arguments_before_objects() -> None:
    """Our choice: the answer tells no more than its asker may know."""
    asked = Asked()
    server = shop(["shop.view_order", asked.own])
    eve, ada = Caller(server, user=EVE), Caller(server, user=ADA)
    assert (await eve.error_of("tools/call", ship("x"))).message == "Unknown tool: ship"
    text = (await ada.call("tools/call", ship("x")))["content"][0]["text"]
    assert text.startswith("invalid arguments for ship: order_id")
    error = await ada.error_of("prompts/get", praise("x"))
    assert error.message.startswith("invalid arguments for praise: order_id")
    assert asked == []


class Address(BaseModel):
    city: str


async def test_function_is_given_what_the_handler_is_given() -> None:
    """Our choice: checked values and defaults, under the parameters' names."""
    seen: list[Any] = []

    def note(context: SyncContext, address: Address, days: int, id_: int) -> bool:
        seen.append((address, days, id_))
        return True

    def note_all(context: SyncContext, **values: Any) -> bool:
        seen.append(values)
        return True

    server = Server("shop")

    @server.tool(permission=[note, note_all])
    def send(
        address: Address,
        id_: Annotated[int, Field(alias="id")],
        context: SyncContext,
        days: int = 3,
    ) -> str:
        return "sent"

    caller = Caller(server, user=ADA)
    assert await caller.text_of("send", address={"city": "Ulm"}, id=7) == "sent"
    address = Address(city="Ulm")
    assert seen == [(address, 3, 7), {"address": address, "days": 3, "id_": 7}]


async def test_defaults_hold_where_a_verbatim_schema_leaves_an_argument_out() -> None:
    """Our choice: what the handler would be given."""
    server = Server("shop")
    schema = {"type": "object", "properties": {"days": {}, "extra": {}}}

    def few(context: SyncContext, days: int, extra: str = "none") -> bool:
        return days < 5 and extra == "none"

    @server.tool(permission=few, input_schema=schema)
    def send(days: int = 3, **rest: Any) -> str:
        return f"in {days}"

    caller = Caller(server, user=ADA)
    assert await caller.text_of("send") == "in 3"
    assert await caller.text_of("send", days=4) == "in 4"
    for refused in ({"days": 6}, {"extra": "more"}):
        assert await caller.text_of("send", **refused) == "Not found"


async def test_variables_that_the_handler_collects_are_given_by_name() -> None:
    """Our choice: `**kwargs` of a handler take the template's variables."""
    server = Server("shop")

    def own(context: SyncContext, order_id: str) -> bool:
        return ORDERS[int(order_id)] == name_of(context)

    @server.resource("shop://orders/{order_id}", permission=own)
    def order(**variables: str) -> str:
        return variables["order_id"]

    caller = Caller(server, user=ADA)
    assert (await caller.call("resources/read", read(1)))["contents"]
    error = await caller.error_of("resources/read", read(2))
    assert error.code == RESOURCE_NOT_FOUND


async def test_partial_fills_what_is_no_argument() -> None:
    """Our choice: so that one function serves several features."""

    def has_level(context: SyncContext, order_id: int, level: int) -> bool:
        return order_id >= level

    server = shop(functools.partial(has_level, level=2))
    caller = Caller(server, user=ADA)
    assert await caller.text_of("ship", order_id=1) == "Not found"
    assert await caller.text_of("ship", order_id=2) == "shipped 2 in 3"


async def test_handlers_that_read_resources_are_asked_as_their_user() -> None:
    """Our choice: a tool is no way around a permission."""
    server = shop(Asked().own)

    @server.tool
    async def peek(order_id: int, context: Context) -> str:
        [contents] = await context.read_resource(f"shop://orders/{order_id}")
        return str(getattr(contents, "text", ""))

    caller = Caller(server, user=ADA)
    assert await caller.text_of("peek", order_id=1) == "order 1"
    with pytest.raises(ErrorAnswer):
        await caller.call_tool("peek", order_id=2)


# Subscribing --------------------------------------------------------------------


async def subscribed(server: Server, who: Any, *uris: str) -> dict[str, list[str]]:
    """Give the URIs, of those asked for, that a user may subscribe to, by era."""
    notebook = Notebook()
    legacy = Caller(server, user=who, session=notebook)
    for uri in uris:
        try:
            await legacy.call("resources/subscribe", {"uri": uri})
        except ErrorAnswer as error:
            assert error.code == RESOURCE_NOT_FOUND
            assert error.message == "Resource not found"
    asked = {"notifications": {"resourceSubscriptions": list(uris)}}
    modern = Caller(server, user=who, version=MODERN)
    subscription = await subscribe(
        server, modern.request("subscriptions/listen", asked)
    )
    return {
        "legacy": [uri for uri in uris if uri in notebook.uris],
        "modern": [uri for uri in uris if uri in subscription.uris],
    }


ALL = [f"shop://orders/{number}" for number in (1, 2, 3, 9, "x")]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_subscribes_to_what_one_may_read(kind: str) -> None:
    """Our choice: what changes when is information, too."""
    asked = Asked()
    server = shop(["shop.view_order", getattr(asked, kind)])
    mine = ["shop://orders/1", "shop://orders/3"]
    assert await subscribed(server, ADA, *ALL) == {"legacy": mine, "modern": mine}
    assert await subscribed(server, EVE, *ALL) == {"legacy": [], "modern": []}


REFUSALS: list[Exception] = [
    ResourceNotFound(),
    Http404("No such order"),
    ObjectDoesNotExist("Order matching query does not exist."),
    PermissionDenied(),
    ToolError("not yours"),
    ErrorAnswer(-32000, "not yours"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=repr)
@pytest.mark.parametrize("is_async", [False, True])
async def test_handler_decides_where_no_permission_takes_the_variables(
    error: Exception, is_async: bool
) -> None:
    """Our choice: it is run, and what it returns is thrown away."""
    server = Server("shop")
    runs: list[int] = []

    def look(order_id: int, context: Any) -> str:
        runs.append(order_id)
        if ORDERS.get(order_id) != name_of(context):
            raise error
        return "x"

    if is_async:

        @server.resource("shop://orders/{order_id}")
        async def order_async(order_id: int, context: Context) -> str:
            return look(order_id, context)

    else:

        @server.resource("shop://orders/{order_id}", permission="shop.view_order")
        def order(order_id: int, context: SyncContext) -> str:
            return look(order_id, context)

    mine = ["shop://orders/1", "shop://orders/3"]
    assert await subscribed(server, ADA, *ALL) == {"legacy": mine, "modern": mine}
    assert runs == [1, 2, 3, 9] * 2


async def test_fixed_resource_is_asked_too() -> None:
    """Our choice: its handler may know who may read it."""
    server = Server("shop")

    @server.resource("shop://mine")
    def mine(context: SyncContext) -> str:
        if name_of(context) != "ada":
            raise PermissionDenied
        return "x"

    both = {"legacy": ["shop://mine"], "modern": ["shop://mine"]}
    assert await subscribed(server, ADA, "shop://mine") == both
    assert await subscribed(server, BOB, "shop://mine") == {"legacy": [], "modern": []}


async def test_handler_that_fails_keeps_nothing_else_from_being_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: fails closed; a request to subscribe fails, as one to read."""
    server = shop(Asked().own)

    @server.resource("shop://broken")
    def broken() -> str:
        raise RuntimeError("no disk")

    modern = Caller(server, user=ADA, version=MODERN)
    asked = {"resourceSubscriptions": ["shop://broken", "shop://orders/1"]}
    request = modern.request("subscriptions/listen", {"notifications": asked})
    assert list((await subscribe(server, request)).uris) == ["shop://orders/1"]
    assert "may be read cannot be said" in caplog.text
    legacy = Caller(server, user=ADA, session=Notebook())
    with pytest.raises(RuntimeError):
        await legacy.call("resources/subscribe", {"uri": "shop://broken"})


class Confirm(BaseModel):
    sure: bool


async def test_handler_that_asks_decides_where_it_can_ask() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    server = Server("shop")

    @server.resource("shop://secret")
    def secret(context: SyncContext) -> str:
        if not context.elicit("Sure?", Confirm).accepted:
            raise ResourceNotFound()
        return "x"

    notebook = Notebook()
    sure: JSONObject = {"action": "accept", "content": {"sure": True}}
    legacy = Caller(server, session=notebook, answers={"elicitation/create": [sure]})
    await legacy.call("resources/subscribe", {"uri": "shop://secret"})
    assert set(notebook.uris) == {"shop://secret"}
    modern = Caller(server, version=MODERN)
    asked = {"notifications": {"resourceSubscriptions": ["shop://secret"]}}
    request = modern.request("subscriptions/listen", asked)
    assert list((await subscribe(server, request)).uris) == []


async def test_handler_that_is_asked_to_read_for_a_subscription_tells_nothing() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions: the acknowledgement is first."""
    server = Server("shop")

    @server.resource("shop://loud")
    def loud(context: SyncContext) -> str:
        context.log("error", "somebody reads")
        return "x"

    modern = Caller(server, version=MODERN, log_level="debug")
    asked = {"notifications": {"resourceSubscriptions": ["shop://loud"]}}
    request = modern.request("subscriptions/listen", asked)
    assert list((await subscribe(server, request)).uris) == ["shop://loud"]
    assert modern.notified == []


# Completing ---------------------------------------------------------------------


def libraries(*permissions: Any, suggested: list[str] | None = None) -> Server:
    """Make a server that suggests shelves and books, of a template and a prompt."""
    server = Server("library")

    @server.resource("lib://{shelf}/{book}", permission=list(permissions))
    def read(shelf: str, book: int) -> str:
        return shelf

    @server.prompt(permission=list(permissions))
    def praise(shelf: str, book: int, tone: str = "kind") -> str:
        return shelf

    books = ["1", "2", "3", "x"] if suggested is None else suggested
    for feature in (read, praise):
        server.completion(feature, "shelf")(lambda value: ["a", "b", "c"])
        server.completion(feature, "book")(lambda value: books)
    return server


async def suggested(
    server: Server, who: Any, argument: str, **known: str
) -> JSONObject:
    """Give the completion of an argument, the same of template and prompt."""
    caller = Caller(server, user=who)
    found = []
    for ref in (
        {"type": "ref/resource", "uri": "lib://{shelf}/{book}"},
        {"type": "ref/prompt", "name": "praise"},
    ):
        params: JSONObject = {
            "ref": ref,
            "argument": {"name": argument, "value": ""},
            "context": {"arguments": known},
        }
        result = await caller.call("completion/complete", params)
        found.append(result["completion"])
    assert found[0] == found[1]
    completion: JSONObject = found[0]
    return completion


def complete(*values: str) -> JSONObject:
    return {"values": list(values), "total": len(values), "hasMore": False}


def odd(context: SyncContext, book: int) -> bool:
    return book % 2 == 1


async def odd_async(context: Context, book: int) -> bool:
    return odd(context, book)  # type: ignore[arg-type]


def not_b(context: SyncContext, shelf: str) -> bool:
    return shelf != "b"


def both(context: SyncContext, shelf: str, book: int) -> bool:
    return (shelf, book) != ("a", 1)


@pytest.mark.parametrize("may_see", [odd, odd_async])
async def test_values_that_would_be_refused_are_not_suggested(may_see: Any) -> None:
    """Our choice: a list of numbers of orders tells of orders, too."""
    server = libraries("shop.view_order", may_see)
    assert await suggested(server, ADA, "book") == complete("1", "3")
    assert await suggested(server, ADA, "book", shelf="a") == complete("1", "3")
    assert await suggested(server, ADA, "shelf") == complete("a", "b", "c")
    refused = await Caller(server, user=EVE).error_of(
        "completion/complete",
        {
            "ref": {"type": "ref/prompt", "name": "praise"},
            "argument": {"name": "book", "value": ""},
        },
    )
    assert refused.message == "Unknown reference: praise"


async def test_completion_asks_as_far_as_arguments_are_known() -> None:
    """Our choice: what is not known yet is not asked."""
    server = libraries(not_b)
    assert await suggested(server, ADA, "shelf") == complete("a", "c")
    assert await suggested(server, ADA, "book") == complete("1", "2", "3", "x")
    assert await suggested(server, ADA, "book", shelf="b") == complete()
    server = libraries(both)
    assert await suggested(server, ADA, "book") == complete("1", "2", "3", "x")
    assert await suggested(server, ADA, "book", shelf="b") == complete("1", "2", "3")
    assert await suggested(server, ADA, "book", shelf="a") == complete("2", "3")
    assert await suggested(server, ADA, "shelf", book="1") == complete("b", "c")
    assert await suggested(server, ADA, "shelf", book="x") == complete()


async def test_hidden_suggestions_are_not_counted() -> None:
    """Our choice: a number tells as well."""
    server = libraries(odd, suggested=[str(number) for number in range(1, 200)])
    completion = await suggested(server, ADA, "book")
    assert completion == complete(*(str(number) for number in range(1, 200, 2)))
    server = libraries(odd, suggested=[str(number) for number in range(1, 300)])
    completion = await suggested(server, ADA, "book")
    assert len(completion.pop("values")) == 100
    assert completion == {"hasMore": True}
    server = libraries(odd, suggested=[str(2 * number) for number in range(2000)])
    assert await suggested(server, ADA, "book") == {"values": [], "hasMore": True}


async def test_function_of_everything_is_asked_when_everything_is_known() -> None:
    """Our choice: it takes what the handler takes, with its defaults."""
    seen: list[Any] = []

    def note(context: SyncContext, **values: Any) -> bool:
        seen.append(values)
        return True

    server = libraries(note)
    await suggested(server, ADA, "shelf")
    assert seen == []
    await suggested(server, ADA, "shelf", book="1")
    assert seen[0] == {"shelf": "a", "book": 1}
    assert seen[3] == {"shelf": "a", "book": 1, "tone": "kind"}
