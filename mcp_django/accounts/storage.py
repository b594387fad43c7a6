"""Where the tokens of accounts are kept: rows of the database, encrypted.

The database is asked in threads of their own, so that this works in async code, in a
view, under a handler and in a command alike. A transaction of the caller's has no part
in it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import anyio
from django.db.models.functions import Now
from django.utils import timezone

from mcp_django.accounts.encryption import Undecryptable
from mcp_django.accounts.models import Account
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.client.oauth.storage import Storage
from mcp_django.protocol.jsonrpc import JSONObject

T = TypeVar("T")

logger = FaultLog("mcp_django.accounts")

LEASE_SECONDS: Final = 120.0
"""For how long a lock holds at most: longer than it takes to renew tokens, so that it
ends by itself only where its process is gone."""

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 0.5


class AccountStorage(Storage):
    """Keeps the records of one user, a row for each server.

    Args:
        user_id: Primary key of the user.
        adds: Whether accounts are added, too: else a record is only kept where there
            was one. So a user who disconnects while tokens are renewed stays so.
    """

    def __init__(self, user_id: Any, *, adds: bool = False) -> None:
        self._user_id = user_id
        self._adds = adds

    async def get(self, url: str) -> JSONObject | None:
        """Read a record; None also for one that cannot be read any more."""

        def read() -> Account | None:
            return Account.objects.at(self._user_id, url).first()

        account = await _in_thread(read)
        if account is None:
            return None
        try:
            record = account.unseal()
        except Undecryptable as error:
            logger.warning(
                "the account of user %s at %s cannot be read; they have to "
                "connect it again: %s",
                self._user_id,
                url,
                error,
                of=(self._user_id, url),
            )
            return None
        return record if isinstance(record, dict) else None

    async def set(self, url: str, record: JSONObject) -> None:
        """Write a record over the one before."""
        sealed = Account.seal(record, self._user_id, url)

        def write() -> bool:
            new = {"sealed": sealed, "changed_at": timezone.now()}
            if self._adds:
                Account.objects.update_or_create(
                    user_id=self._user_id, server_url=url, defaults=new
                )
                return True
            return Account.objects.at(self._user_id, url).update(**new) == 1

        if not await _in_thread(write):
            logger.info(
                "user %s has disconnected the account at %s: what its server sent "
                "after that is not kept",
                self._user_id,
                url,
            )

    async def delete(self, url: str) -> None:
        """Delete the row."""
        await _in_thread(lambda: Account.objects.at(self._user_id, url).delete())

    @asynccontextmanager
    async def lock(self, url: str) -> AsyncIterator[None]:
        """Let one task of all workers in, by a lease in the row.

        No transaction and no connection is held meanwhile, and every database can do
        it. Where there is no row, there is nothing to lock.
        """
        holder = secrets.token_hex(16)
        pause = _FIRST_PAUSE
        while True:
            # A thread that has begun takes it, though the task is cancelled.
            with anyio.CancelScope(shield=True):
                is_taken = await _in_thread(lambda: self._take(url, holder))
            if is_taken:
                break
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        try:
            yield
        finally:
            # Also where the task was cancelled: others wait.
            with anyio.CancelScope(shield=True):
                await _in_thread(lambda: self._leave(url, holder))

    def _take(self, url: str, holder: str) -> bool:
        """Take the lease if nothing has it; say whether the block may be entered."""
        until = Now() + timedelta(seconds=LEASE_SECONDS)
        account = Account.objects.at(self._user_id, url)
        # One statement, so that of two that come at once one changes nothing.
        taken = account.unlocked().update(lock_holder=holder, locked_until=until)
        return taken == 1 or not account.exists()

    def _leave(self, url: str, holder: str) -> None:
        """Give the lease back, unless it was over and another one has it."""
        Account.objects.at(self._user_id, url).filter(lock_holder=holder).update(
            lock_holder="", locked_until=None
        )


async def _in_thread(function: Callable[[], T]) -> T:
    return await authentication_threads.run(function)
