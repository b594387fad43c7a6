"""The document by which an authorization server says what it can.

Spec: RFC 8414; OpenID Connect Discovery 1.0; 2025-11-25 basic/authorization,
"Authorization Server Metadata Discovery".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp_django.doctor.resource_metadata import examine_cors, examine_not_found
from mcp_django.doctor.visits import (
    BELIEVE_PROXY,
    OTHER_ORIGIN,
    Visit,
    origin_of,
    parts_of,
    well_known,
)

OAUTH: Final = "oauth-authorization-server"
OPENID: Final = "openid-configuration"

_OPENID_NEEDS: Final = (
    "jwks_uri",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
)
_STEP: Final = "authorization server"


def server_places(issuer: str) -> Sequence[str]:
    """Give where clients look for the metadata of an issuer, in order."""
    path = parts_of(issuer).path.rstrip("/")
    found = [well_known(issuer, OAUTH), well_known(issuer, OPENID)]
    found = [url.rstrip("/") for url in found]
    if path:
        found.append(f"{origin_of(issuer)}{path}/.well-known/{OPENID}")
    return found


async def examine_servers(visit: Visit) -> None:
    """Read the metadata of each authorization server that the endpoint names."""
    if visit.resource is None:
        issuers: Sequence[str] = [visit.origin]
    else:
        issuers = visit.resource["authorization_servers"]
    for issuer in issuers:
        await _examine_server(visit, issuer)


async def _examine_server(visit: Visit, issuer: str) -> None:
    for url in server_places(issuer):
        answer = await visit.asker.get(url)
        document = answer.json_object() if answer.status == 200 else None
        if document is None:
            if answer.status == 404:
                # What has been found elsewhere is not looked for here.
                if issuer not in visit.servers:
                    examine_not_found(visit, _STEP, answer)
            else:
                visit.fail(
                    _STEP,
                    f"{url} is answered with {answer.shown()}",
                    BELIEVE_PROXY
                    if answer.leads_to_itself
                    else "answer with the document, or with 404 and JSON",
                )
            continue
        if OPENID in url:
            _examine_openid(visit, url, document)
        if issuer not in visit.servers:
            visit.servers[issuer] = document
            _examine_document(visit, issuer, url, document)
            cors = await visit.asker.get(url, origin=OTHER_ORIGIN)
            examine_cors(visit, "metadata of the authorization server", cors)
    if issuer not in visit.servers:
        visit.fail(
            _STEP,
            f"{issuer} publishes no metadata",
            f"let it answer at {server_places(issuer)[0]}",
        )


def _examine_openid(visit: Visit, url: str, document: Mapping[str, Any]) -> None:
    missing = [name for name in _OPENID_NEEDS if name not in document]
    if missing:
        visit.warn(
            _STEP,
            f"{url} lacks {', '.join(missing)}: clients that look there refuse it",
            "publish all that OpenID Connect wants, or answer 404 there",
        )


def _examine_document(
    visit: Visit, issuer: str, url: str, document: Mapping[str, Any]
) -> None:
    if document.get("issuer") == issuer:
        visit.ok(_STEP, f"{url} is of {issuer}")
    else:
        visit.fail(
            _STEP,
            f"{url} is of {document.get('issuer')!r:.200}, not of {issuer!r}",
            "write the same name into both documents, to the last slash; behind a "
            "proxy see to X-Forwarded-Proto and the host",
        )
    _examine_endpoints(visit, document)
    _examine_abilities(visit, document)
    _examine_client_ids(visit, document)


def _examine_endpoints(visit: Visit, document: Mapping[str, Any]) -> None:
    for name in ("authorization_endpoint", "token_endpoint"):
        url = document.get(name)
        if not isinstance(url, str):
            visit.fail(_STEP, f"it has no {name}", f"publish the {name}")
        elif visit.is_https and not url.startswith("https:"):
            visit.fail(
                _STEP,
                f"{name} is {url:.200}, which is not https",
                BELIEVE_PROXY,
            )


def _examine_abilities(visit: Visit, document: Mapping[str, Any]) -> None:
    if "S256" not in _texts(document, "code_challenge_methods_supported"):
        visit.fail(
            _STEP,
            "it does not say that it knows PKCE with S256; clients must refuse it",
            'list "S256" in code_challenge_methods_supported',
        )
    if "code" not in _texts(document, "response_types_supported"):
        visit.fail(
            _STEP,
            "it does not give codes",
            'list "code" in response_types_supported',
        )
    grants = _texts(document, "grant_types_supported", "authorization_code")
    if "refresh_token" not in grants:
        visit.note(
            _STEP,
            "it gives no refresh tokens: users log in again when a token ends",
            'list "refresh_token" in grant_types_supported, if it does',
        )
    if document.get("authorization_response_iss_parameter_supported") is not True:
        visit.note(_STEP, "it does not name itself in answers (iss, RFC 9207)")


def _examine_client_ids(visit: Visit, document: Mapping[str, Any]) -> None:
    registers = isinstance(document.get("registration_endpoint"), str)
    takes_urls = document.get("client_id_metadata_document_supported") is True
    is_public = "none" in _texts(
        document, "token_endpoint_auth_methods_supported", "client_secret_basic"
    )
    if not is_public:
        visit.warn(
            "client ids",
            '"none" is not among token_endpoint_auth_methods_supported: no client can '
            "be known by a URL, and those without a secret may not register",
            'allow public clients, and list "none"',
        )
    if not registers and not takes_urls:
        visit.fail(
            "client ids",
            "clients can neither register nor be known by a URL; each has to be "
            "entered by hand on both sides",
            "offer registration (registration_endpoint) or metadata documents "
            "(client_id_metadata_document_supported)",
        )
        return
    ways = ["registration"] * registers + ["metadata documents"] * takes_urls
    visit.ok("client ids", f"clients get one by {' or '.join(ways)}")


def _texts(document: Mapping[str, Any], name: str, *default: str) -> Sequence[str]:
    found = document.get(name, default)
    return found if isinstance(found, list | tuple) else ()
