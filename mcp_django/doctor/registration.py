"""Registration as each client asks for it; only if that was asked for.

Spec: RFC 7591; RFC 7592 for taking it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_django.doctor.asking import Answer
from mcp_django.doctor.known_clients import KNOWN_CLIENTS, KnownClient
from mcp_django.doctor.visits import Visit, origin_of


async def examine_registration(visit: Visit) -> None:
    """Register as each client does, and take back what can be taken back."""
    urls = {
        url
        for document in visit.servers.values()
        if isinstance(url := document.get("registration_endpoint"), str)
    }
    if not urls:
        visit.note("registration", "there is none")
    for url in sorted(urls):
        for client in KNOWN_CLIENTS:
            await _register(visit, url, client)


async def _register(visit: Visit, url: str, client: KnownClient) -> None:
    document = {
        "client_name": f"mcp-doctor as {client.name}",
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grants),
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    if visit.scopes:
        document["scope"] = visit.scopes
    answer = await visit.asker.ask("POST", url, message=document)
    registered = answer.json_object() or {}
    step = f"registration as {client.name}"
    if answer.status == 201 and registered.get("client_id"):
        taken_back = await _take_back(visit, url, registered)
        visit.ok(step, f"works{taken_back}")
        return
    visit.fail(step, f"{_reason(answer, registered)}", _remedy(answer, client))


async def _take_back(visit: Visit, url: str, registered: Mapping[str, Any]) -> str:
    where = registered.get("registration_client_uri")
    secret = registered.get("registration_access_token")
    if not isinstance(where, str) or not isinstance(secret, str):
        return f"; client {registered['client_id']!r:.100} stays there"
    if origin_of(where) != origin_of(url):
        return f"; it would have to be deleted at {where:.200}"
    headers = {"authorization": f"Bearer {secret}"}
    answer = await visit.asker.ask("DELETE", where, headers=headers)
    return ", and was deleted" if answer.status == 204 else "; it stays there"


def _reason(answer: Answer, document: Mapping[str, Any]) -> str:
    error = document.get("error")
    if not isinstance(error, str):
        return f"is answered with {answer.shown()}, not 201"
    return f"is refused: {error:.100} ({document.get('error_description', '')!s:.300})"


def _remedy(answer: Answer, client: KnownClient) -> str:
    if answer.status in (401, 403):
        return "let clients register without a login: they have none yet"
    if answer.status == 429:
        return "do not limit by address alone: hosted clients come from few of them"
    return f"allow {', '.join(client.redirect_uris)} and {', '.join(client.grants)}"
