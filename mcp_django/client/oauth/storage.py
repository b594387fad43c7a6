"""Where tokens are kept: an interface, and memory.

What is kept is secret: tokens, client secrets, and verifiers of logins under way.
"""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import anyio

from mcp_django.protocol.jsonrpc import JSONObject

_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.25


class Storage(ABC):
    """Keeps one record for each MCP server, for one account: of a user, or a program.

    A record is a JSON object whose content is for `OAuth` alone. Of what cannot be read
    any more, `get` gives None: the user logs in again.

    A storage may be used by several tasks, threads and event loops.
    """

    @abstractmethod
    async def get(self, url: str) -> JSONObject | None:
        """Give the record of a server; None if there is none.

        Args:
            url: Canonical URL of the MCP server.
        """

    @abstractmethod
    async def set(self, url: str, record: JSONObject) -> None:
        """Keep a record in place of the one before; all of it, or nothing."""

    @abstractmethod
    async def delete(self, url: str) -> None:
        """Forget the record of a server; does nothing if there is none."""

    @abstractmethod
    def lock(self, url: str) -> AbstractAsyncContextManager[None]:
        """Let one at a time into the block, of all that use the record of a server.

        Those are other tasks and threads, and other processes where the storage has
        several. It is held while a token is refreshed, and while a user logs in, which
        may take minutes; who waits decides how long. It ends with its process. `get`,
        `set` and `delete` are called within the block and without it.
        """


class MemoryStorage(Storage):
    """Keeps records for as long as the program runs."""

    def __init__(self) -> None:
        self._records: dict[str, JSONObject] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    async def get(self, url: str) -> JSONObject | None:
        """Give a copy of the record."""
        return copy.deepcopy(self._records.get(url))

    async def set(self, url: str, record: JSONObject) -> None:
        """Keep a copy of the record."""
        self._records[url] = copy.deepcopy(record)

    async def delete(self, url: str) -> None:
        """Forget the record."""
        self._records.pop(url, None)

    @asynccontextmanager
    async def lock(self, url: str) -> AsyncIterator[None]:
        """Let one task of this process in at a time, whatever thread it runs in."""
        lock = self._locks[url]
        await acquire(lambda: lock.acquire(blocking=False))
        try:
            yield
        finally:
            lock.release()


async def acquire(try_to: Callable[[], bool]) -> None:
    """Wait for a lock that can only be tried, and that may be held in another thread.

    A wait that is cancelled leaves nothing behind, unlike one in a thread.

    Args:
        try_to: Takes the lock without waiting, and says whether it has it.
    """
    pause = _FIRST_PAUSE
    while not try_to():
        await anyio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
