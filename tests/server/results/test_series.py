"""Results that are made while they are read, without an end."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from mcp_types import INVALID_PARAMS

from mcp_django.exceptions import ErrorAnswer
from mcp_django.server.server import Server
from tests.server.calls import Caller
from tests.work import measured

LIMIT = 100_000
SAID = (
    "the result takes more than 100000 bytes, which are all that can be sent; ask for "
    "less, such as fewer items or one page"
)
MEGABYTES = 60.0


def endless() -> Any:
    return (str(number) for number in itertools.count())


async def endless_async() -> Any:
    return endless()


async def endless_async_generator() -> Any:
    async def count() -> AsyncIterator[int]:
        for number in itertools.count():
            yield number

    return count()


HANDLERS = [endless, endless_async, endless_async_generator]


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("returns", [list[str], Any])
async def test_tool_without_an_end_is_an_error(
    handler: Callable[[], Any], returns: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We promise it: no more is read than an answer may take."""
    server = Server("shop")
    monkeypatch.setitem(handler.__annotations__, "return", returns)
    server.tool(name="count", max_result_bytes=LIMIT)(handler)
    with measured() as work:
        result = await Caller(server).call_tool("count")
    assert result == {"content": [{"type": "text", "text": SAID}], "isError": True}
    assert work.megabytes < MEGABYTES


@pytest.mark.parametrize("handler", HANDLERS)
async def test_resource_without_an_end_is_an_error(handler: Callable[[], Any]) -> None:
    """We promise it: no more is read than an answer may take."""
    server = Server("shop")
    server.resource("shop://numbers", max_result_bytes=LIMIT)(handler)
    with pytest.raises(ErrorAnswer) as caught:
        await Caller(server).call("resources/read", {"uri": "shop://numbers"})
    assert (caught.value.code, caught.value.message) == (INVALID_PARAMS, SAID)


async def test_long_texts_count() -> None:
    """We promise it: texts take their length."""
    server = Server("shop")

    @server.tool(max_result_bytes=LIMIT)
    def write(count: int) -> list[str]:
        return ("x" * 1000 for _ in range(count))  # type: ignore[return-value]

    caller = Caller(server)
    call: dict[str, Any] = {"name": "write", "arguments": {"count": 90}}
    written = await caller.call("tools/call", call)
    assert written["structuredContent"] == {"result": ["x" * 1000] * 90}
    call["arguments"] = {"count": 1_000_000_000}
    refused = await caller.call("tools/call", call)
    assert refused["content"] == [{"type": "text", "text": SAID}]
