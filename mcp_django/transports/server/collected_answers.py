"""Answers to a batch that go to the client in one body."""

from __future__ import annotations

from collections.abc import Callable

from mcp_django.exceptions import BatchTooLarge
from mcp_django.transports.server.http_response import Headers, HTTPResponse
from mcp_django.transports.server.reply_events import ReplyLimits
from mcp_django.transports.server.unread import UNCOUNTED_BYTES, Account


class CollectedAnswers:
    """Answers to a batch, kept until all are there.

    They count as unread, and take no more together than one result may.

    Args:
        account: What the client's user has yet to read.
        limits: Gives how many bytes one result may take.
    """

    __slots__ = ("_account", "_answers", "_limits")

    def __init__(self, account: Account, limits: Callable[[], ReplyLimits]) -> None:
        self._account = account
        self._limits = limits
        self._answers: list[bytes] = []

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._answers)

    @property
    def is_full(self) -> bool:
        """Whether they take most of what one body may."""
        return self._account.held * 2 > self._limits().max_result_bytes

    def add(self, data: bytes) -> None:
        """Keep one more.

        Raises:
            BatchTooLarge: The answers to the batch would be too large for one body.
            ReaderTooSlow: The client's user has yet to read too much.
        """
        size, limit = self._account.held + len(data), self._limits().max_result_bytes
        if len(data) <= UNCOUNTED_BYTES:
            # Also what stands for a larger one has to find room.
            self._account.add(len(data))
        elif size > limit:
            raise BatchTooLarge(size, limit)
        else:
            self._account.take(len(data))
        self._answers.append(data)

    async def respond(self, response: HTTPResponse, headers: Headers) -> None:
        """Send them as one body; they count until the client has read it."""
        # Joined once: joined with each answer, a long batch would hold up all.
        body = b"[" + b",".join(self._answers) + b"]"
        self._answers.clear()
        try:
            await response.respond(200, body, headers)
        finally:
            self.close()

    def close(self) -> None:
        """Drop them, and count them no longer."""
        self._answers.clear()
        self._account.close()
