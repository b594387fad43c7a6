"""The gate: Host, Origin, CORS, body size, authentication, in this order.

Every way in passes it, because requests that a consumer answers pass no middleware of
the project. What is refused is said in the log, and under `DEBUG` in the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.db import DatabaseError
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.utils.functional import LazyObject
from django.utils.module_loading import import_string

from mcp_django.auth.interface import Authenticator, Identity, nobody
from mcp_django.auth.users import read
from mcp_django.conf import mcp_settings
from mcp_django.consumers.authenticating import (
    Asking,
    challenges,
    commands_after,
)
from mcp_django.consumers.cors import EndpointCorsMiddleware
from mcp_django.consumers.exchange import Exchange
from mcp_django.consumers.origins import is_allowed_origin, is_own_origin
from mcp_django.exceptions import AuthenticationFailed
from mcp_django.transports.server.refusals import Refused

logger = logging.getLogger("mcp_django.gate")

_LOOPBACK = (".localhost", "localhost", "127.0.0.1", "[::1]")
_FOREIGN_SITES = ("cross-site", "same-site")
_STATUSES = {"invalid_request": 400, "insufficient_scope": 403}
"""Of failed authentication, by code; 401 for all others. Spec: RFC 6750, 3.1."""


async def admit(
    exchange: Exchange, methods: Sequence[str], *, cookies_need_origin: bool = False
) -> Identity | None:
    """Let an exchange in, as far as its headers go; body size comes with the body.

    Args:
        exchange: The exchange; a CORS preflight is answered here.
        methods: HTTP methods that the endpoint has.
        cookies_need_origin: As for `authenticate`.

    Returns:
        Who asks; None if the exchange has been answered already.

    Raises:
        Refused: It may not come in.
    """
    check_host(exchange)
    if "origin" in exchange.headers:
        check_origin(exchange.request)
        if await _apply_cors(exchange):
            return None
    if exchange.method not in methods:
        raise Refused(
            405,
            f"{exchange.method} is not allowed here; use {' or '.join(methods)}",
            headers=[(b"allow", ", ".join(methods).encode())],
        )
    if is_open_to_all():  # On the hot path: for such, nothing has to be awaited.
        return nobody()
    return await authenticate(exchange, cookies_need_origin=cookies_need_origin)


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
    if settings.USE_X_FORWARDED_HOST and "x-forwarded-host" in headers:
        host = headers["x-forwarded-host"]
    if not _is_allowed_host(host, _allowed_hosts()):
        _refuse(400, "Host", host, "ALLOWED_HOSTS or MCP['ALLOWED_HOSTS']")


@cache
def _allowed_hosts() -> tuple[str, ...]:
    allowed = tuple(settings.ALLOWED_HOSTS)
    if "*" in allowed:
        return (*_LOOPBACK, *mcp_settings.ALLOWED_HOSTS)
    if not allowed and settings.DEBUG:
        return _LOOPBACK  # as Django does
    return allowed


@lru_cache(maxsize=1024)
def _is_allowed_host(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


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
    middleware = _cors_middleware()
    preflight = middleware.check_preflight(exchange.request)
    response = preflight or HttpResponse()
    middleware.add_response_headers(exchange.request, response)
    exchange.cors_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.items()
        if name.lower().startswith("access-control-") or name.lower() == "vary"
    ]
    if preflight is None:
        return False
    await exchange.respond(200)
    return True


@cache
def _cors_middleware() -> EndpointCorsMiddleware:
    return EndpointCorsMiddleware(lambda request: HttpResponse())


# Authentication -----------------------------------------------------------------


async def authenticate(
    exchange: Exchange, *, cookies_need_origin: bool = False
) -> Identity:
    """Find out who asks.

    Args:
        exchange: The exchange, whose Origin is allowed if it has one.
        cookies_need_origin: Whether cookies prove nothing without the site's own
            Origin, as in a handshake: browsers always send one with it, and ask
            nobody whether another page may bring cookies along.

    Raises:
        Refused: 401, with a challenge for each authenticator; 503, if migrations have
            to be run first.
        ServiceAway: An authenticator, or what it asks, does not answer.
    """
    if is_open_to_all():
        return nobody()
    found = authenticators()
    request = exchange.request
    origin = exchange.headers.get("origin")
    if cookies_need_origin:
        cookies_count = origin is not None and is_own_origin(request, origin)
    else:
        cookies_count = origin is not None or _is_not_foreign(request)
    candidates = [a for a in found if cookies_count or not a.uses_cookies]
    try:
        identity = await _identify(candidates, request, found)
        if isinstance(identity.user, LazyObject):
            identity = replace(identity, user=await read(identity.user))
        return identity
    except DatabaseError as error:
        commands = await commands_after(error)
        if commands is None:
            raise
        logger.error("the database lacks migrations; run %s (%s)", commands, error)
        raise Refused(
            503,
            f"The site's database is not ready: its administrator must run {commands}",
        ) from None


async def _identify(
    candidates: Sequence[Authenticator],
    request: HttpRequest,
    found: Sequence[Authenticator],
) -> Identity:
    """Ask the candidates in turn; the first that knows a credential decides.

    Raises:
        Refused: 401, or what the code of a failure demands, with a challenge for each
            of those found.
        TypeError: What an authenticator gave is no identity.
    """
    asking = Asking(candidates, request)
    failure: AuthenticationFailed | None = None
    try:
        if (identity := await asking.identity()) is not None:
            return identity
    except AuthenticationFailed as error:
        logger.warning("authentication failed: %s", error)
        failure = error
    failed = None if failure is None else asking.asked
    texts = await challenges(found, request, failed, failure)
    headers = [(b"www-authenticate", text.encode()) for text in texts]
    if failure is None:
        raise Refused(401, "Authentication required", headers=headers)
    status = _STATUSES.get(failure.code, 401)
    raise Refused(status, str(failure.description), headers=headers)


def _is_not_foreign(request: HttpRequest) -> bool:
    """Say whether no foreign page can have made a request without an Origin.

    Browsers that send none say in Sec-Fetch-Site where the request comes from; other
    programs say nothing. An Origin that came this far is allowed.
    """
    return request.headers.get("Sec-Fetch-Site") not in _FOREIGN_SITES


def is_open_to_all() -> bool:
    """Say whether `MCP["AUTHENTICATION"]` switches authentication off."""
    paths = mcp_settings.AUTHENTICATION
    return paths is not None and not paths


def authenticators() -> tuple[Authenticator, ...]:
    """Give the authenticators of `MCP["AUTHENTICATION"]`, or the default ones."""
    return _authenticators(tuple(authenticator_paths()))


def authenticator_paths() -> Sequence[str]:
    """Give the dotted paths of the authenticators in use."""
    paths: Sequence[str] | None = mcp_settings.AUTHENTICATION
    if paths is not None:
        return paths
    default = []
    if apps.is_installed("mcp_django.tokens"):
        default.append("mcp_django.auth.tokens.TokenAuthenticator")
    if apps.is_installed("django.contrib.sessions"):
        default.append("mcp_django.auth.django_session.SessionAuthenticator")
    return default


@cache
def _authenticators(paths: tuple[str, ...]) -> tuple[Authenticator, ...]:
    return tuple(import_string(path)() for path in paths)


@receiver(setting_changed)
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("MCP", "INSTALLED_APPS", "ALLOWED_HOSTS", "DEBUG"):
        _authenticators.cache_clear()
        _allowed_hosts.cache_clear()


def _refuse(status: int, header: str, value: str, remedy: str) -> None:
    """Refuse a header's value.

    Raises:
        Refused: Always.
    """
    shown = repr(value[:200])
    logger.warning("%s %s refused; to allow it, add it to %s", header, shown, remedy)
    message = f"{header} not allowed"
    if settings.DEBUG:
        message += f": {shown}; to allow it, add it to {remedy}"
    raise Refused(status, message)
