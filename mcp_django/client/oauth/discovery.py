"""Finds out who gives tokens for an MCP server, and where.

Spec: 2026-07-28 basic/authorization/authorization-server-discovery; 2025-03-26
basic/authorization, "Fallbacks for Servers without Metadata Discovery".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from mcp_django.client.oauth.addresses import (
    check_secure,
    covers,
    is_loopback,
    is_same_issuer,
    origin_of,
    resource_documents,
    server_documents,
    shown,
)
from mcp_django.client.oauth.challenges import Challenge
from mcp_django.client.oauth.documents import (
    ResourceMetadata,
    ServerMetadata,
    read,
)
from mcp_django.client.oauth.fetching import Fetched, Fetcher
from mcp_django.exceptions import OAuthFault
from mcp_django.transports.client.http_library import httpx2

MAX_SERVERS: Final = 5
"""Authorization servers that are looked at, of those an MCP server lists."""

T = TypeVar("T")

_ENDPOINTS: Final = (
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
)

_LATER: Final = (408, 425, 429)
"""Statuses that say nothing of what is there, but when to ask."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be used of what servers name.

    Attributes:
        origins: Where endpoints may be, beside the origin of their issuer.
        allow_http: Whether plain HTTP to other computers will do.
    """

    origins: frozenset[str] = frozenset()
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Who gives tokens for an MCP server.

    Attributes:
        resource: What to name in the parameter `resource`.
        issuers: Of all authorization servers that it lists.
        scopes: What it says it needs; None if it does not.
        place: What says so, for texts.
        is_listed: Whether it has said so; if not, its origin is the authorization
            server, as in revision 2025-03-26.
    """

    resource: str
    issuers: Sequence[str]
    scopes: frozenset[str] | None
    place: str
    is_listed: bool = True


async def find_resource(
    fetcher: Fetcher, url: str, challenge: Challenge | None, trust: Trust
) -> Found:
    """Find out who gives tokens for an MCP server.

    Args:
        fetcher: Asks.
        url: Canonical URL of the MCP server.
        challenge: What it refused us with, if it did.
        trust: What may be used.

    Raises:
        OAuthFault: It says what must not be used, or cannot be asked.
    """
    named = challenge.resource_metadata if challenge is not None else None
    places = resource_documents(url) if named is None else [named]
    for place in places:
        _check_named(place, "the place of its metadata", url, trust)
    fetched = await first_found(places, lambda place: _document(fetcher, place))
    if fetched is None and named is not None:
        raise OAuthFault(
            f"{shown(url)} names {shown(named)} for its metadata, where there is none"
        )
    if fetched is None:
        issuer = origin_of(httpx2.URL(url))
        return Found(url, [issuer], None, shown(url), is_listed=False)
    try:
        metadata = read(ResourceMetadata, fetched.document)
    except ValueError as error:
        raise OAuthFault(f"{shown(fetched.url)} holds no metadata: {error}") from None
    if not covers(metadata.resource, url):
        raise OAuthFault(
            f"{shown(fetched.url)} is about {shown(metadata.resource)}, and not about "
            f"{shown(url)}; a token for the one is none for the other"
        )
    if not metadata.authorization_servers:
        raise OAuthFault(f"{shown(fetched.url)} names no authorization server")
    issuers = metadata.authorization_servers[:MAX_SERVERS]
    scopes = metadata.scopes_supported
    return Found(metadata.resource, issuers, scopes, shown(fetched.url))


async def find_server(
    fetcher: Fetcher, found: Found, issuer: str, trust: Trust
) -> ServerMetadata:
    """Find out what an authorization server offers, and where.

    Args:
        fetcher: Asks.
        found: What the MCP server said.
        issuer: One of those that it lists.
        trust: What may be used.

    Raises:
        OAuthFault: It says what must not be used, or nothing.
    """
    name = f"the authorization server that {found.place} names"
    _check_named(issuer, name, found.resource, trust)

    async def ask(place: str) -> ServerMetadata | None:
        fetched = await _document(fetcher, place)
        return None if fetched is None else _read_server(fetched, issuer, trust)

    metadata = await first_found(server_documents(issuer), ask)
    if metadata is not None:
        return metadata
    if found.is_listed:
        raise OAuthFault(
            f"the authorization server {shown(issuer)} has no metadata at any of the "
            "places that OAuth and OpenID name"
        )
    return ServerMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        registration_endpoint=f"{issuer}/register",
        is_assumed=True,
    )


