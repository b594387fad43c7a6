"""The pages by the keyboard alone: what is reached by Tab is what is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.browser.conftest import Site
from tests.pages.browser.console import Console

pytestmark = pytest.mark.live

MOST_STEPS = 60


def go_to(page: Page, wanted: Locator) -> None:
    """Press Tab until a control has the focus, which has to be seen on it."""
    for _ in range(MOST_STEPS):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            style = wanted.evaluate("element => getComputedStyle(element).outlineStyle")
            assert style != "none", f"{wanted} does not show that it has the focus"
            return
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_token_is_made_by_the_keyboard(page: Page, site: Site) -> None:
    """We promise it: from the link that skips the header to the token."""
    page.goto(f"{site.url}/enter/reader/?next=/mcp/connect/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    go_to(page, page.locator("#client-codex summary"))
    page.keyboard.press("Enter")
    expect(page.locator("#client-codex pre").first).to_be_visible()
    go_to(page, page.get_by_label("Name"))
    page.keyboard.type("By keyboard")
    page.keyboard.press("Enter")

    made = page.get_by_role("heading", name="Your token")
    expect(made).to_contain_text("By keyboard")


def test_tool_is_called_and_a_question_answered_by_the_keyboard(
    console: Console,
) -> None:
    """We promise it: a dialog has the focus, and gives it back."""
    page = console.page
    console.visit()
    go_to(page, console.button("Connect"))
    page.keyboard.press("Enter")
    expect(console.status).to_contain_text("Connected as clerk")
    go_to(page, console.button("wish"))
    page.keyboard.press("Enter")
    go_to(page, console.button("Call"))
    page.keyboard.press("Enter")
    expect(console.dialog).to_be_visible()
    assert console.dialog.evaluate("dialog => dialog.contains(document.activeElement)")
    go_to(page, console.dialog.get_by_label("Color"))
    page.keyboard.type("green")
    page.keyboard.press("Enter")

    expect(console.outcome).to_contain_text("1 in green")
    expect(console.button("Call")).to_be_focused()
