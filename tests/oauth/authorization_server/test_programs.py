"""The page of programs that may act as a user."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_refresh_token_model,
)

from mcp_django import Server
from mcp_django.oauth.models import Consent
from mcp_django.signals import credentials_changed
from tests.oauth.authorization_server.asking import (
    RESOURCE,
    Visit,
    exchange,
    register,
    shop_site,
)

PROGRAMS = "/oauth/programs/"


@pytest.fixture
def shop() -> Iterator[Server]:
    """Serve the shop."""
    with shop_site() as server:
        yield server


@pytest.fixture
def browser(ada: User, shop: Server) -> Client:
    """Log ada in."""
    browser = Client()
    browser.force_login(ada)
    return browser


def allow(user: User, application: Any, **changes: Any) -> dict[str, Any]:
    """Have a user allow a program, and the program get its tokens."""
    told = Visit.of(user, application, **changes).allow("mcp:read", "shop:ship")
    return exchange(application, told)


def read(browser: Client, url: str = PROGRAMS) -> str:
    """Read a page, without markup."""
    page: Any = browser.get(url)
    assert page.status_code == 200
    bare = re.sub(r"<[^>]+>", "", page.content.decode())
    return re.sub(r"\s+", " ", html.unescape(bare))


def ways_to_revoke(browser: Client) -> list[str]:
    """Give where the buttons of the page lead."""
    page: Any = browser.get(PROGRAMS)
    found = re.findall(r'href="(/oauth/programs/revoke/[^"]+)"', page.content.decode())
    return [html.unescape(url) for url in found]


def test_user_of_no_programs_learns_what_the_page_is_for(browser: Client) -> None:
    """Chosen: an empty page would look broken."""
    text = read(browser)

    assert "No program may act as you." in text
    assert "When you connect one to Fine Things" in text
    assert ways_to_revoke(browser) == []


def test_page_lists_what_each_program_may(ada: User, browser: Client) -> None:
    """Chosen: name, host, endpoint, scopes in words, and when."""
    allow(ada, register())
    used = timezone.now().replace(year=2024, month=5, day=6, hour=18)
    Consent.objects.update(last_used_at=used)

    text = read(browser)

    assert "Claude Revoke" in text
    assert "Sent you to claude.ai" in text
    assert f"Uses The Shop {RESOURCE}" in text
    assert "Ship orders" in text
    assert "Last used May 6, 2024" in text


def test_page_shows_nothing_of_other_users(ada: User, browser: Client) -> None:
    """Chosen."""
    allow(User.objects.create_user("bob"), register())

    assert "No program may act as you." in read(browser)


def test_stranger_logs_in_first(shop: Server) -> None:
    """Chosen."""
    for url in (PROGRAMS, f"{PROGRAMS}revoke/?client_id=claude"):
        response: Any = Client().get(url)
        assert response.status_code == 302
        assert response["Location"].startswith("/login/?next=")


def test_revoking_is_asked_about_and_then_ends_all_tokens(
    ada: User, browser: Client
) -> None:
    """Chosen: what the program has, and what it could still get."""
    claude = register()
    allow(ada, claude)
    Visit.of(ada, claude, prompt="consent").allow("mcp:read", "shop:ship")
    told: list[Any] = []

    def hear(user_id: Any, **kwargs: Any) -> None:
        told.append(user_id)

    [url] = ways_to_revoke(browser)
    assert "Revoke “Claude”?" in read(browser, url)
    assert Consent.objects.exists()

    credentials_changed.connect(hear, weak=False)
    try:
        response: Any = browser.post(url, follow=True)
    finally:
        credentials_changed.disconnect(hear)

    assert response.redirect_chain == [(PROGRAMS, 302)]
    assert b"may not act as you any more" in response.content
    assert not Consent.objects.exists()
    assert not get_access_token_model().objects.exists()
    assert not get_grant_model().objects.exists()
    assert not get_refresh_token_model().objects.filter(revoked=None).exists()
    assert ada.pk in told
    assert Visit.of(ada, claude).page.status_code == 200


def test_revoking_concerns_one_program_of_one_user(ada: User, browser: Client) -> None:
    """Chosen."""
    claude, other = register(), register(client_id="other", name="Other")
    bob = User.objects.create_user("bob")
    allow(ada, claude)
    allow(ada, other)
    allow(bob, claude)

    [url] = [url for url in ways_to_revoke(browser) if "claude" in url]
    browser.post(url)

    left = set(Consent.objects.values_list("user__username", "client_id"))
    assert left == {("ada", "other"), ("bob", "claude")}
    tokens = get_access_token_model().objects
    left = set(tokens.values_list("user__username", "application__client_id"))
    assert left == {("ada", "other"), ("bob", "claude")}


def test_program_that_was_never_allowed_here_is_listed_by_its_token(
    ada: User, browser: Client
) -> None:
    """Chosen: such as a token from before this app was installed."""
    get_access_token_model().objects.create(
        user=ada,
        application=register(name="Old program"),
        token="t",
        scope="mcp:read",
        resource=[RESOURCE],
        expires=timezone.now() + timedelta(hours=1),
    )

    assert "Old program Revoke" in read(browser)
    [url] = ways_to_revoke(browser)
    browser.post(url)

    assert not get_access_token_model().objects.exists()
    assert "No program may act as you." in read(browser)


def test_token_that_has_expired_lets_no_program_act(ada: User, browser: Client) -> None:
    """Chosen."""
    get_access_token_model().objects.create(
        user=ada, application=register(), token="t", expires=timezone.now()
    )

    assert "No program may act as you." in read(browser)


def test_program_that_is_forgotten_can_still_be_revoked(
    ada: User, browser: Client
) -> None:
    """Chosen: registrations end, and what users allowed is theirs to end."""
    claude = register()
    allow(ada, claude)
    claude.delete()

    assert "Claude Revoke" in read(browser)
    [url] = ways_to_revoke(browser)
    browser.post(url)

    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "query",
    ["", "?client_id=other", "?client_id=claude", "?client_id=claude&resource=other"],
)
def test_what_may_not_act_is_not_found(query: str, ada: User, browser: Client) -> None:
    """Chosen: also of other users."""
    allow(User.objects.create_user("bob"), register())
    url = f"{PROGRAMS}revoke/{query}"

    assert browser.get(url).status_code == 404
    assert browser.post(url).status_code == 404
    assert Consent.objects.exists()


def test_revoking_takes_a_form_of_the_site(ada: User, browser: Client) -> None:
    """Chosen: a foreign page must not revoke anything."""
    allow(ada, register())
    [url] = ways_to_revoke(browser)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(ada)

    assert strict.post(url).status_code == 403
    assert Consent.objects.exists()


@pytest.fixture
def admin(shop: Server, db: Any) -> Client:
    """Log an administrator in, who looks at consents."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    return browser


