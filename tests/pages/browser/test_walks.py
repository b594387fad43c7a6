"""Four kinds of users walk through the pages: each state is looked at on the way."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from tests.pages.browser.conftest import Site
from tests.pages.browser.console import Console, log_in
from tests.pages.browser.looks import assert_looks_right

pytestmark = pytest.mark.live


def status_of(page: Page, url: str) -> int:
    """Go to a page, and give the status of the response."""
    response = page.goto(url)
    assert response is not None
    return response.status


def test_stranger_learns_what_is_here_and_has_to_log_in(page: Page, site: Site) -> None:
    """We promise it: no feature is told of, and each door leads to the login page."""
    assert status_of(page, f"{site.url}/mcp") == 200
    expect(page.get_by_role("heading", name="Lending library")).to_be_visible()
    expect(page.get_by_role("heading", name="What you may use")).to_have_count(0)
    expect(page.get_by_text("search_books")).to_have_count(0)
    assert_looks_right(page)

    page.get_by_role("link", name="Log in to see what you may use").click()
    expect(page.get_by_label("User name")).to_be_visible()
    assert_looks_right(page)
    for path in ("connect/", "console/", "programs/", "programs/revoke/?token=1"):
        page.goto(f"{site.url}/mcp/{path}")
        assert unquote(page.url) == f"{site.url}/login/?next=/mcp/{path}"


def test_reader_connects_makes_a_token_and_revokes_it(page: Page, site: Site) -> None:
    """We promise it: with no more than a reader may do."""
    page.goto(f"{site.url}/mcp/connect/?client=cursor")
    log_in(page, "reader")
    expect(page.get_by_role("link", name="Add to Cursor")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()  # Of one name, so that one at a time is open.
    assert_looks_right(page)

    form = page.get_by_role("region", name="Make a token")
    form.get_by_label("Name").fill("<img src=x onerror=\"document.title='broken'\">")
    everything = form.get_by_role("checkbox", name="Everything that you may do")
    everything.check()
    form.get_by_role("button").click()
    expect(form.get_by_role("alert")).to_contain_text("No token was made")
    assert_looks_right(page)
    everything.uncheck()
    form.get_by_role("button").click()
    made = page.get_by_role("status")
    expect(made.get_by_text(re.compile(r"^mcp_[\w-]{43}$"))).to_be_visible()
    assert_looks_right(page)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("This form was sent before")
    assert_looks_right(page)

    page.get_by_role("link", name="See your tokens").click()
    card = page.get_by_role("region", name="<img src=x")
    expect(card).to_contain_text("usable")
    assert_looks_right(page)
    card.get_by_role("link", name="Revoke").click()
    assert_looks_right(page)
    page.get_by_role("button", name="Revoke").click()
    expect(card).to_contain_text("revoked")
    expect(page.locator("main img")).to_have_count(0)

    page.goto(f"{site.url}/mcp")
    expect(page.get_by_text("search_books")).to_be_visible()
    expect(page.get_by_text("add_book")).to_have_count(0)
    expect(page.get_by_role("link", name="Open the console")).to_have_count(0)
    assert_looks_right(page)
    assert status_of(page, f"{site.url}/mcp/console/") == 403


def test_librarian_adds_a_book_by_the_console(page: Page, site: Site) -> None:
    """We promise it: staff may use it, and do there what their account may do."""
    page.goto(f"{site.url}/enter/librarian/?next=/mcp/")
    expect(page.get_by_text("add_book")).to_be_visible()
    page.get_by_role("link", name="Open the console").click()
    console = Console(page, f"{site.url}/mcp", "librarian")
    assert_looks_right(page)
    console.connect("websocket")
    page.get_by_label("Filter by name").fill("add_book")
    console.button("add_book").click()
    form = page.locator(".mcp-call")
    form.get_by_label("isbn").fill("9789999999991")
    form.get_by_label("title").fill("A walk")
    form.get_by_label("author").fill("Somebody New")
    form.get_by_label("year").fill("1999")
    form.get_by_label("genre").select_option(label="gothic")
    console.button("Call").click()
    expect(console.outcome).to_contain_text("Answered")
    assert_looks_right(page)

    page.goto(f"{site.url}/books/9789999999991/")
    expect(page.get_by_role("heading", name="A walk")).to_be_visible()


def test_administrator_sees_the_pages_of_the_admin(page: Page, site: Site) -> None:
    """We promise it: all that the installed apps show there, as others of the admin."""
    page.goto(f"{site.url}/enter/admin/?next=/admin/")
    ours = page.locator("[class*=app-mcp_] tr > th a")
    paths = [link.get_attribute("href") or "" for link in ours.all()]
    assert {"/admin/mcp_pages/live/", "/admin/mcp_pages/feature/"} <= set(paths)
    for path in paths:
        assert status_of(page, f"{site.url}{path}") == 200
        assert_looks_right(page, is_of_admin=True)

    page.goto(f"{site.url}/admin/mcp_pages/feature/")
    page.get_by_role("link", name="search_books").click()
    expect(page.get_by_role("heading", name="search_books")).to_be_visible()
    assert_looks_right(page, is_of_admin=True)
