"""What the connect page tells its reader, and the tokens that are made there."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.test import Client, modify_settings
from pytest_django import Settings

from mcp_django.pages.tokens import MOST_TOKENS
from mcp_django.tokens.models import Token

PAGE = "/mcp/connect/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker(db: None) -> User:
    """Give a user who may make tokens of her own."""
    cache.clear()
    user = User.objects.create(username="maker")
    user.user_permissions.add(Permission.objects.get(codename="add_own_token"))
    return user


def browser_of(user: User, *, checks_csrf: bool = False) -> Client:
    """Log a user in."""
    browser = Client(enforce_csrf_checks=checks_csrf)
    browser.force_login(user)
    return browser


def read(browser: Client, query: str = "") -> str:
    """Read the page, with its markup."""
    page: Any = browser.get(f"{PAGE}{query}")
    assert page.status_code == 200
    text: str = page.content.decode()
    return text


def fields_of(text: str) -> dict[str, Any]:
    """Give the form of a page as it comes, with a name."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    return {**hidden, "name": "Laptop", "scopes": ["mcp:read"], "expires": "30"}


def test_strangers_log_in_first(client: Client) -> None:
    """We promise it: the page is for users."""
    answer = client.get(f"{PAGE}?client=cursor")

    assert answer.status_code == 302
    assert answer["Location"] == (
        "/accounts/login/?next=/mcp/connect/%3Fclient%3Dcursor"
    )


@pytest.mark.parametrize(
    ("login_url", "location"),
    [
        ("/sso/login?app=library", "/sso/login?app=library&next="),
        ("https://sso.example/?app=1", "https://sso.example/?app=1&next="),
        ("/login", "/login?next="),
    ],
)
def test_login_is_where_the_project_says(
    login_url: str, location: str, settings: Settings
) -> None:
    """Chosen: a proxy may serve it, as Django's own `login_required` takes it."""
    settings.LOGIN_URL = login_url
    assert Client().get("/mcp/connect/")["location"] == f"{location}/mcp/connect/"


def test_strangers_are_refused_where_there_is_no_login(
    client: Client, settings: Settings
) -> None:
    """Chosen: the page leads nowhere that is not there."""
    settings.ROOT_URLCONF = "tests.pages.urls"

    assert client.get("/connect/").status_code == 403


def test_each_program_logs_in_where_that_is_offered(maker: User) -> None:
    """We promise it: by OAuth where it is installed, with this site's URL."""
    text = read(browser_of(maker), "?client=cursor")

    assert text.count("<details") == 12
    assert 'id="client-cursor" name="mcp-client" open' in text
    assert "http://testserver/mcp<" in text
    shown = html.unescape(text)
    assert "claude mcp add --transport http site http://testserver/mcp\n" not in shown
    assert "claude mcp add --transport http site http://testserver/mcp<" in shown
    assert "YOUR_TOKEN" not in text
    assert 'href="vscode:mcp/install?%7B%22name%22' in text
    assert 'href="cursor://anysphere.cursor-deeplink/mcp/install?name=site&amp;' in text


def test_page_is_protected(maker: User) -> None:
    """We promise it: no script, no frame, no cache."""
    answer = browser_of(maker).get(PAGE)

    assert "script" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert " style=" not in answer.content.decode()


@modify_settings(INSTALLED_APPS={"remove": ["mcp_django.oauth", "oauth2_provider"]})
def test_without_oauth_it_is_by_token(maker: User) -> None:
    """We promise it; what cannot take one says so."""
    text = read(browser_of(maker))

    assert "Authorization: Bearer YOUR_TOKEN" in html.unescape(text)
    assert "Claude takes no tokens" in text
    assert "This site does not offer that." in text


@modify_settings(INSTALLED_APPS={"remove": "mcp_django.tokens"})
def test_without_tokens_it_is_by_oauth_alone(maker: User) -> None:
    """We promise it: the page works with whatever is installed."""
    browser = browser_of(maker)
    text = read(browser, "?way=token")

    assert "Make a token" not in text
    assert "YOUR_TOKEN" not in text
    assert browser.post(PAGE, {"name": "x"}).status_code == 403


def test_site_that_lets_no_program_in_says_so(maker: User, settings: Settings) -> None:
    """Chosen: instructions that cannot work are worse than none."""
    sessions = "mcp_django.auth.django_session.SessionAuthenticator"
    settings.MCP = {"AUTHENTICATION": [sessions]}
    text = read(browser_of(maker))

    assert "No program can log in here yet." in text
    assert "<details" not in text


def test_site_that_is_open_to_all_tells_strangers(
    client: Client, settings: Settings
) -> None:
    """Chosen: who needs no login to use it needs none to read how."""
    settings.MCP = {"AUTHENTICATION": []}
    text = read(client)

    assert "lets any program in" in text
    assert "Make a token" not in text


