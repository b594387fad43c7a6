"""Hearing of changes in a session of the legacy era."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from mcp_types import SubscriptionFilter

from mcp_django.exceptions import ErrorReceived, SessionLost, TransportClosed
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.listening import PROMPTS, RESOURCES, TOOLS, UPDATED, Listener, heard
from tests.client.scripted import (
    INITIALIZED,
    LEGACY,
    Refusal,
    Script,
    beside,
    connected,
)
from tests.client.virtual_time import BACKENDS

LISTEN = "subscriptions/listen"
SUBSCRIBED: Script = {"resources/subscribe": {}, "resources/unsubscribe": {}}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: no test of this module waits."""
    return request.param, BACKENDS[request.param]()


async def test_session_tells_of_lists_without_being_asked() -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification"."""
    async with (
        connected(LEGACY) as (client, server),
        client.listen(tools=True, resources=True) as changes,
    ):
        expected = SubscriptionFilter(
            tools_list_changed=True, resources_list_changed=True
        )
        assert changes.honored == expected
        for method in (TOOLS, PROMPTS, RESOURCES, TOOLS):
            await server.notify(method)
        assert await heard(changes) == [TOOLS, RESOURCES]
        # What another era has means nothing here.
        await server.notify(
            "notifications/subscriptions/acknowledged", {"notifications": {}}
        )
        await wait_all_tasks_blocked()
        assert changes.honored == expected
        assert LISTEN not in server.methods


