"""Hearing of changes, as each era has it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from mcp_types import (
    PromptListChangedNotification,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
    SubscriptionFilter,
    ToolListChangedNotification,
)
from mcp_types.jsonrpc import RequestId

from mcp_django.exceptions import (
    ErrorReceived,
    RemoteProtocolError,
    RequestTimeout,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.listening import (
    PROMPTS,
    RESOURCES,
    TOOLS,
    UPDATED,
    Listener,
    heard,
    name_of,
)
from tests.client.scripted import (
    LEGACY,
    MODERN,
    SUBSCRIPTION_ID,
    Refusal,
    Script,
    ScriptedServer,
    beside,
    connected,
)
from tests.client.virtual_time import BACKENDS

LISTEN = "subscriptions/listen"


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: no test of this module waits."""
    return request.param, BACKENDS[request.param]()


async def acknowledge(
    server: ScriptedServer, honored: JSONObject | None = None
) -> RequestId:
    """Take a subscription of the modern era, and give its id."""
    request = await server.expect(LISTEN)
    asked = (request.params or {})["notifications"]
    params: JSONObject = {"notifications": asked if honored is None else honored}
    await tell(server, request.id, "notifications/subscriptions/acknowledged", **params)
    return request.id


async def tell(
    server: ScriptedServer, id: RequestId, method: str, **params: JSON
) -> None:
    """Notify of something on a subscription of the modern era."""
    await server.notify(method, {"_meta": {SUBSCRIPTION_ID: id}, **params})


async def test_changes_are_heard_in_their_order() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Opening a Stream"."""
    async with connected() as (client, server):
        listener = Listener(client, "a://a", tools=True, prompts=True, resources=True)
        async with beside(listener) as call:
            id = await acknowledge(server)
            await tell(server, id, UPDATED, uri="a://a")
            await tell(server, id, TOOLS)
            await tell(server, id, RESOURCES)
            await tell(server, id, PROMPTS)
            await server.send(jsonrpc.result(id, {"resultType": "complete"}))
            listener.may_leave.set()
        call.result()
        [params] = server.params_of(LISTEN)
        assert params is not None
        assert params["notifications"] == {
            "toolsListChanged": True,
            "promptsListChanged": True,
            "resourcesListChanged": True,
            "resourceSubscriptions": ["a://a"],
        }
    assert [type(change) for change in listener.heard] == [
        ResourceUpdatedNotification,
        ToolListChangedNotification,
        ResourceListChangedNotification,
        PromptListChangedNotification,
    ]
    assert name_of(listener.heard[0]) == "a://a"


async def test_server_says_what_it_agrees_to_tell_of() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    async with connected() as (client, server):

        async def listen() -> SubscriptionFilter:
            async with client.listen("a://a", tools=True) as changes:
                return changes.honored

        async with beside(listen) as call:
            await acknowledge(server, {"toolsListChanged": True})
        assert call.result() == SubscriptionFilter(tools_list_changed=True)


async def test_leaving_the_block_ends_the_subscription() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Cancellation"."""
    async with connected() as (client, server):

        async def listen() -> None:
            async with client.listen(tools=True):
                pass

        async with beside(listen) as call:
            id = await acknowledge(server)
            cancelled = await server.expect_notified("notifications/cancelled")
            assert cancelled == {"requestId": id}
        call.result()


