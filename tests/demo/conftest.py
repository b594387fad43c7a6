"""A demo with a database of its own, and a Daphne that serves it."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PREPARE = """
import os
import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "demo_project.settings"
django.setup()
call_command("migrate", verbosity=0)
call_command("seed_demo")
call_command("demo_info", port=8123)
"""


@dataclass(frozen=True)
class Demo:
    """The demo project, with its database in a file of its own."""

    database: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the demo finds in its environment."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DJANGO_SETTINGS_MODULE", "REDIS_URL")
            and not name.startswith("DEMO_")
        }
        return inherited | {
            "DEMO_DATABASE": str(self.database),
            # What a process prints is read here as soon as it is printed.
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` and return what it prints."""
        return self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> str:
        """Run Python and return what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=180,
        )
        return done.stdout

    def prepare(self) -> str:
        """Do what `make demo` does before it starts Daphne; return what it prints."""
        return self.run("-c", PREPARE)

    def copy_to(self, folder: Path) -> "Demo":
        """Give a copy of the demo that a test may change as it likes."""
        shutil.copytree(self.database.parent, folder, dirs_exist_ok=True)
        return Demo(folder / self.database.name)

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        with closing(sqlite3.connect(self.database)) as connection:
            [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Give a demo that is migrated and seeded."""
    demo = Demo(tmp_path_factory.mktemp("demo") / "demo.sqlite3")
    demo.prepare()
    return demo


@pytest.fixture(scope="session")
def site(demo: Demo) -> Iterator[str]:
    """Serve the demo on Daphne, and give its address without a path."""
    with serve(demo) as address:
        yield address


@contextmanager
def serve(demo: Demo) -> Iterator[str]:
    """Serve a demo on Daphne, and give its address without a path."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", "0"),
            "demo_project.asgi:application",
        ],
        cwd=ROOT,
        env=demo.environment | {"DJANGO_SETTINGS_MODULE": "tests.demo.settings"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address: Future[str] = Future()
    reader = threading.Thread(target=find_address, args=(process.stderr, address))
    reader.start()
    try:
        yield address.result(timeout=PATIENCE_SECONDS)
    finally:
        process.terminate()
        process.wait(timeout=10)
        reader.join(timeout=10)
        process.stderr.close()


def find_address(log: IO[str], address: "Future[str]") -> None:
    """Read a log to its end; Daphne says in it where it listens, or why it died."""
    lines = []
    for line in log:
        lines.append(line)
        if found := re.search(r"Listening on TCP address (\S+)", line):
            address.set_result(f"http://{found[1]}")
    if not address.done():
        address.set_exception(RuntimeError("".join(lines)))


@pytest.fixture
def browser(site: str) -> Iterator[httpx2.Client]:
    """Give an HTTP client without cookies that follows redirects, as browsers do."""
    with httpx2.Client(base_url=site, follow_redirects=True, timeout=30) as client:
        yield client


# While it runs, no test can run an event loop of its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed (Debian's package: chromium)")
    with start_chromium() as browser:
        yield browser


@contextmanager
def start_chromium(*options: str) -> Iterator[Browser]:
    """Start the system's Chromium, which asks nothing of the internet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", *options),
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio: it is another process that is tested."""
    return "asyncio"
