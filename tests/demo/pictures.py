"""`python -m tests.demo.pictures`: take the pictures of the demo that the docs show."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import FloatRect, Page, ViewportSize, expect

from tests.demo.conftest import ROOT, Demo, serve, start_chromium
from tests.demo.programs import Program, browsing, listening, log_in

FOLDER = ROOT / "docs" / "how-to" / "pictures"
SIZE: ViewportSize = {"width": 900, "height": 600}
MARGIN = 16

OF_CLAUDE = "https://claude.ai/api/mcp/auth_callback"


def take_pictures(folder: Path) -> None:
    """Have a reader allow two programs, and take pictures on the way."""
    with ExitStack() as stack:
        database = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        demo = Demo(database / "demo.sqlite3")
        demo.prepare()
        site = stack.enter_context(serve(demo))
        callback = stack.enter_context(listening())
        chromium = stack.enter_context(start_chromium())
        page = stack.enter_context(browsing(chromium, viewport=SIZE))
        # Nothing of this leaves the machine.
        page.route("https://claude.ai/**", lambda route: route.fulfill(body="Done"))

        web = Program.register(site, callback, "Claude", OF_CLAUDE)
        page.goto(web.url())
        log_in(page)
        expect(page.get_by_role("button", name="Allow")).to_be_visible()
        take(page, folder / "consent.png")
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url("https://claude.ai/**")

        here = Program.register(site, callback, "Visual Studio Code")
        page.goto(here.url())
        page.get_by_label("Borrow and return books").uncheck()
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url("**/done")
        token = here.get_tokens()["access_token"]
        here.call(token, "search_books", text="whale").raise_for_status()
        page.goto(f"{site}/oauth/programs/")
        take(page, folder / "programs.png")
        page.goto(f"{site}/mcp/connect/?client=cursor")
        take(page, folder / "connect.png")


def take(page: Page, file: Path) -> None:
    """Take a picture of what is in the middle of the page."""
    box = page.locator(".mcp").bounding_box()
    assert box is not None
    clip: FloatRect = {
        "x": box["x"] - MARGIN,
        "y": box["y"] - MARGIN,
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN,
    }
    page.screenshot(path=file, clip=clip, full_page=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    take_pictures(FOLDER)
