"""The endpoints of an authorization server, asked with what must be refused.

Nothing is logged in, registered or changed: the client and the code do not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlunsplit

from mcp_django.doctor.asking import Answer
from mcp_django.doctor.visits import OTHER_ORIGIN, Visit, parts_of

UNKNOWN_CLIENT: Final = "mcp-doctor-unknown"
_REDIRECT: Final = "http://127.0.0.1:33418/"
# Spec: RFC 7636, appendix B.
_CHALLENGE: Final = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
_VERIFIER: Final = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


async def examine_login_endpoints(visit: Visit) -> None:
    """Ask the endpoints of each authorization server."""
    for document in visit.servers.values():
        await _examine_authorize(visit, document)
        await _examine_token(visit, document)
        await _examine_preflights(visit, document)


async def _examine_authorize(visit: Visit, document: Mapping[str, Any]) -> None:
    url = document.get("authorization_endpoint")
    if not isinstance(url, str):
        return
    step = "authorize"
    query = {
        "response_type": "code",
        "client_id": UNKNOWN_CLIENT,
        "redirect_uri": _REDIRECT,
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
        "state": "mcp-doctor",
        "resource": visit.url,
    }
    answer = await visit.asker.get(with_query(url, query))
    if answer.fault or answer.status >= 500 or answer.status in (404, 405):
        visit.fail(
            step,
            f"a client that is not known is answered with {answer.shown()}",
            "let the site answer there; see its log",
        )
    elif answer.is_redirect and answer.headers["location"].startswith(_REDIRECT):
        visit.fail(
            step,
            "a client that is not known is redirected to where it likes",
            "show an error page for unknown clients and redirect URIs",
        )
    elif answer.is_redirect:
        visit.note(
            step,
            f"a client that is not known gets {answer.shown()}: it learns only after "
            "the login that it has to register anew",
            "refuse unknown clients before the login, with JSON for programs",
        )
    else:
        visit.ok(step, f"a client that is not known gets {answer.shown()}")


async def _examine_token(visit: Visit, document: Mapping[str, Any]) -> None:
    url = document.get("token_endpoint")
    if not isinstance(url, str):
        return
    form = {
        "grant_type": "authorization_code",
        "client_id": UNKNOWN_CLIENT,
        "code": "mcp-doctor",
        "redirect_uri": _REDIRECT,
        "code_verifier": _VERIFIER,
        "resource": visit.url,
    }
    answer = await visit.asker.ask("POST", url, form=form)
    step = "token"
    error = (answer.json_object() or {}).get("error")
    if answer.status in (400, 401) and isinstance(error, str):
        visit.ok(step, f"a code that does not exist is refused with {error!r}")
        return
    remedy = "answer 400 or 401 with JSON and an error, as RFC 6749 has it"
    if b"csrf" in answer.body.lower():
        remedy = "take the token endpoint out of CSRF protection (csrf_exempt)"
    elif answer.is_redirect:
        remedy = "answer there itself: clients do not follow redirects with a code"
    visit.fail(step, f"a code that does not exist gets {answer.shown()}", remedy)


async def _examine_preflights(visit: Visit, document: Mapping[str, Any]) -> None:
    for name, headers in (
        ("token_endpoint", "content-type"),
        ("registration_endpoint", "content-type"),
    ):
        url = document.get(name)
        if not isinstance(url, str):
            continue
        answer = await visit.asker.ask(
            "OPTIONS",
            url,
            headers={
                "origin": OTHER_ORIGIN,
                "access-control-request-method": "POST",
                "access-control-request-headers": headers,
            },
        )
        what = name.replace("_", " ")
        if allows_post(answer):
            visit.ok("CORS", f"programs in web pages may use the {what}")
        else:
            visit.warn(
                "CORS",
                f"programs in web pages may not use the {what} ({answer.shown()} to "
                "a preflight)",
                "answer preflights there, for every origin",
            )


def allows_post(answer: Answer) -> bool:
    """Say whether the answer to a preflight lets a page post JSON."""
    headers = answer.headers
    origin = headers.get("access-control-allow-origin")
    methods = headers.get("access-control-allow-methods", "POST").upper()
    names = headers.get("access-control-allow-headers", "").lower()
    return (
        200 <= answer.status < 300
        and origin in ("*", OTHER_ORIGIN)
        and ("POST" in methods or "*" in methods)
        and ("content-type" in names or "*" in names)
    )


def with_query(url: str, query: Mapping[str, str]) -> str:
    """Add to the query of a URL."""
    parts = parts_of(url)
    joined = "&".join(filter(None, [parts.query, urlencode(query)]))
    return urlunsplit(parts._replace(query=joined))
