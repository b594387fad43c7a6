"""Requests as a client makes them: in rounds, in pages, and not twice in vain."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Final, TypeVar

import anyio
from pydantic import BaseModel

from mcp_django.client.answers import Answers
from mcp_django.client.connection import OnProgress, Patience
from mcp_django.client.later import ask_again
from mcp_django.client.reading import read_entries
from mcp_django.client.reconnecting import ReconnectingConnection
from mcp_django.exceptions import (
    ErrorAnswer,
    LocalProtocolError,
    RemoteProtocolError,
)
from mcp_django.protocol import jsonrpc, methods
from mcp_django.protocol.input_rounds import InputRequired, next_round, read_result
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.result_cache import ResultCache

_Model = TypeVar("_Model", bound=BaseModel)

_ASK_ONLY: Final = methods.METHODS.keys() - {"tools/call"}
"""Methods that do nothing which they must not do twice."""

_MAX_PAGES: Final = 1000
"""Pages of one list; a server that has more is taken to turn in circles."""


class Requests:
    """Makes the requests of one client.

    Args:
        connection: Where they go.
        answers: Answers what the server asks.
        patience: How long to wait where nothing else is said.
        max_rounds: Rounds of questions that one request may take.

    Attributes:
        cache: Results that still hold.
    """

    def __init__(
        self,
        connection: ReconnectingConnection,
        answers: Answers,
        *,
        patience: Patience,
        max_rounds: int,
    ) -> None:
        self.cache = ResultCache()
        self._connection = connection
        self._answers = answers
        self._patience = patience
        self._max_rounds = max_rounds

    async def send(
        self,
        method: str,
        params: Mapping[str, JSON] | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
        is_harmless: bool = False,
    ) -> JSONObject:
        """Send a request, answer what the server asks, and give the result.

        Args:
            method: Such as "tools/call".
            params: As on the wire.
            timeout: Seconds to wait.
            on_progress: As for `Connection`.
            is_harmless: Whether a call of a tool may be carried out twice.

        Raises:
            ErrorReceived: The server answered with an error.
            RequestTimeout: It did not answer in time.
            TransportError: Its answer cannot come.
            RemoteProtocolError: It broke the rules.
        """
        result, _ = await self._send(
            method, dict(params or {}), timeout, on_progress, is_harmless=is_harmless
        )
        return result

    async def cached(
        self,
        method: str,
        params: JSONObject,
        *,
        timeout: float | None = None,
        fresh: bool = False,
    ) -> JSONObject:
        """Give a result that still holds, or ask for it.

        Args:
            method: Such as "resources/read".
            params: As on the wire.
            timeout: Seconds to wait.
            fresh: Whether to ask in any case.
        """
        kept = self.cache.get(method, params, anyio.current_time())
        if kept is not None and not fresh:
            return kept
        mark = self.cache.mark(method)
        result, rounds = await self._send(method, params, timeout, None)
        # Spec: 2026-07-28 server/utilities/caching, "Cache Key": not those of a retry.
        if rounds == 1:
            now = anyio.current_time()
            self.cache.put(method, params, result, now, mark=mark)
        return result

    async def list(
        self, method: str, kind: type[_Model], *, fresh: bool = False
    ) -> list[_Model]:
        """Give all entries of a list, all pages of it.

        The server is not asked for what it does not say that it has.

        Args:
            method: Such as "tools/list".
            kind: What each of them is.
            fresh: Whether to ask in any case.

        Raises:
            RemoteProtocolError: It has no end.
        """
        if not await self._is_offered(method):
            return []
        if fresh:
            self.cache.forget(method)
        member = methods.LISTS[method].member
        entries: list[JSON] = []
        cursor: JSON = None
        seen: set[str] = set()
        while len(seen) < _MAX_PAGES:
            page = await self.cached(
                method, {} if cursor is None else {"cursor": cursor}
            )
            listed = page.get(member, ...)
            # Some languages write an empty list as null.
            if listed is not None and not isinstance(listed, list):
                raise RemoteProtocolError(
                    f"the server answered {method!r} without a list of {member!r}"
                )
            entries += listed or []
            cursor = page.get("nextCursor")
            if cursor is None:
                return [entry for entry, _ in read_entries(kind, method, entries)]
            if not isinstance(cursor, str) or cursor in seen:
                break
            seen.add(cursor)
        raise RemoteProtocolError(
            f"the pages of {method!r} have no end: after {len(seen)} cursors came one "
            "that was there before, or one too many"
        )

    async def _is_offered(self, method: str) -> bool:
        """Say whether the server has declared what a list is of.

        Spec: 2026-07-28 basic/versioning, "Capability Negotiation".
        """
        capability = methods.METHODS[method].capability

        def is_declared() -> bool:
            return getattr(self._connection.found.capabilities, capability) is not None

        if is_declared():
            return True
        # It may be another server by now, if the connection was lost.
        await self._connection.connected_within(self._patience.seconds)
        return is_declared()

    async def _send(
        self,
        method: str,
        params: JSONObject,
        timeout: float | None,
        on_progress: OnProgress | None,
        *,
        is_harmless: bool = False,
    ) -> tuple[JSONObject, int]:
        """Give the result of a request, and in how many rounds it came.

        Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements".
        """
        patience = self._patience
        if timeout is not None:
            patience = Patience(timeout, max(timeout, patience.total_seconds))
        # What is sent again, and in HTTP headers, is what was sent.
        params = again = jsonrpc.written(params)
        for rounds in count(1):
            result = await ask_again(
                partial(
                    self._connection.request,
                    method,
                    again,
                    patience,
                    on_progress=on_progress,
                ),
                within=patience.seconds,
                is_harmless=is_harmless or method in _ASK_ONLY,
            )
            answered = read_result(method, result)
            if not isinstance(answered, InputRequired):
                return answered, rounds
            if rounds > self._max_rounds:  # before a user is asked in vain
                raise RemoteProtocolError(
                    f"the server asked something in each of {rounds} rounds of "
                    f"{method!r}, and did not come to an end"
                )
            again = next_round(params, answered, await self._answer(answered))
        raise AssertionError("counting has no end")

    async def _answer(self, required: InputRequired) -> JSONObject:
        answers = {}
        for key, (method, params) in required.requests.items():
            try:
                answers[key] = await self._answers.answer(method, params)
            except ErrorAnswer as error:
                # There an answer is a result, never an error. The server is told little
                # of what went wrong; here is more.
                cause = error.__cause__
                why = f"{type(cause).__name__}: {cause}" if cause else error.message
                raise LocalProtocolError(
                    f"cannot answer {method!r}, which the server asks: {why}"
                ) from error
        return answers
