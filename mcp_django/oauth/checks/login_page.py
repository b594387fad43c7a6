"""Checks of the page where users log in before they are asked about a program."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, ResolverMatch, resolve

from mcp_django.checks.servers import readable_endpoints


def check_login_page(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a `LOGIN_URL` where users of the site cannot log in."""
    if not apps.is_installed("oauth2_provider") or not readable_endpoints():
        return []
    try:
        url = urlsplit(resolve_url(settings.LOGIN_URL))
    except NoReverseMatch:
        return [_leads_nowhere()]
    if url.netloc:
        return []
    match = _view_at(url.path)
    if match is None:
        return [_leads_nowhere()]
    if match.app_names[:1] == ["admin"]:
        return [
            checks.Warning(
                f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, the login page of the "
                "admin, which lets in staff alone.",
                hint="Name one for all users who shall let programs act for them.",
                id="mcp_django.W151",
            )
        ]
    return []


def _leads_nowhere() -> checks.CheckMessage:
    return checks.Warning(
        f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, where this project has no page, so "
        "that users who connect a program cannot log in.",
        hint="Name your login page, or add one, such as LoginView.as_view("
        "template_name='mcp_django/login.html'); silence this where something else "
        "serves it.",
        id="mcp_django.W150",
    )


def _view_at(path: str) -> ResolverMatch | None:
    """Give what is at a path, with a slash behind it or without."""
    for each in (path, f"{path}/"):
        try:
            return resolve(each)
        except Resolver404:
            continue
    return None
