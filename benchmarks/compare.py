"""Measures contenders side by side: one sample of each in each round.

Machines change their speed. What is compared follows each other within a second, and
every other round goes backwards, so that no contender always has the same neighbor.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.figures import Failure, Outcome, Outcomes, Sample


@dataclass(frozen=True)
class Options:
    """How long it may take.

    Attributes:
        seconds: For each sample.
        rounds: Samples of each contender.
        folder: For logs and databases.
    """

    seconds: float
    rounds: int
    folder: Path


Sampler: TypeAlias = Callable[[], Sample]
Contender: TypeAlias = Callable[[Options], AbstractContextManager[Sampler]]
"""Makes ready what is measured, and gives what takes a sample of it."""


def compare(contenders: Mapping[str, Contender], options: Options) -> Outcomes:
    """Take the samples. One contender that fails does not end the others."""
    outcomes: dict[str, Outcome] = {}
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    stack = ExitStack()
    try:
        samplers: dict[str, Sampler] = {}
        for name, contender in contenders.items():
            try:
                samplers[name] = stack.enter_context(contender(options))
            except Exception as error:
                outcomes[name] = _failure(name, error)
        for number in range(options.rounds):
            for name in list(samplers)[:: -1 if number % 2 else 1]:
                try:
                    samples[name].append(samplers[name]())
                except Exception as error:
                    outcomes[name] = _failure(name, error)
                    del samplers[name]
    finally:
        _close(stack)
    return {name: outcomes.get(name) or samples[name] for name in contenders}


def _close(stack: ExitStack) -> None:
    try:
        stack.close()
    except Exception as error:  # what was measured stays
        sys.stderr.write(f"  what was started did not end well: {error}\n")


def _failure(name: str, error: Exception) -> Failure:
    reason = str(error) or type(error).__name__
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        reason = f"{reason}\n{error.stderr}"
    sys.stderr.write(f"  {name} failed: {reason}\n")
    return Failure("; ".join(reason.strip().splitlines()[-2:]))
