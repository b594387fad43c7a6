"""The document that says where programs find what the authorization server has.

Spec: RFC 8414, section 2; RFC 9207, section 3; 2026-07-28 basic/authorization,
"Authorization Server Metadata Discovery".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import NoReverseMatch
from oauth2_provider.settings import oauth2_settings

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.authorization_server.grants import S256
from mcp_django.oauth.authorization_server.issuer import issuer_of, url_of
from mcp_django.oauth.authorization_server.scopes import EndpointScopes
from mcp_django.server.well_known import Place

logger = FaultLog("mcp_django.oauth")

AUTH_METHODS: Final = ("none", "client_secret_basic", "client_secret_post")
"""How programs prove who they are, where they have a secret."""

_NEVER: Final = frozenset({"implicit", "password"})

_ENDPOINTS: Final = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "revocation_endpoint": "revoke",
}


def describe(request: HttpRequest, place: Place) -> HttpResponse | None:
    """Give the document of the authorization server.

    The issuer is the site's root, so there is no document for the path of an endpoint:
    clients must not use one whose issuer is another than they asked for, and go on to
    the root.
    """
    if place.path.rstrip("/"):
        return None
    try:
        return JsonResponse(dict(_fields(request)))
    except NoReverseMatch:
        return None  # The URLs are not included; a system check says so.
    except DisallowedHost as error:
        logger.warning(
            "no metadata is given, as the host is not allowed: %s", error, of=str(error)
        )
        told = {"error": "invalid_request", "error_description": "Host not allowed"}
        return JsonResponse(told, status=400)


def _fields(request: HttpRequest) -> Iterator[tuple[str, Any]]:
    yield "issuer", issuer_of(request)
    for field, name in _ENDPOINTS.items():
        yield field, url_of(name, request)
    if oauth2_settings.DCR_ENABLED:
        yield "registration_endpoint", url_of("register", request)
    yield "scopes_supported", sorted(EndpointScopes().of_endpoints())
    yield "response_types_supported", ["code"]
    yield "response_modes_supported", ["query"]
    grants = oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED
    yield "grant_types_supported", [name for name in grants if name not in _NEVER]
    yield "code_challenge_methods_supported", [S256]
    yield "token_endpoint_auth_methods_supported", AUTH_METHODS
    yield "revocation_endpoint_auth_methods_supported", AUTH_METHODS
    yield "authorization_response_iss_parameter_supported", True
    yield "client_id_metadata_document_supported", bool(oauth2_settings.CIMD_ENABLED)
