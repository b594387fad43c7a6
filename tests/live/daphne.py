"""A real Daphne process that serves the fixture site."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.live import processes

APPLICATION = "tests.conformance.asgi:application"
SETTINGS = "tests.conformance.settings"

_databases: dict[str, bytes] = {}
"""Migrated databases, by the settings module that they are for."""


@dataclass(frozen=True)
class Daphne:
    """A running Daphne.

    Attributes:
        url: Address of the site, without a path.
        log: File with what it wrote.
        process: The process.
    """

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def terminate(self) -> None:
        """Ask it to end, as service managers do."""
        self.process.send_signal(signal.SIGTERM)


@contextmanager
def running_daphne(
    folder: Path,
    *,
    name: str = "daphne",
    port: int = 0,
    application: str = APPLICATION,
    settings: str | None = None,
    extra: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Daphne]:
    """Run Daphne on 127.0.0.1 until the end of the block.

    Args:
        folder: Where its log goes, and its database `site.sqlite3`, which is made if
            there is none.
        name: Of the log, where several run.
        port: A free one if left out.
        application: What Daphne serves.
        settings: Settings module; those of the fixture site if left out.
        extra: More environment variables.
        options: More of Daphne's command line.
    """
    database = folder / "site.sqlite3"
    variables = {
        "CONFORMANCE_DATABASE": str(database),
        **({"DJANGO_SETTINGS_MODULE": settings} if settings else {}),
        **(extra or {}),
    }
    if not database.exists():
        _make_database(database, settings or SETTINGS, variables)
    with serving(
        application,
        log=folder / f"{name}.log",
        port=port,
        extra=variables,
        options=options,
    ) as daphne:
        yield daphne


def _make_database(database: Path, settings: str, variables: Mapping[str, str]) -> None:
    """Make a database: a copy of the first one that had the tables of these settings.

    To migrate another one takes as long as to start a Daphne.
    """
    if settings in _databases:
        database.write_bytes(_databases[settings])
        return
    migrate = ["migrate", "-v", "0", "--settings", settings]
    processes.run([sys.executable, "manage.py", *migrate], variables)
    _databases[settings] = database.read_bytes()


@contextmanager
def serving(
    application: str,
    *,
    log: Path,
    port: int = 0,
    extra: Mapping[str, str],
    options: Sequence[str] = (),
) -> Iterator[Daphne]:
    """Run Daphne on 127.0.0.1 until the end of the block, with what there is.

    Args:
        application: What Daphne serves.
        log: File for what it writes.
        port: A free one if left out.
        extra: Environment variables.
        options: More of Daphne's command line.
    """

    def address() -> str | None:
        text = log.read_text() if log.exists() else ""
        found = re.search(r"Listening on TCP address (\S+)", text)
        return found and found[1]

    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)]
    with processes.running(
        [*command, *options, application],
        log=log,
        extra=extra,
        is_ready=lambda: address() is not None,
    ) as process:
        yield Daphne(f"http://{address()}", log, process)
