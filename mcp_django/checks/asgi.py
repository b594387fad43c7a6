"""Checks of the way in: MCP endpoints need ASGI, and best none of Django's views."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.handlers.base import BaseHandler
from django.utils.module_loading import import_string

from mcp_django.asgi import MCPRouter
from mcp_django.auth.authenticators import is_open_to_all
from mcp_django.checks.servers import readable_endpoints
from mcp_django.checks.setting import faults_of_setting
from mcp_django.consumers import well_known

_MAX_LOOKED_AT = 1000
_STATIC = "django.contrib.staticfiles"
_WITH_RUNSERVER = ("mcp_django", "daphne", _STATIC)


def check_runserver(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find a `runserver` that would speak WSGI: that of the first app counts."""
    names = [config.name for config in apps.get_app_configs()]
    if next((name for name in names if name in _WITH_RUNSERVER), None) != _STATIC:
        return []
    return [
        checks.Warning(
            f"'mcp_django' comes after {_STATIC!r} in INSTALLED_APPS, whose "
            "`runserver` speaks WSGI, over which there are no MCP streams.",
            hint=f"Put 'mcp_django' above {_STATIC!r}; silence this check if the site "
            "is used over stdio alone.",
            id="mcp_django.W020",
        )
    ]


def check_asgi(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find MCP endpoints that are reached as Django views, or not at all.

    The application is imported, as any server does, and searched for our router.
    """
    if not readable_endpoints():
        return []
    path = getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        return [
            checks.Warning(
                "ASGI_APPLICATION is not set, so that the project speaks WSGI, over "
                "which MCP endpoints have no streams: no HTTP+SSE, no WebSocket, no "
                "change notices, no progress, no log messages, and no questions in "
                "sessions (up to 2025-11-25).",
                hint="Set it to the path of `application = get_asgi_application()`, "
                "imported from mcp_django.asgi; silence this check if calls alone are "
                "enough.",
                id="mcp_django.W022",
            )
        ]
    try:
        application = import_string(path)
    except Exception as error:  # Whatever the module does when it is imported.
        return [
            checks.Warning(
                f"ASGI_APPLICATION {path!r} cannot be imported: {error}",
                hint="Name the application by its dotted path, such as "
                "'project.asgi.application'.",
                id="mcp_django.W023",
            )
        ]
    try:
        if contains_router(application):
            return []
    except Exception:  # Something that does not let itself be looked into.
        return []
    messages: list[checks.CheckMessage] = [
        checks.Warning(
            f"ASGI_APPLICATION {path!r} sends MCP requests through Django's views, "
            "where each open stream holds a thread.",
            hint="Use mcp_django.asgi.get_asgi_application in place of Django's, or "
            "wrap the application in mcp_django.asgi.MCPRouter.",
            id="mcp_django.W024",
        )
    ]
    if (
        not any(faults_of_setting())
        and not is_open_to_all()
        and well_known.match_of("/.well-known/oauth-protected-resource") is None
    ):
        messages.append(
            checks.Warning(
                "After a 401 MCP clients look for OAuth, get the site's page for what "
                "it does not have, and show that to their user.",
                hint='Add path("", include("mcp_django.urls")) at the end of '
                "ROOT_URLCONF, or do as for mcp_django.W024.",
                id="mcp_django.W026",
            )
        )
    return messages


def contains_router(application: object) -> bool:
    """Search an ASGI application, and what it is wrapped around, for our router.

    Instances, methods, functions and partials are looked into; what passes requests
    on in another way is not seen.
    """
    waiting, seen = [application], {id(application): application}
    while waiting and len(seen) < _MAX_LOOKED_AT:
        thing = waiting.pop()
        if isinstance(thing, MCPRouter):
            return True
        # The objects are kept, so that no other one gets the same id.
        new = {id(inner): inner for inner in _inside(thing) if id(inner) not in seen}
        seen |= new
        waiting += new.values()
    return False


def _inside(thing: Any) -> Iterable[Any]:
    """Give what a part of an application may pass requests on to."""
    match thing:
        case ProtocolTypeRouter():
            return [thing.application_mapping.get("http")]
        case BaseHandler():
            # Django itself; that of static files is wrapped around another.
            return [getattr(thing, "application", None)]
        case functools.partial():
            return [thing.func, *thing.args, *thing.keywords.values()]
        case dict():
            return thing.values()
        case list() | tuple():
            return thing
        case type():
            return []
    if inspect.ismethod(thing):
        return [thing.__self__]
    if inspect.isfunction(thing):
        return _used_by(thing)
    if not callable(thing):
        return []
    slots = (name for c in type(thing).__mro__ for name in vars(c).get("__slots__", ()))
    values = [getattr(thing, name, None) for name in slots]
    return [*values, *getattr(thing, "__dict__", {}).values()]


def _used_by(function: FunctionType) -> list[Any]:
    try:
        used = inspect.getclosurevars(function)
    except ValueError:  # One of its variables has no value yet.
        return []
    return [*used.nonlocals.values(), *used.globals.values()]
