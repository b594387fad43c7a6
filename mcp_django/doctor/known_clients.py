"""How far each client comes that people use, by what it asks for and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from mcp_django.doctor.asking import Answer, is_local
from mcp_django.doctor.resource_metadata import resource_places
from mcp_django.doctor.server_metadata import OAUTH, OPENID, server_places
from mcp_django.doctor.visits import Visit


@dataclass(frozen=True, slots=True)
class KnownClient:
    """What one client does.

    Attributes:
        name: As people know it.
        redirect_uris: What it registers, all at once.
        is_hosted: Whether it runs at its maker's, and not on the user's machine.
        takes_urls: Whether it has a metadata document that may be its id.
        grants: What it registers for.
        guesses: Whether it goes on, without metadata, at `/authorize` of the origin.
        reads_failures: Whether it goes on to the next place after a 5xx, too.
    """

    name: str
    redirect_uris: Sequence[str]
    is_hosted: bool = False
    takes_urls: bool = True
    grants: Sequence[str] = ("authorization_code", "refresh_token")
    guesses: bool = True
    reads_failures: bool = False


KNOWN_CLIENTS: Final = (
    KnownClient(
        "Claude",
        (
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ),
        is_hosted=True,
    ),
    KnownClient(
        "ChatGPT",
        ("https://chatgpt.com/connector_platform_oauth_redirect",),
        is_hosted=True,
        guesses=False,
    ),
    KnownClient(
        "VS Code",
        ("http://127.0.0.1:33418/", "https://vscode.dev/redirect"),
        grants=(
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ),
    ),
    KnownClient(
        "Cursor",
        (
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ),
        takes_urls=False,
    ),
    KnownClient("Claude Code", ("http://localhost:54212/callback",)),
    KnownClient(
        "Python SDK", ("http://localhost:3030/callback",), reads_failures=False
    ),
    KnownClient("TypeScript SDK", ("http://localhost:8090/callback",)),
)
"""Their differences as of November 2026."""


class Stopped(Exception):
    """A client goes no further; says why."""


async def examine_clients(visit: Visit) -> None:
    """Say of each client how far it comes without a login."""
    is_here = is_local(urlsplit(visit.url).hostname or "")
    for client in KNOWN_CLIENTS:
        if client.is_hosted and is_here:
            visit.note(client.name, "needs a site on the Internet, and not one here")
            continue
        try:
            says = await _play(visit, client)
        except Stopped as stopped:
            visit.fail(client.name, f"stops: {stopped}", "see above")
        else:
            visit.ok(client.name, says)


async def _play(visit: Visit, client: KnownClient) -> str:
    """Play the sequence of one client; give where it arrives.

    Raises:
        Stopped: It does not arrive.
    """
    if client.is_hosted and not visit.is_https:
        raise Stopped("it takes https alone")
    if not visit.needs_login:
        return "needs no login"
    issuer = await _find_issuer(visit, client)
    metadata = await _find_metadata(visit, client, issuer)
    if metadata.get("issuer") != issuer:
        raise Stopped(f"the metadata is not of {issuer}")
    methods = metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        raise Stopped("no PKCE with S256 is advertised")
    return f"would send its user to {metadata.get('authorization_endpoint')}" + (
        f" ({_client_id(client, metadata)})"
    )


async def _find_issuer(visit: Visit, client: KnownClient) -> str:
    named = visit.challenge.get("resource_metadata")
    # One that was named is read alone; the others are guesses.
    for url in [named] if named else resource_places(visit):
        document = await _read(visit, client, url)
        if document is None:
            continue
        if document.get("resource") != visit.url:
            raise Stopped(f"{url} is for {document.get('resource')!r:.200}")
        servers = document.get("authorization_servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], str):
            return servers[0]
        raise Stopped(f"{url} names no authorization server")
    if named:
        raise Stopped(f"{named} has no document")
    return visit.origin


async def _find_metadata(
    visit: Visit, client: KnownClient, issuer: str
) -> Mapping[str, Any]:
    for url in server_places(issuer):
        document = await _read(visit, client, url)
        if document is not None:
            return document
    if client.guesses and issuer == visit.origin:
        raise Stopped(
            f"without metadata it guesses {issuer}/authorize, which is hardly there"
        )
    raise Stopped(f"{issuer} has no metadata at {OAUTH} or {OPENID}")


async def _read(
    visit: Visit, client: KnownClient, url: str
) -> Mapping[str, Any] | None:
    answer: Answer = await visit.asker.get(url)
    if answer.fault:
        raise Stopped(f"{url}: {answer.fault}")
    if answer.is_redirect:
        raise Stopped(f"{url} is answered with {answer.shown()}")
    if answer.status == 200:
        document = answer.json_object()
        if document is None:
            raise Stopped(f"{url} is {answer.shown()}, not a JSON object")
        return document
    if answer.status >= 500 and not client.reads_failures:
        raise Stopped(f"{url} is answered with {answer.shown()}")
    return None


def _client_id(client: KnownClient, metadata: Mapping[str, Any]) -> str:
    """Say how it gets an id.

    Raises:
        Stopped: It gets none.
    """
    methods = metadata.get("token_endpoint_auth_methods_supported")
    is_public = isinstance(methods, list) and "none" in methods
    if (
        client.takes_urls
        and is_public
        and metadata.get("client_id_metadata_document_supported") is True
    ):
        return "known by its metadata document"
    if isinstance(metadata.get("registration_endpoint"), str):
        return "after it has registered"
    raise Stopped("it can get no client id; enter one by hand on both sides")
