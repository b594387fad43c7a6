"""What the doctor says of a site that is well, and of one that lacks one thing."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mcp_django.doctor.asking import Asker
from mcp_django.doctor.doctor import examine
from mcp_django.doctor.findings import Finding, Verdict
from mcp_django.doctor.known_clients import KNOWN_CLIENTS
from mcp_django.transports.client.http_library import httpx2
from tests.certificates import write_certificate
from tests.doctor.site import (
    CORS,
    OPENID,
    RESOURCE,
    SERVER,
    TOKEN,
    Asked,
    Page,
    Site,
    serving,
)

CLIENTS = [client.name for client in KNOWN_CLIENTS]
LOCAL_CLIENTS = [client.name for client in KNOWN_CLIENTS if not client.is_hosted]
HTML = {"content-type": "text/html"}
TLS = ssl.create_default_context()
"""Made once, because that takes long."""


async def visit(site: Site, path: str = "/mcp", **options: Any) -> Sequence[Finding]:
    """Let the doctor look at the site."""
    async with httpx2.AsyncClient(verify=TLS, timeout=None) as http:
        options = {"seconds": 5.0, "http": http, **options}
        return await examine(f"{site.url}{path}", **options)


def faults(findings: Sequence[Finding]) -> list[Finding]:
    """Give what is not well."""
    return [f for f in findings if f.verdict in (Verdict.FAILED, Verdict.WARNING)]


async def test_site_that_is_well_has_no_faults(site: Site) -> None:
    """We promise it: and each client comes as far as the login."""
    findings = await visit(site, token=TOKEN, registers=True)

    assert faults(findings) == []
    by_step = {finding.step: finding.says for finding in findings}
    assert set(CLIENTS) < set(by_step)
    assert by_step["VS Code"] == (
        f"would send its user to {site.url}/authorize (known by its metadata document)"
    )
    assert by_step["Cursor"].endswith("(after it has registered)")
    assert by_step["Claude"] == "needs a site on the Internet, and not one here"
    assert by_step["session"] == "'played' speaks '2025-11-25'"
    assert by_step["tools"] == "1 are listed"
    assert by_step["stream"].startswith("its first bytes came after")
    assert all(f"registration as {name}" in by_step for name in CLIENTS)


async def test_nothing_is_changed_unless_that_was_asked_for(site: Site) -> None:
    """We promise it: no client is registered, and no token is needed."""
    assert faults(await visit(site)) == []
    assert not [
        asked
        for asked in site.asked
        if asked.path == "/register" and asked.method == "POST"
    ]
    assert not [asked for asked in site.asked if "authorization" in asked.headers]


# One thing is wrong ---------------------------------------------------------------


def change(of: str, **entries: Any) -> Callable[[Site], None]:
    """Change entries of a document; None takes one out."""

    def spoil(site: Site) -> None:
        document: dict[str, Any] = getattr(site, of)
        document.update(entries)
        for name in [name for name, value in entries.items() if value is None]:
            del document[name]

    return spoil


def answer(method: str, path: str, page: Page) -> Callable[[Site], None]:
    """Let a path answer so."""
    return lambda site: site.set(method, path, page)


def challenge(text: str) -> Callable[[Site], None]:
    """Let the 401 say so; $ stands for the site."""

    def spoil(site: Site) -> None:
        site.challenge = text.replace("$", site.url)

    return spoil


def redirect(location: str) -> Page:
    """Redirect."""
    return Page(b"", 302, {"location": location})


def bare_challenge(site: Site) -> None:
    """Leave WWW-Authenticate out."""
    site.set("POST", "/mcp", Page({"error": "login"}, 401))


def take_every(what: str, site: Site) -> None:
    """Take every Origin, or every Host, and repeat it or not."""
    usual = site.refusal

    def refusal(asked: Asked) -> Page | None:
        if what == "origin":
            asked.headers.pop("origin", None)
        else:
            host, asked.headers["host"] = asked.headers["host"], site.url[7:]
        found = usual(asked)
        if what == "reflected" and found is not None:
            named = f'Bearer resource_metadata="http://{host}{RESOURCE}"'
            found.headers["www-authenticate"] = named
        return found

    site.refusal = refusal  # type: ignore[method-assign]  # a site that is wrong


def refuse_all(page: Page, site: Site) -> None:
    """Answer so whatever the method is."""
    for method in ("POST", "GET"):
        site.set(method, "/mcp", page)


FAULTS: dict[str, tuple[Callable[[Site], None], str, str, str]] = {
    "redirect to a login page": (
        answer("POST", "/mcp", redirect("/login/?next=/mcp")),
        "first request",
        "a redirect (302) to /login/",
        "login_required",
    ),
    "redirect to the slash": (
        answer("POST", "/mcp", redirect("/mcp/")),
        "first request",
        "a redirect (302) to /mcp/",
        "/mcp/, or serve both",
    ),
    "redirect to itself": (
        lambda site: site.set("POST", "/mcp", redirect(f"{site.url}/mcp")),
        "first request",
        "a redirect (302) to http",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "redirect to https": (
        lambda site: site.set("POST", "/mcp", redirect(f"https{site.url[4:]}/mcp")),
        "first request",
        "a redirect (302) to https:",
        "type https:",
    ),
    "CSRF": (
        answer("POST", "/mcp", Page(b"CSRF verification failed", 403, HTML)),
        "first request",
        "403 (text/html)",
        "csrf_exempt",
    ),
    "wrong path": (
        partial(refuse_all, Page(b"", 404, HTML)),
        "first request",
        "404 (text/html)",
        "check the path",
    ),
    "wrong method": (
        partial(refuse_all, Page(b"", 405)),
        "first request",
        "405 (application/json)",
        "let POST through",
    ),
    "site is down": (
        answer("POST", "/mcp", Page(b"", 502)),
        "first request",
        "502 (application/json)",
        "the proxy does not reach the site",
    ),
    "site is broken": (
        answer("POST", "/mcp", Page(b"", 500)),
        "first request",
        "500 (application/json)",
        "log of the site",
    ),
    "no challenge": (
        bare_challenge,
        "challenge",
        "the 401 has no WWW-Authenticate",
        "send WWW-Authenticate",
    ),
    "other challenge": (
        challenge('Basic realm="site"'),
        "challenge",
        "no Bearer challenge",
        "send WWW-Authenticate",
    ),
    "no metadata named": (
        challenge("Bearer"),
        "challenge",
        "names no resource_metadata",
        "install mcp_django.oauth",
    ),
    "metadata elsewhere": (
        challenge('Bearer resource_metadata="http://127.0.0.1:1/x"'),
        "challenge",
        "resource_metadata is http://127.0.0.1:1/x, not at",
        "USE_X_FORWARDED_HOST",
    ),
    "metadata of the other scheme": (
        lambda site: challenge(f'Bearer resource_metadata="https{site.url[4:]}/x"')(
            site
        ),
        "challenge",
        "resource_metadata is https://127.0.0.1:",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "challenge in HTML": (
        lambda site: site.set(
            "POST",
            "/mcp",
            Page(b"<html>", 401, {"www-authenticate": site.challenge, **HTML}),
        ),
        "challenge",
        "the body is 401 (text/html), not JSON",
        "answer with JSON",
    ),
    "any Origin": (
        partial(take_every, "origin"),
        "Origin",
        "https://mcp-doctor.invalid is answered with 401",
        "refuse origins",
    ),
    "any Host": (
        partial(take_every, "host"),
        "Host",
        "a name that is not the site's is answered with 401",
        "ALLOWED_HOSTS",
    ),
    "reflected Host": (
        partial(take_every, "reflected"),
        "Host",
        "it repeats 'mcp-doctor.invalid'",
        "ALLOWED_HOSTS",
    ),
    "no resource metadata": (
        answer("GET", RESOURCE, Page({"error": "no"}, 404)),
        "resource metadata",
        "is answered with 404 (application/json)",
        "let the site answer there itself",
    ),
    "resource metadata behind a login": (
        answer("GET", RESOURCE, redirect("/login/")),
        "resource metadata",
        "is answered with a redirect (302) to /login/",
        "without redirect and login",
    ),
    "other resource": (
        change("resource", resource="https://example.com/mcp"),
        "resource metadata",
        "is for 'https://example.com/mcp', not for",
        "USE_X_FORWARDED_HOST",
    ),
    "resource with a slash": (
        lambda site: change("resource", resource=f"{site.url}/mcp/")(site),
        "resource metadata",
        "/mcp/', not for",
        "let the document repeat the slash",
    ),
    "resource of the site": (
        lambda site: change("resource", resource=site.url)(site),
        "resource metadata",
        "not for",
        "each endpoint needs a document of its own",
    ),
    "resource of the other scheme": (
        lambda site: change("resource", resource=f"https{site.url[4:]}/mcp")(site),
        "resource metadata",
        "is for 'https:",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "odd resource": (
        change("resource", resource=5),
        "resource metadata",
        "is for 5",
        "write the URL of the endpoint",
    ),
    "no authorization server": (
        change("resource", authorization_servers=[]),
        "resource metadata",
        "it names no authorization server",
        "django-oauth-toolkit",
    ),
    "odd authorization servers": (
        change("resource", authorization_servers=[1]),
        "resource metadata",
        "it names no authorization server",
        "django-oauth-toolkit",
    ),
    "no scopes": (
        change("resource", scopes_supported=None),
        "resource metadata",
        "it names no scopes",
        "scopes_supported",
    ),
    "tokens in the body": (
        change("resource", bearer_methods_supported=["body"]),
        "resource metadata",
        "does not take tokens in the header",
        "bearer_methods_supported",
    ),
    "metadata of everything": (
        lambda site: site.set(
            "GET",
            "/.well-known/oauth-protected-resource/mcp-doctor-none",
            Page(site.resource),
        ),
        "resource metadata",
        "is answered, too, though nothing is there",
        "answer 404",
    ),
    "404 in HTML": (
        answer("GET", SERVER, Page(b"<h1>Not Found</h1>", 404, HTML)),
        "authorization server",
        "is answered with 404 (text/html): clients read its body as JSON",
        "answer 404 with JSON",
    ),
    "no CORS of the resource metadata": (
        lambda site: site.set("GET", RESOURCE, Page(site.resource)),
        "CORS",
        "may not read the resource metadata",
        "allow every origin",
    ),
    "no CORS of the server metadata": (
        lambda site: site.set("GET", SERVER, Page(site.server)),
        "CORS",
        "may not read the metadata of the authorization server",
        "allow every origin",
    ),
    "no CORS of tokens": (
        answer("OPTIONS", "/token", Page(b"", 405)),
        "CORS",
        "may not use the token endpoint",
        "answer preflights",
    ),
    "no CORS of registration": (
        answer("OPTIONS", "/register", Page(b"", headers=CORS)),
        "CORS",
        "may not use the registration endpoint",
        "answer preflights",
    ),
    "server in a private network": (
        change("resource", authorization_servers=["ftp://10.0.0.1"]),
        "authorization server",
        "is no URL of the web",
        "answer with the document",
    ),
    "no server metadata": (
        answer("GET", SERVER, Page({"error": "no"}, 404)),
        "authorization server",
        "publishes no metadata",
        "let it answer at ",
    ),
    "broken server metadata": (
        answer("GET", SERVER, Page(b"", 500)),
        "authorization server",
        "is answered with 500",
        "or with 404 and JSON",
    ),
    "server metadata in HTML": (
        answer("GET", SERVER, Page(b"<html>", 200, HTML)),
        "authorization server",
        "is answered with 200 (text/html)",
        "answer with the document",
    ),
    "half a document of OpenID": (
        lambda site: site.set("GET", OPENID, Page(site.server)),
        "authorization server",
        "lacks jwks_uri, subject_types_supported",
        "or answer 404 there",
    ),
    "other issuer": (
        change("server", issuer="https://evil.example"),
        "authorization server",
        "is of 'https://evil.example', not of",
        "to the last slash",
    ),
    "no PKCE": (
        change("server", code_challenge_methods_supported=["plain"]),
        "authorization server",
        "PKCE with S256",
        "code_challenge_methods_supported",
    ),
    "no codes": (
        change("server", response_types_supported=["token"]),
        "authorization server",
        "it does not give codes",
        "response_types_supported",
    ),
    "no authorization endpoint": (
        change("server", authorization_endpoint=None),
        "authorization server",
        "it has no authorization_endpoint",
        "publish",
    ),
    "secrets only": (
        change("server", token_endpoint_auth_methods_supported=["client_secret_post"]),
        "client ids",
        "no client can be known by a URL",
        'list "none"',
    ),
    "no way to an id": (
        change(
            "server",
            registration_endpoint=None,
            client_id_metadata_document_supported=False,
        ),
        "client ids",
        "clients can neither register nor be known by a URL",
        "offer registration",
    ),
    "authorize is missing": (
        answer("GET", "/authorize", Page({}, 404)),
        "authorize",
        "is answered with 404",
        "let the site answer there",
    ),
    "authorize fails": (
        answer("GET", "/authorize", Page(b"", 500)),
        "authorize",
        "is answered with 500",
        "see its log",
    ),
    "open redirect": (
        answer("GET", "/authorize", redirect("http://127.0.0.1:33418/?error=x")),
        "authorize",
        "is redirected to where it likes",
        "show an error page",
    ),
    "token endpoint wants CSRF": (
        answer("POST", "/token", Page(b"CSRF verification failed", 403, HTML)),
        "token",
        "gets 403 (text/html)",
        "csrf_exempt",
    ),
    "token endpoint redirects": (
        answer("POST", "/token", redirect("/token/")),
        "token",
        "gets a redirect (302) to /token/",
        "answer there itself",
    ),
    "token endpoint is in HTML": (
        answer("POST", "/token", Page(b"<html>", 400, HTML)),
        "token",
        "gets 400 (text/html)",
        "RFC 6749",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_fault_is_named_with_what_to_set(site: Site, name: str) -> None:
    """We promise it: what failed, why, and what to set."""
    spoil, step, says, remedy = FAULTS[name]
    spoil(site)
    findings = faults(await visit(site))
    found = [f for f in findings if f.step == step and says in f.says]
    assert found, findings
    assert remedy in found[0].remedy


STOPS: dict[str, tuple[Callable[[Site], None], list[str], str]] = {
    "resource": (
        change("resource", resource="https://example.com/mcp"),
        LOCAL_CLIENTS,
        "is for 'https://example.com/mcp'",
    ),
    "issuer": (
        change("server", issuer="https://evil.example"),
        LOCAL_CLIENTS,
        "the metadata is not of",
    ),
    "PKCE": (
        change("server", code_challenge_methods_supported=[]),
        LOCAL_CLIENTS,
        "no PKCE",
    ),
    "no registration": (
        change("server", registration_endpoint=None),
        ["Cursor"],
        "it can get no client id",
    ),
    "no documents, and no registration": (
        change(
            "server",
            registration_endpoint=None,
            token_endpoint_auth_methods_supported=["client_secret_basic"],
        ),
        LOCAL_CLIENTS,
        "it can get no client id",
    ),
    "no documents at all": (
        answer("GET", SERVER, Page({}, 404)),
        LOCAL_CLIENTS,
        "without metadata it guesses",
    ),
}


@pytest.mark.parametrize("name", STOPS)
async def test_clients_stop_where_they_would(site: Site, name: str) -> None:
    """We promise it: each by what it looks at itself."""
    spoil, names, says = STOPS[name]
    spoil(site)
    stopped = {
        f.step: f.says
        for f in await visit(site)
        if f.step in CLIENTS and f.verdict is Verdict.FAILED
    }
    assert sorted(stopped) == sorted(names)
    assert all(says in text for text in stopped.values())


# With a token ---------------------------------------------------------------------


async def test_token_goes_to_the_endpoint_alone(site: Site) -> None:
    """We promise it: to nothing that a server names, and along no redirect."""
    site.set("GET", "/mcp", redirect("/elsewhere"))
    await visit(site, token=TOKEN, registers=True)
    told = [asked for asked in site.asked if "authorization" in asked.headers]
    assert {asked.path for asked in told} == {"/mcp"}
    everything = "".join(asked.path + asked.body.decode() for asked in site.asked)
    assert TOKEN not in everything
    assert "/elsewhere" not in everything


async def test_token_that_is_refused_is_said(site: Site) -> None:
    """Chosen: it is the first thing to know."""
    [found] = [f for f in await visit(site, token="old") if f.step == "session"]
    assert found.verdict is Verdict.FAILED
    assert "initialize is answered with 401" in found.says
    assert "take a token for this endpoint" in found.remedy


@pytest.mark.parametrize(
    ("page", "verdict", "says"),
    [
        (Page({}, 405), Verdict.NOTE, "has none outside of requests"),
        (Page({}, 500), Verdict.WARNING, "GET is answered with 500"),
        (Page({}, 200), Verdict.WARNING, "GET is answered with 200 (application/json)"),
    ],
)
async def test_stream_that_is_none_is_said(
    site: Site, page: Page, verdict: Verdict, says: str
) -> None:
    """Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server"."""
    site.set("GET", "/mcp", page)
    [found] = [f for f in await visit(site, token=TOKEN) if f.step == "stream"]
    assert found.verdict is verdict
    assert says in found.says


