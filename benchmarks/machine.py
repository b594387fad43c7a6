"""The machine: its cores, and what a process has cost it."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Sequence
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cores() -> list[int]:
    """Give the numbers of the cores that may be used."""
    return sorted(os.sched_getaffinity(0))


def pinned(command: Sequence[str]) -> list[str]:
    """Give a command that runs on the first core, where there are two."""
    first, *others = cores()
    return ["taskset", "-c", str(first), *command] if others else [*command]


def pin_load() -> None:
    """Leave the first core to the servers, where there are two."""
    _, *others = cores()
    if others:
        os.sched_setaffinity(0, others)


def raise_file_limit() -> int:
    """Allow this process, and those that it starts, as many open files as it may have.

    Returns:
        How many those are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def warning(load: float) -> str | None:
    """Say that other programs disturb what is measured; None if they hardly do.

    Args:
        load: How many programs wanted a core in the last minute, on average.
    """
    if load < 1:
        return None
    return (
        f"Other programs are busy here (load {load:.1f}), so that figures are of "
        "little use: look at the least and the greatest, and at the time on a core."
    )


def cpu_seconds(pid: int) -> float:
    """Say how much time a process and its children have had on a core, to 10 ms."""
    # The name, in parentheses, may have spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
    return own + sum(map(cpu_seconds, _children(pid)))


def resident_kib(pid: int) -> int:
    """Say how much memory a process and its children hold."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [own] = [int(line.split()[1]) for line in lines if line.startswith("VmRSS")]
    return own + sum(map(resident_kib, _children(pid)))


def describe() -> str:
    """Say in one line what kind of machine this is."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.machine()}"


def _children(pid: int) -> list[int]:
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text().split()]
