"""The admin's pages of what the demo has installed."""

from __future__ import annotations

from playwright.sync_api import Page, ViewportSize, expect

from tests.demo.pictures.console import call, open_console
from tests.demo.pictures.studio import SITE, Studio

LARGE: ViewportSize = {"width": 1440, "height": 900}


def take_pictures(studio: Studio) -> None:
    """Visit them as the administrator, who has two consoles open, too.

    What readers have allowed is there after the pictures of `programs`.
    """
    with (
        studio.visit("admin", size=LARGE) as page,
        studio.visit("admin") as first,
        studio.visit("admin") as second,
    ):
        open_console(first, "websocket")
        open_console(second, "sse")
        call(second, "borrow_book", isbn="9780000000040")
        expect(second.get_by_role("dialog")).to_be_visible()

        _take(studio, page, "admin-live", "mcp_pages/live/", 800)
        _take(studio, page, "admin-features", "mcp_pages/feature/", 1250)
        page.get_by_role("link", name="borrow_book").first.click()
        expect(page.get_by_role("heading", name="borrow_book").first).to_be_visible()
        _take_content(studio, page, "admin-feature", 1300)
        _take(studio, page, "admin-audit", "mcp_audit/entry/", 1000)
        _take(studio, page, "admin-tokens", "mcp_tokens/token/", 700)
        _take(studio, page, "admin-token", "mcp_tokens/token/add/", 700)
        _take(studio, page, "admin-consents", "mcp_oauth/consent/", 700)
    with studio.visit("admin", size=LARGE, colors="dark") as page:
        _take(studio, page, "admin-audit-dark", "mcp_audit/entry/", 1000)


def _take(studio: Studio, page: Page, name: str, path: str, height: float) -> None:
    page.goto(f"{SITE}/admin/{path}")
    _take_content(studio, page, name, height)


def _take_content(studio: Studio, page: Page, name: str, height: float) -> None:
    content = page.locator("#content")
    studio.take(page, name, of=content, height=height, margin=0)