async def test_stream_that_is_held_back_is_said(site: Site) -> None:
    """We promise it: a proxy with a buffer looks so."""
    held = Page(b": late\n\n", 200, {"content-type": "text/event-stream"}, site.end)
    site.set("GET", "/mcp", held)
    findings = await visit(site, token=TOKEN, seconds=0.5)
    [found] = [f for f in findings if f.step == "stream"]
    assert found.verdict is Verdict.WARNING
    assert "nothing came on it" in found.says
    assert "proxy_buffering off" in found.remedy


async def test_stream_that_is_packed_is_said(site: Site) -> None:
    """Chosen: what packs holds events back until it has many."""
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    site.set("GET", "/mcp", Page(b"x", headers=headers))
    findings = await visit(site, token=TOKEN)
    assert any("it is packed (gzip)" in f.says for f in findings)


async def test_site_without_login_is_examined_without_a_token(site: Site) -> None:
    """Chosen: many servers are open to all."""
    site.refusal = lambda asked: None  # type: ignore[method-assign]  # it is open
    findings = await visit(site)
    by_step = {finding.step: finding.says for finding in findings}
    assert by_step["VS Code"] == "needs no login"
    assert by_step["session"] == "'played' speaks '2025-11-25'"


async def test_server_of_the_older_binding_is_examined_too(site: Site) -> None:
    """Spec: 2025-11-25 basic/transports, "Backwards Compatibility"."""
    site.set("POST", "/mcp", Page({}, 405))
    findings = await visit(site, token=TOKEN)
    said = {f.step: f.says for f in findings}
    assert faults(findings) == []
    assert "this is HTTP+SSE" in said["first request"]
    assert said["VS Code"].startswith("would send its user to")
    assert said["stream"].startswith("its first bytes came")


