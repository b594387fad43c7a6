"""Users as the database has them now: rights may change while a session lives."""

from __future__ import annotations

from functools import partial

from django.utils.functional import LazyObject

from mcp_django.auth.interface import User, user_behind
from mcp_django.server.threads import authentication_threads


async def read(user: User) -> User:
    """Give the user itself in place of a lazy one, such as `request.user`."""
    if isinstance(user, LazyObject):
        return await authentication_threads.run(partial(user_behind, user))
    return user


async def read_again(user: User) -> User | None:
    """Read a user afresh, so that cached permissions are forgotten.

    Returns:
        The user; None if it is gone or inactive. Nobody stays nobody.
    """
    user = await read(user)
    if user.is_anonymous:
        return user
    users = type(user)._default_manager.filter(pk=user.pk)
    found: User | None = await authentication_threads.run(users.first)
    return found if found is not None and found.is_active else None
