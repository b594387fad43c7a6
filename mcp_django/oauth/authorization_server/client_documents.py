"""Clients whose id is the URL of a document, in which they say what they are.

The document is fetched only for a user who has logged in: no stranger can make the site
fetch anything, and the token endpoint never does. django-oauth-toolkit keeps it as a
row, fetches it again when it is out of date, and rests after a failure.

Spec: draft-ietf-oauth-client-id-metadata-document; 2026-07-28
basic/authorization/client-registration, "Client ID Metadata Documents".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest
from oauth2_provider.cimd import (
    CIMDError,
    refresh_if_stale,
    resolve_cimd_application,
)
from oauth2_provider.models import get_application_model
from oauth2_provider.settings import oauth2_settings

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.oauth.authorization_server.client_metadata import (
    GRANT_TYPES,
    ClientMetadata,
    ClientRefused,
    Metadata,
    parse_metadata,
    read_metadata,
)
from mcp_django.oauth.authorization_server.clients import make_room
from mcp_django.oauth.authorization_server.downloads import (
    Downloaded,
    Downloader,
    DownloadFailed,
)
from mcp_django.oauth.authorization_server.policies import client_policy
from mcp_django.oauth.authorization_server.redirect_uris import parse_redirect_uri
from mcp_django.oauth.authorization_server.registration_rate import count_client

logger = FaultLog("mcp_django.oauth")

MAX_LENGTH: Final = 255
"""Characters of the longest client id that there is room for."""

_ACCEPT: Final = "application/json, application/*+json"
_JSON: Final = re.compile(r"application/(?:json|[\w.+-]+\+json)", re.ASCII)
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_NOT_KEPT: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)", re.IGNORECASE)
_SECRETS: Final = ("client_secret", "client_secret_expires_at")

_asking: ContextVar[HttpRequest | None] = ContextVar("mcp_asking", default=None)
"""The request of the user for whom documents may be fetched now."""


def may_be_document(client_id: str) -> bool:
    """Say whether a client id is a URL that may name a document.

    Spec: draft-ietf-oauth-client-id-metadata-document, section 3.
    """
    if len(client_id) > MAX_LENGTH:
        return False
    try:
        parsed = parse_redirect_uri(client_id)
    except ValueError:
        return False
    path = urlsplit(client_id).path
    return (
        parsed.scheme == "https"
        and client_id.startswith("https://")
        and path != ""
        and not {".", ".."}
        & set(path.replace("%2e", ".").replace("%2E", ".").split("/"))
    )


def read_document(request: HttpRequest, client_id: str) -> None:
    """Have the client of a document as a row, if there is one and it may be a client.

    Does nothing for what is not the URL of a document, or is known and up to date. What
    goes wrong is in the log; the client is then as unknown as any other, or remains as
    it was.

    Args:
        request: Of a user who wants to log in with the client, and is logged in here.
        client_id: What the client calls itself.
    """
    if not oauth2_settings.CIMD_ENABLED or not may_be_document(client_id):
        return
    client = get_application_model().objects.filter(client_id=client_id).first()
    reset = _asking.set(request)
    try:
        if client is None:
            make_room(client_policy())
            resolve_cimd_application(client_id, request)
        else:
            refresh_if_stale(client, request)
    except ClientRefused as refused:
        logger.warning(
            "refused the client %s: %s", client_id, refused.description, of=client_id
        )
    except Exception:  # Such as of a cache that is away.
        logger.exception(
            "the document of the client %s cannot be read; see the error", client_id
        )
    finally:
        _asking.reset(reset)


class FetchedForUsers:
    """Lets a document be fetched for users who are logged in, as the policy says.

    Named in `CIMD_REGISTRATION_PERMISSION_CLASSES`; `oauth2_provider()` does.
    """

    def has_permission(self, request: Any, client_id: str) -> bool:
        """Say whether a document may be fetched now."""
        asking = _asking.get()
        if asking is None or not asking.user.is_authenticated:
            return False
        policy = client_policy()
        if not policy.allows_document(asking, client_id):
            logger.warning(
                "the policy does not allow the client %s; to allow it, change "
                "the policy",
                client_id,
                of=client_id,
            )
            return False
        count_client(f"user {asking.user.pk}", policy.clients_per_minute)
        return True


class DocumentFetcher:
    """Fetches the document of a client, and takes of it what this site knows.

    Named as `CIMD_METADATA_FETCHER`; `oauth2_provider()` does. A subclass may name
    another `downloader`.
    """

    downloader: type[Downloader] = Downloader

    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """Fetch a document.

        Args:
            client_id: Its URL.

        Returns:
            The metadata, and for how many seconds they are good.

        Raises:
            CIMDError: There are none, or they are of no client that may come here.
        """
        if not may_be_document(client_id):
            raise CIMDError("the client id is not a URL that may name a document")
        try:
            answer = self.downloader().download(
                client_id,
                timeout=oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS,
                max_bytes=oauth2_settings.CIMD_MAX_DOCUMENT_SIZE + 1,
                accept=_ACCEPT,
            )
            metadata = _read(client_id, _parse(answer))
            if (asking := _asking.get()) is not None:
                client_policy().check(asking, metadata)
        except (DownloadFailed, ClientRefused) as error:
            logger.warning(
                "cannot take the client %s: %s",
                client_id,
                error,
                of=client_id,
            )
            raise CIMDError(str(error)) from None
        return _for_toolkit(client_id, metadata), _seconds_good(answer.headers)


def _parse(answer: Downloaded) -> Metadata:
    if answer.status != 200:
        raise DownloadFailed(f"the answer has status {answer.status}")
    if len(answer.body) > oauth2_settings.CIMD_MAX_DOCUMENT_SIZE:
        raise DownloadFailed("the document is too large")
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise DownloadFailed("the document is compressed")
    media_type = (
        answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    )
    if not _JSON.fullmatch(media_type):
        raise DownloadFailed("the document is not JSON, by its content type")
    return parse_metadata(answer.body)


def _read(client_id: str, given: Metadata) -> ClientMetadata:
    """Take of a document what this site knows.

    Spec: draft-ietf-oauth-client-id-metadata-document, sections 4 and 4.1; 2026-07-28
    basic/authorization/client-registration, "Implementation Requirements".
    """
    if given.get("client_id") != client_id:
        raise ClientRefused("client_id is not the URL of the document")
    if any(name in given for name in _SECRETS):
        raise ClientRefused("a document that all can read has no secret")
    metadata = read_metadata(given, auth_methods=["none"])
    if not metadata.name:
        raise ClientRefused("client_name is missing")
    return metadata


def _for_toolkit(client_id: str, metadata: ClientMetadata) -> dict[str, Any]:
    uris = dict.fromkeys(uri.canonical for uri in metadata.redirect_uris)
    return {
        "client_id": client_id,
        "client_name": metadata.name,
        "redirect_uris": list(uris),
        "grant_types": list(GRANT_TYPES),
        "token_endpoint_auth_method": "none",
    }


def _seconds_good(headers: Mapping[str, str]) -> int:
    """Say for how long a document is good, within the bounds of the settings.

    Spec: RFC 9111, section 5.2.2.
    """
    least: int = oauth2_settings.CIMD_METADATA_MIN_AGE_SECONDS
    most: int = oauth2_settings.CIMD_METADATA_MAX_AGE_SECONDS
    cache_control = headers.get("cache-control", "")
    if _NOT_KEPT.search(cache_control):
        return least
    found = _MAX_AGE.search(cache_control)
    return max(least, min(most, int(found[1]))) if found else most
