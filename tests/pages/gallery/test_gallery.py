"""Forms and results in a real browser, under the console's policy."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.conftest import CHROMIUM, start_chromium
from tests.javascript import packages
from tests.live.node import has_npm
from tests.pages.gallery import serving

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    if not (CHROMIUM and has_npm()) and not os.environ.get("CI"):
        pytest.skip("Chromium or npm is not installed (Debian: chromium, npm)")
    with start_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the gallery."""
    with serving() as url:
        yield url


@pytest.fixture(params=["light", "dark"])
def page(
    chromium: Browser, url: str, request: pytest.FixtureRequest
) -> Iterator[tuple[Page, list[str]]]:
    """Open the gallery on a small telephone; with it comes what went wrong in it."""
    with chromium.new_context(
        viewport={"width": 320, "height": 800}, color_scheme=request.param
    ) as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        expect(page.locator("#gallery")).to_have_attribute("data-made", "yes")
        yield page, wrong


def test_gallery_is_accessible_and_runs_nothing(page: tuple[Page, list[str]]) -> None:
    """We promise it: at 320 pixels, in both colors, with errors and parts open."""
    shown, wrong = page
    for check in shown.get_by_role("button", name="Check").all():
        check.click()
    shown.evaluate("document.querySelectorAll('details').forEach((d) => d.open = true)")
    shown.evaluate((packages() / "axe-core" / "axe.min.js").read_text())
    found = shown.evaluate("axe.run({resultTypes: ['violations']})")
    serious = [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    width = shown.evaluate("document.documentElement.scrollWidth")

    assert serious == []
    assert width <= 320
    # What is hostile in the examples would have changed it, or broken the policy.
    assert shown.title() == "Gallery of forms and results"
    assert wrong == []


@pytest.mark.parametrize("page", ["light"], indirect=True)
def test_form_is_filled_in_by_the_keyboard(page: tuple[Page, list[str]]) -> None:
    """We promise it: errors are told of with the focus, and Enter sends a form."""
    shown, wrong = page
    card = shown.locator("section", has=shown.get_by_text("Texts and dates"))
    card.get_by_role("button", name="Check").click()
    expect(card.locator(".mcp-form-summary")).to_be_focused()
    card.get_by_role("button", name="contact").press("Enter")
    contact = card.get_by_label("contact", exact=False)
    expect(contact).to_be_focused()
    shown.keyboard.type("ada@example.org")
    expect(card.locator(".mcp-form-summary")).to_be_hidden()
    card.get_by_label("starts_at").fill("2026-02-28T14:30:15")
    title = card.get_by_label("title")
    title.press("End")
    title.press("Shift+Enter")
    shown.keyboard.type("again")
    title.press("Enter")
    sent = card.locator("form").get_attribute("data-sent") or ""

    assert '"title":"Emma\\nagain"' in sent
    assert '"contact":"ada@example.org"' in sent
    assert '"starts_at":"2026-02-28T14:30:15' in sent
    assert wrong == []
