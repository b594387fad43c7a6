"""The authorization endpoint: what it refuses, and how it answers programs.

What users see there is `consent`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.utils.encoding import iri_to_uri
from django.utils.translation import gettext, gettext_noop
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views import AuthorizationView
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2.rfc6749 import errors

from mcp_django.oauth.authorization_server.client_documents import (
    may_be_document,
    read_document,
)
from mcp_django.oauth.authorization_server.core import find_application, with_issuer
from mcp_django.oauth.authorization_server.introductions import (
    Destination,
    Introduction,
)
from mcp_django.oauth.authorization_server.oauthlib_view import OAuthlibView
from mcp_django.oauth.authorization_server.parameters import (
    BadParameters,
    Parameters,
    read_query,
)
from mcp_django.oauth.resources import (
    ProtectedResource,
    find_resource,
    sole_resource,
)
from mcp_django.rendering import render_page

_ERROR_TEMPLATE: Final = "mcp_django/oauth/error.html"

_UNKNOWN_CLIENT: Final = gettext_noop(
    "The program is not known here; it has to register again."
)
_UNREAD: Final = "the document of the client could not be read, or is not allowed here"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a program asks the user for; all of it has been checked.

    Attributes:
        application: The program, a row of the toolkit's.
        credentials: As oauthlib wants them back to make a code.
        scopes: What it asks for, of what the endpoint has.
        resource: The endpoint that it asks for.
        redirect_uri: Where the answer goes.
        prompt: Values of OpenID's parameter, such as "none".
    """

    application: Any
    credentials: dict[str, Any]
    scopes: Sequence[str]
    resource: ProtectedResource
    redirect_uri: str
    prompt: frozenset[str]


