"""Streams of change notices over Streamable HTTP, in both eras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.lowlevel
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django import ResourceNotFound, Server
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Connection, Response, make_scope, site_of
from tests.consumers.credentials import token_of
from tests.consumers.shop import server
from tests.consumers.streamable import (
    EVERYTHING,
    JSON_ONLY,
    STREAM_ONLY,
    begin_modern,
    call_of,
    finish,
    open_modern,
    open_session,
    post_modern,
    read_message,
    shop,
    standalone,
    tick,
)
from tests.patience import PATIENCE_SECONDS

open_to_all = pytest.mark.usefixtures("without_authentication")
KEEP_ALIVE = b": keep-alive\r\n\r\n"
TOOLS_CHANGED = "notifications/tools/list_changed"
PROMPTS_CHANGED = "notifications/prompts/list_changed"
RESOURCES_CHANGED = "notifications/resources/list_changed"
RETRY = b"retry: 5000\r\n\r\n"
UPDATED = "notifications/resources/updated"


def notification(method: str, **params: Any) -> JSONObject:
    """Make a notice as a legacy client gets it."""
    message: JSONObject = {"jsonrpc": "2.0", "method": method}
    return message | {"params": params} if params else message


# 2026-07-28 -------------------------------------------------------------------------


def listen_to(*, id: Any = 1, **wishes: Any) -> JSONObject:
    """Make a request to listen."""
    return {
        "jsonrpc": "2.0",
        "id": id,
        "method": "subscriptions/listen",
        "params": {"notifications": wishes},
    }


def meta_of(id: Any) -> JSONObject:
    """Give the `_meta` of every message of a subscription."""
    return {"io.modelcontextprotocol/subscriptionId": id}


@asynccontextmanager
async def listening(message: JSONObject, **options: Any) -> AsyncIterator[Connection]:
    """Listen, and check that the first message acknowledges it."""
    stream = await open_modern(message, **options)
    try:
        assert stream.status == 200
        acknowledgement = await read_message(stream)
        assert acknowledgement["method"] == "notifications/subscriptions/acknowledged"
        yield stream
    finally:
        await stream.close()


@open_to_all
async def test_acknowledgement_comes_first_and_says_what_is_honored() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    message = listen_to(
        toolsListChanged=True,
        promptsListChanged=False,
        resourceSubscriptions=["shop://stock", "shop://lost", "shop://orders/1"],
    )
    stream = await open_modern(message)
    acknowledgement = await read_message(stream)
    await stream.close()

    assert stream.response.header("content-type") == STREAM_ONLY + "; charset=utf-8"
    assert acknowledgement == {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {
            "_meta": meta_of(1),
            "notifications": {
                "toolsListChanged": True,
                "resourceSubscriptions": ["shop://stock"],
            },
        },
    }


@open_to_all
async def test_list_that_the_server_does_not_have_is_not_honored() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Acknowledgment"."""
    message = listen_to(toolsListChanged=True, promptsListChanged=True)
    stream = await open_modern(message, application=site_of(Server("bare")))
    acknowledgement = await read_message(stream)
    await stream.close()

    assert acknowledgement["params"]["notifications"] == {}


@open_to_all
@pytest.mark.parametrize("id", [7, 2**60, "7", "listen"])
async def test_subscription_id_is_that_of_the_request_with_its_type(id: Any) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications"."""
    async with listening(listen_to(toolsListChanged=True, id=id)) as stream:
        server.tools_changed()
        message = await read_message(stream)

    assert message == notification(TOOLS_CHANGED, _meta=meta_of(id))
    given = message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
    assert type(given) is type(id)


@open_to_all
async def test_nothing_is_told_that_was_not_asked_for() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Opening a Stream"."""
    wishes = listen_to(promptsListChanged=True, resourceSubscriptions=["shop://stock"])
    async with listening(wishes) as stream:
        server.tools_changed()
        server.resources_changed()
        server.resource_updated("shop://other")
        server.elicitation_done("pay-1")
        server.resource_updated("shop://stock")
        server.prompts_changed()
        told = [await read_message(stream) for _ in range(2)]

    assert told == [
        notification(UPDATED, _meta=meta_of(1), uri="shop://stock"),
        notification(PROMPTS_CHANGED, _meta=meta_of(1)),
    ]


@open_to_all
async def test_change_made_by_a_tool_is_told() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Receiving Notifications"."""
    async with listening(listen_to(toolsListChanged=True)) as stream:
        assert (await post_modern(call_of("change_tools"))).status == 200

        assert (await read_message(stream))["method"] == TOOLS_CHANGED


