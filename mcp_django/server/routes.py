"""From the path of a request to the MCP endpoint that the URLconf has there.

Channels' `URLRouter` is not used: Daphne takes a root path from any client, and for a
path outside it that router raises. Paths are split as Django's `ASGIRequest` does.

Which endpoint is at a path must not depend on which client asked first, nor on the
language that happens to be active: MCP requests pass no middleware that would choose
one. So a path itself says its language, as `i18n_patterns` have it, and one without has
that of the site. Routes that are translated without such a prefix count in every
language.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.handlers.asgi import get_script_prefix
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.urls import (
    LocalePrefixPattern,
    Resolver404,
    URLPattern,
    URLResolver,
    get_resolver,
)
from django.urls.converters import DEFAULT_CONVERTERS
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils import translation
from django.utils.functional import Promise

from mcp_django.server.endpoints import DirectView, Endpoint, Probe

_SETTINGS: Final = frozenset({"ROOT_URLCONF", "LANGUAGE_CODE", "LANGUAGES", "USE_I18N"})
"""What decides where an endpoint is, beside the URLconf itself."""

_PATTERNS: Final = frozenset({RoutePattern, RegexPattern, LocalePrefixPattern})
_CONVERTERS: Final = frozenset(type(c) for c in DEFAULT_CONVERTERS.values())


def endpoint_at(path_info: str, urlconf: Any = None) -> Endpoint | None:
    """Give the MCP endpoint at a path, None if there is none.

    Args:
        path_info: The path below the script name.
        urlconf: A URLconf other than `ROOT_URLCONF`, as `request.urlconf` has it.
    """
    found = direct_view_at(path_info, urlconf)
    return found if isinstance(found, Endpoint) else None


def direct_view_at(path_info: str, urlconf: Any = None) -> DirectView | None:
    """Give what answers at a path before Django's middleware, None if nothing does.

    Args:
        path_info: As for `endpoint_at`.
        urlconf: As for `endpoint_at`.
    """
    urlconf = urlconf or settings.ROOT_URLCONF
    is_kept = is_by_path_alone(urlconf)
    find = _direct_view_at if is_kept else _direct_view_at.__wrapped__
    return find(path_info, urlconf)


def all_endpoints() -> list[Endpoint]:
    """Give every MCP endpoint of the project's URLconf.

    Raises:
        Exception: Whatever importing the URLconf raises.
    """
    return [way[-1].callback for way in _ways_below(get_resolver())]


def has_probes() -> bool:
    """Say whether load balancers can ask how a process is.

    Raises:
        Exception: Whatever importing the URLconf raises.
    """
    return any(_ways_below(get_resolver(), Probe))


def routes() -> Iterator[tuple[str, Endpoint, bool]]:
    """Give every MCP endpoint with its path, in the order of the project's URLconf.

    Yields:
        The path, or what its patterns say; the endpoint; whether it is one path, with
        nothing to fill in.

    Raises:
        Exception: Whatever importing the URLconf raises.
    """
    for way in _ways_below(get_resolver()):
        path = "/" + "".join(str(step.pattern) for step in way).lstrip("/")
        is_fixed = all(
            isinstance(step.pattern, RoutePattern | LocalePrefixPattern)
            and not step.pattern.converters
            for step in way
        )
        yield path, way[-1].callback, is_fixed


def path_info_of(scope: dict[str, Any]) -> str:
    """Give the path of an ASGI scope below its script name, as Django sees it."""
    path: str = scope["path"]
    return path.removeprefix(get_script_prefix(scope) or "")


@cache
def is_by_path_alone(urlconf: Any = None) -> bool:
    """Say whether a path always leads to the same endpoint, so that it may be kept.

    Patterns and path converters of a project's own may look at what changes, such as a
    list of tenants.
    """
    return all(
        type(step.pattern) in _PATTERNS
        and _CONVERTERS.issuperset(map(type, step.pattern.converters.values()))
        for way in _ways_below(get_resolver(urlconf))
        for step in way
    )


def is_setting_of_routes(setting: str) -> bool:
    """Say whether a setting decides where endpoints are."""
    return setting in _SETTINGS


def _ways_below(resolver: URLResolver, kind: Any = Endpoint) -> Iterator[list[Any]]:
    """Give the way to each view of a kind: the patterns of its path, its own last."""
    for step in resolver.url_patterns:
        if isinstance(step, URLResolver):
            yield from ([step, *way] for way in _ways_below(step, kind))
        elif isinstance(step, URLPattern) and isinstance(step.callback, kind):
            yield [step]


@lru_cache(maxsize=1024)
def _direct_view_at(path_info: str, urlconf: Any) -> DirectView | None:
    resolver = get_resolver(urlconf)
    named = translation.get_language_from_path(path_info)
    languages = dict.fromkeys((named or settings.LANGUAGE_CODE, *_languages(urlconf)))
    for language in languages:
        with translation.override(language):
            try:
                match = resolver.resolve(path_info)
            except Resolver404:
                continue
        if isinstance(match.func, DirectView):
            return match.func
    return None


@cache
def _languages(urlconf: Any) -> tuple[str, ...]:
    """Give the languages in which endpoints are elsewhere, though no prefix says so."""
    is_translated = any(
        isinstance(_text_of(step), Promise)
        for way in _ways_below(get_resolver(urlconf))
        if not any(isinstance(step.pattern, LocalePrefixPattern) for step in way)
        for step in way
    )
    return tuple(code for code, _ in settings.LANGUAGES) if is_translated else ()


def _text_of(step: Any) -> object:
    """Give the text of a pattern, not translated yet."""
    texts = vars(step.pattern)
    return texts.get("_route", texts.get("_regex"))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if is_setting_of_routes(setting):
        _direct_view_at.cache_clear()
        is_by_path_alone.cache_clear()
        _languages.cache_clear()
