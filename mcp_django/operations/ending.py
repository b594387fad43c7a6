"""Ending sessions, streams and calls, in all workers."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import async_to_sync

from mcp_django.auth.interface import owner_of
from mcp_django.exceptions import ServiceAway
from mcp_django.exchanges.session_state import note_ends_before
from mcp_django.worker.asking import Answers, ask_all

if TYPE_CHECKING:
    from mcp_django.tokens.models import Token

_READS_TOKENS: Final = "mcp_django.auth.tokens.TokenAuthenticator"
_UNKEPT: Final = (
    "the cache does not take it: workers that run know which sessions have ended; one "
    "that is started later may take their ids until this is done once more"
)


async def aend(
    *,
    user: Any = None,
    token: Token | None = None,
    feature: str | None = None,
    everything: bool = False,
) -> Answers:
    """End what is open, in all workers; say whose or what, exactly one of them.

    What comes in afterwards is taken as ever: deactivate the user, or revoke the
    token, to keep them out.

    Args:
        user: Whose sessions, streams and calls to end.
        token: One of `mcp_django.tokens`: what it opened ends.
        feature: Such as "tool:refund": its calls end, each with an error.
        everything: Whether all sessions, streams and calls end.

    Returns:
        How many `streams` and `calls` each worker ended.

    Raises:
        ValueError: It is none of these, or several.
    """
    given = [user is not None, token is not None, feature is not None, everything]
    if sum(given) != 1:
        raise ValueError("end() needs one of user=, token=, feature=, everything=True")
    if feature is not None and not re.match("(tool|resource|prompt):.", feature):
        raise ValueError(
            f"feature= must be such as 'tool:refund', 'resource:shop://orders' or "
            f"'prompt:greet', not {feature!r:.200}"
        )
    owner = None if user is None else owner_of(user)
    if owner == "":
        raise ValueError("user= must be saved; clients without a user share none")
    before = time.time()
    problem = ""
    if owner is not None or everything:
        try:
            await note_ends_before(owner, before)
        except ServiceAway:
            problem = _UNKEPT
    answers = await ask_all(
        {
            "ask": "end",
            "user": owner,
            "token": None if token is None else [_READS_TOKENS, str(token.pk)],
            "feature": feature,
            "before": before,
        }
    )
    answers.problem = "; ".join(filter(None, [answers.problem, problem]))
    return answers


def end(
    *,
    user: Any = None,
    token: Token | None = None,
    feature: str | None = None,
    everything: bool = False,
) -> Answers:
    """End what is open, in all workers; as `aend`, for code that is not async."""
    return async_to_sync(aend)(
        user=user, token=token, feature=feature, everything=everything
    )
