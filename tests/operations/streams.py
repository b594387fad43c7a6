"""Streams that are open, and do nothing."""

from __future__ import annotations

from django.contrib.auth.models import User

from mcp_django.auth.interface import Identity
from mcp_django.worker.connections import OpenConnection
from mcp_django.worker.worker import Worker


class Stream(OpenConnection):
    """A stream of a user, which says whether it was closed."""

    sort = "listen"

    def __init__(self, worker: Worker, pk: int) -> None:
        self._worker = worker
        self._identity = Identity(User(pk=pk), label=f"of {pk}", program=f"from {pk}")
        worker.hold(self)

    @property
    def identity(self) -> Identity:
        return self._identity

    async def tick(self) -> None:
        pass

    async def finish(self) -> None:
        await self.close()

    async def abort(self) -> None:
        await self.close()

    async def close(self) -> None:
        self._worker.let_go(self)
