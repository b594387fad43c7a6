"""A Daphne that serves the workbench, and a browser that notes what must not happen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
    sync_playwright,
)

from tests.live.daphne import Daphne, running_daphne
from tests.patience import PATIENCE_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Site:
    """The workbench's site.

    Attributes:
        folder: Where its database and its log are.
        port: Where it listens, once it has been started.
        starts: How often that was.
    """

    folder: Path
    port: int = 0
    starts: int = 0

    @property
    def url(self) -> str:
        """Its address without a path."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Daphne]:
        """Serve it until the end of the block, always at the same address."""
        self.starts += 1
        with running_daphne(
            self.folder,
            name=f"daphne-{self.starts}",
            port=self.port,
            application="tests.pages.browser.asgi:application",
            settings="tests.pages.browser.settings",
        ) as daphne:
            self.port = int(daphne.url.rpartition(":")[2])
            yield daphne


@dataclass
class Watched:
    """What a page did that it must not do."""

    site: Site
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
        own = (f"{self.site.url}/", self.site.url.replace("http", "ws"), "data:")
        if not request.url.startswith(own):
            self.faults.append(f"request: {request.url}")


# While it runs, no test can run an event loop of its own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, which asks nothing of the internet."""
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed (Debian's package: chromium)")
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Give the site, which does not run yet."""
    return Site(tmp_path_factory.mktemp("workbench"))


@pytest.fixture(scope="package")
def served(site: Site) -> Iterator[Site]:
    """Serve the site for all tests here."""
    with site.running():
        yield site


# One for all: it keeps the modules that it has loaded.
@pytest.fixture(scope="package")
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """Give a browser's window, which may use the clipboard."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(window: BrowserContext, site: Site) -> Iterator[Page]:
    """Give a page, of which it is seen at the end that it did no wrong."""
    page = window.new_page()
    watched = Watched(site)
    watched.watch(page)
    yield page
    page.close()
    assert watched.faults == []


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio: it is another process that is tested."""
    return "asyncio"
