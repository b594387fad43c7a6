"""How a user gets to the page of another server, and their answer back to us."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager


class Redirect(ABC):
    """Takes a user to a page, for a program that can wait until they are back.

    A web application, whose user comes back by a request of its own, uses
    `OAuth.begin_login` and `OAuth.finish_login` instead.
    """

    @abstractmethod
    def receive(
        self, registered: str | None = None
    ) -> AbstractAsyncContextManager[Receiver]:
        """Be ready to hear, until the end of the block, where the user is sent back to.

        Args:
            registered: The redirect URI that the authorization server knows from an
                earlier login, to be taken again if it can be had; None for none.
        """


class Receiver(ABC):
    """One redirect URI, while something listens there.

    Attributes:
        uri: The redirect URI, as the authorization server has to know it.
    """

    uri: str

    @abstractmethod
    async def visit(self, url: str) -> str:
        """Take the user to a page, and wait until they are sent back.

        Args:
            url: Of the page; http or https.

        Returns:
            The query of the URL that the user was sent back to, without the "?".

        Raises:
            LoginFailed: The page cannot be shown.
        """
