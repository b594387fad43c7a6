"""Operation: how all workers are, and ending what is open there, from code.

`status` asks every worker how it is, and `ending` ends sessions, streams and calls;
both ask by `worker.asking`. `users` names users as workers do, and `rows` finds what
they name. `manage.py mcp_status` does the same at a terminal, and the page "Live" in
the admin.
"""

from __future__ import annotations

from mcp_django.operations.ending import aend, end
from mcp_django.operations.status import astatus, status
from mcp_django.worker.asking import Answers

__all__ = ["Answers", "aend", "astatus", "end", "status"]