@open_to_all
async def test_clients_of_another_server_are_not_told() -> None:
    """Chosen: each server has changes of its own."""
    other = Server("other")

    @other.tool
    def nothing() -> None:
        """Do nothing."""

    message = listen_to(toolsListChanged=True)
    async with (
        listening(message, application=site_of(other)) as other_stream,
        listening(message) as stream,
    ):
        server.tools_changed()
        await read_message(stream)
        other.tools_changed()
        await read_message(other_stream)

    assert other_stream.response.body.count(TOOLS_CHANGED.encode()) == 1


@open_to_all
async def test_several_subscriptions_may_be_open() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Multiple Concurrent
    Subscriptions"."""
    async with (
        listening(listen_to(id=1, toolsListChanged=True)) as one,
        listening(listen_to(id=1, toolsListChanged=True)) as two,
        listening(listen_to(id=2, toolsListChanged=True)) as three,
    ):
        server.tools_changed()
        told = [await read_message(stream) for stream in (one, two, three)]

    assert [message["params"]["_meta"] for message in told] == [
        meta_of(1),
        meta_of(1),
        meta_of(2),
    ]


async def test_only_resources_that_the_user_may_read_are_honored(ada: User) -> None:
    """Chosen: what is not allowed looks as if it were not there."""
    headers = await token_of(ada)
    message = listen_to(resourceSubscriptions=["shop://orders/1", "shop://stock"])
    honored = []
    for is_staff in (False, True):
        ada.is_staff = is_staff
        await authentication_threads.run(ada.save)
        stream = await open_modern(message, headers=headers)
        acknowledgement = await read_message(stream)
        honored.append(acknowledgement["params"]["notifications"])
        await stream.close()

    assert honored == [
        {"resourceSubscriptions": ["shop://stock"]},
        {"resourceSubscriptions": ["shop://orders/1", "shop://stock"]},
    ]


@open_to_all
async def test_subscription_ends_with_its_stream() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Cancellation"."""
    worker = current_worker()
    async with listening(listen_to(toolsListChanged=True)):
        assert (len(worker.listeners), len(worker.connections)) == (1, 1)

    assert (len(worker.listeners), len(worker.connections)) == (0, 0)
    server.tools_changed()


@open_to_all
async def test_end_of_the_worker_is_the_result_of_the_request() -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions, "Graceful Closure"."""
    stream = await open_modern(listen_to(toolsListChanged=True, id="last"))
    await read_message(stream)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_worker().close_all)
        result = await read_message(stream)
        await finish(stream)

    assert result == {
        "jsonrpc": "2.0",
        "id": "last",
        "result": {
            "resultType": "complete",
            "_meta": {
                **meta_of("last"),
                "io.modelcontextprotocol/serverInfo": {
                    "name": "shop",
                    "version": "3.2.1",
                },
            },
        },
    }


REFUSED: dict[str, tuple[Any, int, int]] = {
    "no notifications": ({}, 400, -32602),
    "notifications are 7": ({"notifications": 7}, 400, -32602),
    "a wish is no boolean": (
        {"notifications": {"toolsListChanged": "much"}},
        400,
        -32602,
    ),
    "too many URIs": (
        {"notifications": {"resourceSubscriptions": [f"a:{n}" for n in range(1001)]}},
        400,
        -32602,
    ),
    "a URI too long": (
        {"notifications": {"resourceSubscriptions": ["a:" + "b" * 8000]}},
        400,
        -32602,
    ),
}


@open_to_all
@pytest.mark.parametrize(
    ("params", "status", "code"), REFUSED.values(), ids=REFUSED.keys()
)
async def test_malformed_request_to_listen_is_refused(
    params: Any, status: int, code: int
) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; the bounds are chosen."""
    response = await post_modern(listen_to() | {"params": params})

    answer = response.json()
    assert (response.status, answer["id"]) == (status, 1)
    assert answer["error"]["code"] == code


@open_to_all
async def test_client_that_reads_no_stream_cannot_listen() -> None:
    """Spec: RFC 9110, 15.5.7."""
    response = await post_modern(listen_to(), headers={"accept": JSON_ONLY})

    assert response.error() == (
        406,
        -32600,
        "subscriptions/listen answers with text/event-stream",
    )


# Limits and upkeep, of both eras ----------------------------------------------------


