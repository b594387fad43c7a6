"""Chooses as whom this program comes to an authorization server.

Spec: 2026-07-28 basic/authorization/client-registration.
"""

from __future__ import annotations

import time
from typing import Final

from mcp_django.client.oauth.addresses import is_loopback, is_same_issuer, shown
from mcp_django.client.oauth.clients import register
from mcp_django.client.oauth.documents import KnownClient, Record, ServerMetadata
from mcp_django.client.oauth.fetching import Fetcher
from mcp_django.client.oauth.options import Options
from mcp_django.exceptions import OAuthError, OAuthFault
from mcp_django.transports.client.http_library import httpx2

_UNKNOWN_CLIENT: Final = (400, 401)
"""Statuses by which an authorization server shows a page instead of redirecting."""


async def identify(
    fetcher: Fetcher,
    options: Options,
    record: Record,
    server: ServerMetadata,
    redirect_uri: str | None,
    scopes: frozenset[str] | None,
) -> KnownClient:
    """Give what an authorization server knows us as; register if it does not yet.

    Args:
        fetcher: Asks.
        options: What the program has been given.
        record: What is known from earlier.
        server: Of whom it is asked.
        redirect_uri: Where users are to be sent back to; None without a user.
        scopes: What will be asked for.

    Raises:
        OAuthError: There is no way, or the server refuses.
    """
    if options.client is not None:
        return _given(options, record, server)
    if (
        options.client_metadata_url is not None
        and server.client_id_metadata_document_supported
    ):
        return KnownClient(
            issuer=server.issuer, client_id=options.client_metadata_url, method="none"
        )
    known = record.clients.get(server.issuer)
    if known is not None and _still_holds(known, redirect_uri):
        return known
    if server.registration_endpoint is None or redirect_uri is None:
        raise OAuthError(
            f"the authorization server {shown(server.issuer)} does not know this "
            "program, and lets none register itself; register it there by hand, and "
            "pass client=RegisteredClient(...)"
        )
    return await register(
        fetcher,
        server,
        name=options.client_name,
        redirect_uris=[redirect_uri],
        scopes=scopes,
    )


def _given(options: Options, record: Record, server: ServerMetadata) -> KnownClient:
    """Take what the makers of the program were given, where it belongs.

    Raises:
        OAuthError: It belongs to another authorization server.

    Spec: 2026-07-28 basic/authorization/client-registration, "Authorization Server
    Binding".
    """
    given = options.client
    assert given is not None
    bound = given.issuer
    if bound is None:
        # To the first that was met.
        known = (one for one in record.clients.values() if not one.is_registered)
        first = next(
            (one.issuer for one in known if one.client_id == given.client_id), None
        )
        bound = first or server.issuer
    if not is_same_issuer(bound, server.issuer):
        raise OAuthError(
            f"the client {given.client_id!r:.100} belongs to the authorization server "
            f"{shown(bound)}, and tokens are now given by {shown(server.issuer)}; "
            "register it there, and pass what that gives"
        )
    return KnownClient(
        issuer=server.issuer,
        client_id=given.client_id,
        client_secret=given.secret,
        method=given.method,
    )


def _still_holds(known: KnownClient, redirect_uri: str | None) -> bool:
    """Say whether an earlier registration is good for a login."""
    if not known.is_registered:
        return False
    if known.expires_at and known.expires_at <= time.time():
        return False
    return redirect_uri is None or any(
        _is_same_place(one, redirect_uri) for one in known.redirect_uris
    )


def _is_same_place(one: str, other: str) -> bool:
    """Say whether a redirect URI is another one, but for the port on this computer.

    Spec: RFC 8252, section 7.3, which is for addresses and not for names.
    """
    if one == other:
        return True
    try:
        mine, theirs = httpx2.URL(one), httpx2.URL(other)
    except httpx2.InvalidURL:
        return False
    is_address = is_loopback(mine.host) and "localhost" not in mine.host
    return is_address and mine.copy_with(port=None) == theirs.copy_with(port=None)


async def is_forgotten(fetcher: Fetcher, client: KnownClient, login_url: str) -> bool:
    """Say whether an authorization server has forgotten a registration of ours.

    It would show the user an error page, and us nothing: by RFC 6749 it must not send
    the user to a program that it does not know. So it is asked before the user is.

    Args:
        fetcher: Asks.
        client: As whom we would come.
        login_url: The page that the user would be sent to.

    Spec: RFC 6749, section 4.1.2.1.
    """
    if not client.is_registered:
        return False
    try:
        fetched = await fetcher.get(login_url)
    except OAuthFault:
        return False  # Such as a redirect to another site, which it has to be.
    return fetched.status in _UNKNOWN_CLIENT and not fetched.was_redirected
