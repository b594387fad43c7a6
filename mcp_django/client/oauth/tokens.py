"""Asks an authorization server for tokens, and gives them back.

Spec: RFC 6749, sections 4.1.3, 4.4.2, 5 and 6; RFC 8707, section 2.2; RFC 7009.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.client.oauth.addresses import shown
from mcp_django.client.oauth.clients import RegisteredClient, proof_of, refusal_of
from mcp_django.client.oauth.documents import (
    KnownClient,
    ServerMetadata,
    Tokens,
    read,
)
from mcp_django.client.oauth.fetching import Fetched, Fetcher
from mcp_django.exceptions import OAuthError, OAuthFault

logger = FaultLog("mcp_django.client")

LONGEST_SECONDS: Final = 10 * 365 * 24 * 3600.0
"""A token that is said to live longer is looked at again then."""

_SECRETS: Final = (
    "code",
    "code_verifier",
    "refresh_token",
    "assertion",
    "client_assertion",
)
"""What of a form must not be shown."""


async def ask_for_tokens(
    fetcher: Fetcher,
    server: ServerMetadata,
    client: KnownClient,
    given: RegisteredClient | None,
    *,
    grant: Mapping[str, str],
    resource: str,
    scopes: frozenset[str] | None,
) -> Tokens:
    """Get tokens.

    Args:
        fetcher: Asks.
        server: Who is asked.
        client: As whom it knows us.
        given: What its makers gave us, if they did.
        grant: What entitles us: `grant_type`, and what goes with it.
        resource: What the token is for.
        scopes: What it will permit unless the answer says less; None if not known.

    Raises:
        OAuthRefused: The authorization server refuses, as the RFC says.
        OAuthFault: It answers with something else, or not.
    """
    if server.token_endpoint is None:
        raise OAuthFault(f"{shown(server.issuer)} names no token_endpoint")
    proof, headers = proof_of(client, server, given)
    form = {**grant, "resource": resource, **proof}
    fetched = await fetcher.post_form(server.token_endpoint, form, headers)
    if not fetched.is_success or _is_refusal(fetched):
        secrets = [form.get(name, "") for name in _SECRETS]
        secrets.append(client.client_secret or "")
        raise refusal_of(fetched, "gave no token", secrets)
    return _read(fetched, server, client, resource, scopes)


def _is_refusal(fetched: Fetched) -> bool:
    """Say whether an answer is an error; some send those with a status of success."""
    answer = fetched.document or {}
    return isinstance(answer.get("error"), str) and "access_token" not in answer


def _read(
    fetched: Fetched,
    server: ServerMetadata,
    client: KnownClient,
    resource: str,
    scopes: frozenset[str] | None,
) -> Tokens:
    answer = fetched.document
    if answer is None:
        raise fetched.no_object()
    kind = answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise OAuthFault(
            f"{shown(fetched.url)} gave a token of type {kind!r:.100}; only 'Bearer' "
            "is known here"
        )
    members = {
        "access_token": answer.get("access_token"),
        "refresh_token": answer.get("refresh_token") or None,
        # Spec: RFC 6749, section 5.1: left out if it is what was asked for.
        "scopes": scopes if answer.get("scope") is None else answer["scope"],
        "expires_at": _expiry(answer.get("expires_in")),
        "issuer": server.issuer,
        "client_id": client.client_id,
        "resource": resource,
    }
    try:
        tokens = read(Tokens, members)
        # As `Authorization` has to carry it.
        tokens.access_token.encode("ascii")
        if not tokens.access_token.isprintable() or " " in tokens.access_token:
            raise ValueError("the token has characters that no header can have")
    except ValueError as error:
        raise OAuthFault(
            f"{shown(fetched.url)} gave no token that can be used: {error}"
        ) from None
    return tokens


def _expiry(seconds: object) -> float | None:
    """Say when what lives for some seconds ends; None if that is no number."""
    if isinstance(seconds, bool):
        return None
    try:
        left = float(seconds)  # type: ignore[arg-type]  # what is none is caught
    except (TypeError, ValueError, OverflowError):
        return None
    if not left >= 0:  # nor what is not a number at all
        return None
    return time.time() + min(left, LONGEST_SECONDS)


async def revoke(
    fetcher: Fetcher,
    server: ServerMetadata,
    client: KnownClient,
    given: RegisteredClient | None,
    tokens: Tokens,
) -> None:
    """Give tokens back; an authorization server that fails in it is no matter to us.

    Spec: RFC 7009, section 2.1.
    """
    if server.revocation_endpoint is None:
        return
    # With a refresh token end the access tokens made by it.
    token = tokens.refresh_token or tokens.access_token
    kind = "access_token" if tokens.refresh_token is None else "refresh_token"
    try:
        proof, headers = proof_of(client, server, given)
        form = {"token": token, "token_type_hint": kind, **proof}
        fetched = await fetcher.post_form(server.revocation_endpoint, form, headers)
    except OAuthError as error:
        logger.warning(
            "a token was forgotten, and not revoked; revoke it at its server: %s", error
        )
        return
    if not fetched.is_success:
        logger.warning(
            "a token was forgotten, and not revoked; revoke it at its "
            "server: %s answered with status %s",
            shown(fetched.url),
            fetched.status,
        )
