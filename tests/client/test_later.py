"""What a server has no time for now, and when it is asked again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import anyio
import pytest

from mcp_django.client.client import Client
from mcp_django.client.later import LONGEST_SECONDS, MAX_REPEATS, ask_again
from mcp_django.exceptions import ErrorReceived, HTTPRefused
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.client.scripted import (
    DISCOVERED,
    LATEST,
    MODERN,
    Refusal,
    Script,
    ScriptedServer,
    beside,
    connected,
    serving,
)
from tests.client.virtual_time import BACKENDS

DATE = "Fri, 31 Dec 2027 23:59:50 GMT"
TEN_LATER = "Sat, 01 Jan 2028 00:00:00 GMT"
DONE: JSONObject = {"resultType": "complete", "content": []}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: nothing is waited for."""
    return request.param, BACKENDS[request.param]()


def refused(status: int, after: str | None = "5", **headers: str) -> HTTPRefused:
    if after is not None:
        headers["retry-after"] = after
    return HTTPRefused("no", status=status, headers=headers)


def error(data: JSON, code: int = -32600) -> ErrorReceived:
    return ErrorReceived(code, "slower", data)


class Asked:
    """Refuses what it is asked, so often, and notes when it was."""

    def __init__(self, failure: Exception, times: int) -> None:
        self.failure = failure
        self.times = times
        self.at: list[float] = []

    async def ask(self) -> str:
        self.at.append(anyio.current_time())
        if len(self.at) <= self.times:
            raise self.failure
        return "answer"

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in pairwise(self.at)]


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (refused(429), 5),
        (refused(503), 5),
        (refused(429, "0"), 0),
        (refused(503, TEN_LATER, date=DATE), 10),
        (refused(503, DATE, date=TEN_LATER), 0),
        (error({"retryAfter": 7}), 7),
    ],
    ids=str,
)
async def test_it_is_asked_again_when_it_says(
    failure: Exception, seconds: float
) -> None:
    """Spec: RFC 9110, section 10.2.3."""
    asked = Asked(failure, times=1)
    answer = await ask_again(asked.ask, within=60, is_harmless=True)
    assert answer == "answer"
    [wait] = asked.waits
    assert seconds <= wait <= seconds * 1.1


@pytest.mark.parametrize(
    "failure",
    [
        *(refused(status) for status in (400, 401, 404, 500, 502, 504)),
        *(refused(429, after) for after in (None, "", "-1", "soon", TEN_LATER)),
        refused(503, None),
        refused(503, "3600"),
        refused(429, "9" * 100),
        error({"retryAfter": 5}, code=1001),
        error({"retryAfter": "5"}),
        error({"retryAfter": 3600}),
        error(None),
        ValueError("another"),
    ],
    ids=str,
)
async def test_other_failures_are_told_at_once(failure: Exception) -> None:
    """Our choice: to wait is no use there, or takes too long."""
    asked = Asked(failure, times=1)
    with pytest.raises(type(failure)) as caught:
        await ask_again(asked.ask, within=60, is_harmless=True)
    assert caught.value is failure
    assert len(asked.at) == 1


async def test_it_is_asked_a_few_times_only() -> None:
    """Our choice: then the caller decides."""
    asked = Asked(refused(429, "1"), times=100)
    with pytest.raises(HTTPRefused):
        await ask_again(asked.ask, within=60, is_harmless=True)
    assert len(asked.at) == 1 + MAX_REPEATS


@pytest.mark.parametrize(("within", "times"), [(9, 1), (14, 2), (3600, 3)])
async def test_all_waits_together_are_bounded(within: float, times: int) -> None:
    """Our choice: by what the caller waits for an answer, and by half a minute."""
    after = "7" if within < LONGEST_SECONDS else "10"
    asked = Asked(refused(429, after), times=100)
    with pytest.raises(HTTPRefused):
        await ask_again(asked.ask, within=within, is_harmless=True)
    assert len(asked.waits) == times


async def test_what_may_do_harm_goes_again_only_if_it_was_not_done() -> None:
    """Our choice: of a 503 one cannot be sure."""
    unavailable = Asked(refused(503), times=1)
    with pytest.raises(HTTPRefused):
        await ask_again(unavailable.ask, within=60, is_harmless=False)
    for failure in (refused(429), error({"retryAfter": 1})):
        too_many = Asked(failure, times=1)
        assert await ask_again(too_many.ask, within=60, is_harmless=False) == "answer"


# Of a client --------------------------------------------------------------------------


def tools(**annotations: bool) -> JSONObject:
    tool = {"name": "t", "inputSchema": {"type": "object"}, "annotations": annotations}
    return {"resultType": "complete", "ttlMs": 0, "tools": [tool]}


async def answer_later(
    server: ScriptedServer, method: str, status: int, result: JSONObject
) -> None:
    """Refuse a request once, and answer the next one."""
    first = await server.expect(method)
    server.report(
        HTTPRefused(
            "no", status=status, headers={"retry-after": "5"}, request_id=first.id
        )
    )
    second = await server.expect(method)
    await server.answer(second, result)


@pytest.mark.parametrize(
    ("status", "hints"),
    [
        (429, {}),
        (503, {"readOnlyHint": True}),
        (503, {"idempotentHint": True}),
    ],
)
async def test_tool_is_called_again_where_that_does_no_harm(
    status: int, hints: dict[str, bool]
) -> None:
    """We promise it: a restart of the server is no failure then."""
    script = {**MODERN, "tools/list": tools(**hints)}
    async with connected(script) as (client, server):
        await client.list_tools()
        async with beside(lambda: client.call_tool("t")) as called:
            await answer_later(server, "tools/call", status, DONE)
        assert called.result().content == []


@pytest.mark.parametrize("hints", [{}, {"readOnlyHint": False}, None])
async def test_tool_that_may_do_harm_is_not_called_twice(
    hints: dict[str, bool] | None,
) -> None:
    """We promise it: its caller decides."""
    script = {**MODERN, "tools/list": tools(**(hints or {}))}
    async with connected(script) as (client, server):
        if hints is not None:
            await client.list_tools()
        async with beside(lambda: client.call_tool("t")) as called:
            first = await server.expect("tools/call")
            server.report(
                HTTPRefused(
                    "no",
                    status=503,
                    headers={"retry-after": "1"},
                    request_id=first.id,
                )
            )
        assert isinstance(called.error, HTTPRefused)
        assert server.methods.count("tools/call") == 1


async def test_server_that_has_no_time_at_first_is_connected_to() -> None:
    """We promise it: and in the era that it speaks."""
    async with serving({}) as server:

        async def open_and_close() -> str:
            async with Client(server.transport) as client:
                return client.version

        async with beside(open_and_close) as opened:
            await answer_later(server, "server/discover", 503, DISCOVERED)
        assert opened.result() == LATEST


async def test_answer_over_any_transport_may_say_later() -> None:
    """We promise it: such as over a WebSocket, where there is no status."""
    slower = Refusal(-32600, "slower", {"retryAfter": 1})
    script: Script = {**MODERN, "tools/call": [slower, slower, DONE]}
    async with connected(script) as (client, server):
        result = await client.call_tool("t")
        assert result.content == []
        assert server.methods.count("tools/call") == 3
