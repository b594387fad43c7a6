"""The bounds of a trace in one worker."""

from __future__ import annotations

import json
import time

from mcp_django.tracing.plan import Trace
from mcp_django.tracing.running import RunningTrace
from mcp_django.tracing.targets import Target


class Kept(Target):
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_closed = False

    def write(self, line: str) -> None:
        self.lines.append(line)

    def close(self) -> None:
        self.is_closed = True


def trace() -> Trace:
    return Trace(time.time() + 60)


def test_more_than_so_many_lines_a_second_are_counted() -> None:
    """We promise it: and the count is said, at the latest at the end."""
    target = Kept()
    running = RunningTrace(trace(), target, max_lines=3, clock=lambda: 0.0)
    for n in range(10):
        running.write({"n": n})
    running.end("it is stopped")
    lines = [json.loads(line) for line in target.lines]
    assert [line["n"] for line in lines if "n" in line] == [0, 1, 2]
    assert [line["left_out"] for line in lines if "left_out" in line] == [7, 7]
    assert lines[-1]["ends"] == "it is stopped"
    assert target.is_closed


def test_count_is_said_in_the_next_second() -> None:
    """We promise it."""
    target, now = Kept(), [0.0]
    running = RunningTrace(trace(), target, max_lines=1, clock=lambda: now[0])
    for n in range(3):
        running.write({"n": n})
    now[0] = 1.0
    running.write({"n": 3})
    lines = [json.loads(line) for line in target.lines[1:]]
    assert [line.get("n", line.get("left_out")) for line in lines] == [0, 2, 3]
    assert running.describe()["lines"] == 2


def test_trace_that_has_written_too_much_is_over() -> None:
    """We promise it: no disk fills up with it."""
    running = RunningTrace(trace(), Kept(), max_bytes=1000)
    while not running.is_over:
        running.write({"text": "x" * 100})
    assert running.is_over.endswith("of at most 1000")
    assert running.describe()["bytes"] < 1300
