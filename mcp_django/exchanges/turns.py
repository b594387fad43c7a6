"""Turns of the requests that came in batches over Streamable HTTP, by session.

On a connection that stays open, the session of the client has room for so many
requests. Over Streamable HTTP each request has a connection of its own, except for
those of a batch, which would all run at once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Self

import anyio

from mcp_django.conf import mcp_settings
from mcp_django.worker.worker import Worker


@dataclass(slots=True)
class _Queue:
    """The requests of one session.

    Attributes:
        count: How many there are.
        running: How many of them run.
        waiting: What others wait for, the first to come first.
    """

    count: int = 0
    running: int = 0
    waiting: deque[anyio.Event] = field(default_factory=deque)


class Turns:
    """Lets `MAX_CONCURRENT` requests of a session run, while `MAX_INBOX` more wait.

    ::

        --enter()--> waiting --begin()--> running --end()--> --leave()-->
    """

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._less: anyio.Event | None = None

    @classmethod
    def make_for(cls, worker: Worker) -> Self:
        """Make those of a worker; see `Worker.part`."""
        return cls()

    def __len__(self) -> int:
        """Count the sessions that have any."""
        return len(self._queues)

    @property
    def most(self) -> int:
        """How many requests of a session there may be at once."""
        return mcp_settings.MAX_CONCURRENT + mcp_settings.MAX_INBOX

    async def enter(self, session_key: str, count: int, timeout: float) -> bool:
        """Count more requests once a session has room for them; pair with `leave`.

        Args:
            session_key: Names the session.
            count: How many requests, no more than `most`.
            timeout: In seconds.

        Returns:
            Whether they are counted; False if there is no room in time.
        """
        with anyio.move_on_after(timeout):
            while self._count_of(session_key) + count > self.most:
                self._less = self._less or anyio.Event()
                await self._less.wait()
            self._queues.setdefault(session_key, _Queue()).count += count
            return True
        return False

    def _count_of(self, session_key: str) -> int:
        queue = self._queues.get(session_key)
        return 0 if queue is None else queue.count

    def leave(self, session_key: str, count: int = 1) -> None:
        """Count one of them no longer, or so many."""
        queue = self._queues[session_key]
        queue.count -= count
        if not queue.count:
            del self._queues[session_key]
        if self._less is not None:
            self._less.set()
            self._less = None

    async def begin(self, session_key: str) -> None:
        """Wait for one's turn; pair with `end`, unless it is cancelled."""
        queue = self._queues[session_key]
        if not queue.waiting and queue.running < mcp_settings.MAX_CONCURRENT:
            queue.running += 1
            return
        mine = anyio.Event()
        queue.waiting.append(mine)
        try:
            await mine.wait()
        except BaseException:
            if mine.is_set():
                self.end(session_key)
            else:
                queue.waiting.remove(mine)
            raise

    def end(self, session_key: str) -> None:
        """Let the next one run in one's place."""
        queue = self._queues[session_key]
        if queue.waiting:
            queue.waiting.popleft().set()
        else:
            queue.running -= 1
