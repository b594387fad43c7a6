"""The page that asks a user whether a program may act for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from oauth2_provider.models import get_access_token_model, get_grant_model
from pytest_django import Settings

from mcp_django import Server
from mcp_django.oauth.models import Consent
from mcp_django.oauth.preset import oauth2_provider
from tests.oauth.authorization_server.asking import (
    OF_CLAUDE,
    RESOURCE,
    SITE,
    Visit,
    exchange,
    location_of,
    register,
    shop_site,
    told_by,
    url_of,
)

BOTH = ("mcp:read", "shop:ship")


@pytest.fixture
def shop() -> Iterator[Server]:
    """Serve the shop."""
    with shop_site() as server:
        yield server


@pytest.fixture
def claude(shop: Server, db: Any) -> Any:
    """Register a program of a web site."""
    return register()


@pytest.fixture
def editor(shop: Server, db: Any) -> Any:
    """Register a program on users' machines."""
    return register(
        "http://127.0.0.1/callback cursor://editor/callback",
        "Editor",
        client_id="editor",
    )


# What the page says ---------------------------------------------------------------


def test_page_says_who_asks_for_what_and_where_the_answer_goes(
    ada: User, claude: Any
) -> None:
    """Demanded: the client's name, and the host of the redirect URI.

    Spec: 2025-11-25 basic/authorization, "Client ID Metadata Documents", "Security".
    """
    visit = Visit.of(ada, claude)

    assert visit.page.status_code == 200
    assert "Allow “Claude” to use Fine Things as you?" in visit.text
    assert "It calls itself “Claude”, which nothing proves." in visit.text
    assert "Sends you to claude.ai" in visit.text
    assert f"To use The Shop {RESOURCE}" in visit.text
    assert "You are ada" in visit.text
    assert "Ship orders shop:ship" in visit.text
    assert visit.page.content.count(b" checked") == 2


def test_page_warns_of_programs_on_the_users_own_machine(
    ada: User, claude: Any, editor: Any
) -> None:
    """Demanded: any program there can listen, and say it is this one.

    Spec: 2025-11-25 basic/authorization, "Localhost Redirect URI Risks".
    """
    warning = "Allow this only if you have just asked"
    here = Visit.of(ada, editor, redirect_uri="http://127.0.0.1:4123/callback")
    app = Visit.of(ada, editor, redirect_uri="cursor://editor/callback")

    assert "a program on your own computer (127.0.0.1)" in here.text
    assert warning in here.text
    assert "the app on your device that opens cursor: links" in app.text
    assert warning in app.text
    assert warning not in Visit.of(ada, claude).text


