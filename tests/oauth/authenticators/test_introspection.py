"""Tokens about which their issuer is asked."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import Any

import anyio
import pytest
from django.core.exceptions import ImproperlyConfigured

from mcp_django import AuthenticationFailed, ServiceAway
from mcp_django.auth.interface import Identity
from mcp_django.oauth.authenticators.claims import Claims
from mcp_django.oauth.authenticators.fetching import begin, fetch
from mcp_django.oauth.authenticators.introspection import (
    MAX_ANSWERS,
    MAX_REFUSALS,
    REFUSAL_SECONDS,
    Answers,
    IntrospectionAuthenticator,
)
from tests.oauth.authenticators.issuer import (
    ADA,
    RESOURCE,
    SECRET,
    Issuer,
    Page,
    find_ada,
    request_with,
)

TOKEN = "opaque-token"


def authenticator_for(at: Issuer, /, **attributes: Any) -> IntrospectionAuthenticator:
    """Make what a project makes by subclassing."""
    named = {
        "issuer": at.url,
        "client_id": "the site",
        "client_secret": SECRET,
        "find_user": find_ada,
        **attributes,
    }
    kind: type[IntrospectionAuthenticator] = type(
        "Company", (IntrospectionAuthenticator,), named
    )
    return kind()


def know(issuer: Issuer, **changes: Any) -> None:
    """Let the issuer know the token."""
    issuer.active[TOKEN] = {"active": True, **issuer.claims(**changes)}


async def identify(
    authenticator: IntrospectionAuthenticator, token: str = TOKEN
) -> Identity | None:
    """Ask about a token."""
    return await authenticator.authenticate(request_with(token))


@pytest.mark.parametrize("how", ["client_secret_basic", "client_secret_post"])
async def test_token_names_its_user_and_scopes(issuer: Issuer, how: str) -> None:
    """Spec: RFC 7662, section 2; RFC 6749, section 2.3.1."""
    know(issuer, scope="mcp:read mcp:write")
    authenticator = authenticator_for(issuer, client_authentication=how)

    identity = await identify(authenticator)

    assert identity is not None
    assert (identity.user, identity.authenticator) == (ADA, authenticator)
    assert identity.scopes == frozenset({"mcp:read", "mcp:write"})
    assert identity.expires_at is not None
    assert TOKEN not in repr(identity)
    [asked] = [each for each in issuer.asked if each.path == "/introspect"]
    assert asked.method == "POST"
    assert asked.form["token"] == TOKEN
    assert asked.form["token_type_hint"] == "access_token"
    assert ("authorization" in asked.headers) == (how == "client_secret_basic")
    assert await authenticator.is_still_valid(identity)


async def test_token_need_not_say_when_it_ends(issuer: Issuer) -> None:
    """Spec: RFC 7662, section 2.2: all but `active` is optional."""
    know(issuer, exp=None, iss=None, iat=None, scope=None)
    identity = await identify(authenticator_for(issuer))
    assert identity is not None
    assert (identity.expires_at, identity.scopes) == (None, frozenset())


async def test_named_endpoint_needs_no_metadata(issuer: Issuer) -> None:
    """Chosen: some issuers do not publish it."""
    know(issuer)
    where = f"{issuer.url}/introspect"
    assert await identify(authenticator_for(issuer, introspection_endpoint=where))
    assert [each.path for each in issuer.asked] == ["/introspect"]


async def test_token_that_is_not_active_is_left_to_others(issuer: Issuer) -> None:
    """Chosen: the issuer says the same of tokens that were never its own."""
    assert await identify(authenticator_for(issuer)) is None
    assert issuer.times_asked("/introspect") == 1


async def test_tokens_of_others_are_not_sent_to_the_issuer(issuer: Issuer) -> None:
    """We promise it: they would be good elsewhere."""
    authenticator = authenticator_for(issuer)
    for token in (
        "mcp_" + "a" * 43,
        issuer.token(iss="https://other.example"),
        "",
        "é",
        "a" * 20_000,
    ):
        assert await identify(authenticator, token) is None
    assert await authenticator.authenticate(request_with(None)) is None
    assert not issuer.asked


async def test_jwt_of_the_issuer_may_be_asked_about(issuer: Issuer) -> None:
    """Chosen: so a token can be revoked before it ends."""
    token = issuer.token()
    issuer.active[token] = {"active": True, **issuer.claims()}
    assert await identify(authenticator_for(issuer), token)


def _now(seconds: int) -> int:
    return int(time.time()) + seconds


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no audience": ({"aud": None}, "the token has no audience"),
    "other endpoint": ({"aud": f"{RESOURCE}2"}, "is for 'http"),
    "prefix of ours": ({"aud": "http://testserver"}, "is for 'http"),
    "odd audience": ({"aud": 5}, "claim 'aud'"),
    "expired": ({"exp": _now(-1)}, "the token expired at"),
    "odd end": ({"exp": "tomorrow"}, "claim 'exp'"),
    "end is a truth": ({"exp": True}, "claim 'exp'"),
    "ends at no time": ({"exp": 1e300}, "claim 'exp'"),
    "not yet good": ({"nbf": _now(86_400)}, "is good only from"),
    "other issuer": ({"iss": "https://other.example"}, "of the issuer 'https:"),
    "no user": ({"sub": "nobody"}, "find_user() knows no user"),
    "bound to a key": ({"cnf": {"jkt": "x"}}, "bound to a key"),
    "refresh token": ({"typ": "Refresh"}, "says 'Refresh'"),
    "odd scope": ({"scope": 5}, "claim 'scope'"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_token_is_refused(issuer: Issuer, name: str) -> None:
    """Spec: RFC 7662, section 4; RFC 9449, section 7.2."""
    changes, reason = WRONG[name]
    know(issuer, **changes)
    with pytest.raises(AuthenticationFailed) as caught:
        await identify(authenticator_for(issuer))
    assert caught.value.error == "invalid_token"
    assert reason in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (Page({"error": "invalid_client"}, 401), "does not take client_id 'the site'"),
        (Page(b"", 500), "status 500"),
        (Page(b"", 429), "status 429"),
        (Page(b"<html>"), "no JSON"),
        (Page({}), "does not say whether the token is active"),
        (Page({"active": "true"}), "does not say whether the token is active"),
        (Page(b"", 307, {"location": "https://evil.example"}), "redirects to"),
        (Page(b" " * 1_100_000), "more than 1048576 bytes"),
    ],
)
async def test_issuer_that_cannot_say_is_away(
    issuer: Issuer,
    page: Page,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We promise it: 503 with Retry-After, and the log says why, without secrets."""
    issuer.pages["/introspect"] = page
    with pytest.raises(ServiceAway) as caught:
        await identify(authenticator_for(issuer))
    assert (caught.value.status, caught.value.retry_after_seconds) == (503, 5)
    assert reason in caplog.text
    assert SECRET not in caplog.text
    assert TOKEN not in caplog.text


