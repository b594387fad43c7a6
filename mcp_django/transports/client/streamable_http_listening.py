"""Streamable HTTP at the client's end: the stream for what belongs to no request.

Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import anyio

from mcp_django.exceptions import (
    HTTPRefused,
    RemoteProtocolError,
    RequestFailed,
    SessionLost,
)
from mcp_django.transports.client.http import (
    DEFAULT_RETRY_SECONDS,
    EVENT_STREAM,
    LONGEST_RETRY_SECONDS,
    EventReader,
    media_type,
    read_refusal,
)
from mcp_django.transports.client.http_failures import MAX_SHOWN, refusal_of, show
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.client.streamable_http_eras import LegacySession
from mcp_django.transports.client.streamable_http_exchange import Endpoint, failure_of

_SHORTEST_SECONDS: Final = 0.1
_HAS_NONE: Final = (405, 501)
_HAS_NO_ROUTE: Final = (400, 404, 406, 410, 415, 422)
"""Refusals of servers that know no GET, unless they have given a stream before."""

_MAY_PASS: Final = (408, 409, 425, 429)
"""Refusals that need not last; with 409 an older stream has not ended yet."""


class Listening:
    """Reads the standalone stream of a session, over and over.

    ::

        asking --200--> reading --end--> waiting --retry is over--> asking ...
           +--refused for good--> ended

    A session that has not had a stream yet is not lost by a refusal, for the server may
    have no streams at all: whether it knows the session is said by what is posted.

    Args:
        endpoint: Where to ask.
        session: Whose stream it is.

    Attributes:
        has_begun: Set once the server has given the stream, or it is known that it
            does not.
    """

    def __init__(self, endpoint: Endpoint, session: LegacySession) -> None:
        self.has_begun = anyio.Event()
        self._endpoint = endpoint
        self._session = session
        self._scope = anyio.CancelScope()
        self._reader = EventReader(endpoint.max_message_bytes)
        self._has_reported = False
        self._was_given = False

    def cancel(self) -> None:
        """Read no more."""
        self._scope.cancel()

    async def run(self) -> None:
        """Read until the server has no such stream; what goes wrong is reported."""
        with self._scope:
            fruitless = 0
            while True:
                began_at, count = anyio.current_time(), self._reader.count
                if not await self._listen():
                    return
                is_fruitless = (
                    self._reader.count == count
                    and anyio.current_time() - began_at < LONGEST_RETRY_SECONDS
                )
                fruitless = fruitless + 1 if is_fruitless else 0
                await anyio.sleep(self._pause(fruitless))

    def _pause(self, fruitless: int) -> float:
        """Say how long to wait: longer with each attempt that brought nothing."""
        first = self._reader.retry_seconds
        if first is None:
            first = DEFAULT_RETRY_SECONDS
        if fruitless <= 1:
            return first
        # Not at once again and again, also where the server says so.
        doubled: float = max(first, _SHORTEST_SECONDS) * 2 ** min(fruitless - 1, 10)
        return max(first, min(doubled, LONGEST_RETRY_SECONDS))

    async def _listen(self) -> bool:
        """Read one connection until it ends; False if there is nothing to come for."""
        is_open = False
        try:
            async with self._endpoint.listen(
                self._session.headers_of(), self._reader.last_event_id
            ) as response:
                if not response.is_success:
                    raise self._failure_of(response, await read_refusal(response))
                if media_type(response) != EVENT_STREAM:
                    raise RemoteProtocolError(
                        f"it has content of type {media_type(response)[:MAX_SHOWN]!r}"
                    )
                is_open = self._was_given = True
                self.has_begun.set()
                self._has_reported = False
                await self._read(response)
        except RemoteProtocolError as error:
            self._endpoint.on_error(
                RemoteProtocolError(
                    f"the event stream of {show(self._endpoint.url)} cannot be used: "
                    f"{error}"
                )
            )
            return False
        except RequestFailed as failure:
            # What breaks once it is open has ended, as servers and networks let it.
            return is_open or self._may_pass(failure)
        finally:
            self.has_begun.set()
        return True

    def _failure_of(self, response: httpx2.Response, body: bytes) -> RequestFailed:
        if self._was_given:
            return failure_of(response, body, self._session)
        return refusal_of(response, body)

    def _may_pass(self, failure: RequestFailed) -> bool:
        """Report why there is no stream; False if that will not change."""
        status = failure.status if isinstance(failure, HTTPRefused) else None
        if status in _HAS_NONE:
            return False
        if status in _HAS_NO_ROUTE and not self._was_given:
            return False
        if not self._has_reported:
            self._has_reported = True
            self._endpoint.on_error(failure)
        if status == 400 and self._reader.last_event_id:
            # The server has forgotten that event; what comes from now on it can send.
            self._reader.last_event_id = ""
            return True
        if isinstance(failure, SessionLost):
            return False
        return status is None or status in _MAY_PASS or status >= 500

    async def _read(self, response: httpx2.Response) -> None:
        async with aclosing(self._reader.read(response)) as events:
            async for event in events:
                # Without data it only says where to go on.
                if event.event == "message" and event.data:
                    await self._take_text(event.data.encode())

    async def _take_text(self, text: bytes) -> None:
        try:
            messages = self._endpoint.parse(text, self._session)
        except RemoteProtocolError as error:
            self._endpoint.on_error(error)
            return
        for message in messages:
            await self._endpoint.hand_over(message, len(text) // len(messages))
