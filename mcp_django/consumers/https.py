"""HTTPS: what Django's `SecurityMiddleware` does for pages, for programs.

A page over plain HTTP is redirected. A program has sent its token by then, and many
send it again wherever they are redirected to, so that nothing would ever tell of it: it
is refused.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest

from mcp_django.consumers.exchange import Exchange
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.server.refusals import Refused

_TEXT: Final = (
    "This site takes MCP requests over HTTPS only: use %s. A token or cookie that came "
    "with this request has travelled where others can read it; replace it"
)


@cache  # On the hot path: Django's settings are dear to ask.
def is_asked_for() -> bool:
    """Say whether the settings say anything of HTTPS."""
    return bool(settings.SECURE_SSL_REDIRECT or settings.SECURE_HSTS_SECONDS)


def headers_for(exchange: Exchange) -> Headers:
    """Give the headers that bind a client to HTTPS; refuse what comes without.

    Raises:
        Refused: 403; `SECURE_SSL_REDIRECT` is on, and the request came over plain HTTP.
    """
    # On the hot path: the whole request is dear.
    is_by_scheme = settings.SECURE_PROXY_SSL_HEADER is None
    if is_by_scheme and exchange.scope["scheme"] == "https":
        return _hsts()
    if exchange.request.is_secure():
        return _hsts()
    check_https(exchange.request)
    return ()


def check_https(request: HttpRequest) -> None:
    """Refuse a request over plain HTTP where Django would redirect it.

    Raises:
        Refused: 403.
    """
    if not settings.SECURE_SSL_REDIRECT or request.is_secure():
        return
    path = request.path.lstrip("/")
    if any(pattern.search(path) for pattern in _exempt()):
        return
    host = settings.SECURE_SSL_HOST or request.get_host()
    raise Refused(403, _TEXT % f"https://{host}{request.path}")


@cache
def _exempt() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(text) for text in settings.SECURE_REDIRECT_EXEMPT)


@cache
def _hsts() -> Headers:
    """Give the header of RFC 6797, as the settings of Django say."""
    if not settings.SECURE_HSTS_SECONDS:
        return ()
    value = f"max-age={settings.SECURE_HSTS_SECONDS}"
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        value += "; includeSubDomains"
    if settings.SECURE_HSTS_PRELOAD:
        value += "; preload"
    return ((b"strict-transport-security", value.encode()),)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting.startswith("SECURE_"):
        is_asked_for.cache_clear()
        _exempt.cache_clear()
        _hsts.cache_clear()
