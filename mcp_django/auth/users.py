"""Users as the database has them now: rights may change while a session lives."""

from __future__ import annotations

import math
from functools import partial

from django.db.models import Model
from django.utils.functional import LazyObject

from mcp_django.auth.interface import User, user_behind
from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.threads import ThreadPool, authentication_threads
from mcp_django.conf import mcp_settings


@kept
def _users() -> Service:
    return service_of_site(
        "what knows the site's users",
        "what they send is refused",
        shown_as="the site's table of users",
        timeout=lambda: mcp_settings.AUTHENTICATION_TIMEOUT,
        logger=FaultLog("mcp_django.auth"),
    )


async def read(user: User) -> User:
    """Give the user itself in place of a lazy one, such as `request.user`.

    Raises:
        ServiceAway: What knows it does not answer.
    """
    if isinstance(user, LazyObject):
        found: User = await ask_in_thread(
            _users(), partial(user_behind, user), authentication_threads.run
        )
        return found
    return user


async def read_again(
    user: User,
    threads: ThreadPool = authentication_threads,
    *,
    within: float = math.inf,
) -> User | None:
    """Read a user afresh, so that cached permissions are forgotten.

    Args:
        user: The user; one that is no row of a table stays as it is.
        threads: Where the database is asked.
        within: Seconds, if it must not take as long as it may.

    Returns:
        The user; None if it is gone or inactive. An anonymous one stays as it is.

    Raises:
        ServiceAway: What knows it does not answer.
    """
    if not isinstance(user, LazyObject | Model):
        return user  # In no table: nothing to wait for a thread for.
    found: User | None = await ask_in_thread(
        _users(), lambda: _read(user_behind(user)), threads.run, within=within
    )
    return found


def _read(user: User) -> User | None:
    if not isinstance(user, Model):
        return user
    found = type(user)._default_manager.filter(pk=user.pk).first()
    return found if found is not None and getattr(found, "is_active", True) else None