@pytest.mark.parametrize(
    ("offered", "honored"),
    [
        ({}, {}),
        ({"tools": {}, "prompts": {"listChanged": False}}, {}),
        (
            {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
            {"toolsListChanged": True, "resourceSubscriptions": ["a://a"]},
        ),
        ({"resources": {"listChanged": True}}, {"resourcesListChanged": True}),
    ],
)
async def test_session_tells_of_what_its_server_has_declared(
    offered: JSONObject, honored: JSONObject
) -> None:
    """Spec: 2025-11-25 server/resources, "Capabilities"."""
    opened = {**INITIALIZED, "capabilities": offered}
    more: Script = {"initialize": opened, **SUBSCRIBED}
    options = {"tools": True, "prompts": True, "resources": True}
    async with (
        connected(LEGACY, more=more) as (client, server),
        client.listen("a://a", **options) as changes,
    ):
        expected = SubscriptionFilter.model_validate(honored)
        assert changes.honored == expected
        is_subscribed = "resourceSubscriptions" in honored
        assert ("resources/subscribe" in server.methods) is is_subscribed


async def test_session_subscribes_to_resources() -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    async with connected(LEGACY, more=SUBSCRIBED) as (client, server):
        async with client.listen("a://a", "a://b") as changes:
            subscribed = server.params_of("resources/subscribe")
            assert subscribed == [{"uri": "a://a"}, {"uri": "a://b"}]
            for uri in ("a://b", "a://c", "a://a"):
                await server.notify(UPDATED, {"uri": uri})
            assert await heard(changes) == ["a://b", "a://a"]
        unsubscribed = server.params_of("resources/unsubscribe")
        assert unsubscribed == [{"uri": "a://a"}, {"uri": "a://b"}]


async def test_resource_is_subscribed_to_once_however_many_listen() -> None:
    """Our choice: a session has one subscription for each resource."""
    async with connected(LEGACY, more=SUBSCRIBED) as (client, server):
        async with client.listen("a://a") as one:
            async with client.listen("a://a", "a://b") as other:
                await server.notify(UPDATED, {"uri": "a://a"})
                assert await heard(one) == ["a://a"]
                assert await heard(other) == ["a://a"]
            assert server.params_of("resources/unsubscribe") == [{"uri": "a://b"}]
            await server.notify(UPDATED, {"uri": "a://a"})
            assert await heard(one) == ["a://a"]
        subscribed = server.params_of("resources/subscribe")
        assert subscribed == [{"uri": "a://a"}, {"uri": "a://b"}]
        unsubscribed = server.params_of("resources/unsubscribe")
        assert unsubscribed == [{"uri": "a://b"}, {"uri": "a://a"}]


async def test_resource_is_subscribed_to_once_however_its_uri_is_written() -> None:
    """Our choice: a server that knows both would end both with one of them."""
    async with connected(LEGACY, more=SUBSCRIBED) as (client, server):
        async with client.listen("a://%7ea") as one:
            async with client.listen("A://~a") as other:
                await server.notify(UPDATED, {"uri": "a://~a"})
                assert await heard(one) == ["a://%7ea"]
                assert await heard(other) == ["A://~a"]
            assert "resources/unsubscribe" not in server.methods
        assert server.params_of("resources/subscribe") == [{"uri": "a://%7ea"}]
        assert server.params_of("resources/unsubscribe") == [{"uri": "a://%7ea"}]


async def test_nobody_subscribes_while_somebody_unsubscribes() -> None:
    """Our choice: else the last word could be that nobody listens."""
    script: Script = {"resources/subscribe": {}}
    async with connected(LEGACY, more=script) as (client, server):

        async def listen() -> None:
            async with client.listen("a://a"):
                pass

        async with beside(listen) as first:
            leaving = await server.expect("resources/unsubscribe")
            async with beside(listen) as second:
                await wait_all_tasks_blocked()
                assert server.methods.count("resources/subscribe") == 1
                await server.answer(leaving, {})
                await server.answer(await server.expect("resources/unsubscribe"), {})
        first.result()
        second.result()
        assert server.methods[-2:] == ["resources/subscribe", "resources/unsubscribe"]


async def test_refused_resource_leaves_nothing_behind() -> None:
    """Our choice: those before it are given up."""
    script: Script = {
        "resources/subscribe": [{}, Refusal(-32002, "not found")],
        "resources/unsubscribe": {},
    }
    async with connected(LEGACY, more=script) as (client, server):
        with pytest.raises(ErrorReceived, match="not found"):
            async with client.listen("a://a", "a://b"):
                raise AssertionError("it listens")
        assert server.params_of("resources/unsubscribe") == [{"uri": "a://a"}]


@pytest.mark.parametrize("answer", [Refusal(-32601, "no"), None])
async def test_server_that_does_not_let_go_is_left(answer: Refusal | None) -> None:
    """Our choice: neither an error nor silence holds up the end of the block."""
    script: Script = {"resources/subscribe": {}}
    if answer is not None:
        script = {**script, "resources/unsubscribe": answer}
    async with connected(LEGACY, more=script) as (client, server):
        began = anyio.current_time()
        async with client.listen("a://a"):
            pass
        assert anyio.current_time() - began <= 5.1
        assert "resources/unsubscribe" in server.methods


async def test_lost_connection_ends_listening_to_a_session() -> None:
    """Our choice: what changed since then is not known; nothing is opened anew only to
    say that it is over."""
    async with connected(LEGACY, more=SUBSCRIBED) as (client, server):
        listener = Listener(client, "a://a", tools=True)
        async with beside(listener) as call:
            await server.until(lambda: "resources/subscribe" in server.methods)
            await server.notify(TOOLS)
            await server.close()
        assert isinstance(call.error, TransportClosed)
        assert len(listener.heard) == 1
        assert "resources/unsubscribe" not in server.methods


async def test_listening_goes_on_in_the_next_session() -> None:
    """Our choice: although nobody makes a request; all may have changed meanwhile."""
    async with (
        connected(LEGACY, more=SUBSCRIBED) as (client, server),
        client.listen("a://a", "a://b", tools=True) as changes,
    ):
        server.report(SessionLost("the stream has ended"))
        assert sorted(await heard(changes)) == sorted([TOOLS, "a://a", "a://b"])
        assert server.methods.count("initialize") == 2
        assert server.params_of("resources/subscribe")[2:] == [
            {"uri": "a://a"},
            {"uri": "a://b"},
        ]
        await server.notify(UPDATED, {"uri": "a://a"})
        assert await heard(changes) == ["a://a"]
        # And in the one after that.
        server.report(SessionLost("the stream has ended"))
        assert len(await heard(changes)) == 3
        assert server.methods.count("initialize") == 3


async def test_resource_that_is_gone_in_the_next_session_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: the request that opened the session is carried out."""
    script: Script = {
        **SUBSCRIBED,
        "resources/subscribe": [{}, {}, Refusal(-32002, "not found"), {}],
        "acme/x": {},
    }
    async with (
        connected(LEGACY, more=script) as (client, server),
        client.listen("a://a", "a://b") as changes,
    ):
        server.report(SessionLost("the stream has ended"))
        assert await client.request("acme/x") == {}
        assert await heard(changes) == ["a://a", "a://b"]
    assert caplog.messages == [
        "the stream has ended",
        "cannot subscribe to 'a://a' again, as the server refuses it: not found "
        "(-32002)",
    ]


async def test_session_that_cannot_be_opened_ends_listening() -> None:
    """Our choice: whoever listens learns why there will be no more."""
    answers: list[Any] = [INITIALIZED, Refusal(-32603, "closed for ever")]
    async with connected(LEGACY, more={"initialize": answers}) as (client, server):
        async with beside(Listener(client, tools=True)) as call:
            await wait_all_tasks_blocked()
            server.report(SessionLost("the stream has ended"))
        assert isinstance(call.error, ErrorReceived)
        assert call.error.message == "closed for ever"
