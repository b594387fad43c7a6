"""Where programs register by themselves.

Nothing they get lets them change or read what they registered (RFC 7592): a client is
shared by all who say the same, and what is to change is registered anew.

Spec: RFC 7591, section 3.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.settings import oauth2_settings

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.authorization_server.client_metadata import (
    GRANT_TYPES,
    RESPONSE_TYPES,
    ClientMetadata,
    ClientRefused,
    parse_metadata,
    read_metadata,
)
from mcp_django.oauth.authorization_server.clients import (
    find_client,
    make_confidential_client,
    make_public_client,
    make_room,
    undo_if_too_many,
)
from mcp_django.oauth.authorization_server.policies import ClientPolicy, client_policy
from mcp_django.oauth.authorization_server.registration_rate import count_client
from mcp_django.oauth.cors import open_to_all_origins

logger = FaultLog("mcp_django.oauth")

MAX_BODY_BYTES: Final = 64 * 1024

_METHODS: Final = ("POST",)


@method_decorator(open_to_all_origins(_METHODS), name="dispatch")
@method_decorator(csrf_exempt, name="dispatch")
# Others have to see a new row before it is counted.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
@method_decorator(login_not_required, name="dispatch")
class RegistrationView(View):
    """Makes a program a client of the site.

    Spec: RFC 7591, section 3.
    """

    http_method_names = ["post"]  # noqa: RUF012  # as Django declares it

    def post(self, request: HttpRequest) -> HttpResponse:
        """Register the program that the body describes."""
        try:
            if not oauth2_settings.DCR_ENABLED:
                raise ClientRefused(
                    "programs cannot register here; ask the administrator of the site "
                    "for a client id",
                    error="access_denied",
                    status=403,
                )
            metadata = read_metadata(parse_metadata(_read_body(request)))
            policy = client_policy()
            policy.check(request, metadata)
            client, secret = _find_or_make(request, policy, metadata)
        except ClientRefused as refused:
            logger.info("refused to register a program: %s", refused.description)
            return _refusal(refused)
        return _answer(client, secret, metadata)

    def http_method_not_allowed(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say in JSON, as all answers are, that there is only POST."""
        response = _refusal(
            ClientRefused(
                "register with POST; what was registered cannot be read or changed",
                error="invalid_request",
                status=405,
            )
        )
        response["Allow"] = ", ".join(_METHODS)
        return response


def _read_body(request: HttpRequest) -> bytes:
    try:
        body = request.read(MAX_BODY_BYTES + 1)
    except UnreadablePostError:
        raise ClientRefused("the body ended too early") from None
    if len(body) > MAX_BODY_BYTES:
        raise ClientRefused(
            f"the body is larger than {MAX_BODY_BYTES} bytes", status=413
        )
    return body


def _find_or_make(
    request: HttpRequest, policy: ClientPolicy, metadata: ClientMetadata
) -> tuple[Any, str | None]:
    """Give the client's row, and its secret if it has one."""
    is_public = metadata.auth_method == "none"
    if is_public and (client := find_client(metadata)) is not None:
        return client, None
    count_client(policy.source_of(request, metadata), policy.clients_per_minute)
    make_room(policy)
    secret: str | None = None
    if is_public:
        client, is_new = make_public_client(metadata)
    else:
        client, secret = make_confidential_client(metadata)
        is_new = True
    if is_new:
        undo_if_too_many(policy, client)
    logger.info("registered client %s, %r", client.client_id, metadata.name)
    return client, secret


def _answer(client: Any, secret: str | None, metadata: ClientMetadata) -> HttpResponse:
    """Tell what was taken.

    Spec: RFC 7591, section 3.2.1.
    """
    answer: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created.timestamp()),
        "redirect_uris": [uri.text for uri in metadata.redirect_uris],
        "grant_types": list(GRANT_TYPES),
        "response_types": list(RESPONSE_TYPES),
        "token_endpoint_auth_method": metadata.auth_method,
    }
    if metadata.name:
        answer["client_name"] = metadata.name
    if metadata.application_type is not None:
        answer["application_type"] = metadata.application_type
    if metadata.scopes:
        answer["scope"] = " ".join(metadata.scopes)
    if secret is not None:
        # It does not expire.
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return _json(answer, 201)


def _refusal(refused: ClientRefused) -> HttpResponse:
    response = _json(
        {"error": refused.error, "error_description": refused.description},
        refused.status,
    )
    if refused.retry_after is not None:
        response["Retry-After"] = str(refused.retry_after)
    return response


def _json(body: dict[str, Any], status: int) -> HttpResponse:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return JsonResponse(body, status=status, headers=headers)
