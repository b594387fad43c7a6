"""What receivers of the signal `request_handled` hear, over every binding."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mcp_django.server.receivers import all_told
from mcp_django.signals import request_handled
from tests.interaction import features
from tests.interaction.client import BOUND, Answers, error_of
from tests.interaction.conftest import Connect
from tests.interaction.test_questions import Person, accept
from tests.interaction.ways import only

Heard = tuple[str, str, str, str | None]


@asynccontextmanager
async def hearing() -> AsyncIterator[list[Heard]]:
    """Note method, feature, kind of outcome, and reason, in no certain order."""
    heard: list[Heard] = []

    def hear(
        method: str, feature: Any, outcome: Any, seconds: float, **named: Any
    ) -> None:
        assert seconds >= 0
        heard.append((method, str(feature), outcome.kind, outcome.reason))

    request_handled.connect(hear, sender=features.server)
    try:
        yield heard
        await all_told()
    finally:
        request_handled.disconnect(hear, sender=features.server)


async def test_every_end_of_a_request_is_heard(connect: Connect) -> None:
    """We promise it: refusals and unknown names as well."""
    async with hearing() as heard, connect() as client:
        await client.call("double", {"number": 21})
        await client.call_for_error("divide", dividend=1, divisor=0)
        await client.call_for_error("crash")
        await error_of(client.call("nonsense"))
        await error_of(client.session.read_resource("test://accounts"))
        await error_of(client.session.read_resource("test://books/top/10"))
        await client.session.read_resource("test://books/top/3")
        await client.session.get_prompt("greet", {"name": "Bob"})
        await client.session.list_prompts()
    # The official client asks these by itself.
    by_itself = ("server/discover", "tools/list")
    calls = [h for h in heard if h[0] not in by_itself]
    assert Counter(calls) == Counter(
        [
            ("tools/call", "tool double", "answered", None),
            (
                "tools/call",
                "tool divide",
                "refused",
                "Nothing can be divided by zero; choose another divisor.",
            ),
            ("tools/call", "tool crash", "failed", None),
            ("tools/call", "tool nonsense", "refused", "unknown"),
            ("resources/read", "resource test://accounts", "refused", "not permitted"),
            (
                "resources/read",
                "resource test://books/{shelf}/{number}",
                "refused",
                "unknown",
            ),
            (
                "resources/read",
                "resource test://books/{shelf}/{number}",
                "answered",
                None,
            ),
            ("prompts/get", "prompt greet", "answered", None),
            ("prompts/list", "None", "answered", None),
        ]
    )


@only(since="2025-06-18")
async def test_each_run_of_a_handler_that_asks_is_heard(connect: Connect) -> None:
    """We promise it: the same in every era, although only one of them sends the
    request again."""
    async with hearing() as heard:
        ann = Person(accept(first="Ann"))
        async with connect(answers=Answers(elicit=ann.answer)) as client:
            await client.call("ask_name")
    calls = [h for h in heard if h[0] == "tools/call"]
    assert Counter(calls) == Counter(
        [
            ("tools/call", "tool ask_name", "asked", None),
            ("tools/call", "tool ask_name", "answered", None),
        ]
    )


async def test_cancellation_is_heard(connect: Connect) -> None:
    """We promise it."""
    visit = features.visits["unheard"] = features.Visit()
    async with hearing() as heard, connect() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call, "wait", {"visit": "unheard"})
            with anyio.fail_after(BOUND):
                await visit.has_begun.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()
        await client.call("double", {"number": 1})
    calls = [h for h in heard if h[0] == "tools/call"]
    assert sorted(calls) == [
        ("tools/call", "tool double", "answered", None),
        ("tools/call", "tool wait", "cancelled", None),
    ]