CONSENTS = "/admin/mcp_oauth/consent/"


def test_admin_finds_what_users_allowed(ada: User, admin: Client) -> None:
    """Chosen: and can neither allow nor change anything for them."""
    allow(ada, register())
    [consent] = Consent.objects.all()

    text = read(admin, f"{CONSENTS}?q=clau")

    assert "Claude" in text
    assert RESOURCE in text
    assert read(admin, f"{CONSENTS}{consent.pk}/change/")
    assert admin.get(f"{CONSENTS}add/").status_code == 403
    assert admin.post(f"{CONSENTS}{consent.pk}/change/", {}).status_code == 403


def test_admin_tells_of_a_program_and_asks_before_it_is_revoked(
    ada: User, admin: Client
) -> None:
    """Chosen: what it may do, and the tokens that end with it, by their pages."""
    allow(ada, register())
    [consent] = Consent.objects.all()
    [token] = get_access_token_model().objects.all()
    other = get_access_token_model().objects.get(pk=token.pk)
    other.pk, other.token, other.resource = None, "another", ["https://elsewhere/mcp"]
    other.save()

    html = admin.get(f"{CONSENTS}{consent.pk}/change/").content.decode()
    for part in (
        "<code>mcp:read</code>",
        f'href="/admin/oauth2_provider/accesstoken/{token.pk}/change/">Access token',
        ">Refresh token ",
        ">Revoke</a>",
    ):
        assert part in html
    assert f"/accesstoken/{other.pk}/" not in html

    text = read(admin, f"{CONSENTS}{consent.pk}/delete/")
    assert f"Revoke Claude, which may act as ada at {RESOURCE}?" in text
    assert "2 tokens end, and what is open with them." in text
    selected = {"action": "delete_selected", "_selected_action": consent.pk}
    text = admin.post(CONSENTS, selected).content.decode()
    assert "<bdi>ada</bdi>" in text
    assert "All of their tokens end" in text
    assert ">Revoke selected programs</option>" in admin.get(CONSENTS).content.decode()
    assert Consent.objects.exists()


@pytest.mark.parametrize("is_one", [True, False], ids=["one", "selected"])
def test_admin_revokes_for_any_user(is_one: bool, ada: User, admin: Client) -> None:
    """Chosen: with all tokens, by what the admin has for deleting."""
    allow(ada, register())
    [consent] = Consent.objects.all()
    selected = {"action": "delete_selected", "_selected_action": consent.pk}
    url = f"{CONSENTS}{consent.pk}/delete/" if is_one else CONSENTS

    response: Any = admin.post(url, {"post": "yes"} | ({} if is_one else selected))

    assert response.status_code == 302
    assert not Consent.objects.exists()
    assert not get_access_token_model().objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "applications/",
        "applications/register/",
        "authorized_tokens/",
        "device/",
        "introspect/",
        "register/",
        "userinfo/",
    ],
)
def test_pages_of_the_toolkit_are_not_there(path: str, browser: Client) -> None:
    """Chosen: by some of them each user could register programs."""
    for folder in ("/", "/oauth/"):
        assert browser.get(f"{folder}{path}").status_code == 404