async def test_change_that_nobody_looked_at_is_told_once() -> None:
    """Our choice: a slow listener holds little; what it hears of last is new."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as acknowledged,
        client.listen("a://a", "a://b", tools=True) as changes,
    ):
        id = acknowledged.result()
        for _ in range(3):
            await tell(server, id, TOOLS)
            await tell(server, id, UPDATED, uri="a://a")
            await tell(server, id, UPDATED, uri="a://b")
        assert await heard(changes) == [TOOLS, "a://a", "a://b"]
        await tell(server, id, UPDATED, uri="a://a")
        assert await heard(changes) == ["a://a"]
        assert await heard(changes) == []


async def test_parts_of_a_resource_belong_to_it() -> None:
    """Spec: 2026-07-28 schema.ts, `ResourceUpdatedNotificationParams`: "a sub-resource
    of the one that the client actually subscribed to"."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as acknowledged,
        client.listen("a://a", "a://b/") as changes,
    ):
        id = acknowledged.result()
        for uri in ("a://a/1", "a://ab", "a://b/2", "a://b/", "a://c", "a://"):
            await tell(server, id, UPDATED, uri=uri)
        assert await heard(changes) == ["a://a/1", "a://b/2", "a://b/"]
        # Thousands of them: that something in it has changed has to do.
        for number in range(1002):
            await tell(server, id, UPDATED, uri=f"a://a/{number}")
        expected = [*(f"a://a/{number}" for number in range(1000)), "a://a"]
        assert await heard(changes) == expected


async def test_change_is_told_under_the_uri_that_was_asked_for() -> None:
    """Our choice: servers may write it in another way, RFC 3986, section 6.2.2."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as acknowledged,
        client.listen("a://ü", "A://x", "https://h", "a://Y") as changes,
    ):
        id = acknowledged.result()
        for uri in ("a://%C3%BC", "a://x", "https://h/", "a://X", "a://y", "a://x/%7e"):
            await tell(server, id, UPDATED, uri=uri)
        assert await heard(changes) == ["a://ü", "A://x", "https://h", "a://x/%7e"]


async def test_what_was_not_asked_for_is_not_heard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions: servers must not send it."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as acknowledged,
        client.listen("a://a", prompts=True) as changes,
    ):
        id = acknowledged.result()
        await tell(server, id, TOOLS)
        await tell(server, id, RESOURCES)
        await tell(server, id, UPDATED, uri="a://b")
        await tell(server, id, "acme/news")
        await tell(server, 999, PROMPTS)
        await server.notify(PROMPTS)
        assert await heard(changes) == []
        assert caplog.messages == []
        await tell(server, id, UPDATED, uri={"a": 1})
        await tell(server, id, PROMPTS, uri=[])
        assert await heard(changes) == [PROMPTS]
    assert caplog.messages == [
        "notifications/resources/updated is not heard, by fault of the server: "
        "invalid params: params.uri: "
        "Input should be a valid string"
    ]


async def test_several_listen_each_to_its_own() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Multiple Concurrent
    Subscriptions"."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as first,
        client.listen(tools=True) as one,
        beside(lambda: acknowledge(server)) as second,
        client.listen(tools=True) as other,
    ):
        assert first.result() != second.result()
        await tell(server, second.result(), TOOLS)
        assert await heard(one) == []
        assert await heard(other) == [TOOLS]
        await server.send(jsonrpc.result(first.result(), {}))
        assert [change async for change in one] == []
        await tell(server, second.result(), TOOLS)
        assert await heard(other) == [TOOLS]


async def test_several_may_wait_for_the_same_changes() -> None:
    """Our choice: each change goes to one of them, and the end to all."""
    async with (
        connected() as (client, server),
        beside(lambda: acknowledge(server)) as acknowledged,
        client.listen("a://a", "a://b") as changes,
    ):
        found: list[str] = []

        async def look() -> None:
            async for change in changes:
                found.append(name_of(change))

        async with beside(look), beside(look):
            await wait_all_tasks_blocked()
            await tell(server, acknowledged.result(), UPDATED, uri="a://a")
            await tell(server, acknowledged.result(), UPDATED, uri="a://b")
            await wait_all_tasks_blocked()
            await server.send(jsonrpc.result(acknowledged.result(), {}))
        assert sorted(found) == ["a://a", "a://b"]


@pytest.mark.parametrize("by", ["result", "cancelled"])
async def test_server_may_end_the_subscription(by: str) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Graceful Closure"; what was
    heard before is still given."""
    async with connected() as (client, server):
        listener = Listener(client, tools=True)
        async with beside(listener) as call:
            id = await acknowledge(server)
            await tell(server, id, TOOLS)
            if by == "result":
                await server.send(jsonrpc.result(id, {"resultType": "complete"}))
            else:
                await server.notify("notifications/cancelled", {"requestId": id})
            await wait_all_tasks_blocked()
            assert [name_of(change) for change in listener.heard] == [TOOLS]
            listener.may_leave.set()
        call.result()
        assert "notifications/cancelled" not in server.methods


