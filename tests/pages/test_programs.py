"""The page of what may act as its reader: programs, and own tokens."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, modify_settings
from django.utils import timezone

from mcp_django.oauth.models import Consent
from mcp_django.tokens.models import Token, TokenState

PAGE = "/mcp/programs/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(db: None) -> User:
    """Give a user."""
    return User.objects.create(username="reader")


@pytest.fixture
def browser(reader: User) -> Client:
    """Log her in."""
    browser = Client()
    browser.force_login(reader)
    return browser


def read(browser: Client, url: str = PAGE) -> str:
    """Read a page, with its markup."""
    page: Any = browser.get(url)
    assert page.status_code == 200
    return html.unescape(page.content.decode())


def test_reader_of_nothing_learns_what_the_page_is_for(browser: Client) -> None:
    """Chosen: an empty page would look broken."""
    text = read(browser)

    assert "No program may act as you." in text
    assert 'href="/mcp/connect/"' in text


def test_own_tokens_are_listed_with_what_is_known_of_them(
    browser: Client, reader: User
) -> None:
    """We promise it: the state, what they may, and when they were last used."""
    now = timezone.now()
    other = User.objects.create(username="other")
    Token.issue(other, "Not hers")
    token, text = Token.issue(reader, "<b>Laptop", scopes=["mcp:read"])
    Token.objects.filter(pk=token.pk).update(last_used_at=now)
    Token.issue(reader, "Old", now - timedelta(days=1))
    shown = read(browser)

    assert "Not hers" not in shown
    assert text not in shown
    assert "<bdi><b>Laptop</bdi>" in shown  # once unescaped
    assert "…" + token.hint in shown
    assert str(TokenState.EXPIRED.label) in shown
    assert shown.index("<b>Laptop") < shown.index("Old")
    assert f'datetime="{timezone.localtime(now).isoformat()}"' in shown
    assert shown.count(">Revoke<") == 1


def test_token_is_revoked_after_a_question(browser: Client, reader: User) -> None:
    """We promise it: it opens nothing from then on."""
    token, _ = Token.issue(reader, "Laptop")
    url = f"/mcp/programs/revoke/?token={token.pk}"
    asked = read(browser, url)
    token.refresh_from_db()
    still_usable = token.revoked_at is None
    answer: Any = browser.post(url, follow=True)
    token.refresh_from_db()

    assert "Revoke the token" in asked
    assert still_usable
    assert token.revoked_at is not None
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "“Laptop” opens nothing any more" in answer.content.decode()


@pytest.mark.parametrize("given", ["", "x", "-1", "9" * 30, "²"])
def test_token_that_is_none_cannot_be_revoked(browser: Client, given: str) -> None:
    """We promise it: whatever the query says."""
    answer = browser.post(f"/mcp/programs/revoke/?token={given}")

    assert answer.status_code == 404


def test_tokens_of_others_cannot_be_revoked(browser: Client) -> None:
    """We promise it."""
    other = User.objects.create(username="other")
    token, _ = Token.issue(other, "Not hers")
    answer = browser.post(f"/mcp/programs/revoke/?token={token.pk}")
    token.refresh_from_db()

    assert answer.status_code == 404
    assert token.revoked_at is None


def test_forged_form_revokes_nothing(reader: User) -> None:
    """We promise it."""
    token, _ = Token.issue(reader, "Laptop")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(reader)

    url = f"/mcp/programs/revoke/?token={token.pk}"
    assert browser.post(url).status_code == 403


def test_programs_that_were_allowed_are_revoked_from_here(
    browser: Client, reader: User
) -> None:
    """We promise it: by the page of OAuth, which leads back to this one."""
    Consent.objects.create(
        user=reader,
        client_id="https://claude.ai/client.json",
        client_name="Claude",
        redirect_host="claude.ai",
        resource="http://testserver/mcp",
        scopes=["mcp:read"],
    )
    text = read(browser)
    begin = text.index('href="/oauth/programs/revoke/') + len('href="')
    url = text[begin : text.index('"', begin)]
    asked = read(browser, url)
    answer = browser.post(url)

    assert "Claude" in text
    assert "claude.ai" in text
    assert f'href="{PAGE}"' in asked
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    assert "No program may act as you." in read(browser)


def test_revoking_leads_to_no_other_site(browser: Client, reader: User) -> None:
    """We promise it: `next` may be anybody's."""
    Consent.objects.create(user=reader, client_id="x", resource="", scopes=[])
    answer = browser.post(
        "/oauth/programs/revoke/?client_id=x&resource=&next=https://evil.example/"
    )

    assert answer["Location"] == "/oauth/programs/"


@modify_settings(INSTALLED_APPS={"remove": "mcp_django.tokens"})
def test_page_works_without_tokens(browser: Client) -> None:
    """We promise it."""
    assert "Tokens</h2>" not in read(browser)


def test_database_that_lacks_migrations_is_named(browser: Client) -> None:
    """We promise it: no error without a remedy."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE mcp_tokens_token")
    page: Any = browser.get(PAGE)

    assert page.status_code == 503
    assert "<code>makemigrations and migrate</code>" in page.content.decode()
