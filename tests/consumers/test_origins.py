"""Which origins are allowed, as a table."""

from __future__ import annotations

import re

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from mcp_django.consumers.origins import is_allowed_origin


def is_allowed(origin: str, host: str = "127.0.0.1:8000", **headers: str) -> bool:
    """Say whether an origin may talk to a site that is reached by a host."""
    request = RequestFactory().get("/mcp/sse", headers={"host": host, **headers})
    return is_allowed_origin(request, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("testserver", "http://testserver"),
        ("TestServer", "http://testserver"),
        ("testserver", "HTTP://TestServer"),
        # Browsers leave the default port out, other programs may not.
        ("testserver:80", "http://testserver"),
        ("testserver", "http://testserver:80"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::1]", "http://[::1]"),
        ("[::1]:80", "http://[::1]"),
    ],
)
def test_own_origin_is_allowed(host: str, origin: str) -> None:
    """Spec: RFC 6454, section 5: scheme, host and port are compared."""
    assert is_allowed(origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://127.0.0.1:8000",
        "http://127.0.0.1",
        "http://127.0.0.1:80",
        "http://127.0.0.1:8001",
        "http://localhost:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:8000@evil.example",
        "http://evil.example@127.0.0.1:8000",
        "http://evil.example#127.0.0.1:8000",
        "http://evil.example\\@127.0.0.1:8000",
        "http://127.0.0.1:8000/",
        "http://127.0.0.1:8000/path",
        "http://127.0.0.1:8000?query",
        "http://127.0.0.1:8000 https://evil.example",
        "http://127.0.0.1:8000, https://evil.example",
        "http://127.0.0.1:8000\n",
        " http://127.0.0.1:8000",
        "http://127.0.0.1:08000",
        "http://127.0.0.1:",
        "http://127.0.0.1:x",
        "http://",
        "http://[",
        "//127.0.0.1:8000",
        "127.0.0.1:8000",
        "null",
        "NULL",
        "*",
        "",
        "file://",
        "data:text/html,x",
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    """Spec: RFC 6454, section 7.1; "null" is what sandboxed pages send."""
    assert not is_allowed(origin)


def test_own_origin_is_https_behind_a_proxy_that_ends_tls(settings: Settings) -> None:
    """Chosen: scheme as Django computes it."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    proxied = {"x-forwarded-proto": "https"}

    assert is_allowed("https://testserver", "testserver", **proxied)
    assert is_allowed("https://testserver", "testserver:443", **proxied)
    assert not is_allowed("http://testserver", "testserver", **proxied)
    assert is_allowed("http://testserver", "testserver")


def test_forwarded_scheme_counts_only_where_the_project_says_so() -> None:
    """Chosen: any client can send the header."""
    proxied = {"x-forwarded-proto": "https"}

    assert not is_allowed("https://testserver", "testserver", **proxied)


def test_own_origin_has_the_forwarded_host_behind_such_a_proxy(
    settings: Settings,
) -> None:
    """Chosen: host as Django computes it."""
    settings.USE_X_FORWARDED_HOST = True
    proxied = {"x-forwarded-host": "testserver"}

    assert is_allowed("http://testserver", "127.0.0.1:8000", **proxied)
    assert not is_allowed("http://127.0.0.1:8000", "127.0.0.1:8000", **proxied)


def test_host_that_is_not_the_sites_makes_no_own_origin() -> None:
    """Chosen: a rebound name is nobody's own."""
    assert not is_allowed("http://evil.example", "evil.example")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://app.example", True),
        ("https://app.example:443", True),
        ("HTTPS://App.Example", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://app.example.evil.example", False),
        ("https://evil.example", False),
        ("vscode-file://vscode-app", True),
    ],
)
@pytest.mark.parametrize("setting", ["MCP", "CORS_ALLOWED_ORIGINS"])
def test_origins_of_settings_are_allowed(
    settings: Settings, setting: str, origin: str, expected: bool
) -> None:
    """Chosen: those of django-cors-headers count as our own."""
    origins = ["https://App.example/", "vscode-file://vscode-app"]
    setattr(
        settings, setting, {"ALLOWED_ORIGINS": origins} if setting == "MCP" else origins
    )

    assert is_allowed(origin) is expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://a.app.example", True),
        ("https://a.app.example.evil.example", False),
        ("https://b.other.example", True),
        ("null", False),
    ],
)
def test_patterns_have_to_match_the_whole_origin(
    settings: Settings, origin: str, expected: bool
) -> None:
    """Chosen: django-cors-headers itself lets a prefix do."""
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [
        r"https://\w+\.app\.example",
        re.compile(r"https://\w+\.other\.example"),
        r"nul+",
    ]

    assert is_allowed(origin) is expected


def test_allowing_all_origins_opens_nothing_here(settings: Settings) -> None:
    """Chosen: what suits a public API must not open the users' own accounts."""
    settings.CORS_ALLOW_ALL_ORIGINS = True

    assert not is_allowed("https://evil.example")


def test_null_is_refused_even_where_cors_names_it(settings: Settings) -> None:
    """Chosen: every sandboxed page in the world has this origin."""
    settings.CORS_ALLOWED_ORIGINS = ["null"]

    assert not is_allowed("null")
