"""What commands show to a person at a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.core.management.base import OutputWrapper

from mcp_django.terminal import ProgressLine, aligned, printable, printable_lines, track
from tests.bulkheads.clocks import Clock


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def work(clock: Clock, seconds: float, count: int) -> Iterator[int]:
    """Give numbers, each after some time."""
    for number in range(count):
        clock.now += seconds
        yield number


def test_long_work_shows_how_far_it_is_and_leaves_nothing() -> None:
    """Chosen: drawn anew in place, and gone when it is done."""
    clock, terminal = Clock(), Terminal()
    items = work(clock, 0.3, 4)

    done = track(
        items, OutputWrapper(terminal), total=4, message="accounts", clock=clock
    )

    assert list(done) == [0, 1, 2, 3]
    assert terminal.getvalue().split("\r") == [
        "",
        "[######                  ]  25% 1/4  accounts",
        "[############            ]  50% 2/4  accounts",
        "[##################      ]  75% 3/4  accounts",
        " " * 45,
        "",
    ]


def test_quick_work_shows_nothing() -> None:
    """Chosen: a line that flashes up tells nothing."""
    clock, terminal = Clock(), Terminal()

    list(track(work(clock, 0.001, 100), OutputWrapper(terminal), clock=clock))

    assert terminal.getvalue() == ""


def test_line_is_not_drawn_more_often_than_can_be_seen() -> None:
    """Chosen: a terminal is slow."""
    clock, terminal = Clock(), Terminal()

    list(track(work(clock, 0.001, 1000), OutputWrapper(terminal), clock=clock))

    assert 4 <= terminal.getvalue().count("\r") <= 8


def test_nothing_is_written_where_no_person_looks() -> None:
    """We promise it: pipes and files get what was asked for."""
    clock, pipe = Clock(), io.StringIO()

    assert list(track(work(clock, 9, 3), OutputWrapper(pipe), clock=clock)) == [0, 1, 2]

    line = ProgressLine(OutputWrapper(pipe))
    line.show(1, 2, "half")
    line.clear()
    assert pipe.getvalue() == ""


def test_line_is_gone_after_an_error() -> None:
    """Chosen: what went wrong is said on a line of its own."""
    clock, terminal = Clock(), Terminal()

    with pytest.raises(KeyError):
        for number in track(work(clock, 9, 3), OutputWrapper(terminal), clock=clock):
            if number == 1:
                raise KeyError(number)

    assert terminal.getvalue().endswith(" \r")


def test_what_is_not_printable_is_replaced() -> None:
    """Chosen: a text can make a terminal do many things."""
    text = "\x1b[2J\ta\nb\u202e"

    assert printable(text) == "?[2J?a?b?"
    assert printable_lines(text) == "?[2J\ta\nb?"


def test_cells_stand_below_each_other() -> None:
    """Chosen: no line ends in spaces, and no text does anything but stand there."""
    assert aligned([("NAME", "WHY"), ("a\tb\x1b", ""), ("longer", "of use")]) == [
        "NAME    WHY",
        "a?b?",
        "longer  of use",
    ]
