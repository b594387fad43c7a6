"""What decides about codes and tokens, and stores them, for oauthlib."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone
from oauth2_provider.models import get_access_token_model, get_grant_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.utils import scope_to_list

from mcp_django.oauth.authorization_server.issuing import (
    Login,
    claim_code,
    database,
    end_code,
    end_family,
    family_of,
    find_refresh_token,
    has_expired,
    is_active,
    refresh_tokens_with,
    repeat,
    save_access_token,
    use_refresh_token,
)
from mcp_django.oauth.authorization_server.redirect_uris import is_registered
from mcp_django.oauth.authorization_server.scopes import EndpointScopes
from mcp_django.oauth.authorization_server.token_texts import checksum, families_of


class Validator(OAuth2Validator):  # type: ignore[misc]  # the toolkit has no types
    """django-oauth-toolkit's validator, where what MCP needs goes beyond it.

    A code is good for one try, and a second ends what the first one brought. A refresh
    token may come twice within a minute, since answers are lost and processes share
    what they store; later that ends all that came of it. Users who were deactivated get
    no tokens, and tokens are for one endpoint.

    Name it, or a subclass, as `OAUTH2_VALIDATOR_CLASS`; `oauth2_provider()` does.

    Spec: 2025-11-25 basic/authorization; OAuth 2.1 draft 13, sections 4.1.3 and 4.3.
    """

    # Asking for a code ----------------------------------------------------------

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        """Say that it always is."""
        return True

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Any, *_: Any
    ) -> bool:
        """Say whether a program may ask for that: for a code alone."""
        is_usual = super().validate_response_type
        return response_type == "code" and is_usual(
            client_id, response_type, client, request
        )

    def save_authorization_code(
        self, client_id: str, code: dict[str, str], request: Any, *_: Any
    ) -> None:
        """Store a code, with all that it was asked for with."""
        lifetime = oauth2_settings.AUTHORIZATION_CODE_EXPIRE_SECONDS
        get_grant_model().objects.using(database()).create(
            application=request.client,
            user=request.user,
            code=code["code"],
            expires=timezone.now() + timedelta(seconds=lifetime),
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            code_challenge=request.code_challenge,
            code_challenge_method=request.code_challenge_method,
            resource=list(request.resource or ()),
        )

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Any, *_: Any
    ) -> bool:
        """Say whether a program may have users sent there.

        Spec: RFC 9700, section 2.1.
        """
        return is_registered(redirect_uri, request.client.redirect_uris.split())

    # Using a code -----------------------------------------------------------------

    def validate_code(
        self, client_id: str, code: str, client: Any, request: Any, *_: Any
    ) -> bool:
        """Say whether a code is good for a program; `end_code` follows if not."""
        grants = get_grant_model().objects.using(database()).select_related("user")
        grant = grants.filter(code=code, application=client).first()
        if grant is None or grant.is_expired() or not is_active(grant.user):
            return False
        request.grant = grant
        request.user = grant.user
        request.scopes = grant.scope.split()
        return True

    def end_code(self, code: str) -> None:
        """End a code with which something was wrong, and the tokens made from it."""
        end_code(code, families_of(code))

    def get_code_challenge(self, code: str, request: Any) -> str | None:
        """Give what the code was asked for with."""
        return request.grant.code_challenge or None

    def get_code_challenge_method(self, code: str, request: Any) -> str | None:
        """Give how that was made."""
        return request.grant.code_challenge_method or None

    def get_default_redirect_uri(self, client_id: str, request: Any, *_: Any) -> str:
        """Give the redirect URI of a request that names none.

        Spec: OAuth 2.1 draft 13, section 4.1.3: with a code, none is needed.
        """
        grant = getattr(request, "grant", None)
        if grant is not None:
            return str(grant.redirect_uri)
        return str(super().get_default_redirect_uri(client_id, request))

    def confirm_redirect_uri(
        self,
        client_id: str,
        code: str,
        redirect_uri: str,
        client: Any,
        request: Any = None,
        *_: Any,
    ) -> bool:
        """Say whether it is the one that the code was sent to."""
        return bool(request.grant.redirect_uri_allowed(redirect_uri))

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *_: Any
    ) -> None:
        """Do nothing: `save_bearer_token` has used the code up."""

    # Using a refresh token --------------------------------------------------------

    def validate_refresh_token(
        self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        """Say whether a refresh token is good for a program, also once more."""
        row = find_refresh_token(refresh_token, client)
        if row is not None and not is_active(row.user):
            return False
        request.repeated = None if row is None else repeat(refresh_token, row)
        if request.repeated is not None:
            request.user = row.user
            request.refresh_token_instance = row
            return True
        if row is None or row.revoked is not None:
            usual = super().validate_refresh_token
            return bool(usual(refresh_token, client, request, *args, **kwargs))
        # The toolkit would look again, and take what another request has used meanwhile
        # for a token that comes too late.
        if has_expired(row):
            return False
        request.user = row.user
        request.refresh_token_instance = row
        row.token_family = family_of(row)  # Of which new texts are made.
        return True

    def get_original_scopes(
        self, refresh_token: str, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Give the scopes that a refresh token stands for."""
        if request.repeated is not None:
            return request.repeated.access.scope
        return super().get_original_scopes(refresh_token, request, *args, **kwargs)

    def is_within_original_scope(
        self, request_scopes: list[str], refresh_token: str, request: Any, *_: Any
    ) -> bool:
        """Leave out scopes that nothing here has, as when the code was asked for."""
        known = set(EndpointScopes().get_all_scopes())
        original = set(scope_to_list(self.get_original_scopes(refresh_token, request)))
        wanted = [name for name in request_scopes if name in known]
        request.scopes = wanted
        return bool(wanted) and original.issuperset(wanted)

    # Making tokens ----------------------------------------------------------------

    def save_bearer_token(
        self, token: dict[str, Any], request: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Store the tokens that a code, a refresh token or a program is given.

        Args:
            token: What oauthlib made, and will send.
            request: Of oauthlib, for which it was made.

        Raises:
            OAuth2Error: They cannot be made.
        """
        match request.grant_type:
            case "authorization_code":
                self._save_first(token, request)
            case "refresh_token":
                self._save_next(token, request)
            case "client_credentials":
                self._save_own(token, request)
            case _:
                super().save_bearer_token(token, request, *args, **kwargs)

    def _save_first(self, token: dict[str, Any], request: Any) -> None:
        resource = _narrowed(request, request.grant.resource)
        family = next(families_of(request.code))
        login = Login(request.user, request.client, resource, family)
        if not claim_code(request.grant, login, token):
            self.end_code(request.code)
            raise errors.InvalidGrantError(request=request)

    def _save_next(self, token: dict[str, Any], request: Any) -> None:
        row = request.refresh_token_instance
        resource = _narrowed(request, row.resource)
        login = Login(request.user, request.client, resource, family_of(row))
        pair = request.repeated
        if pair is None:
            if use_refresh_token(row, login, token):
                return
            # Another request has used it meanwhile.
            row.refresh_from_db(using=database())
            pair = repeat(request.refresh_token, row)
        if pair is None:
            raise errors.InvalidGrantError(request=request)
        token["access_token"] = pair.access_text
        token["refresh_token"] = pair.refresh_text
        token["scope"] = pair.access.scope
        token["expires_in"] = pair.seconds_left

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Any, *_: Any
    ) -> bool:
        """Say whether a program may ask so; by itself only if it has a secret."""
        if grant_type == "client_credentials" and client.client_type == "public":
            return False
        is_usual = super().validate_grant_type
        return bool(is_usual(client_id, grant_type, client, request))

    def _save_own(self, token: dict[str, Any], request: Any) -> None:
        """Store the token of a program that acts as its owner, without a login."""
        owner = request.client.user
        if owner is None or not is_active(owner):
            raise errors.UnauthorizedClientError(
                "the application has no active user as whom it could act",
                request=request,
            )
        request.user = owner
        login = Login(owner, request.client, _resources_in(request), uuid.uuid4())
        save_access_token(login, token)

    # Revoking -----------------------------------------------------------------------

    def revoke_token(
        self, token: str, token_type_hint: str, request: Any, *_: Any, **__: Any
    ) -> None:
        """End a token of the program that asks, and all of the same login.

        Spec: RFC 7009, section 2.1.
        """
        row = find_refresh_token(token, request.client)
        if row is not None:
            end_family(row.token_family)
            row.revoke()
            return
        access_tokens = get_access_token_model().objects.using(database())
        found = access_tokens.filter(
            token_checksum=checksum(token), application=request.client
        )
        for access in found:
            for refresh in refresh_tokens_with(access):
                end_family(refresh.token_family)
                refresh.revoke()
            access.delete()

    def is_origin_allowed(
        self, client_id: str, origin: str, request: Any, *_: Any, **__: Any
    ) -> bool:
        """Leave CORS to the view, which allows it to all, known or not."""
        return False


def _narrowed(request: Any, allowed: Sequence[str]) -> Sequence[str]:
    """Give the endpoints that tokens are made for: those allowed, or fewer.

    Raises:
        CustomOAuth2Error: The request names another one.

    Spec: RFC 8707, section 2.2.
    """
    asked = _resources_in(request)
    if not set(asked) <= set(allowed):
        raise errors.CustomOAuth2Error(
            error="invalid_target",
            description="the user has not allowed access to this resource",
            request=request,
        )
    return asked or list(allowed)


def _resources_in(request: Any) -> list[str]:
    """Give the parameters `resource`, of which oauthlib keeps the last alone."""
    found = [text for name, text in request.decoded_body or () if name == "resource"]
    return list(dict.fromkeys(found))
