"""What the system tells of bytes that it was given to send."""

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest

from mcp_django.consumers.daphne import Delivery, delivery_of
from tests.patience import PATIENCE_SECONDS


@dataclass
class Transport:
    """As much of Twisted's as is asked."""

    handle: socket.socket

    def getHandle(self) -> socket.socket:
        return self.handle


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Connect two sockets, over TCP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as near,
    ):
        far, _ = listener.accept()
        with far:
            near.setblocking(False)
            far.setblocking(False)
            yield near, far


async def wait_until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not is_so():
            await anyio.lowlevel.checkpoint()


async def test_what_the_peer_takes_is_acknowledged(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Chosen: Linux tells so; of other systems it is not known."""
    near, far = ends
    transport = Transport(near)
    if sys.platform != "linux":
        assert delivery_of(transport) == Delivery()
        return
    near.send(b"x" * 1000)
    await wait_until(lambda: not delivery_of(transport).is_pending)
    before = delivery_of(transport).acknowledged
    assert before >= 1000
    with pytest.raises(BlockingIOError):
        while True:
            near.send(b"x" * 100_000)
    assert delivery_of(transport).is_pending

    def read() -> bool:
        with contextlib.suppress(BlockingIOError):
            far.recv(1_000_000)
        return not delivery_of(transport).is_pending

    await wait_until(read)
    assert delivery_of(transport).acknowledged > before


def test_of_other_sockets_nothing_is_known() -> None:
    """Chosen: as of Unix sockets, and of connections that are gone."""
    near, far = socket.socketpair()
    with near, far:
        near.send(b"x")
        assert delivery_of(Transport(near)) == Delivery()
    assert delivery_of(Transport(near)) == Delivery()
    assert delivery_of(object()) == Delivery()
