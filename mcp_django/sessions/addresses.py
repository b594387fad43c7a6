"""Session ids: each names its session, and the mailbox of the worker that holds it."""

from __future__ import annotations

import secrets

from mcp_django.signing import seal, unseal

_KEY_BYTES = 16
_MAX_CHARACTERS = 400


def make_session_id(mailbox: str) -> str:
    """Make an id that no other session has and nobody can guess.

    Args:
        mailbox: Channel of the worker that holds the session; "" if none can reach it.
    """
    return seal("session", [secrets.token_urlsafe(_KEY_BYTES), mailbox])


def mailbox_of(session_id: str) -> str:
    """Give the mailbox of the worker that held a session when it was opened.

    Raises:
        ValueError: The id is none that this site made.
    """
    if len(session_id) > _MAX_CHARACTERS:
        raise ValueError("no sealed session: too long")
    match unseal("session", session_id):
        case [str(), str() as mailbox]:
            return mailbox
    raise ValueError("no sealed session: of another form")
