"""A real PostgreSQL, the one that Debian has."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg

from tests.live import processes
from tests.live.restartable import Restartable
from tests.patience import PATIENCE_SECONDS

DATABASE: Final = "postgres"
"""The one that every server has."""

USER: Final = "site"

_DEBIAN: Final = Path("/usr/lib/postgresql")


def find_programs() -> Path | None:
    """Give the folder with the programs of the newest PostgreSQL, if there is one."""
    found = [path.parent for path in _DEBIAN.glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer(Restartable):
    """PostgreSQL, which keeps what it has when it ends.

    It refuses to run as root. For root it runs as the user of Debian's package.

    Args:
        programs: Folder with its programs.
    """

    def __init__(self, programs: Path) -> None:
        super().__init__()
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None
        self._held: list[psycopg.Connection] = []
        # Not in a folder of the tests, which nobody else may read.
        self._folder = Path(tempfile.mkdtemp(prefix="mcp-postgres-"))

    def create(self) -> None:
        """Make the database; once, before the first start."""
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        subprocess.run(
            [
                self._programs / "initdb",
                *("--pgdata", self._folder / "data", "--username", USER),
                *("--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            cwd=self._folder,
        )

    def delete(self) -> None:
        """End it, and remove its folder."""
        self.stop()
        shutil.rmtree(self._folder)

    def _begin(self, running: ExitStack) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "max_connections": "120",
        }
        command = [
            str(self._programs / "postgres"),
            *("-D", str(self._folder / "data"), "-p", str(self.port)),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        return running.enter_context(
            processes.running(
                command,
                log=self._folder / "postgres.log",
                extra={},
                is_ready=self._answers,
                user=self._user,
            )
        )

    def stop(self) -> None:
        """End it, and all of its connections; harmless if it ended already."""
        if self.is_running:
            self.thaw()
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_SECONDS)
        super().stop()

    def kill(self) -> None:
        """End it as a crash does, and all that it is made of."""
        self.thaw()
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_SECONDS)

    def freeze(self) -> None:
        """Stop all that it is made of."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all that it is made of go on."""
        self._signal_all(signal.SIGCONT)

    def ask(self, sql: str) -> str:
        """Run a statement, and give the one value it results in."""
        command = [
            *(str(self._programs / "psql"), "--no-psqlrc", "-At", "--quiet"),
            *("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", DATABASE),
            *("-v", "ON_ERROR_STOP=1", "-c", sql),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def count_connections(self) -> int:
        """Count the connections of the site."""
        return int(
            self.ask(
                "SELECT count(*) FROM pg_stat_activity "
                f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
            )
        )

    def end_connections(self) -> int:
        """End all connections of the site, and say how many there were."""
        return int(
            self.ask(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE datname = '{DATABASE}' AND pid <> pg_backend_pid()"
            )
        )

    def use_all_connections(self) -> None:
        """Take what connections there are, until `free_connections`."""
        address = f"host=127.0.0.1 port={self.port} user={USER} dbname={DATABASE}"
        with suppress(psycopg.OperationalError):
            while True:
                self._held.append(psycopg.connect(address))

    def free_connections(self) -> None:
        """Give them back; harmless if none were taken."""
        while self._held:
            self._held.pop().close()

    def take_writes(self, takes_writes: bool) -> None:
        """Say whether it takes writes; holds for what is open as well."""
        read_only = "off" if takes_writes else "on"
        self.ask(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}")
        self.ask("SELECT pg_reload_conf()")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
            self.ask("SELECT 1")
        except (OSError, AssertionError):
            return False
        return True

    def _signal_all(self, number: signal.Signals) -> None:
        postmaster = psutil.Process(self.process.pid)
        postmaster.send_signal(number)  # first, so that it makes no more of them
        for child in postmaster.children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                child.send_signal(number)
