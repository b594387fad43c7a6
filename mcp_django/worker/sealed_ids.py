"""Sealed ids: each names something, and the mailbox of the worker that holds it."""

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


def make_ask_id(name: str, mailbox: str) -> str:
    """Make the id of a request to the client, which says where the answer has to go.

    Args:
        name: Names the question, in the worker that asks.
        mailbox: Channel of that worker; "" if none can reach it.
    """
    return seal("ask", [name, mailbox])


def read_ask_id(id: object) -> tuple[str, str]:
    """Give the name of a question, and the mailbox of the worker that asked it.

    Raises:
        ValueError: The id is none that this site made.
    """
    if isinstance(id, str) and len(id) <= _MAX_CHARACTERS:
        match unseal("ask", id):
            case [str() as name, str() as mailbox]:
                return name, mailbox
    raise ValueError("no sealed ask: of another form")
