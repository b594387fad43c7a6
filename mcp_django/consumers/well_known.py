"""What clients get that look for OAuth after a 401, or for a document of an endpoint.

Without an answer they get the site's page for what it does not have, which they show to
their user: under `DEBUG` the whole URLconf. What the project has at such a path always
goes first.

Spec: 2025-11-25 basic/authorization, "Authorization Server Discovery".
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from io import BytesIO
from typing import Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, get_script_prefix, resolve
from django.views.decorators.csrf import csrf_exempt

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.consumers.applications import Application
from mcp_django.consumers.cors import answer_all_origins
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.server import well_known
from mcp_django.server.routes import all_endpoints
from mcp_django.server.well_known import documents, place_at

logger = FaultLog("mcp_django.consumers")

NO_OAUTH: Final = "This site has no OAuth; ask its administrator for a token"
NOT_HERE: Final = (
    "There is nothing here; the 401 of an MCP endpoint says where to log in"
)

_REGISTRATION: Final = "/register"


# Where clients look ---------------------------------------------------------------


def _may_be_place(path: str) -> bool:
    return well_known.may_be_place(path) or _is_registration(path)


def _is_registration(path: str) -> bool:
    return path.removesuffix("/").endswith(_REGISTRATION)


def _is_place(path: str, script_name: str) -> bool:
    """Say whether clients of the project's MCP endpoints look at a path.

    Args:
        path: The whole path of a URL.
        script_name: The part of the site's paths that is not in its URLconf.
    """
    if path.removesuffix("/") in (_REGISTRATION, script_name + _REGISTRATION):
        return bool(all_endpoints())
    if well_known.is_looked_for(path, script_name):
        return True
    return place_at(path, script_name) is not None


def _looks_for_us(request: HttpRequest) -> bool:
    """Say whether a request looks for OAuth, or for a document of an endpoint.

    Many sites have something else at /register: there a client posts JSON.
    """
    if not _may_be_place(request.path):
        return False
    if _is_registration(request.path) and not _registers(request):
        return False
    return _is_place(request.path, _script_name_of(request))


def _registers(request: HttpRequest) -> bool:
    if request.method == "OPTIONS":
        return request.headers.get("Access-Control-Request-Method") == "POST"
    return request.method == "POST" and request.content_type == "application/json"


def _script_name_of(request: HttpRequest) -> str:
    return request.META.get("SCRIPT_NAME") or ""


def is_left_to_us(request: HttpRequest) -> bool:
    """Say whether a request looks for us where the project has nothing."""
    if not _looks_for_us(request):
        return False
    return not _is_projects(match_of(request.path_info))


def _is_projects(match: ResolverMatch | None) -> bool:
    return match is not None and match.func is not answer_or_404


def match_of(path_info: str) -> ResolverMatch | None:
    """Give what the URLconf has at a path, None if nothing."""
    try:
        return resolve(path_info)
    except Resolver404:
        return None


_is_asking: Final = ContextVar("mcp_is_asking", default=False)
"""Whether what the project has beside us is being found out."""


def _others_have(path_info: str) -> bool:
    """Say whether the project has something of its own at a path, or leads from it."""
    token = _is_asking.set(True)
    try:
        is_there = match_of(path_info) is not None
        # Who posts JSON to `/register` is not led to a form.
        may_lead_on = path_info != _REGISTRATION
        return is_there or (may_lead_on and _leads_on(path_info))
    finally:
        _is_asking.reset(token)


def _leads_on(path_info: str) -> bool:
    """Say whether the project has something at the same path with a slash."""
    if not settings.APPEND_SLASH or path_info.endswith("/"):
        return False
    return _is_projects(match_of(f"{path_info}/"))


# What they get --------------------------------------------------------------------


def _answer(request: HttpRequest) -> HttpResponseBase:
    """Answer a request that looks for us, or its preflight, to pages of any origin."""
    method = "POST" if _is_registration(request.path) else "GET"
    asked = partial(_document_or_404, request)
    return answer_all_origins(request, [method], asked)


def _document_or_404(request: HttpRequest) -> HttpResponse:
    return _document_for(request) or _nothing()


def _document_for(request: HttpRequest) -> HttpResponse | None:
    place = place_at(request.path, _script_name_of(request))
    document = None if place is None else documents.get(place.name)
    if document is None or request.method not in ("GET", "HEAD"):
        return None
    assert place is not None
    try:
        return document(request, place)
    except Exception:
        logger.exception("no document can be given at %s; see the error", request.path)
        return JsonResponse({"error": "server_error"}, status=500)


def _nothing() -> HttpResponse:
    """Say that there is none, as errors of OAuth do: clients show the description."""
    description = NOT_HERE if documents.keys() & well_known.OF_OAUTH else NO_OAUTH
    return JsonResponse(
        {"error": "not_found", "error_description": description},
        status=404,
        headers={"cache-control": "no-store"},
    )


# The Django way in ----------------------------------------------------------------


@csrf_exempt
@login_not_required
def answer_or_404(request: HttpRequest, place: str) -> HttpResponseBase:
    """Answer what looks for us, as a view of `mcp_django.urls`.

    Where the project has the same path with a slash, all else is led there, as
    `APPEND_SLASH` does where nothing is.

    Raises:
        Http404: The request is for something else.
    """
    if _looks_for_us(request):
        return _answer(request)
    if _leads_on(request.path_info):
        target = request.get_full_path(force_append_slash=True)
        return HttpResponsePermanentRedirect(target)
    raise Http404("there is nothing here")


class PlaceConverter:
    """Matches a whole path where clients look.

    A document of ours is found there. For all else the project goes first, wherever it
    has its own, also where `APPEND_SLASH` leads from a path to the same with a slash.
    """

    regex = r"(?:.*/)?\.well-known/.*|register/?"

    def to_python(self, value: str) -> str:
        """Give the path back.

        Raises:
            ValueError: It is another one, or the project's.
        """
        path = f"/{value}"
        script_name = get_script_prefix().rstrip("/")
        if _is_asking.get() or not _is_place(path, script_name):
            raise ValueError(f"no client looks at {path!r}")
        place = place_at(path, script_name)
        is_ours = place is not None and place.name in documents
        if not is_ours and _others_have(path):
            raise ValueError(f"the project has something at {path!r}")
        return value

    def to_url(self, value: str) -> str:
        """Give the path back."""
        return value


# The ASGI way in ------------------------------------------------------------------


async def pass_on(
    application: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Let an application answer an HTTP request, and answer where it has nothing."""
    if not _may_be_place(scope["path"]):
        await application(scope, receive, send)
        return
    request = _request_of(scope)
    if request is None:
        await application(scope, receive, send)
    elif _registers_in_vain(request):
        await _send_response(_answer(request), send)
    else:
        await application(scope, receive, _replacing_404(request, send))


