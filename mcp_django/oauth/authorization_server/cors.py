"""CORS of what any page may ask: nothing there depends on who is logged in."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

_REQUEST_HEADERS: Final = "accept, authorization, content-type, mcp-protocol-version"
_DAY: Final = "86400"


def allow_all_origins(
    request: HttpRequest, response: HttpResponse, methods: str
) -> None:
    """Let pages of all origins read an answer, and ask with a header of their own.

    Cookies are not allowed by that.

    Spec: Fetch, "CORS protocol".
    """
    response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Expose-Headers"] = "www-authenticate"
    if request.method == "OPTIONS":
        wanted = request.headers.get("Access-Control-Request-Headers")
        response["Access-Control-Allow-Methods"] = methods
        response["Access-Control-Allow-Headers"] = wanted or _REQUEST_HEADERS
        response["Access-Control-Max-Age"] = _DAY
        patch_vary_headers(response, ["Access-Control-Request-Headers"])
