"""Clients that subscribed to resources, and whether they may still read them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Protocol

from mcp_django.auth.users import read_again
from mcp_django.bulkheads import databases
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.bulkheads.site_services import kept, service_of_site
from mcp_django.conf import mcp_settings
from mcp_django.exceptions import ServiceAway
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import can_read
from mcp_django.server.switched_off import switched_off

logger = FaultLog("mcp_django.worker")

_NEVER = (-inf, False)

_MAX_REMEMBERED = 1000
"""Resources for which it is remembered what was found last."""


class KeptAnswers(Protocol):
    """What was found of a session's subscriptions, for the time of two rechecks."""

    async def get(self, uri: str) -> bool | None:
        """Say whether the user was found to be allowed to read; None if unknown."""

    async def put(self, uri: str, may: bool) -> None:
        """Keep what was found just now."""


class Subscriber:
    """A client that wants to hear of resources, for as long as its user may read them.

    That is asked by `recheck`, and before the client is told, if it was not within the
    last `RECHECK_SECONDS`. Of what is gone, its handler can say no more who may read
    it: there the last answer counts, unless it is older than two rechecks, as long as
    the user may see such resources. Where there is none, a permission that takes the
    URI's variables may say yes; else it means no.

    Args:
        server: Whose resources.
        request: What the client subscribed by: names its user and what it sent.
        readable: URIs that the user was found to be allowed to read just now.
        kept: What is found, for all subscribers that follow each other in a session;
            None where there is but one.
    """

    __slots__ = ("_found", "_kept", "_request", "_server")

    def __init__(
        self,
        server: Server,
        request: Request,
        readable: Iterable[str] = (),
        *,
        kept: KeptAnswers | None = None,
    ) -> None:
        self._server = server
        self._request = request
        self._kept = kept
        # URI -> when it was asked whether it may be read, and what was found.
        self._found: dict[str, tuple[float, bool]] = {}
        for uri in readable:
            self._note(uri, True)

    async def may_hear(self, notice: Notice) -> bool:
        """Say whether the client may be told of a change that it wants to know of."""
        if notice.topic != "resource":
            return True
        uri = notice.subject
        if switched_off.is_any and switched_off.hides(self._server, uri):
            return False
        if notice.is_gone:
            found = self._found_within(uri, 2 * mcp_settings.RECHECK_SECONDS)
            if found is None:
                found = await self._kept_lately(uri)
            self._found.pop(uri, None)
            try:
                return found is not False and await self._can_read(
                    uri, is_gone=True, was_readable=found is True
                )
            except ServiceAway:  # it has said so in the log
                return False
        found = self._found_within(uri, mcp_settings.RECHECK_SECONDS)
        return await self._ask(uri) if found is None else found

    async def recheck(self, uris: Iterable[str]) -> None:
        """Ask again whether the user may read what the client subscribed to."""
        # Those first that have waited longest, should there not be time for all.
        for uri in sorted(uris, key=lambda uri: self._found.get(uri, _NEVER)[0]):
            await self._ask(uri)

    async def _ask(self, uri: str) -> bool:
        """Ask and note it; what cannot be asked now is not, and means no."""
        try:
            found = await self._can_read(uri)
        except ServiceAway:  # it has said so in the log
            return False
        self._note(uri, found)
        await self._keep(uri, found)
        return found

    def note_readable(self, uri: str, request: Request) -> None:
        """Note that the client subscribed to what its user may read now."""
        self._request = request
        self._note(uri, True)

    def forget(self, uri: str) -> None:
        """Forget what was found about a resource."""
        self._found.pop(uri, None)

    def _found_within(self, uri: str, seconds: float) -> bool | None:
        """Give what was found; None if that is unknown or longer ago."""
        asked_at, may = self._found.get(uri, _NEVER)
        return None if time.monotonic() - asked_at >= seconds else may

    async def _kept_lately(self, uri: str) -> bool | None:
        """Give what others of the session found; None if that is unknown."""
        try:
            return None if self._kept is None else await self._kept.get(uri)
        except ServiceAway:
            return None
        except Exception:
            logger.exception(
                "the cache does not say who could read what is gone; look at it"
            )
            return None

    async def _keep(self, uri: str, may: bool) -> None:
        try:
            if self._kept is not None:
                await self._kept.put(uri, may)
        except ServiceAway:
            pass
        except Exception:
            logger.exception("the cache does not take who may read what; look at it")

    def _note(self, uri: str, may: bool) -> None:
        self._found.pop(uri, None)  # so that it becomes the newest
        self._found[uri] = (time.monotonic(), may)
        if len(self._found) > _MAX_REMEMBERED:
            del self._found[next(iter(self._found))]

    async def _can_read(
        self, uri: str, *, is_gone: bool = False, was_readable: bool = False
    ) -> bool:
        request = self._request
        user = request.sender.user
        if user is not None:
            try:
                user = await read_again(user, request.threads.beside)
            except ServiceAway:
                raise
            except Exception:
                logger.exception(
                    "a subscriber's user cannot be read, so that nothing is told; "
                    "look at the database"
                )
                return False
            if user is None:
                return False
        ask = partial(
            can_read,
            self._server,
            replace(
                request,
                params={"uri": uri},
                sender=replace(request.sender, user=user),
                # The request itself was answered long ago.
                is_cancelled=False,
                progress=None,
            ),
            uri,
            is_gone=is_gone,
            was_readable=was_readable,
        )
        # A handler may be asked, which had all the time when the client subscribed.
        return await _readers().ask(partial(databases.ask, ask), is_suspect=True)


@kept
def _readers() -> Service:
    return service_of_site(
        "who is asked what may be read",
        "some subscribers are not told of changes",
        timeout=lambda: mcp_settings.PERMISSION_TIMEOUT,
        logger=logger,
    )