# Registration ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "says", "remedy"),
    [
        (
            Page({"error": "invalid_redirect_uri", "error_description": "no"}, 400),
            "is refused: invalid_redirect_uri (no)",
            "allow cursor://",
        ),
        (Page({}, 403), "is answered with 403", "without a login"),
        (Page({}, 429), "is answered with 429", "by address alone"),
        (Page(b"<html>", 200, HTML), "is answered with 200", "allow cursor://"),
    ],
)
async def test_registration_that_fails_is_said(
    site: Site, page: Page, says: str, remedy: str
) -> None:
    """We promise it: for each client by itself."""
    site.set("POST", "/register", page)
    findings = await visit(site, registers=True)
    [found] = [f for f in findings if f.step == "registration as Cursor"]
    assert found.verdict is Verdict.FAILED
    assert says in found.says
    assert remedy in found.remedy


async def test_clients_that_were_registered_are_taken_back(site: Site) -> None:
    """Spec: RFC 7592, section 2.3."""

    def register(asked: Asked) -> Page:
        document = {
            **json.loads(asked.body),
            "client_id": "1",
            "registration_client_uri": f"{site.url}/register/1",
            "registration_access_token": "own",
        }
        return Page(document, 201)

    site.answers["POST", "/register"] = register
    site.set("DELETE", "/register/1", Page(b"", 204))
    findings = await visit(site, registers=True)
    assert {f.says for f in findings if f.step.startswith("registration as")} == {
        "works, and was deleted"
    }


