"""How all workers are."""

from __future__ import annotations

from asgiref.sync import async_to_sync

from mcp_django.worker.asking import Answers, ask_all


async def astatus() -> Answers:
    """Ask every worker how it is.

    Returns:
        For each worker what `docs/reference/commands.md` says of `mcp_status --json`.
    """
    return await ask_all({"ask": "status"})


def status() -> Answers:
    """Ask every worker how it is; as `astatus`, for code that is not async."""
    return async_to_sync(astatus)()
