"""Calling tools: results, errors, progress, log messages, cancellation."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from django.conf import LazySettings
from django.core.signals import got_request_exception
from pytest_django import Settings

from tests.interaction import features
from tests.interaction.client import (
    BOUND,
    LATEST_LEGACY,
    MODERN,
    Answers,
    Client,
    error_of,
    text_of,
)
from tests.interaction.conftest import Connect
from tests.interaction.ways import Way, only


@only(since="2025-06-18")
async def test_result_is_structured_as_its_schema_says(connect: Connect) -> None:
    """Spec: 2025-11-25 server/tools, "Structured Content"; the client validates."""
    async with connect() as client:
        tools = {tool.name: tool for tool in (await client.session.list_tools()).tools}
        assert tools["weather"].description == "Tell the weather."
        assert tools["weather"].input_schema["required"] == ["city"]
        assert tools["weather"].output_schema is not None
        result = await client.call("weather", {"city": "Rome", "day": 2})
        assert result.structured_content == {"city": "Rome", "celsius": 22.0}
        assert text_of(result) == '{"city":"Rome","celsius":22.0}'


@only(since="2025-06-18")
async def test_result_that_is_no_object_is_wrapped_where_it_has_to_be(
    connect: Connect,
) -> None:
    """Spec: 2025-11-25 schema.ts, `CallToolResult.structuredContent`; 2026-07-28
    server/tools, "Structured Content"."""
    async with connect() as client:
        result = await client.call("double", {"number": 21})
        expected = 42 if client.is_modern else {"result": 42}
        assert result.structured_content == expected
        assert text_of(result) == "42"


async def test_content_is_what_the_version_knows(connect: Connect, way: Way) -> None:
    """Spec: `CallToolResult.content` in schema.ts of each version."""
    kinds = {
        "2024-11-05": ["text", "text", "text"],
        "2025-03-26": ["text", "audio", "text"],
    }
    async with connect() as client:
        result = await client.call("shapes")
        assert [block.type for block in result.content] == kinds.get(
            way.version, ["text", "audio", "resource_link"]
        )


async def test_picture_is_shown_beside_text(connect: Connect) -> None:
    """We promise it: and its bytes come as base64."""
    async with connect() as client:
        result = await client.call("draw", {"data": "AAH/"})
        text, picture = result.content
        assert isinstance(text, types.TextContent)
        assert picture == types.ImageContent(data="AAH/", mime_type="image/x-dot")


async def test_unknown_tool_is_a_protocol_error(connect: Connect) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""
    async with connect() as client:
        assert await error_of(client.call("nonsense")) == types.ErrorData(
            code=types.INVALID_PARAMS, message="Unknown tool: nonsense"
        )


async def test_unfit_arguments_are_explained_to_the_model(connect: Connect) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling": input validation errors."""
    async with connect() as client:
        text = await client.call_for_error("divide", dividend="ten", extra=1)
        for name in ("dividend", "divisor", "extra"):
            assert name in text


async def test_tool_error_is_told_to_the_model(connect: Connect) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""
    async with connect() as client:
        assert await client.call_for_error("divide", dividend=1, divisor=0) == (
            "Nothing can be divided by zero; choose another divisor."
        )


async def test_handler_answers_with_a_protocol_error_of_its_own(
    connect: Connect,
) -> None:
    """We promise it."""
    async with connect() as client:
        assert await error_of(client.call("refuse")) == types.ErrorData(
            code=4001, message="not today", data={"retry": "tomorrow"}
        )


