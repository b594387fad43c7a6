"""Pages that are open while a login or the server ends, and over WSGI."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.pages.browser.conftest import Site
from tests.pages.browser.console import Console, log_in

pytestmark = pytest.mark.live


def test_form_that_is_sent_after_the_login_has_ended_says_so(
    page: Page, site: Site
) -> None:
    """We promise it: nothing is made, and the way back leads to the form."""
    page.goto(f"{site.url}/enter/reader/?next=/mcp/connect/")
    page.get_by_label("Name").fill("Too late")
    page.request.get(f"{site.url}/leave/")
    page.get_by_role("button", name="Make the token").click()
    expect(page.get_by_role("status")).to_contain_text("Your login had ended")
    log_in(page, "reader")
    expect(page.get_by_role("region", name="Make a token")).to_be_visible()
    page.goto(f"{site.url}/mcp/programs/")
    expect(page.get_by_role("heading", name="Too late")).to_have_count(0)


def test_console_works_over_wsgi(page: Page, site: Site) -> None:
    """We promise it: calls and questions; what takes streams is said to be missing."""
    with site.over_wsgi() as url:
        console = Console(page, f"{url}/bench")
        console.open()
        console.call("add", a=2, b=40)
        expect(console.outcome).to_contain_text("42")
        console.call("wish")
        console.dialog.get_by_label("Color").fill("blue")
        console.button("Send").click()
        expect(console.outcome).to_contain_text("1 in blue")
