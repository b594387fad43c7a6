"""Contenders on standard input and output: how soon they start, and answer."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO

from benchmarks import calls, machine
from benchmarks.calls import Call
from benchmarks.compare import Contender, Options, Sampler
from benchmarks.figures import Sample
from tests.live.processes import ROOT, environment

_IDS = range(1, 501)
_PATIENCE = 10.0
"""Seconds that a server may be silent, or take to end."""
_COMPILING = {"PYTHONDONTWRITEBYTECODE": ""}
"""Lets a checkout keep what it has compiled, as packages do that pip has installed."""


def starting(
    command: Callable[[], Sequence[str]], extra: Mapping[str, str]
) -> Contender:
    """Start a server, and wait until `initialize` is answered, in ms."""
    return partial(_starting, command, extra)


@contextmanager
def _starting(
    command: Callable[[], Sequence[str]], extra: Mapping[str, str], options: Options
) -> Iterator[Sampler]:
    program = command()

    def take() -> Sample:
        began = time.perf_counter()
        with _running(program, extra):
            return Sample((time.perf_counter() - began) * 1e3)

    take()  # which compiles what has not been imported yet
    yield take


def calling(
    command: Callable[[], Sequence[str]],
    extra: Mapping[str, str],
    *,
    is_pipelined: bool,
) -> Contender:
    """Call a tool: one call after the other, or many before the first answer."""
    return partial(_calling, command, extra, is_pipelined)


@contextmanager
def _calling(
    command: Callable[[], Sequence[str]],
    extra: Mapping[str, str],
    is_pipelined: bool,
    options: Options,
) -> Iterator[Sampler]:
    body = Call("2025-11-25").body
    # Ids are unique among the requests under way.
    lines = [body.replace(b'"id":1', b'"id":%d' % id) + b"\n" for id in _IDS]
    with _running(command(), extra) as process:
        assert process.stdin and process.stdout
        process.stdin.write(calls.initialized() + b"\n")
        take = _pipeline if is_pipelined else _one_by_one
        yield partial(_sample, process, take, lines, options.seconds)


def _sample(
    process: subprocess.Popen[bytes],
    take: Callable[[IO[bytes], IO[bytes], Sequence[bytes]], None],
    lines: Sequence[bytes],
    seconds: float,
) -> Sample:
    assert process.stdin and process.stdout
    # Who does not answer is ended, so that we read the end of its output.
    watch = threading.Timer(seconds + _PATIENCE, process.kill)
    watch.start()
    take(process.stdin, process.stdout, lines)
    count = 0
    cpu = machine.cpu_seconds(process.pid)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        take(process.stdin, process.stdout, lines)
        count += len(lines)
    elapsed = time.perf_counter() - began
    cpu = machine.cpu_seconds(process.pid) - cpu
    watch.cancel()
    return Sample(count / elapsed, cpu_us=cpu / count * 1e6)


def _one_by_one(
    requests: IO[bytes], answers: IO[bytes], lines: Sequence[bytes]
) -> None:
    for line in lines:
        requests.write(line)
        requests.flush()
        _check(answers.readline())


def _pipeline(requests: IO[bytes], answers: IO[bytes], lines: Sequence[bytes]) -> None:
    def write() -> None:
        with suppress(BrokenPipeError):  # told below
            requests.write(b"".join(lines))
            requests.flush()

    # A server may stop reading until its answers are read.
    writer = threading.Thread(target=write)
    writer.start()
    for _ in lines:
        _check(answers.readline())
    writer.join()


def _check(answer: bytes) -> None:
    if b'"result"' not in answer:
        raise AssertionError(f"the call is answered with {answer!r}")


@contextmanager
def _running(
    command: Sequence[str], extra: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server from when it has answered `initialize`."""
    process = subprocess.Popen(
        machine.pinned(command),
        cwd=ROOT,
        env={**environment(extra), "PYTHONPATH": os.fspath(ROOT), **_COMPILING},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin and process.stdout
    try:
        process.stdin.write(calls.initialize() + b"\n")
        process.stdin.flush()
        _check(process.stdout.readline())
        yield process
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
