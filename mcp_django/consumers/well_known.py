"""Where clients look for OAuth after a 401, and what a site without it answers.

Without an answer they get the site's page for what it does not have, which they show to
their user: under `DEBUG` the whole URLconf. What the project has at such a path always
goes first.

Spec: 2025-11-25 basic/authorization, "Authorization Server Discovery"; RFC 8414,
section 3.1; RFC 9728, section 3.1; OpenID Connect Discovery 1.0, section 4.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.urls import Resolver404, ResolverMatch, get_script_prefix, resolve
from django.views.decorators.csrf import csrf_exempt

from mcp_django.consumers.cors import EndpointCorsMiddleware
from mcp_django.server.routes import all_endpoints, endpoint_at

NO_OAUTH: Final = "This site has no OAuth; ask its administrator for a token"

_METADATA = re.compile(
    r"(?P<before>.*)/\.well-known/"
    r"(?:oauth-protected-resource|oauth-authorization-server|openid-configuration)"
    r"(?P<after>(?:/.*)?)",
    re.DOTALL,
)
_REGISTRATION: Final = "/register"


def may_be_place(path: str) -> bool:
    """Say quickly whether a path may be one where clients look for OAuth."""
    return "/.well-known/" in path or _is_registration(path)


def _is_registration(path: str) -> bool:
    return path.removesuffix("/").endswith(_REGISTRATION)


def is_place(path: str, script_name: str) -> bool:
    """Say whether clients of the project's MCP endpoints look for OAuth at a path.

    They put the path of the endpoint behind the well-known one, or before it, or leave
    it out.

    Args:
        path: The whole path of a URL.
        script_name: The part of the site's paths that is not in its URLconf.
    """
    if path.removesuffix("/") in (_REGISTRATION, script_name + _REGISTRATION):
        return bool(all_endpoints())
    match = _METADATA.fullmatch(path)
    if match is None:
        return False
    before, after = match["before"], match["after"].rstrip("/")
    if before in ("", script_name):
        return _is_endpoint(after, script_name) if after else bool(all_endpoints())
    return not after and _is_endpoint(before, script_name)


def _is_endpoint(path: str, script_name: str) -> bool:
    if "/.well-known/" in path:  # Else a long path of many would ask again for each.
        return False
    path_info = path.removeprefix(script_name)
    return any(endpoint_at(found) for found in (path_info, f"{path_info}/"))


def asks_for_oauth(request: HttpRequest) -> bool:
    """Say whether a request looks for OAuth.

    Many sites have something else at /register: there a client posts JSON.
    """
    if not may_be_place(request.path):
        return False
    if _is_registration(request.path) and not _registers(request):
        return False
    return is_place(request.path, request.META.get("SCRIPT_NAME") or "")


def _registers(request: HttpRequest) -> bool:
    if request.method == "OPTIONS":
        return request.headers.get("Access-Control-Request-Method") == "POST"
    return request.method == "POST" and request.content_type == "application/json"


def is_left_to_us(request: HttpRequest) -> bool:
    """Say whether a request looks for OAuth where the project has nothing."""
    if not asks_for_oauth(request):
        return False
    match = match_of(request.path_info)
    return match is None or match.func is no_oauth


def registers_in_vain(request: HttpRequest) -> bool:
    """Say whether a client registers where only `APPEND_SLASH` has an answer.

    That leads to a form for people, or fails under `DEBUG`.
    """
    return (
        request.path.endswith(_REGISTRATION)
        and is_left_to_us(request)
        and _leads_on(request.path_info)
    )


def _leads_on(path_info: str) -> bool:
    """Say whether the project has something at the same path with a slash."""
    if not settings.APPEND_SLASH or path_info.endswith("/"):
        return False
    match = match_of(f"{path_info}/")
    return match is not None and match.func is not no_oauth


def match_of(path_info: str) -> ResolverMatch | None:
    """Give what the URLconf has at a path, None if nothing."""
    try:
        return resolve(path_info)
    except Resolver404:
        return None


def answer(request: HttpRequest) -> HttpResponse:
    """Answer a request that looks for OAuth, or its preflight.

    The body is shaped as errors of OAuth are, of which clients show the description.
    """
    response: HttpResponse = JsonResponse(
        {"error": "not_found", "error_description": NO_OAUTH},
        status=404,
        headers={"cache-control": "no-store"},
    )
    cors = _cors_middleware()
    if cors.check_preflight(request):
        response = HttpResponse()
    cors.add_response_headers(request, response)
    return response


@cache
def _cors_middleware() -> EndpointCorsMiddleware:
    return EndpointCorsMiddleware(lambda request: HttpResponse())


@csrf_exempt
@login_not_required
def no_oauth(request: HttpRequest, place: str) -> HttpResponse:
    """Say that there is no OAuth, as a view of `mcp_django.urls`.

    Where the project has the same path with a slash, all else is led there, as
    `APPEND_SLASH` does where nothing is.

    Raises:
        Http404: The request is for something else.
    """
    if asks_for_oauth(request):
        return answer(request)
    if _leads_on(request.path_info):
        target = request.get_full_path(force_append_slash=True)
        return HttpResponsePermanentRedirect(target)
    raise Http404("there is nothing here")


class PlaceConverter:
    """Matches a whole path where clients look for OAuth, unless it is somebody's.

    `APPEND_SLASH` leads from a path that nobody has to the same with a slash: where the
    project has that one, this must not get between.
    """

    regex = r"(?:.*/)?\.well-known/.*|register/?"

    def to_python(self, value: str) -> str:
        """Give the path back.

        Raises:
            ValueError: It is another one.
        """
        path = f"/{value}"
        if not is_place(path, get_script_prefix().rstrip("/")):
            raise ValueError(f"{path!r} is no place of OAuth")
        if path != _REGISTRATION and _leads_on(path):
            raise ValueError(f"{path!r} leads to {path + '/'!r}")
        return value

    def to_url(self, value: str) -> str:
        """Give the path back."""
        return value
