"""Checks of whether clients reach what `mcp_django.oauth.urls` has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from django.urls.resolvers import RoutePattern

from mcp_django.checks.servers import readable_endpoints
from mcp_django.consumers.well_known import answer_or_404
from mcp_django.oauth.resources import DOCUMENT, fixed_paths
from mcp_django.server.well_known import OF_OAUTH, documents

_URLS: Final = "mcp_django.oauth.urls"
_LINE: Final = f'path("", include("{_URLS}"))'


def check_include(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find URLs of OAuth that are missing, or that something else takes."""
    if not readable_endpoints():
        return []
    included = list(_included(get_resolver(), ""))
    if not included:
        return [
            checks.Error(
                f"{settings.ROOT_URLCONF!r} does not include {_URLS!r}, so clients do "
                "not find out where their users log in.",
                hint=f"Put {_LINE} at the beginning of urlpatterns.",
                id="mcp_django.E100",
            )
        ]
    at_root = [resolver for prefix, resolver in included if not prefix]
    if not at_root:
        return [
            checks.Error(
                f"{_URLS!r} is included below {included[0][0]!r}, but clients look at "
                "the root of the site.",
                hint=f"Put {_LINE} at the beginning of the urlpatterns of "
                f"{settings.ROOT_URLCONF!r}, outside i18n_patterns().",
                id="mcp_django.E101",
            )
        ]
    return list(_shadowed(at_root[0]))


def _included(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLResolver]]:
    """Give where our URLs are included, each with the path before them."""
    for step in resolver.url_patterns:
        if not isinstance(step, URLResolver):
            continue
        begin = f"{prefix}{step.pattern}"
        if getattr(step.urlconf_module, "__name__", None) == _URLS:
            yield begin, step
        else:
            yield from _included(step, begin)


def _shadowed(ours: URLResolver) -> Iterator[checks.CheckMessage]:
    """Find paths of ours at which another view answers."""
    takers: dict[str, list[str]] = {}
    for path, view in _paths_of(ours):
        try:
            taker = resolve(path).func
        except Resolver404:
            continue
        if taker is not view:
            takers.setdefault(_name_of(taker), []).append(path)
    for name, paths in takers.items():
        yield checks.Error(
            f"{name} answers at {', '.join(map(repr, paths))}, before {_URLS!r}.",
            hint=f"Put {_LINE} at the beginning of urlpatterns, before what else is "
            "included there, such as 'oauth2_provider.urls'.",
            id="mcp_django.E102",
        )


def _paths_of(ours: URLResolver) -> Iterator[tuple[str, Any]]:
    """Give paths that clients ask for, each with what has to answer there."""
    for path in fixed_paths():
        yield f"/.well-known/{DOCUMENT}{path}", answer_or_404
    for name in sorted(documents.keys() & OF_OAUTH):
        yield f"/.well-known/{name}", answer_or_404
    yield from _fixed("/", ours)


def _fixed(prefix: str, resolver: URLResolver) -> Iterator[tuple[str, Any]]:
    for step in resolver.url_patterns:
        pattern = step.pattern
        if not isinstance(pattern, RoutePattern) or pattern.converters:
            continue
        path = f"{prefix}{pattern}"
        if isinstance(step, URLResolver):
            yield from _fixed(path, step)
        elif isinstance(step, URLPattern):
            yield path, step.callback


def _name_of(view: Any) -> str:
    shown = getattr(view, "view_class", view)
    name = getattr(shown, "__qualname__", type(shown).__qualname__)
    return f"{getattr(shown, '__module__', '?')}.{name}"
