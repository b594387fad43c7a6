"""What the audit trail says of a request; nothing is written here."""

from __future__ import annotations

import datetime
import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django.audit.recorder import Recorder
from mcp_django.audit.rows import Row
from mcp_django.server.answering import answer_of
from mcp_django.server.observers import ignore, observe
from mcp_django.server.server import Server
from tests.server.calls import MODERN, Caller


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    async def add(a: int, b: int) -> int:
        return a + b

    @server.tool
    async def fail() -> None:
        raise LookupError("secret")

    return server


async def record(server: Server, name: str, arguments: Any, **options: Any) -> Row:
    """Call a tool, and give the row of the one entry that is made of it."""
    entries: list[Row] = []
    recorder = Recorder(entries.append)
    caller = Caller(server, version=MODERN, **options)
    request = caller.request("tools/call", {"name": name, "arguments": arguments})
    request.sender.credential_label = "token 12"
    observe(recorder)
    try:
        await answer_of(server, request, ask=None, is_ending=lambda: False)
    finally:
        ignore(recorder)
    [entry] = entries
    return entry


async def test_entry_says_who_asked_for_what_by_which_means(server: Server) -> None:
    """We promise it: and nothing of the arguments."""
    ada = User(pk=7, username="ada")

    entry = await record(server, "add", {"a": 1, "b": 2}, user=ada)

    assert (entry.server, entry.method, entry.feature_kind, entry.feature) == (
        "shop",
        "tools/call",
        "tool",
        "add",
    )
    assert (entry.user_pk, entry.username) == ("7", "ada")
    assert (entry.credential, entry.protocol_version) == ("token 12", MODERN)
    assert entry.client_name
    assert (entry.outcome, entry.reason, entry.error) == ("answered", "", "")
    assert entry.seconds >= 0
    assert entry.details is None


@pytest.mark.parametrize(
    ("name", "outcome", "reason", "error"),
    [
        ("fail", "failed", "", "LookupError"),
        ("nothing", "refused", "unknown", "ErrorAnswer"),
    ],
)
async def test_entry_says_how_it_ended(
    server: Server, name: str, outcome: str, reason: str, error: str
) -> None:
    """We promise it; what an exception says may be secret."""
    entry = await record(server, name, {})

    assert (entry.outcome, entry.reason, entry.error) == (outcome, reason, error)


async def test_function_of_the_project_adds_details(
    server: Server, settings: Settings
) -> None:
    """We promise it: whatever Django can write as JSON."""

    def describe(context: Any, arguments: Any) -> Any:
        return {
            "a": arguments["a"],
            "on": datetime.date(2026, 1, 2),
            "by": "x\0 \\u0000\ud800",
        }

    settings.MCP = {"AUDIT_DETAILS": describe}

    entry = await record(server, "add", {"a": 1, "b": 2})

    assert entry.details == {"a": 1, "on": "2026-01-02", "by": "x \\u0000?"}


@pytest.mark.parametrize(
    "describe",
    [
        lambda context, arguments: arguments["nothing"],
        lambda context, arguments: object(),
        lambda context, arguments: "x" * 20_000,
        lambda context, arguments: float("nan"),
        "no.such.function",
    ],
    ids=["raises", "no JSON", "too long", "not a number", "not there"],
)
async def test_details_that_fail_leave_the_entry(
    server: Server, settings: Settings, caplog: pytest.LogCaptureFixture, describe: Any
) -> None:
    """We promise it: what happened is kept in any case."""
    caplog.set_level(logging.CRITICAL, "mcp_django.audit")
    settings.MCP = {"AUDIT_DETAILS": describe}

    entry = await record(server, "add", {"a": 1, "b": 2})

    assert (entry.outcome, entry.details) == ("answered", None)