async def slow_shop(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve the shop to a client that takes its time."""

    async def send_slowly(event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        await send(event)

    await shop(scope, receive, send_slowly)


async def test_one_stream_too_many_of_a_user_is_refused(
    ada: User, settings: Settings
) -> None:
    """Chosen: MCP["MAX_STREAMS_PER_USER"]; 429 in RFC 6585, section 4."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2}
    headers = await token_of(ada)
    session = await open_session(headers=headers)
    async with (
        listening(listen_to(), headers=headers),
        standalone(session),
    ):
        one_more = await post_modern(listen_to(), headers=headers)
        another = await finish(await session.get())
    async with listening(listen_to(), headers=headers):
        pass

    for refused in (one_more, another):
        assert refused.error() == (
            429,
            -32600,
            "2 streams of this user are open; close one",
        )
        assert refused.header("retry-after") == "10"


async def test_streams_opened_at_the_same_time_are_counted_as_well(
    ada: User, settings: Settings
) -> None:
    """Chosen: the limit holds however the server schedules the exchanges."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2}
    headers = await token_of(ada)
    streams = [
        begin_modern(listen_to(), headers=headers, application=slow_shop)
        for _ in range(5)
    ]
    for stream in streams:
        await stream.wait_for_start()
    for stream in streams:
        await stream.close()

    statuses = sorted(stream.status for stream in streams)
    assert statuses == [200, 200, 429, 429, 429]
    assert len(current_worker().connections) == 0


async def test_silent_streams_are_kept_alive(settings: Settings) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, on comments."""
    settings.MCP = {"AUTHENTICATION": [], "KEEP_ALIVE_SECONDS": 1e-9}
    session = await open_session()
    async with listening(listen_to()) as one, standalone(session) as other:
        await tick()
        assert await one.read_chunk() == KEEP_ALIVE
        assert await other.read_chunk() == KEEP_ALIVE


@open_to_all
async def test_streams_that_were_just_written_to_are_left_alone() -> None:
    """Chosen: MCP["KEEP_ALIVE_SECONDS"]."""
    async with listening(listen_to()) as stream:
        before = stream.response.body
        await tick()

    assert stream.response.body == before


# Versions with sessions -------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_standalone_stream_begins_with_a_comment(version: str) -> None:
    """Chosen: so that the client knows that it is open; and before it when to come
    back, where clients know how."""
    session = await open_session(version)
    stream = await session.get()
    first = await stream.read_chunk()
    if version >= "2025-11-25":
        assert first == RETRY
        first = await stream.read_chunk()
    await stream.close()

    assert stream.response.header("content-type") == STREAM_ONLY + "; charset=utf-8"
    assert first == KEEP_ALIVE


@open_to_all
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_get_of_a_client_that_reads_no_stream_is_refused(accept: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server"."""
    session = await open_session()

    response = await finish(await session.get(accept=accept))

    assert response.status == 406


@open_to_all
async def test_changes_of_lists_are_told() -> None:
    """Spec: 2025-11-25 server/tools, "List Changed Notification"."""
    session = await open_session()
    async with standalone(session) as stream:
        server.tools_changed()
        server.prompts_changed()
        server.resources_changed()
        told = [await read_message(stream) for _ in range(3)]

    assert told == [
        notification(TOOLS_CHANGED),
        notification(PROMPTS_CHANGED),
        notification(RESOURCES_CHANGED),
    ]


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_reopened_stream_tells_of_a_deletion_whom_the_last_answer_allowed(
    settings: Settings, version: str
) -> None:
    """Chosen: nobody can say any more who may read the row; an answer is good for
    `RECHECK_SECONDS`, on whichever stream it was found."""
    settings.MCP = {"AUTHENTICATION": [], "RECHECK_SECONDS": 1000}
    server, readable = Server("rows"), {1, 2, 3}

    @server.resource("test://rows/{number}")
    def row(number: int) -> str:
        if number not in readable:
            raise ResourceNotFound()
        return "row"

    def updated(number: int) -> JSONObject:
        return notification(UPDATED, uri=f"test://rows/{number}")

    session = await open_session(version, application=site_of(server))
    for number in (1, 2, 3):
        await session.ask(
            "resources/subscribe", {"uri": updated(number)["params"]["uri"]}
        )
    settings.MCP = {**settings.MCP, "RECHECK_SECONDS": 0}
    readable.remove(1)
    async with standalone(session) as stream:
        server.resource_updated("test://rows/1")  # revoked meanwhile
        server.resource_updated("test://rows/2")
        assert await read_message(stream) == updated(2)
    settings.MCP = {**settings.MCP, "RECHECK_SECONDS": 1000}
    readable.clear()
    async with standalone(session) as stream:
        for number in (1, 2, 3):
            server.resource_updated(f"test://rows/{number}", is_gone=True)
        assert await read_message(stream) == updated(3)


@open_to_all
async def test_only_resources_that_were_subscribed_to_are_told() -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    session, other = await open_session(), await open_session()
    assert await session.ask("resources/subscribe", {"uri": "shop://stock"}) == {}
    async with standalone(session) as stream, standalone(other) as other_stream:
        server.resource_updated("shop://orders/1")
        server.resource_updated("shop://stock")
        assert await read_message(stream) == notification(UPDATED, uri="shop://stock")

        assert await session.ask("resources/unsubscribe", {"uri": "shop://stock"}) == {}
        server.resource_updated("shop://stock")
        server.tools_changed()
        assert await read_message(stream) == notification(TOOLS_CHANGED)
        assert await read_message(other_stream) == notification(TOOLS_CHANGED)


@open_to_all
@pytest.mark.parametrize("uri", ["shop://lost", "shop://orders/1"])
async def test_resource_that_cannot_be_read_cannot_be_subscribed_to(uri: str) -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling"."""
    session = await open_session()

    error = await session.ask("resources/subscribe", {"uri": uri})

    assert (error["code"], error["data"]) == (-32002, {"uri": uri})


@open_to_all
async def test_end_of_a_visit_is_told_to_whoever_was_asked_for_it() -> None:
    """Spec: 2025-11-25 client/elicitation, "Completion Notifications"."""
    session = await open_session(capabilities=EVERYTHING)
    other = await open_session(capabilities=EVERYTHING)
    call = await session.open_post(call_of("visit"))
    question = await read_message(call)
    await session.reply(question, {"action": "accept"})
    await finish(call)

    async with standalone(session) as stream, standalone(other) as other_stream:
        server.elicitation_done("pay-2")
        server.elicitation_done("pay-1")
        complete = await read_message(stream)
        server.tools_changed()
        assert await read_message(stream) == notification(TOOLS_CHANGED)
        assert await read_message(other_stream) == notification(TOOLS_CHANGED)

    assert complete == notification(
        "notifications/elicitation/complete", elicitationId="pay-1"
    )


@open_to_all
async def test_newest_stream_of_a_session_wins() -> None:
    """Chosen: a client that has lost its stream must not wait for the old one to end.

    Spec: 2025-11-25 basic/transports, "Multiple Connections": no message twice.
    """
    session, other = await open_session(), await open_session()
    async with standalone(other) as untouched, standalone(session) as older:
        async with standalone(session) as newer:
            assert await older.read_chunk() == b"retry: 10000\r\n\r\n"
            await older.wait_for_end()
            await older.close()
            server.tools_changed()

            assert await read_message(newer) == notification(TOOLS_CHANGED)
            assert await read_message(untouched) == notification(TOOLS_CHANGED)
        assert older.response.body == RETRY + KEEP_ALIVE + b"retry: 10000\r\n\r\n"


@open_to_all
async def test_stream_may_be_opened_again() -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server"."""
    session = await open_session()
    async with standalone(session):
        pass
    async with standalone(session) as stream:
        server.tools_changed()
        assert await read_message(stream) == notification(TOOLS_CHANGED)

    assert len(current_worker().connections) == 0


@open_to_all
async def test_end_of_the_worker_ends_the_stream() -> None:
    """Spec: 2025-11-25 basic/transports: the server may close it at any time."""
    session = await open_session()
    stream = await session.get()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_worker().close_all)
        response: Response = await finish(stream)

    assert response.body == RETRY + KEEP_ALIVE


@open_to_all
async def test_end_of_the_worker_ends_a_stream_that_has_not_begun() -> None:
    """Chosen: nothing is written before the status is."""
    may_send = anyio.Event()

    async def late_shop(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_late(event: Event) -> None:
            await may_send.wait()
            await send(event)

        await shop(scope, receive, send_late)

    session = await open_session()
    headers = {**session.headers, "accept": STREAM_ONLY}
    stream = Connection(late_shop, make_scope("GET", "/mcp", headers))
    with anyio.fail_after(PATIENCE_SECONDS):
        while not len(current_worker().connections):
            await anyio.lowlevel.checkpoint()
    assert stream.status == 0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(current_worker().close_all)
        await anyio.wait_all_tasks_blocked()
        may_send.set()
        assert (await finish(stream)).body == b""


async def test_streams_of_a_user_who_was_deactivated_end(
    ada: User, settings: Settings
) -> None:
    """Chosen: MCP["RECHECK_SECONDS"]."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    headers = await token_of(ada)
    session = await open_session(headers=headers)
    async with standalone(session) as stream:
        ada.is_active = False
        await authentication_threads.run(ada.save)
        await stream.wait_for_end()

    response = await session.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert response.error() == (401, -32600, "the token is unknown, expired or revoked")
