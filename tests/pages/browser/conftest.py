"""The demo on a Daphne, and a browser that notes what must not happen.

One browser and one site serve all tests here, and all windows but those without
scripts are one, which keeps the files that it has loaded.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
)

from tests.demo.conftest import CHROMIUM, start_chromium
from tests.live import processes
from tests.live.daphne import Daphne, serving
from tests.live.node import has_npm
from tests.pages.browser.console import Console
from tests.patience import PATIENCE_SECONDS

SETTINGS = "tests.pages.browser.settings"


class Site:
    """The site, which is served until the end of a block.

    Attributes:
        port: Where Daphne listens, once it has been started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._daphne: Daphne | None = None
        self._starts = 0
        self._stack = ExitStack()
        self._prepare = [sys.executable, "-m", "tests.pages.browser.prepare"]

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What its processes find in their environment."""
        return {
            "DEMO_DATABASE": str(self.folder / "demo.sqlite3"),
            "DEMO_STATIC_ROOT": str(self.folder / "static"),
            "DJANGO_SETTINGS_MODULE": SETTINGS,
        }

    def __enter__(self) -> Site:
        processes.run(self._prepare, self.environment, 3 * PATIENCE_SECONDS)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve it, always at the same address."""
        self._starts += 1
        daphne = self._stack.enter_context(
            serving(
                "tests.pages.browser.asgi:application",
                log=self.folder / f"daphne-{self._starts}.log",
                port=self.port,
                extra=self.environment,
            )
        )
        self.port = int(daphne.url.rpartition(":")[2])

    def stop(self) -> None:
        """End the process that serves it."""
        self._stack.close()

    @contextmanager
    def over_wsgi(self) -> Iterator[str]:
        """Serve it over WSGI, too; give the address."""
        log = self.folder / "wsgi.log"

        def port() -> str | None:
            text = log.read_text() if log.exists() else ""
            found = re.search(r"^Listening on (\d+)$", text, re.MULTILINE)
            return found and found[1]

        with processes.running(
            [sys.executable, "-m", "tests.pages.browser.wsgi"],
            log=log,
            extra=self.environment,
            is_ready=lambda: port() is not None,
        ):
            yield f"http://127.0.0.1:{port()}"


@dataclass
class Watched:
    """What pages did that they must not do."""

    faults: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Note what the page does from now on."""
        page.on("pageerror", self._note)
        page.on("request", self._look_at)
        page.on("console", self._listen_to)

    def _note(self, error: Error) -> None:
        self.faults.append(f"error: {error}")

    def _listen_to(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def _look_at(self, request: Request) -> None:
        # Of this site, at whichever port.
        if not re.match(r"((http|ws)://127\.0\.0\.1:\d+/|data:)", request.url):
            self.faults.append(f"request: {request.url}")


# While it runs, no test can run an event loop of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, which asks nothing of the internet."""
    if not (CHROMIUM and has_npm()) and not os.environ.get("CI"):
        pytest.skip("Chromium or npm is not installed (Debian: chromium, npm)")
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with start_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Serve the site for all tests here."""
    with Site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="package")
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """Give a browser's window, which may use the clipboard."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Note what pages do; at the end, see that they did no wrong."""
    watched = Watched()
    yield watched
    assert watched.faults == []


@pytest.fixture
def page(window: BrowserContext, site: Site, watched: Watched) -> Iterator[Page]:
    """Give a page of a user who has not logged in."""
    window.clear_cookies()
    page = window.new_page()
    watched.watch(page)
    yield page
    page.close()


@pytest.fixture
def console(page: Page, site: Site) -> Console:
    """Give the console of the workbench."""
    return Console(page, f"{site.url}/bench")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio: it is another process that is tested."""
    return "asyncio"
