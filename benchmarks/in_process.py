"""Contenders that are called without a server, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks import machine
from benchmarks.compare import Contender, Options, Sampler
from benchmarks.figures import Sample
from tests.live import processes


def calling(
    application: str,
    *,
    kind: str = "asgi",
    python: Callable[[], str] = lambda: sys.executable,
) -> Contender:
    """Call an application, in microseconds.

    Args:
        application: `module:name`.
        kind: "asgi" or "wsgi".
        python: Gives the interpreter that has it.
    """
    return partial(_calling, application, kind, python)


@contextmanager
def _calling(
    application: str, kind: str, python: Callable[[], str], options: Options
) -> Iterator[Sampler]:
    command = [python(), "-m", "benchmarks.one_call", kind, application]

    def take() -> Sample:
        whole = machine.pinned([*command, str(options.seconds)])
        try:
            output, _ = processes.run(whole, {}, options.seconds + 60)
        except subprocess.TimeoutExpired as error:
            raise AssertionError("it took too long") from error
        return Sample(float(output.split()[-1]))

    yield take
