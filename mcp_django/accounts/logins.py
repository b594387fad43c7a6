"""Logins that are on their way: each bound to the browser session that began it.

What proves that an answer is that of the other server is kept with the account. Here
stands only which state was given to which session, so that no user can have
another one finish a login that they began.

Spec: RFC 9700, sections 2.1 and 4.7.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase

LOGIN_SECONDS: Final = 600
"""How long a user may take at the other server."""

_KEY: Final = "mcp_accounts_logins"
_MAX_LOGINS: Final = 5
"""Of one session; one in each of so many tabs."""


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login whose user has yet to come back.

    Attributes:
        server: Name of the server.
        next_url: Where to go afterwards; "" for the page of accounts.
    """

    server: str
    next_url: str


def remember(
    session: SessionBase, user_id: Any, state: str, login: PendingLogin
) -> None:
    """Bind a login to a session and its user; the oldest ones make room."""
    kept = {**session.get(_KEY, {})}
    kept[_digest(state)] = [
        str(user_id),
        login.server,
        login.next_url,
        time.time() + LOGIN_SECONDS,
    ]
    session[_KEY] = dict(list(kept.items())[-_MAX_LOGINS:])


def take(session: SessionBase, user_id: Any, state: str) -> PendingLogin | None:
    """Give the login of a state, once.

    Returns:
        None if this session began none with it, or for another user, or too long ago.
    """
    kept = {**session.get(_KEY, {})}
    found = kept.pop(_digest(state), None)
    if found is None:
        return None
    session[_KEY] = kept
    owner, server, next_url, end = found
    if owner != str(user_id) or end < time.time():
        return None
    return PendingLogin(server, next_url)


def _digest(state: str) -> str:
    """Make what a session keeps of a state: some keep it where its browser reads it."""
    return hashlib.sha256(state.encode(errors="replace")).hexdigest()
