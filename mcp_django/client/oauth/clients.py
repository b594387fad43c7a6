"""As whom an authorization server knows this program, and how it proves it.

Spec: 2026-07-28 basic/authorization/client-registration; RFC 6749, section 2.3; RFC
7523, section 2.2; RFC 7591.
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

from mcp_django.client.oauth.addresses import is_loopback, shown
from mcp_django.client.oauth.documents import KnownClient, ServerMetadata, read
from mcp_django.client.oauth.fetching import Fetched, Fetcher, hide
from mcp_django.exceptions import OAuthError, OAuthFault, OAuthRefused
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.transports.client.extras import brought_by
from mcp_django.transports.client.http_library import httpx2

with brought_by("client"):
    import jwt

_MAX_SHOWN: Final = 300
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 300

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_KEY: Final = "private_key_jwt"
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """What an authorization server gave to the makers of this program.

    Args:
        client_id: As whom it knows the program.
        secret: If it gave one.
        private_key: In PEM, for `private_key_jwt`, if it was given the public one.
        algorithm: How the key signs; for example "ES256" or "RS256".
        key_id: What the authorization server calls the key; None if there is one only.
        method: How to prove who we are: "client_secret_basic", "client_secret_post",
            "private_key_jwt" or "none"; None to choose what the server takes.
        issuer: The authorization server; None for the first one that is met, to which
            it is bound from then on.

    Raises:
        ValueError: `method` is none of these, or lacks what it needs.
    """

    client_id: str
    secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    algorithm: str = "ES256"
    key_id: str | None = None
    method: str | None = None
    issuer: str | None = None

    def __post_init__(self) -> None:
        """Look whether it can work."""
        if not self.client_id:
            raise ValueError("client_id is empty; is its variable set?")
        needs = {_BASIC: self.secret, _POST: self.secret, _KEY: self.private_key}
        if self.method not in (None, _NONE, *needs):
            raise ValueError(
                f"method {self.method!r} is none of {[*needs, _NONE]!r}, or None"
            )
        if self.method in needs and not needs[self.method]:
            raise ValueError(f"method {self.method!r} needs a secret or private_key")


def choose_method(client: KnownClient, server: ServerMetadata, has_key: bool) -> str:
    """Choose how to prove to an authorization server who we are.

    Raises:
        OAuthError: It takes nothing that we have.

    Spec: RFC 8414, section 2: `client_secret_basic` where it names nothing.
    """
    needs_secret = client.method in (_BASIC, _POST)
    if client.method is not None and (client.client_secret or not needs_secret):
        return client.method
    ours = [_KEY] if has_key else []
    ours += [_BASIC, _POST] if client.client_secret else []
    ours.append(_NONE)  # Some give a secret, and want none.
    theirs = server.token_endpoint_auth_methods_supported
    if theirs is None:
        return ours[0]
    for method in ours:
        if method in theirs:
            return method
    raise OAuthError(
        f"the authorization server {shown(server.issuer)} wants clients to prove who "
        f"they are by one of {list(theirs)[:10]!r}; we can do so by {ours!r}"
    )


def proof_of(
    client: KnownClient, server: ServerMetadata, given: RegisteredClient | None
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Prove to an authorization server who we are.

    Returns:
        What to add to a form, and to the headers.

    Raises:
        OAuthError: It takes nothing that we have, or the key cannot sign.
    """
    key = given.private_key if given is not None else None
    secret = client.client_secret or ""
    match choose_method(client, server, key is not None):
        case "client_secret_basic":
            # Spec: RFC 6749, section 2.3.1: each is encoded as in a form.
            pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
            basic = b64encode(pair.encode()).decode()
            # Some look into the form for whom they are to look up.
            form = {"client_id": client.client_id}
            return form, {"authorization": f"Basic {basic}"}
        case "client_secret_post":
            return {"client_id": client.client_id, "client_secret": secret}, {}
        case "private_key_jwt" if given is not None and key is not None:
            return {
                "client_id": client.client_id,
                "client_assertion_type": _ASSERTION,
                "client_assertion": _sign(given, client.client_id, server),
            }, {}
        case "none":
            return {"client_id": client.client_id}, {}
        case other:
            raise OAuthError(
                f"{shown(server.issuer)} wants us to prove who we are by "
                f"{other[:_MAX_SHOWN]!r}, for which there is nothing here"
            )


