"""What is open in one worker."""

from django.contrib.auth.models import User

from mcp_django.server.server import Server
from mcp_django.worker.connections import Connections
from tests.sessions.opening import open_session

SERVER = Server("shop")
ADA = User(pk=1, username="ada")
BOB = User(pk=2, username="bob")


def test_connections_are_counted_by_their_owner() -> None:
    """Our choice: `MAX_STREAMS_PER_USER`."""
    connections = Connections()
    sessions = [
        open_session(str(number), SERVER, user=user)
        for number, user in enumerate([ADA, ADA, BOB, None])
    ]
    for opened in sessions:
        connections.add(opened)
    counts = [connections.count_of(owner) for owner in ("1", "2", "", "3")]
    assert counts == [2, 1, 1, 0]
    for opened in sessions:
        connections.remove(opened)
    counts = [connections.count_of(owner) for owner in ("1", "2", "", "3")]
    assert counts == [0, 0, 0, 0]


def test_calls_are_counted_by_themselves() -> None:
    """Our choice: `MAX_CALLS_PER_USER`; many calls keep nobody from listening."""
    connections = Connections()
    call = open_session("call", SERVER, user=ADA)
    stream = open_session("stream", SERVER, user=ADA)
    connections.add(call, "call")
    connections.add(stream)
    assert (connections.count_of("1", "call"), connections.count_of("1")) == (1, 1)
    assert list(connections) == [call, stream]
    connections.remove(call)
    assert (connections.count_of("1", "call"), connections.count_of("1")) == (0, 1)
