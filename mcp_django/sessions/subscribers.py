"""Who subscribed to resources, and whether they may still read them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import replace

from mcp_django.conf import mcp_settings
from mcp_django.server.notices import Notice
from mcp_django.server.requests import Request
from mcp_django.server.server import Server
from mcp_django.server.subscriptions import can_read
from mcp_django.sessions.users import read_again

logger = logging.getLogger("mcp_django.sessions")

_MAX_REMEMBERED = 1000
"""Resources for which it is remembered what was found last."""


class Subscriber:
    """A client that wants to hear of resources, for as long as its user may read them.

    That is asked before the client is told, if it was not within the last
    `RECHECK_SECONDS`; so a subscription that is told nothing costs nothing. Of what is
    gone, nobody can say who may read it: there the last answer counts, as long as the
    user may see such resources.

    Args:
        server: Whose resources.
        request: What the client subscribed by: names its user and what it sent.
        readable: URIs that the user was found to be allowed to read just now.
    """

    __slots__ = ("_found", "_request", "_server")

    def __init__(
        self, server: Server, request: Request, readable: Iterable[str] = ()
    ) -> None:
        self._server = server
        self._request = request
        # URI -> when it was asked whether it may be read, and what was found.
        self._found: dict[str, tuple[float, bool]] = {}
        for uri in readable:
            self._note(uri, True)

    async def may_hear(self, notice: Notice) -> bool:
        """Say whether the client may be told of a change that it wants to know of."""
        if notice.topic != "resource":
            return True
        uri = notice.subject
        if notice.is_gone:
            # It was allowed when the client subscribed, if it was not asked since.
            _, may = self._found.pop(uri, (0.0, True))
            return may and await self._can_read(uri, is_gone=True)
        if uri in self._found:
            asked_at, may = self._found[uri]
            if time.monotonic() - asked_at < mcp_settings.RECHECK_SECONDS:
                return may
        may = await self._can_read(uri)
        self._note(uri, may)
        return may

    def note_readable(self, uri: str, request: Request) -> None:
        """Note that the client subscribed to what its user may read now."""
        self._request = request
        self._note(uri, True)

    def forget(self, uri: str) -> None:
        """Forget what was found about a resource."""
        self._found.pop(uri, None)

    def _note(self, uri: str, may: bool) -> None:
        self._found.pop(uri, None)  # so that it becomes the newest
        self._found[uri] = (time.monotonic(), may)
        if len(self._found) > _MAX_REMEMBERED:
            del self._found[next(iter(self._found))]

    async def _can_read(self, uri: str, *, is_gone: bool = False) -> bool:
        request = self._request
        user = request.sender.user
        if user is not None:
            try:
                user = await read_again(user, request.threads)
            except Exception:
                logger.exception("a subscriber's user cannot be read; nothing is told")
                return False
            if user is None:
                return False
        return await can_read(
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
        )