async def first_found(
    places: Iterable[str], ask: Callable[[str], Awaitable[T | None]]
) -> T | None:
    """Give what is found first; None if there is nothing at any place.

    Args:
        places: Where it may be, such as URLs.
        ask: Looks at one of them.

    Raises:
        OAuthFault: What is wrong at the first place where something is, if there is
            nothing right at any.
    """
    fault: OAuthFault | None = None
    for place in places:
        try:
            found = await ask(place)
        except OAuthFault as error:
            # The first one says most, and another place may hold the right one.
            fault = fault or error
        else:
            if found is not None:
                return found
    if fault is not None:
        raise fault
    return None


async def _document(fetcher: Fetcher, url: str) -> Fetched | None:
    """Ask for a document; None if the server says that there is none.

    Raises:
        OAuthFault: It fails, or answers with something else.
    """
    fetched = await fetcher.get(url)
    if 400 <= fetched.status < 500 and fetched.status not in _LATER:
        return None
    if not fetched.is_success or fetched.document is None:
        raise fetched.no_object()
    return fetched


def _read_server(fetched: Fetched, issuer: str, trust: Trust) -> ServerMetadata:
    """Read the metadata of an authorization server.

    Raises:
        OAuthFault: It is that of another one, or names what must not be used.

    Spec: RFC 8414, section 3.3.
    """
    place = shown(fetched.url)
    try:
        metadata = read(ServerMetadata, fetched.document)
    except ValueError as error:
        raise OAuthFault(f"{place} holds no metadata: {error}") from None
    if not is_same_issuer(metadata.issuer, issuer):
        raise OAuthFault(
            f"{place} is about the issuer {shown(metadata.issuer)}, and not about "
            f"{shown(issuer)}, of whom it should be"
        )
    for name in _ENDPOINTS:
        endpoint = getattr(metadata, name)
        if endpoint is not None:
            _check_endpoint(endpoint, f"the {name} in {place}", metadata.issuer, trust)
    # Only we say that there was no document, and never the document itself.
    return metadata.model_copy(update={"is_assumed": False})


def _check_endpoint(endpoint: str, name: str, issuer: str, trust: Trust) -> None:
    """Refuse an endpoint that is not the issuer's own, or is not safe.

    Raises:
        OAuthFault: It must not be used; says why.
    """
    origin = origin_of(_check(endpoint, name, trust))
    if origin != origin_of(httpx2.URL(issuer)) and origin not in trust.origins:
        raise OAuthFault(
            f"{name} is at another origin, {shown(endpoint)}; if that is known to be "
            f"theirs, allow it by trusted_origins=[{origin!r}]"
        )


def _check_named(url: str, name: str, server: str, trust: Trust) -> None:
    """Refuse a URL that is not safe, or that leads from elsewhere to this computer.

    What listens here for others on this computer is not for servers elsewhere to reach.

    Raises:
        OAuthFault: It must not be used; says why.
    """
    parsed = _check(url, name, trust)
    is_ours = is_loopback(parsed.host) and not is_loopback(httpx2.URL(server).host)
    if is_ours and origin_of(parsed) not in trust.origins:
        raise OAuthFault(
            f"{name}, {shown(url)}, is on this computer, and {shown(server)} is not; "
            "if that is right, allow it by "
            f"trusted_origins=[{origin_of(parsed)!r}]"
        )


def _check(url: str, name: str, trust: Trust) -> httpx2.URL:
    try:
        return check_secure(url, allow_http=trust.allow_http)
    except ValueError as error:
        raise OAuthFault(f"{name}, {shown(url)}, cannot be used: {error}") from None
