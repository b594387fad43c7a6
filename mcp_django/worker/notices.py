"""Passing change notices on to the sessions of this process and of all others."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync

from mcp_django.bulkheads.threads import runs_asyncio
from mcp_django.server.notices import Notice, noticed
from mcp_django.server.server import Server
from mcp_django.worker.worker import current_worker, workers_of_process


def pass_on(sender: Server, notice: Notice, **kwargs: Any) -> None:
    """Receive `noticed`: tell every session of the server, wherever it lives."""
    workers = workers_of_process()
    for worker in workers:
        worker.notify(sender.name, notice)
    if workers:
        workers[0].tell_others(sender.name, notice)
    elif runs_asyncio():
        current_worker().tell_others(sender.name, notice)
    else:
        # A command or a task queue: no client here, but perhaps elsewhere.
        async_to_sync(_tell_as_stranger)(sender.name, notice)


def connect() -> None:
    """Start passing notices on; done once, when the app is ready."""
    noticed.connect(pass_on, dispatch_uid="mcp_django.worker.notices")


async def _tell_as_stranger(server_name: str, notice: Notice) -> None:
    await current_worker().tell_as_stranger(server_name, notice)
