"""The pages that mcp_django shows to people: what they have in common.

They extend `mcp_django/base.html`, which a project may replace by a template of the
same name that extends its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.sites.shortcuts import get_current_site
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.cache import add_never_cache_headers

from mcp_django.conf import mcp_settings

_STYLES: Final = "mcp_django/pages.css"

_POLICY: Final = (
    "default-src 'none'; style-src 'self'{more}; img-src 'self' data:{more}; "
    "font-src 'self' data:{more}; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_SCRIPT_POLICY: Final = (
    "; script-src 'self'{static}; connect-src {connect}; media-src 'self' data: blob:"
)


def site_name_of(request: HttpRequest) -> str:
    """Give the site's name: `MCP["SITE_NAME"]`, of `django.contrib.sites`, or its host.

    Raises:
        DisallowedHost: The request names a host that the site does not have.
    """
    if mcp_settings.SITE_NAME is not None:
        return mcp_settings.SITE_NAME
    try:
        return str(get_current_site(request).name)
    except (ImproperlyConfigured, ObjectDoesNotExist):
        # The table of sites has none for this request.
        return request.get_host()


def render_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    connect_to: Sequence[str] | None = None,
) -> HttpResponse:
    """Show a page that no other page may frame and no cache keeps.

    No script runs in it, unless it is said where its scripts may connect to.

    Args:
        request: What the page answers.
        template: Name of the template.
        context: For it; `site_name` and `user` are added.
        status: Of the response.
        connect_to: Lets the site's own script files run, and connect to these sources,
            in the words of Content-Security-Policy. They may play sound, too.
    """
    known = {
        "site_name": site_name_of(request),
        "user": getattr(request, "user", None),
        **(context or {}),
    }
    response = render(request, template, known, status=status)
    protect(response)
    if connect_to is not None:
        response["Content-Security-Policy"] += _SCRIPT_POLICY.format(
            static="".join(f" {source}" for source in _static_sources()),
            connect=" ".join(connect_to),
        )
    return response


def protect(response: HttpResponse) -> None:
    """Set the headers that a page has on which users decide something."""
    response["Content-Security-Policy"] = _POLICY.format(more=_more_sources())
    response["X-Frame-Options"] = "DENY"
    # "no-referrer" would make browsers send "Origin: null" with the page's own form,
    # which Django's protection against forged requests refuses.
    response["Referrer-Policy"] = "same-origin"
    add_never_cache_headers(response)


def _more_sources() -> str:
    """List where styles, images and fonts come from beside the site itself."""
    sources = (*_static_sources(), *mcp_settings.PAGE_SOURCES)
    return "".join(f" {source}" for source in sources)


def _static_sources() -> list[str]:
    """Give the origin of static files, if that is not the site's own."""
    styles = urlsplit(static(_STYLES))
    return [f"{styles.scheme or 'https'}://{styles.netloc}"] if styles.netloc else []