def test_page_cannot_be_framed_and_sends_its_form_to_the_site_alone(
    ada: User, claude: Any
) -> None:
    """Chosen: against clickjacking, and forms that are led elsewhere."""
    page = Visit.of(ada, claude).page

    assert page["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
    assert "form-action 'self';" in page["Content-Security-Policy"]
    assert "no-store" in page["Cache-Control"]


def test_name_of_a_program_is_text(ada: User, shop: Server) -> None:
    """Chosen: any program may register under any name."""
    hostile = register(name='"><img src=x onerror=alert(1)>', client_id="hostile")

    page = Visit.of(ada, hostile).page.content

    assert b"<img" not in page
    assert b"&lt;img" in page


def test_stranger_logs_in_first(ada: User, claude: Any) -> None:
    """Chosen: and comes back to the same page."""
    url = url_of(claude)

    response = Client().get(url)

    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/oauth/authorize%3F")


# What the user decides --------------------------------------------------------------


def test_program_gets_what_was_ticked_and_no_more(ada: User, claude: Any) -> None:
    """Chosen: so that one may read and not write."""
    told = Visit.of(ada, claude).allow("mcp:read")
    tokens = exchange(claude, told)

    assert set(told) == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == ("s7", SITE)
    assert tokens["scope"] == "mcp:read"
    [consent] = Consent.objects.all()
    assert consent.user == ada
    assert (consent.client_id, consent.resource) == ("claude", RESOURCE)
    assert (consent.client_name, consent.redirect_host) == ("Claude", "claude.ai")
    assert consent.scopes == ["mcp:read"]


def test_answer_goes_by_a_page_that_leads_on(ada: User, claude: Any) -> None:
    """Chosen: Chromium would stop redirects of the program's own site."""
    response = Visit.of(ada, claude).decide("allow", BOTH)

    assert response.status_code == 200
    location = location_of(response)
    assert location.startswith(f"{OF_CLAUDE}?code=")
    assert b"Going back to claude.ai" in response.content
    assert f'href="{location.replace("&", "&amp;")}"'.encode() in response.content
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "same-origin"


def test_denial_is_told_to_the_program(ada: User, claude: Any) -> None:
    """Demanded: with `state`, and `iss` where it is advertised.

    Spec: RFC 6749, section 4.1.2.1; RFC 9207, section 2.
    """
    told = told_by(Visit.of(ada, claude).decide("deny"))

    assert told.pop("error_description")
    assert told == {"error": "access_denied", "state": "s7", "iss": SITE}
    assert not Consent.objects.exists()
    assert not get_grant_model().objects.exists()


def test_nothing_ticked_is_not_allowed(ada: User, claude: Any) -> None:
    """Chosen: a token that opens nothing is of no use."""
    response: Any = Visit.of(ada, claude).decide("allow")

    assert response.status_code == 400
    assert b"Nothing is ticked" in response.content
    assert b" checked" not in response.content
    assert not get_grant_model().objects.exists()


def test_user_who_is_not_meant_logs_in_as_another(ada: User, claude: Any) -> None:
    """Chosen: and is asked then."""
    visit = Visit.of(ada, claude)

    response: Any = visit.decide("switch")

    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/oauth/authorize%3F")
    assert "_auth_user_id" not in visit.browser.session


@pytest.mark.parametrize(
    "changes",
    [
        {"shown": ""},
        {"shown": "forged"},
        {"granted": "admin"},
        {"decision": "maybe"},
        {"decision": ""},
    ],
    ids=str,
)
def test_form_that_was_tampered_with_allows_nothing(
    changes: dict[str, str], ada: User, claude: Any
) -> None:
    """Chosen: the page is shown again."""
    response: Any = Visit.of(ada, claude).decide(
        **({"decision": "allow", "granted": BOTH} | changes)  # type: ignore[arg-type]
    )

    assert response.status_code == 400
    assert b'role="alert"' in response.content
    assert not get_grant_model().objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "other"},
        {"scope": "mcp:read mcp:write shop:ship"},
        {"code_challenge": "A" * 43},
    ],
    ids=str,
)
def test_form_of_another_page_allows_nothing(
    changes: dict[str, str], ada: User, claude: Any
) -> None:
    """Chosen: what is allowed is what was shown."""
    visit = Visit.of(ada, claude)
    visit.url = url_of(claude, **changes)

    response: Any = visit.decide("allow", BOTH)

    assert response.status_code == 400
    assert b"has changed since this page was shown" in response.content
    assert not get_grant_model().objects.exists()


def test_form_of_another_browser_allows_nothing(ada: User, claude: Any) -> None:
    """Chosen: no user has another one send what they were shown themselves."""
    mine, other = Visit.of(ada, claude), Visit.of(ada, claude)

    response: Any = mine.decide("allow", BOTH, shown=other.shown)

    assert response.status_code == 400
    assert not get_grant_model().objects.exists()


