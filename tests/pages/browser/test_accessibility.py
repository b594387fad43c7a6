"""What axe-core finds wrong with the console, and how narrow its page may get."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.live.node import has_npm, npm_packages
from tests.pages.browser.conftest import Site
from tests.pages.browser.test_console import Console

AXE = "4.14.1"

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def axe() -> str:
    """Give the source of axe-core."""
    if not has_npm() and not os.environ.get("CI"):
        pytest.skip("npm is not installed (Debian's package: npm)")
    folder = npm_packages("axe-core", {"axe-core": AXE})
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


def faults_of(page: Page, axe: str) -> list[Any]:
    """Give what axe finds, in both schemes of colors."""
    faults = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        faults += [
            (scheme, fault["id"], [node["html"][:200] for node in fault["nodes"]])
            for fault in found["violations"]
        ]
    return faults


def test_axe_finds_nothing_in_any_state(page: Page, served: Site, axe: str) -> None:
    """We promise it: not even what is minor."""
    console = Console(page, served)
    page.goto(f"{served.url}/enter/?next=/mcp/console/")
    expect(console.button("Connect")).to_be_visible()
    assert faults_of(page, axe) == []

    console.connect("websocket")
    console.call("add", a=1)
    expect(console.outcome).to_contain_text("Answered")
    page.locator(".mcp-messages summary").last.click()
    assert faults_of(page, axe) == []

    console.call("wait")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert faults_of(page, axe) == []
    console.button("Cancel").click()

    console.call("wish")
    expect(console.dialog).to_be_visible()
    assert faults_of(page, axe) == []
    console.button("Dismiss").click()
    expect(console.outcome).to_contain_text("nothing then")

    console.call("think")
    expect(console.dialog).to_be_visible()
    assert faults_of(page, axe) == []
    console.button("Refuse").click()

    console.share("tools", "quote", text="t")
    page.request.get(f"{served.url}/leave/")
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()
    assert faults_of(page, axe) == []


def test_page_fits_320_pixels(page: Page, served: Site) -> None:
    """We promise it: also with names that are long and cannot be broken."""
    page.set_viewport_size({"width": 320, "height": 700})
    console = Console(page, served)
    console.open()
    console.call("long_" * 25)
    expect(console.outcome).to_contain_text("Answered")
    page.locator(".mcp-messages summary").last.click()
    page.get_by_text("The result as it came").click()

    assert page.evaluate("document.documentElement.scrollWidth") == 320
