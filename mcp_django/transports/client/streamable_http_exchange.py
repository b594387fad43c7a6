"""Streamable HTTP at the client's end: one posted message, and what comes back.

Spec: 2026-07-28 basic/transports/streamable-http, "Sending Messages" and "Receiving
Messages"; 2025-11-25 basic/transports, "Sending Messages to the Server" and
"Resumability and Redelivery".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from typing import Final

import anyio
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.exceptions import (
    HTTPRefused,
    RemoteProtocolError,
    RequestFailed,
    SessionLost,
)
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.client.http import (
    DEFAULT_RETRY_SECONDS,
    EVENT_STREAM,
    JSON_TYPE,
    EventReader,
    HTTPClient,
    media_type,
    read_body,
    read_refusal,
    read_rest,
)
from mcp_django.transports.client.http_failures import (
    MAX_SHOWN,
    error_in,
    failed_by_server,
    refusal_of,
    show,
)
from mcp_django.transports.client.http_library import httpx2
from mcp_django.transports.client.streamable_http_eras import SESSION_ID, Era
from mcp_django.transports.event_stream import ServerSentEvent

MAX_FRUITLESS: Final = 2
"""Attempts in a row to go on with a stream that may bring no event."""

_LINGER_SECONDS: Final = 1.0
_HEARD_SECONDS: Final = 0.5
_HOLDS_ERRORS: Final = (400, 404)
_NO_MORE: Final = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where messages go, and what takes those that come back.

    Attributes:
        http: Sends.
        url: The MCP endpoint.
        max_message_bytes: Longest message to take.
        parse: Reads the messages of a JSON text, by the rules of an era.
        hand_over: Takes a message, and its size in bytes.
        on_error: Is told what went wrong and ends nothing.
    """

    http: HTTPClient
    url: httpx2.URL
    max_message_bytes: int
    parse: Callable[[bytes, Era], list[Message]]
    hand_over: Callable[[Message, int], Awaitable[None]]
    on_error: Callable[[Exception], None]

    def post(
        self,
        era: Era,
        message: Message,
        body: bytes,
        on_sent: Callable[[], None] | None = None,
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """Post a message; see `HTTPClient.exchange`."""
        headers = {
            "accept": f"{JSON_TYPE}, {EVENT_STREAM}",
            "content-type": JSON_TYPE,
            **era.headers_of(message),
        }
        return self.http.exchange(
            "POST", self.url, headers=headers, body=body, on_sent=on_sent
        )

    def listen(
        self, headers: dict[str, str], last_event_id: str
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """Ask for an event stream, or for the rest of one."""
        headers = {"accept": EVENT_STREAM, **headers}
        if last_event_id:
            headers["last-event-id"] = last_event_id
        return self.http.exchange("GET", self.url, headers=headers)


def failure_of(response: httpx2.Response, body: bytes, era: Era) -> RequestFailed:
    """Make the exception for a response that is no success; note if a session is lost.

    Spec: 2025-11-25 basic/transports, "Session Management".
    """
    session_id = response.request.headers.get(SESSION_ID)
    error = error_in(body)
    is_for_session = error is None or error.error.code != METHOD_NOT_FOUND
    if (
        response.status_code == 404
        and session_id is not None
        and is_for_session
        and era.lose(session_id)
    ):
        return session_lost(response.request.url)
    return refusal_of(response, body)


def session_lost(url: httpx2.URL) -> SessionLost:
    """Make the exception for a session that the server knows no more."""
    return SessionLost(f"{show(url)} knows the session no more; initialize a new one")


async def post_one_way(
    endpoint: Endpoint,
    era: Era,
    message: Message,
    body: bytes,
    on_accepted: Callable[[], None],
) -> None:
    """Post a message that has no answer.

    Args:
        endpoint: Where to.
        era: Whose rules hold.
        message: A notification, or an answer.
        body: The same as bytes.
        on_accepted: Called once the server has accepted it.

    Raises:
        RequestFailed: It was refused, or did not arrive.
    """
    async with endpoint.post(era, message, body) as response:
        if not response.is_success:
            raise failure_of(response, await read_refusal(response), era)
        on_accepted()
        await read_rest(response)


class _MixedUp(Exception):
    """The answer is that of another request."""


class RequestExchange:
    """One request: its POST, and all that comes until its answer.

    A stream that breaks off is resumed, where the era and the server allow it::

        POST --stream breaks--> waiting --retry is over--> GET --stream breaks--> ...

    Args:
        endpoint: Where to.
        era: Whose rules hold.
        request: What is asked.
        body: The same as bytes.

    Attributes:
        is_begun: Whether the server may have heard of it.
    """

    def __init__(
        self, endpoint: Endpoint, era: Era, request: JSONRPCRequest, body: bytes
    ) -> None:
        self.era = era
        self.is_begun = False
        self._is_sent = anyio.Event()
        self._is_heard = anyio.Event()
        self._sent_at = 0.0
        self.request = request
        self._endpoint = endpoint
        self._body = body
        self._scope = anyio.CancelScope()
        self._reader = EventReader(endpoint.max_message_bytes)
        self._fault: RemoteProtocolError | None = None
        self._is_answered = False

    def cancel(self) -> None:
        """Close the connection; no answer will come."""
        self._scope.cancel()

    async def until_heard(self) -> None:
        """Return when the server should know of the request.

        That is when it begins to answer, or a moment after all of it was sent: what is
        sent later on another connection must not be read before it.
        """
        with anyio.move_on_after(self._endpoint.http.timeouts.connect):
            await self._is_sent.wait()
        with anyio.CancelScope(deadline=self._sent_at + _HEARD_SECONDS):
            await self._is_heard.wait()

    async def run(self, may_begin: Callable[[], Awaitable[None]]) -> None:
        """Ask, and hand over what comes; returns after the answer, or if cancelled.

        Args:
            may_begin: Awaited before anything is sent.

        Raises:
            RequestFailed: There is no answer.
        """
        try:
            with self._scope:
                await self._run(may_begin)
        finally:
            self._note_heard()

    async def _run(self, may_begin: Callable[[], Awaitable[None]]) -> None:
        await may_begin()
        self.is_begun = True
        try:
            await self._ask()
        except (RemoteProtocolError, _MixedUp) as error:
            text = f"the answer of {show(self._endpoint.url)} cannot be used: {error}"
            failure = failed_by_server(text, error)
        except RequestFailed as error:
            failure = error
        else:
            return
        # After the answer, what is wrong with the rest is of no interest.
        if not self._is_answered:
            raise failure

    async def _ask(self) -> None:
        if self.era.is_lost:
            raise session_lost(self._endpoint.url)
        try:
            await self._post()
        except RequestFailed:
            if not self._can_resume:
                raise
        while not self._is_answered:
            if not self._can_resume:
                raise self._unanswered()
            await self._resume()

    async def _post(self) -> None:
        async with self._endpoint.post(
            self.era, self.request, self._body, self._note_sent
        ) as response:
            self._note_heard()
            if not response.is_success:
                await self._take_refusal(response)
                return
            self.era.take_headers(self.request, response.headers)
            match media_type(response):
                case "application/json":
                    body = await read_body(response, self._endpoint.max_message_bytes)
                    await self._take_text(body)
                case "text/event-stream":
                    await self._read_events(response)
                case other:
                    raise RemoteProtocolError(
                        f"status {response.status_code} with content of type "
                        f"{other[:MAX_SHOWN]!r}; a request is answered with "
                        f"{JSON_TYPE} or {EVENT_STREAM}"
                    )

    def _note_sent(self) -> None:
        self._sent_at = anyio.current_time()
        self._is_sent.set()

    def _note_heard(self) -> None:
        self._is_sent.set()
        self._is_heard.set()

    # Event streams --------------------------------------------------------------

    @property
    def _can_resume(self) -> bool:
        return self.era.can_resume and bool(self._reader.last_event_id)

    async def _resume(self) -> None:
        """Resume the stream behind its last event, until the answer.

        Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".
        """
        fruitless = 0
        while not self._is_answered:
            if fruitless == MAX_FRUITLESS:
                raise self._unanswered(
                    f", and {MAX_FRUITLESS} attempts to go on with it brought nothing"
                )
            wait = self._reader.retry_seconds
            await anyio.sleep(DEFAULT_RETRY_SECONDS if wait is None else wait)
            count = self._reader.count
            if (status := await self._go_on()) in _NO_MORE:
                raise self._unanswered(
                    f", and does not let us go on with it (status {status})"
                )
            fruitless = 0 if self._reader.count > count else fruitless + 1

    async def _go_on(self) -> int | None:
        """Read the rest of the stream; gives the status, or None without one."""
        headers = self.era.headers_of(self.request)
        try:
            async with self._endpoint.listen(
                headers, self._reader.last_event_id
            ) as response:
                if response.is_success and media_type(response) == EVENT_STREAM:
                    await self._read_events(response)
                return response.status_code
        except HTTPRefused as refused:
            return refused.status
        except RequestFailed:
            return None

    async def _read_events(self, response: httpx2.Response) -> None:
        async with aclosing(self._reader.read(response)) as events:
            async for event in events:
                await self._take_event(event)
                if self._is_answered:
                    break
            # Most servers end the stream now, and the connection can be kept then.
            with anyio.move_on_after(_LINGER_SECONDS):
                async for _ in events:
                    pass

    async def _take_event(self, event: ServerSentEvent) -> None:
        # Without data it only says where to go on.
        if event.event != "message" or not event.data:
            return
        try:
            await self._take_text(event.data.encode())
        except RemoteProtocolError as error:
            self._fault = error
            self._endpoint.on_error(error)

    # Messages -------------------------------------------------------------------

    async def _take_text(self, text: bytes) -> None:
        messages = self._endpoint.parse(text, self.era)
        for message in messages:
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                await self._take_answer(message, len(text))
            else:
                await self._endpoint.hand_over(message, len(text) // len(messages))

    async def _take_answer(
        self, answer: JSONRPCResponse | JSONRPCError, size: int
    ) -> None:
        """Hand over the answer; more than one is none of our request.

        Raises:
            _MixedUp: It answers another request.
        """
        if self._is_answered:
            return
        id = self.request.id
        if answer.id is None:
            answer = answer.model_copy(update={"id": id})
        # In JSON, 1 and "1" are not the same, and to Python 1 and True are.
        if (type(answer.id), answer.id) != (type(id), id):
            raise _MixedUp(
                f"it answers request {repr(answer.id)[:MAX_SHOWN]}, not {id!r}"
            )
        if isinstance(answer, JSONRPCResponse):
            answer = self.era.take_result(self.request, answer)
        self._is_answered = True
        await self._endpoint.hand_over(answer, size)

    async def _take_refusal(self, response: httpx2.Response) -> None:
        """Take a JSON-RPC error for the answer, where a refusal holds one.

        Raises:
            RequestFailed: It holds none.
        """
        body = await read_refusal(response)
        error = error_in(body)
        failure = failure_of(response, body, self.era)
        is_ours = error is not None and error.id in (None, self.request.id)
        is_session_lost = isinstance(failure, SessionLost)
        if not is_ours or is_session_lost or response.status_code not in _HOLDS_ERRORS:
            raise failure
        assert error is not None
        await self._take_answer(error, len(body))

    def _unanswered(self, more: str = "") -> RequestFailed:
        text = f"{show(self._endpoint.url)} ended the stream without an answer"
        if self._fault is None:
            return RequestFailed(text + more, was_sent=True)
        text += f" (what is no message came on it: {self._fault})"
        return failed_by_server(text + more, self._fault)
