"""CORS for what programs in any web page may ask: documents, and endpoints of OAuth.

None of it looks at cookies, so a page learns nothing by it that it could not ask from
anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, Final, TypeAlias

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from mcp_django.consumers.cors import ANSWERS_CORS

View: TypeAlias = Callable[..., HttpResponseBase]

_REQUEST_HEADERS: Final = "accept, authorization, content-type, mcp-protocol-version"
_PREFLIGHT_SECONDS: Final = 24 * 60 * 60


def open_to_all_origins(methods: Collection[str]) -> Callable[[View], View]:
    """Let pages of every origin ask a view and read its answers, without cookies.

    Preflights are answered without asking the view.

    Args:
        methods: What the view takes, such as `["POST"]`.

    Spec: Fetch, "CORS protocol".
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if _is_preflight(request):
                response: HttpResponseBase = HttpResponse(status=204)
                response["Access-Control-Allow-Methods"] = ", ".join(methods)
                response["Access-Control-Allow-Headers"] = _REQUEST_HEADERS
                response["Access-Control-Max-Age"] = str(_PREFLIGHT_SECONDS)
            else:
                response = view(request, *args, **kwargs)
                response["Access-Control-Expose-Headers"] = (
                    "www-authenticate, retry-after"
                )
            response["Access-Control-Allow-Origin"] = "*"
            return response

        setattr(answer, ANSWERS_CORS, True)
        return answer

    return decorate


def _is_preflight(request: HttpRequest) -> bool:
    return (
        request.method == "OPTIONS"
        and "Access-Control-Request-Method" in request.headers
    )
