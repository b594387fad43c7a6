"""Contexts of tasks that may outlive whoever begins them."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import Final

from asgiref.sync import SyncToAsync

_OF_THREADS: Final = (
    SyncToAsync.thread_sensitive_context,
    SyncToAsync.deadlock_context,
)
"""What asgiref keeps of the threads that the caller's `sync_to_async` uses."""


def own_context() -> Context:
    """Copy the context, for a task that may outlive whoever begins it.

    What is of the caller's threads is left out: else `sync_to_async`, and so Django's
    caches and async ORM, would use them in the task as well, or refuse to run while
    they are busy.
    """
    context = copy_context()
    if not any(variable in context for variable in _OF_THREADS):
        return context
    own = Context()
    for variable, value in context.items():
        if variable not in _OF_THREADS:
            own.run(variable.set, value)
    return own
