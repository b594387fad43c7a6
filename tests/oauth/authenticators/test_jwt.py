"""Tokens that another issuer has signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from jwcrypto.jwk import JWK

from mcp_django import AuthenticationFailed
from mcp_django.auth.interface import Identity
from mcp_django.oauth.authenticators.jwt import JWTAuthenticator
from tests.oauth.authenticators.issuer import (
    ADA,
    RESOURCE,
    Issuer,
    find_ada,
    key_of,
    public,
    request_with,
)


def authenticator_for(at: Issuer, /, **attributes: Any) -> JWTAuthenticator:
    """Make what a project makes by subclassing."""
    named = {"issuer": at.url, "find_user": find_ada, **attributes}
    kind: type[JWTAuthenticator] = type("Company", (JWTAuthenticator,), named)
    return kind()


async def identify(
    issuer: Issuer, token: str, path: str = "/mcp", **attributes: Any
) -> Identity | None:
    """Ask a new authenticator about a token."""
    authenticator = authenticator_for(issuer, **attributes)
    return await authenticator.authenticate(request_with(token, path))


async def refusal(issuer: Issuer, token: str, **attributes: Any) -> str:
    """Give why a token is refused; never with the token."""
    with pytest.raises(AuthenticationFailed) as caught:
        await identify(issuer, token, **attributes)
    assert caught.value.error == "invalid_token"
    assert token not in str(caught.value)
    return str(caught.value)


# Good tokens ----------------------------------------------------------------------


async def test_token_names_its_user_and_scopes(issuer: Issuer) -> None:
    """Spec: RFC 9068, section 4."""
    claims = issuer.claims(scope="mcp:read library:lend")
    authenticator = authenticator_for(issuer)

    identity = await authenticator.authenticate(request_with(issuer.sign(claims)))

    assert identity is not None
    assert (identity.user, identity.authenticator) == (ADA, authenticator)
    assert identity.scopes == frozenset({"mcp:read", "library:lend"})
    assert identity.expires_at is not None
    assert identity.expires_at.timestamp() == claims["exp"]
    assert issuer.sign(claims) not in repr(identity)
    assert await authenticator.is_still_valid(identity)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        ("RSA:one", "RS256"),
        ("RSA:one", "RS512"),
        ("RSA:one", "PS256"),
        ("P-256:ec", "ES256"),
        ("P-384:ec", "ES384"),
        ("P-521:ec", "ES512"),
        ("OKP:ed", "EdDSA"),
    ],
)
async def test_token_may_be_signed_by_any_public_key(
    issuer: Issuer, key: str, algorithm: str
) -> None:
    """Spec: RFC 7518, section 3.1; the issuer signs with another library than ours."""
    issuer.publish(key_of("RSA:other"), key_of(key))
    for kid in (key_of(key).get("kid"), None):
        header = {"alg": algorithm, "kid": kid}
        assert await identify(
            issuer, issuer.sign(issuer.claims(), key_of(key), **header)
        )


@pytest.mark.parametrize(
    ("changes", "scopes"),
    [
        ({"scope": "a b  c"}, "a b c"),
        ({"scope": ["a", "b c"]}, "a b c"),
        ({"scope": None, "scp": "a"}, "a"),
        ({"scope": None, "scp": ["a", "b"]}, "a b"),
        ({"scope": "a", "scp": "b"}, "a"),
        ({"scope": "", "scp": "b"}, ""),
        ({"scope": ""}, ""),
        ({"scope": []}, ""),
        ({"scope": None}, ""),
    ],
)
async def test_scopes_are_a_text_or_a_list_or_none_at_all(
    issuer: Issuer, changes: dict[str, Any], scopes: str
) -> None:
    """We promise it: a token without scopes allows nothing that needs one."""
    identity = await identify(issuer, issuer.token(**changes))
    assert identity is not None
    assert identity.scopes == frozenset(scopes.split())


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/mcp/sse", "/mcp/messages"])
@pytest.mark.parametrize("audience", [RESOURCE, f"{RESOURCE}/", ["x", RESOURCE]])
async def test_token_is_good_for_all_bindings_of_its_endpoint(
    issuer: Issuer, path: str, audience: Any
) -> None:
    """We promise it: they are one resource."""
    assert await identify(issuer, issuer.token(aud=audience), path)


async def test_issuer_may_name_an_endpoint_by_another_name(issuer: Issuer) -> None:
    """Chosen: some cannot write URLs into their tokens."""
    names: Any = {"audience_names": {RESOURCE: "5f2c", "http://testserver/other": "9a"}}
    assert await identify(issuer, issuer.token(aud="5f2c"), **names)
    assert "for '9a'" in await refusal(issuer, issuer.token(aud="9a"), **names)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "at+jwt"}, {"nonce": "1"}),
        ({"typ": "application/AT+JWT"}, {}),
        ({"typ": "JWT"}, {}),
        ({"typ": None}, {}),
        ({"typ": "JWT"}, {"typ": "Bearer", "nonce": "1"}),
        ({"typ": None}, {"token_use": "access"}),
    ],
)
async def test_access_tokens_are_told_by_type_and_claims(
    issuer: Issuer, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """Spec: RFC 9068, section 2.1; the last two are Keycloak's and Cognito's words."""
    assert await identify(issuer, issuer.sign(issuer.claims(**claims), **header))


SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "Keycloak": (
        {"typ": "JWT"},
        {
            "jti": "onrtac:8f0c",
            "aud": [RESOURCE, "account"],
            "sub": "f3b0c6c4-6a8f-4f5e-9a53-6f3b6f0b9a01",
            "typ": "Bearer",
            "azp": "claude",
            "sid": "e2f6",
            "acr": "1",
            "realm_access": {"roles": ["offline_access"]},
            "scope": "openid email mcp:read",
            "email_verified": True,
            "preferred_username": "ada",
            "email": "ada@example.com",
        },
        "openid email mcp:read",
    ),
    "Entra": (
        {"typ": "JWT"},
        {
            "aud": "6f0b9a01-0000-0000-0000-000000000000",
            "nbf": 1,
            "azp": "0b6f",
            "azpacr": "0",
            "oid": "9f53",
            "rh": "1.Aa",
            "scope": None,
            "scp": "mcp:read",
            "sid": "00ab",
            "sub": "pairwise",
            "tid": "7c1e",
            "uti": "Zx",
            "ver": "2.0",
        },
        "mcp:read",
    ),
    "Auth0": (
        {"typ": "JWT"},
        {
            "aud": [RESOURCE, "https://tenant.eu.auth0.com/userinfo"],
            "azp": "3f1K",
            "sub": "auth0|65f0",
            "scope": "openid profile mcp:read",
            "permissions": ["mcp:read"],
        },
        "openid profile mcp:read",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_tokens_are_taken_as_known_issuers_write_them(
    issuer: Issuer, name: str
) -> None:
    """Chosen: what their documentation shows."""
    header, claims, scopes = SHAPES[name]
    token = issuer.sign(issuer.claims(**claims), **header)
    more: Any = {
        "audience_names": {RESOURCE: "6f0b9a01-0000-0000-0000-000000000000"},
        "find_user": lambda self, claims: ADA,
    }
    identity = await identify(issuer, token, **more)
    assert identity is not None
    assert identity.scopes == frozenset(scopes.split())


async def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    """Spec: RFC 7519, sections 4.1.4 and 4.1.5."""
    now = int(time.time())
    assert await identify(issuer, issuer.token(exp=now - 10))
    assert await identify(issuer, issuer.token(nbf=now + 10, iat=now + 10))
    assert "expired" in await refusal(issuer, issuer.token(exp=now - 10), leeway=0)


# Wrong tokens ---------------------------------------------------------------------


def _now(seconds: float) -> float:
    return int(time.time()) + seconds


def with_claim(name: str, issuer: Issuer) -> str:
    """Sign a token with one claim more."""
    return issuer.sign(issuer.claims(**{name: "x"}), typ="JWT")


WRONG: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "expired": (lambda i: i.token(exp=_now(-60)), "Signature has expired"),
    "never ends": (lambda i: i.token(exp=None), 'missing the "exp" claim'),
    "end is a text": (lambda i: i.token(exp="soon"), "must be an integer"),
    "ends at no time": (lambda i: i.token(exp=1e300), "'exp' is no time"),
    "not yet good": (lambda i: i.token(nbf=_now(90)), "not yet valid (nbf)"),
    "of the future": (lambda i: i.token(iat=_now(90)), "not yet valid (iat)"),
    "no audience": (lambda i: i.token(aud=None), "the token has no audience"),
    "empty audience": (lambda i: i.token(aud=""), "the token has no audience"),
    "no audiences": (lambda i: i.token(aud=[]), "the token has no audience"),
    "odd audience": (lambda i: i.token(aud={"a": 1}), "claim 'aud'"),
    "odd audiences": (lambda i: i.token(aud=[1, RESOURCE]), "claim 'aud'"),
    "other endpoint": (lambda i: i.token(aud=f"{RESOURCE}2"), "is for 'http"),
    "prefix of ours": (lambda i: i.token(aud="http://testserver/"), "is for 'http"),
    "below ours": (lambda i: i.token(aud=f"{RESOURCE}/deep"), "is for 'http"),
    "other site": (lambda i: i.token(aud="http://example.com/mcp"), "is for 'http"),
    "client's id": (lambda i: i.token(aud="some-client"), "is for 'some-client'"),
    "odd scope": (lambda i: i.token(scope={"a": 1}), "claim 'scope'"),
    "odd scp": (lambda i: i.token(scope=None, scp=[1]), "claim 'scp'"),
    "no user": (lambda i: i.token(sub="nobody"), "find_user() knows no user"),
    "subject missing": (lambda i: i.token(sub=None), "find_user() knows no user"),
    "bound to a key": (lambda i: i.token(cnf={"jkt": "x"}), "bound to a key"),
    "other key": (
        lambda i: i.sign(i.claims(), key_of("RSA:two"), kid="one"),
        "Signature verification failed",
    ),
    "key in the header": (
        lambda i: i.sign(
            i.claims(), key_of("RSA:two"), kid="one", jwk=public(key_of("RSA:two"))
        ),
        "Signature verification failed",
    ),
    "key at another URL": (
        lambda i: i.sign(
            i.claims(), key_of("RSA:two"), kid="one", jku=f"{i.url}/other"
        ),
        "Signature verification failed",
    ),
    "other curve": (
        lambda i: i.sign(i.claims(), key_of("P-256:ec"), alg="ES256", kid="one"),
        "has no key 'one' for 'ES256'",
    ),
    "ID token by type": (
        lambda i: i.sign(i.claims(), typ="id_token+jwt"),
        "is no access token",
    ),
    "logout token by type": (
        lambda i: i.sign(i.claims(), typ="logout+jwt"),
        "is no access token",
    ),
    "type is no text": (lambda i: i.sign(i.claims(), typ=1), "is no access token"),
    **{
        f"ID token by {name}": (partial(with_claim, name), f"has '{name}'")
        for name in ("nonce", "at_hash", "c_hash", "s_hash", "events")
    },
    "ID token of Keycloak": (
        lambda i: i.sign(i.claims(typ="ID"), typ="JWT"),
        "says 'ID'",
    ),
    "refresh token of Keycloak": (
        lambda i: i.sign(i.claims(typ="Refresh"), typ="JWT"),
        "says 'Refresh'",
    ),
    "ID token of Cognito": (
        lambda i: i.sign(i.claims(token_use="id"), typ=None),
        "says 'id'",
    ),
    "unknown extension": (
        lambda i: forged(i, {"alg": "RS256", "kid": "one", "crit": ["b64"]}),
        "'crit'",
    ),
    "no signature": (lambda i: forged(i, {"alg": "none"}), "signed by 'none'"),
    "no algorithm": (lambda i: forged(i, {"kid": "one"}), "signed by None"),
    "odd algorithm": (lambda i: forged(i, {"alg": ["RS256"]}), "signed by ['RS256']"),
    "odd key id": (lambda i: forged(i, {"alg": "RS256", "kid": 1}), "id 1 of"),
    "public key as secret": (lambda i: by_public_key(i), "signed by 'HS256'"),
    "changed later": (
        lambda i: changed(i.token(), i.claims(scope="mcp:write")),
        "Signature verification failed",
    ),
    "cut off": (lambda i: i.token()[:-21], "the token is no good"),
    "signature missing": (
        lambda i: i.token().rpartition(".")[0] + ".",
        "Signature verification failed",
    ),
}


def encoded(value: object) -> str:
    """Write a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(issuer: Issuer, header: dict[str, Any]) -> str:
    """Write a token that nothing has signed."""
    return f"{encoded({'typ': 'at+jwt', **header})}.{encoded(issuer.claims())}.AAAA"


