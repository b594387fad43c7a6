"""What is open in one worker, and how much more each user may open."""

import pytest
from pytest_django import Settings

from mcp_django.server.server import Server
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.connections import Connections, Kind, Places, TooManyOpen
from tests.sessions.opening import open_session

SERVER = Server("shop")

RESERVED: list[tuple[str, Kind]] = [("1", "stream"), ("2", "stream"), ("1", "call")]


def reserve(connections: Connections) -> list[Places]:
    """Reserve two places for each of `RESERVED`, and one more for two."""
    places = [connections.reserve(*each) for each in RESERVED for _ in range(2)]
    return [*places, connections.reserve("", "stream", 99)]


def test_places_are_counted_by_user_and_kind(settings: Settings) -> None:
    """Our choice: many calls keep nobody from listening; nobody is not a user."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 2, "MAX_CALLS_PER_USER": 2}
    connections = Connections()
    places = reserve(connections)
    for owner, kind in RESERVED:
        with pytest.raises(TooManyOpen):
            connections.reserve(owner, kind)
    for each in places[:-1]:
        each.leave()
    reserve(connections)


def test_places_are_reserved_together_or_not_at_all(settings: Settings) -> None:
    """Our choice: no batch runs in part."""
    settings.MCP = {"MAX_CALLS_PER_USER": 3}
    connections = Connections()
    with connections.reserve("1", "call"), pytest.raises(TooManyOpen):
        connections.reserve("1", "call", 3)
    three = connections.reserve("1", "call", 3)
    for _ in range(2):
        three.leave()
    with connections.reserve("1", "call", 2), pytest.raises(TooManyOpen):
        connections.reserve("1", "call", 2)


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
def test_refusal_says_when_to_try_again(
    settings: Settings, kind: Kind, status: int, message: str, seconds: bytes
) -> None:
    """Our choice: a call may end at any time, a stream hardly."""
    settings.MCP = {"MAX_STREAMS_PER_USER": 0, "MAX_CALLS_PER_USER": 0}
    with pytest.raises(TooManyOpen) as caught:
        Connections().reserve("1", kind)
    refused = caught.value
    assert (refused.status, refused.message) == (status, message)
    assert refused.headers == [(b"retry-after", seconds)]


def test_nothing_begins_while_the_process_ends() -> None:
    """Our choice: `503`, for the next process may take it."""
    connections = Connections()
    connections.is_ending = True
    with pytest.raises(Refused) as caught:
        connections.reserve("", "call")
    assert caught.value.status == 503
    assert caught.value.message == "the server is being shut down; try again"


def test_connections_are_looked_after_until_they_are_removed() -> None:
    """Our choice: also those whose places are counted elsewhere."""
    connections = Connections()
    call = open_session("call", SERVER)
    stream = open_session("stream", SERVER)
    connections.add(call, "call")
    connections.add(stream)
    assert list(connections) == [call, stream]
    assert list(connections.kinds()) == [(call, "call"), (stream, "stream")]
    connections.remove(call)
    assert list(connections) == [stream]
