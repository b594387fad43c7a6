"""Features that an operator has switched off, and what clients see of it."""

from __future__ import annotations

from collections.abc import Iterator

import mcp_types as types
import pytest
from mcp.client.subscriptions import listen

from mcp_django import Server, SyncContext
from mcp_django.server.switched_off import SwitchedFeature, switched_off
from mcp_django.switches.notices import tell_clients
from tests.interaction.client import LATEST_LEGACY, Client, error_of
from tests.interaction.conftest import Connect
from tests.interaction.ways import only

OFF = "is switched off by the operator of this server; try again later"
TEMPLATE = "shop://orders/{number}"

shop = Server("shop")
"""A server of which some is switched off."""


@shop.tool
def refund(order: int) -> str:
    """Pay back."""
    return f"paid {order} back"


@shop.tool
def count() -> str:
    """Count orders."""
    return "three"


@shop.tool(permission=lambda context: False)
def hidden() -> str:
    """Do what no user may."""
    return "done"


@shop.resource("shop://stock")
def stock(context: SyncContext) -> str:
    """What is there."""
    return "plenty"


@shop.resource(TEMPLATE)
def order(number: int) -> str:
    """An order."""
    return str(number)


@shop.prompt
def greet(name: str) -> str:
    """Greet a customer."""
    return f"Greet {name}."


@shop.completion(greet, "name")
def names(value: str) -> list[str]:
    """Suggest customers."""
    return ["Ann"]


def switch(*features: SwitchedFeature) -> None:
    """Let these be off from now on, and no others."""
    before = switched_off.features
    switched_off.set(features)
    tell_clients(before ^ switched_off.features)


@pytest.fixture(autouse=True)
def no_table() -> Iterator[None]:
    """Let nothing but the test say what is off."""
    learn, switched_off.learn = switched_off.learn, None
    yield
    switched_off.set(())
    switched_off.learn = learn


ALL = [
    SwitchedFeature("tool", "refund"),
    SwitchedFeature("tool", "hidden"),
    SwitchedFeature("resource", "shop://stock", "shop"),
    SwitchedFeature("resource", TEMPLATE),
    SwitchedFeature("prompt", "greet"),
]


async def test_what_is_off_is_neither_listed_nor_answered(connect: Connect) -> None:
    """We promise it: over each binding, and from one moment to the next."""
    async with connect(server=shop) as client:
        assert await client.call_for_text("refund", order=1) == "paid 1 back"
        switch(*ALL)
        assert await listed(client) == ["count"]
        assert await client.call_for_error("refund", order=1) == f"tool 'refund' {OFF}"
        assert await client.call_for_text("count") == "three"
        for uri in ("shop://stock", "shop://orders/7"):
            assert await error_of(client.session.read_resource(uri)) == types.ErrorData(
                code=-32602 if client.is_modern else -32002,
                message=f"Resource not found: it {OFF}",
                data={"uri": uri},
            )
        refused = await error_of(client.session.get_prompt("greet", {"name": "Ann"}))
        assert (refused.code, refused.message) == (-32602, f"prompt 'greet' {OFF}")
        switch()
        assert await client.call_for_text("refund", order=1) == "paid 1 back"
        assert len(await listed(client)) == 5


@only(loop="asyncio")
async def test_page_goes_on_after_a_feature_that_was_switched_off(
    connect: Connect,
) -> None:
    """We chose it: it is the next page, whatever happened to the one before."""
    server = Server("full", page_size=2)
    for name in "bdfh":
        server.tool(name=name)(lambda: "")
    async with connect(server=server) as client:
        first = await client.session.list_tools()
        switch(SwitchedFeature("tool", "d"), SwitchedFeature("tool", "f"))
        rest = await client.session.list_tools(
            params=types.PaginatedRequestParams(cursor=first.next_cursor)
        )
        assert [tool.name for tool in rest.tools] == ["h"]
        assert rest.next_cursor is None


async def listed(client: Client) -> list[str]:
    """Name all that the client sees."""
    session = client.session
    return [
        *(tool.name for tool in (await session.list_tools()).tools),
        *(each.uri for each in (await session.list_resources()).resources),
        *(
            each.uri_template
            for each in (await session.list_resource_templates()).resource_templates
        ),
        *(prompt.name for prompt in (await session.list_prompts()).prompts),
    ]


@only(since=LATEST_LEGACY, loop="asyncio")
async def test_what_is_off_completes_nothing(connect: Connect) -> None:
    """We promise it."""
    async with connect(server=shop) as client:
        reference = types.PromptReference(name="greet")
        argument = {"name": "name", "value": ""}
        found = await client.session.complete(reference, argument)
        assert found.completion.values == ["Ann"]
        switch(*ALL)
        refused = await error_of(client.session.complete(reference, argument))
        assert (refused.code, refused.message) == (-32602, f"prompt 'greet' {OFF}")


@only(version=LATEST_LEGACY, loop="asyncio")
async def test_user_who_may_not_use_it_does_not_learn_that_it_is_off(
    connect: Connect,
) -> None:
    """We promise it: what is hidden stays so."""
    async with connect(server=shop) as client:
        switch(*ALL)
        refused = await error_of(client.session.call_tool("hidden", {}))
        assert refused.message == "Unknown tool: hidden"


@only(version=LATEST_LEGACY, loop="asyncio")
async def test_feature_of_another_server_stays_on(connect: Connect) -> None:
    """We promise it: a name is only that of one server, if it is given."""
    async with connect(server=shop) as client:
        switch(
            SwitchedFeature("tool", "refund", "bakery"),
            SwitchedFeature("prompt", "count"),
        )
        assert await client.call_for_text("refund", order=1) == "paid 1 back"
        assert await client.call_for_text("count") == "three"


@only(loop="asyncio")
async def test_clients_are_told_that_lists_changed(connect: Connect) -> None:
    """We promise it: of those lists alone, and of what they missed."""
    async with (
        connect(server=shop) as client,
        client.listening("shop://stock", "shop://orders/7"),
    ):
        switch(SwitchedFeature("tool", "refund"), SwitchedFeature("tool", "elsewhere"))
        await client.hear(types.ToolListChangedNotification)
        switch(SwitchedFeature("resource", "shop://stock"))
        heard = {type(await client.hear(types.Notification)) for _ in range(2)}
        assert heard == {
            types.ToolListChangedNotification,
            types.ResourceListChangedNotification,
        }
        # Of what is off nothing is told; notices keep their order.
        shop.resource_updated("shop://stock")
        shop.resource_updated("shop://orders/7")
        update = await client.hear(types.ResourceUpdatedNotification)
        assert update.params.uri == "shop://orders/7"
        switch()
        await client.hear(types.ResourceListChangedNotification)
        update = await client.hear(types.ResourceUpdatedNotification)
        assert update.params.uri == "shop://stock"


@only(since=LATEST_LEGACY, loop="asyncio")
async def test_what_is_off_cannot_be_subscribed_to(connect: Connect) -> None:
    """We promise it."""
    async with connect(server=shop) as client:
        switch(*ALL)
        if client.is_modern:
            uris = ["shop://stock", "shop://orders/7"]
            async with listen(client.session, resource_subscriptions=uris) as heard:
                assert not heard.honored.resource_subscriptions
        else:
            refused = await error_of(client.subscribe("shop://stock"))
            assert refused.message == f"Resource not found: it {OFF}"
