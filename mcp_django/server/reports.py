"""What handlers tell clients while they run: progress, and log messages."""

from __future__ import annotations

from mcp_types import LoggingLevel

from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.log_levels import LOG_LEVELS
from mcp_django.server.requests import Request
from mcp_django.server.texts import Text, plain


def progress_params(
    request: Request, progress: float, total: float | None, message: Text | None
) -> JSONObject | None:
    """Make a progress notification; None if the client wants to see none."""
    token = request.meta.get("progressToken")
    if not isinstance(token, str | int) or isinstance(token, bool):
        return None
    # Spec: 2025-11-25 basic/utilities/progress: notifications stop after
    # completion, and the value increases, also when the handler is run again.
    if request.is_cancelled or (
        request.progress is not None and progress <= request.progress
    ):
        return None
    request.progress = progress
    params: JSONObject = {"progressToken": token, "progress": progress}
    if total is not None:
        params["total"] = total
    if message is not None and request.version in versions.PROGRESS_MESSAGES:
        params["message"] = plain(message)
    return params


def log_params(
    request: Request, level: LoggingLevel, data: JSON, logger: str | None
) -> JSONObject | None:
    """Make a log notification; None if the client is gone."""
    if level not in LOG_LEVELS:
        raise ValueError(f"level must be one of {LOG_LEVELS!r}, not {level!r}")
    if request.is_cancelled:
        return None
    params: JSONObject = {"level": level, "data": plain(data)}
    if logger is not None:
        params["logger"] = str(logger)
    return params
