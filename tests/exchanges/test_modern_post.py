"""Requests of 2026-07-28 at /mcp, from the handler to the answer or the end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from pytest_django import Settings

from mcp_django import Server
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import make_scope, site_of
from tests.consumers.credentials import token_of
from tests.consumers.shop import Patience, patience, runs
from tests.consumers.streamable import (
    JSON_ONLY,
    MODERN,
    STREAM_ONLY,
    arrival,
    begin_modern,
    call_of,
    complete,
    events_of,
    finish,
    headers_of,
    messages_of,
    modern,
    open_modern,
    post,
    post_modern,
    progress,
    read_message,
    shop,
    text_of,
    tick,
    with_progress,
)
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ADD = call_of("add", a=1, b=2)
MISSING_CAPABILITY = -32021
INVALID_PARAMS = -32602
NOT_FOUND = -32601


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    """Forget what the handlers of other tests did."""
    runs.clear()


# Streams ----------------------------------------------------------------------------


@open_to_all
async def test_answer_becomes_a_stream_when_progress_is_reported() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Receiving Messages"."""
    response = await post_modern(with_progress(call_of("report", steps=2)))

    first, second, answer = messages_of(response)
    assert [first, second] == [progress(1, 2), progress(2, 2)]
    assert (answer["id"], text_of(answer)) == (1, "reported")
    assert response.header("x-accel-buffering") == "no"
    assert all(event.id == "" for event in events_of(response))


@open_to_all
async def test_progress_comes_while_the_handler_runs(door: Door) -> None:
    """Spec: 2026-07-28 basic/patterns/progress."""
    message = with_progress(call_of("report", steps=2, door="here"))
    stream = await open_modern(message)
    assert await read_message(stream) == progress(1, 2)
    door.open()

    assert await read_message(stream) == progress(2, 2)
    assert text_of(await read_message(stream)) == "reported"
    await finish(stream)


@open_to_all
async def test_progress_that_nobody_asked_for_makes_no_stream() -> None:
    """Spec: 2026-07-28 basic/patterns/progress: only with a progress token."""
    response = await post_modern(call_of("report", steps=2))

    assert text_of(response.json()) == "reported"


@open_to_all
@pytest.mark.parametrize(
    ("wanted", "is_sent"),
    [(None, False), ("warning", False), ("info", True), ("debug", True)],
)
async def test_log_messages_are_sent_from_the_level_that_the_request_wants(
    wanted: str | None, is_sent: bool
) -> None:
    """Spec: 2026-07-28 server/utilities/logging: none without `logLevel`."""
    meta = {} if wanted is None else {"logLevel": wanted}
    response = await post_modern(call_of("log", level="info", text="hello"), **meta)

    if not is_sent:
        assert text_of(response.json()) == "logged"
        return
    logged, answer = messages_of(response)
    assert logged == {
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": {"level": "info", "data": "hello"},
    }
    assert text_of(answer) == "logged"


@open_to_all
async def test_client_that_reads_json_only_gets_its_answer_alone() -> None:
    """Chosen: what cannot be sent is dropped."""
    message = with_progress(call_of("report", steps=2))

    response = await post_modern(message, headers={"accept": JSON_ONLY})

    assert text_of(response.json()) == "reported"


async def test_answer_becomes_a_stream_when_the_handler_is_silent(
    settings: Settings, door: Door
) -> None:
    """Chosen: MCP["STREAM_AFTER_SECONDS"], so that the connection stays alive."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1e-9}
    stream = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    assert stream.status == 0
    await tick()
    assert stream.status == 200
    door.open()

    [answer] = messages_of(await finish(stream))
    assert text_of(answer) == "1"


async def test_handler_is_left_alone_until_it_was_silent_for_long(
    settings: Settings, door: Door
) -> None:
    """Chosen: as above; the worker looks each second."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1000.0}
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    await tick()
    door.open()

    assert (await finish(held)).header("content-type") == "application/json"


