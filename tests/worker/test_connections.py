"""What is open in one worker, and how much more each user may open."""

from contextlib import ExitStack

import pytest
from pytest_django import Settings

from mcp_django.server.server import Server
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.connections import Connections, Kind
from tests.sessions.opening import open_session

SERVER = Server("shop")

RESERVED: list[tuple[str, Kind]] = [("1", "stream"), ("2", "stream"), ("1", "call")]


async def make_no_way(connections: Connections, owner: str, kind: Kind) -> None:
    """End nothing."""


async def reserve(connections: Connections) -> ExitStack:
    """Reserve two places for each of `RESERVED`, and many for no user."""
    places = ExitStack()
    for owner, kind in RESERVED:
        for _ in range(2):
            places.enter_context(await connections.reserve(owner, kind))
    places.enter_context(await connections.reserve("", "stream", 99))
    return places


async def test_places_are_counted_by_user_and_kind(settings: Settings) -> None:
    """Our choice: many calls keep no user from listening; "" is no user."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2, "MAX_CALLS_PER_USER": 2}
    connections = Connections(make_no_way)
    places = await reserve(connections)
    for owner, kind in RESERVED:
        with pytest.raises(Refused):
            await connections.reserve(owner, kind)
    places.close()
    await reserve(connections)


async def test_places_are_reserved_together_or_not_at_all(settings: Settings) -> None:
    """Our choice: no batch runs in part."""
    settings.MCP = {"MAX_CALLS_PER_USER": 3}
    connections = Connections(make_no_way)
    with await connections.reserve("1", "call"), pytest.raises(Refused):
        await connections.reserve("1", "call", 3)
    three = await connections.reserve("1", "call", 3)
    for _ in range(2):
        with three:
            pass
    with await connections.reserve("1", "call", 2), pytest.raises(Refused):
        await connections.reserve("1", "call", 2)


@pytest.mark.parametrize(
    ("kind", "status", "message", "seconds"),
    [
        ("stream", 429, "0 streams of this user are open; close one", b"10"),
        (
            "call",
            503,
            "0 requests of this user may run at a time; try again later",
            b"1",
        ),
    ],
)
async def test_refusal_says_when_to_try_again(
    settings: Settings, kind: Kind, status: int, message: str, seconds: bytes
) -> None:
    """Our choice: a call may end at any time, a stream hardly."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 0, "MAX_CALLS_PER_USER": 0}
    with pytest.raises(Refused) as caught:
        await Connections(make_no_way).reserve("1", kind)
    refused = caught.value
    assert (refused.status, refused.message) == (status, message)
    assert refused.headers == [(b"retry-after", seconds)]


async def test_streams_of_all_together_are_bounded(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: also of clients that are no user's; calls go on."""
    settings.MCP = {"MAX_STREAMS": 3}
    connections = Connections(make_no_way)
    with ExitStack() as places:
        for owner in ("1", "", ""):
            places.enter_context(await connections.reserve(owner, "stream"))
        for owner in ("", "1", "2"):
            with pytest.raises(Refused) as caught:
                await connections.reserve(owner, "stream")
            places.enter_context(await connections.reserve(owner, "call"))
    refused = caught.value
    assert (refused.status, refused.headers) == (503, [(b"retry-after", b"10")])
    [line] = caplog.messages  # one a minute
    assert "a stream is refused: MCP['MAX_STREAMS'] = 3 are open" in line
    for owner in ("1", "", ""):
        await connections.reserve(owner, "stream")


async def test_nothing_begins_while_the_process_ends() -> None:
    """Our choice: `503`, for the next process may take it."""
    connections = Connections(make_no_way)
    connections.is_ending = True
    with pytest.raises(Refused) as caught:
        await connections.reserve("", "call")
    assert caught.value.status == 503
    assert caught.value.message == "the server is being shut down; try again"


def test_connections_are_looked_after_until_they_are_removed() -> None:
    """Our choice: also those whose places are counted elsewhere."""
    connections = Connections(make_no_way)
    call = open_session("call", SERVER)
    stream = open_session("stream", SERVER)
    connections.add(call, "call")
    connections.add(stream)
    assert list(connections) == [call, stream]
    connections.remove(call)
    assert list(connections) == [stream]


async def test_what_makes_way_leaves_its_place(settings: Settings) -> None:
    """We promise it: a client that comes back finds room, if something is dead."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 1}
    asked: list[tuple[str, Kind]] = []

    async def make_way(connections: Connections, owner: str, kind: Kind) -> None:
        asked.append((owner, kind))
        places.close()

    connections, places = Connections(make_way), ExitStack()
    for _ in range(2):
        places.enter_context(await connections.reserve("1", "stream"))
    assert asked == [("1", "stream")]
