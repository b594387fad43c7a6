"""The document that says where to log in for an endpoint.

Spec: RFC 9728; 2025-11-25 basic/authorization, "Protected Resource Metadata".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mcp_django.doctor.asking import Answer
from mcp_django.doctor.visits import (
    BELIEVE_PROXY,
    OTHER_ORIGIN,
    PASS_HOST,
    Visit,
    parts_of,
    well_known,
)

DOCUMENT: Final = "oauth-protected-resource"
_STEP: Final = "resource metadata"


def resource_places(visit: Visit) -> Sequence[str]:
    """Give where clients look for it, in order."""
    named = visit.challenge.get("resource_metadata")
    below = well_known(visit.url, DOCUMENT)
    guessed = [below, f"{visit.origin}/.well-known/{DOCUMENT}"]
    return list(dict.fromkeys([named, *guessed] if named else guessed))


async def examine_resource_metadata(visit: Visit) -> None:
    """Read the document, and compare it with what the user has typed."""
    for url in resource_places(visit):
        answer = await visit.asker.get(url)
        document = answer.json_object() if answer.status == 200 else None
        if document is not None:
            visit.resource = document
            _examine(visit, url, document)
            await _examine_cors(visit, url)
            break
        _explain_missing(visit, url, answer)
    else:
        visit.fail(
            _STEP,
            "there is none, so that clients take the site itself for the "
            "authorization server",
            "publish it (in Django: install mcp_django.oauth and include its URLs at "
            "the root of the site)",
        )
        return
    await _examine_other_paths(visit)


def _explain_missing(visit: Visit, url: str, answer: Answer) -> None:
    is_named = url == visit.challenge.get("resource_metadata")
    if answer.status == 404 and not is_named:
        examine_not_found(visit, _STEP, answer)
        return
    visit.fail(
        _STEP,
        f"{url} is answered with {answer.shown()}",
        BELIEVE_PROXY
        if answer.leads_to_itself
        else "let the site answer there itself, without redirect and login: well-known "
        "paths begin at the root, in front of the path of the site",
    )


def examine_not_found(visit: Visit, step: str, answer: Answer) -> None:
    """Look at a 404, whose body many clients read as JSON."""
    if answer.json() is None and answer.body.strip():
        visit.warn(
            step,
            f"{answer.url} is answered with {answer.shown()}: clients read its body "
            "as JSON, and show what is none to their user",
            "answer 404 with JSON there",
        )


def _examine(visit: Visit, url: str, document: Mapping[str, Any]) -> None:
    resource = document.get("resource")
    if resource == visit.url:
        visit.ok(_STEP, f"{url} is for {resource}")
    else:
        visit.fail(
            _STEP,
            f"{url} is for {resource!r:.200}, not for {visit.url!r}: clients refuse it",
            _remedy_for(visit, resource),
        )
    servers = document.get("authorization_servers")
    if not isinstance(servers, list) or not all(isinstance(s, str) for s in servers):
        servers = []
    if not servers:
        visit.fail(
            _STEP,
            "it names no authorization server",
            "install one (in Django: django-oauth-toolkit), or name the one that there "
            "is (an authenticator for its tokens)",
        )
    visit.resource = {**document, "authorization_servers": servers[:5]}
    scopes = document.get("scopes_supported")
    if isinstance(scopes, list) and scopes:
        visit.scopes = visit.scopes or " ".join(map(str, scopes))
    else:
        visit.warn(
            _STEP,
            "it names no scopes; some clients ask for 'openid email profile' then",
            "list them in scopes_supported",
        )
    methods = document.get("bearer_methods_supported", ["header"])
    if not isinstance(methods, list) or "header" not in methods:
        visit.fail(
            _STEP,
            "it does not take tokens in the header Authorization",
            'list "header" in bearer_methods_supported',
        )


def _remedy_for(visit: Visit, resource: object) -> str:
    if not isinstance(resource, str):
        return "write the URL of the endpoint into it"
    mine, other = parts_of(visit.url), parts_of(resource)
    if mine._replace(scheme="") == other._replace(scheme=""):
        return BELIEVE_PROXY
    if resource.rstrip("/") == visit.url.rstrip("/"):
        return f"type {resource}, or let the document repeat the slash as it was asked"
    if mine.netloc != other.netloc:
        return PASS_HOST
    return "each endpoint needs a document of its own, with its whole URL"


async def _examine_cors(visit: Visit, url: str) -> None:
    answer = await visit.asker.get(url, origin=OTHER_ORIGIN)
    examine_cors(visit, "resource metadata", answer)


def examine_cors(visit: Visit, what: str, answer: Answer) -> None:
    """Say whether a page of another origin may read an answer."""
    allowed = answer.headers.get("access-control-allow-origin")
    if allowed in ("*", OTHER_ORIGIN):
        visit.ok("CORS", f"programs in web pages may read the {what}")
    else:
        visit.warn(
            "CORS",
            f"programs in web pages may not read the {what} ({answer.shown()}, "
            f"Access-Control-Allow-Origin: {allowed})",
            "allow every origin there: nothing in it is secret",
        )


async def _examine_other_paths(visit: Visit) -> None:
    url = f"{visit.origin}/.well-known/{DOCUMENT}/mcp-doctor-none"
    answer = await visit.asker.get(url)
    if answer.status == 200:
        visit.warn(
            _STEP,
            f"{url} is answered, too, though nothing is there",
            "answer 404 for paths that are no endpoints",
        )
    elif answer.json() is None:
        visit.note(
            _STEP,
            f"{url}, where nothing is, is answered with {answer.shown()}",
            "answer with JSON, if you like: some clients show the body to their user",
        )
