"""The ways to a token that there are: a code, a refresh token, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.endpoints.authorization import AuthorizationEndpoint
from oauthlib.oauth2.rfc6749.endpoints.introspect import IntrospectEndpoint
from oauthlib.oauth2.rfc6749.endpoints.resource import ResourceEndpoint
from oauthlib.oauth2.rfc6749.endpoints.revocation import RevocationEndpoint
from oauthlib.oauth2.rfc6749.endpoints.token import TokenEndpoint
from oauthlib.oauth2.rfc6749.grant_types import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from oauthlib.oauth2.rfc6749.tokens import BearerToken

S256: Final = "S256"

_S256_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # oauthlib has no types
    """Gives tokens for a code, which is good for one try.

    Args:
        validator: The `Validator`.
    """

    def __init__(self, validator: Any) -> None:
        super().__init__(validator, post_auth=[_check_challenge])

    def validate_token_request(self, request: Any) -> None:
        """Refuse a request whose code, verifier or redirect URI is not the right one.

        Raises:
            OAuth2Error: It is not; the code has ended, and with it what it brought.

        Spec: OAuth 2.1 draft 13, section 4.1.3.
        """
        try:
            _check_verifier(request)
            super().validate_token_request(request)
        except errors.MismatchingRedirectURIError:
            self.request_validator.end_code(request.code)
            raise errors.InvalidGrantError(request=request) from None
        except (errors.InvalidGrantError, errors.MissingCodeVerifierError):
            self.request_validator.end_code(request.code)
            raise


class Server(
    AuthorizationEndpoint,  # type: ignore[misc]
    TokenEndpoint,  # type: ignore[misc]
    ResourceEndpoint,  # type: ignore[misc]
    RevocationEndpoint,  # type: ignore[misc]
    IntrospectEndpoint,  # type: ignore[misc]
):
    """Takes the grants of `OAUTH2_GRANT_TYPES_SUPPORTED`, which the metadata names.

    There is neither an implicit nor a password grant, whatever the setting says.

    Args:
        request_validator: The `Validator`.
        token_expires_in: Seconds that access tokens are good for.
        token_generator: Makes their texts.
        refresh_token_generator: Makes those of refresh tokens.
        others: Of the toolkit, for grants that there are not.
    """

    def __init__(
        self,
        request_validator: Any,
        token_expires_in: int | None = None,
        token_generator: Callable[..., str] | None = None,
        refresh_token_generator: Callable[..., str] | None = None,
        **others: Any,
    ) -> None:
        code = CodeGrant(request_validator)
        bearer = BearerToken(
            request_validator,
            token_generator,
            token_expires_in,
            refresh_token_generator,
        )
        AuthorizationEndpoint.__init__(
            self,
            default_response_type="code",
            response_types={"code": code},
            default_token_type=bearer,
        )
        TokenEndpoint.__init__(
            self,
            default_grant_type="authorization_code",
            grant_types={"authorization_code": code} | _others(request_validator),
            default_token_type=bearer,
        )
        ResourceEndpoint.__init__(
            self, default_token="Bearer", token_types={"Bearer": bearer}
        )
        RevocationEndpoint.__init__(self, request_validator)
        IntrospectEndpoint.__init__(self, request_validator)


_GRANTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "refresh_token": RefreshTokenGrant,
    "client_credentials": ClientCredentialsGrant,
}


def _others(validator: Any) -> dict[str, Any]:
    supported = oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED
    return {
        name: make(validator) for name, make in _GRANTS.items() if name in supported
    }


def _check_challenge(request: Any) -> dict[str, Any]:
    """Refuse what is not the digest of a verifier.

    Raises:
        InvalidRequestError: It is not.

    Spec: RFC 7636, section 4.2: BASE64URL of 32 bytes.
    """
    if request.code_challenge_method != S256:
        raise errors.InvalidRequestError(
            "code_challenge_method must be S256", request=request
        )
    if not _S256_CHALLENGE.fullmatch(request.code_challenge):
        raise errors.InvalidRequestError(
            "code_challenge must be the BASE64URL of a SHA-256, 43 characters",
            request=request,
        )
    return {}


def _check_verifier(request: Any) -> None:
    if request.code is None or request.code_verifier is None:
        return
    if not _VERIFIER.fullmatch(request.code_verifier):
        raise errors.InvalidGrantError(request=request)
