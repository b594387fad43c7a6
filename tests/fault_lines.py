"""What the log says of faults, with those that are held back for the minute."""

from __future__ import annotations

import pytest

from mcp_django.bulkheads.fault_lines import fault_lines


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give all lines, after the counts were said; what comes then begins anew."""
    fault_lines.say_rest()
    return caplog.messages


def begin_anew(caplog: pytest.LogCaptureFixture) -> None:
    """Forget all lines; the next of each kind is the first."""
    said(caplog)
    caplog.clear()


def more(count: int) -> str:
    """Give what a line says of so many more like it."""
    return f" ({count} more like it in the last minute)"
