"""Users as the database has them now: rights may change while a session lives."""

from __future__ import annotations

from mcp_django.auth.interface import User
from mcp_django.server.threads import authentication_threads


async def read_again(user: User) -> User | None:
    """Read a user afresh, so that cached permissions are forgotten.

    Returns:
        The user; None if it is gone or inactive. Nobody stays nobody.
    """
    if user.is_anonymous:
        return user
    users = type(user)._default_manager.filter(pk=user.pk)
    found: User | None = await authentication_threads.run(users.first)
    return found if found is not None and found.is_active else None