async def test_failure_is_not_kept(issuer: Issuer) -> None:
    """Chosen: the next request may succeed."""
    know(issuer)
    authenticator = authenticator_for(issuer)
    good = issuer.pages["/introspect"]
    issuer.pages["/introspect"] = Page(b"", 500)
    with pytest.raises(ServiceAway):
        await identify(authenticator)
    issuer.pages["/introspect"] = good
    assert await identify(authenticator)


async def test_issuer_that_hangs_is_given_up(issuer: Issuer) -> None:
    """We promise it: within its time, and then it is not waited for any more."""
    know(issuer)
    may_answer = threading.Event()
    issuer.pages["/introspect"] = Page({}, may_answer=may_answer)
    # Nothing else is asked for, and a busy machine sends one request in that time.
    where = f"{issuer.url}/introspect"
    authenticator = authenticator_for(issuer, introspection_endpoint=where, timeout=1)
    try:
        with anyio.fail_after(10):
            for number in range(3):
                with pytest.raises(ServiceAway):
                    await identify(authenticator, f"{TOKEN}-{number}")
            # What was begun before this would have come by then.
            last = begin(partial(fetch, f"{issuer.url}/keys", timeout=10))
            await asyncio.wrap_future(last)
        assert issuer.times_asked("/introspect") == 1
    finally:
        may_answer.set()


