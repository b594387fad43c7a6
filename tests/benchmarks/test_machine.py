"""What is said of the machine before anything is measured."""

from __future__ import annotations

from benchmarks.machine import warning


def test_quiet_machine_is_not_mentioned() -> None:
    """Chosen: the command itself has not run yet."""
    assert warning(0.4) is None


def test_busy_machine_is_told_of() -> None:
    """Chosen: else figures are believed that say nothing of us."""
    assert (warning(5.66) or "").startswith(
        "Other programs are busy here (load 5.7), so that figures are of little use"
    )
