"""How all workers are."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync

from mcp_django.operations.ending import meant_by
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.asking import Answers, ask_all


async def astatus(
    *,
    listed: int = 0,
    user: Any = None,
    credential: str | None = None,
    program: Any = None,
    feature: str | None = None,
    connection: str | None = None,
) -> Answers:
    """Ask every worker how it is.

    Args:
        listed: How many of its connections each worker lists, up to 200; 0 for none.
        user: Lists those of this user alone; at most one of this and the following.
        credential: Lists those that were opened with a credential, as `aend` has it.
        program: The same of a program.
        feature: Lists those on which a feature runs, or waits to.
        connection: Lists this one alone.

    Returns:
        For each worker what `docs/reference/commands.md` says of `mcp_status --json`.
        With `listed` also `open`, and how many more are `unlisted`.

    Raises:
        ValueError: The user is not saved, or what is named cannot be, or is several.
    """
    ask: JSONObject = {"ask": "status"}
    if listed:
        ask["list"] = listed
    given = {
        "user": user,
        "credential": credential,
        "program": program,
        "feature": feature,
        "connection": connection,
    }
    if any(value is not None for value in given.values()):
        ask["meant"] = (await meant_by(given, "status")).as_json()
    return await ask_all(ask)


def status(
    *,
    listed: int = 0,
    user: Any = None,
    credential: str | None = None,
    program: Any = None,
    feature: str | None = None,
    connection: str | None = None,
) -> Answers:
    """Ask every worker how it is; as `astatus`, for code that is not async."""
    return async_to_sync(astatus)(
        listed=listed,
        user=user,
        credential=credential,
        program=program,
        feature=feature,
        connection=connection,
    )
