"""What says where programs log in: the metadata of each endpoint, and its challenges.

Spec: RFC 9728, sections 2, 3 and 5.1; 2025-11-25 basic/authorization, "Authorization
Server Location" and "Scope Selection Strategy".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse

from mcp_django.auth.authenticators import authenticators
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.resources import (
    ProtectedResource,
    resource_at,
    resource_of,
    sole_resource,
)
from mcp_django.server.showing import translated
from mcp_django.server.well_known import Place

logger = FaultLog("mcp_django.oauth")


@runtime_checkable
class NamesIssuers(Protocol):
    """An authenticator that takes tokens of OAuth, and says who issues them."""

    def authorization_servers(self, request: HttpRequest) -> Sequence[str]:
        """Give the issuers, each an URL; called by the event loop."""


def authorization_servers(request: HttpRequest) -> list[str]:
    """Give the issuers whose tokens are taken, in the order of the authenticators.

    Raises:
        Exception: Whatever an authenticator raises.
    """
    return list(
        dict.fromkeys(
            issuer
            for authenticator in authenticators()
            if isinstance(authenticator, NamesIssuers)
            for issuer in authenticator.authorization_servers(request)
        )
    )


def describe(request: HttpRequest, place: Place) -> HttpResponse | None:
    """Give the metadata of an endpoint: the document of RFC 9728.

    Returns:
        The document, which names the endpoint as the client wrote it. None if no
        authenticator takes tokens of OAuth; if an endpoint is not named, and there are
        several; and for `/messages`, which clients do not know before they are in.

    Raises:
        Exception: Whatever an authenticator raises.
    """
    try:
        issuers = authorization_servers(request)
        resource = _resource_at(place, request)
    except DisallowedHost as error:
        logger.warning(
            "no metadata is given, as the host is not allowed: %s", error, of=str(error)
        )
        told = {"error": "invalid_request", "error_description": "Host not allowed"}
        return JsonResponse(told, status=400)
    if resource is None or not issuers:
        return None
    return JsonResponse(_metadata(resource, issuers))


def said_in_challenges(request: HttpRequest) -> Mapping[str, str]:
    """Give what each challenge for a bearer token says of OAuth.

    Raises:
        Exception: Whatever an authenticator raises.
    """
    resource = resource_of(request)
    if resource is None or not authorization_servers(request):
        return {}
    said = {"resource_metadata": resource.metadata_url}
    if scopes := resource.server.login_scopes:
        said["scope"] = " ".join(scopes)
    return said


def _resource_at(place: Place, request: HttpRequest) -> ProtectedResource | None:
    if place.endpoint is None:
        return sole_resource(request)
    if place.endpoint.binding == "messages":
        return None
    return resource_at(place.path, request)


def _metadata(resource: ProtectedResource, issuers: list[str]) -> dict[str, Any]:
    server = resource.server
    shown = translated(server, server.implementation)
    metadata = {
        "resource": resource.asked_url,
        "authorization_servers": issuers,
        # By the specification of MCP those to begin with, not all there are.
        "scopes_supported": list(server.login_scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": shown.get("title") or server.name,
        "resource_documentation": shown.get("websiteUrl"),
    }
    # Spec: RFC 9728, section 3.2: what is empty is left out.
    return {name: value for name, value in metadata.items() if value}
