"""What the process of a live server runs, by `python -m`.

It reads from standard input, as a pickle, what to serve, and writes to standard output,
as a line of JSON, where it listens or why it does not. It ends when the standard input
does, so that none is left behind by tests that were killed.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

import django
from django.conf import settings
from django.test.utils import override_settings, setup_test_environment

from mcp_django.transports.server.stdio import claim_stdout


def main() -> None:
    """Serve until the end of standard input, or a signal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the test that began it also ends it
    stdout = claim_stdout()

    def report(**said: Any) -> None:
        os.write(stdout, json.dumps(said).encode() + b"\n")

    try:
        order = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with, args=[sys.stdin.buffer], daemon=True).start()
        for alias, named in order["databases"].items():
            settings.DATABASES[alias].update(named)
        django.setup()
        # For one thing, no mail leaves it.
        setup_test_environment(debug=order["debug"])
        override_settings(**order["settings"]).enable()
        get_application = pickle.loads(order["get_application"])
        _serve(get_application(), order["host"], report)
    except BaseException:
        report(error=traceback.format_exc())
        raise


def _end_with(stdin: BinaryIO) -> None:
    stdin.read()
    os._exit(1)


def _serve(application: Any, host: str, report: Callable[..., None]) -> None:
    # Only now, and only in this process: importing it installs Twisted's reactor.
    server_class = importlib.import_module("daphne.server").Server

    def say_where() -> None:
        if server.listening_addresses:
            report(port=server.listening_addresses[0][1])

    server = server_class(
        application,
        endpoints=[f"tcp:port=0:interface={host}"],
        ready_callable=say_where,
        # SIGTERM ends the process at once: its clients are gone by then.
        signal_handlers=False,
    )
    server.run()


if __name__ == "__main__":
    main()
