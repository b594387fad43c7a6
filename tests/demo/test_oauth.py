"""Programs log in through the demo's pages, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.programs import (
    Callback,
    Program,
    allow,
    browsing,
    listening,
    log_in,
)
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.live

COLORS = """() => {
    const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const color = numbers(getComputedStyle(element).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const all = [...document.querySelectorAll("main *")];
    const shown = all.filter((each) => [...each.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
    return shown.map((each) => ({
        text: each.textContent.trim(),
        color: numbers(getComputedStyle(each).color).slice(0, 3),
        background: behind(each),
    }));
}"""
"""Gives each text of the page, its color, and the one behind it."""


@pytest.fixture
def callback() -> Iterator[Callback]:
    """Listen for the answer."""
    with listening() as callback:
        yield callback


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open a browser."""
    with browsing(chromium) as page:
        yield page


@pytest.fixture
def program(site: str, callback: Callback) -> Program:
    """Register a program."""
    return Program.register(site, callback, "Reading Assistant")


def test_reader_logs_in_and_allows_a_part(page: Page, program: Program) -> None:
    """Chosen: the program reads, is refused to lend, and says what it would need."""
    page.goto(program.url())
    expect(page).to_have_title("Log in · The Lending Library")
    log_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Allow “Reading Assistant” to use The Lending Library as you?"
    )
    expect(page.get_by_text("a program on your own computer")).to_be_visible()
    page.get_by_label("Borrow and return books").uncheck()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("**/done")

    tokens = program.get_tokens()
    found = program.call(tokens["access_token"], "search_books", text="whale")
    refused = program.call(
        tokens["access_token"], "borrow_book", isbn="9780000000057", days=3
    )

    assert "library:lend" not in tokens["scope"].split()
    assert found.status_code == 200
    assert "Moby-Dick" in found.text
    assert refused.status_code == 403
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "library:lend" in challenge


def test_reader_denies(page: Page, program: Program) -> None:
    """Chosen: and the program learns it."""
    page.goto(program.url())
    log_in(page)
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url("**/done")

    told = program.callback.wait()
    assert (told["error"], told["state"]) == ("access_denied", "s7")
    assert told["iss"] == program.site


def test_reader_uses_the_keyboard_alone(page: Page, program: Program) -> None:
    """Chosen: what is ticked is unticked with the space bar, in the order shown."""
    page.goto(program.url())
    log_in(page)
    first = page.get_by_role("checkbox").first
    expect(first).to_be_checked()
    page.get_by_role("button", name="Not you?").focus()
    page.keyboard.press("Tab")
    expect(first).to_be_focused()
    page.keyboard.press("Space")
    expect(first).not_to_be_checked()
    for _ in range(page.get_by_role("checkbox").count()):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Deny")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Allow")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/done")

    assert "code" in program.callback.wait()


def test_reader_who_is_not_meant_logs_in_as_another(
    page: Page, program: Program
) -> None:
    """Chosen: and comes back to the same question."""
    page.goto(program.url())
    log_in(page)
    page.get_by_role("button", name="Not you?").click()
    expect(page).to_have_title("Log in · The Lending Library")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("admin")
    page.get_by_role("main").get_by_role("button", name="Log in").click()

    expect(page.get_by_role("button", name="Allow")).to_be_visible()
    expect(page.get_by_role("definition").get_by_text("admin")).to_be_visible()


def test_reader_revokes_and_the_open_stream_ends(page: Page, program: Program) -> None:
    """Chosen: within a minute; the demo's tests look every second."""
    token = allow(page, program)["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.stream(
        "GET", f"{program.site}/mcp/sse", headers=headers, timeout=PATIENCE_SECONDS
    ) as stream:
        assert stream.status_code == 200

        page.goto(f"{program.site}/")
        page.get_by_role("link", name="My programs").click()
        card = page.get_by_role("region", name="Reading Assistant")
        expect(card.first).to_be_visible()
        before = card.count()
        card.first.get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke").click()
        expect(page.get_by_role("status")).to_contain_text("may not act as you")
        expect(card).to_have_count(before - 1)

        refused = program.call(token, "my_loans")
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
        # Within RECHECK_SECONDS; the client's own timeout is the bound.
        list(stream.iter_lines())


def test_answer_opens_the_app_that_asked(
    page: Page, site: str, callback: Callback
) -> None:
    """Chosen: Chromium gets as far as asking the system for an app of the scheme."""
    uri = "cursor://anysphere.cursor-mcp/oauth/callback"
    page.goto(Program.register(site, callback, "Cursor", uri).url())
    log_in(page)
    expect(page.get_by_text("the app on your device that opens")).to_be_visible()

    with page.expect_event(
        "requestfailed", lambda request: request.url.startswith(f"{uri}?code=")
    ):
        page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("link", name="go on")).to_be_visible()


def test_page_cannot_be_framed(
    page: Page, program: Program, callback: Callback
) -> None:
    """Chosen: a page of another site cannot have users click what they do not see."""
    page.goto(program.url())
    log_in(page)
    expect(page.get_by_role("button", name="Allow")).to_be_visible()
    page.goto(f"http://127.0.0.1:{callback.port}/done")

    with page.expect_event(
        "console", lambda message: "frame-ancestors" in message.text
    ):
        page.evaluate(
            "url => {"
            " const frame = document.createElement('iframe'); frame.src = url;"
            " document.body.append(frame); }",
            program.url(),
        )


def test_page_fits_with_the_longest_names(
    page: Page, site: str, callback: Callback
) -> None:
    """Chosen: nothing is cut off, and nothing scrolls sideways."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(Program.register(site, callback, "W" * 100).url())
    log_in(page)
    allow_button = page.get_by_role("button", name="Allow")

    for width in (320, 360, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        expect(allow_button).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        box = allow_button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert complaints == []


def test_colors_follow_the_system(page: Page, program: Program) -> None:
    """Chosen: with enough contrast in both. Spec: WCAG 2.2, 1.4.3."""
    page.goto(program.url())
    log_in(page)
    expect(page.get_by_role("button", name="Allow")).to_be_visible()

    backgrounds = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for found in page.evaluate(COLORS):
            text, background = found["color"], found["background"]
            assert contrast(text, background) >= 4.5, found
            backgrounds.add(tuple(background))
    assert len(backgrounds) > 2


def contrast(one: list[float], other: list[float]) -> float:
    """Give the contrast of two colors. Spec: WCAG 2.2, "contrast ratio"."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: list[float]) -> float:
    """Give how light a color is. Spec: WCAG 2.2, "relative luminance"."""
    parts = [part / 255 for part in color]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
