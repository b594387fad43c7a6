"""The pages on which users connect their accounts at other servers."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import Settings

from mcp_django.accounts import logins
from mcp_django.accounts.models import Account
from tests.accounts.warehouse import Warehouse

CONNECT = "/accounts/warehouse/connect/"
CALLBACK = "/accounts/warehouse/callback/"


@pytest.fixture
def browser(ada: User) -> Client:
    """The browser of a user who is logged in here."""
    return browser_of(ada)


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def leave(browser: Client, query: str = "") -> str:
    """Begin to connect; give the address of the other server's page."""
    response = browser.post(CONNECT + query)
    assert response.status_code == 200, response.content
    _, _, url = response["Refresh"].partition("url=")
    return url


def come_back(url: str) -> str:
    """Go to the other server's page, and give where it sends the browser back to."""
    response = httpx2.get(url, trust_env=False)
    assert response.status_code == 302, response.text
    back = urlsplit(response.headers["location"])
    assert back.netloc == "testserver"
    return f"{back.path}?{back.query}"


def connect(browser: Client, query: str = "") -> Any:
    """Connect an account, all the way."""
    return browser.get(come_back(leave(browser, query)))


def text_of(response: Any) -> str:
    """Give the text of a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


# The way there and back -----------------------------------------------------------


def test_user_connects_an_account_and_the_site_uses_it(
    warehouse: Warehouse, browser: Client
) -> None:
    """We promise it: through the other server's consent and back."""
    asked = browser.get("/stock/")
    assert asked.status_code == 302
    page = browser.get(asked["Location"])
    assert warehouse.url in text_of(page)

    query = "?" + urlsplit(asked["Location"]).query
    back = connect(browser, query)

    assert (back.status_code, back["Location"]) == (302, "/stock/")
    assert browser.get("/stock/").content == b"{'result': 5}"
    accounts = text_of(browser.get("/accounts/"))
    assert "Connected. This site may use: stock:read" in accounts
    assert warehouse.logins == 1


def test_page_that_leaves_asks_for_what_is_needed(
    warehouse: Warehouse, browser: Client
) -> None:
    """The spec demands it: PKCE, the resource, a state; and a way back of its own.

    Spec: 2025-11-25 basic/authorization, "Authorization Flow Steps".
    """
    url = leave(browser, "?scope=stock:write")

    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    assert asked["redirect_uri"] == f"http://testserver{CALLBACK}"
    assert asked["resource"] == warehouse.url
    assert asked["code_challenge_method"] == "S256"
    assert "stock:write" in asked["scope"].split()
    assert asked["state"]


def test_each_user_has_an_account_of_their_own(
    warehouse: Warehouse, browser: Client, bob: User
) -> None:
    """Chosen: no user works with another one's account."""
    connect(browser)

    assert browser_of(bob).get("/stock/").status_code == 302
    assert "Not connected." in text_of(browser_of(bob).get("/accounts/"))


@pytest.mark.parametrize("scope", ["%00", "a%22b", "%C3%A9", "a" * 3000])
def test_what_is_no_scope_is_refused(
    warehouse: Warehouse, browser: Client, scope: str
) -> None:
    """Spec: RFC 6749, section 3.3."""
    response = browser.post(f"{CONNECT}?scope={scope}")

    assert response.status_code == 400
    assert not Account.objects.exists()


def test_user_who_is_not_logged_in_is_sent_to_log_in(warehouse: Warehouse) -> None:
    """Chosen: accounts belong to users."""
    for path in ("/accounts/", CONNECT):
        assert Client().get(path)["Location"] == f"/accounts/login/?next={path}"
    assert Client().post("/accounts/disconnect/").status_code == 302
    assert Client().get("/stock/")["Location"].startswith(CONNECT)


