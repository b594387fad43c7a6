"""The endpoint itself, as a client meets it that knows nothing but its URL."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from mcp_django.client.oauth.challenges import find_bearer
from mcp_django.doctor.asking import Answer, days_until, is_local
from mcp_django.doctor.visits import (
    BELIEVE_PROXY,
    OTHER_ORIGIN,
    PASS_HOST,
    Visit,
    origin_of,
)

INITIALIZE: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mcp-doctor", "version": "1"},
    },
}
EVENT_STREAM: Final = "text/event-stream"
BOTH: Final = f"application/json, {EVENT_STREAM}"

_DAYS_TO_RENEW: Final = 14
_OTHER_HOST: Final = "mcp-doctor.invalid"


async def examine_url(visit: Visit) -> None:
    """Look at the URL alone."""
    parts = urlsplit(visit.url)
    step = "URL"
    if parts.query or parts.fragment:
        visit.warn(
            step,
            "it has a query or a fragment, which many clients drop",
            "give clients a URL that ends with its path",
        )
    if parts.scheme == "http" and not is_local(parts.hostname or ""):
        visit.fail(
            step,
            "it is plain http, and clients send tokens over https alone",
            "serve it over https",
        )
    elif parts.scheme == "http":
        visit.note(
            step, "plain http will do on this machine; hosted clients need https"
        )
    else:
        visit.ok(step, visit.url)


async def examine_endpoint(visit: Visit) -> bool:
    """Post a first message without a token; say whether the endpoint can be used."""
    answer = await _ask_first(visit)
    step = "first request"
    if answer.fault:
        visit.fail(
            step,
            answer.fault,
            "let a proxy send the whole chain of a certificate for this name"
            if "TLS" in answer.fault or "certificate" in answer.fault
            else "check the name, the port, the firewall, and that the site runs",
        )
        return False
    _examine_certificate(visit, answer)
    if answer.is_redirect:
        _explain_redirect(visit, answer)
        return False
    if answer.status == 401:
        visit.needs_login = True
        _examine_challenge(visit, answer)
        return True
    if answer.status == 200:
        visit.note(step, "the endpoint answers without a token: there is no login")
        return True
    _explain_status(visit, answer)
    return False


async def _ask_first(visit: Visit) -> Answer:
    """Ask as clients do that do not know yet what the server speaks.

    Spec: 2025-11-25 basic/transports, "Backwards Compatibility".
    """
    answer = await _ask(visit)
    if answer.status not in (400, 404, 405):
        return answer
    visit.method = "GET"
    stream = await _ask(visit)
    if stream.status == 401 or stream.media_type == EVENT_STREAM:
        visit.note(
            "first request",
            f"POST is answered with {answer.shown()}, and GET with {stream.shown()}: "
            "this is HTTP+SSE, which fewer clients know",
        )
        return stream
    visit.method = "POST"
    return answer


async def _ask(visit: Visit, **headers: str) -> Answer:
    if visit.method == "GET":
        sent = {"accept": EVENT_STREAM, **headers}
        return await visit.asker.ask("GET", visit.url, headers=sent)
    sent = {"accept": BOTH, **headers}
    return await visit.asker.ask("POST", visit.url, headers=sent, message=INITIALIZE)


def _examine_certificate(visit: Visit, answer: Answer) -> None:
    if answer.tls_expires_at is None:
        return
    days = days_until(answer.tls_expires_at)
    if days < _DAYS_TO_RENEW:
        visit.warn("TLS", f"the certificate ends in {days} days", "renew it")
    else:
        visit.ok("TLS", f"the certificate is trusted, and ends in {days} days")


def _explain_redirect(visit: Visit, answer: Answer) -> None:
    target = answer.target
    if target.rstrip("/") == visit.url.rstrip("/") and target != visit.url:
        remedy = (
            f"type {target}, or serve both: a client repeats a POST as a GET, or "
            "not at all"
        )
    elif target.partition(":")[2] == visit.url.partition(":")[2]:
        remedy = f"type {target}" if target != visit.url else BELIEVE_PROXY
    else:
        remedy = (
            "answer 401 in place of a redirect to a login page: take the endpoint out "
            "of login_required, of the proxy's own login, or of the CDN's challenge"
        )
    visit.fail("first request", f"it is answered with {answer.shown()}", remedy)


_STATUSES: Final = {
    400: "if it says so of the host, add the host to ALLOWED_HOSTS",
    403: "take the endpoint out of CSRF protection, and out of a firewall's rules for "
    "programs that are no browsers",
    404: "check the path: most servers have theirs at /mcp",
    405: "let POST through: the path may be another page's, or that of HTTP+SSE",
    406: "check the path: MCP clients accept JSON and event streams",
    415: "check the path: MCP clients send JSON",
    421: "let the proxy pass the name of the host on",
    429: "do not limit by address alone: hosted clients come from few of them",
}


def _explain_status(visit: Visit, answer: Answer) -> None:
    remedy = _STATUSES.get(answer.status, "look into the log of the site")
    if answer.status in (502, 503, 504):
        remedy = "the proxy does not reach the site, or the site is not ready"
    if b"csrf" in answer.body.lower():
        remedy = "take the endpoint out of CSRF protection (csrf_exempt)"
    if answer.status == 403 and b"over https only" in answer.body.lower():
        is_https = visit.url.startswith("https:")
        remedy = BELIEVE_PROXY if is_https else "type https:// in place of http://"
    visit.fail(
        "first request",
        f"it is answered with {answer.shown()}, neither 200 nor 401",
        remedy,
    )


def _examine_challenge(visit: Visit, answer: Answer) -> None:
    step = "challenge"
    header = answer.headers.get("www-authenticate", "")
    challenge = find_bearer([header])
    if challenge is None:
        visit.fail(
            step,
            f"the 401 has {header!r:.200} as WWW-Authenticate, no Bearer challenge"
            if header
            else "the 401 has no WWW-Authenticate",
            'send WWW-Authenticate: Bearer resource_metadata="..." with it, and let '
            "the proxy pass it on",
        )
        return
    visit.challenge = challenge.parameters
    if answer.json() is None:
        visit.warn(step, f"the body is {answer.shown()}, not JSON", "answer with JSON")
    where = challenge.resource_metadata
    if where is None:
        visit.warn(
            step,
            "the challenge names no resource_metadata; clients have to guess where "
            "to log in",
            'add resource_metadata="<URL of the metadata>" (in Django: install '
            "mcp_django.oauth and include its URLs)",
        )
        return
    visit.scopes = " ".join(sorted(challenge.scopes))
    if not visit.scopes:
        visit.note(step, "the challenge names no scope; clients ask for all they find")
    if origin_of(where) != visit.origin:
        _explain_other_origin(visit, step, "resource_metadata", where)
    else:
        visit.ok(step, f"401, with the metadata at {where}")


def _explain_other_origin(visit: Visit, step: str, name: str, url: str) -> None:
    is_same_host = origin_of(url).partition(":")[2] == visit.origin.partition(":")[2]
    remedy = BELIEVE_PROXY if is_same_host else PASS_HOST
    visit.fail(step, f"{name} is {url:.200}, not at {visit.origin}", remedy)


async def examine_headers(visit: Visit) -> None:
    """Send an Origin and a Host that are not the site's."""
    answer = await _ask(visit, origin=OTHER_ORIGIN)
    if answer.status == 403:
        visit.ok("Origin", "that of a page that is not allowed is refused")
    else:
        visit.warn(
            "Origin",
            f"{OTHER_ORIGIN} is answered with {answer.shown()}, not 403",
            "refuse origins that are not allowed: pages may reach servers on their "
            "reader's own machine",
        )
    answer = await _ask(visit, host=_OTHER_HOST)
    is_taken = answer.status in (200, 401) or answer.is_redirect
    repeats = _OTHER_HOST in str(answer.headers) or _OTHER_HOST.encode() in answer.body
    if is_taken and repeats:
        visit.fail(
            "Host",
            f"the site takes any name for its own: it repeats {_OTHER_HOST!r}",
            "name the site's hosts in ALLOWED_HOSTS, or set MCP['PUBLIC_URL']",
        )
    elif is_taken:
        visit.warn(
            "Host",
            f"a name that is not the site's is answered with {answer.shown()}",
            "name the site's hosts in ALLOWED_HOSTS",
        )
    else:
        visit.ok("Host", "a name that is not the site's is refused")
