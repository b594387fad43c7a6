"""Operation: how all workers are, and ending what is open there, from code.

`status` asks every worker how it is, `ending` ends sessions, streams and calls, and
both have `asking` tell all workers something and gather what they answer.
`manage.py mcp_status` does the same at a terminal.
"""

from __future__ import annotations

from mcp_django.operations.asking import Answers
from mcp_django.operations.ending import aend, end
from mcp_django.operations.status import astatus, status

__all__ = ["Answers", "aend", "astatus", "end", "status"]
