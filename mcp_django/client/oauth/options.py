"""How an `OAuth` object is to work."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from mcp_django.client.oauth.clients import RegisteredClient
from mcp_django.client.oauth.discovery import Trust
from mcp_django.client.oauth.grants import Grant
from mcp_django.client.oauth.redirect import Redirect
from mcp_django.client.oauth.storage import Storage
from mcp_django.transports.client.http_library import httpx2


@dataclass(frozen=True, slots=True)
class Options:
    """What `OAuth` was made with; see there."""

    storage: Storage
    redirect: Redirect | None
    grant: Grant | None
    client: RegisteredClient | None
    client_metadata_url: str | None
    client_name: str
    scopes: frozenset[str] | None
    http: httpx2.AsyncClient | None
    verify: ssl.SSLContext | None
    timeout: float
    login_timeout: float
    trust: Trust
