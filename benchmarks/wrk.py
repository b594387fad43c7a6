"""Load over HTTP by `wrk`, which costs a tenth of what the servers do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What came of a run.

    Attributes:
        requests: How many were answered.
        seconds: How long it took.
        p50_ms: Half of the answers came sooner.
        p99_ms: So did 99 of 100.
        failed: Requests with an error status, or without an answer.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int


def find_wrk() -> str:
    """Give the program.

    Raises:
        SystemExit: It is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is not installed (Debian's package: wrk)")
    return found


def post(
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    connections: int,
    seconds: float,
) -> Load:
    """Post over so many connections, each one request after the other.

    Args:
        url: Where to.
        headers: All but those that wrk knows.
        body: A request whose id is 1; each one sent has an id of its own.
        connections: How many.
        seconds: For how long.
    """
    # wrk knows whole seconds only.
    command = [find_wrk(), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    done = subprocess.run(
        [*command, "--timeout", "10s", "--script", str(_SCRIPT), url],
        env={
            **os.environ,
            "BENCHMARK_BODY": body.decode(),
            "BENCHMARK_HEADERS": "".join(f"{n}: {v}\n" for n, v in headers.items()),
        },
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read the line that the script has written at the end."""
    return Load(**json.loads(output.strip().splitlines()[-1]))
