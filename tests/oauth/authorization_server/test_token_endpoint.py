"""What programs post to get tokens or to end them, and what they are told."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oauth2_provider.models import AccessToken, RefreshToken
from oauth2_provider.signals import app_authorized

from mcp_django import Server
from mcp_django.oauth.authorization_server.issuing import end_tokens
from mcp_django.oauth.preset import oauth2_provider
from mcp_django.signals import credentials_changed
from tests.oauth.authorization_server.programs import FORM, MCP, Program, site

PATHS = ("/oauth/token", "/oauth/revoke")


def refusal(response: Any, status: int = 400) -> str:
    """Give the error of a refusal, which is as the RFC wants it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Location" not in response
    return str(json.loads(response.content)["error"])


# Who asks -------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "client_id", ["unknown", "x" * 300, None, "ü", "https://client.example/x.json"]
)
def test_an_unknown_program_is_told_so(
    program: Program, path: str, client_id: str | None
) -> None:
    """It is what makes clients register again."""
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    response = program.post(form | {"client_id": client_id}, path)
    assert refusal(response, 401) == "invalid_client"
    assert response["WWW-Authenticate"] == 'Basic realm="mcp"'


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic ä",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"\x00:\x00").decode(),
        "Basic " + base64.b64encode(b"unknown:x").decode(),
    ],
)
def test_basic_authentication_that_cannot_be_is_refused(
    program: Program, path: str, header: str
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    headers = {"Authorization": header}
    response = program.post(form | {"client_id": None}, path, headers=headers)
    assert refusal(response, 401) == "invalid_client"


def test_the_secret_of_another_program_is_none(shop: Server, user: User) -> None:
    one, two = Program.register(secret="one"), Program.register(secret="two")
    one.log_in(user)
    code = one.decide()["code"]
    assert refusal(one.exchange(code, client_secret="two"), 401) == "invalid_client"
    pair = base64.b64encode(f"{two.client_id}:two".encode()).decode()
    response = one.post(
        {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": one.verifier,
            "client_secret": None,
        },
        headers={"Authorization": f"Basic {pair}"},
    )
    assert response.status_code in (400, 401)
    assert response["Cache-Control"] == "no-store"
    assert not AccessToken.objects.exists()


# What is asked --------------------------------------------------------------------


@pytest.mark.parametrize(
    "grant",
    [
        "client_credentials",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "x",
        None,
    ],
)
def test_there_are_no_other_grants(program: Program, grant: str | None) -> None:
    form = {
        "grant_type": grant,
        "username": "grace",
        "password": "hopper",
        "device_code": "x",
    }
    assert refusal(program.post(form)) == "unsupported_grant_type"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b'{"grant_type": "refresh_token"}', "application/json"),
        (b"", "text/plain"),
        (b"grant_type=x", f"{FORM}; charset=utf-16"),
        (b"grant_type=x&grant_type=y", FORM),
        (b"client_id=a&client_id=b", FORM),
        (b"code=a%00b", FORM),
        (b"refresh_token=a%0d%0ab", FORM),
        (b"code=" + b"x" * 5000, FORM),
        (b"&".join(b"x%d=1" % i for i in range(1100)), FORM),
        (b"x=" + b"y" * 3_000_000, FORM),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_form_is_refused(
    shop: Server, db: Any, path: str, body: bytes, content_type: str
) -> None:
    response = Client().post(path, body, content_type=content_type)
    assert refusal(response, response.status_code) in (
        "invalid_request",
        "invalid_client",
    )
    assert response.status_code in (400, 401)


@pytest.mark.parametrize("path", PATHS)
def test_secrets_do_not_go_into_the_url(program: Program, path: str) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    assert refusal(program.post(form, f"{path}?token=x")) == "invalid_request"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_other_methods_are_refused_in_json(
    shop: Server, path: str, method: str
) -> None:
    response = getattr(Client(), method)(path)
    assert refusal(response, 405) == "invalid_request"
    assert response["Allow"] == "POST"


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changed=st.dictionaries(
        st.sampled_from(
            [
                "client_secret",
                "code",
                "code_verifier",
                "grant_type",
                "redirect_uri",
                "refresh_token",
                "resource",
                "scope",
                "token",
                "token_type_hint",
            ]
        ),
        st.one_of(st.text(max_size=80), st.sampled_from(["authorization_code", MCP])),
    )
)
def test_whatever_is_posted_is_no_error_of_the_site(
    program: Program, path: str, changed: dict[str, Any]
) -> None:
    response = program.post({"grant_type": "refresh_token"} | changed, path)
    assert response.status_code in (200, 400, 401)
    assert response["Cache-Control"] == "no-store"


