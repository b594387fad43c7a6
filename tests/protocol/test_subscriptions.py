"""What a client that listens for changes is told."""

import pytest
from mcp_types import SubscriptionFilter

from mcp_django.protocol import jsonrpc, modern
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.subscriptions import Subscription

KEY = "io.modelcontextprotocol"
SERVER_INFO: JSONObject = {"name": "shop", "version": "1.0.0"}
ALL = SubscriptionFilter(
    tools_list_changed=True,
    prompts_list_changed=True,
    resources_list_changed=True,
    resource_subscriptions=["shop://orders/7"],
)


def test_acknowledgement_says_what_is_told() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    assert Subscription(7, ALL).acknowledgement == jsonrpc.notification(
        "notifications/subscriptions/acknowledged",
        {
            "_meta": {f"{KEY}/subscriptionId": 7},
            "notifications": {
                "toolsListChanged": True,
                "promptsListChanged": True,
                "resourcesListChanged": True,
                "resourceSubscriptions": ["shop://orders/7"],
            },
        },
    )


def test_acknowledgement_leaves_out_what_is_not_told() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    message = Subscription("a", SubscriptionFilter()).acknowledgement
    assert message.params == {
        "_meta": {f"{KEY}/subscriptionId": "a"},
        "notifications": {},
    }


CHANGES: dict[str, tuple[str, JSONObject]] = {
    "tools": ("notifications/tools/list_changed", {}),
    "prompts": ("notifications/prompts/list_changed", {}),
    "resources": ("notifications/resources/list_changed", {}),
    "a resource": ("notifications/resources/updated", {"uri": "shop://orders/7"}),
}


@pytest.mark.parametrize(("method", "params"), CHANGES.values(), ids=CHANGES)
def test_change_is_told_to_whoever_asked_for_it(
    method: str, params: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications"."""
    told = Subscription(2**60, ALL).notification(method, params)
    assert told == jsonrpc.notification(
        method, {"_meta": {f"{KEY}/subscriptionId": 2**60}, **params}
    )
    assert Subscription(7, SubscriptionFilter()).notification(method, params) is None


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("notifications/resources/updated", {"uri": "shop://orders/8"}),
        ("notifications/elicitation/complete", {"elicitationId": "a"}),
        ("notifications/message", {"level": "info", "data": 1}),
    ],
)
def test_other_changes_are_not_told(method: str, params: JSONObject) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Opening a Stream"."""
    assert Subscription(7, ALL).notification(method, params) is None


def test_end_of_a_subscription_is_a_result() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Graceful Closure"."""
    result = modern.complete(Subscription(7, ALL).result, SERVER_INFO)
    assert result == {
        "resultType": "complete",
        "_meta": {f"{KEY}/subscriptionId": 7, f"{KEY}/serverInfo": SERVER_INFO},
    }
