"""Who reads a page, and where they log in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve
from django.utils.http import urlencode

from mcp_django.auth.interface import User


async def reader_of(request: HttpRequest) -> User:
    """Give the user who has logged in, as `AuthenticationMiddleware` knows."""
    if not hasattr(request, "auser"):
        return AnonymousUser()
    user: User = await request.auser()
    return user


def login_url(request: HttpRequest) -> str | None:
    """Say where the reader logs in and comes back; None where the site has no place."""
    try:
        url = resolve_url(settings.LOGIN_URL)
        if url.startswith("/"):
            resolve(url.removeprefix(get_script_prefix().rstrip("/")))
    except (NoReverseMatch, Resolver404):
        return None
    return f"{url}?{urlencode({'next': request.get_full_path()})}"