def test_others_hear_of_tokens_by_the_signal_of_the_toolkit(program: Program) -> None:
    heard = []

    def hear(token: Any, **kwargs: Any) -> None:
        heard.append(token)

    app_authorized.connect(hear)
    try:
        program.tokens()
    finally:
        app_authorized.disconnect(hear)
    assert heard == [AccessToken.objects.get()]


# CORS -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_pages_of_every_origin_may_ask(shop: Server, path: str) -> None:
    response = Client().options(
        path,
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert response.status_code in (200, 204)
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "authorization" in response["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in response


# Revoking -------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "x"])
def test_a_token_that_is_revoked_ends_its_login(
    program: Program, which: str, hint: str | None
) -> None:
    """Spec: RFC 7009, section 2.1."""
    other = program.tokens()
    first = program.tokens()
    second = json.loads(program.refresh(first["refresh_token"]).content)

    response = program.revoke(second[which], token_type_hint=hint)

    assert response.status_code == 200
    assert response.content == b""
    assert response["Cache-Control"] == "no-store"
    assert AccessToken.objects.count() == 1
    assert RefreshToken.objects.filter(revoked=None).count() == 1
    assert program.refresh(other["refresh_token"]).status_code == 200


def test_a_refresh_token_that_was_used_ends_its_login_as_well(program: Program) -> None:
    first = program.tokens()
    assert program.refresh(first["refresh_token"]).status_code == 200
    assert program.revoke(first["refresh_token"]).status_code == 200
    assert not AccessToken.objects.exists()


def test_what_is_not_known_has_ended(program: Program) -> None:
    assert program.revoke("unknown").status_code == 200


def test_tokens_of_another_program_are_left_alone(program: Program) -> None:
    tokens = program.tokens()
    other = Program.register()
    assert other.revoke(tokens["access_token"]).status_code == 200
    assert other.revoke(tokens["refresh_token"]).status_code == 200
    assert AccessToken.objects.count() == 1
    assert program.refresh(tokens["refresh_token"]).status_code == 200


def test_nothing_to_revoke_is_refused(program: Program) -> None:
    assert refusal(program.revoke("")) == "invalid_request"


def end_by_request(program: Program, tokens: dict[str, Any]) -> None:
    program.revoke(tokens["refresh_token"])


def end_by_name(program: Program, tokens: dict[str, Any]) -> None:
    user = AccessToken.objects.get().user_id
    end_tokens(user, program.application)


def end_program(program: Program, tokens: dict[str, Any]) -> None:
    program.application.delete()


@pytest.mark.parametrize("end", [end_by_request, end_by_name, end_program])
def test_what_ends_is_told(program: Program, user: User, end: Any) -> None:
    tokens = program.tokens()
    heard = []

    def hear(user_id: Any, **kwargs: Any) -> None:
        heard.append(user_id)

    credentials_changed.connect(hear)
    try:
        end(program, tokens)
    finally:
        credentials_changed.disconnect(hear)
    assert heard == [user.pk]
    assert not AccessToken.objects.exists()


def test_what_a_program_has_for_one_endpoint_ends_alone(
    server: Server, user: User
) -> None:
    with site(server, Server("other")):
        program = Program.register()
        program.log_in(user)
        here = program.tokens()
        other = "http://testserver/mcp1"
        code = program.decide(resource=other, scope=None)
        assert "code" not in code or program.exchange(code["code"], resource=other)
        end_tokens(user.pk, program.application, MCP)
        assert program.refresh(here["refresh_token"]).status_code == 400


# Programs by themselves -----------------------------------------------------------


def test_a_project_may_let_programs_act_as_the_owner_of_their_application(
    server: Server, user: User
) -> None:
    with site(
        server,
        OAUTH2_PROVIDER=oauth2_provider(
            OAUTH2_GRANT_TYPES_SUPPORTED=["authorization_code", "client_credentials"]
        ),
    ):
        kind = {"authorization_grant_type": "client-credentials"}
        program = Program.register(secret="s", user=user, **kind)
        form = {
            "grant_type": "client_credentials",
            "scope": "mcp:read",
            "resource": MCP,
        }
        tokens = json.loads(program.post(form).content)
        assert tokens["scope"] == "mcp:read"
        assert "refresh_token" not in tokens
        row = AccessToken.objects.get()
        assert (row.user, row.resource) == (user, [MCP])

        without_user = Program.register(secret="s", **kind)
        assert refusal(without_user.post(form)) == "unauthorized_client"
        public = Program.register(user=user, **kind)
        assert refusal(public.post(form)) == "unauthorized_client"
