"""The demo on several Daphnes behind one port, joined by Redis: `make cluster`.

All processes listen on the same socket, so that the system gives each connection to
any of them.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.live.processes import ROOT, environment, stop
from tests.live.redis import running_redis


def main() -> None:
    """Run the cluster until it is interrupted, or one of its processes ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    # Also where a shell has us ignore Ctrl+C, as in the background.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            redis = stack.enter_context(running_redis(Path(folder)))
            listener = stack.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", options.port))
            listener.listen(128)
            workers = [
                stack.enter_context(_worker(listener.fileno(), redis.url))
                for _ in range(options.workers)
            ]
            pids = ", ".join(str(worker.pid) for worker in workers)
            sys.stdout.write(
                f"{options.workers} Daphnes (processes {pids}) answer at "
                f"http://127.0.0.1:{options.port}, joined by {redis.url}; "
                "end them with Ctrl+C\n"
            )
            sys.stdout.flush()
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            sys.exit("a Daphne or the Redis has ended, and so do the others")
    except KeyboardInterrupt:
        pass


@contextmanager
def _worker(listener: int, redis_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one Daphne on a socket that listens already."""
    daphne = [sys.executable, "-m", "daphne", "--fd", str(listener)]
    process = subprocess.Popen(
        [*daphne, "demo_project.asgi:application"],
        cwd=ROOT,
        env={**environment({}), "REDIS_URL": redis_url},
        pass_fds=[listener],
        # Ctrl+C is for us; who asks them to end is said below.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        stop(process)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    main()
