"""How all workers are."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync

from mcp_django.operations.users import owner_of_saved
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.asking import Answers, ask_all


async def astatus(*, listed: int = 0, user: Any = None) -> Answers:
    """Ask every worker how it is.

    Args:
        listed: How many of its connections each worker lists, up to 200; 0 for none.
        user: Lists those of this user alone.

    Returns:
        For each worker what `docs/reference/commands.md` says of `mcp_status --json`.
        With `listed` also `open`, and how many more are `unlisted`.

    Raises:
        ValueError: The user is not saved.
    """
    ask: JSONObject = {"ask": "status"}
    if listed:
        ask["list"] = listed
    if user is not None:
        ask["owner"] = owner_of_saved(user)
    return await ask_all(ask)


def status(*, listed: int = 0, user: Any = None) -> Answers:
    """Ask every worker how it is; as `astatus`, for code that is not async."""
    return async_to_sync(astatus)(listed=listed, user=user)
