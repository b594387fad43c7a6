"""`manage.py runserver` and the command line of `mcp_daphne`, as they run."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.live import processes
from tests.live.raw import BOUND, open_http, open_stream

pytestmark = pytest.mark.live

STATIC = "django.contrib.staticfiles"
ADDRESS = re.compile(r"(?:TCP address |development server at http://)([\d.]+:[1-9]\d*)")
SETTINGS = """
from tests.conformance.settings import *

DEBUG = True
STATIC_URL = "static/"
STATICFILES_DIRS = [{static!r}]
INSTALLED_APPS = [*{apps}, *(app for app in INSTALLED_APPS if app != "mcp_django")]
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{"console": {{"class": "logging.StreamHandler"}}}},
    "root": {{"handlers": ["console"], "level": "INFO"}},
}}
"""


class Site:
    """The fixture site with its static file, in a folder of its own.

    Args:
        folder: Where settings and log go.
        apps: First of the installed apps.
        more: Lines for the settings.

    Attributes:
        log: What the command wrote.
        settings: The settings' file.
    """

    def __init__(self, folder: Path, *apps: str, more: str = "") -> None:
        self._folder = folder
        self.log = folder / "runserver.log"
        self.settings = folder / "tried_settings.py"
        self.settings.write_text(
            SETTINGS.format(apps=apps, static=str(folder / "static")) + more
        )
        (folder / "static").mkdir()
        (folder / "static/a.txt").write_text("static")

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        return {
            "PYTHONPATH": str(self._folder),
            "DJANGO_SETTINGS_MODULE": self.settings.stem,
            "CONFORMANCE_DATABASE": str(self._folder / "site.sqlite3"),
        }

    def addresses(self) -> list[str]:
        """Give where it has listened, the newest at the end."""
        text = self.log.read_text() if self.log.exists() else ""
        return [f"http://{found}" for found in ADDRESS.findall(text)]

    @contextmanager
    def runserver(self, *options: str) -> Iterator[str]:
        """Run the command, and give the address, to the end of the block."""
        with processes.running(
            [sys.executable, "manage.py", "runserver", "127.0.0.1:0", *options],
            log=self.log,
            extra=self.variables,
            is_ready=lambda: bool(self.addresses()),
        ):
            yield self.addresses()[0]
        assert "Traceback" not in self.log.read_text()

    def run_to_its_end(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself."""
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=processes.ROOT,
            env=processes.environment(self.variables),
            capture_output=True,
            text=True,
            timeout=BOUND,
        )


def assert_serves(url: str, *, stream: int) -> None:
    """Ask for an event stream and for the static file; streams need ASGI."""
    with httpx2.Client(base_url=url, timeout=BOUND, trust_env=False) as http:
        with http.stream("GET", "/mcp/sse") as response:
            assert response.status_code == stream
        assert http.get("/static/a.txt").text == "static"


@pytest.mark.parametrize(
    "apps",
    [
        ("daphne", STATIC, "mcp_django"),
        ("mcp_django", "daphne", STATIC),
    ],
    ids=" ".join,
)
def test_runserver_speaks_asgi(tmp_path: Path, apps: tuple[str, ...]) -> None:
    """We promise it: whether the project lists `daphne`, and on either side of us."""
    with Site(tmp_path, *apps).runserver("--noreload") as url:
        assert_serves(url, stream=200)


@pytest.mark.parametrize(
    ("option", "more"),
    [("--noasgi", ""), ("--noreload", "\ndel ASGI_APPLICATION")],
    ids=["--noasgi", "no application"],
)
def test_runserver_speaks_wsgi_where_it_has_to(
    tmp_path: Path, option: str, more: str
) -> None:
    """Chosen: projects for stdio alone keep the `runserver` that they had."""
    site = Site(tmp_path, "mcp_django", STATIC, more=more)
    with site.runserver(option, "--noreload") as url:
        assert_serves(url, stream=501)


def reload(site: Site) -> None:
    """Change the settings, and wait until the site is served again."""

    def reloads() -> bool:
        site.settings.touch()
        return "reloading" in site.log.read_text()

    processes.wait_until(reloads)
    processes.wait_until(lambda: len(site.addresses()) == 2)


async def test_reloader_serves_again_and_waits_for_no_stream(tmp_path: Path) -> None:
    """We promise it: who writes a tool has a client connected all the time.

    It takes changes from its first look on.
    """
    site = Site(tmp_path, "mcp_django", STATIC)
    with site.runserver() as url:
        async with open_http() as http, open_stream(http, url) as stream:
            await stream.initialize()
            await stream.call(1, "slow_sync", delay=3600)
            await stream.call(2, "echo", text="begun")
            await stream.receive_answer(2)

            await anyio.to_thread.run_sync(reload, site)

            with pytest.raises((StopAsyncIteration, httpx2.RemoteProtocolError)):
                while True:
                    await stream.receive()
        assert_serves(site.addresses()[-1], stream=200)


def test_runserver_ends_where_it_cannot_listen(tmp_path: Path) -> None:
    """We promise it, as Django's own does; Daphne's waits for changes, and status 0."""
    site = Site(tmp_path, "mcp_django", STATIC)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = site.run_to_its_end("runserver", address)
    assert ended.returncode == 1
    assert "Address already in use" in ended.stderr


@pytest.mark.parametrize("application", [[], ["8001"]])
def test_application_that_is_none_is_named(
    tmp_path: Path, application: list[str]
) -> None:
    """Chosen: as other faults of a command line, and no traceback of Daphne's."""
    site = Site(tmp_path, "mcp_django", STATIC, more="ASGI_APPLICATION = None\n")
    ended = site.run_to_its_end("mcp_daphne", *application)
    assert ended.returncode == 2
    assert f"the application is {''.join(application)!r}" in ended.stderr


def test_other_commands_do_without_daphne() -> None:
    """We promise it: it takes a quarter of a second to import."""
    told = (
        "import sys; from django.core.management import execute_from_command_line;"
        "execute_from_command_line(['manage.py', 'help']);"
        "assert not {'daphne', 'twisted'} & set(sys.modules)"
    )
    processes.run(
        [sys.executable, "-c", told],
        {"DJANGO_SETTINGS_MODULE": "tests.conformance.settings"},
    )
