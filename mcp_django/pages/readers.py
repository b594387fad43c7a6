"""Who reads a page, and where they log in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import global_settings, settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve
from django.utils.translation import gettext as _

from mcp_django.auth.authenticators import is_open_to_all
from mcp_django.auth.interface import User
from mcp_django.bulkheads.missing_migrations import commands_for
from mcp_django.rendering import render_page

_NOT_MIGRATED: Final = "mcp_django/pages/not_migrated.html"


async def reader_of(request: HttpRequest) -> User:
    """Give the user who has logged in, as `AuthenticationMiddleware` knows."""
    if not hasattr(request, "auser"):
        return AnonymousUser()
    user: User = await request.auser()
    return user


def login_url(request: HttpRequest) -> str | None:
    """Say where the reader logs in and comes back; None where the site has no place.

    A `LOGIN_URL` that the project has set is taken at its word: something in front of
    the site may serve it, or a redirect to each language.
    """
    try:
        url = resolve_url(settings.LOGIN_URL)
        if settings.LOGIN_URL == global_settings.LOGIN_URL:
            resolve(url)
    except (NoReverseMatch, Resolver404):
        return None
    return redirect_to_login(request.get_full_path(), url).url


def for_users(
    view: Callable[..., HttpResponseBase],
) -> Callable[..., HttpResponseBase]:
    """Have strangers log in before they see a page, unless the site is open to all.

    Where the site has no page to log in at, they are refused. A form that was sent
    after the login had ended is lost, which is said. If the database lacks what the
    page needs, the page says so.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any) -> HttpResponseBase:
        user = getattr(request, "user", None)
        if user is not None and (user.is_authenticated or is_open_to_all()):
            return _show(view, request, *args)
        url = login_url(request)
        if url is None:
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            told = _("Your login had ended, and nothing was done. Please try again.")
            messages.warning(request, told, fail_silently=True)
        return HttpResponseRedirect(url)

    return guarded


def _show(
    view: Callable[..., HttpResponseBase], request: HttpRequest, *args: Any
) -> HttpResponseBase:
    try:
        return view(request, *args)
    except DatabaseError as error:
        commands = commands_for(error)
        if commands is None:
            raise
        page = {"commands": commands}
        return render_page(request, _NOT_MIGRATED, page, status=503)
