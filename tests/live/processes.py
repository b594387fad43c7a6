"""Processes that tests start: their environment, their end, and what they cost."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]

T = TypeVar("T")


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of a process: ours, without what leads the tests."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DJANGO_SETTINGS_MODULE", "REDIS_URL", "REDIS_LAYER")
    }
    return {**inherited, "PYTHONUNBUFFERED": "1", **extra}


def run(
    command: Sequence[str], extra: Mapping[str, str], timeout: float = 60
) -> tuple[str, str]:
    """Run a command to its end.

    Returns:
        What it wrote to standard output, and to standard error.

    Raises:
        AssertionError: It failed.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stderr}"
    return done.stdout, done.stderr


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    extra: Mapping[str, str],
    is_ready: Callable[[], bool],
    timeout: float = PATIENCE_SECONDS,
    user: str | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background, from when it is ready to the end of the block.

    Args:
        command: Program and arguments.
        log: File for what it writes.
        extra: Environment variables.
        is_ready: Says whether it can be used now; asked again and again.
        timeout: Seconds to get ready, and to stop after SIGTERM.
        user: Whom it runs as, if not as whoever runs the tests.
        pass_fds: File descriptors that it gets.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(extra),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            pass_fds=pass_fds,
        )
    try:
        deadline = time.monotonic() + timeout
        while not is_ready():
            assert process.poll() is None, f"{command} ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"not ready:\n{log.read_text()}"
            time.sleep(0.02)
        yield process
    finally:
        stop(process)


def wait_until(give: Callable[[], T]) -> T:
    """Ask another process again and again; give the first answer that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (given := give()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return given


def stop(process: subprocess.Popen[bytes], timeout: float = PATIENCE_SECONDS) -> None:
    """End a process by SIGTERM; harmless if it ended already.

    Raises:
        TimeoutExpired: It did not end in time, and was killed.
    """
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def thread_count(pid: int) -> int:
    """Count the threads of a process."""
    return int(_status(pid)["Threads"])


def resident_bytes(pid: int) -> int:
    """Say how much memory a process holds."""
    return int(_status(pid)["VmRSS"].removesuffix("kB")) * 1024


def peak_bytes(pid: int) -> int:
    """Measure how much memory a process has had at most, in bytes."""
    return int(_status(pid)["VmHWM"].split()[0]) * 1024


def open_files(pid: int) -> list[str]:
    """Give the paths of the files that a process has open."""
    paths = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            paths.append(os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            continue
    return paths


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
