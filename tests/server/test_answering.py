"""Answers to requests whose handlers fail."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from mcp_django import Server
from mcp_django.server.answering import answer_of
from tests.server.calls import Caller


async def _never(*arguments: Any) -> None:
    raise AssertionError


@pytest.fixture
def caller(settings: Any) -> Caller:
    settings.MCP = {}  # and what other tests noted of databases is forgotten
    server = Server("shop")

    @server.tool
    async def count_in_loop() -> int:
        raise OperationalError("the server closed the connection unexpectedly")

    @server.tool
    def count_in_thread() -> int:
        raise OperationalError("the server closed the connection unexpectedly")

    @server.tool
    def fail() -> int:
        raise KeyError("wrong")

    return Caller(server)


async def ask(caller: Caller, tool: str) -> Any:
    request = caller.request("tools/call", {"name": tool, "arguments": {}})
    return await answer_of(caller.server, request, ask=_never, is_ending=lambda: False)


async def test_handlers_without_database_are_one_traceback_in_the_log(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: the failure is the handler's own, and an outage is no flood."""
    for _ in range(50):
        for tool in ("count_in_loop", "count_in_thread"):
            answer = await ask(caller, tool)
            assert answer["content"][0]["text"] == "Internal error"
    assert [
        (r.getMessage().split(":")[0], r.exc_info is None) for r in caplog.records
    ] == [
        ("the database 'default' does not answer", True),
        ("tools/call 'count_in_loop' failed", False),
    ]


async def test_other_failures_are_logged_each(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: as Django logs each of a view."""
    for _ in range(3):
        await ask(caller, "fail")
    assert caplog.messages == ["tools/call 'fail' failed"] * 3