def by_public_key(issuer: Issuer) -> str:
    """Sign with what all can read, as if it were a shared secret."""
    pem: bytes = key_of("RSA:one").export_to_pem()
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "one"}
    text = f"{encoded(header)}.{encoded(issuer.claims())}"
    digest = hmac.digest(pem, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def changed(token: str, claims: dict[str, Any]) -> str:
    """Put other claims into a token."""
    header, _, signature = token.split(".")
    return f"{header}.{encoded(claims)}.{signature}"


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_token_is_refused(issuer: Issuer, name: str) -> None:
    """Spec: RFC 9068, section 4; RFC 8725, section 3."""
    make, reason = WRONG[name]
    assert reason in await refusal(issuer, make(issuer))


@pytest.mark.parametrize("name", ["deep", "huge", "text", "foreign", "nothing", "odd"])
async def test_what_is_no_token_of_the_issuer_is_left_to_others(
    issuer: Issuer, name: str
) -> None:
    """We promise it: nothing is fetched because of it, and nothing fails."""
    header = encoded({"alg": "RS256"})
    deep = base64.urlsafe_b64encode(b"[" * 9_000).decode().rstrip("=")
    token = {
        "deep": f"{header}.{deep}.AAAA",
        "huge": f"{header}.{encoded({'iss': issuer.url, 'x': 'a' * 20_000})}.AAAA",
        "text": "mcp_" + "a" * 43,
        "foreign": issuer.token(iss=f"{issuer.url}/"),
        "nothing": issuer.token(iss=None),
        "odd": issuer.sign({"iss": [issuer.url]}),
    }[name]
    assert await identify(issuer, token) is None
    assert await authenticator_for(issuer).authenticate(request_with(None)) is None
    assert not issuer.asked


async def test_foreign_issuer_is_named_in_the_log(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a slash too much is what goes wrong most often."""
    caplog.set_level("INFO", "mcp_django.oauth")
    await identify(issuer, issuer.token(iss=f"{issuer.url}/"))
    assert f"'{issuer.url}/' is left to others; this is for '{issuer.url}'" in (
        caplog.text
    )


async def test_strict_authenticator_takes_one_type_of_token(issuer: Issuer) -> None:
    """Spec: RFC 9068, section 4: other types are refused."""
    strict: Any = {"token_types": ["at+jwt"]}
    assert await identify(issuer, issuer.token(), **strict)
    token = issuer.sign(issuer.claims(), typ="JWT")
    assert "no access token" in await refusal(issuer, token, **strict)


async def test_algorithm_that_is_not_listed_is_refused(issuer: Issuer) -> None:
    """Spec: RFC 8725, section 3.1."""
    reason = await refusal(issuer, issuer.token(), algorithms=["ES256"])
    assert reason == "tokens signed by 'RS256' are not taken"


async def test_token_is_refused_where_there_is_no_endpoint(issuer: Issuer) -> None:
    """Chosen: nothing says what its audience would have to be."""
    with pytest.raises(AuthenticationFailed, match="no MCP endpoint"):
        await identify(issuer, issuer.token(), "/elsewhere")


async def test_small_key_is_no_key(issuer: Issuer) -> None:
    """Spec: RFC 7518, section 3.3: 2048 bits or more."""
    issuer.publish(key_of("small:s"))
    token = issuer.sign(issuer.claims(), key_of("small:s"))
    assert "has no key 's' for 'RS256'" in await refusal(issuer, token)


# Later ----------------------------------------------------------------------------


async def test_identity_ends_with_its_user_token_or_scopes(issuer: Issuer) -> None:
    """Chosen: an open stream ends when the token would be refused."""
    authenticator = authenticator_for(issuer)
    identity = await authenticator.authenticate(request_with(issuer.token()))
    assert identity is not None
    short = authenticator_for(issuer, leeway=-400)
    assert not await short.is_still_valid(identity)
    fewer = authenticator_for(issuer, find_scopes=lambda self, claims: frozenset())
    assert not await fewer.is_still_valid(identity)
    inactive = User(pk=7, is_active=False)
    ended = authenticator_for(issuer, find_user=lambda self, claims: inactive)
    assert not await ended.is_still_valid(identity)
    other = authenticator_for(issuer, find_user=lambda self, claims: User(pk=8))
    assert not await other.is_still_valid(identity)


# Settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"issuer": ""}, "Company.issuer must be an https URL"),
        ({"issuer": "http://idp.example"}, "Company.issuer must be an https URL"),
        ({"issuer": "https://a@idp.example"}, "Company.issuer must be"),
        ({"issuer": "https://idp.example:x"}, "Company.issuer must be"),
        ({"issuer": "idp.example"}, "Company.issuer must be an https URL"),
        ({"jwks_uri": "http://idp.example/keys"}, "Company.jwks_uri must be"),
        ({"algorithms": ["HS256"]}, "Company.algorithms must be some of"),
        ({"algorithms": ["none"]}, "Company.algorithms must be some of"),
        ({"algorithms": "RS256"}, "Company.algorithms must be some of"),
        ({"token_types": "JWT"}, "Company.token_types must be a list"),
        ({"user_field": "shoe_size"}, "user_field is 'shoe_size'"),
        ({"audience_names": "x"}, "Company.audience_names must map"),
    ],
)
def test_mistakes_in_attributes_are_told(
    issuer: Issuer, attributes: dict[str, Any], text: str
) -> None:
    """Chosen: what can be known at the start is not found out with the first token."""
    with pytest.raises(ImproperlyConfigured) as caught:
        authenticator_for(issuer, **attributes)
    assert text in str(caught.value)


def test_plain_http_is_for_debugging(issuer: Issuer, settings: Any) -> None:
    """Chosen: containers on one machine name each other."""
    settings.DEBUG = True
    assert authenticator_for(issuer, issuer="http://keycloak:8080/realms/a")


def test_issuer_is_named_for_the_metadata(issuer: Issuer) -> None:
    """Spec: RFC 9728, section 2."""
    authenticator = authenticator_for(issuer)
    assert authenticator.authorization_servers(request_with(None)) == (issuer.url,)
    challenge = authenticator.challenge(request_with(None), None)
    assert challenge == 'Bearer realm="mcp"'
    assert not authenticator.uses_cookies


def test_private_keys_stay_private() -> None:
    """Chosen: the tests' own issuer publishes what may be known."""
    key: JWK = key_of("RSA:one")
    assert "d" not in public(key)
