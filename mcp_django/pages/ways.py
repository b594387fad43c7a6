"""How programs are let in at an endpoint, by what the project has installed and set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.apps import apps
from django.http import HttpRequest
from django.utils.module_loading import import_string

from mcp_django.auth.authenticators import authenticators, is_open_to_all
from mcp_django.pages.clients import Way
from mcp_django.server.endpoints import Endpoint
from mcp_django.server.server import Server
from mcp_django.server.well_known import Place, documents

_OF_OAUTH: Final = "oauth-protected-resource"
"""By this document programs learn where they log in. Spec: RFC 9728, section 3."""


def ways_in(request: HttpRequest, server: Server, path: str) -> Sequence[Way]:
    """Give the ways in at an endpoint, the best first; none where no program gets in.

    Args:
        request: One to the site that the endpoint is of.
        server: What answers at the endpoint.
        path: Where it is, with the script name; "" at the root.
    """
    if is_open_to_all():
        return [Way.OPEN]
    found = [Way.OAUTH] if _says_where_to_log_in(request, server, path) else []
    return [*found, Way.TOKEN] if takes_tokens() else found


def takes_tokens() -> bool:
    """Say whether tokens of `mcp_django.tokens` open anything."""
    if not apps.is_installed("mcp_django.tokens"):
        return False
    kind = import_string("mcp_django.auth.tokens.TokenAuthenticator")
    return any(isinstance(each, kind) for each in authenticators())


def _says_where_to_log_in(request: HttpRequest, server: Server, path: str) -> bool:
    describe = documents.get(_OF_OAUTH)
    if describe is None:
        return False
    place = Place(_OF_OAUTH, path or "/", Endpoint(server, "mcp"))
    document = describe(request, place)
    return document is not None and document.status_code == 200
