"""A reader of one demo library sees their loans at another one, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.conftest import Demo
from tests.live.daphne import Daphne, serving

pytestmark = pytest.mark.live

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.demo.settings"}


def serve(demo: Demo, folder: Path, **extra: str) -> AbstractContextManager[Daphne]:
    """Serve a demo with a Daphne of its own."""
    return serving(
        "demo_project.asgi:application",
        log=folder / "daphne.log",
        extra={"DEMO_DATABASE": str(demo.database), **SETTINGS, **extra},
    )


@pytest.fixture(scope="module")
def libraries(
    demo: Demo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Serve two libraries, as `make demo` twice does; give their addresses."""
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    with serve(demo.copy_to(there), there) as other:
        # By another name of the host: ports share cookies.
        branch = other.url.replace("127.0.0.1", "localhost")
        url = f"{branch}/mcp"
        with serve(demo.copy_to(here), here, DEMO_OTHER_LIBRARY=url) as site:
            yield site.url, branch


@pytest.fixture
def page(chromium: Browser, libraries: tuple[str, str]) -> Iterator[Page]:
    """A page of a fresh browser, whose user is logged in here."""
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{libraries[0]}/login/?next=/loans/")
        log_in(page)
        yield page


def log_in(page: Page) -> None:
    """Log in where a library asks for it."""
    page.get_by_label("User name").fill("reader")
    page.get_by_label("Password").fill("reader")
    page.get_by_role("button", name="Log in").click()


def test_reader_connects_an_account_at_another_library(
    page: Page, libraries: tuple[str, str]
) -> None:
    """We promise it: the worked example, with two terminals."""
    here, there = libraries
    page.get_by_role("link", name="My loans at other libraries").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Connect your account of The library of the next town"
    )
    page.get_by_role("button", name="Go on").click()

    page.wait_for_url(f"{there}/login/**")
    log_in(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("The Lending Library")
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"{here}/accounts/branch/callback/**")
    expect(page.get_by_text("You did not allow it")).to_be_visible()

    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{there}/oauth/authorize**")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{here}/accounts/")
    expect(page.get_by_text("is connected")).to_be_visible()

    page.goto(f"{here}/loans/elsewhere/")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "My loans at The library of the next town"
    )
    page.get_by_role("link", name="Connected accounts").click()
    page.get_by_role("button", name=re.compile("Disconnect")).click()
    expect(page.get_by_text("Not connected.")).to_be_visible()
    page.goto(f"{here}/loans/elsewhere/")
    page.wait_for_url(f"{here}/accounts/branch/connect/**")
