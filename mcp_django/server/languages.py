"""The language that a request is answered in.

Lists, `initialize` and `server/discover`, and the handlers as well: `@server.around`
may activate another one there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import anyio.lowlevel
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import translation
from django.utils.module_loading import import_string

from mcp_django.bulkheads import databases
from mcp_django.bulkheads.decisions import ask_in_thread, settle
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.strays import ends_task
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.server.context import Context, SyncContext
from mcp_django.server.requests import Request

if TYPE_CHECKING:
    from mcp_django.server.server import Server

_LONGEST_HEADER: Final = 500
"""Characters of Accept-Language that are read; Django reads no more either."""

logger = FaultLog("mcp_django.server")


async def language_of(server: Server, request: Request) -> str | None:
    """Choose the language of an answer.

    Returns:
        What `MCP["LANGUAGE"]` says, else what the client prefers of the site's
        languages; None, to stay with the one that is active, if neither says anything.
    """
    given = mcp_settings.LANGUAGE
    chosen: object = given
    if given is not None and not is_code(given):
        chosen = await _ask(given, server, request)
    if chosen:
        supported = supported_language(chosen)
        if supported is not None:
            return supported
        logger.warning(
            "MCP['LANGUAGE'] gave %.100r, which LANGUAGES has not; add it "
            "there, or give another",
            chosen,
        )
    preferred = request.sender.headers.get("accept-language")
    # "*" is what Node's fetch sends by itself.
    if preferred in (None, "", "*"):
        return None
    return _preferred(preferred[:_LONGEST_HEADER])


async def language_for(
    server: Server, request: Request
) -> AbstractContextManager[object]:
    """Give what activates the language of an answer, to the end of a block."""
    language = await language_of(server, request)
    return nullcontext() if language is None else translation.override(language)


def is_code(language: object) -> bool:
    """Say whether `MCP["LANGUAGE"]` is a language itself, and no function's path."""
    return isinstance(language, str) and "." not in language


def supported_language(code: object) -> str | None:
    """Give the site's language for a code, such as "de" for "de-at"; None without."""
    try:
        return translation.get_supported_language_variant(str(code))
    except (LookupError, ValueError):
        return None


@lru_cache(maxsize=256)
def _preferred(accept_language: str) -> str:
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accept_language
    return translation.get_language_from_request(request)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in ("LANGUAGES", "LANGUAGE_CODE", "LOCALE_PATHS", "USE_I18N"):
        _preferred.cache_clear()


async def _ask(
    function: str | Callable[..., Any], server: Server, request: Request
) -> object:
    """Ask the site's function; None if it fails, which no list shall fail for."""
    try:
        if isinstance(function, str):
            function = import_string(function)
        if inspect.iscoroutinefunction(function):
            chosen = partial(_settled, function, server, request)
            return await _service().ask(partial(databases.ask, chosen))
        context = SyncContext(server, request, anyio.lowlevel.current_token())
        return await ask_in_thread(
            _service(),
            lambda: function(context),  # type: ignore[operator]
            request.ask_in_thread,
            lend=request.lend_beside,
        )
    except ServiceAway:  # it has said so in the log
        return None
    except BaseException as error:
        if ends_task(error):
            raise
        logger.exception(
            "MCP['LANGUAGE'] failed, so that the client's own language counts; mend it"
        )
        return None


async def _settled(
    function: Callable[..., Any], server: Server, request: Request
) -> object:
    return await settle(function(Context(server, request)), request.lend_beside)


@kept
def _service() -> Service:
    return service_of_site(
        "MCP['LANGUAGE']",
        "the client's own language counts",
        timeout=lambda: mcp_settings.PERMISSION_TIMEOUT,
        logger=logger,
    )