def test_url_is_that_by_which_users_reach_the_site(
    maker: User, settings: Settings
) -> None:
    """Chosen: what a proxy asked is no address for a program."""
    settings.MCP = {"PUBLIC_URL": "https://shop.example"}

    assert "https://shop.example/mcp<" in read(browser_of(maker))


def test_makers_of_hosted_programs_cannot_reach_this_machine(maker: User) -> None:
    """Chosen: the commonest reason why a first try fails."""
    browser = browser_of(maker)
    page: Any = browser.get(PAGE, headers={"host": "localhost"})

    assert page.content.decode().count("which cannot reach this address") == 2


# Making tokens ----------------------------------------------------------------------


def test_token_is_shown_once_and_opens_the_endpoint(maker: User) -> None:
    """We promise it: with its name, scopes and end, in what is copied, too."""
    browser = browser_of(maker)
    answer = browser.post(PAGE, fields_of(read(browser)))
    [token] = Token.objects.all()
    text = html.unescape(answer.content.decode())
    [shown] = set(re.findall(r"mcp_[\w-]{43}", text))

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert f"'Authorization: Bearer {shown}'" in text
    assert Token.objects.with_text(shown).get() == token
    assert (token.user, token.name, token.scope) == (maker, "Laptop", "mcp:read")
    assert token.expires_at is not None
    month = timedelta(days=30)
    assert abs(token.expires_at - token.created_at - month) < timedelta(minutes=1)
    assert shown not in read(browser)


def test_token_for_everything_without_an_end(maker: User) -> None:
    """Chosen: it is there for who asks for it."""
    browser = browser_of(maker)
    asked = fields_of(read(browser))
    browser.post(PAGE, asked | {"scopes": ["every scope"], "expires": "never"})

    [token] = Token.objects.all()
    assert (token.scope, token.expires_at) == (None, None)


def test_form_that_is_sent_again_makes_no_second_token(maker: User) -> None:
    """We promise it: browsers send it again when the page is loaded again."""
    browser = browser_of(maker)
    asked = fields_of(read(browser))
    browser.post(PAGE, asked)
    again: Any = browser.post(PAGE, asked)

    assert Token.objects.count() == 1
    assert again.status_code == 200
    assert "was sent before" in again.content.decode()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "Name: This field is required."),
        ({"name": "x" * 101}, "Name: Ensure this value has at most 100 characters"),
        ({"name": "a\0b"}, "Name: Null characters are not allowed."),
        ({"scopes": []}, "Say what the token shall allow."),
        ({"scopes": ["mcp:all"]}, "mcp:all is not one of the available choices"),
        ({"scopes": ["every scope", "mcp:read"]}, "It is either everything, or some"),
        ({"expires": "8"}, "8 is not one of the available choices"),
        ({"form": ""}, "No token was made:"),
    ],
)
def test_wrong_form_makes_no_token(
    maker: User, wrong: dict[str, Any], told: str
) -> None:
    """We promise it: it says what is wrong."""
    browser = browser_of(maker)
    answer = browser.post(PAGE, fields_of(read(browser)) | wrong)

    assert answer.status_code == 200
    assert told in html.unescape(answer.content.decode())
    assert not Token.objects.exists()


def test_tokens_that_one_makes_are_bounded(maker: User) -> None:
    """Chosen: those that open nothing any more do not count."""
    for number in range(MOST_TOKENS):
        token, _ = Token.issue(maker, f"Token {number}")
    browser = browser_of(maker)
    refused = browser.post(PAGE, fields_of(read(browser))).content.decode()
    told_of = Token.objects.count()
    token.revoke()
    made = browser.post(PAGE, fields_of(read(browser))).content.decode()

    assert f"You have {MOST_TOKENS} tokens already." in refused
    assert told_of == MOST_TOKENS
    assert "already" not in made
    assert Token.objects.count() == MOST_TOKENS + 1


def test_tokens_are_made_by_permission_only(maker: User) -> None:
    """We promise it: staff and those who add tokens for others need it, too."""
    other = User.objects.create(username="other", is_staff=True)
    other.user_permissions.add(Permission.objects.get(codename="add_token"))
    browser = browser_of(other)
    asked = fields_of(read(browser_of(maker)))

    assert "Your account may not make tokens." in read(browser)
    assert browser.post(PAGE, asked).status_code == 403
    assert not Token.objects.exists()


def test_forged_form_makes_no_token(maker: User) -> None:
    """We promise it: also where the project has no middleware against it."""
    browser = browser_of(maker, checks_csrf=True)
    asked = fields_of(read(browser_of(maker)))

    assert browser.post(PAGE, asked).status_code == 403
    assert not Token.objects.exists()


def test_page_takes_no_other_methods(maker: User) -> None:
    """RFC 9110, 15.5.6."""
    answer = browser_of(maker).put(PAGE)

    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
