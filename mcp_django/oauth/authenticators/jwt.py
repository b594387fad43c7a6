"""Tokens that another issuer has signed, such as a company's identity provider.

Spec: RFC 9068; RFC 8725.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.core.exceptions import ImproperlyConfigured

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.authenticators.claims import (
    MAX_CHARACTERS,
    Claims,
    refused,
    says_its_kind,
)
from mcp_django.oauth.authenticators.discovery import (
    check_url,
    discover,
    endpoint_in,
)
from mcp_django.oauth.authenticators.fetching import fetch
from mcp_django.oauth.authenticators.issuers import IssuerAuthenticator
from mcp_django.oauth.authenticators.signing_keys import SigningKeys
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.extras import brought_by

with brought_by("issuers"):
    import jwt

logger = FaultLog("mcp_django.oauth")

ASYMMETRIC: Final = frozenset(
    {
        *("RS256", "RS384", "RS512"),
        *("PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512"),
        "EdDSA",
    }
)
"""Algorithms with public keys: all can verify, and only the issuer can sign."""

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_ACCESS_TOKEN: Final = "at+jwt"
_OF_OTHER_KINDS: Final = ("nonce", "at_hash", "c_hash", "s_hash", "events")
"""Claims of ID tokens, and of those that tell of a logout."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What stands in a JWT, before anything is known of who wrote it.

    Attributes:
        header: The JOSE header.
        claims: The claims.
    """

    header: JSONObject
    claims: Claims


class JWTAuthenticator(IssuerAuthenticator):
    """Takes access tokens that are JWTs of one issuer; subclass it to say which.

    ::

        class CompanyTokens(JWTAuthenticator):
            issuer = "https://login.company.example/realms/staff"
            user_claim = "email"

    The issuer's keys are fetched when the first token comes, and kept for ten minutes;
    if it does not answer, for an hour. A token whose key is not known has them fetched
    again, every ten seconds at most.
    """

    algorithms: ClassVar[Sequence[str]] = sorted(ASYMMETRIC)
    """By which tokens may be signed; never "none", nor one with a shared secret."""

    token_types: ClassVar[Collection[str]] = ("at+jwt", "JWT", "")
    """What `typ` in the header of an access token may be, "" for none. Where the issuer
    writes "at+jwt" into all of them, take that alone: then no other kind of JWT passes.
    """

    jwks_uri: ClassVar[str] = ""
    """Where the issuer's keys are; "" to find that out from its metadata."""

    leeway: ClassVar[float] = 30.0
    """Seconds by which clocks may differ."""

    credential_header = "authorization"

    def __init__(self) -> None:
        super().__init__()
        named = type(self).__qualname__
        if isinstance(self.algorithms, str) or not ASYMMETRIC.issuperset(
            self.algorithms
        ):
            raise ImproperlyConfigured(
                f"{named}.algorithms must be some of {sorted(ASYMMETRIC)}, not "
                f"{self.algorithms!r}"
            )
        if isinstance(self.token_types, str):
            raise ImproperlyConfigured(
                f"{named}.token_types must be a list, not {self.token_types!r}"
            )
        if self.jwks_uri:
            check_url(self.jwks_uri, f"{named}.jwks_uri")
        self._types = {_media_type(text) for text in self.token_types}
        self._keys = SigningKeys(self._fetch_keys, self._service)

    async def _claims(self, text: str, *, is_again: bool) -> Claims | None:
        found = read(text)
        if found is None or not self._is_ours(found.claims.get("iss")):
            return None
        self._check_kind(found)
        kid, algorithm = found.header.get("kid"), found.header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            raise refused(f"tokens signed by {algorithm!r:.40} are not taken")
        if not isinstance(kid, str | None):
            raise refused(f"the id {kid!r:.100} of the token's key is no text")
        keys = await self._keys.find(kid, algorithm)
        if not keys:
            raise refused(f"the issuer has no key {kid!r:.100} for {algorithm!r}")
        return self._verified(text, algorithm, keys)

    def _is_ours(self, issuer: object) -> bool:
        if issuer != self.issuer:
            logger.info(
                "a token of the issuer %.200r is left to others; this is for %r",
                issuer,
                self.issuer,
            )
        return issuer == self.issuer

    def _check_kind(self, found: Unverified) -> None:
        """Refuse what is another kind of JWT, as far as that can be told.

        Spec: RFC 9068, section 4; RFC 8725, sections 3.11 and 3.12.
        """
        given = found.header.get("typ", "")
        kind = _media_type(given) if isinstance(given, str) else None
        if kind not in self._types:
            raise refused(f"a JWT of the type {given!r:.100} is no access token")
        if "crit" in found.header:
            raise refused("the token wants extensions that are not known ('crit')")
        if kind == _ACCESS_TOKEN or says_its_kind(found.claims):
            return
        for name in _OF_OTHER_KINDS:
            if name in found.claims:
                raise refused(f"the token has {name!r}, which no access token has")

    def _verified(self, text: str, algorithm: str, keys: Sequence[jwt.PyJWK]) -> Claims:
        reason: Exception | None = None
        for key in keys:
            try:
                claims: Claims = jwt.decode(
                    text,
                    key,
                    algorithms=[algorithm],
                    issuer=self.issuer,
                    leeway=self.leeway,
                    options={
                        "require": ["exp", "iss"],
                        # By us, since the endpoint has several names.
                        "verify_aud": False,
                    },
                )
            except jwt.InvalidSignatureError as error:
                reason = error
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                raise refused(f"the token is no good: {error}") from None
            else:
                return claims
        raise refused(f"the token is no good: {reason}")

    async def _fetch_keys(self) -> JSONObject:
        """Fetch the issuer's key set, in the event loop that fetches."""
        # A little more than it is waited for, which tells whether it is away.
        timeout = self._seconds + 1
        url = self.jwks_uri
        if not url:
            url = endpoint_in(await discover(self.issuer, timeout=timeout), "jwks_uri")
        return (await fetch(url, timeout=timeout)).json_object()


def read(text: str) -> Unverified | None:
    """Read what stands in a JWT, without trust in any of it; None if it is none."""
    if len(text) > MAX_CHARACTERS or not _FORM.fullmatch(text):
        return None
    header, claims, _ = map(_object_in, text.split("."))
    if header is None or claims is None:
        return None
    return Unverified(header, claims)


def _object_in(part: str) -> JSONObject | None:
    """Give the JSON object that a part of a token is; None if it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _media_type(text: str) -> str:
    """Write a type as it is compared. Spec: RFC 7515, section 4.1.9."""
    return text.lower().removeprefix("application/")
