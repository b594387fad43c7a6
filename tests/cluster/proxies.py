"""Proxies in a thread of their own, for whoever has no event loop or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio.from_thread import BlockingPortal

from tests.live.proxy import Proxy, running_proxy


class Line:
    """The way to a server on this computer, which can be broken.

    Args:
        proxy: Through which it leads.
        portal: To the event loop of the proxy.
    """

    def __init__(self, proxy: Proxy, portal: BlockingPortal) -> None:
        self._proxy = proxy
        self._portal = portal

    @property
    def port(self) -> int:
        """Where it begins, on 127.0.0.1."""
        return self._proxy.port

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._proxy.connections

    def cut(self) -> None:
        """Break all connections."""
        self._do(self._proxy.cut)

    def freeze(self) -> None:
        """Pass nothing more: all connections look open, and are not."""
        self._do(self._proxy.freeze)

    def delay(self, seconds: float) -> None:
        """Hold up all that passes, in both directions."""
        self._proxy.delay = seconds

    def drop(self) -> None:
        """Lose all that would pass."""
        self._proxy.drops = True

    def refuse(self) -> None:
        """Break all connections, and new ones at once."""
        self._proxy.refuses = True
        self.cut()

    def mend(self) -> None:
        """Pass everything again; connections that lost something are broken."""
        if self._proxy.drops:
            self.cut()
        self._proxy.delay, self._proxy.drops, self._proxy.refuses = 0.0, False, False
        self._do(self._proxy.thaw)

    def _do(self, function: Callable[[], None]) -> None:
        self._portal.call(function)


@contextmanager
def running_line(portal: BlockingPortal, port: int) -> Iterator[Line]:
    """Run a proxy before a port of 127.0.0.1 until the end of the block."""
    with portal.wrap_async_context_manager(running_proxy(port)) as proxy:
        yield Line(proxy, portal)
