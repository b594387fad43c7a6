"""Where the time of a call goes, by package: what `py-spy` sees under load."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from benchmarks import environments, machine
from benchmarks.calls import Call
from benchmarks.compare import Options
from benchmarks.figures import Sample
from benchmarks.http_calls import prepare, sample
from benchmarks.servers import SERVERS, running

_CONNECTIONS = 32
_PLACE = re.compile(r"\((?P<file>.+?)(:\d+)?\)$")
_INSTALLED = re.compile(r"/site-packages/(?P<name>[^/.]+)")
_STANDARD = re.compile(r"/lib/python3\.\d+/(?P<name>[^/.]+)")

OTHERS = "others"


def profile(name: str, options: Options) -> Mapping[str, float]:
    """Say how many microseconds of a call are spent in each package.

    Args:
        name: Of the server, in `SERVERS`.
        options: How long it may take.

    Returns:
        Mapping of package to microseconds, the greatest first. What C does counts
        where Python called it.
    """
    seconds = options.seconds * 2
    call = Call("2026-07-28")
    with running(SERVERS[name], options.folder) as it:
        headers = prepare(it, call)
        load = partial(sample, it, call, headers, _CONNECTIONS)
        load(1)
        cpu_us = load(seconds).cpu_us or 0.0
        output = options.folder / "profile.txt"
        under_load = threading.Thread(target=_quietly, args=(load, seconds + 2))
        under_load.start()
        spy = [environments.py_spy(), "record", "--pid", str(it.pid), "--rate", "200"]
        spy += ["--duration", str(round(seconds)), "--format", "raw"]
        subprocess.run(
            machine.pinned([*spy, "--full-filenames", "--output", str(output)]),
            check=True,
            capture_output=True,
            text=True,
            timeout=seconds + 60,
        )
        under_load.join()
    shares = fold(output.read_text())
    return {package: share * cpu_us for package, share in shares.items()}


def fold(stacks: str) -> Mapping[str, float]:
    """Add stacks up by the package of their last frame.

    Args:
        stacks: Lines of frames, separated by `;`, and a number of samples.

    Returns:
        Mapping of package to its share of all samples, the greatest first.
    """
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        counts[_package(stack.rpartition(";")[2])] += int(count)
    whole = counts.total()
    return {package: count / whole for package, count in counts.most_common()}


def _package(frame: str) -> str:
    place = _PLACE.search(frame)
    file = place["file"] if place else ""
    for own in ("mcp_django", "benchmarks", "tests"):
        if f"/{own}/" in file:
            return own
    found = _INSTALLED.search(file) or _STANDARD.search(file)
    return found["name"] if found else OTHERS


def _quietly(load: partial[Sample], seconds: float) -> None:
    # What is slow or refused while it is watched is not our question.
    with suppress(AssertionError):
        load(seconds)