# TLS ------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Give a certificate that ends tomorrow, with its key."""
    path = tmp_path / "site.pem"
    write_certificate(path)
    return path


async def test_certificate_that_is_not_trusted_is_said(certificate: Path) -> None:
    """We promise it: clients refuse it, and say little."""
    with serving(certificate) as site:
        findings = await visit(site)
    assert [f.step for f in findings] == ["URL", "first request"]
    assert (
        findings[-1].says == "its certificate is not trusted: self-signed certificate"
    )
    assert "the whole chain" in findings[-1].remedy


async def test_certificate_that_ends_soon_is_said(certificate: Path) -> None:
    """Chosen: before the site is gone."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(certificate) as site:
        async with httpx2.AsyncClient(verify=trusting, timeout=None) as http:
            findings = await visit(site, http=http)
    [found] = faults(findings)
    assert (found.step, found.says) == ("TLS", "the certificate ends in 0 days")


async def test_http_where_https_is_spoken_is_said(certificate: Path) -> None:
    """Chosen: it looks like a site that is down."""
    with serving(certificate) as site:
        site.url = f"http{site.url[5:]}"
        findings = await visit(site)
    assert findings[-1].verdict is Verdict.FAILED


# Bounds ---------------------------------------------------------------------------


async def test_site_that_is_not_there_is_said() -> None:
    """We promise it: no traceback."""
    findings = await examine("http://127.0.0.1:1/mcp", seconds=5)
    assert [f.step for f in findings] == ["URL", "first request"]
    assert "it cannot be asked" in findings[-1].says


async def test_site_that_hangs_is_given_up(site: Site) -> None:
    """We promise it: in the time for one request."""
    site.set("POST", "/mcp", Page(b"", wait=site.end))
    begun_at = time.monotonic()
    findings = await visit(site, seconds=0.3)
    assert time.monotonic() - begun_at < 5
    assert "there was no answer in 0.3 seconds" in findings[-1].says


async def test_all_steps_together_have_a_bound(site: Site) -> None:
    """We promise it: whatever a site does."""
    site.set("GET", RESOURCE, Page(b"", wait=site.end))
    findings = await visit(site, seconds=60, within=0.5)
    assert findings[-1].step == "time"
    assert findings[-1].verdict is Verdict.FAILED


async def test_endless_documents_are_not_read_to_their_end(site: Site) -> None:
    """We promise it: what comes is bounded in size."""
    site.set("GET", RESOURCE, Page(b" " * 20_000_000))
    findings = await visit(site)
    assert any("is answered with 200" in f.says for f in faults(findings))


NO_URLS = ("https://[::1", "https://login.example:x/", "//", "\ud800", "a b", "")


@pytest.mark.parametrize("value", [*NO_URLS, None, True, 1.5, [], [None], {}])
async def test_nonsense_is_a_finding_and_no_failure_of_ours(value: Any) -> None:
    """We promise it: sites say what they want, and are examined all the same."""
    names = (
        *("resource", "authorization_servers", "bearer_methods_supported"),
        *("issuer", "authorization_endpoint", "token_endpoint"),
        *("registration_endpoint", "scopes_supported", "grant_types_supported"),
    )
    lies = dict.fromkeys(names, value)
    lies["authorization_servers"] = [value] if isinstance(value, str) else value
    if not isinstance(value, str):  # That clients come further.
        lies |= {"resource": "https://site.example/mcp", "issuer": "https://as.example"}
        lies |= {"authorization_servers": ["https://as.example"]}
        lies |= {"code_challenge_methods_supported": value}

    async def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/mcp":
            return httpx2.Response(200, content=json.dumps(lies).encode())
        if value in NO_URLS[:2]:
            return httpx2.Response(307, headers={"location": str(value)})
        return httpx2.Response(401, headers={"www-authenticate": "Bearer"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        findings = await examine("https://site.example/mcp", seconds=5, http=http)

    assert any(finding.verdict is Verdict.FAILED for finding in findings)


async def test_site_on_the_internet_leads_into_no_private_network() -> None:
    """We promise it: a strange site is given no access to what is around us."""
    async with httpx2.AsyncClient() as http:
        asker = Asker(http, 1)
        for url in (
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1/",
            "http://[::1]/",
            "https://localhost/",
            "https://db.internal/",
            "file:///etc/passwd",
        ):
            answer = await asker.get(url)
            assert answer.status == 0
            assert "it was not asked" in answer.fault or "no URL" in answer.fault
