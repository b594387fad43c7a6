"""URLs of OAuth: which are the same, where documents are, and which may be used."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from mcp_django.transports.client.http_failures import (
    check_reachable,
    is_same_origin,
    parse_url,
    show_text,
)
from mcp_django.transports.client.http_library import httpx2

MAX_URL_CHARACTERS: Final = 2000

_RESOURCE: Final = "/.well-known/oauth-protected-resource"
_SERVER: Final = "/.well-known/oauth-authorization-server"
_OPENID: Final = "/.well-known/openid-configuration"


def canonical(url: httpx2.URL) -> str:
    """Write the URL of an MCP server as its canonical URI.

    Scheme and host are in lower case, and a default port, the user, a query and a
    fragment are left out; so is the slash of an empty path.

    Spec: 2026-07-28 basic/authorization, "Canonical Server URI".
    """
    bare = str(url.copy_with(userinfo=b"", query=None, fragment=None))
    return bare.removesuffix("/") if url.path in ("", "/") else bare


def origin_of(url: httpx2.URL) -> str:
    """Write scheme, host and port of a URL, without a slash behind them."""
    return canonical(url.copy_with(path="/"))


def covers(resource: str, url: str) -> bool:
    """Say whether a token for a resource is one for the MCP server at a URL.

    It is if they are the same, but for a slash at the end, or if the resource is the
    folder that the server is in: sites with one document for all their endpoints name
    their origin.

    Args:
        resource: As its metadata names it.
        url: Canonical URL of the MCP server.

    Spec: RFC 9728, section 3.3; RFC 8707, section 2.
    """
    try:
        wide, narrow = parse_url(resource), parse_url(url)
    except ValueError:
        return False
    if wide.query or wide.fragment or not is_same_origin(wide, narrow):
        return False
    folder = wide.path.rstrip("/") + "/"
    return (narrow.path.rstrip("/") + "/").startswith(folder)


def is_same_issuer(one: str, other: str) -> bool:
    """Say whether two issuers are the same, but for the slash of an empty path.

    Programs that write URLs by a library add that, or leave it out; the places of the
    metadata are the same.

    Spec: RFC 8414, section 3.3; RFC 3986, section 6.2.3.
    """
    short, long = sorted((one, other), key=len)
    return short == long or (long == f"{short}/" and short.count("/") == 2)


def resource_documents(url: str) -> Sequence[str]:
    """Give the URLs at which the metadata of an MCP server may be, in order.

    Spec: RFC 9728, section 3.1.
    """
    parsed = httpx2.URL(url)
    path = parsed.path.rstrip("/")
    root = origin_of(parsed) + _RESOURCE
    # With the slash that the server's own URL has.
    return [origin_of(parsed) + _RESOURCE + parsed.path, root] if path else [root]


def server_documents(issuer: str) -> Sequence[str]:
    """Give the URLs at which the metadata of an authorization server may be, in order.

    Spec: RFC 8414, sections 3.1 and 5; 2026-07-28 basic/authorization/
    authorization-server-discovery, "Authorization Server Metadata Discovery".
    """
    parsed = httpx2.URL(issuer)
    origin, path = origin_of(parsed), parsed.path.rstrip("/")
    if not path:
        return [origin + _SERVER, origin + _OPENID]
    return [origin + _SERVER + path, origin + _OPENID + path, origin + path + _OPENID]


def is_loopback(host: str) -> bool:
    """Say whether a host is this computer, so that nothing is on the way."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_secure(url: str, *, allow_http: bool) -> httpx2.URL:
    """Read a URL to which secrets go, or on which trust rests.

    Args:
        url: As a server names it.
        allow_http: Whether it may be of plain HTTP to another computer.

    Raises:
        ValueError: It is none; says why.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(f"it is longer than {MAX_URL_CHARACTERS} characters")
    parsed = parse_url(url)
    check_reachable(parsed)
    if parsed.fragment or parsed.userinfo:
        raise ValueError("it has a fragment, or a user in it")
    if parsed.scheme != "https" and not (allow_http or is_loopback(parsed.host)):
        raise ValueError(
            "it is not https, so that others on the way could read what is sent; "
            "allow_http=True permits it"
        )
    return parsed


def shown(url: str) -> str:
    """Write a URL in a message, without what may be secret in it."""
    return show_text(url)