def test_form_without_token_of_its_page_is_refused(ada: User, claude: Any) -> None:
    """Chosen: also where the project has no protection of its own."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    browser.get(url_of(claude))

    response = browser.post(url_of(claude), {"decision": "deny"})

    assert response.status_code == 403


def test_program_renamed_meanwhile_is_looked_at_again(ada: User, claude: Any) -> None:
    """Chosen: the name is what users decide by."""
    visit = Visit.of(ada, claude)
    claude.name = "ChatGPT"
    claude.save()

    response: Any = visit.decide("allow", BOTH)

    assert response.status_code == 400


def test_endpoint_with_a_long_url_is_refused(ada: User, claude: Any) -> None:
    """Chosen: its consent could not be kept, and paths may take parameters."""
    fits = f"{SITE}/shops/{'a' * 400}/mcp"
    too_long = f"{SITE}/shops/{'a' * 500}/mcp"

    told = told_by(Visit.of(ada, claude, resource=too_long).page)

    assert Visit.of(ada, claude, resource=fits).page.status_code == 200
    assert (told["error"], told["state"]) == ("invalid_target", "s7")


# What is remembered -----------------------------------------------------------------


def test_web_site_that_was_allowed_is_not_asked_about_again(
    ada: User, claude: Any
) -> None:
    """Chosen: what goes to its host reaches nothing else."""
    Visit.of(ada, claude).allow(*BOTH)

    again = Visit.of(ada, claude)
    less = Visit.of(ada, claude, scope="mcp:read")

    assert again.page.status_code == 302
    assert set(told_by(again.page)) == {"code", "state", "iss"}
    assert exchange(claude, told_by(less.page))["scope"] == "mcp:read"
    assert Consent.objects.get().scopes == list(BOTH)


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": "mcp:read mcp:write"},
        {"prompt": "consent"},
        {"prompt": "select_account"},
        {"redirect_uri": "https://claude.com/api/mcp/auth_callback"},
    ],
    ids=str,
)
def test_user_is_asked_for_what_is_new(
    changes: dict[str, str], ada: User, shop: Server
) -> None:
    """Chosen: more scopes, another host, or a program that wants it so."""
    claude = register(f"{OF_CLAUDE} https://claude.com/api/mcp/auth_callback")
    Visit.of(ada, claude).allow(*BOTH)

    assert Visit.of(ada, claude, **changes).page.status_code == 200


def test_other_users_and_programs_are_asked_about(ada: User, claude: Any) -> None:
    """Chosen."""
    Visit.of(ada, claude).allow(*BOTH)
    other = register(client_id="other")

    assert Visit.of(User.objects.create_user("bob"), claude).page.status_code == 200
    assert Visit.of(ada, other).page.status_code == 200


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/callback", "cursor://editor/callback"]
)
def test_program_on_the_users_machine_is_always_asked_about(
    uri: str, ada: User, editor: Any
) -> None:
    """Demanded: any program there could be let in under its name.

    Spec: RFC 8252, section 8.6.
    """
    Visit.of(ada, editor, redirect_uri=uri).allow(*BOTH)

    assert Visit.of(ada, editor, redirect_uri=uri).page.status_code == 200


def test_unticked_scope_is_taken_back(ada: User, claude: Any) -> None:
    """Chosen: unticking is the user's word, also about tokens from before."""
    exchange(claude, Visit.of(ada, claude).allow(*BOTH))
    assert get_access_token_model().objects.count() == 1

    Visit.of(ada, claude, prompt="consent").allow("mcp:read")

    assert Consent.objects.get().scopes == ["mcp:read"]
    assert not get_access_token_model().objects.exists()


def test_step_up_keeps_what_was_allowed(ada: User, claude: Any) -> None:
    """Chosen: some programs ask for what is new alone."""
    tokens = exchange(claude, Visit.of(ada, claude, scope="mcp:read").allow("mcp:read"))

    Visit.of(ada, claude, scope="shop:ship").allow("shop:ship")

    assert Consent.objects.get().scopes == list(BOTH)
    assert tokens["scope"] == "mcp:read"
    assert get_access_token_model().objects.count() == 1


def test_who_may_not_be_asked_is_told_to_the_program(ada: User, claude: Any) -> None:
    """Demanded: `prompt=none` shows no page.

    Spec: OpenID Connect Core 1.0, section 3.1.2.6.
    """
    refused = told_by(Visit.of(ada, claude, prompt="none").page)
    Visit.of(ada, claude).allow(*BOTH)
    allowed = told_by(Visit.of(ada, claude, prompt="none").page)

    assert (refused["error"], refused["state"]) == ("consent_required", "s7")
    assert "code" in allowed


def test_project_may_have_users_asked_every_time(
    ada: User, claude: Any, settings: Settings
) -> None:
    """Chosen: by the toolkit's own setting."""
    Visit.of(ada, claude).allow(*BOTH)

    settings.OAUTH2_PROVIDER = oauth2_provider(REQUEST_APPROVAL_PROMPT="force")

    assert Visit.of(ada, claude).page.status_code == 200


def test_only_those_who_run_the_site_let_a_program_in_unasked(
    ada: User, shop: Server
) -> None:
    """Chosen: a program that has registered itself cannot say so."""
    known = register(
        client_id="ours", registration_source="manual", skip_authorization=True
    )
    other = register(client_id="other", skip_authorization=True)

    assert Visit.of(ada, known).page.status_code == 302
    assert Visit.of(ada, other).page.status_code == 200
