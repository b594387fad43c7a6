"""The gate: Host, HTTPS, Origin, CORS, method, credentials, in this order.

Every way in passes it, because requests that a consumer answers pass no middleware of
the project. What is refused is said in the log, and under `DEBUG` in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NoReturn

from django.conf import settings
from django.core.signals import setting_changed
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host

from mcp_django.auth.authenticating import commands_after, identify
from mcp_django.auth.authenticators import is_open_to_all, kept_headers
from mcp_django.auth.bearer import has_token_in_url
from mcp_django.auth.interface import Identity, anonymous
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.conf import mcp_settings
from mcp_django.consumers import https
from mcp_django.consumers.cors import endpoint_cors
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.origins import is_allowed_origin, is_own_origin
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.kept_identities import KeptIdentities
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.gate")

_LOOPBACK = (".localhost", "localhost", "127.0.0.1", "[::1]")
_FOREIGN_SITES = ("cross-site", "same-site")


async def admit(
    exchange: Exchange, methods: Sequence[str], *, cookies_need_origin: bool = False
) -> Identity | None:
    """Let an exchange in, as far as its headers go; body size comes with the body.

    Args:
        exchange: The exchange; a CORS preflight is answered here.
        methods: HTTP methods that the endpoint has.
        cookies_need_origin: As for `authenticate`.

    Returns:
        The identity; None if the exchange has been answered already.

    Raises:
        Refused: It may not come in.
    """
    check_host(exchange)
    if https.is_asked_for():
        exchange.added_headers = [
            *exchange.added_headers,
            *https.headers_for(exchange),
        ]
    if "origin" in exchange.headers:
        check_origin(exchange.request)
        if await _apply_cors(exchange):
            return None
    _check_method(exchange, methods)
    if is_open_to_all():  # On the hot path: for such, nothing has to be awaited.
        exchange.identity = anonymous()
    else:
        exchange.identity = await authenticate(
            exchange, cookies_need_origin=cookies_need_origin
        )
    return exchange.identity


# Host ---------------------------------------------------------------------------


def check_host(exchange: Exchange) -> None:
    """Refuse a Host that is not the site's.

    A page that rebinds its name to 127.0.0.1 sends no Origin with a GET, so that
    where `ALLOWED_HOSTS` is "*" only loopback names and `MCP["ALLOWED_HOSTS"]` pass.

    Raises:
        Refused: 400.
    """
    headers = exchange.headers
    host = headers.get("host", "")
    if "x-forwarded-host" in headers and settings.USE_X_FORWARDED_HOST:
        host = headers["x-forwarded-host"]
    if not is_allowed_host(host):
        _refuse(400, "Host", host, "ALLOWED_HOSTS or MCP['ALLOWED_HOSTS']")


def _allowed_hosts() -> tuple[str, ...]:
    allowed = tuple(settings.ALLOWED_HOSTS)
    if "*" in allowed:
        return (*_LOOPBACK, *mcp_settings.ALLOWED_HOSTS)
    if not allowed and settings.DEBUG:
        return _LOOPBACK  # as Django does
    return allowed


@lru_cache(maxsize=1024)
def is_allowed_host(host: str) -> bool:
    """Say whether a Host header, with its port or without, is the site's."""
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, _allowed_hosts())


# Origin -------------------------------------------------------------------------


def check_origin(request: HttpRequest) -> None:
    """Refuse an Origin header that is neither the site's own nor allowed.

    Raises:
        Refused: 403.

    Spec: 2025-11-25 basic/transports, "Security Warning".
    """
    origin = request.headers.get("Origin")
    if origin is not None and not is_allowed_origin(request, origin):
        _refuse(403, "Origin", origin, "MCP['ALLOWED_ORIGINS']")


# CORS ---------------------------------------------------------------------------


