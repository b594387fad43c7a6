"""The pages, as readers of each language see them."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext, to_language
from pytest_django import Settings

from mcp_django.tokens.models import Token
from tests.translations.catalogs import languages

pytestmark = pytest.mark.django_db

PAGES = {
    "/mcp/": "Which programs work",
    "/mcp/connect/": "Choose your program",
    "/mcp/connect/?way=token": "Make a token",
    "/mcp/console/": "The console is a program that runs in your browser; it needs "
    "JavaScript.",
    "/mcp/programs/": "What may act as you",
    "/oauth/programs/": "No program may act as you.",
    "/admin/mcp_tokens/token/add/": "Never more than what the user may do.",
    "/admin/mcp_audit/entry/": "No entry fits. "
    "Choose a longer period, or fewer filters.",
}
"""Path -> a text of ours that is on the page."""


@pytest.fixture
def browser(db: None, settings: Settings) -> Client:
    """Log in who may see all, on a site that speaks each reader's language."""
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "django.middleware.locale.LocaleMiddleware",
    ]
    browser = Client()
    browser.force_login(User.objects.create_superuser("clerk"))
    return browser


def read(browser: Client, path: str, language: str) -> str:
    """Read a page in a language, as a browser asks for it."""
    headers = {"accept": "text/html", "accept-language": to_language(language)}
    page: Any = browser.get(path, headers=headers)
    assert page.status_code == 200, path
    return html.unescape(page.content.decode())


@pytest.mark.parametrize("language", languages())
def test_every_page_is_in_the_language_of_its_reader(
    browser: Client, language: str
) -> None:
    """We promise it: the text is translated, and the page says in which language."""
    code = to_language(language)
    for path, text in PAGES.items():
        page = read(browser, path, language)
        with translation.override(code):
            translated = gettext(text)

        assert f'<html lang="{code}"' in page, path
        assert translated != text
        assert translated in page, path
        assert text not in page, path


@pytest.mark.parametrize("language", languages())
def test_page_of_accounts_is_in_the_language_of_its_reader(
    browser: Client, language: str, settings: Settings
) -> None:
    """We promise it, as for the others."""
    settings.ROOT_URLCONF = "tests.accounts.urls"
    page = read(browser, "/accounts/", language)

    with translation.override(to_language(language)):
        assert gettext("There are no other servers to connect to.") in page


@pytest.mark.parametrize("language", languages())
def test_console_is_given_its_texts_in_the_language(
    browser: Client, language: str
) -> None:
    """We promise it: its scripts have no texts of their own."""
    page = read(browser, "/mcp/console/", language)
    found = re.search(r'id="mcp-console-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    known = json.loads(found[1])
    texts = known["texts"]

    with translation.override(to_language(language)):
        assert texts["messages"]["title"] == translation.pgettext("console", "Messages")
        assert texts["connection"]["opening"] == gettext("Connecting…")


def test_month_and_right_are_two_words(browser: Client) -> None:
    """Chosen: "May" is a month to Django, and a label on our pages."""
    user = User.objects.get(username="clerk")
    Token.issue(user, "Laptop")
    page = read(browser, "/mcp/programs/", "de")

    assert "<dt>Darf</dt>" in page
    with translation.override("de"):
        assert gettext("May") == "Mai"
