"""Stacks, and whose time they are."""

from __future__ import annotations

from benchmarks.profile import OTHERS, fold

STACKS = """\
main (/env/lib/python3.11/site-packages/daphne/cli.py:1);run (/site/mcp_django/a.py:2) 5
main (/env/lib/python3.11/site-packages/daphne/cli.py:1) 2
main (/env/bin/daphne:8);parse (/usr/lib/python3.11/email/parser.py:90) 2
process 7 1
"""


def test_time_belongs_to_the_package_of_the_last_frame() -> None:
    """Chosen: what a package calls is not its own time."""
    assert fold(STACKS) == {"mcp_django": 0.5, "daphne": 0.2, "email": 0.2, OTHERS: 0.1}
