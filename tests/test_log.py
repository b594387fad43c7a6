"""The page on the log agrees with the code, which speaks of faults in one way only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mcp_django"
PAGE = ROOT / "docs" / "reference" / "log.md"
SOURCES = sorted(PACKAGE.rglob("*.py"))

ROOM = PACKAGE / "bulkheads"
ELSEWHERE = {
    ROOM / "fault_log.py",
    ROOM / "fault_lines.py",
    # Add filters to loggers of others.
    PACKAGE / "views.py",
    PACKAGE / "worker" / "channel_layers.py",
    # Is where messages are traced to, which are no faults.
    PACKAGE / "tracing" / "targets.py",
}
"""Modules that may use the loggers of Python themselves."""

SAYING = {
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "log": "warning",
}

_ROW = re.compile(r"^\| (\w+) \| `(.+?)` \| (.+) \|$", re.MULTILINE)


def lines_of(source: Path) -> Iterator[tuple[str, str]]:
    """Give level and text of each line that a module may write of a fault."""
    tree = ast.parse(source.read_text())
    texts = {
        ast.unparse(node.target): ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        whose, how = ast.unparse(node.func.value), node.func.attr
        if how not in SAYING or whose.rpartition(".")[2] not in {"logger", "_logger"}:
            continue
        said = node.args[how == "log"]
        for text in [said.body, said.orelse] if isinstance(said, ast.IfExp) else [said]:
            name = ast.unparse(text)
            yield SAYING[how], texts.get(name) or ast.literal_eval(text)


def test_faults_are_said_by_the_one_way() -> None:
    """We promise it: no fault fills the log, and no count of one is lost."""
    others = {path for path in SOURCES if "getLogger(" in path.read_text()}
    assert others == ELSEWHERE - {ROOM / "fault_lines.py"}


def test_page_on_the_log_lists_each_line() -> None:
    """Chosen: operators find there what to do."""
    said = {
        line
        for source in SOURCES
        if source not in {ROOM / "fault_log.py", ROOM / "fault_lines.py"}
        for line in lines_of(source)
    }
    rows = _ROW.findall(PAGE.read_text())
    assert {(level, text) for level, text, _ in rows} == said
    assert all(remedy for _, _, remedy in rows)
