"""Whose thread the async ORM of a site uses."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.answering import answer_of
from mcp_django.server.languages import language_for
from mcp_django.server.requests import Request
from mcp_django.server.subscriptions import can_read
from tests.server.calls import Caller

used: list[threading.Thread] = []


async def use_orm() -> None:
    """Do what Django's async ORM does."""
    used.append(await sync_to_async(threading.current_thread)())


async def allow(context: Context) -> bool:
    """Let everybody in."""
    await use_orm()
    return True


async def choose_language(context: Context) -> str:
    """Choose English."""
    await use_orm()
    return "en"


async def allow_slowly(context: Context) -> bool:
    """Let everybody in, as functions that are wrapped do."""
    return await allow(context)


server = Server("shop")


@server.around
async def around(context: Context) -> AsyncIterator[None]:
    """Use the ORM before and after."""
    await use_orm()
    yield
    await use_orm()


@server.tool
async def count() -> int:
    """Use the ORM."""
    await use_orm()
    return 1


async def rows() -> AsyncIterator[int]:
    """Use the ORM between rows."""
    for number in range(2):
        await use_orm()
        yield number


@server.tool
async def stream() -> list[int]:
    """Give them."""
    return rows()  # type: ignore[return-value]  # as `QuerySet.aiterator()` is


@server.tool(permission=allow)
def guarded() -> int:
    """Use none."""
    return 1


@server.tool(permission=lambda context: allow_slowly(context))
def guarded_by_a_lambda() -> int:
    """Use none."""
    return 1


@server.resource("shop://stock")
async def stock() -> str:
    """Use the ORM."""
    await use_orm()
    return "much"


@server.prompt
async def greet(name: str) -> str:
    """Use the ORM."""
    await use_orm()
    return name


@server.completion("greet", "name")
async def names(value: str) -> list[str]:
    """Use the ORM."""
    await use_orm()
    return ["Ada"]


def call(tool: str) -> tuple[str, JSONObject]:
    """Make a call of a tool."""
    return "tools/call", {"name": tool, "arguments": {}}


async def no_questions(request: Request, questions: Any) -> None:
    """Fail: nobody asks."""
    raise AssertionError


async def shared_thread() -> threading.Thread:
    """Give the one thread that asgiref has for all."""
    return await sync_to_async(threading.current_thread)()


@pytest.mark.parametrize(
    ("method", "params", "times"),
    [
        (*call("count"), 3),
        (*call("stream"), 4),
        (*call("guarded"), 3),
        (*call("guarded_by_a_lambda"), 3),
        ("tools/list", {}, 2),
        ("resources/read", {"uri": "shop://stock"}, 3),
        ("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}}, 3),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "name", "value": "A"},
            },
            3,
        ),
    ],
    ids=lambda value: value.get("name") if isinstance(value, dict) else None,
)
async def test_code_of_the_site_has_a_thread_of_its_own(
    method: str, params: JSONObject, times: int
) -> None:
    """Our choice: whose connections are looked after; nobody else waits for it."""
    used.clear()
    request = Caller(server).request(method, params)
    answer = await answer_of(server, request, ask=no_questions, is_ending=lambda: False)
    assert isinstance(answer, dict)
    assert "isError" not in answer
    assert len(used) == times
    assert await shared_thread() not in used


async def test_subscriber_is_asked_about_in_a_thread_of_its_own() -> None:
    """Our choice: as requests are."""
    used.clear()
    request = Caller(server).request("resources/subscribe", {"uri": "shop://stock"})
    assert await can_read(server, request, "shop://stock")
    assert used
    assert await shared_thread() not in used


async def test_language_is_chosen_in_a_thread_of_its_own(settings: Settings) -> None:
    """Our choice: as for requests, also where there is no request to answer."""
    settings.MCP = {"LANGUAGE": choose_language}
    used.clear()
    with await language_for(server, Caller(server).request("initialize", {})):
        pass
    assert len(used) == 1
    assert await shared_thread() not in used
