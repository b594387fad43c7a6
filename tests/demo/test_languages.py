"""The demo in the language of each reader, its pages and those of the package."""

from __future__ import annotations

import html
from pathlib import Path

import httpx2
import pytest
from django.utils.translation import to_language
from playwright.sync_api import Browser, ViewportSize, expect

from demo_project import settings
from tests.demo.programs import browsing
from tests.demo.test_pages import log_in, submit
from tests.translations.catalogs import LOCALES, languages, read
from tests.translations.sources import DEMO, PACKAGE

pytestmark = pytest.mark.live

PAGES = {
    "/": "The catalog",
    "/?q=xyzzy": "Nothing on our shelves fits. Try fewer words, or another genre.",
    "/books/9780000000057/": "First published",
    "/loans/": "Due back",
    "/login/": "User name",
}
"""Path -> a text of the demo that is on the page."""

PAGES_OF_PACKAGE = {
    "/mcp/connect/": "Choose your program",
    "/mcp/programs/": "What may act as you",
}
"""Path -> a text of the package that is on the page."""


def translated(text: str, language: str, package: Path = DEMO) -> str:
    """Give what a catalog, of the demo by itself, has for a text."""
    message = read(language, LOCALES[package]).get(text)
    assert message is not None
    assert isinstance(message.string, str)
    return message.string


@pytest.fixture
def reader(browser: httpx2.Client) -> httpx2.Client:
    """Log a reader in."""
    log_in(browser, "reader")
    return browser


def test_demo_speaks_all_languages_of_the_package() -> None:
    """Chosen: a catalog that `make messages ADD=` begins is for the demo as well."""
    offered = {code for code, _ in settings.LANGUAGES}

    assert offered == {"en", *map(to_language, languages())}


@pytest.mark.parametrize("language", languages())
def test_pages_are_in_the_language_of_their_reader(
    reader: httpx2.Client, language: str
) -> None:
    """Chosen: else no visitor of the demo saw that there are other languages."""
    code = to_language(language)
    reader.headers["accept-language"] = code
    texts = {path: translated(text, language) for path, text in PAGES.items()}
    texts |= {
        path: translated(text, language, PACKAGE)
        for path, text in PAGES_OF_PACKAGE.items()
    }
    for path, text in texts.items():
        page = reader.get(path)

        assert page.status_code == 200, path
        shown = html.unescape(page.text)
        assert f'<html lang="{code}"' in shown, path
        assert text in shown, path
        # The frame around each of them is that of the demo.
        assert translated("Connect your assistant", language) in shown, path


def test_message_after_borrowing_has_the_reader_s_language(
    reader: httpx2.Client,
) -> None:
    """Chosen: with the day as it is written there."""
    reader.headers["accept-language"] = "de"
    path = "/books/9780000000040/"
    borrowed = submit(reader, f"{path}borrow/", reader.get(path).text)

    assert "ist bis" in borrowed.text
    again = submit(reader, f"{path}borrow/", borrowed.text)
    assert "bereits ausgeliehen." in again.text


def test_admin_names_models_and_fields_in_the_language(browser: httpx2.Client) -> None:
    """Chosen: what Django makes of an attribute's name would be English."""
    page = browser.get("/admin/login/").text
    submit(
        browser,
        "/admin/login/",
        page,
        username="admin",
        password="admin",
        next="/admin/",
    )
    for language in languages():
        browser.headers["accept-language"] = to_language(language)
        form = html.unescape(browser.get("/admin/library/loan/add/").text)
        for text in ("Library", "loans", "borrower", "lent on", "due on"):
            shown = translated(text, language)
            assert shown[0].upper() + shown[1:] in form or shown in form, text


def test_loans_fit_a_narrow_window(chromium: Browser, site: str) -> None:
    """Chosen: where the table is wider, it alone scrolls sideways."""
    size: ViewportSize = {"width": 390, "height": 700}
    with browsing(chromium, locale="de-DE", viewport=size) as page:
        page.goto(f"{site}/login/?next=/loans/")
        page.get_by_label("Benutzername").fill("reader")
        page.get_by_label("Passwort").fill("reader")
        page.get_by_role("main").get_by_role("button", name="Anmelden").click()
        expect(page.get_by_role("heading", name="Meine Ausleihen")).to_be_visible()

        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
