"""The keys of an issuer: how they are found, kept, and fetched again."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import anyio
import pytest
from pytest_django import Settings

from mcp_django import AuthenticationFailed, ServiceAway
from mcp_django.oauth.authenticators.jwt import JWTAuthenticator
from mcp_django.oauth.authenticators.signing_keys import (
    FRESH_SECONDS,
    MISS_SECONDS,
    STALE_SECONDS,
    SigningKeys,
)
from tests.oauth.authenticators.issuer import (
    Issuer,
    Page,
    find_ada,
    key_of,
    public,
    request_with,
)
from tests.oauth.authenticators.test_jwt import authenticator_for

METADATA = "/.well-known/openid-configuration"


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


class Company(JWTAuthenticator):
    """What a project makes, with a clock that tests set."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self._keys = SigningKeys(self._fetch_keys, self._service, self.clock)


def company(issuer: Issuer, **attributes: Any) -> Company:
    """Make an authenticator for the issuer."""
    kind: type[Company] = type(
        "Own", (Company,), {"issuer": issuer.url, "find_user": find_ada, **attributes}
    )
    return kind()


async def ask(authenticator: JWTAuthenticator, token: str) -> bool:
    """Say whether a token is taken."""
    try:
        return await authenticator.authenticate(request_with(token)) is not None
    except AuthenticationFailed:
        return False


def token_by(issuer: Issuer, name: str) -> str:
    """Sign a token by a key of this name."""
    return issuer.sign(issuer.claims(), key_of(name))


# Where they are -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("", "/.well-known/openid-configuration"),
        ("", "/.well-known/oauth-authorization-server"),
        ("/realms/a", "/realms/a/.well-known/openid-configuration"),
        ("/realms/a", "/.well-known/oauth-authorization-server/realms/a"),
        ("/realms/a", "/.well-known/openid-configuration/realms/a"),
        ("/realms/a/", "/realms/a/.well-known/openid-configuration"),
    ],
)
async def test_metadata_is_found_in_every_form(
    issuer: Issuer, path: str, where: str
) -> None:
    """Spec: RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4.1."""
    name = issuer.url + path
    del issuer.pages[METADATA]
    issuer.pages[where] = Page(issuer.metadata(issuer=name))
    authenticator = authenticator_for(issuer, issuer=name)
    assert await ask(authenticator, issuer.token(iss=name))


async def test_named_keys_need_no_metadata(issuer: Issuer) -> None:
    """Chosen: some issuers publish keys alone."""
    authenticator = authenticator_for(issuer, jwks_uri=f"{issuer.url}/keys")
    assert await ask(authenticator, issuer.token())
    assert [each.path for each in issuer.asked] == ["/keys"]


