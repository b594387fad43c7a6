"""Contenders on standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import stdio
from benchmarks.compare import Options

SERVER = """\
import sys
for line in sys.stdin:
    print('{"result": {}}' if not sys.dont_write_bytecode else "{}", flush=True)
"""


def test_server_may_keep_what_it_has_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Chosen: a checkout that compiles at each start is no match for a package."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    starting = stdio.starting(lambda: (sys.executable, "-c", SERVER), {})

    with starting(Options(seconds=0, rounds=1, folder=tmp_path)) as take:
        assert take().value > 0
