"""The servers of the matrix, and how each is started."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psutil

from tests.live import processes
from tests.live.processes import ROOT

ASGI: Final = "tests.matrix.asgi:application"
WSGI: Final = "tests.matrix.wsgi:application"

Command = Callable[[int, Path], Sequence[str]]


@dataclass(frozen=True)
class ServerProgram:
    """A server.

    Attributes:
        name: In the table of `docs/reference/servers.md`.
        command: Gives what starts it on a port; a folder is for its files.
        status: With which it exits after SIGTERM.
        listens_to_the_end: Whether it takes connections while calls run at the end.
        closes_websockets: Whether WebSockets end then as they should.
    """

    name: str
    command: Command
    status: int = 0
    listens_to_the_end: bool = True
    closes_websockets: bool = True


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        program: Which one.
        url: Of the endpoints' folder.
        log: What it wrote.
        process: The process that was started.
    """

    program: ServerProgram
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def ready(self) -> str:
        """The URL that load balancers ask."""
        return self.url.removesuffix("/matrix") + "/mcp/health/ready"

    @property
    def resident_bytes(self) -> int:
        """How much memory it has, with the processes that it started."""
        process = psutil.Process(self.process.pid)
        family = [process, *process.children(recursive=True)]
        return sum(int(one.memory_info().rss) for one in family)


def _module(name: str, *options: str) -> list[str]:
    return [sys.executable, "-m", name, *options]


def _gunicorn(port: int, *options: str) -> list[str]:
    return _module(
        "gunicorn", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "5", *options
    )


def _mod_wsgi(port: int, folder: Path) -> list[str]:
    """Write a configuration for Debian's Apache, and give its command."""
    packages = sysconfig.get_path("purelib")
    owner = pwd.getpwnam("www-data") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    group = grp.getgrgid(owner.pw_gid).gr_name
    shutil.chown(folder, owner.pw_uid)
    configuration = folder / "apache.conf"
    configuration.write_text(
        f"""
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog /dev/stderr
User {owner.pw_name}
Group {group}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
WSGISocketPrefix {folder}/wsgi
WSGIDaemonProcess site processes=1 threads=8 python-path={ROOT}:{packages}
WSGIProcessGroup site
WSGIApplicationGroup %{{GLOBAL}}
WSGIPassAuthorization On
WSGIScriptAlias / {ROOT}/tests/matrix/wsgi.py
<Directory {ROOT}/tests/matrix>
    Require all granted
</Directory>
"""
    )
    return ["apache2", "-f", str(configuration), "-DFOREGROUND"]


OVER_ASGI: Final = (
    ServerProgram(
        "daphne",
        lambda port, _: _module("daphne", "-b", "127.0.0.1", "-p", str(port), ASGI),
    ),
    ServerProgram(
        "mcp_daphne",
        lambda port, _: [
            *(sys.executable, "manage.py", "mcp_daphne"),
            *("-b", "127.0.0.1", "-p", str(port), ASGI),
        ],
    ),
    ServerProgram(
        "uvicorn",
        lambda port, _: _module(
            *("uvicorn", "--host", "127.0.0.1", "--port", str(port)),
            *("--timeout-graceful-shutdown", "5", ASGI),
        ),
        # It sends itself the signal again.
        status=-signal.SIGTERM,
    ),
    ServerProgram(
        "hypercorn",
        lambda port, _: _module(
            "hypercorn",
            "--workers",
            "0",
            "-b",
            f"127.0.0.1:{port}",
            "--graceful-timeout",
            "5",
            ASGI,
        ),
        # It closes idle connections, and mostly before anything can be asked.
        listens_to_the_end=False,
    ),
    ServerProgram(
        "granian",
        lambda port, _: _module(
            *("granian", "--interface", "asgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers-kill-timeout", "5", ASGI),
        ),
        listens_to_the_end=False,
        closes_websockets=False,
    ),
    ServerProgram(
        "gunicorn with uvicorn-worker",
        lambda port, _: _gunicorn(
            port, "--worker-class", "uvicorn_worker.UvicornWorker", ASGI
        ),
    ),
)

OVER_WSGI: Final = (
    ServerProgram("gunicorn, sync", lambda port, _: _gunicorn(port, WSGI)),
    ServerProgram(
        "gunicorn, gthread",
        lambda port, _: _gunicorn(
            port, "--worker-class", "gthread", "--threads", "8", WSGI
        ),
    ),
    ServerProgram("mod_wsgi", _mod_wsgi),
)


@contextmanager
def running_server(program: ServerProgram, folder: Path) -> Iterator[Running]:
    """Run a server until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}/matrix", folder / "server.log"
    extra = {
        "DJANGO_SETTINGS_MODULE": "tests.matrix.settings",
        "DEMO_DATABASE": str(folder / "site.sqlite3"),
        "DEMO_SECRET_KEY": "only for the matrix",
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
    }
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    processes.run(migrate, extra)
    (folder / "site.sqlite3").chmod(0o666)
    with processes.running(
        program.command(port, folder),
        log=log,
        extra=extra,
        is_ready=lambda: _answers(url),
        timeout=60,
    ) as process:
        yield Running(program, url, log, process)


def _answers(url: str) -> bool:
    try:
        status = httpx2.put(f"{url}/mcp", timeout=5, trust_env=False).status_code
    except httpx2.TransportError:
        return False
    return status == 405
