"""Checks of message traces: their files are for the site's operator alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core import checks

from mcp_django.checks.setting import values

_SERVED: Final = ("MEDIA_ROOT", "STATIC_ROOT")


def check_traces(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a folder of traces whose files the site gives to its visitors."""
    folder = values()["TRACE_DIR"]
    if not isinstance(folder, str | Path):  # Another check says what it has to be.
        return []
    return [
        checks.Error(
            f"MCP['TRACE_DIR'] is {str(folder)!r}, within {name}: any visitor who "
            "guesses the name of a file there may read it.",
            hint="Name a folder that is not served.",
            id="mcp_django.E185",
        )
        for name in _SERVED
        if (served := getattr(settings, name, None))
        and Path(folder).resolve().is_relative_to(Path(served).resolve())
    ]