async def test_crash_is_told_to_the_site_and_not_to_the_client(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: neutral text, traceback in the log, and Django's signal."""
    with signals_of_failures() as signals:
        async with connect() as client:
            assert await client.call_for_error("crash") == "Internal error"
            assert await client.call_for_text("double", number=1) == "2"
    assert len(signals) == 1
    [record] = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.name == "mcp_django.server"
    assert record.exc_info is not None
    assert repr(record.exc_info[1]) == "RuntimeError('the secret of the site')"


async def test_crash_says_what_it_was_under_debug(
    connect: Connect, settings: LazySettings
) -> None:
    """We promise it: whoever develops need not look for the log."""
    settings.DEBUG = True
    async with connect() as client:
        assert await client.call_for_error("crash") == (
            "Internal error: RuntimeError: the secret of the site"
        )


async def test_exception_of_django_is_told_as_a_view_would(connect: Connect) -> None:
    """We promise it: it is deliberate, and no failure."""
    with signals_of_failures() as signals:
        async with connect() as client:
            assert await client.call_for_error("lend", title="Dune") == (
                "There is no book called Dune."
            )
    assert signals == []


@contextmanager
def signals_of_failures() -> Iterator[list[Any]]:
    """Keep what Django is told of failures."""
    heard: list[Any] = []

    def hear(sender: Any, **named: Any) -> None:
        heard.append(sender)

    got_request_exception.connect(hear)
    try:
        yield heard
    finally:
        got_request_exception.disconnect(hear)


@pytest.mark.parametrize("tool", ["climb", "climb_in_thread"])
async def test_progress_comes_before_the_result(connect: Connect, tool: str) -> None:
    """Spec: 2025-11-25 basic/utilities/progress."""
    reports: list[tuple[float, float | None, str | None]] = []

    async def on_progress(
        progress: float, total: float | None, message: str | None
    ) -> None:
        reports.append((progress, total, message))

    async with connect() as client:
        result = await client.call(tool, progress_callback=on_progress)
        assert text_of(result) == "on top"
        for _ in range(3):
            await client.hear(types.ProgressNotification)
    # Spec: 2025-03-26 schema.ts, `ProgressNotification`: the message came then.
    has_message = client.version >= "2025-03-26"
    assert reports == [
        (step, 3, f"step {step}" if has_message else None) for step in (1, 2, 3)
    ]


async def test_progress_that_nobody_asked_for_is_not_sent(connect: Connect) -> None:
    """Spec: 2025-11-25 basic/utilities/progress, "Behavior Requirements"."""
    async with connect() as client:
        assert await client.call_for_text("climb") == "on top"
        client.assert_heard_nothing()


async def hear_logs(client: Client, number: int) -> list[tuple[str, Any, str | None]]:
    """Wait for so many log messages."""
    messages = [
        (await client.hear(types.LoggingMessageNotification)).params
        for _ in range(number)
    ]
    client.assert_heard_nothing()
    return [(message.level, message.data, message.logger) for message in messages]


@only(until=LATEST_LEGACY)
async def test_log_messages_are_sent_from_info_upwards(connect: Connect) -> None:
    """Spec: 2025-11-25 server/utilities/logging leaves the default to us."""
    async with connect() as client:
        await client.call("chatter")
        assert await hear_logs(client, 2) == [
            ("info", {"news": 1}, "interaction"),
            ("error", "a fault", None),
        ]


@only(since=MODERN)
async def test_log_messages_that_nobody_asked_for_are_not_sent(
    connect: Connect,
) -> None:
    """Spec: 2026-07-28 server/utilities/logging."""
    async with connect() as client:
        await client.call("chatter")
        client.assert_heard_nothing()


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", ["debug", "info", "error"]), ("error", ["error"]), ("alert", [])],
)
async def test_client_chooses_the_level_of_log_messages(
    connect: Connect, way: Way, level: types.LoggingLevel, expected: list[str]
) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Setting Log Level"; 2026-07-28
    basic, "`_meta`"."""
    async with connect(log_level=level if way.is_modern else None) as client:
        if not way.is_modern:
            await client.set_log_level(level)
        await client.call("chatter")
        heard = await hear_logs(client, len(expected))
        assert [heard_level for heard_level, _, _ in heard] == expected


async def test_cancelled_call_ends_and_the_session_lives_on(connect: Connect) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation; the SDK sends the notice."""
    visit = features.visits["cancelled"] = features.Visit()
    async with connect() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call, "wait", {"visit": "cancelled"})
            with anyio.fail_after(BOUND):
                await visit.has_begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()
        assert await client.call_for_text("double", number=3) == "6"


