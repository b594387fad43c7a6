"""What a reader allows: consent, what may act as them, accounts at other libraries."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.demo.pictures.studio import SITE, Studio, log_in
from tests.demo.programs import Program

OF_CLAUDE = "https://claude.ai/api/mcp/auth_callback"


def take_pictures(studio: Studio) -> None:
    """Have a reader allow two programs, and connect an account."""
    with studio.visit("reader") as page:
        _allow_two(studio, page)
        page.goto(f"{SITE}/mcp/programs/")
        studio.take(page, "programs")
        page.get_by_role("link", name="Revoke").first.click()
        expect(page.get_by_role("button", name="Revoke")).to_be_visible()
        studio.take(page, "revoke")
        page.goto(f"{SITE}/oauth/programs/")
        studio.take(page, "oauth-programs")
    with studio.visit("reader") as page:
        _connect_account(studio, page)


def _allow_two(studio: Studio, page: Page) -> None:
    at = (studio.site, studio.callback)
    web = Program.register(*at, "Claude", OF_CLAUDE, known_as=SITE)
    page.goto(web.url())
    expect(page.get_by_role("button", name="Allow")).to_be_visible()
    studio.take(page, "consent")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("https://claude.ai/**")

    here = Program.register(*at, "Visual Studio Code", known_as=SITE)
    page.goto(here.url())
    page.get_by_label("Borrow and return books").uncheck()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/done")
    token = here.get_tokens()["access_token"]
    here.call(token, "search_books", text="whale").raise_for_status()


def _connect_account(studio: Studio, page: Page) -> None:
    page.goto(f"{SITE}/accounts/branch/connect/")
    studio.take(page, "account-connect")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(f"{studio.branch}/login/**")
    log_in(page, "reader")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{SITE}/accounts/")
    studio.take(page, "accounts")
