"""Contenders side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.compare import Contender, Options, Sampler, compare
from benchmarks.figures import Failure, Sample


def contender(name: str, asked: list[str], *, fails_after: int = 99) -> Contender:
    """Give a contender that notes when it is asked, and fails after so many samples."""
    taken = 0

    def take() -> Sample:
        nonlocal taken
        if taken == fails_after:
            raise AssertionError("it\nbroke\ndown")
        taken += 1
        asked.append(name)
        return Sample(taken)

    @contextmanager
    def ready(options: Options) -> Iterator[Sampler]:
        yield take

    return ready


def broken(options: Options) -> AbstractContextManager[Sampler]:
    """Be a contender that does not start."""
    raise OSError("no such program")


def test_every_other_round_goes_backwards(tmp_path: Path) -> None:
    """Chosen: no contender always follows the same other."""
    asked: list[str] = []
    both = {name: contender(name, asked) for name in "ab"}

    outcomes = compare(both, Options(1, 3, tmp_path))

    assert "".join(asked) == "abbaab"
    assert outcomes == {name: [Sample(1), Sample(2), Sample(3)] for name in "ab"}


def test_failing_contender_does_not_end_the_others(tmp_path: Path) -> None:
    """Chosen: the table says the reason, and all that others reached."""
    asked: list[str] = []
    contenders = {
        "absent": broken,
        "weak": contender("weak", asked, fails_after=1),
        "good": contender("good", asked),
    }

    outcomes = compare(contenders, Options(1, 3, tmp_path))

    assert outcomes == {
        "absent": Failure("no such program"),
        "weak": Failure("broke; down"),
        "good": [Sample(1), Sample(2), Sample(3)],
    }
