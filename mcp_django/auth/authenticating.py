"""Asking the site's authenticators, in threads of their own, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import LazyObject

from mcp_django.auth.authenticators import authenticators
from mcp_django.auth.bearer import (
    bearer_token_of,
    refuse_token_in_url,
    unknown_token,
)
from mcp_django.auth.challenges import (
    additions,
    challenge_of,
    check_challenge,
    complete,
    explained,
    with_challenges,
)
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.auth.users import read
from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.missing_migrations import commands_for
from mcp_django.bulkheads.services import Inquiry, Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import AuthenticationFailed, ServiceAway

logger = FaultLog("mcp_django.auth")


async def identify(request: HttpRequest, *, cookies_count: bool) -> Identity:
    """Say which user sent a request: the first authenticator that knows decides.

    A bearer token was sent on purpose. So where one came, what browsers attach by
    themselves does not count, and a token that no authenticator knows is refused.

    Args:
        request: The request.
        cookies_count: Whether what browsers attach by themselves proves anything.

    Raises:
        AuthenticationFailed: No authenticator vouches for its sender; with the
            challenges of all.
        ServiceAway: An authenticator, or what it asks, does not answer.
        TypeError: What an authenticator gave is no identity.
        Exception: Whatever an authenticator raises.
    """
    found = authenticators()
    is_bearer = bearer_token_of(request) is not None
    cookies_count = cookies_count and not is_bearer
    asking = _Asking([a for a in found if cookies_count or not a.uses_cookies], request)
    try:
        refuse_token_in_url(request)
        identity = await asking.identity()
        if identity is None and is_bearer:
            raise unknown_token()
    except AuthenticationFailed as failure:
        logger.warning(
            "authentication failed: %s",
            failure,
            of=str(failure),
        )
        told = explained(failure) if settings.DEBUG else failure
        texts = await _challenges(found, request, asking.asked, told)
        raise with_challenges(told, texts) from None
    if identity is None:
        missing = AuthenticationFailed(error="", description="Authentication required")
        raise with_challenges(missing, await _challenges(found, request))
    if isinstance(identity.user, LazyObject):
        return replace(identity, user=await read(identity.user))
    return identity


async def challenged(
    failure: AuthenticationFailed, identity: Identity, request: HttpRequest
) -> AuthenticationFailed:
    """Add a challenge to the refusal of one request whose sender is known.

    Args:
        failure: What was raised while the request was answered.
        identity: Of the sender; its authenticator says what else would do.
        request: What brought the request.
    """
    vouching = identity.authenticator
    found = () if vouching is None else (vouching,)
    texts = await _challenges(found, request, vouching, failure)
    return with_challenges(failure, texts)


class _Asking:
    """Asks authenticators in turn, in one thread as long as none is `async def`.

    Args:
        candidates: The authenticators to ask.
        request: What they are asked about.

    Attributes:
        asked: The one that is asked; None before the first, and when none knows.
    """

    def __init__(
        self, candidates: Sequence[Authenticator], request: HttpRequest
    ) -> None:
        self._left = iter(candidates)
        self._request = request
        self._inquiry: Inquiry | None = None
        self.asked: Authenticator | None = None

    async def identity(self) -> Identity | None:
        """Give what the first says that knows a credential; None if none does.

        Raises:
            AuthenticationFailed: The one that knows it says so.
            TypeError: What one gave is no identity.
        """
        while (asked := next(self._left, None)) is not None:
            self.asked = asked
            service = _authentication(type(asked))
            self._inquiry = Inquiry(service)
            found = await _ask_in_thread(self._inquiry, self._ask)
            if isinstance(found, Identity):
                return found
            if found is not None:
                raise TypeError(
                    "authenticate() must return an Identity or None, not "
                    f"{type(found).__name__!r}"
                )
        self.asked = None
        return None

    def _ask(self) -> Any:
        """Give what the first returns that returns anything; in a thread."""
        assert self.asked is not None
        while True:
            found = self.asked.authenticate(self._request)
            following = next(self._left, None) if found is None else None
            if following is None:
                return found
            assert self._inquiry is not None
            self._inquiry.go_on(_authentication(type(following)))
            self.asked = following


async def _challenges(
    found: Iterable[Authenticator],
    request: HttpRequest,
    failed: Authenticator | None = None,
    failure: AuthenticationFailed | None = None,
) -> list[str]:
    """Give what `WWW-Authenticate` says, which must not be empty.

    Only the authenticator that failed is told why: no other one's credentials came. If
    it is none of them, a bearer token is at fault. A challenge that cannot be had is
    left out: the request is refused without it, too.
    """
    texts = []
    for authenticator in found:
        reason = failure if authenticator is failed else None
        ask = partial(challenge_of, authenticator, request, reason)
        service = _challenging(type(authenticator))
        try:
            text = await _ask_in_thread(service, ask)
            texts.append(check_challenge(text))
        except ServiceAway:  # it has said so in the log
            continue
        except Exception:
            logger.exception(
                "%r gave no challenge; mend its challenge()",
                type(authenticator).__qualname__,
            )
    unknown = failure if failed is None else None
    return complete(texts, _added(request), unknown) or ["Session"]


def _added(request: HttpRequest) -> dict[str, str]:
    """Give what apps say in each challenge for bearer tokens."""
    added: dict[str, str] = {}
    for addition in additions:
        try:
            added |= addition(request)
        except Exception:
            logger.exception(
                "a challenge is without what %r adds; mend it", addition, of=addition
            )
    return added


async def commands_after(error: DatabaseError) -> str | None:
    """Name the commands that make a database ready; None if it is not for that.

    Raises:
        ServiceAway: It takes too long to find out.
    """
    found: str | None = await _ask_in_thread(
        _migrations(), partial(commands_for, error)
    )
    return found


async def _ask_in_thread(
    service: Service | Inquiry, function: Callable[[], Any]
) -> Any:
    threads = authentication_threads
    return await ask_in_thread(service, function, threads.run, lend=threads.lent.run)


@kept
def _authentication(kind: type[Authenticator]) -> Service:
    return _service(f"{_path_of(kind)}.authenticate()", "requests are refused")


@kept
def _challenging(kind: type[Authenticator]) -> Service:
    return _service(f"{_path_of(kind)}.challenge()", "a 401 is without it")


@kept
def _migrations() -> Service:
    return _service("what tells of migrations", "requests are refused")


def _service(name: str, effect: str) -> Service:
    return service_of_site(
        name,
        effect,
        shown_as="the site's authentication",
        timeout=lambda: mcp_settings.AUTHENTICATION_TIMEOUT,
        logger=logger,
    )


def _path_of(kind: type[Authenticator]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
