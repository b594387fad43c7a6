"""The endpoints to which programs post: one gives tokens, the other ends them."""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import View
from oauth2_provider.models import get_access_token_model
from oauth2_provider.signals import app_authorized

from mcp_django.oauth.authorization_server.issuing import database
from mcp_django.oauth.authorization_server.oauthlib_view import OAuthlibView
from mcp_django.oauth.authorization_server.token_texts import checksum
from mcp_django.oauth.cors import open_to_all_origins

_SECRETS: Final = (
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "token",
)


# What makes and ends tokens has transactions of its own, which begin with a write: so
# of two requests one waits for the other, also where the database is SQLite.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
@method_decorator(open_to_all_origins(["POST"]), name="dispatch")
@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(login_not_required, name="dispatch")
@method_decorator(sensitive_post_parameters(*_SECRETS), name="dispatch")
class _ProgramView(OAuthlibView, View):
    """Answers programs: always in JSON, never kept by a cache, to any origin.

    There are no cookies here that a foreign page could abuse, and programs that run in
    a browser need it also where they are told that they are not known.
    """

    http_method_names = ("post",)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer a request."""
        response = super().dispatch(request, *args, **kwargs)
        assert isinstance(response, HttpResponse)
        response["Cache-Control"] = "no-store"
        return response

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Refuse all but POST."""
        told = {"error": "invalid_request", "error_description": "use POST"}
        return JsonResponse(told, status=405, headers={"Allow": "POST"})


class TokenView(_ProgramView):
    """Gives tokens for a code or a refresh token.

    Spec: OAuth 2.1 draft 13, section 3.2.
    """

    def post(self, request: HttpRequest) -> HttpResponse:
        """Give tokens, or say why not."""
        answer = self.get_oauthlib_core().create_token_response(request)
        response = _response(*answer)
        if response.status_code == 200:
            self._tell(request, json.loads(response.content)["access_token"])
        return response

    def _tell(self, request: HttpRequest, text: str) -> None:
        """Tell what listens to the toolkit's signal."""
        if not app_authorized.has_listeners(type(self)):
            return
        rows = get_access_token_model().objects.using(database())
        token = rows.filter(token_checksum=checksum(text)).first()
        app_authorized.send(type(self), request=request, token=token)


class RevokeView(_ProgramView):
    """Ends a token of the program that asks.

    Spec: RFC 7009.
    """

    def post(self, request: HttpRequest) -> HttpResponse:
        """End a token, or say why not; one that is not known has ended."""
        answer = self.get_oauthlib_core().create_revocation_response(request)
        return _response(*answer)


def _response(
    location: None, headers: dict[str, str], body: str | None, status: int
) -> HttpResponse:
    response = HttpResponse(body or "", status=status, headers=headers)
    if status == 401:
        # Spec: RFC 6749, section 5.2: the scheme by which programs prove who they are.
        response["WWW-Authenticate"] = 'Basic realm="mcp"'
    return response
