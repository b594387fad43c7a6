"""How the console looks in each of its states."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.browser.console import Console
from tests.pages.browser.looks import assert_looks_right

pytestmark = pytest.mark.live


def test_console_looks_right_in_each_state(console: Console) -> None:
    """We promise it: not even what is minor; also with names that do not break."""
    page = console.page
    console.visit()
    expect(console.button("Connect")).to_be_visible()
    assert_looks_right(page)

    console.connect("websocket")
    console.call("long_" * 25)
    expect(console.outcome).to_contain_text("Answered")
    page.locator(".mcp-messages summary").last.click()
    page.get_by_text("The result as it came").click()
    assert_looks_right(page)

    console.call("wait")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert_looks_right(page)
    console.button("Cancel").click()

    console.call("wish")
    expect(console.dialog).to_be_visible()
    assert_looks_right(page)
    console.button("Dismiss").click()
    expect(console.outcome).to_contain_text("nothing then")

    console.call("think")
    expect(console.dialog).to_be_visible()
    assert_looks_right(page)
    console.button("Refuse").click()

    console.share("tools", "quote", text="t")
    console.log_out_elsewhere()
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()
    assert_looks_right(page)
