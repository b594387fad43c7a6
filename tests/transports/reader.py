"""Flow control as tests need it."""

import anyio

from mcp_django.transports.server.flow_control import Flow


class Reader(Flow):
    """A client that reads when the test lets it.

    Attributes:
        is_closed: Whether the transport let go of the connection.
        has_read: Something that grows with what it has read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._has_room = anyio.Event()
        self.is_closed = False
        self.has_read = 0

    @property
    def has_unread(self) -> bool:
        return self.is_congested

    def progress(self) -> object:
        return self.has_read

    async def wait(self) -> None:
        while self.is_congested:
            await self._has_room.wait()

    def close(self) -> None:
        self.is_closed = True
        self.read()

    def stop(self) -> None:
        """Read nothing any more."""
        self.is_congested = True
        self._has_room = anyio.Event()

    def read(self) -> None:
        """Read everything."""
        self.is_congested = False
        self._has_room.set()
        self.on_clear()
