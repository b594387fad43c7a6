"""Tokens that only their issuer can read: it is asked about each of them.

Spec: RFC 7662.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import ClassVar, Final, Literal
from urllib.parse import quote_plus

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from mcp_django.oauth.authenticators.claims import (
    MAX_CHARACTERS,
    Claims,
    moment_of,
    refused,
    says_its_kind,
)
from mcp_django.oauth.authenticators.discovery import (
    check_url,
    discover,
    endpoint_in,
)
from mcp_django.oauth.authenticators.fetching import FetchFailed, begin, fetch
from mcp_django.oauth.authenticators.issuers import IssuerAuthenticator
from mcp_django.oauth.authenticators.jwt import read

MAX_ANSWERS: Final = 10_000
MAX_REFUSALS: Final = 1_000
"""Kept apart: any client can send tokens that are unknown."""

REFUSAL_SECONDS: Final = 5.0
"""For which one counts at most: a new token may not be known everywhere yet."""

_OWN_PREFIX: Final = "mcp_"
"""Of tokens of `mcp_django.tokens`, which no other site has to know."""


class IntrospectionAuthenticator(IssuerAuthenticator):
    """Asks an issuer about each access token; subclass it to say which.

    ::

        class CompanyTokens(IntrospectionAuthenticator):
            issuer = "https://login.company.example"
            client_id = "shop"
            client_secret = os.environ["INTROSPECTION_SECRET"]

    What it says counts for `cache_seconds`. Tokens of `mcp_django.tokens` and JWTs of
    other issuers are never sent to it; with others, name the authenticators that know
    theirs first.
    """

    introspection_endpoint: ClassVar[str] = ""
    """Where to ask; "" to find that out from the issuer's metadata."""

    client_id: ClassVar[str] = ""
    """As what the site is known to the issuer."""

    client_secret: ClassVar[str] = ""
    """By which it proves that."""

    client_authentication: ClassVar[
        Literal["client_secret_basic", "client_secret_post"]
    ] = "client_secret_basic"
    """How. Spec: RFC 6749, section 2.3.1."""

    cache_seconds: ClassVar[float] = 30.0
    """For which an answer counts; refusals for five seconds at most. For open streams
    the issuer is asked anew."""

    credential_header = "authorization"

    def __init__(self) -> None:
        super().__init__()
        named = type(self).__qualname__
        if not self.client_id or not self.client_secret:
            raise ImproperlyConfigured(
                f"{named} needs client_id and client_secret: an issuer answers only "
                "those that it knows"
            )
        if self.client_authentication not in (
            "client_secret_basic",
            "client_secret_post",
        ):
            raise ImproperlyConfigured(
                f"{named}.client_authentication must be 'client_secret_basic' or "
                f"'client_secret_post', not {self.client_authentication!r}"
            )
        if self.introspection_endpoint:
            check_url(self.introspection_endpoint, f"{named}.introspection_endpoint")
        self._endpoint = self.introspection_endpoint
        self._answers = Answers(self._ask, lambda: self.cache_seconds)

    async def _claims(self, text: str, *, is_again: bool) -> Claims | None:
        if not self._may_be_ours(text):
            return None

        def ask() -> Awaitable[Claims | None]:
            asked = self._answers.begin(text, is_fresh=is_again)
            # What is given up here goes on for the others that ask about the same.
            return asyncio.shield(asyncio.wrap_future(asked))

        # Not begun before: an issuer that is away is asked nothing.
        claims = await self._service.ask(ask)
        if claims is None:
            return None
        says_its_kind(claims)
        if claims.get("iss") not in (None, self.issuer):
            raise refused(f"the token is of the issuer {claims.get('iss')!r:.200}")
        now, expires_at = timezone.now(), moment_of(claims, "exp")
        if expires_at is not None and expires_at <= now:
            raise refused(f"the token expired at {expires_at}")
        not_before = moment_of(claims, "nbf")
        if not_before is not None and not_before > now:
            raise refused(f"the token is good only from {not_before} on")
        return claims

    def _may_be_ours(self, text: str) -> bool:
        if not text or len(text) > MAX_CHARACTERS or not text.isascii():
            return False
        if text.startswith(_OWN_PREFIX):
            return False
        found = read(text)
        return found is None or found.claims.get("iss") in (None, self.issuer)

    async def _ask(self, text: str) -> Claims | None:
        """Ask about a token, in the event loop that fetches; None if it is not active.

        Raises:
            FetchFailed: There is no answer that says so.
        """
        # A little more than it is waited for, which tells whether it is away.
        timeout = self._seconds + 1
        if not self._endpoint:
            metadata = await discover(self.issuer, timeout=timeout)
            self._endpoint = endpoint_in(metadata, "introspection_endpoint")
        form = {"token": text, "token_type_hint": "access_token"}
        headers: Mapping[str, str] = {}
        if self.client_authentication == "client_secret_post":
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        else:
            headers = {"authorization": _basic(self.client_id, self.client_secret)}
        url = self._endpoint
        fetched = await fetch(url, timeout=timeout, form=form, headers=headers)
        if fetched.status in (401, 403):
            raise FetchFailed(
                f"{url} does not take client_id {self.client_id!r} with its secret by "
                f"{self.client_authentication} (status {fetched.status})"
            )
        answer = fetched.json_object()
        if not isinstance(answer.get("active"), bool):
            raise FetchFailed(f"{url} does not say whether the token is active")
        return answer if answer["active"] else None


class Answers:
    """What was asked about tokens, and what is being asked, kept for a short time.

    Args:
        ask: Asks about one, in the event loop that fetches.
        seconds: Gives for how long an answer counts.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Claims | None]],
        seconds: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._asking: dict[bytes, Future[Claims | None]] = {}
        self._known: OrderedDict[bytes, tuple[float, Future[Claims | None]]]
        self._known = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[float, Future[Claims | None]]]
        self._refused = OrderedDict()

    def begin(self, text: str, *, is_fresh: bool) -> Future[Claims | None]:
        """Give the answer about a token, kept or to come.

        Args:
            text: The token.
            is_fresh: Whether what is kept does not do.
        """
        digest = hashlib.blake2b(text.encode(), key=self._key, digest_size=32).digest()
        with self._lock:
            kept = self._kept(digest)
            if kept is not None and not is_fresh:
                return kept
            asking = self._asking.get(digest)
            if asking is None:
                asking = self._asking[digest] = begin(self._ask, text)
            else:
                return asking
        # Outside of the lock: it may be done, and is noted right here then.
        asking.add_done_callback(lambda done: self._note(digest, done))
        return asking

    def _kept(self, digest: bytes) -> Future[Claims | None] | None:
        for where in (self._known, self._refused):
            until, answer = where.get(digest, (0.0, None))
            if answer is not None and self._clock() < until:
                return answer
        return None

    def _note(self, digest: bytes, answer: Future[Claims | None]) -> None:
        with self._lock:
            self._asking.pop(digest, None)
            self._known.pop(digest, None)
            self._refused.pop(digest, None)
            if answer.cancelled() or answer.exception() is not None:
                return
            seconds, where, most = self._seconds(), self._known, MAX_ANSWERS
            if answer.result() is None:
                seconds = min(seconds, REFUSAL_SECONDS)
                where, most = self._refused, MAX_REFUSALS
            where[digest] = self._clock() + seconds, answer
            while len(where) > most:
                where.popitem(last=False)


def _basic(client_id: str, secret: str) -> str:
    """Write the header by which a client proves itself.

    Spec: RFC 6749, section 2.3.1: each is encoded as in a form, before it is joined.
    """
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
