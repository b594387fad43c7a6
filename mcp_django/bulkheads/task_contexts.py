"""Contexts of tasks that may outlive the task that begins them."""

from __future__ import annotations

from contextvars import Context, copy_context
from typing import Final

from asgiref.sync import SyncToAsync

_SENSITIVE: Final = SyncToAsync.thread_sensitive_context
_DEADLOCK: Final = SyncToAsync.deadlock_context
"""What asgiref keeps of the threads that the caller's `sync_to_async` uses."""


def own_context() -> Context:
    """Copy the context, for a task that may outlive the one that begins it.

    What is of the caller's threads is left out: else `sync_to_async`, and so Django's
    caches and async ORM, would use them in the task as well, or refuse to run while
    they are busy.
    """
    context = copy_context()
    if _SENSITIVE not in context and _DEADLOCK not in context:
        return context
    own = Context()
    for variable, value in context.items():
        if variable is not _SENSITIVE and variable is not _DEADLOCK:
            own.run(variable.set, value)
    return own