# What is kept ---------------------------------------------------------------------


async def test_answers_are_kept_for_a_while(issuer: Issuer) -> None:
    """We promise it: also the one that a token is not active."""
    know(issuer)
    authenticator = authenticator_for(issuer)
    for _ in range(3):
        assert await identify(authenticator)
        assert await identify(authenticator, "unknown") is None
    assert issuer.times_asked("/introspect") == 2


async def test_nothing_need_be_kept(issuer: Issuer) -> None:
    """Chosen: `cache_seconds = 0` has each request asked about."""
    know(issuer)
    authenticator = authenticator_for(issuer, cache_seconds=0)
    for _ in range(3):
        assert await identify(authenticator)
    assert issuer.times_asked("/introspect") == 3


async def test_open_stream_is_asked_about_anew(issuer: Issuer) -> None:
    """We promise it: a revoked token ends its streams at the next look."""
    know(issuer)
    authenticator = authenticator_for(issuer)
    identity = await identify(authenticator)
    assert identity is not None
    del issuer.active[TOKEN]
    assert await identify(authenticator)
    assert not await authenticator.is_still_valid(identity)
    assert await identify(authenticator) is None


async def test_same_token_is_asked_about_once_at_a_time(issuer: Issuer) -> None:
    """Chosen: clients send several requests at once."""
    may_answer = threading.Event()
    answer = {"active": True, **issuer.claims()}
    issuer.pages["/introspect"] = Page(answer, may_answer=may_answer)
    authenticator = authenticator_for(issuer)
    found = []

    async def ask() -> None:
        found.append(await identify(authenticator))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            await issuer.until_asked("/introspect")
            may_answer.set()
    assert len(found) == 5
    assert all(found)
    assert issuer.times_asked("/introspect") == 1


class Clock:
    """A clock that tests set."""

    seconds = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


async def _say(text: str) -> Claims | None:
    return {"sub": text} if text.startswith("good") else None


def _settled(answers: Answers, text: str) -> Claims | None:
    found = answers.begin(text, is_fresh=False).result(10)
    begin(_nothing).result(10)  # what notes the answer has run then
    return found


async def _nothing() -> None:
    pass


def test_answers_end_and_are_bounded() -> None:
    """We promise it: unknown tokens push no known ones out."""
    asked: list[str] = []

    async def ask(text: str) -> Claims | None:
        asked.append(text)
        return await _say(text)

    clock = Clock()
    answers = Answers(ask, lambda: 30.0, clock)
    for _ in range(2):
        assert _settled(answers, "good")
        assert _settled(answers, "bad") is None
    assert asked == ["good", "bad"]

    clock.seconds += REFUSAL_SECONDS
    assert _settled(answers, "good")
    assert _settled(answers, "bad") is None
    assert asked == ["good", "bad", "bad"]

    for number in range(MAX_REFUSALS + 10):
        answers.begin(f"bad-{number}", is_fresh=False).result(10)
    assert _settled(answers, "good")
    assert asked.count("good") == 1
    assert len(answers._refused) == MAX_REFUSALS

    clock.seconds += 30
    assert _settled(answers, "good")
    assert asked.count("good") == 2
    assert MAX_ANSWERS > MAX_REFUSALS


# Settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"client_id": ""}, "Company needs client_id and client_secret"),
        ({"client_secret": ""}, "Company needs client_id and client_secret"),
        ({"client_authentication": "none"}, "Company.client_authentication must be"),
        ({"issuer": "ftp://x"}, "Company.issuer must be an https URL"),
        (
            {"introspection_endpoint": "http://idp.example/i"},
            "Company.introspection_endpoint must be an https URL",
        ),
    ],
)
def test_mistakes_in_attributes_are_told(
    issuer: Issuer, attributes: dict[str, Any], text: str
) -> None:
    """Chosen: what can be known at the start is not found out with the first token."""
    with pytest.raises(ImproperlyConfigured) as caught:
        authenticator_for(issuer, **attributes)
    assert text in str(caught.value)
