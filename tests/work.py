"""How much work a program makes: time of the processor, and memory at its peak."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_NEVER = 2**31 - 1
_UNIT = 1 if sys.platform == "darwin" else 1024
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(slots=True)
class Work:
    """What a block took; filled in at its end.

    Attributes:
        seconds: Time of the processor, which no other process lengthens.
        megabytes: How far the memory of the process grew at its peak. Where the system
            cannot forget an earlier peak, only what goes beyond that is seen.
    """

    seconds: float = 0.0
    megabytes: float = 0.0


@contextmanager
def measured() -> Iterator[Work]:
    """Measure what a block takes.

    Not how long it takes to look for garbage in all that stays, which is the longer the
    more tests there are.
    """
    first, second, third = gc.get_threshold()
    gc.collect(1)
    gc.set_threshold(first, second, _NEVER)
    with suppress(OSError):
        _CLEAR.write_text("5")  # Linux forgets the peak
    work, before = Work(), _peak()
    began = time.process_time()
    try:
        yield work
    finally:
        work.seconds = time.process_time() - began
        work.megabytes = (_peak() - before) / 1e6
        gc.set_threshold(first, second, third)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
