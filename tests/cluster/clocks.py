"""Clocks that jump while a worker runs: a library tells it another time of day.

What the kernel's monotonic clock says stays, as where an operator or NTP sets a clock.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = Path(__file__).with_name("clock.c")


def find_compiler() -> str | None:
    """Give the C compiler, if there is one; without it clocks cannot be set."""
    return shutil.which("cc")


def require_compiler() -> None:
    """Skip the test where clocks cannot be set, but in CI."""
    if find_compiler() is None and not os.environ.get("CI"):
        pytest.skip("there is no C compiler (Debian's packages: gcc libc6-dev)")
    assert find_compiler() is not None, "there is no C compiler"


def make_library(folder: Path) -> Path | None:
    """Compile the library that processes with a clock of their own load."""
    compiler, library = find_compiler(), folder / "clock.so"
    if compiler is None:
        return None
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", str(_SOURCE)]
    subprocess.run([*command, "-o", str(library), "-ldl"], check=True)
    return library


class Clock:
    """The clock of one worker, also of those that are started after one another.

    Args:
        file: Where it says how far it is ahead.
        library: What tells the time; None where all have the right one.
    """

    def __init__(self, file: Path, library: Path | None) -> None:
        self._file = file
        self._library = library
        file.write_bytes(struct.pack("d", 0))

    def set(self, ahead: float) -> None:
        """Let it jump, to so many seconds from the right time."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("d", ahead))

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of a process that has it."""
        if self._library is None:
            return {}
        return {"LD_PRELOAD": str(self._library), "CLOCK_FILE": str(self._file)}
