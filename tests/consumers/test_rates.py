"""What users are answered who send more requests than MCP["MAX_RATE"], by binding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django.bulkheads.tallies import tallies
from tests.consumers.connections import open_stream
from tests.consumers.credentials import token_of
from tests.consumers.streamable import (
    JSON_ONLY,
    call_of,
    open_session,
    post,
    post_modern,
    shop,
)
from tests.consumers.websocket_connections import open_websocket

ADD = call_of("add", a=1, b=2)
ONE_A_MINUTE = {"MAX_RATE": 1 / 60}


@pytest.fixture(autouse=True)
def slow(settings: Settings) -> None:
    """Let each user send one request a minute."""
    settings.MCP = ONE_A_MINUTE


@pytest.fixture
def refusals() -> Callable[[], Counter[int]]:
    """Give what operators are told of refusals that came in the test."""
    before = tallies.refused_by.copy()
    return lambda: tallies.refused_by - before


def is_refusal(error: object, sender: str = "user") -> bool:
    """Say whether an error says what was too much, and when to come again."""
    if not isinstance(error, dict):
        return False
    seconds = error["data"]["retryAfter"]
    assert error == {
        "code": -32600,
        "message": f"more than 0.0166667 requests a second of this {sender}; try again "
        f"in {seconds} seconds",
        "data": {"retryAfter": seconds},
    }
    return bool(30 < seconds <= 60)


async def test_modern_requests_beyond_the_rate_are_answered_429(
    ada: User, refusals: Callable[[], Counter[int]]
) -> None:
    """Spec: RFC 6585, section 4. The answer has the id of its request."""
    headers = await token_of(ada)
    first, second = [await post_modern(ADD, headers=headers) for _ in range(2)]

    assert (first.status, second.status) == (200, 429)
    answer = second.json()
    assert is_refusal(answer["error"])
    assert answer["id"] == 1
    seconds = answer["error"]["data"]["retryAfter"]
    assert second.header("retry-after") == str(seconds)
    assert refusals() == {429: 1}


async def test_users_have_a_rate_each(ada: User, bob: User) -> None:
    """Chosen: one user's rush is no other's business."""
    responses = [
        await post_modern(ADD, headers=await token_of(user)) for user in (ada, ada, bob)
    ]

    assert [response.status for response in responses] == [200, 429, 200]


async def test_requests_of_a_session_beyond_the_rate_are_answered_429(
    ada: User,
) -> None:
    """Chosen: `initialize` counts, which makes a session; pings do not."""
    session = await open_session(headers=await token_of(ada))
    response = await session.post(ADD)

    assert response.status == 429
    assert is_refusal(response.json()["error"])
    seconds = response.json()["error"]["data"]["retryAfter"]
    assert response.header("retry-after") == str(seconds)
    assert await session.ask("ping") == {}


async def test_each_request_of_a_batch_is_counted(
    ada: User, settings: Settings, refusals: Callable[[], Counter[int]]
) -> None:
    """Chosen: those that are too much are errors beside the results of the others."""
    settings.MCP = {}
    session = await open_session("2025-03-26", headers=await token_of(ada))
    settings.MCP = ONE_A_MINUTE

    response = await session.post(
        [{**ADD, "id": id} for id in range(4)], accept=JSON_ONLY
    )

    answers = {answer["id"]: answer for answer in response.json()}
    assert response.status == 200
    assert "result" in answers[0]
    assert [is_refusal(answers[id].get("error")) for id in range(4)] == [
        False,
        True,
        True,
        True,
    ]
    assert refusals() == {429: 3}


async def test_requests_over_sse_beyond_the_rate_are_errors_on_the_stream(
    ada: User, refusals: Callable[[], Counter[int]]
) -> None:
    """Chosen: the official clients end their session on a 429."""
    headers = await token_of(ada)
    async with open_stream(shop, headers=headers) as stream:
        await stream.initialize()
        assert "tools" in await stream.ask("tools/list")

        assert is_refusal(await stream.ask("tools/list"))
        assert await stream.ask("ping") == {}
    assert refusals() == {429: 1}


async def test_what_is_refused_is_counted_by_its_status(
    ada: User, refusals: Callable[[], Counter[int]]
) -> None:
    """We promise it: operators see how much is refused, and why."""
    headers = await token_of(ada)

    for message, more in (
        (ADD, {}),
        (b"{", headers),
        (call_of("add") | {"method": "x"}, headers),
    ):
        await post(shop, message, headers=more)

    assert refusals() == {401: 1, 400: 2}


async def test_requests_over_a_websocket_beyond_the_rate_are_errors(ada: User) -> None:
    """Chosen: there is no status to refuse by."""
    async with open_websocket(shop, headers=await token_of(ada)) as websocket:
        assert "tools" in await websocket.ask("tools/list")

        assert is_refusal(await websocket.ask("tools/list"))
        assert await websocket.ask("ping") == {}


async def test_tokens_may_have_a_rate_each(ada: User, settings: Settings) -> None:
    """Chosen: MCP["RATE_FOR"]: one program of a user leaves the others alone."""
    settings.MCP = {**ONE_A_MINUTE, "RATE_FOR": "token"}
    one, other = await token_of(ada), await token_of(ada)
    responses = [await post_modern(ADD, headers=each) for each in (one, one, other)]

    assert [response.status for response in responses] == [200, 429, 200]
    assert is_refusal(responses[1].json()["error"], "token")
