"""Users as the database has them now: rights may change while a session lives."""

from __future__ import annotations

from functools import partial

from django.db.models import Model
from django.utils.functional import LazyObject

from mcp_django.auth.interface import User, user_behind
from mcp_django.server.threads import ThreadPool, authentication_threads


async def read(user: User) -> User:
    """Give the user itself in place of a lazy one, such as `request.user`."""
    if isinstance(user, LazyObject):
        return await authentication_threads.run(partial(user_behind, user))
    return user


async def read_again(
    user: User, threads: ThreadPool = authentication_threads
) -> User | None:
    """Read a user afresh, so that cached permissions are forgotten.

    Args:
        user: The user; one that is no row of a table stays as it is.
        threads: Where the database is asked.

    Returns:
        The user; None if it is gone or inactive. Nobody stays nobody.
    """
    return await threads.run(lambda: _read(user_behind(user)))


def _read(user: User) -> User | None:
    if not isinstance(user, Model):
        return user
    found = type(user)._default_manager.filter(pk=user.pk).first()
    return found if found is not None and getattr(found, "is_active", True) else None
