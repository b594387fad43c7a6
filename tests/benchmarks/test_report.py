"""Figures, and the tables made of them."""

from __future__ import annotations

import pytest

from benchmarks.figures import Failure, Outcomes, Sample, Spread, ratio_of, spread_of
from benchmarks.report import goal_table, number, replace_parts, row_table
from benchmarks.rows import Goal, Row

OUTCOMES: Outcomes = {
    "raw": [Sample(1000, 10, 300), Sample(2000, 30, 320), Sample(3000, 20, 310)],
    "ours": [Sample(900, 5, 400), Sample(1000, 6, 420), Sample(2400, 9, 410)],
    "peer": Failure("it | broke"),
}
ROW = Row(
    "calls",
    "calls/s",
    {},
    (
        Goal("ours", "0.8 of raw", to="raw", at_least=0.8),
        Goal("ours", "0.8 in all", to="raw", at_least=0.8, in_every_round=True),
        Goal("ours", "p99 6", quantity="p99_ms", at_most=6),
        Goal("peer", "above 1", at_least=1),
    ),
)


def test_ratios_are_those_of_the_same_round() -> None:
    """Chosen: a machine that changes its speed changes both."""
    assert ratio_of(OUTCOMES, "ours", "raw") == Spread(0.8, 0.5, 0.9)
    assert ratio_of(OUTCOMES, "ours", "raw", "p99_ms") == Spread(0.45, 0.2, 0.5)
    assert ratio_of(OUTCOMES, "peer", "raw") is None


def test_spread_of_what_nobody_measured_is_none() -> None:
    """Chosen: nothing is made up."""
    assert spread_of({"ours": [Sample(1)]}, "ours", "p99_ms") is None
    assert spread_of({}, "ours") is None


def test_row_says_all_and_what_failed() -> None:
    """Chosen: a failure stands where its figures would."""
    assert row_table(ROW, OUTCOMES) == (
        "|  | calls/s | least to greatest | of raw | p99 ms | CPU us | by CPU |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| raw | 2,000 | 1,000 to 3,000 | 1.00x | 20 | 310 | 1.00x |\n"
        "| ours | 1,000 | 900 to 2,400 | 0.80x | 6 | 410 | 0.76x |\n"
        "| peer | failed: it \\| broke |  |  |  |  |  |"
    )


def test_goals_are_met_missed_or_failed() -> None:
    """Chosen: a goal for every round looks at the worst one."""
    lines = goal_table({"calls": (ROW, OUTCOMES)}).splitlines()[2:]

    assert lines == [
        "| calls | ours | 0.8 of raw | 0.8x (0.5 to 0.9) | met |",
        "| calls | ours | 0.8 in all | 0.8x (0.5 to 0.9) | **missed** |",
        "| calls | ours | p99 6 | 6 (5 to 9) | met |",
        "| calls | peer | above 1 | not measured | failed |",
    ]


def test_part_of_a_page_is_replaced_and_the_rest_stays() -> None:
    """Chosen: what people wrote is not lost."""
    page = "Read this.\n<!-- table -->\nold\n<!-- end of table -->\nAnd this.\n"

    assert replace_parts(page, {"table": "new \\1"}) == (
        "Read this.\n<!-- table -->\nnew \\1\n<!-- end of table -->\nAnd this.\n"
    )


def test_page_without_the_part_is_refused() -> None:
    """Chosen: figures that would be lost are an error."""
    with pytest.raises(ValueError, match="0 parts named 'table'"):
        replace_parts("", {"table": "new"})


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (0.8766, "0.877")],
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    """Chosen: more would claim what was not measured."""
    assert number(value) == text
