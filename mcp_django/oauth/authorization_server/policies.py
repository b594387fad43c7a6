"""Which programs may become clients of the site by themselves, and how many.

`MCP["CLIENT_POLICY"]` names the class. It is asked for programs that register and for
those whose client id is the URL of a document alike; not for what administrators
register.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.http.request import validate_host
from django.utils.module_loading import import_string
from oauth2_provider.settings import oauth2_settings

from mcp_django.conf import mcp_settings
from mcp_django.oauth.authorization_server.client_metadata import (
    WRONG_REDIRECT_URI,
    ClientMetadata,
    ClientRefused,
    shown,
)
from mcp_django.oauth.authorization_server.redirect_uris import RedirectURI

KNOWN_HOSTS: Final = (
    "claude.ai",
    "claude.com",
    "chatgpt.com",
    "vscode.dev",
    "insiders.vscode.dev",
    "cursor.com",
    "www.cursor.com",
    "global.consent.azure-apim.net",
    "callback.mistral.ai",
)
"""Hosts of Claude, ChatGPT, VS Code, Cursor, Copilot Studio and Le Chat."""

_NEVER: Final = frozenset(
    {
        "about",
        "blob",
        "data",
        "file",
        "filesystem",
        "javascript",
        "vbscript",
        "view-source",
    }
)
"""Schemes by which a redirect would run code, or show what its sender wrote."""


class ClientPolicy:
    """Lets programs in that send users back to their own machine, or to any https host.

    A subclass changes its attributes, or adds to `check`. One is made for each request.

    Attributes:
        hosts: Hosts that users may be sent to over https, and of documents that clients
            are known by: names, or `.example.com` for a domain with all below it. None
            for every host.
        clients_per_minute: How many new clients one source may register in a minute.
        max_unused_clients: How many clients that came by themselves are kept while no
            user has let them in; for a new one the oldest of them is forgotten.
        unused_client_seconds: For how long none is forgotten, as its user may just be
            logging in.
    """

    hosts: Collection[str] | None = None
    clients_per_minute: int = 30
    max_unused_clients: int = 10_000
    unused_client_seconds: int = 60 * 60

    def check(self, request: HttpRequest, metadata: ClientMetadata) -> None:
        """Refuse a program that may not become a client.

        Args:
            request: By which it registers, or by which its user wants to log in.
            metadata: What it says of itself.

        Raises:
            ClientRefused: It may not.
        """
        for uri in metadata.redirect_uris:
            if fault := self.fault_of_redirect_uri(uri):
                raise ClientRefused(
                    f"redirect URI {shown(uri.text)} is not allowed: {fault}",
                    error=WRONG_REDIRECT_URI,
                )

    def fault_of_redirect_uri(self, uri: RedirectURI) -> str | None:
        """Say why users may not be sent to a URI; None if they may."""
        if uri.is_loopback:
            return None
        if uri.scheme == "http":
            return "http is for programs on the user's own machine; use https"
        if uri.scheme == "https":
            return None if self.allows_host(uri.host) else "this site does not know it"
        allowed = {
            scheme.lower() for scheme in oauth2_settings.ALLOWED_REDIRECT_URI_SCHEMES
        }
        if uri.scheme in _NEVER or uri.scheme not in allowed:
            return f"this site allows no scheme {shown(uri.scheme)}"
        return None

    def allows_host(self, host: str) -> bool:
        """Say whether users may be sent to a host, or a client's document be there."""
        return self.hosts is None or validate_host(host, self.hosts)

    def allows_document(self, request: HttpRequest, client_id: str) -> bool:
        """Say whether the document of a client may be fetched.

        Args:
            request: Of the user who wants to log in with that client.
            client_id: The URL of the document.
        """
        return self.allows_host(urlsplit(client_id).hostname or "")

    def source_of(self, request: HttpRequest, metadata: ClientMetadata) -> str:
        """Name whom a new client counts for.

        That is the network that it registers from; and, as all users of a hosted client
        come from few addresses, the client's host where all its redirect URIs are on
        one of `KNOWN_HOSTS`.
        """
        hosts = {uri.host for uri in metadata.redirect_uris}
        known = hosts.pop() if len(hosts) == 1 else ""
        return f"{known if known in KNOWN_HOSTS else ''} {network_of(request)}"


class KnownClientsPolicy(ClientPolicy):
    """Lets in the clients of `KNOWN_HOSTS`, and programs on the user's own machine."""

    hosts = KNOWN_HOSTS


def client_policy() -> ClientPolicy:
    """Make the policy of the site.

    Raises:
        ImportError: `MCP["CLIENT_POLICY"]` names nothing.
    """
    policy: ClientPolicy = import_string(mcp_settings.CLIENT_POLICY)()
    return policy


def network_of(request: HttpRequest) -> str:
    """Name the network that a request comes from: of IPv6, what one site has.

    Behind a proxy `REMOTE_ADDR` is the client's only where the server takes it from the
    proxy, as Daphne does with `--proxy-headers`.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