def _request_of(scope: Scope) -> HttpRequest | None:
    """Give the request as Django sees it, None if it cannot be read."""
    try:
        return ASGIRequest(scope, BytesIO())
    except (LookupError, ValueError, BadRequest):
        return None


def _registers_in_vain(request: HttpRequest) -> bool:
    """Say whether a client registers where only `APPEND_SLASH` has an answer.

    That leads to a form for people, or fails under `DEBUG`.
    """
    return (
        request.path.endswith(_REGISTRATION)
        and is_left_to_us(request)
        and _leads_on(request.path_info)
    )


def _replacing_404(request: HttpRequest, send: Send) -> Send:
    """Give a `send` that puts our answer in the place of Django's own 404.

    What a view says in JSON stays: the project may have an OAuth of its own.
    """
    is_replaced = False

    async def send_or_replace(event: Event) -> None:
        nonlocal is_replaced
        if event["type"] == "http.response.start" and event["status"] == 404:
            if _looks_for_us(request):
                is_projects = _is_projects(match_of(request.path_info))
                is_replaced = not (is_projects and _is_json(event))
            if is_replaced:
                await _send_response(_answer(request), send)
        if not is_replaced:
            await send(event)

    return send_or_replace


def _is_json(start: Event) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"application/json")
        for name, value in start["headers"]
    )


async def _send_response(response: HttpResponseBase, send: Send) -> None:
    assert isinstance(response, HttpResponse)  # no stream
    body = response.content
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
        if name.lower() != "content-length"
    ]
    headers.append((b"content-length", b"%d" % len(body)))
    start = {"status": response.status_code, "headers": headers}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": body})
