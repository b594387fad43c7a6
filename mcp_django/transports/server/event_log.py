"""What keeps the events of a stream; how that is done is the business of others."""

from __future__ import annotations

from abc import ABC, abstractmethod


class EventLog(ABC):
    """Keeps the events of one stream, for clients that lose their connection."""

    @property
    @abstractmethod
    def retry_ms(self) -> int:
        """When clients shall come back, in milliseconds."""

    @abstractmethod
    async def open(self) -> str:
        """Make an id for the beginning of the stream, before its first event.

        Returns:
            The id; "" if the stream is lost.
        """

    @property
    @abstractmethod
    def is_lost(self) -> bool:
        """Whether events could not be kept, so that no client can come back."""

    @abstractmethod
    async def append(self, data: bytes, *, is_last: bool) -> str:
        """Keep an event and give its id; "" if the stream is lost.

        Raises:
            TransportClosed: Another process ended it in place of us.
        """

    @abstractmethod
    async def end(self) -> None:
        """Keep that no event will follow."""

    @abstractmethod
    async def tell(self) -> None:
        """Tell a client that came back already that there is more."""

    @abstractmethod
    def tick(self) -> None:
        """Keep in mind that the stream is open. Called every second; waits for none."""
