"""Where an issuer has what, as it publishes it.

Spec: RFC 8414, section 3; OpenID Connect Discovery 1.0, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mcp_django.oauth.authenticators.fetching import FetchFailed, fetch
from mcp_django.protocol.jsonrpc import JSONObject

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def metadata_urls(issuer: str) -> Iterator[str]:
    """Give the URLs where an issuer's metadata may be, the likeliest first."""
    parts = urlsplit(issuer)
    site, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    yield f"{site}{path}/.well-known/openid-configuration"
    yield f"{site}/.well-known/oauth-authorization-server{path}"
    if path:
        yield f"{site}/.well-known/openid-configuration{path}"


async def discover(issuer: str, *, timeout: float) -> JSONObject:
    """Fetch the metadata of an issuer.

    Args:
        issuer: Its name, a URL.
        timeout: Seconds for each document.

    Raises:
        FetchFailed: None can be had, or it is another issuer's.
    """
    missing: FetchFailed | None = None
    for url in metadata_urls(issuer):
        fetched = await fetch(url, timeout=timeout)
        try:
            found = fetched.json_object()
        except FetchFailed as error:
            missing = missing or error
            if fetched.status >= 500:
                raise
            continue
        if found.get("issuer") != issuer:
            # Spec: RFC 8414, section 3.3: then it must not be used.
            raise FetchFailed(
                f"{url} is of the issuer {found.get('issuer')!r}, not of {issuer!r}; "
                "both must be the same, to the last slash"
            )
        return found
    assert missing is not None
    raise missing


def endpoint_in(metadata: JSONObject, name: str) -> str:
    """Give the URL of something that an issuer has.

    Raises:
        FetchFailed: The metadata has none, or one that is not safe.
    """
    url = metadata.get(name)
    issuer = metadata.get("issuer")
    if not isinstance(url, str) or not url:
        raise FetchFailed(f"the metadata of {issuer!r} has no {name!r}")
    if not is_safe(url):
        raise FetchFailed(
            f"the metadata of {issuer!r} has {url!r} as {name!r}, not https"
        )
    return url


def check_url(url: str, named: str) -> None:
    """Refuse a URL in the settings that nothing may be asked at.

    Args:
        url: What is set.
        named: Where, for the text.

    Raises:
        ImproperlyConfigured: It is no URL, or not safe.
    """
    if not is_safe(url):
        raise ImproperlyConfigured(
            f"{named} must be an https URL without query and fragment, not {url!r}; "
            "plain http is for this machine, and for DEBUG"
        )


def is_safe(url: str) -> bool:
    """Say whether keys or answers that come from a URL can be trusted."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment or not url.isprintable():
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and (host in _LOOPBACK or settings.DEBUG)
