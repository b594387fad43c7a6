"""Tokens of another issuer, as clients send them to an endpoint."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django.worker.worker import current_worker
from tests.consumers.connections import Response, site
from tests.consumers.credentials import token_of
from tests.consumers.streamable import (
    begin_post,
    call_of,
    finish,
    headers_of,
    modern,
    post_modern,
)
from tests.oauth.authenticators.company import (
    ASKED,
    SIGNED,
    AskedTokens,
    SignedTokens,
)
from tests.oauth.authenticators.issuer import Issuer, Page, request_with

TOKENS = "mcp_django.auth.tokens.TokenAuthenticator"


@pytest.fixture
def company(
    issuer: Issuer, settings: Settings, monkeypatch: pytest.MonkeyPatch, ada: User
) -> Issuer:
    """Let the site take the issuer's tokens, beside its own."""
    monkeypatch.setattr(SignedTokens, "issuer", issuer.url)
    monkeypatch.setattr(AskedTokens, "issuer", issuer.url)
    settings.MCP = {"AUTHENTICATION": [SIGNED, ASKED, TOKENS]}
    return issuer


async def ask(token: str, tool: str = "name_user") -> Response:
    """Call a tool of the site."""
    headers = {"authorization": f"Bearer {token}"}
    return await post_modern(call_of(tool), application=site, headers=headers)


def name_in(response: Response) -> Any:
    """Give the name that the tool gave."""
    assert response.status == 200, response.body
    return response.json()["result"]["content"][0]["text"]


async def test_tokens_of_every_kind_name_their_users(
    company: Issuer, ada: User, bob: User
) -> None:
    """We promise it: each authenticator leaves the others' alone."""
    scope = "mcp:read mcp:write"
    company.active["opaque"] = {"active": True, **company.claims(scope=scope)}
    own = (await token_of(bob))["authorization"].removeprefix("Bearer ")

    assert name_in(await ask(company.token(scope=scope))) == "ada"
    assert name_in(await ask("opaque")) == "ada"
    asked = len(company.asked)
    assert name_in(await ask(own)) == "bob"
    assert len(company.asked) == asked


@pytest.mark.parametrize("kind", ["expired", "other endpoint", "unknown", "foreign"])
async def test_wrong_token_is_a_401(company: Issuer, kind: str) -> None:
    """Spec: RFC 6750, section 3.1: `invalid_token`, and no redirect."""
    token = {
        "expired": company.token(exp=1),
        "other endpoint": company.token(aud="http://testserver/mcp2"),
        "unknown": "opaque",
        "foreign": company.token(iss="https://other.example"),
    }[kind]
    response = await ask(token)
    assert response.status == 401
    assert response.header("content-type") == "application/json"
    assert response.header("location") is None
    challenge = response.header("www-authenticate")
    assert challenge is not None
    assert 'error="invalid_token"' in challenge
    assert token not in response.body.decode() + challenge


async def test_token_without_scopes_is_told_what_it_needs(company: Issuer) -> None:
    """Spec: 2025-11-25 basic/authorization, "Scope Challenge Handling"."""
    response = await ask(company.token(scope=None))
    assert response.status == 403
    challenge = response.header("www-authenticate")
    assert challenge is not None
    assert 'error="insufficient_scope"' in challenge


async def test_issuer_that_is_away_is_a_503(company: Issuer, bob: User) -> None:
    """We promise it: with Retry-After; and tokens of the site go on."""
    company.pages["/keys"] = Page(b"", 500)
    company.pages["/introspect"] = Page(b"", 500)
    for token in (company.token(), "opaque"):
        response = await ask(token)
        assert response.status == 503
        assert response.header("retry-after") == "5"
    own = (await token_of(bob))["authorization"].removeprefix("Bearer ")
    assert name_in(await ask(own)) == "bob"


async def test_issuer_that_hangs_keeps_no_other_user_waiting(
    company: Issuer, bob: User
) -> None:
    """We promise it: what waits for an issuer has no thread of authentication."""
    may_answer = threading.Event()
    company.pages["/introspect"] = Page({"active": False}, may_answer=may_answer)
    own = (await token_of(bob))["authorization"].removeprefix("Bearer ")
    waiting = []

    async def wait(number: int) -> None:
        waiting.append((await ask(f"opaque-{number}")).status)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(wait, number)
            await company.until_asked("/introspect", 20)
            assert name_in(await ask(own)) == "bob"
            assert not waiting
            may_answer.set()
    assert set(waiting) == {401}


async def test_user_who_is_deactivated_is_refused(company: Issuer) -> None:
    """We promise it: the token is good, and its user may do nothing."""
    token = company.token(scope="mcp:read mcp:write")
    authenticator = SignedTokens()
    identity = await authenticator.authenticate(request_with(token))
    assert identity is not None
    assert await authenticator.is_still_valid(identity)
    await User.objects.aupdate(is_active=False)
    assert not await authenticator.is_still_valid(identity)
    assert (await ask(token)).status == 401


async def test_kept_token_is_good_for_its_endpoint_alone(
    company: Issuer, settings: Settings
) -> None:
    """We promise it: what is kept of a token knows where it was taken."""
    settings.MCP = {**settings.MCP, "CREDENTIAL_CACHE_SECONDS": 30}
    worker = current_worker()
    await worker.relay.open()
    token = company.token(scope="mcp:read mcp:write")
    message = call_of("name_user")
    headers = {**headers_of(message), "authorization": f"Bearer {token}"}
    for url, status in (
        ("/mcp", 200),
        ("/mcp", 200),
        ("/under/a/b/tools", 401),
        ("/mcp", 200),
    ):
        begun = begin_post(site, modern(message), headers=headers, url=url)
        answer = await finish(begun)
        assert answer.status == status, (url, answer.body)
    await worker.relay.close()