BROKEN: dict[str, tuple[str, Page, str]] = {
    "other issuer": (
        METADATA,
        Page({"issuer": "https://evil.example"}),
        "is of the issuer",
    ),
    "no keys": (METADATA, Page({"issuer": "ISSUER"}), "has no 'jwks_uri'"),
    "plain keys": (
        METADATA,
        Page({"issuer": "ISSUER", "jwks_uri": "http://idp.example/keys"}),
        "not https",
    ),
    "file": (
        METADATA,
        Page({"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}),
        "not https",
    ),
    "nothing": (METADATA, Page(b"", 404), "status 404"),
    "failing": (METADATA, Page(b"", 500), "status 500"),
    "page of HTML": (METADATA, Page(b"<html>"), "no JSON"),
    "list": (METADATA, Page([]), "no object"),
    "deep": (METADATA, Page(b"[" * 100_000), "no JSON"),
    "huge": (METADATA, Page(b" " * 1_100_000), "more than 1048576 bytes"),
    "packed": (
        METADATA,
        Page(b"", headers={"content-encoding": "gzip"}),
        "packed",
    ),
    "redirect": (
        METADATA,
        Page(b"", 302, {"location": "http://127.0.0.1:1/"}),
        "redirects to 'http://127.0.0.1:1/'",
    ),
    "redirected keys": (
        "/keys",
        Page(b"", 302, {"location": "/other"}),
        "redirects to '/other'",
    ),
    "keys of nothing": ("/keys", Page({}), "no key that verifies"),
    "keys of text": ("/keys", Page({"keys": "x"}), "no key that verifies"),
    "odd keys": ("/keys", Page({"keys": [1, {}, {"kty": 1}]}), "no key that verifies"),
    "shared secret": (
        "/keys",
        Page({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}),
        "no key that verifies",
    ),
    "keys to encrypt": (
        "/keys",
        Page({"keys": [public(key_of("RSA:one"), use="enc")]}),
        "no key that verifies",
    ),
    "keys to sign": (
        "/keys",
        Page({"keys": [public(key_of("RSA:one"), key_ops=["sign"])]}),
        "no key that verifies",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_issuer_that_cannot_be_used_is_away(
    issuer: Issuer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: no token is called wrong for it, and the log says why."""
    path, page, reason = BROKEN[name]
    if isinstance(page.body, dict) and page.body.get("issuer") == "ISSUER":
        page = Page({**page.body, "issuer": issuer.url})
    issuer.pages[path] = page
    with pytest.raises(ServiceAway) as caught:
        await authenticator_for(issuer).authenticate(request_with(issuer.token()))
    assert caught.value.status == 503
    assert caught.value.headers == [(b"retry-after", b"5")]
    assert str(caught.value).startswith("the authorization server does not answer")
    [line] = [record.getMessage() for record in caplog.records]
    assert f"the issuer '{issuer.url}' does not answer: its tokens are refused" in line
    assert reason in line


async def test_issuer_that_is_not_there_is_away(issuer: Issuer) -> None:
    """We promise it: 503, and not 401."""
    name = "http://127.0.0.1:1"
    authenticator = authenticator_for(issuer, issuer=name)
    with pytest.raises(ServiceAway):
        await authenticator.authenticate(request_with(issuer.token(iss=name)))


async def test_issuer_that_hangs_is_given_up(issuer: Issuer) -> None:
    """We promise it: within its time, and then it is not waited for any more."""
    may_answer = threading.Event()
    issuer.pages[METADATA] = Page({}, may_answer=may_answer)
    authenticator = authenticator_for(issuer, timeout=0.2)
    try:
        with anyio.fail_after(5):
            for _ in range(3):
                with pytest.raises(ServiceAway):
                    await authenticator.authenticate(request_with(issuer.token()))
        assert issuer.times_asked(METADATA) == 1
    finally:
        may_answer.set()


# How long they count --------------------------------------------------------------


async def test_keys_are_fetched_once_for_all_that_ask(issuer: Issuer) -> None:
    """We promise it: one fetch at a time for a process."""
    may_answer = threading.Event()
    issuer.pages["/keys"] = Page(
        {"keys": [public(key_of("RSA:one"))]}, may_answer=may_answer
    )
    authenticator = company(issuer)
    taken = []

    async def ask_too() -> None:
        taken.append(await ask(authenticator, issuer.token()))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask_too)
            await issuer.until_asked("/keys")
            may_answer.set()
    assert taken == [True] * 10
    assert issuer.times_asked("/keys") == 1


async def test_request_that_is_given_up_leaves_the_fetch_to_others(
    issuer: Issuer,
) -> None:
    """Chosen: a client that goes away takes the keys from no other."""
    may_answer = threading.Event()
    issuer.pages["/keys"] = Page(
        {"keys": [public(key_of("RSA:one"))]}, may_answer=may_answer
    )
    authenticator = company(issuer)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(ask, authenticator, issuer.token()))
            await issuer.until_asked("/keys")
            tasks.cancel_scope.cancel()
        may_answer.set()
        assert await ask(authenticator, issuer.token())
    assert issuer.times_asked("/keys") == 1


async def test_new_key_counts_at_once(issuer: Issuer) -> None:
    """We promise it: an issuer may change its keys at any time."""
    authenticator = company(issuer)
    assert await ask(authenticator, issuer.token())
    issuer.publish(key_of("RSA:one"), key_of("RSA:two"))
    authenticator.clock.seconds += MISS_SECONDS + 1
    assert await ask(authenticator, token_by(issuer, "RSA:two"))
    assert await ask(authenticator, issuer.token())
    assert issuer.times_asked("/keys") == 2


async def test_tokens_of_unknown_keys_cause_few_fetches(issuer: Issuer) -> None:
    """We promise it: any client can send such tokens, in any number."""
    authenticator = company(issuer)
    assert await ask(authenticator, issuer.token())
    authenticator.clock.seconds += MISS_SECONDS + 1
    for number in range(20):
        token = issuer.sign(issuer.claims(), kid=f"unknown-{number}")
        assert not await ask(authenticator, token)
    assert issuer.times_asked("/keys") == 2
    assert await ask(authenticator, issuer.token())


async def test_withdrawn_key_counts_no_longer(issuer: Issuer) -> None:
    """We promise it: not when the keys are fetched again."""
    authenticator = company(issuer)
    assert await ask(authenticator, issuer.token())
    issuer.publish(key_of("RSA:two"))
    assert await ask(authenticator, issuer.token())
    authenticator.clock.seconds += FRESH_SECONDS + 1
    assert not await ask(authenticator, issuer.token())
    assert await ask(authenticator, token_by(issuer, "RSA:two"))


async def test_old_keys_do_while_the_issuer_is_away(
    issuer: Issuer, settings: Settings
) -> None:
    """We promise it: for an hour, and it is tried again every `AWAY_SECONDS`."""
    settings.MCP = {"AWAY_SECONDS": 5}
    authenticator = company(issuer)
    assert await ask(authenticator, issuer.token())
    good = issuer.pages["/keys"]
    issuer.pages["/keys"] = Page(b"", 503)
    authenticator.clock.seconds += FRESH_SECONDS + 1
    for _ in range(5):
        assert await ask(authenticator, issuer.token())
    assert issuer.times_asked("/keys") == 2
    authenticator.clock.seconds += STALE_SECONDS
    for _ in range(2):
        with pytest.raises(ServiceAway):
            await ask(authenticator, issuer.token())
    assert issuer.times_asked("/keys") == 3
    issuer.pages["/keys"] = good
    authenticator.clock.seconds += 6
    assert await ask(authenticator, issuer.token())


async def test_open_stream_outlives_an_issuer_that_is_away(issuer: Issuer) -> None:
    """We promise it: `ServiceAway` says that it cannot be told now."""
    authenticator = company(issuer)
    identity = await authenticator.authenticate(request_with(issuer.token()))
    assert identity is not None
    issuer.pages["/keys"] = Page(b"", 503)
    authenticator.clock.seconds += STALE_SECONDS + 1
    with pytest.raises(ServiceAway):
        await authenticator.is_still_valid(identity)


# Which one ------------------------------------------------------------------------


async def test_odd_keys_beside_a_good_one_do_no_harm(issuer: Issuer) -> None:
    """Spec: RFC 7517, section 5: what is not understood is ignored."""
    issuer.publish(
        {"kty": "RSA", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": "AQAB"},
        {"kty": "EC", "kid": "one", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "LWE", "kid": "one"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        public(key_of("RSA:one"), use="enc", kid="one"),
        public(key_of("RSA:one"), use="sig", alg="RS256"),
    )
    assert await ask(company(issuer), issuer.token())


async def test_key_is_good_for_its_own_algorithm(issuer: Issuer) -> None:
    """Spec: RFC 7517, section 4.4; RFC 8725, section 3.1."""
    issuer.publish(public(key_of("RSA:one"), alg="RS512"))
    assert not await ask(company(issuer), issuer.token())
    token = issuer.sign(issuer.claims(), alg="RS512")
    assert await ask(company(issuer), token)


async def test_curve_has_one_algorithm(issuer: Issuer) -> None:
    """Spec: RFC 7518, section 3.4."""
    issuer.publish(key_of("P-384:ec"))
    header = {"alg": "ES256", "kid": "ec"}
    text = issuer.sign(issuer.claims(), key_of("P-256:ec"), **header)
    assert not await ask(company(issuer), text)


async def test_key_that_is_published_whole_is_as_good(issuer: Issuer) -> None:
    """Chosen: an issuer that publishes too much is its owner's business."""
    whole = key_of("RSA:one").export(as_dict=True)
    assert "d" in whole
    issuer.publish(whole)
    assert await ask(company(issuer), issuer.token())


async def test_token_without_key_id_is_tried_with_few_keys(issuer: Issuer) -> None:
    """Chosen: each costs time, and any client can send such tokens."""
    issuer.publish(key_of("RSA:two"), key_of("RSA:one"))
    assert await ask(company(issuer), issuer.sign(issuer.claims(), kid=None))
    issuer.publish(*[key_of("RSA:two")] * 8, key_of("RSA:one"))
    assert not await ask(company(issuer), issuer.sign(issuer.claims(), kid=None))