async def test_silent_stream_is_kept_alive(settings: Settings, door: Door) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, on comments."""
    settings.MCP = {
        "AUTHENTICATION": [],
        "STREAM_AFTER_SECONDS": 1e-9,
        "KEEP_ALIVE_SECONDS": 1e-9,
    }
    stream = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    await tick()
    await tick()
    assert await stream.read_chunk() == b": keep-alive\r\n\r\n"
    door.open()

    await finish(stream)


async def test_client_that_reads_json_only_waits_however_long(
    settings: Settings, door: Door
) -> None:
    """Chosen: there is no other way to answer it."""
    settings.MCP = {"AUTHENTICATION": [], "STREAM_AFTER_SECONDS": 1e-9}
    held = begin_modern(call_of("hold", door="here"), headers={"accept": JSON_ONLY})
    await arrival(door)
    await tick()
    assert held.status == 0
    door.open()

    assert text_of((await finish(held)).json()) == "1"


@open_to_all
async def test_error_after_the_stream_began_is_its_last_event() -> None:
    """Chosen: the status is sent already."""
    message = with_progress(call_of("report", steps="many"))
    headers = {"accept": STREAM_ONLY}

    response = await post_modern(LIST | {"method": "prompts/get"}, headers=headers)
    [answer] = messages_of(response)
    assert answer["error"]["code"] == INVALID_PARAMS

    [answer] = messages_of(await post_modern(message, headers=headers))
    assert answer["result"]["isError"] is True


async def test_result_too_large_for_an_event_is_fine_as_json(
    settings: Settings,
) -> None:
    """Chosen: clients limit events, not bodies."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_EVENT_BYTES": 300}
    message = call_of("refuse", code=1)
    name = "x" * 400

    assert (await post_modern(message | {"id": name})).json()["id"] == name
    with_stream = await post_modern(LIST, headers={"accept": STREAM_ONLY})

    [answer] = messages_of(with_stream)
    assert answer["error"]["code"] == -32603
    assert "at most 300 can be sent" in answer["error"]["message"]


# Errors of handlers -----------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("tool", ["fail", "leave_python", "break_text"])
async def test_handler_that_fails_is_a_neutral_tool_error(
    tool: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what went wrong is in the log, and Django is told."""
    told: list[Any] = []

    def receive(**kwargs: Any) -> None:
        told.append(kwargs)

    got_request_exception.connect(receive)
    response = await post_modern(call_of(tool))
    got_request_exception.disconnect(receive)

    assert response.status == 200
    assert response.json()["result"] == complete(
        {"content": [{"type": "text", "text": "Internal error"}], "isError": True}
    )
    assert len(told) == 1
    assert caplog.messages == [f"tools/call '{tool}' failed"]
    assert caplog.records[0].exc_info is not None


@open_to_all
@pytest.mark.parametrize(
    ("code", "status"),
    [(1, 200), (INVALID_PARAMS, 200), (NOT_FOUND, 404), (MISSING_CAPABILITY, 400)],
)
async def test_error_of_a_handler_has_the_status_of_its_code(
    code: int, status: int
) -> None:
    """Spec: 2026-07-28 basic, "Error Codes"; 200 for others is chosen."""
    response = await post_modern(call_of("refuse", code=code))

    assert response.status == status
    assert response.json()["error"] == {
        "code": code,
        "message": "no",
        "data": {"why": "because"},
    }


@open_to_all
async def test_unknown_tool_is_an_error_in_a_good_response() -> None:
    """Spec: 2026-07-28 server/tools, "Error Handling"; the status is chosen."""
    response = await post_modern(call_of("lost"))

    assert (response.status, response.json()["error"]["code"]) == (200, INVALID_PARAMS)


# Cancellation -----------------------------------------------------------------------


@open_to_all
async def test_handler_is_cancelled_when_the_client_goes(door: Door) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation: a disconnect is one."""
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)

    await held.close()

    assert runs.cancelled == ["hold"]
    assert held.status == 0
    assert len(current_worker().connections) == 0