def test_server_that_is_not_configured_is_not_found(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: no user makes the site ask other addresses."""
    for page in ("connect", "callback"):
        assert browser.get(f"/accounts/other/{page}/").status_code == 404


def test_pages_cannot_be_framed_or_kept(warehouse: Warehouse, browser: Client) -> None:
    """Chosen: users decide something on them."""
    for path in ("/accounts/", CONNECT, f"{CALLBACK}?state=no"):
        response = browser.get(path)
        assert response["X-Frame-Options"] == "DENY"
        assert "no-store" in response["Cache-Control"]
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_form_of_another_site_connects_nothing(warehouse: Warehouse, ada: User) -> None:
    """Chosen: what begins a login is a form of this site."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)

    assert browser.post(CONNECT).status_code == 403
    assert browser.post("/accounts/disconnect/").status_code == 403
    assert not Account.objects.exists()


def test_site_with_a_transaction_for_each_request_connects_accounts(
    warehouse: Warehouse, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen: a transaction of the page would lock out who keeps the tokens."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert connect(browser).status_code == 302
    assert browser.post("/accounts/disconnect/", {"url": warehouse.url})
    assert not Account.objects.exists()


def test_site_where_all_pages_want_a_login_connects_accounts(
    warehouse: Warehouse, browser: Client, settings: Settings
) -> None:
    """Chosen: authorization servers that read the site's document log in nowhere."""
    middleware = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]

    assert connect(browser).status_code == 302
    assert Client().get("/accounts/client.json").status_code == 200
    assert Client().get(CALLBACK).status_code == 400


# What may go wrong ------------------------------------------------------------------


def test_user_who_says_no_is_told_that_nothing_happened(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: a page with a way to try again."""
    warehouse.answer = "no"

    page = connect(browser)

    assert page.status_code == 200
    assert "You did not allow it" in text_of(page)
    assert "Not connected." in text_of(browser.get("/accounts/"))
    warehouse.answer = "yes"
    assert connect(browser).status_code == 302


def test_way_back_is_good_once(warehouse: Warehouse, browser: Client) -> None:
    """The spec demands it: a state is used once.

    Spec: 2025-11-25 basic/authorization, "Open Redirection".
    """
    back = come_back(leave(browser))

    assert browser.get(back).status_code == 302
    assert browser.get(back).status_code == 400


def test_way_back_in_another_session_is_refused(
    warehouse: Warehouse, browser: Client, ada: User, bob: User
) -> None:
    """The spec demands it: no user finishes what another one began."""
    back = come_back(leave(browser))

    for other in (browser_of(bob), browser_of(ada), Client()):
        page = other.get(back)
        assert page.status_code == 400
        assert "Begin again" in text_of(page)
    assert browser.get(back).status_code == 302


def test_way_back_after_another_user_logged_in_is_refused(
    warehouse: Warehouse, browser: Client, bob: User
) -> None:
    """Chosen: one browser, two users: the account is that of who began."""
    back = come_back(leave(browser))
    browser.force_login(bob)

    assert browser.get(back).status_code == 400
    assert not Account.objects.filter(user=bob).exists()


@pytest.mark.parametrize(
    "query",
    ["", "?code=c", "?code=c&state=other", "?error=access_denied", "?state=%ff"],
)
def test_way_back_without_its_state_is_refused(
    query: str, warehouse: Warehouse, browser: Client
) -> None:
    """The spec demands it. Spec: 2025-11-25 basic/authorization, "Open Redirection"."""
    leave(browser)

    assert browser.get(CALLBACK + query).status_code == 400


def test_way_back_to_another_server_is_refused(
    warehouse: Warehouse, browser: Client, settings: Settings
) -> None:
    """Chosen: the answer of one server is never taken for another's.

    Spec: RFC 9700, section 4.4.2.
    """
    server = {"url": warehouse.url}
    settings.MCP = {"OTHER_SERVERS": {"warehouse": server, "other": server}}
    back = come_back(leave(browser)).replace("/warehouse/", "/other/")

    assert browser.get(back).status_code == 400


def test_way_back_after_too_long_is_refused(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: what was begun long ago was forgotten by its user, too."""
    back = come_back(leave(browser))
    session = browser.session
    for entry in session["mcp_accounts_logins"].values():
        entry[-1] -= logins.LOGIN_SECONDS
    session.save()

    assert browser.get(back).status_code == 400


def test_several_tabs_may_connect_and_the_oldest_make_room(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: a session does not grow."""
    ways = [come_back(leave(browser)) for _ in range(6)]

    assert browser.get(ways[0]).status_code == 400
    assert browser.get(ways[5]).status_code == 302
    assert browser.get(ways[4]).status_code == 302


@pytest.mark.parametrize(
    "next_url",
    ["https://evil.example/", "//evil.example/", "javascript:alert(1)", r"\\evil", ""],
)
def test_next_page_is_one_of_this_site(
    next_url: str, warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: no open redirect."""
    page = browser.get(CONNECT, {"next": next_url})
    assert "evil" not in page.content.decode()

    back = connect(browser, f"?next={next_url}")

    assert back["Location"] == "/accounts/"


def test_server_that_is_away_is_told_on_a_page(
    warehouse: Warehouse, browser: Client, settings: Settings
) -> None:
    """Chosen: a page, and no traceback."""
    settings.MCP = {"OTHER_SERVERS": {"warehouse": {"url": "http://127.0.0.1:9/mcp"}}}

    page = browser.post(CONNECT)

    assert page.status_code == 502
    assert "127.0.0.1:9" in text_of(page)


def test_code_that_the_server_refuses_is_told_on_a_page(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: with what the server says."""
    back = come_back(leave(browser))
    warehouse.codes.clear()

    page = browser.get(back)

    assert page.status_code == 502
    assert "invalid_grant" in text_of(page)


# Later ----------------------------------------------------------------------------


def test_expired_token_is_renewed_once_for_all(
    warehouse: Warehouse, browser: Client
) -> None:
    """We promise it: the user notices nothing."""
    warehouse.lifetime = 1
    connect(browser)
    warehouse.lifetime = 3600

    assert browser.get("/stock/").content == b"{'result': 5}"
    assert browser.get("/stock/").content == b"{'result': 5}"
    assert (warehouse.refreshes, warehouse.logins) == (1, 1)


def test_account_whose_tokens_the_server_forgot_is_connected_again(
    warehouse: Warehouse, browser: Client
) -> None:
    """Chosen: the page sends its user to connect."""
    connect(browser)
    warehouse.tokens.clear()
    warehouse.refresh_tokens.clear()

    assert browser.get("/stock/")["Location"].startswith(CONNECT)
    connect(browser)
    assert browser.get("/stock/").status_code == 200


def test_account_of_a_lost_key_asks_to_connect_again(
    warehouse: Warehouse, browser: Client, settings: Settings, ada: User
) -> None:
    """Chosen: said clearly, where the user looks."""
    connect(browser)
    settings.SECRET_KEY = "another"
    browser = browser_of(ada)

    assert "cannot be read any more" in text_of(browser.get("/accounts/"))
    assert browser.get("/stock/")["Location"].startswith(CONNECT)
    connect(browser)
    assert browser.get("/stock/").status_code == 200


def test_disconnected_account_is_forgotten_here_and_there(
    warehouse: Warehouse, browser: Client
) -> None:
    """We promise it: revoked where the server takes that."""
    connect(browser)
    assert warehouse.tokens

    back = browser.post("/accounts/disconnect/", {"url": warehouse.url})

    assert back["Location"] == "/accounts/"
    assert not warehouse.tokens
    assert not Account.objects.exists()
    assert browser.get("/stock/")["Location"].startswith(CONNECT)


def test_account_at_a_server_that_is_away_is_forgotten_here(
    warehouse: Warehouse, browser: Client, ada: User
) -> None:
    """Chosen: the user's word counts here in any case."""
    url = "http://127.0.0.1:9/mcp"
    sealed = Account.seal({}, ada.pk, url)
    Account.objects.create(user=ada, server_url=url, sealed=sealed)
    assert url in text_of(browser.get("/accounts/"))

    browser.post("/accounts/disconnect/", {"url": url})

    assert not Account.objects.exists()


def test_nobody_disconnects_the_account_of_another_user(
    warehouse: Warehouse, browser: Client, bob: User
) -> None:
    """Chosen: whatever is in the form."""
    connect(browser)

    browser_of(bob).post("/accounts/disconnect/", {"url": warehouse.url})

    assert Account.objects.exists()
    assert warehouse.tokens


# The site as a client -----------------------------------------------------------------


def test_site_describes_itself_to_authorization_servers(
    warehouse: Warehouse, settings: Settings
) -> None:
    """The spec demands it: the id is the address of the document.

    Spec: 2025-11-25 basic/authorization, "Client ID Metadata Documents".
    """
    settings.MCP = {**settings.MCP, "PUBLIC_URL": "https://shop.example"}

    document = Client().get("/accounts/client.json").json()

    assert document["client_id"] == "https://shop.example/accounts/client.json"
    assert document["redirect_uris"] == [f"https://shop.example{CALLBACK}"]
    assert document["token_endpoint_auth_method"] == "none"
    assert document["client_name"] == "shop.example"
