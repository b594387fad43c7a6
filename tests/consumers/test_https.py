"""Requests over plain HTTP on a site that speaks HTTPS."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from mcp_django.asgi import get_asgi_application
from mcp_django.checks.https import check_https
from mcp_django.middleware import OriginMiddleware
from tests.consumers.connections import request
from tests.consumers.websocket_connections import refusal

POST = {"content-type": "application/json", "accept": "application/json"}
HSTS = "max-age=3600; includeSubDomains; preload"
BY_PROXY = {"x-forwarded-proto": "https"}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    """Have a site that is to be reached over HTTPS alone."""
    settings.ROOT_URLCONF = "tests.health.urls"
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_HSTS_PRELOAD = True
    settings.MCP = {"AUTHENTICATION": []}


async def ask(method: str, path: str, **more: Any) -> Any:
    headers = POST | more.pop("headers", {})
    return await request(get_asgi_application(), method, path, headers=headers, **more)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp/"),
        ("OPTIONS", "/mcp"),
        ("GET", "/mcp/sse"),
        ("POST", "/mcp/messages?session_id=1"),
    ],
)
async def test_plain_http_is_refused_and_not_redirected(method: str, path: str) -> None:
    """We promise it: a token has travelled by then."""
    answer = await ask(method, path)
    status, _, text = answer.error()
    assert status == 403
    assert f"use https://testserver{path.partition('?')[0]}." in text
    assert "replace it" in text
    assert answer.header("location") is None
    assert answer.header("strict-transport-security") is None


async def test_https_is_answered_with_hsts() -> None:
    """Spec: RFC 6797, section 7.1; refusals, too."""
    answer = await ask("POST", "/mcp", scheme="https")
    assert answer.status == 400
    assert answer.header("strict-transport-security") == HSTS


async def test_proxy_says_that_it_was_https(settings: Settings) -> None:
    """We promise it: as Django reads it, which believes the proxy first."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert (await ask("POST", "/mcp", headers=BY_PROXY)).status == 400
    plain = {"x-forwarded-proto": "http"}
    assert (await ask("POST", "/mcp", headers=plain, scheme="https")).status == 403


async def test_hsts_needs_no_redirect(settings: Settings) -> None:
    """We promise it: where the proxy redirects."""
    settings.SECURE_SSL_REDIRECT = False
    over_https = await ask("POST", "/mcp", scheme="https")
    assert over_https.header("strict-transport-security") == HSTS
    plain = await ask("POST", "/mcp")
    assert (plain.status, plain.header("strict-transport-security")) == (400, None)


async def test_hsts_goes_with_cors(settings: Settings) -> None:
    """Chosen: what one adds to answers, the other keeps."""
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    headers = {"origin": "https://app.example"}
    answer = await ask("POST", "/mcp", headers=headers, scheme="https")
    assert answer.header("strict-transport-security") == HSTS
    assert answer.header("access-control-allow-origin") == "https://app.example"


async def test_exempt_paths_are_answered(settings: Settings) -> None:
    """We promise it: as Django has it, without the first slash."""
    settings.SECURE_REDIRECT_EXEMPT = [r"^mcp$"]
    assert (await ask("POST", "/mcp")).status == 400
    assert (await ask("GET", "/mcp/sse")).status == 403


async def test_host_of_https_is_named(settings: Settings) -> None:
    """We promise it."""
    settings.SECURE_SSL_HOST = "safe.example"
    _, _, text = (await ask("POST", "/mcp")).error()
    assert "https://safe.example/mcp" in text


async def test_websocket_is_refused() -> None:
    """We promise it: ws:// is plain HTTP."""
    refused = await refusal(get_asgi_application(), "/mcp", scheme="ws")
    assert refused.status == 403


def test_middleware_refuses_before_django_redirects(settings: Settings) -> None:
    """We promise it: on the way in through Django; pages are redirected."""
    settings.MIDDLEWARE = [
        "mcp_django.middleware.OriginMiddleware",
        "django.middleware.security.SecurityMiddleware",
    ]
    assert Client().post("/mcp").status_code == 403
    assert Client().get("/elsewhere").status_code == 301
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    assert Client().post("/mcp").status_code == 301

    passed = OriginMiddleware(lambda request: HttpResponse("passed"))
    secure = RequestFactory().post("/mcp", secure=True)
    response = passed(secure)
    assert isinstance(response, HttpResponse)
    assert response.content == b"passed"


def test_redirected_endpoints_are_found(settings: Settings) -> None:
    """We promise it."""
    settings.ASGI_APPLICATION = None
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
    (message,) = check_https()
    assert message.id == "mcp_django.W160"
    ours = "mcp_django.middleware.OriginMiddleware"
    settings.MIDDLEWARE = [ours, *settings.MIDDLEWARE]
    assert check_https() == []
    settings.MIDDLEWARE = settings.MIDDLEWARE[1:]
    settings.SECURE_SSL_REDIRECT = False
    assert check_https() == []
