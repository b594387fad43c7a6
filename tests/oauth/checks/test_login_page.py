"""Checks of the page where users log in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import path

from mcp_django import Server
from mcp_django.oauth.checks.login_page import check_login_page
from tests.oauth.urlconfs import root_urlconf


def ids_of(login_url: str, **settings: Any) -> list[str | None]:
    """Check a project that logs its users in at a URL."""
    patterns = [
        *Server("shop").urls("mcp"),
        path("admin/", admin.site.urls),
        path("log-in/", LoginView.as_view(), name="login"),
    ]
    with root_urlconf(*patterns, LOGIN_URL=login_url, **settings):
        return [message.id for message in check_login_page()]


@pytest.mark.parametrize(
    "login_url",
    ["login", "/log-in/", "/log-in", "/log-in/?from=mcp", "https://sso.example/"],
)
def test_page_where_users_log_in_is_found(login_url: str) -> None:
    """Chosen: also one of another site, into which a check cannot look."""
    assert ids_of(login_url) == []


@pytest.mark.parametrize("login_url", ["/accounts/login/", "sign-in", "/"])
def test_login_url_that_leads_nowhere_is_found(login_url: str) -> None:
    """Chosen: Django's default does so in a new project."""
    assert ids_of(login_url) == ["mcp_django.W150"]


@pytest.mark.parametrize("login_url", ["admin:login", "/admin/login/"])
def test_login_page_of_the_admin_is_found(login_url: str) -> None:
    """Chosen: it refuses users who are not staff."""
    assert ids_of(login_url) == ["mcp_django.W151"]


def test_site_that_lets_no_programs_log_in_needs_no_page() -> None:
    """Chosen: another issuer has its own."""
    apps = ["mcp_django", "mcp_django.oauth"]

    assert ids_of("/accounts/login/", INSTALLED_APPS=apps) == []
