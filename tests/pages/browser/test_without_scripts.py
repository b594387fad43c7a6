"""The pages in a browser that runs no scripts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.pages.browser.conftest import Site, Watched

pytestmark = pytest.mark.live


@pytest.fixture
def page(chromium: Browser, watched: Watched) -> Iterator[Page]:
    """Give a page of a phone."""
    with chromium.new_context(
        viewport={"width": 320, "height": 640}, java_script_enabled=False
    ) as context:
        page = context.new_page()
        watched.watch(page)
        yield page


def test_all_but_the_console_works(page: Page, site: Site) -> None:
    """We promise it; the console says what it needs."""
    page.goto(f"{site.url}/enter/librarian/?next=/mcp/")
    page.get_by_role("link", name="Connect a program").click()
    page.get_by_role("heading", name="Claude Code").click()
    expect(page.get_by_text("claude mcp add")).to_be_visible()
    page.get_by_role("link", name="See and revoke").click()
    expect(page.get_by_text("No program may act as you.")).to_be_visible()
    page.goto(f"{site.url}/mcp/console/")
    expect(page.get_by_text("it needs JavaScript")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Lending library").click()
    expect(page.get_by_role("heading", name="What you may use")).to_be_visible()
