"""The console in its states."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, ViewportSize, expect

from tests.demo.pictures.studio import NARROW, SITE, Studio

LARGE: ViewportSize = {"width": 1180, "height": 900}


def take_pictures(studio: Studio) -> None:
    """Call tools as the administrator, who may use it."""
    with studio.visit("admin", size=LARGE) as page:
        open_console(page)
        call_and_see(page, "search_books", text="whale")
        studio.take(page, "console", of=page.locator("body"), height=1450)
        page.locator(".mcp-messages summary").last.click()
        messages = page.locator(".mcp-messages")
        messages.evaluate("element => { element.scrollTop = element.scrollHeight }")
        panel = page.get_by_role("region", name="Messages")
        studio.take(page, "console-messages", of=panel, height=1000)

        call(page, "borrow_book", isbn="9780000000040")
        expect(page.get_by_role("dialog")).to_be_visible()
        studio.take(page, "console-question", of=page.get_by_role("dialog"))

    with studio.visit("admin", size=LARGE, colors="dark") as page:
        open_console(page, "websocket")
        call_and_see(page, "inventory")
        studio.take(page, "console-dark", of=page.locator("body"), height=1330)

    with studio.visit("admin", size=NARROW) as page:
        open_console(page)
        call_and_see(page, "search_books", text="whale")
        studio.take(page, "console-narrow", of=page.locator(".mcp-call"), height=1150)


def open_console(page: Page, transport: str = "streamable-http") -> None:
    """Open the page, and connect."""
    page.goto(f"{SITE}/mcp/console/")
    page.get_by_label("Transport").select_option(transport)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("heading", name="Prompts")).to_be_visible()


def call(page: Page, tool: str, **arguments: Any) -> None:
    """Fill in the form of a tool by a link, and have it called."""
    fragment = urlencode({"tools": tool, "with": json.dumps(arguments)})
    page.evaluate("fragment => { location.hash = fragment }", fragment)
    expect(page.locator(".mcp-call")).to_contain_text("A link has filled in")
    page.get_by_role("button", name="Call", exact=True).click()


def call_and_see(page: Page, tool: str, **arguments: Any) -> None:
    """Have it called, and wait for the answer."""
    call(page, tool, **arguments)
    expect(page.locator(".mcp-outcome")).to_contain_text("Answered")
