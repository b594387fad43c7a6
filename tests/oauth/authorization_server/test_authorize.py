"""What the authorization endpoint refuses, and how."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oauth2_provider.models import Application

from mcp_django import Server
from tests.oauth.authorization_server.programs import (
    CALLBACK,
    MCP,
    SITE,
    Program,
    site,
    told,
)

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def assert_page(response: Any, status: int = 400) -> None:
    """Fail unless it is a page for people, which leads nowhere."""
    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")
    assert "Location" not in response
    assert "Refresh" not in response


# Before the login -----------------------------------------------------------------


def test_the_user_logs_in_and_comes_back(shop: Server, user: User) -> None:
    program = Program.register()
    response = program.ask()
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")
    assert quote(program.url(), safe="/") in response["Location"]
    program.log_in(user)
    assert program.ask().status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "a\x00b"},
        {"client_id": "x" * 300},
        {"client_id": "x" * 5000},
        {"client_id": "ü"},
    ],
    ids=lambda changed: repr(changed["client_id"])[:12],
)
@pytest.mark.parametrize("is_logged_in", [False, True])
def test_an_unknown_program_is_refused_before_the_login(
    shop: Server, user: User, changed: dict[str, Any], is_logged_in: bool
) -> None:
    """A program that asks gets JSON, by which it knows that it has to register."""
    program = Program.register()
    if is_logged_in:
        program.log_in(user)
    url = program.url(**changed)
    assert_page(program.browser.get(url, headers=PAGE))
    response = program.browser.get(url, headers=JSON)
    assert response.status_code == 400
    assert response["Cache-Control"] == "no-store"
    is_text = len(changed["client_id"] or "") < 4096
    is_text = is_text and "\x00" not in (changed["client_id"] or "")
    error = "invalid_client" if is_text else "invalid_request"
    assert json.loads(response.content)["error"] == error


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback",
        f"{CALLBACK}/more",
        f"{CALLBACK}?more=1",
        "//evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "not a URI",
        "http://127.0.0.1:3333@evil.example/callback",
        [CALLBACK, "https://evil.example/callback"],
        "http://127.0.0.1:3333/\r\nX: y",
    ],
)
def test_nobody_is_sent_to_a_redirect_uri_that_is_not_registered(
    program: Program, redirect_uri: Any
) -> None:
    url = program.url(redirect_uri=redirect_uri)
    assert_page(program.browser.get(url, headers=PAGE))
    assert_page(Client().get(url, headers=PAGE))
    assert_page(program.browser.post(url, {"decision": "allow"}, headers=PAGE))
    response = Client().get(url, headers=JSON)
    assert response.status_code == 400
    assert json.loads(response.content)["error"] == "invalid_request"


def test_a_program_that_may_be_known_is_looked_at_after_the_login(
    shop: Server, db: Any
) -> None:
    """Else strangers could have the site fetch what they like."""
    program = Program.register()
    response = program.ask(client_id="https://client.example/metadata.json")
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


@override_settings(
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
)
def test_a_site_that_wants_a_login_for_all_lets_programs_come(program: Program) -> None:
    assert Client().get(program.url(client_id="x"), headers=JSON).status_code == 400
    code = program.decide()["code"]
    assert program.exchange(code).status_code == 200


# After it, told to the program ------------------------------------------------------

WRONG: list[tuple[str, dict[str, Any]]] = [
    ("invalid_request", {"code_challenge": None}),
    ("invalid_request", {"code_challenge_method": "plain"}),
    ("invalid_request", {"code_challenge_method": None}),
    ("invalid_request", {"code_challenge_method": "S512"}),
    ("invalid_request", {"code_challenge": "x" * 42}),
    ("invalid_request", {"code_challenge": "x" * 44}),
    ("invalid_request", {"code_challenge": "x" * 42 + "="}),
    ("invalid_request", {"code_challenge": "x" * 200}),
    ("invalid_request", {"code_challenge": "ü" * 43}),
    ("invalid_request", {"response_type": None}),
    ("unsupported_response_type", {"response_type": "token"}),
    ("unsupported_response_type", {"response_type": "id_token"}),
    ("unauthorized_client", {"response_type": "code token"}),
    ("unauthorized_client", {"response_type": "code id_token token"}),
    ("unauthorized_client", {"response_type": "none"}),
    ("invalid_target", {"resource": "https://other.example/mcp"}),
    ("invalid_target", {"resource": f"{SITE}/"}),
    ("invalid_target", {"resource": SITE}),
    ("invalid_target", {"resource": f"{MCP}/x"}),
    ("invalid_target", {"resource": f"{MCP}#x"}),
    ("invalid_target", {"resource": f"{MCP}?x"}),
    ("invalid_target", {"resource": "mcp"}),
    ("invalid_target", {"resource": [MCP, "https://other.example/mcp"]}),
    ("invalid_scope", {"scope": "openid email profile"}),
    ("invalid_scope", {"scope": "ü"}),
]


@pytest.mark.parametrize(("error", "changed"), WRONG, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_wrong_is_told_to_the_program_with_state_and_issuer(
    program: Program, error: str, changed: dict[str, Any], method: str
) -> None:
    """Spec: RFC 6749, 4.1.2.1; RFC 9207, section 2; RFC 8707, section 2."""
    send = getattr(program.browser, method)
    response = send(program.url(**changed))
    assert response.status_code == 302, response.content
    answer = told(response)
    assert answer.pop("error_description", "x")
    assert answer == {"error": error, "state": "my state", "iss": SITE}
    assert response["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(("error", "changed"), WRONG[:3])
def test_strangers_are_not_sent_on_for_what_is_wrong(
    program: Program, error: str, changed: dict[str, Any]
) -> None:
    """Spec: RFC 9700, section 4.11.2: the user has to log in first."""
    response = Client().get(program.url(**changed))
    assert response["Location"].startswith("/accounts/login/")


def test_the_user_says_no(program: Program) -> None:
    answer = program.decide("deny")
    assert answer.pop("error_description")
    assert answer == {"error": "access_denied", "state": "my state", "iss": SITE}
    assert program.decide("allow", granted=["shop:sell"])["error"] == "access_denied"


def test_nobody_is_asked_where_the_program_wants_no_page(program: Program) -> None:
    stranger = Client()
    answer = told(stranger.get(program.url(prompt="none")))
    assert answer.pop("error_description")
    assert answer == {"error": "login_required", "state": "my state", "iss": SITE}
    assert json.loads(program.ask(prompt="none").content)["prompt"] == ["none"]
    wrong = told(stranger.get(program.url(prompt="none", code_challenge=None)))
    assert wrong["error"] == "invalid_request"


@pytest.mark.parametrize(
    "wrong", [{}, {"code_challenge": None}, {"response_type": "x"}]
)
@pytest.mark.django_db
def test_nobody_is_sent_on_to_a_stranger_s_web_site_without_a_login(
    shop: Server, wrong: dict[str, Any]
) -> None:
    """Spec: RFC 9700, section 4.11.2; a stranger may have registered it."""
    elsewhere = "https://evil.example/callback"
    program = Program.register(redirect_uris=elsewhere)
    url = program.url(prompt="none", redirect_uri=elsewhere, **wrong)
    sources = Application.RegistrationSource
    for source in (sources.DCR, sources.CIMD):
        Application.objects.update(registration_source=source)
        assert_page(Client().get(url, headers=PAGE))
        assert Client().get(url, headers=JSON).status_code == 400
    Application.objects.update(registration_source=sources.MANUAL)
    known = Client().get(url)
    assert known["Location"].startswith(f"{elsewhere}?error=")


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_user_logs_in_again_where_the_program_wants_it(
    program: Program, method: str
) -> None:
    response = getattr(program.browser, method)(program.url(prompt="login"))
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")
    assert "prompt" not in response["Location"]


def test_other_methods_are_not_taken(program: Program) -> None:
    for method in ("put", "patch", "delete"):
        assert getattr(program.browser, method)(program.url()).status_code == 405


@override_settings(DEBUG=True)
def test_too_many_parameters_are_refused(program: Program) -> None:
    """Chosen: by our page, also under DEBUG, where Django fails over its own."""
    url = program.url() + "&a=1" * 2000
    assert_page(program.browser.get(url, headers=PAGE))
    assert_page(Client().get(url, headers=PAGE))
    assert Client().get(url, headers=JSON).json()["error"] == "invalid_request"


def test_no_state_is_none(program: Program) -> None:
    assert program.decide(state=None).keys() == {"code", "iss"}


@pytest.mark.parametrize(
    "state", ["a b&c=d#e", "ä€😀", '"><script>', "%00", "x" * 4000]
)
def test_a_state_comes_back_as_it_was(program: Program, state: str) -> None:
    assert program.decide(state=state)["state"] == state


# What is asked for ------------------------------------------------------------------


def asked_in(response: Any) -> dict[str, Any]:
    """Give what the user would be asked."""
    assert response.status_code == 200, response["Location"]
    found: dict[str, Any] = json.loads(response.content)
    return found


def test_a_program_that_names_no_resource_means_the_only_one(program: Program) -> None:
    assert asked_in(program.ask(resource=None))["resource"] == MCP


def test_of_several_endpoints_one_has_to_be_named(server: Server, user: User) -> None:
    with site(server, Server("other")):
        program = Program.register()
        program.log_in(user)
        assert told(program.ask(resource=None))["error"] == "invalid_target"
        other = f"{SITE}/mcp1"
        assert asked_in(program.ask(resource=other))["resource"] == other
        both = program.ask(resource=[MCP, other])
        assert told(both)["error"] == "invalid_target"


def test_the_same_resource_twice_is_one(program: Program) -> None:
    assert asked_in(program.ask(resource=[MCP, f"{MCP}/"]))["resource"] == MCP


def test_scopes_that_nothing_has_are_left_out(program: Program) -> None:
    asked = asked_in(program.ask(scope="openid shop:sell mcp:read shop:sell"))
    assert asked["scopes"] == ["shop:sell", "mcp:read"]


def test_without_scopes_a_program_asks_for_all_that_features_need(
    program: Program,
) -> None:
    asked = asked_in(program.ask(scope=None))
    assert asked["scopes"] == ["mcp:read", "mcp:write", "shop:sell"]


@override_settings(MCP={"PUBLIC_URL": "https://shop.example"})
def test_the_site_answers_by_its_public_name(program: Program) -> None:
    resource = "https://shop.example/mcp"
    answer = program.decide(resource=resource)
    assert answer["iss"] == "https://shop.example"
    assert told(program.ask(resource=MCP))["error"] == "invalid_target"


# Anything else ----------------------------------------------------------------------

PARAMETERS = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "prompt",
    "nonce",
    "claims",
    "request",
    "response_mode",
    "approval_prompt",
    "ui_locales",
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["\x00", "\r\n", "%", "%zz", "\x7f", "code token", "none", "{}"]),
    st.integers(1, 9).map(lambda power: "x" * 4**power),
)


@pytest.mark.parametrize("method", ["get", "post"])
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changed=st.dictionaries(st.sampled_from(PARAMETERS), TEXTS, max_size=4))
def test_whatever_is_asked_is_no_error_of_the_site(
    program: Program, method: str, changed: dict[str, Any]
) -> None:
    response = getattr(program.browser, method)(program.url(**changed))
    assert response.status_code in (200, 302, 400)
    location = response.get("Location", "")
    assert not location or location.startswith((CALLBACK, "/accounts/login/"))


@pytest.mark.parametrize(
    "query",
    [
        "client_id=%ff%fe",
        "client_id=%",
        "client_id=%ed%a0%80",
        "client_id={id}&redirect_uri=%ed%a0%80&state=%ed%a0%80",
        "client_id={id}&state=%00&redirect_uri=" + quote(CALLBACK),
        "client_id={id}&client_id={id}",
        "client_id={id}&" + "&".join(f"x{i}=1" for i in range(1100)),
        "&&&==;;",
        "",
    ],
)
def test_queries_that_are_hardly_any_are_refused(program: Program, query: str) -> None:
    filled = query.replace("{id}", program.client_id)
    response = program.browser.generic(
        "GET", "/oauth/authorize", QUERY_STRING=filled, headers=PAGE
    )
    assert response.status_code == 400
    assert "Location" not in response
