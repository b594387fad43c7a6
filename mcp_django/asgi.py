"""The ASGI way in: MCP paths go straight to their consumers, the rest to Django.

An open stream then holds neither a thread nor a database connection. What clients look
for after a 401, and Django does not have, is answered in words that they understand.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application as get_django_application
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.urls import set_script_prefix

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.steps import Steps
from mcp_django.consumers import lifespan, well_known
from mcp_django.consumers.applications import (
    Application,
    ScopeType,
    application_of,
    has_application,
)
from mcp_django.consumers.daphne import deny_handshake
from mcp_django.consumers.exchange import Exchange, Receive, Scope, Send, path_for_log
from mcp_django.consumers.languages import language_of_path, preferring
from mcp_django.protocol.http_headers import is_for_people
from mcp_django.server.endpoints import PAGE_METHODS, Endpoint, Probe
from mcp_django.server.routes import (
    direct_view_at,
    is_by_path_alone,
    is_setting_of_routes,
    path_info_of,
)
from mcp_django.transports.server.http_response import Headers
from mcp_django.worker.collector import spare_loaded_objects

logger = FaultLog("mcp_django.consumers")

_NO_BODY: Headers = ((b"content-length", b"0"),)


class MCPRouter:
    """Sends HTTP requests and WebSockets to MCP endpoints, and everything else on.

    Endpoints are found by the project's own URL patterns. Django knows no WebSockets:
    where it comes next, those to other paths are refused. Servers that tell of the
    start and the end of the process are answered.

    Args:
        application: Takes what is not for MCP, such as Django's ASGI application. In
            a Channels `ProtocolTypeRouter`, the entries "http" and "websocket" need a
            router each, and "lifespan" one of them.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        answering = self._answer(scope, receive, send)
        try:
            # On the hot path: most connections are answered without waiting.
            waits_for = answering.send(None)
        except StopIteration:
            return
        steps = Steps(answering, waits_for)
        while True:
            try:
                return await steps
            except GeneratorExit as error:
                steps.take(error)

    def _answer(
        self, scope: Scope, receive: Receive, send: Send
    ) -> Coroutine[Any, Any, None]:
        """Find what answers a connection, and call it."""
        kind = scope["type"]
        if kind == "http" or kind == "websocket":
            try:
                found = _find(kind, scope)
            except BaseException:  # nothing is awaited, and nothing thrown in
                logger.exception(
                    "no URL pattern can be found for %s; mend the URLconf",
                    path_for_log(scope),
                )
                if kind == "http":
                    return Exchange(scope, receive, send).give_up()
                return deny_handshake(scope, send, 500, _NO_BODY, b"")
            if found is not None:
                spare_loaded_objects()
                application, language, script_name, has_page = found
                if has_page and kind == "http" and _asks_for_page(scope):
                    return self._pass_on(scope, receive, send)
                # As Django's handler does, so that handlers can make URLs.
                if script_name:
                    set_script_prefix(script_name)
                if language is not None:
                    scope = preferring(language, scope)
                return application(scope, receive, send)
        return self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the other application answer what is not for MCP."""
        kind = scope["type"]
        if kind == "websocket" and isinstance(self._application, ASGIHandler):
            await deny_handshake(scope, send, 404, _NO_BODY, b"")
            return
        if kind == "http":
            await well_known.pass_on(self._application, scope, receive, send)
            return
        if kind == "lifespan":
            await lifespan.live(self._application, scope, receive, send)
            return
        await self._application(scope, receive, send)


class _Found(NamedTuple):
    """What answers a connection, and what its path says beside that.

    Attributes:
        application: Answers it.
        language: The language that the path names.
        script_name: The part of the path that Django leaves out of its URLs.
        has_page: Whether Django shows a page there to browsers.
    """

    application: Application
    language: str | None
    script_name: str
    has_page: bool


def _find(kind: ScopeType, scope: Scope) -> _Found | None:
    """Give what answers a connection; None if it is not for MCP.

    Raises:
        BaseException: A pattern or path converter of the project raised it.
    """
    find = _application_at if is_by_path_alone() else _application_at.__wrapped__
    try:
        return find(kind, scope["path"], scope.get("root_path", ""))
    except Exception:
        if kind == "websocket":
            raise
        return None  # Django meets the same, and answers with its own page.


# On the hot path: one look-up instead of three.
@lru_cache(maxsize=1024)
def _application_at(kind: ScopeType, path: str, root_path: str) -> _Found | None:
    """Give what answers at a path."""
    scope = {"path": path, "root_path": root_path}
    path_info = path_info_of(scope)
    endpoint = direct_view_at(path_info)
    if isinstance(endpoint, Probe):
        return _Found(endpoint.answer, None, "", False) if kind == "http" else None
    if not isinstance(endpoint, Endpoint) or not has_application(endpoint, kind):
        return None
    return _Found(
        application_of(endpoint, kind),
        language_of_path(path_info),
        get_script_prefix(scope),
        endpoint.landing is not None,
    )


def _asks_for_page(scope: Scope) -> bool:
    """Say whether a browser asks, which Django shows a page."""
    if scope["method"] not in PAGE_METHODS:
        return False
    accept = b", ".join(value for name, value in scope["headers"] if name == b"accept")
    return is_for_people(accept.decode("latin-1"))


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if is_setting_of_routes(setting) or setting == "FORCE_SCRIPT_NAME":
        _application_at.cache_clear()


def get_asgi_application() -> MCPRouter:
    """Set Django up and give the whole project as an ASGI application.

    Under `DEBUG`, with `django.contrib.staticfiles` installed, static files are served
    too, so that plain Daphne shows admin pages with their styles.
    """
    handler = get_django_application()
    if settings.DEBUG and "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        handler = ASGIStaticFilesHandler(handler)
    return MCPRouter(handler)