async def test_running_calls_end_with_the_session(
    connect: Connect, settings: Settings
) -> None:
    """We promise it: nothing runs on for a client that is gone."""
    settings.MCP = {**settings.MCP, "SHUTDOWN_SECONDS": 0.1}
    visit = features.visits["left"] = features.Visit()
    async with anyio.create_task_group() as tasks:
        async with connect() as client:
            tasks.start_soon(call_until_closed, client)
            with anyio.fail_after(BOUND):
                await visit.has_begun.wait()
        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()


async def call_until_closed(client: Client) -> None:
    """Call a tool that waits; the connection closes meanwhile."""
    error = await error_of(client.call("wait", {"visit": "left"}))
    assert error.code == types.CONNECTION_CLOSED


async def test_calls_run_side_by_side(connect: Connect) -> None:
    """Spec: JSON-RPC 2.0 lets answers come in any order."""
    visit = features.visits["aside"] = features.Visit()
    async with connect() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.call, "wait", {"visit": "aside"})
        with anyio.fail_after(BOUND):
            await visit.has_begun.wait()
        for number in range(20):
            assert await client.call_for_text("double", number=number) == (
                str(2 * number)
            )
        tasks.cancel_scope.cancel()


async def test_result_is_no_larger_than_its_feature_lets_it_be(
    connect: Connect,
) -> None:
    """We promise it: max_result_bytes=, over every connection; the model reads how to
    go on."""
    said = "bytes, and at most 2000 can be sent; ask for less"
    async with connect(server=features.short) as client:
        text = await client.call_for_text("few_letters", number=1000)
        assert text == "x" * 1000
        assert said in await client.call_for_error("few_letters", number=3000)
        read, get = client.session.read_resource, client.session.get_prompt
        await read("test://few-letters/1000")
        error = await error_of(read("test://few-letters/3000"))
        assert said in error.message
        await get("write_few_letters", {"number": "1000"})
        error = await error_of(get("write_few_letters", {"number": "3000"}))
        assert (error.code, said in error.message) == (types.INTERNAL_ERROR, True)


async def test_handler_that_takes_too_long_is_answered_for(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: timeout=, over every connection; the text says what became of it,
    and so does the log."""
    features.waited.clear()
    stopped = "the call took longer than 0.01 seconds and was stopped"
    goes_on = "so that its answer is not waited for; it goes on"
    with signals_of_failures() as reported:
        async with connect(server=features.slow, log_level="debug") as client:
            assert stopped in await client.call_for_error("sleep")
            assert goes_on in await client.call_for_error("wait_in_thread")
            await anyio.to_thread.run_sync(features.waited.wait, BOUND)
            read, get = client.session.read_resource, client.session.get_prompt
            error = await error_of(read("slow://x"))
            assert (error.code, stopped in error.message) == (-32603, True)
            error = await error_of(get("sleep_first"))
            assert (error.code, stopped in error.message) == (-32603, True)
            await client.call("sleep")  # it goes on to be of use
            client.assert_heard_nothing()
    assert len(reported) == 5
    logged = [record.getMessage() for record in caplog.records]
    assert any(
        goes_on in line and "tools/call 'wait_in_thread'" in line for line in logged
    )


@only(since="2025-06-18")
async def test_user_who_is_asked_may_take_longer_than_the_handler(
    connect: Connect,
) -> None:
    """Our choice: `timeout=` is of what the handler does; a person is no handler."""

    async def ponder(params: types.ElicitRequestParams) -> types.ElicitResult:
        await anyio.sleep(0.25)
        return types.ElicitResult(action="accept", content={"sure": True})

    answers = Answers(elicit=ponder)
    async with connect(server=features.slow, answers=answers) as client:
        assert await client.call_for_text("ask_first") == "asked"
