"""A Daphne in a process of its own, started with the settings of the tests."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

_MAIN: Final = "mcp_django.testing.process_main"
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 10.0

_OF_DATABASES: Final = ("NAME", "USER", "PASSWORD")
"""What test runners change of the settings of a database."""


class DaphneProcess:
    """A Daphne in a process of its own, with the names that Channels' test case uses.

    ::

        NEW --start()--> LISTENING --terminate(), join()--> ENDED

    The process is a fresh one and no fork, which may hang if this one has threads. It
    gets the settings and the databases that this one has when it starts.

    Args:
        host: Address to listen on; the port is a free one.
        get_application: Gives the ASGI application; is called in that process.
        setup: Of Channels' test case, which knows of one database; not called.

    Attributes:
        ready: Set once it listens.
        port: Has the port as its `value`.
    """

    def __init__(
        self,
        host: str,
        get_application: Callable[[], Any],
        setup: Callable[[], None] | None = None,
    ) -> None:
        self.ready = threading.Event()
        self.port = SimpleNamespace(value=0)
        self._host = host
        self._get_application = get_application
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            RuntimeError: It does not; has the reason.
            ImproperlyConfigured: The settings cannot be passed on.
        """
        order = self._order()
        # Not the current folder as well, as `-m` alone would have it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            },
        )
        try:
            self.port.value = _give_order(self._process, order)
        except BaseException:
            self.terminate()
            self.join()
            raise
        self.ready.set()

    def is_alive(self) -> bool:
        """Say whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Tell it to end."""
        if self._process is not None:
            self._process.terminate()

    def join(self) -> None:
        """Wait until it has ended; if it does not, kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # it did not read its order to the end
                pipe.close()

    def _order(self) -> bytes:
        """Say what it has to do, for `process_main`."""
        order = {
            "host": self._host,
            "debug": settings.DEBUG,
            "databases": _databases(),
            "settings": _picklable(_changed_settings()),
            # By itself, because whatever it imports may need the settings.
            "get_application": pickle.dumps(self._get_application),
        }
        return pickle.dumps(order)


def _databases() -> dict[str, dict[str, Any]]:
    """Give what names the test databases, by alias."""
    return {
        connection.alias: {
            key: connection.settings_dict[key]
            for key in _OF_DATABASES
            if key in connection.settings_dict
        }
        for connection in connections.all()
    }


def _changed_settings() -> dict[str, Any]:
    """Give the settings that `override_settings` and its like have changed.

    Raises:
        ImproperlyConfigured: They come from no module.
    """
    name = os.environ.get(ENVIRONMENT_VARIABLE)
    if not name:
        raise ImproperlyConfigured(
            f"Daphne needs the settings as a module, named by {ENVIRONMENT_VARIABLE}; "
            "what settings.configure() was given cannot be passed on"
        )
    module = importlib.import_module(name)
    current: Any = settings  # the stubs know less of it
    changed = {}
    for name in dir(settings):
        if name.isupper() and name != "DATABASES" and current.is_overridden(name):
            value = getattr(settings, name)
            original = getattr(module, name, None)
            if value is not original and value != original:
                changed[name] = value
    return changed


def _picklable(changed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Refuse settings that cannot be passed to another process.

    Raises:
        ImproperlyConfigured: There is one; says which.
    """
    for name, value in changed.items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise ImproperlyConfigured(
                f"the setting {name!r} was changed to what cannot be passed on to "
                f"Daphne, a process of its own: {error}"
            ) from error
    return changed


def _give_order(process: subprocess.Popen[bytes], order: bytes) -> int:
    """Tell a process what to serve, and give the port that it listens on.

    Raises:
        RuntimeError: It does not listen; has the reason.
    """
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None
    line: Future[bytes] = Future()
    threading.Thread(
        target=lambda: line.set_result(stdout.readline()), daemon=True
    ).start()
    try:
        stdin.write(order)
        stdin.flush()
        said = json.loads(line.result(_START_SECONDS) or b"{}")
    except BrokenPipeError:
        said = {}
    except TimeoutError:
        raise RuntimeError(
            f"Daphne did not start in {_START_SECONDS:g} seconds"
        ) from None
    if "port" not in said:
        reason = said.get("error", "it ended, and said why on standard error")
        raise RuntimeError(f"Daphne did not start: {reason}")
    return int(said["port"])