async def test_error_ends_the_subscription_with_that_error() -> None:
    """Our choice: whoever listens learns that there will be no more, and why."""
    async with connected() as (client, server):
        async with beside(Listener(client, tools=True)) as call:
            id = await acknowledge(server)
            await server.send(jsonrpc.error(id, -32603, "overload"))
        assert isinstance(call.error, ErrorReceived)
        assert call.error.message == "overload"


async def test_refused_subscription_raises_before_the_block() -> None:
    """Our choice: nobody believes that they listen."""
    async with connected(more={LISTEN: Refusal(-32601, "no")}) as (client, _):
        with pytest.raises(ErrorReceived) as caught:
            async with client.listen(tools=True):
                raise AssertionError("it listens")
        assert caught.value.code == -32601


async def test_subscription_that_is_not_acknowledged_times_out() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    async with connected(timeout=20.0) as (client, server):
        with pytest.raises(RequestTimeout) as caught:
            async with client.listen(tools=True):
                raise AssertionError("it listens")
        assert str(caught.value) == (
            "the server did not acknowledge 'subscriptions/listen' within 20 seconds"
        )
        request = await server.expect(LISTEN)
        cancelled = await server.expect_notified("notifications/cancelled")
        assert cancelled == {"requestId": request.id}


async def test_malformed_acknowledgment_is_the_fault_of_the_server() -> None:
    """Our choice: at once, not after the timeout."""
    async with connected() as (client, server):
        async with beside(Listener(client, tools=True)) as call:
            request = await server.expect(LISTEN)
            acknowledged = "notifications/subscriptions/acknowledged"
            await tell(server, request.id, acknowledged, notifications=7)
        assert isinstance(call.error, RemoteProtocolError)
        assert str(call.error).startswith(f"{acknowledged}: invalid params: ")


async def test_answer_without_acknowledgment_is_the_end() -> None:
    """Our choice: there is nothing to hear."""
    async with (
        connected(more={LISTEN: {}}) as (client, _),
        client.listen(tools=True) as changes,
    ):
        assert [change async for change in changes] == []


async def test_lost_connection_ends_the_subscription_with_an_error() -> None:
    """Our choice: what changed since then is not known."""
    async with connected() as (client, server):
        listener = Listener(client, tools=True)
        async with beside(listener) as call:
            id = await acknowledge(server)
            await tell(server, id, TOOLS)
            await server.close()
        assert isinstance(call.error, TransportClosed)
        assert len(listener.heard) == 1


@pytest.mark.parametrize("script", [MODERN, LEGACY])
async def test_end_of_the_client_ends_the_subscription(script: Script) -> None:
    """Our choice: nothing waits for a client that is closed."""
    async with anyio.create_task_group() as tasks:
        errors: list[Exception] = []
        async with connected(script) as (client, server):

            async def listen() -> None:
                try:
                    await Listener(client, tools=True)()
                except TransportClosed as error:
                    errors.append(error)

            tasks.start_soon(listen)
            if script is MODERN:
                await acknowledge(server)
            await wait_all_tasks_blocked()
    assert len(errors) == 1


async def test_exception_of_the_block_ends_the_subscription() -> None:
    """Our choice: it comes out as it is."""
    error = KeyError("oops")
    async with connected() as (client, server):

        async def listen() -> None:
            async with client.listen(tools=True):
                raise error

        async with beside(listen) as call:
            id = await acknowledge(server)
            cancelled = await server.expect_notified("notifications/cancelled")
            assert cancelled == {"requestId": id}
        assert call.error is error
