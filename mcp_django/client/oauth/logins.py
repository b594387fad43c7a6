"""Takes a user to the page of an authorization server, and reads their answer.

Spec: RFC 6749, section 4.1; RFC 7636; RFC 9207; 2026-07-28 basic/authorization,
"Authorization Response Validation".
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from mcp_django.client.oauth.addresses import shown
from mcp_django.client.oauth.documents import (
    KnownClient,
    PendingLogin,
    ServerMetadata,
)
from mcp_django.exceptions import LoginFailed, OAuthFault
from mcp_django.transports.client.http_library import httpx2

MAX_QUERY: Final = 16_384
"""Characters of what a user is sent back with."""

_MAX_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Login:
    """A login that has begun.

    Attributes:
        url: The page to send the user to; http or https.
        state: What they will bring back, and nothing else knows.
    """

    url: str
    state: str


def begin(
    server: ServerMetadata,
    client: KnownClient,
    *,
    redirect_uri: str,
    resource: str,
    scopes: frozenset[str] | None,
) -> tuple[Login, PendingLogin]:
    """Begin a login.

    Args:
        server: Where the user logs in.
        client: As whom it knows us.
        redirect_uri: Where it sends the user back to.
        resource: What the token is to be for.
        scopes: What to ask for; None or nothing to leave it to the server.

    Returns:
        Where to send the user, and what to keep until they are back.

    Raises:
        OAuthFault: The server has no such page, or no PKCE.
    """
    _check(server)
    assert server.authorization_endpoint is not None
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "resource": resource,
    }
    if scopes:
        query["scope"] = " ".join(sorted(scopes))
    if scopes and "offline_access" in scopes:
        # Spec: OpenID Connect Core 1.0, section 11: without it, no refresh token.
        query["prompt"] = "consent"
    url = httpx2.URL(server.authorization_endpoint).copy_merge_params(query)
    pending = PendingLogin(
        verifier=verifier,
        redirect_uri=redirect_uri,
        resource=resource,
        server=server,
        client=client,
        scopes=scopes,
        begun_at=time.time(),
    )
    return Login(str(url), state), pending


def _check(server: ServerMetadata) -> None:
    """Refuse an authorization server at which a login would not be safe.

    Spec: 2026-07-28 basic/authorization/security-considerations, "Authorization Code
    Protection".
    """
    place = shown(server.issuer)
    if server.authorization_endpoint is None:
        raise OAuthFault(f"{place} names no authorization_endpoint")
    if server.is_assumed:
        return  # Revision 2025-03-26 demands PKCE without a word in any metadata.
    methods = server.code_challenge_methods_supported
    if "S256" not in (methods or ()):
        offered = "no PKCE" if methods is None else f"PKCE by {list(methods)[:5]!r}"
        raise OAuthFault(
            f"{place} offers {offered} (code_challenge_methods_supported), and a login "
            "without PKCE by S256 is not safe"
        )


def read_answer(query: str, state: str, pending: PendingLogin) -> str:
    """Read what a user was sent back with.

    Args:
        query: Of the redirect URI, as it was asked for.
        state: Of the login.
        pending: What was kept for it.

    Returns:
        The code.

    Raises:
        LoginFailed: The user or the server said no, or it is not the server's answer.
    """
    server = pending.server
    place = shown(server.issuer)
    answer = parse_query(query)
    theirs = answer.get("state", "").encode(errors="replace")
    if not hmac.compare_digest(theirs, state.encode()):
        raise LoginFailed(
            f"what came back is no answer to our login at {place}: its state is another"
        )
    issuer = answer.get("iss")
    is_promised = server.authorization_response_iss_parameter_supported
    # Before anything else that it says: it may be the answer of another server.
    if issuer != server.issuer and (issuer is not None or is_promised):
        said = "names no issuer" if issuer is None else "is that of another issuer"
        raise LoginFailed(
            f"what came back from the login at {place} {said}; it is not used"
        )
    if error := answer.get("error", ""):
        raise LoginFailed(_refusal(place, answer), error=error[:_MAX_SHOWN])
    code = answer.get("code", "")
    if not code:
        raise LoginFailed(f"the login at {place} came back without a code")
    return code


def parse_query(query: str) -> dict[str, str]:
    """Read a query, in which each name stands once.

    Raises:
        LoginFailed: It is none, or says two things under one name.

    Spec: RFC 6749, section 3.1.
    """
    if len(query) > MAX_QUERY:
        raise LoginFailed(
            f"what came back from a login is longer than {MAX_QUERY} characters"
        )
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    answer = dict(pairs)
    if len(answer) != len(pairs):
        raise LoginFailed("what came back from a login says two things at once")
    return answer


def _refusal(place: str, answer: dict[str, str]) -> str:
    error = answer["error"][:_MAX_SHOWN]
    if error == "access_denied":
        text = f"the login at {place} was refused, perhaps by the user"
    else:
        text = f"the login at {place} failed with {error!r}"
    description = answer.get("error_description", "")[:_MAX_SHOWN]
    return f"{text}: {description!r}" if description else text