# The documents of programs are fetched here, which no transaction should wait for.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
# Spec: RFC 9700, section 4.11.2: nothing is redirected to a program before the user has
# logged in, or the site would send on all who follow a link.
@method_decorator(login_not_required, name="dispatch")
class AuthorizeView(OAuthlibView, AuthorizationView):  # type: ignore[misc]
    """Checks what a program asks for, has the user log in, and then calls `ask`.

    All parameters are those of the URL's query, with GET and with POST: the form on
    the page brings what the user decided, and nothing that the program asked for.

    Spec: 2025-11-25 basic/authorization; OAuth 2.1 draft 13, section 4.1.
    """

    http_method_names = ("get", "head", "post", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse programs that are not known, before the user is asked to log in."""
        try:
            self.parameters = read_query(request)
            refusal = self._refuse_unknown(self.parameters)
            response = refusal or super().dispatch(request, *args, **kwargs)
        except BadParameters as error:
            response = self._show(errors.InvalidRequestFatalError(str(error)))
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the user what is asked for."""
        return self._answer(request)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Take what the user decided."""
        return self._answer(request)

    def ask(self, request: HttpRequest, asked: AuthorizationRequest) -> HttpResponse:
        """Show the user what is asked for, or take what they decided.

        Args:
            request: GET or POST, of a user who has logged in.
            asked: What the program asks for.

        Returns:
            A page, or what `allow`, `deny` or `refuse` gives.
        """
        raise NotImplementedError("a subclass says what users see")

    # Answers to the program -------------------------------------------------------

    def allow(self, asked: AuthorizationRequest, scopes: Iterable[str]) -> HttpResponse:
        """Send the program a code for what the user allows.

        Args:
            asked: What it asked for.
            scopes: What of that the user allows; nothing is a no.
        """
        granted = [scope for scope in asked.scopes if scope in frozenset(scopes)]
        if not granted:
            return self.deny(asked)
        credentials = asked.credentials | {"resource": [asked.resource.url]}
        try:
            uri, _, _, _ = self.get_oauthlib_core().create_authorization_response(
                self.request, granted, credentials, allow=True
            )
        except OAuthToolkitError as error:
            return self._refuse_with(error.oauthlib_error)
        return _redirect(uri)

    def deny(self, asked: AuthorizationRequest) -> HttpResponse:
        """Tell the program that the user does not want it."""
        return self.refuse(asked, "access_denied", "the user has not allowed it")

    def refuse(
        self, asked: AuthorizationRequest, error: str, description: str
    ) -> HttpResponse:
        """Tell the program that it gets no code.

        Args:
            asked: What it asked for.
            error: Code of OAuth or OpenID, such as "consent_required".
            description: Says why, in one sentence.
        """
        return self._redirect_error(asked.redirect_uri, error, description)

    # ------------------------------------------------------------------------------

    def handle_no_permission(self) -> HttpResponse:
        """Send the user to the login page, unless the program wants no page at all."""
        if "none" in self._prompt():
            return self._refuse_without_page()
        response: HttpResponse = super().handle_no_permission()
        return response

    def _refuse_without_page(self) -> HttpResponse:
        """Tell the program that no user has logged in, or what else is wrong.

        People are told instead where a stranger may have registered the program at a
        web site of theirs: else a link to this site would lead there.

        Spec: RFC 9700, section 4.11.2.
        """
        try:
            _, credentials = self.validate_authorization_request(self.request)
            refused = errors.LoginRequired("the user has not logged in")
            refused.redirect_uri = credentials["redirect_uri"]
        except FatalClientError as error:
            return self._refuse(error)
        except OAuthToolkitError as error:
            refused = error.oauthlib_error
        application = find_application(self.parameters.get("client_id"))
        is_known = Introduction.of(application).is_known
        if not is_known and Destination.of(refused.redirect_uri).is_web:
            reason = refused.description or refused.error
            return self._show(errors.InvalidRequestFatalError(reason))
        return self._refuse_with(refused)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        read_document(request, self.parameters.get("client_id"))
        try:
            _, credentials = self.validate_authorization_request(request)
        except OAuthToolkitError as error:
            return self._refuse(error)
        if request.method != "POST" and "login" in self._prompt():
            response: HttpResponse = self.handle_prompt_login()
            return response
        try:
            resource = self._resource()
            scopes = self._scopes(resource)
        except errors.OAuth2Error as error:
            error.redirect_uri = credentials["redirect_uri"]
            return self._refuse_with(error)
        asked = AuthorizationRequest(
            application=credentials["request"].client,
            credentials=credentials,
            scopes=scopes,
            resource=resource,
            redirect_uri=credentials["redirect_uri"],
            prompt=self._prompt(),
        )
        return self.ask(request, asked)

    def _prompt(self) -> frozenset[str]:
        return frozenset(self.parameters.get("prompt").split())

    def _resource(self) -> ProtectedResource:
        """Give the endpoint that is asked for.

        Raises:
            CustomOAuth2Error: There is none, or it is not clear which.

        Spec: RFC 8707, section 2.
        """
        urls = self.parameters.resources
        if not urls:
            # Clients from before 2025-06-18 name none. Where there is one endpoint
            # they can mean no other, and the token is for that one all the same.
            only = sole_resource(self.request)
            if only is None:
                raise _invalid_target("the parameter resource has to name one endpoint")
            return only
        found = {url: find_resource(url, self.request) for url in urls}
        named = {resource.url: resource for resource in found.values() if resource}
        if None in found.values():
            raise _invalid_target("this resource is no MCP endpoint of the site")
        if len(named) > 1:
            raise _invalid_target("a token is for one resource only")
        return next(iter(named.values()))

    def _scopes(self, resource: ProtectedResource) -> Sequence[str]:
        """Give the scopes that are asked for, without those that nothing here has.

        Spec: RFC 6749, section 3.3: they may be ignored, if the program is told.
        """
        asked = self.parameters.get("scope").split()
        if not asked:
            return resource.server.login_scopes
        known = list(dict.fromkeys(name for name in asked if name in resource.scopes))
        if not known:
            raise errors.InvalidScopeError("the endpoint has none of these scopes")
        return known

    # Refusals -----------------------------------------------------------------------

    def _refuse_unknown(self, parameters: Parameters) -> HttpResponse | None:
        """Refuse a program that is not known; None if it is, or may be.

        A program whose id is the URL of its metadata is not looked at before the user
        has logged in, or strangers could have the site fetch what they like.
        """
        client_id = parameters.get("client_id")
        if oauth2_settings.CIMD_ENABLED and may_be_document(client_id):
            return None
        if not client_id or find_application(client_id) is None:
            return self._show(errors.InvalidClientIdError(_UNKNOWN_CLIENT))
        try:
            self.validate_authorization_request(self.request)
        except FatalClientError as error:
            return self._show(error.oauthlib_error)
        except OAuthToolkitError:
            return None  # It is told to the program once the user has logged in.
        return None

    def _refuse(self, error: Any) -> HttpResponse:
        if not isinstance(error, FatalClientError):
            return self._refuse_with(error.oauthlib_error)
        client_id = self.parameters.get("client_id")
        is_of_client = isinstance(error.oauthlib_error, errors.InvalidClientIdError)
        if is_of_client and may_be_document(client_id):
            return self._show(errors.InvalidClientIdError(_UNREAD), client_id)
        return self._show(error.oauthlib_error)

    def _refuse_with(self, error: Any) -> HttpResponse:
        """Tell the program what is wrong with what it asks."""
        return self._redirect_error(error.redirect_uri, error.error, error.description)

    def _redirect_error(
        self, redirect_uri: str, error: str, description: str
    ) -> HttpResponse:
        told = [("error", error)]
        told += [("error_description", description)] if description else []
        state = self.parameters.get("state")
        told += [("state", state)] if state else []
        uri = add_params_to_uri(redirect_uri, told)
        return _redirect(with_issuer(uri, self.request))

    def _show(self, error: Any, document: str = "") -> HttpResponse:
        """Show what is wrong, since there is no program to which it could be told.

        Args:
            error: What is wrong.
            document: URL of what the program publishes, where the site cannot take it.
        """
        is_of_client = isinstance(error, errors.InvalidClientIdError)
        if self._is_program():
            told = {
                "error": "invalid_client" if is_of_client else "invalid_request",
                "error_description": error.description,
            }
            return JsonResponse(told, status=400)
        reason = gettext(error.description)
        context = {
            "reason": reason,
            "is_english": reason == error.description,
            "document": document,
        }
        return render_page(self.request, _ERROR_TEMPLATE, context, status=400)

    def _is_program(self) -> bool:
        types = ["text/html", "application/json"]
        return bool(self.request.get_preferred_type(types) == "application/json")


def _invalid_target(description: str) -> errors.OAuth2Error:
    return errors.CustomOAuth2Error("invalid_target", description)


def _redirect(uri: str) -> HttpResponse:
    """Send the user on to a URI that was compared with those registered.

    Its scheme may be one of an application on the user's machine.
    """
    headers = {"Location": iri_to_uri(uri), "Referrer-Policy": "no-referrer"}
    return HttpResponse(status=302, headers=headers)
