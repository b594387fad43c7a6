"""Who reads a page, and where they log in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve
from django.utils.http import urlencode

from mcp_django.auth.authenticators import is_open_to_all
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


def only_for_users(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Have strangers log in before they see a page, unless the site is open to all.

    Where the site has no page to log in at, they are refused.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = getattr(request, "user", None)
        if user is not None and (user.is_authenticated or is_open_to_all()):
            return view(request, *args, **kwargs)
        url = login_url(request)
        if url is None:
            raise PermissionDenied
        return HttpResponseRedirect(url)

    return guarded
