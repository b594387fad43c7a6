"""Checks of where URLs are looked for: MCP requests pass no middleware."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from mcp_django.checks.servers import readable_endpoints
from mcp_django.server.discovery import all_servers

_ATTRIBUTE: Final = "urlconf"
_MAX_LOOKED_AT: Final = 1000


def check_urlconfs(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find middleware that chooses a URLconf for each request."""
    middleware = settings.MIDDLEWARE
    if not isinstance(middleware, list | tuple):
        return []
    if not (readable_endpoints() or all_servers()):
        return []
    return [
        checks.Warning(
            f"{path!r} in MIDDLEWARE sets request.urlconf, and MCP requests pass no "
            "middleware: their endpoints are those of ROOT_URLCONF, at every host.",
            hint=f"Put server.urls() into {settings.ROOT_URLCONF!r}, and let "
            "authentication, permission= and @server.around say who sees what; then "
            "silence this check.",
            id="mcp_django.W025",
        )
        for path in middleware
        if _sets_urlconf(path)
    ]


def _sets_urlconf(path: str) -> bool:
    try:
        middleware = import_string(path)
        return any(map(_code_sets_it, _codes_of(middleware)))
    except Exception:  # Django says what is wrong with it.
        return False


def _code_sets_it(code: CodeType) -> bool:
    """Say whether code sets an attribute `urlconf`, by a statement or by `setattr`."""
    if "setattr" in code.co_names and _ATTRIBUTE in code.co_consts:
        return True
    return _ATTRIBUTE in code.co_names and any(
        step.opname == "STORE_ATTR" and step.argval == _ATTRIBUTE
        for step in dis.get_instructions(code)
    )


def _codes_of(middleware: Any) -> Iterator[CodeType]:
    """Give the code of a middleware, and of what it calls in its own package."""
    package = middleware.__module__.partition(".")[0]
    waiting = list(_functions_of(middleware))
    seen: set[FunctionType] = set()
    while waiting and len(seen) < _MAX_LOOKED_AT:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for code in _nested(function.__code__):
            yield code
            used = map(function.__globals__.get, code.co_names)
            waiting += [
                inner
                for thing in used
                if getattr(thing, "__module__", "").partition(".")[0] == package
                for inner in _functions_of(thing)
            ]


def _functions_of(thing: Any) -> Iterator[FunctionType]:
    """Give a function, or all that a class has."""
    if isinstance(thing, type):
        for kind in thing.__mro__:
            for value in vars(kind).values():
                unbound = getattr(value, "__func__", getattr(value, "fget", value))
                yield from _functions_of(unbound) if callable(unbound) else ()
    else:
        function = inspect.unwrap(thing)
        if isinstance(function, FunctionType):
            yield function


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