@open_to_all
async def test_handler_is_cancelled_when_the_client_closes_its_stream(
    door: Door,
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation"."""
    message = with_progress(call_of("report", steps=2, door="here"))
    stream = await open_modern(message)
    assert await read_message(stream) == progress(1, 2)

    await stream.close()

    assert len(current_worker().connections) == 0


@open_to_all
async def test_handler_that_swallows_its_cancellation_is_not_answered() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation": no further
    messages."""
    server = Server("stubborn")
    has_begun = anyio.Event()

    @server.tool
    async def stay() -> str:
        """Stay to the end."""
        has_begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return "stayed"

    stream = begin_modern(call_of("stay"), application=site_of(server))
    await has_begun.wait()
    await stream.close()

    assert (stream.status, stream.response.body) == (0, b"")


@open_to_all
async def test_what_a_thread_returns_is_dropped_when_the_client_is_gone() -> None:
    """Chosen: threads cannot be cancelled, but they can look whether they should."""
    mine = patience["gone"] = Patience()
    held = begin_modern(call_of("work", name="gone"))
    await asyncio.to_thread(mine.has_begun.wait, 10)

    await held.close()
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["gone"]
    assert mine.was_cancelled
    assert held.status == 0


@open_to_all
async def test_exchange_that_is_cancelled_from_outside_ends_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: Django cancels its views when a client goes; that is no failure."""
    mine = patience["outside"] = Patience()
    message = call_of("work", name="outside")
    body = json.dumps(modern(message)).encode()
    headers = {"content-type": "application/json", **headers_of(message)}
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "http.request", "body": body})
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    scope = make_scope("POST", "/mcp", headers)
    task = asyncio.create_task(shop(scope, incoming.get, send))
    await asyncio.to_thread(mine.has_begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["outside"]
    assert mine.was_cancelled
    assert sent == []
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@open_to_all
async def test_handler_that_waits_for_a_cancelled_task_of_its_own_has_failed() -> None:
    """Chosen: nobody cancelled the request, so that it is answered."""
    server = Server("own")

    @server.tool
    async def wait_in_vain() -> None:
        """Wait for what is cancelled."""
        task = asyncio.create_task(asyncio.sleep(0))
        task.cancel()
        await task

    response = await post_modern(call_of("wait_in_vain"), application=site_of(server))

    assert response.json()["result"]["isError"] is True


async def test_end_of_the_worker_ends_requests_that_run(
    door: Door, settings: Settings
) -> None:
    """Chosen: clients see the end of the body, and no answer."""
    settings.MCP = {"AUTHENTICATION": [], "SHUTDOWN_SECONDS": 0}
    held = begin_modern(call_of("hold", door="here"))
    json_only = begin_modern(
        call_of("hold", door="here"), headers={"accept": JSON_ONLY}
    )
    for _ in range(2):
        await arrival(door)

    await current_worker().close_all()

    assert messages_of(await finish(held)) == []
    refused = await finish(json_only)
    assert refused.error() == (503, -32603, "the request was ended; try again")
    assert refused.header("retry-after") == "1"
    assert runs.cancelled == ["hold", "hold"]


# Limits -----------------------------------------------------------------------------


async def test_one_call_too_many_of_a_user_is_refused(
    settings: Settings, ada: User, bob: User, door: Door
) -> None:
    """Chosen: MCP["MAX_CALLS_PER_USER"]; notifications are always taken."""
    settings.MCP = {"MAX_CALLS_PER_USER": 2}
    headers = await token_of(ada)
    message = call_of("hold", door="here")
    held = [begin_modern(message, headers=headers) for _ in range(2)]
    for _ in held:
        await arrival(door)

    refused = await post_modern(ADD, headers=headers)
    notified = await post(
        shop,
        {"jsonrpc": "2.0", "method": "notifications/lost"},
        headers={**headers, "mcp-protocol-version": MODERN},
    )
    of_another = await post_modern(ADD, headers=await token_of(bob))
    door.open()
    answers = [await finish(connection) for connection in held]

    assert refused.error() == (
        503,
        -32600,
        "2 requests of this user may run at a time; try again later",
    )
    assert refused.header("retry-after") == "1"
    assert notified.status == 202
    assert [of_another.status, *(answer.status for answer in answers)] == [200] * 3
    assert (await post_modern(ADD, headers=headers)).status == 200


async def test_calls_of_nobody_are_not_counted(settings: Settings, door: Door) -> None:
    """Chosen: without authentication all clients would be one user."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CALLS_PER_USER": 1}
    held = begin_modern(call_of("hold", door="here"))
    await arrival(door)
    assert (await post_modern(ADD)).status == 200
    door.open()
    await finish(held)


async def test_permissions_are_those_at_the_time_of_the_request(ada: User) -> None:
    """Chosen: a right that was given counts from the next request on."""
    headers = await token_of(ada)
    before = await post_modern(call_of("count_users"), headers=headers)
    ada.is_superuser = True
    await authentication_threads.run(ada.save)
    after = await post_modern(call_of("count_users"), headers=headers)

    assert before.json()["error"]["code"] == INVALID_PARAMS
    assert text_of(after.json()) == "0"
