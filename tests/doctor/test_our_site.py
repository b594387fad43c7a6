"""What the doctor says of a site of ours, as it is, and behind proxies that are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from mcp_django.asgi import get_asgi_application
from mcp_django.consumers.exchange import Receive, Scope, Send
from mcp_django.doctor.doctor import examine
from mcp_django.doctor.findings import Finding, Verdict
from mcp_django.doctor.known_clients import KNOWN_CLIENTS
from mcp_django.oauth.preset import oauth2_provider
from mcp_django.transports.client.http_library import httpx2

URL = "https://shop.example/mcp"

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Proxy = Callable[[Application], Application]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    """Let the site be one with logins for programs, behind a proxy."""
    settings.ALLOWED_HOSTS = ["shop.example"]
    settings.OAUTH2_PROVIDER = oauth2_provider()


async def visit(proxy: Proxy | None = None, **options: Any) -> Sequence[Finding]:
    """Let the doctor look at the site through what stands before it."""
    # Made anew: middleware reads the settings when it is made.
    site: Application = get_asgi_application()
    behind: Any = site if proxy is None else proxy(site)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(behind)) as http:
        return await examine(URL, http=http, **options)


def faults(findings: Sequence[Finding]) -> list[Finding]:
    """Give what is not well."""
    return [f for f in findings if f.verdict in (Verdict.FAILED, Verdict.WARNING)]


async def test_site_is_well_and_takes_every_client() -> None:
    """We promise it: all clients come as far as the login, and may register."""
    findings = await visit(registers=True)
    assert faults(findings) == []
    said = {f.step: f.says for f in findings}
    for client in KNOWN_CLIENTS:
        assert said[client.name].startswith("would send its user to https://shop.exam")
        assert said[f"registration as {client.name}"].startswith("works")


async def test_login_by_default_does_not_stand_before_programs(
    settings: Settings,
) -> None:
    """We promise it: they have no login when they look for one."""
    login = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, login]
    assert faults(await visit(registers=True)) == []


# Proxies --------------------------------------------------------------------------


def straight(site: Application) -> Application:
    """Pass all on."""
    return site


def without_tls(site: Application, *, is_said: bool = False) -> Application:
    """Speak http to the site, as proxies do that end TLS."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        said = [(b"x-forwarded-proto", b"https")] if is_said else []
        changed = {"scheme": "http", "headers": [*scope["headers"], *said]}
        await site({**scope, **changed}, receive, send)

    return proxy


def with_own_host(site: Application) -> Application:
    """Ask the site by another name than users do."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        others = [header for header in scope["headers"] if header[0] != b"host"]
        headers = [*others, (b"host", b"backend.example")]
        await site({**scope, "headers": headers}, receive, send)

    return proxy


def without_header(name: bytes, site: Application) -> Application:
    """Leave a header of responses out."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_some(event: Any) -> None:
            if event["type"] == "http.response.start":
                headers = [h for h in event["headers"] if h[0].lower() != name]
                event = {**event, "headers": headers}
            await send(event)

        await site(scope, receive, send_some)

    return proxy


def with_login_at(path: str, site: Application) -> Application:
    """Send all that is below a path to a login page of its own."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(path):
            await site(scope, receive, send)
            return
        headers = [(b"location", b"https://sso.example/login")]
        start = {"type": "http.response.start", "status": 302, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    return proxy


PROXIES: dict[str, tuple[Proxy, dict[str, Any], str, str, str]] = {
    "http to the site": (
        without_tls,
        {},
        "challenge",
        "resource_metadata is http://shop.example/",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "http that the site does not believe": (
        partial(without_tls, is_said=True),
        {},
        "resource metadata",
        "is for 'http://shop.example/mcp', not for 'https://shop.example/mcp'",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "http, where https is asked for": (
        without_tls,
        {"SECURE_SSL_REDIRECT": True},
        "first request",
        "403 (application/json)",
        "SECURE_PROXY_SSL_HEADER",
    ),
    "other host": (
        with_own_host,
        {"ALLOWED_HOSTS": ["backend.example"]},
        "challenge",
        "resource_metadata is https://backend.example/",
        "USE_X_FORWARDED_HOST",
    ),
    "host that is not allowed": (
        straight,
        {"ALLOWED_HOSTS": ["other.example"]},
        "first request",
        "400 (application/json)",
        "ALLOWED_HOSTS",
    ),
    "challenges are dropped": (
        partial(without_header, b"www-authenticate"),
        {},
        "challenge",
        "the 401 has no WWW-Authenticate",
        "let the proxy pass it on",
    ),
    "CORS is dropped": (
        partial(without_header, b"access-control-allow-origin"),
        {},
        "CORS",
        "may not use the registration endpoint",
        "answer preflights",
    ),
    "login before the endpoint": (
        partial(with_login_at, "/mcp"),
        {},
        "first request",
        "a redirect (302) to https://sso.example/login",
        "login_required",
    ),
    "login before the documents": (
        partial(with_login_at, "/.well-known/"),
        {},
        "resource metadata",
        "a redirect (302) to https://sso.example/login",
        "without redirect and login",
    ),
    "login before the token endpoint": (
        partial(with_login_at, "/oauth/token"),
        {},
        "token",
        "a redirect (302) to https://sso.example/login",
        "answer there itself",
    ),
    "every host is taken": (
        straight,
        {"ALLOWED_HOSTS": ["*"], "MCP": {"ALLOWED_HOSTS": ["*"]}},
        "Host",
        "it repeats 'mcp-doctor.invalid'",
        "ALLOWED_HOSTS",
    ),
    "URLs are not included": (
        straight,
        {"ROOT_URLCONF": "tests.urls_without_oauth"},
        "authorization server",
        "https://shop.example publishes no metadata",
        "let it answer at https://shop.example/.well-known/oauth-authorization-server",
    ),
}


@pytest.mark.parametrize("name", PROXIES)
async def test_fault_of_settings_or_proxy_is_named(
    settings: Settings, name: str
) -> None:
    """We promise it: what failed, why, and what to set."""
    proxy, changes, step, says, remedy = PROXIES[name]
    for key, value in changes.items():
        setattr(settings, key, value)
    found = [f for f in faults(await visit(proxy)) if f.step == step and says in f.says]
    assert found
    assert remedy in found[0].remedy


async def test_site_that_believes_its_proxy_is_well(settings: Settings) -> None:
    """Chosen: what the doctor says to set helps."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert faults(await visit(partial(without_tls, is_said=True))) == []


async def test_site_that_has_a_name_is_well_behind_any_proxy(
    settings: Settings,
) -> None:
    """Chosen: what the doctor says to set helps."""
    settings.ALLOWED_HOSTS = ["backend.example"]
    settings.MCP = {"PUBLIC_URL": "https://shop.example"}
    findings = faults(await visit(with_own_host))
    # Whatever it is called, it is asked by the name of the backend.
    assert {f.step for f in findings} <= {"Host"}
