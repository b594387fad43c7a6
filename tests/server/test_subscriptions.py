"""Listening for changes: what a client is promised to be told."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from mcp_types import SubscriptionFilter
from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django import ErrorAnswer, Server, SyncContext
from mcp_django.conf import MCPSettings
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.subscriptions import Subscription
from mcp_django.protocol.uris import MAX_CHARACTERS
from mcp_django.server.notices import Notice
from mcp_django.server.subscriptions import (
    check_uri,
    subscribe,
)
from tests.server.calls import MODERN, Caller

EVERY_LIST: JSONObject = {
    "toolsListChanged": True,
    "promptsListChanged": True,
    "resourcesListChanged": True,
}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def is_staff(context: SyncContext) -> bool:
    return bool(getattr(context.user, "is_staff", False))


@pytest.fixture
def server() -> Server:
    """A server with something of every kind."""
    server = Server("shop")
    server.tool(name="ship")(lambda: None)
    server.prompt(name="greet")(lambda: "Hello")
    server.resource("shop://terms", name="terms")(lambda: "None.")
    server.resource("shop://secret", name="secret", permission=is_staff)(lambda: "x")

    @server.resource("shop://orders/{id}")
    def order(id: int) -> str:
        return str(id)

    return server


async def listen(server: Server, notifications: JSON, user: Any = None) -> Subscription:
    caller = Caller(server, version=MODERN, user=user)
    params = {"notifications": notifications}
    return await subscribe(server, caller.request("subscriptions/listen", params))


def honored(subscription: Subscription) -> JSONObject:
    """Give what a client is told that it will be told."""
    params = subscription.acknowledgement.params or {}
    notifications: JSONObject = params["notifications"]
    return notifications


async def test_client_is_told_what_it_asks_for(server: Server) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    asked = {**EVERY_LIST, "resourceSubscriptions": ["shop://terms", "shop://orders/7"]}
    subscription = await listen(server, asked)
    assert (subscription.id, honored(subscription)) == (7, asked)


@pytest.mark.parametrize("name", EVERY_LIST)
async def test_client_is_told_of_the_lists_that_it_names(
    server: Server, name: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Opening a Stream"."""
    subscription = await listen(server, {name: True})
    assert honored(subscription) == {name: True}
    assert honored(await listen(server, {name: False})) == {}


async def test_lists_that_are_not_there_are_left_out() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    assert honored(await listen(Server("empty"), EVERY_LIST)) == {}


@pytest.mark.parametrize(
    "asked",
    [{}, {"resourceSubscriptions": []}, {"resourceSubscriptions": None}, {"others": 1}],
)
async def test_client_may_ask_for_nothing(server: Server, asked: JSONObject) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Notification Filter": all is
    optional."""
    assert honored(await listen(server, asked)) == {}


async def test_resources_that_the_user_may_not_read_are_left_out(
    server: Server,
) -> None:
    """Our choice: what changes when is information, too."""
    uris = ["shop://secret", "shop://nothing", "shop://terms"]
    asked = {"resourceSubscriptions": uris}
    assert honored(await listen(server, asked)) == {
        "resourceSubscriptions": ["shop://terms"]
    }
    assert honored(await listen(server, asked, user=User(pk=1, is_staff=True))) == {
        "resourceSubscriptions": ["shop://secret", "shop://terms"]
    }


async def test_resource_that_is_named_twice_is_told_once(server: Server) -> None:
    """Our choice: a set in all but form."""
    asked = {"resourceSubscriptions": ["shop://terms", "shop://terms"]}
    assert honored(await listen(server, asked)) == {
        "resourceSubscriptions": ["shop://terms"]
    }


@pytest.mark.parametrize(
    ("notice", "is_told"),
    [
        (Notice("tools"), True),
        (Notice("prompts"), False),
        (Notice("resources"), False),
        (Notice("resource", "shop://orders/7"), True),
        (Notice("resource", "shop://orders/8"), False),
        (Notice("elicitation", "a"), False),
    ],
)
async def test_notices_of_the_server_are_told_as_agreed(
    server: Server, notice: Notice, is_told: bool
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications";
    changelog, "Minor changes", 11: visits to URLs have no notice any more."""
    asked = {"toolsListChanged": True, "resourceSubscriptions": ["shop://orders/7"]}
    subscription = await listen(server, asked)
    told = subscription.notification(notice.method, notice.params)
    assert (told is not None) is is_told
    if told is not None:
        assert told == jsonrpc.notification(
            notice.method,
            {"_meta": {"io.modelcontextprotocol/subscriptionId": 7}, **notice.params},
        )


MALFORMED: dict[str, tuple[JSONObject, str]] = {
    "no filter": ({}, "invalid params: notifications: Field required"),
    "a filter that is a list": (
        {"notifications": []},
        "invalid params: notifications: Input should be a valid dictionary or instance "
        "of SubscriptionFilter",
    ),
    "a wish that is text": (
        {"notifications": {"toolsListChanged": "perhaps"}},
        "invalid params: notifications.toolsListChanged: Input should be a valid "
        "boolean, unable to interpret input",
    ),
    "a URI that is a number": (
        {"notifications": {"resourceSubscriptions": [7]}},
        "invalid params: notifications.resourceSubscriptions.0: Input should be a "
        "valid string",
    ),
    "too many URIs": (
        {"notifications": {"resourceSubscriptions": [str(n) for n in range(1001)]}},
        "1001 resource subscriptions; at most 1000 are allowed",
    ),
    "a URI that is too long": (
        {"notifications": {"resourceSubscriptions": ["x" * 8001]}},
        "the URI is 8001 characters long; 8000 are allowed",
    ),
}


@pytest.mark.parametrize(("params", "reason"), MALFORMED.values(), ids=MALFORMED)
async def test_request_that_is_malformed_or_asks_for_too_much_is_refused(
    server: Server, params: JSONObject, reason: str
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1, code -32602. The limits are our choice."""
    request = Caller(server, version=MODERN).request("subscriptions/listen", params)
    with pytest.raises(ErrorAnswer) as caught:
        await subscribe(server, request)
    assert (caught.value.code, caught.value.message) == (INVALID_PARAMS, reason)


async def test_as_much_as_is_allowed_is_taken(server: Server) -> None:
    """Our choice: the limits are those that the error names."""
    most = MCPSettings.MAX_SUBSCRIPTIONS
    uris = [f"shop://orders/{number}" for number in range(most)]
    subscription = await listen(server, {"resourceSubscriptions": uris})
    assert honored(subscription) == {"resourceSubscriptions": uris}
    check_uri("x" * MAX_CHARACTERS)


async def test_permission_that_asks_the_client_means_no(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""

    def asks(context: SyncContext) -> bool:
        return context.list_roots() != []

    server.resource("shop://roots", name="roots", permission=asks)(lambda: "x")
    asked = {"resourceSubscriptions": ["shop://roots", "shop://terms"]}
    assert honored(await listen(server, asked)) == {
        "resourceSubscriptions": ["shop://terms"]
    }
    [record] = caplog.records
    assert record.getMessage().endswith(
        ".asks asks the client, which subscriptions/listen cannot; that means no: "
        "have it return True or False"
    )


def test_wire_names_of_the_filter_are_those_of_these_tests() -> None:
    """Spec: 2026-07-28 schema.ts, `SubscriptionFilter`."""
    names = {field.alias for field in SubscriptionFilter.model_fields.values()}
    assert names == {*EVERY_LIST, "resourceSubscriptions"}
