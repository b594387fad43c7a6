"""From a code to tokens, and on from a refresh token."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.utils import timezone
from oauth2_provider.models import AccessToken, Grant, RefreshToken

from mcp_django import Server
from mcp_django.oauth.authorization_server.token_views import RevokeView, TokenView
from tests.oauth.authorization_server.programs import (
    CALLBACK,
    MCP,
    SITE,
    Program,
    site,
)


def error_in(response: Any) -> str:
    """Give the error of a refusal, which has the form that the RFC wants."""
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return str(json.loads(response.content)["error"])


def live_tokens() -> tuple[int, int]:
    """Count access tokens, and refresh tokens that were not used or revoked."""
    live = RefreshToken.objects.filter(revoked=None)
    return AccessToken.objects.count(), live.count()


def let_pass(seconds: float) -> None:
    """Have all that was used, used so much longer ago."""
    ago = timedelta(seconds=seconds)
    for row in RefreshToken.objects.exclude(revoked=None):
        RefreshToken.objects.filter(pk=row.pk).update(revoked=row.revoked - ago)


# A code ---------------------------------------------------------------------------


def test_a_program_logs_its_user_in_and_gets_tokens_for_the_endpoint(
    program: Program, user: User
) -> None:
    answer = program.decide()
    assert answer["state"] == "my state"
    assert answer["iss"] == SITE

    response = program.exchange(answer["code"])

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    tokens = json.loads(response.content)
    assert tokens.keys() == {
        "access_token",
        "expires_in",
        "refresh_token",
        "scope",
        "token_type",
    }
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert tokens["scope"] == "mcp:read"
    row = AccessToken.objects.get()
    assert row.user == user
    assert row.resource == [MCP]
    assert not row.token and not RefreshToken.objects.get().token, "digests alone"


def test_a_code_may_come_without_redirect_uri_and_resource(program: Program) -> None:
    """Spec: OAuth 2.1 draft 13, section 4.1.3."""
    code = program.decide()["code"]
    response = program.exchange(code, redirect_uri=None, resource=None)
    assert response.status_code == 200
    assert AccessToken.objects.get().resource == [MCP]


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": "short"},
        {"code_verifier": "ä" * 50},
        {"redirect_uri": "http://127.0.0.1:4444/callback"},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_a_code_is_good_for_one_try(program: Program, changed: dict[str, str]) -> None:
    code = program.decide()["code"]
    assert error_in(program.exchange(code, **changed)) == "invalid_grant"
    assert error_in(program.exchange(code)) == "invalid_grant"
    assert live_tokens() == (0, 0)


def test_a_code_without_verifier_brings_nothing(program: Program) -> None:
    code = program.decide()["code"]
    response = program.exchange(code, code_verifier=None)
    assert error_in(response) == "invalid_request"
    assert error_in(program.exchange(code)) == "invalid_grant"


def test_a_code_that_is_used_twice_ends_the_tokens_made_from_it(
    program: Program,
) -> None:
    code = program.decide()["code"]
    other = program.tokens()
    tokens = json.loads(program.exchange(code).content)
    refreshed = json.loads(program.refresh(tokens["refresh_token"]).content)
    assert live_tokens() == (3, 2)

    assert error_in(program.exchange(code)) == "invalid_grant"

    assert live_tokens() == (1, 1), "the other login goes on"
    assert error_in(program.refresh(refreshed["refresh_token"])) == "invalid_grant"
    assert program.refresh(other["refresh_token"]).status_code == 200


def test_a_code_that_another_program_brings_ends_what_it_brought(
    program: Program,
) -> None:
    thief = Program.register()
    code = program.decide()["code"]
    assert error_in(thief.exchange(code)) == "invalid_grant"
    assert error_in(program.exchange(code)) == "invalid_grant"

    code = program.decide()["code"]
    assert program.exchange(code).status_code == 200
    thief.verifier = program.verifier
    assert error_in(thief.exchange(code)) == "invalid_grant"
    assert live_tokens() == (0, 0)


def test_a_code_ends_with_its_minute(program: Program) -> None:
    code = program.decide()["code"]
    Grant.objects.update(expires=timezone.now())
    assert error_in(program.exchange(code)) == "invalid_grant"


def test_a_deactivated_user_gets_no_tokens(program: Program, user: User) -> None:
    tokens = program.tokens()
    code = program.decide()["code"]
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert error_in(program.exchange(code)) == "invalid_grant"
    assert error_in(program.refresh(tokens["refresh_token"])) == "invalid_grant"


@pytest.mark.parametrize(
    "resource",
    [
        f"{SITE}/",
        f"{MCP}x",
        f"{MCP}/x",
        "https://other.example/mcp",
        "urn:mcp",
        f"{MCP}?a=b",
        [MCP, "https://other.example/mcp"],
    ],
)
def test_tokens_are_for_no_other_resource(program: Program, resource: Any) -> None:
    code = program.decide()["code"]
    assert error_in(program.exchange(code, resource=resource)) == "invalid_target"
    tokens = json.loads(program.exchange(code).content)
    refused = program.refresh(tokens["refresh_token"], resource=resource)
    assert error_in(refused) == "invalid_target"


def test_another_endpoint_of_the_site_is_another_resource(
    server: Server, user: User
) -> None:
    with site(server, Server("other")):
        program = Program.register()
        program.log_in(user)
        code = program.decide()["code"]
        other = f"{SITE}/mcp1"
        assert error_in(program.exchange(code, resource=other)) == "invalid_target"


@pytest.mark.parametrize("url", [f"{MCP}/", "HTTP://TestServer:80/mcp", f"{MCP}/sse"])
def test_other_ways_to_write_the_resource_mean_the_same(
    program: Program, url: str
) -> None:
    code = program.decide(resource=url)["code"]
    assert program.exchange(code, resource=MCP).status_code == 200
    assert AccessToken.objects.get().resource == [MCP]


# A refresh token -------------------------------------------------------------------


def test_a_refresh_brings_new_tokens_and_the_old_access_token_goes_on_a_while(
    program: Program,
) -> None:
    first = program.tokens()
    response = program.refresh(first["refresh_token"], resource=MCP)

    assert response.status_code == 200
    second = json.loads(response.content)
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == "mcp:read"
    old, new = AccessToken.objects.order_by("pk")
    assert timezone.now() < old.expires <= timezone.now() + timedelta(seconds=60)
    assert new.expires > timezone.now() + timedelta(seconds=3500)
    assert new.resource == [MCP]


def test_a_refresh_that_comes_again_brings_the_same_tokens(program: Program) -> None:
    """Answers are lost, and processes share what they store."""
    first = program.tokens()
    second = json.loads(program.refresh(first["refresh_token"]).content)
    again = json.loads(program.refresh(first["refresh_token"]).content)

    assert 3590 <= again.pop("expires_in") <= second.pop("expires_in") == 3600
    assert again == second
    assert live_tokens() == (2, 1)


def test_two_processes_that_share_a_store_stay_logged_in(program: Program) -> None:
    token = program.tokens()["refresh_token"]
    for _ in range(4):
        mine = json.loads(program.refresh(token).content)
        yours = json.loads(program.refresh(token).content)
        assert mine["refresh_token"] == yours["refresh_token"]
        token = mine["refresh_token"]
        let_pass(3000)


@pytest.mark.parametrize("at", [1, 2])
def test_two_refreshes_at_once_bring_the_same_tokens(program: Program, at: int) -> None:
    """Chosen: also if the one has looked the token up before the other used it."""
    token = program.tokens()["refresh_token"]
    answers: list[Any] = []
    statements = 0

    def come_between(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal statements
        statements += "oauth2_provider_refreshtoken" in sql
        if statements >= at and not answers:
            answers.append(None)
            answers[0] = program.refresh(token)
        return execute(sql, *rest)

    with connection.execute_wrapper(come_between):
        answers.append(program.refresh(token))
    first, second = (answer.json() for answer in answers)
    assert first | {"expires_in": 0} == second | {"expires_in": 0}
    assert program.refresh(first["refresh_token"]).status_code == 200


def test_tokens_are_made_in_transactions_of_their_own(program: Program) -> None:
    """Chosen: they begin with a write, without which SQLite has none wait."""
    for view in (TokenView, RevokeView):
        assert vars(view.as_view())["_non_atomic_requests"] == {"default"}


def test_a_refresh_that_comes_again_brings_what_is_live_now(program: Program) -> None:
    first = program.tokens()["refresh_token"]
    second = json.loads(program.refresh(first).content)["refresh_token"]
    third = json.loads(program.refresh(second).content)["refresh_token"]
    assert json.loads(program.refresh(first).content)["refresh_token"] == third
    assert live_tokens()[1] == 1


def test_a_refresh_that_comes_again_later_ends_the_login(program: Program) -> None:
    other = program.tokens()
    first = program.tokens()
    second = json.loads(program.refresh(first["refresh_token"]).content)
    let_pass(61)

    assert error_in(program.refresh(first["refresh_token"])) == "invalid_grant"

    assert error_in(program.refresh(second["refresh_token"])) == "invalid_grant"
    assert live_tokens() == (1, 1), "the other login goes on"
    assert program.refresh(other["refresh_token"]).status_code == 200


@override_settings(MCP={"REFRESH_GRACE_SECONDS": 0})
def test_without_grace_a_refresh_token_is_good_once(program: Program) -> None:
    first = program.tokens()
    assert program.refresh(first["refresh_token"]).status_code == 200
    assert error_in(program.refresh(first["refresh_token"])) == "invalid_grant"
    assert live_tokens() == (0, 0)


def test_a_refresh_comes_again_while_the_secret_key_changes(program: Program) -> None:
    first = program.tokens()
    second = json.loads(program.refresh(first["refresh_token"]).content)
    new = {"SECRET_KEY": "another", "SECRET_KEY_FALLBACKS": ["only for tests"]}
    with override_settings(**new):
        again = json.loads(program.refresh(first["refresh_token"]).content)
        assert again["refresh_token"] == second["refresh_token"]
        third = json.loads(program.refresh(second["refresh_token"]).content)
        assert program.refresh(third["refresh_token"]).status_code == 200


def test_what_follows_from_a_token_is_not_known_without_the_secret_key(
    program: Program,
) -> None:
    first = program.tokens()
    second = json.loads(program.refresh(first["refresh_token"]).content)
    RefreshToken.objects.filter(revoked=None).delete()
    with override_settings(SECRET_KEY="another"):
        assert error_in(program.refresh(first["refresh_token"])) == "invalid_grant"
    assert second["refresh_token"] not in first.values()


def test_a_revoked_refresh_token_does_not_come_again(program: Program) -> None:
    tokens = program.tokens()
    assert program.revoke(tokens["refresh_token"]).status_code == 200
    assert error_in(program.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_a_refresh_token_of_another_program_brings_nothing(program: Program) -> None:
    tokens = program.tokens()
    thief = Program.register()
    assert error_in(thief.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert program.refresh(tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_that_is_not_used_ends_after_a_month(program: Program) -> None:
    tokens = program.tokens()
    AccessToken.objects.update(expires=timezone.now() - timedelta(days=30, seconds=1))
    assert error_in(program.refresh(tokens["refresh_token"])) == "invalid_grant"


def test_old_access_tokens_do_not_pile_up(program: Program) -> None:
    token = program.tokens()["refresh_token"]
    for _ in range(5):
        token = json.loads(program.refresh(token).content)["refresh_token"]
        ended = AccessToken.objects.exclude(refresh_token__revoked=None)
        ended.update(expires=timezone.now())
    assert AccessToken.objects.count() == 2


def test_a_refresh_may_ask_for_less_and_not_for_more(program: Program) -> None:
    tokens = program.tokens(scope="mcp:read mcp:write")
    more = program.refresh(tokens["refresh_token"], scope="mcp:read shop:sell")
    assert error_in(more) == "invalid_scope"
    less = program.refresh(tokens["refresh_token"], scope="openid mcp:read")
    assert json.loads(less.content)["scope"] == "mcp:read"


def test_refresh_tokens_from_before_go_on(program: Program, user: User) -> None:
    """They have no family yet, and their texts are stored."""
    access = AccessToken.objects.create(
        user=user,
        application=program.application,
        token="old access",
        expires=timezone.now(),
        scope="mcp:read",
        resource=[MCP],
    )
    RefreshToken.objects.create(
        user=user,
        application=program.application,
        token="old refresh",
        access_token=access,
        resource=[MCP],
    )
    first = json.loads(program.refresh("old refresh").content)
    again = json.loads(program.refresh("old refresh").content)
    assert first["access_token"] == again["access_token"]
    let_pass(61)
    assert error_in(program.refresh("old refresh")) == "invalid_grant"
    assert error_in(program.refresh(first["refresh_token"])) == "invalid_grant"


def test_the_user_narrows_what_was_asked_for(program: Program) -> None:
    code = program.decide(scope="mcp:read mcp:write", granted=["mcp:read"])["code"]
    tokens = json.loads(program.exchange(code).content)
    assert tokens["scope"] == "mcp:read"


# Programs with a secret -------------------------------------------------------------


@pytest.mark.parametrize("way", ["post", "basic", "BASIC"])
def test_a_program_with_a_secret_has_to_prove_itself(
    shop: Server, user: User, way: str
) -> None:
    program = Program.register(secret="s3cret / ä+")
    program.log_in(user)
    code = program.decide()["code"]
    if way == "post":
        assert program.exchange(code).status_code == 200
    else:
        pair = f"{program.client_id}:{quote_plus(program.secret)}".encode()
        header = f"{way} {b64encode(pair).decode()}"
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": program.verifier,
            "redirect_uri": CALLBACK,
            "client_id": None,
            "client_secret": None,
        }
        assert program.post(form, headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_a_wrong_secret_is_refused_and_costs_no_code(
    shop: Server, user: User, secret: str
) -> None:
    program = Program.register(secret="right")
    program.log_in(user)
    code = program.decide()["code"]
    program.secret = secret
    response = program.exchange(code)
    assert response.status_code == 401
    assert json.loads(response.content)["error"] == "invalid_client"
    assert response["WWW-Authenticate"] == 'Basic realm="mcp"'
    program.secret = "right"
    assert program.exchange(code).status_code == 200


@pytest.mark.parametrize("to", ["/oauth/token", "/oauth/revoke"])
def test_a_program_says_in_one_way_who_it_is(program: Program, to: str) -> None:
    """Spec: RFC 6749, section 2.3: one method in each request."""
    other = Program.register(secret="s3cret")
    pair = b64encode(f"{other.client_id}:s3cret".encode()).decode()
    form = {"grant_type": "authorization_code", "code": "c", "token": "t"}
    response = program.post(form, to, headers={"Authorization": f"Basic {pair}"})
    assert response.status_code == 400
    assert json.loads(response.content)["error"] == "invalid_request"