def _sign(given: RegisteredClient, client_id: str, server: ServerMetadata) -> str:
    """Sign who we are, for one authorization server and for a few minutes.

    Spec: RFC 7523, section 3, with the issuer as the one audience.
    """
    now = int(time.time())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": server.issuer,
        "iat": now,
        "exp": now + _ASSERTION_SECONDS,
        "jti": uuid.uuid4().hex,
    }
    headers = {"kid": given.key_id} if given.key_id else None
    try:
        return jwt.encode(claims, given.private_key or "", given.algorithm, headers)
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as error:
        # Its text may show the key.
        raise OAuthError(
            f"the private key of {client_id!r} cannot sign by {given.algorithm!r} "
            f"({type(error).__name__}); give it in PEM"
        ) from None


# Registration -------------------------------------------------------------------


async def register(
    fetcher: Fetcher,
    server: ServerMetadata,
    *,
    name: str,
    redirect_uris: Sequence[str],
    scopes: frozenset[str] | None,
) -> KnownClient:
    """Register this program with an authorization server.

    Args:
        fetcher: Asks.
        server: Who is asked; has a place to register.
        name: What users are shown.
        redirect_uris: Where they are sent back to.
        scopes: What may be asked for; None to say nothing.

    Raises:
        OAuthRefused: It does not want us.
        OAuthFault: It answers with something else.

    Spec: RFC 7591, section 3.
    """
    assert server.registration_endpoint is not None
    document = metadata_of(name, redirect_uris, server, scopes)
    fetched = await fetcher.post_json(server.registration_endpoint, document)
    if not fetched.is_success:
        raise refusal_of(fetched, "would not register us")
    answer = fetched.document
    if answer is None:
        raise fetched.no_object()
    method = answer.get("token_endpoint_auth_method") or None
    if isinstance(method, str) and method not in (_NONE, _BASIC, _POST):
        raise OAuthFault(
            f"{shown(fetched.url)} registered us as a client that proves who it is by "
            f"{method[:_MAX_SHOWN]!r}, for which there is nothing here"
        )
    try:
        return read(
            KnownClient,
            {
                "client_id": answer.get("client_id"),
                "client_secret": answer.get("client_secret") or None,
                # Some send a secret with it that is not to be used.
                "method": method,
                "redirect_uris": list(redirect_uris),
                "expires_at": answer.get("client_secret_expires_at") or 0,
                "issuer": server.issuer,
                "is_registered": True,
            },
        )
    except ValueError as error:
        raise OAuthFault(
            f"{shown(fetched.url)} registered us, and did not say as whom: {error}"
        ) from None


def metadata_of(
    name: str,
    redirect_uris: Sequence[str],
    server: ServerMetadata,
    scopes: frozenset[str] | None,
) -> JSONObject:
    """Describe this program to an authorization server.

    Spec: RFC 7591, section 2; 2026-07-28 basic/authorization/client-registration,
    "Application Type and Redirect URI Constraints".
    """
    document: JSONObject = {
        "client_name": name,
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": _method_wanted(server),
        "application_type": _application_type(redirect_uris),
    }
    if scopes:
        document["scope"] = " ".join(sorted(scopes))
    return document


def _method_wanted(server: ServerMetadata) -> str:
    """Choose how to prove who we are: not at all, by preference.

    A secret that each copy of a program has of its own proves little.
    """
    theirs = server.token_endpoint_auth_methods_supported
    if theirs is None:
        return _NONE
    return next((m for m in (_NONE, _BASIC, _POST) if m in theirs), _NONE)


def _application_type(redirect_uris: Sequence[str]) -> str:
    """Say whether users are sent back to this computer, or to a site."""
    for uri in redirect_uris:
        try:
            url = httpx2.URL(uri)
        except httpx2.InvalidURL:
            return "native"
        if url.scheme not in ("http", "https") or is_loopback(url.host):
            return "native"
    return "web"


def refusal_of(
    fetched: Fetched, what: str, secrets: Iterable[str] = ()
) -> OAuthRefused | OAuthFault:
    """Make the exception for an answer that is no success.

    Args:
        fetched: The answer.
        what: What the server did, for the text.
        secrets: What it was sent, and must not be shown where it repeats that.

    Spec: RFC 6749, section 5.2; RFC 7591, section 3.2.2.
    """
    document = fetched.document or {}
    error, description = (
        hide(value, secrets)[:_MAX_SHOWN]
        if isinstance(value := document.get(name), str)
        else ""
        for name in ("error", "error_description")
    )
    place = shown(fetched.url)
    if not error:
        return OAuthFault(
            f"{place} {what}, with status {fetched.status}, and did not say why"
            f"{fetched.when}"
        )
    text = f"{place} {what}: {error!r}" + (f", {description!r}" if description else "")
    text += fetched.when
    return OAuthRefused(text, error=error, description=description)