async def _apply_cors(exchange: Exchange) -> bool:
    """Let django-cors-headers say what goes with the answer.

    Returns:
        Whether the exchange was a preflight, and is answered.
    """
    middleware = endpoint_cors()
    preflight = middleware.check_preflight(exchange.request)
    response = preflight or HttpResponse()
    middleware.add_response_headers(exchange.request, response)
    exchange.added_headers = [
        *exchange.added_headers,
        *(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.items()
            if name.lower().startswith("access-control-") or name.lower() == "vary"
        ),
    ]
    if preflight is None:
        return False
    await exchange.respond(200)
    return True


# Method -------------------------------------------------------------------------


def _check_method(exchange: Exchange, methods: Sequence[str]) -> None:
    """Refuse an HTTP method that the endpoint has not.

    Raises:
        Refused: 405.
    """
    if exchange.method not in methods:
        raise Refused(
            405,
            f"{exchange.method} is not allowed here; use {' or '.join(methods)}",
            headers=[(b"allow", ", ".join(methods).encode())],
        )


# Authentication -----------------------------------------------------------------


async def authenticate(
    exchange: Exchange, *, cookies_need_origin: bool = False
) -> Identity:
    """Say which user asks.

    Args:
        exchange: The exchange, whose Origin is allowed if it has one.
        cookies_need_origin: Whether cookies prove nothing without the site's own
            Origin, as in a handshake: browsers always send one with it, and cookies
            go along whichever page it is that asks.

    Raises:
        Refused: 401, or what else the failure demands, with challenges; 503, if
            migrations have to be run first.
        ServiceAway: An authenticator, or what it asks, does not answer.
    """
    if is_open_to_all():
        return anonymous()
    ask = partial(_ask, exchange, cookies_need_origin=cookies_need_origin)
    if not kept_headers() or has_token_in_url(exchange.query_string):
        return await ask()
    kept = current_worker().part(KeptIdentities)
    scope = exchange.scope
    # A client of Daphne may say which part of the path is the script name.
    path = f"{scope.get('root_path', '')} {scope['path']}"
    return await kept.find(scope["headers"], ask, path=path)


async def _ask(exchange: Exchange, *, cookies_need_origin: bool) -> Identity:
    """Ask the authenticators; raises what `authenticate` does."""
    if cookies_need_origin:
        cookies_count = _is_of_site(exchange)
    else:
        cookies_count = _is_not_foreign(exchange)
    try:
        return await identify(exchange.request, cookies_count=cookies_count)
    except AuthenticationFailed as failure:
        raise Refused.by(failure) from None
    except DatabaseError as error:
        commands = await commands_after(error)
        if commands is None:
            raise
        logger.error("the database lacks migrations; run %s (%s)", commands, error)
        raise Refused(
            503,
            f"The site's database is not ready: its administrator must run {commands}",
        ) from None


def _is_of_site(exchange: Exchange) -> bool:
    """Say whether a page of the site itself made a request."""
    origin = exchange.headers.get("origin")
    return origin is not None and is_own_origin(exchange.request, origin)


def _is_not_foreign(exchange: Exchange) -> bool:
    """Say whether no foreign page can have made a request.

    An Origin that came this far is allowed. Browsers that send none say in
    Sec-Fetch-Site where the request comes from; other programs say nothing.
    """
    headers = exchange.headers
    return "origin" in headers or headers.get("sec-fetch-site") not in _FOREIGN_SITES


# --------------------------------------------------------------------------------


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("MCP", "ALLOWED_HOSTS", "DEBUG"):
        is_allowed_host.cache_clear()


def _refuse(status: int, header: str, value: str, remedy: str) -> NoReturn:
    """Refuse a header's value.

    Raises:
        Refused: Always.
    """
    shown = repr(value[:200])
    logger.warning(
        "%s %s refused; to allow it, add it to %s",
        header,
        shown,
        remedy,
        of=(header, shown),
    )
    message = f"{header} not allowed"
    if settings.DEBUG:
        message += f": {shown}; to allow it, add it to {remedy}"
    raise Refused(status, message)
