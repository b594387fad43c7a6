"""What stands between Django's requests and oauthlib."""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from django.http import HttpRequest
from oauth2_provider.exceptions import FatalClientError, OAuthToolkitError
from oauth2_provider.models import get_application_model
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.scopes import get_scopes_backend
from oauthlib import oauth2
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2.rfc6749 import errors

from mcp_django.oauth.authorization_server.issuer import issuer_of
from mcp_django.oauth.authorization_server.parameters import (
    BadParameters,
    Parameters,
    read_form,
    read_query,
)
from mcp_django.oauth.resources import find_resource

_MAX_CLIENT_ID = 255


class Core(OAuthLibCore):  # type: ignore[misc]  # the toolkit has no types
    """Asks oauthlib about requests of Django, whose parameters it reads itself.

    Name it as `OAUTH2_BACKEND_CLASS`; `oauth2_provider()` does.
    """

    def validate_authorization_request(
        self, request: HttpRequest
    ) -> tuple[list[str], dict[str, Any]]:
        """Check what a program asks for, but not for which resource.

        Returns:
            Scopes that there are, of those that it asks for, and the credentials, as
            the toolkit does. Those of an endpoint are not told from others.

        Raises:
            FatalClientError: The program or its redirect URI is not known.
            OAuthToolkitError: Something else is wrong, and the program may be told.
        """
        try:
            usual, credentials = self.server.validate_authorization_request(
                _uri(request), headers=self.extract_headers(request)
            )
            asked = read_query(request).get("scope").split()
        except BadParameters as error:
            fatal = errors.InvalidRequestFatalError(str(error))
            raise FatalClientError(error=fatal) from None
        except oauth2.FatalClientError as error:
            raise FatalClientError(error=error) from None
        except oauth2.OAuth2Error as error:
            raise OAuthToolkitError(error=error) from None
        known = get_scopes_backend().get_available_scopes(request=request)
        return [
            name for name in asked if name in known
        ] if asked else usual, credentials

    def create_authorization_response(
        self, request: HttpRequest, scopes: Any, credentials: Any, allow: bool
    ) -> tuple[str, dict[str, str], str | None, int]:
        """Make a code, and the URI that brings it to the program.

        Args:
            request: Asks for it.
            scopes: What the user allows.
            credentials: What was asked for with.
            allow: Whether the user allows it.

        Returns:
            The URI, headers, a body and a status, as the toolkit does.

        Raises:
            FatalClientError: The program or its redirect URI is not known.
            OAuthToolkitError: Something else is wrong, and the program may be told.
        """
        redirect_uri = credentials["redirect_uri"]
        try:
            if not allow:
                raise errors.AccessDeniedError(state=credentials.get("state"))
            headers, body, status = self.server.create_authorization_response(
                uri=_uri(request),
                headers=self.extract_headers(request),
                scopes=scopes,
                credentials=credentials | {"user": request.user},
            )
        except oauth2.FatalClientError as error:
            raise FatalClientError(error=error, redirect_uri=redirect_uri) from None
        except oauth2.OAuth2Error as error:
            raise OAuthToolkitError(error=error, redirect_uri=redirect_uri) from None
        uri = with_issuer(headers["Location"], request)
        return uri, headers | {"Location": uri}, body, status

    def create_token_response(
        self, request: HttpRequest
    ) -> tuple[None, dict[str, str], str, int]:
        """Give tokens for a code or a refresh token, or say why not."""
        try:
            form = read_form(request)
            self._check_client(request, form)
            headers, body, status = self.server.create_token_response(
                request.path,
                "POST",
                form.encode(_canonical(form, request)),
                self.extract_headers(request),
            )
        except BadParameters as error:
            return _refusal(errors.InvalidRequestError(str(error)))
        except oauth2.OAuth2Error as error:
            return _refusal(error)
        return None, headers, body, status

    def create_revocation_response(
        self, request: HttpRequest
    ) -> tuple[None, dict[str, str], str, int]:
        """End a token, or say why not."""
        try:
            form = read_form(request)
            self._check_client(request, form)
            headers, body, status = self.server.create_revocation_response(
                request.path, "POST", form.encode(), self.extract_headers(request)
            )
        except BadParameters as error:
            return _refusal(errors.InvalidRequestError(str(error)))
        except oauth2.OAuth2Error as error:
            return _refusal(error)
        return None, headers, body, status

    def extract_headers(self, request: HttpRequest) -> dict[str, Any]:
        """Give the headers that oauthlib and the toolkit look at."""
        headers: dict[str, Any] = super().extract_headers(request)
        scheme, _, rest = headers.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "basic":
            # The toolkit wants it written so. Spec: RFC 9110, section 11.1.
            headers["HTTP_AUTHORIZATION"] = f"Basic {rest}"
        return headers

    def _check_client(self, request: HttpRequest, form: Parameters) -> None:
        """Refuse a program that is not known, before its metadata is fetched.

        That is only done once a user of the site has come with it.

        Raises:
            InvalidClientError: It is not known.
            InvalidRequestError: It says in two ways who it is.
        """
        named, in_form = _id_in_basic(request), form.get("client_id")
        if named and in_form and named != in_form:
            raise errors.InvalidRequestError(
                "client_id is another one than in the header Authorization"
            )
        if find_application(named or in_form) is None:
            raise errors.InvalidClientError()


def find_application(client_id: str) -> Any:
    """Give the application of a program, None if it is not known."""
    if not (0 < len(client_id) <= _MAX_CLIENT_ID and client_id.isprintable()):
        return None
    return get_application_model().objects.filter(client_id=client_id).first()


def with_issuer(uri: str, request: HttpRequest) -> str:
    """Add to an answer who gives it. Spec: RFC 9207, section 2."""
    text: str = add_params_to_uri(uri, [("iss", issuer_of(request))])
    return text


def _uri(request: HttpRequest) -> str:
    """Write the URI of an authorization request anew.

    Resource and scopes are left out: oauthlib knows no resource, and scopes depend on
    it.

    Raises:
        BadParameters: It cannot be read.
    """
    query = read_query(request)
    return f"{request.path}?{query.encode(without=('scope', 'prompt'))}"


def _canonical(form: Parameters, request: HttpRequest) -> list[str]:
    """Give the canonical URLs of the resources that a form names.

    Raises:
        CustomOAuth2Error: One is no endpoint of the site.
    """
    found = [find_resource(url, request) for url in form.resources]
    urls = [resource.url for resource in found if resource is not None]
    if len(urls) < len(found):
        raise errors.CustomOAuth2Error(
            "invalid_target", "this resource is no MCP endpoint of the site"
        )
    return urls


def _id_in_basic(request: HttpRequest) -> str:
    """Give the client id of HTTP's Basic authentication, "" if there is none.

    Raises:
        InvalidClientError: It cannot be read.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise errors.InvalidClientError() from None
    client_id, separator, _ = text.partition(":")
    if not separator:
        raise errors.InvalidClientError()
    return unquote_plus(client_id)


def _refusal(error: Any) -> tuple[None, dict[str, str], str, int]:
    headers = {"Content-Type": "application/json"} | error.headers
    return None, headers, error.json, error.status_code
