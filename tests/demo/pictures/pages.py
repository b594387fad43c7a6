"""The landing page and the page to connect, with a token made there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.demo.pictures.studio import NARROW, SITE, Studio


def take_pictures(studio: Studio) -> None:
    """Visit them as a reader, and as a stranger with a phone."""
    with studio.visit("reader") as page:
        page.goto(f"{SITE}/mcp")
        studio.take(page, "landing", of=page.locator("body"), height=1090)

        page.goto(f"{SITE}/mcp/connect/?client=cursor")
        studio.take(page, "connect", height=1010)

        page.goto(f"{SITE}/mcp/connect/?client=claude-code")
        page.get_by_label("Name").fill("Claude Code on my laptop")
        studio.take(page, "token-form", of=page.get_by_role("region", name="Make a"))
        page.get_by_role("button", name="Make the token").click()
        expect(page.get_by_role("status")).to_be_visible()
        studio.take(page, "token", height=960)

    with studio.visit(size=NARROW, colors="dark") as page:
        page.goto(f"{SITE}/mcp")
        studio.take(page, "landing-narrow", of=page.locator("body"), height=820)
    with studio.visit("reader", size=NARROW) as page:
        page.goto(f"{SITE}/mcp/connect/?client=vscode")
        studio.take(page, "connect-narrow", of=page.locator("body"), height=1100)
