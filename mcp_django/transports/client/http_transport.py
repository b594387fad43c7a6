"""What the client halves over HTTP share: how they open, run tasks, and close."""

from __future__ import annotations

import math
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp_types.jsonrpc import RequestId

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import (
    ConnectFailed,
    HTTPRefused,
    MCPError,
    OAuthError,
    RequestFailed,
    TransportClosed,
    TransportError,
)
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import Sender, Transport
from mcp_django.transports.client.http import HTTPClient
from mcp_django.transports.client.http_auth import HOLD, SERVER_URL
from mcp_django.transports.client.http_failures import (
    Timeouts,
    parse_url,
    show,
    show_text,
)
from mcp_django.transports.client.http_library import httpx2

logger = FaultLog("mcp_django.transports")

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024

_Failure: TypeAlias = TransportError | OAuthError | None
"""Why a transport did not open; None if it did."""

_GOODBYE_SECONDS: Final = 2.0
_RELEASE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 4.0


class HTTPClientTransport(Transport):
    """Talks with one server over HTTP.

    ::

        NEW --start()--> OPEN --close(), or the server is gone--> CLOSED

    All tasks run in a group of the transport's own, which one task of the group that
    `start` is given holds. The end of that task, for whatever reason, closes the
    transport.

    Args:
        url: Where the server is.
        headers: For every HTTP request.
        auth: For every HTTP request.
        http: A client of the caller, which stays open; None to open one.
        verify: TLS settings, such as a CA of your own; None for those of the system.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds of silence after which a connection counts as broken.
        max_message_bytes: Longest message to take.

    Raises:
        ValueError: A header cannot be written, or `verify` comes with `http`.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None,
        auth: httpx2.Auth | None,
        http: httpx2.AsyncClient | None,
        verify: ssl.SSLContext | None,
        connect_timeout: float,
        read_timeout: float,
        max_message_bytes: int,
    ) -> None:
        super().__init__()
        self.answers_faults = False
        self._given_url = url
        self._max_message_bytes = max_message_bytes
        self._timeouts = Timeouts(connect_timeout, read_timeout)
        self._http = HTTPClient(
            headers=headers,
            auth=auth,
            http=http,
            verify=verify,
            timeouts=self._timeouts,
        )
        self._scope: anyio.CancelScope | None = None
        self._tasks: TaskGroup | None = None
        self._own_tasks: set[int] = set()
        self._deadlines: set[anyio.CancelScope] = set()
        self._is_started = False
        self._has_begun = False
        self._is_open = False
        self._is_closed = False
        self._has_ended = anyio.Event()

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._given_url

    async def start(self, tasks: TaskGroup) -> None:
        """Open the transport.

        Raises:
            ConnectFailed: There is no server, or none that can be used.
            HTTPRefused: It does not let us.
            OAuthError: Nor does it with a token, or there is none.
            TransportClosed: It is closed, or was closed meanwhile.
        """
        if self._is_closed:
            raise TransportClosed("cannot start: the transport is closed")
        self._is_started = True
        self._scope = anyio.CancelScope()
        try:
            failure: _Failure = await tasks.start(self._run, self._scope)
        finally:
            # Nothing ends what did not even begin, in a group that is at its end.
            if not self._has_begun:
                await self._end()
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """End what is running, say goodbye to the server, and close the connections."""
        if not self._is_started:
            self._is_started = True
            await self._end()
        self._shut()
        # A task that is handed a message, and closes for it, must not wait for itself.
        if anyio.get_current_task().id not in self._own_tasks:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await self._has_ended.wait()

    def _shut(self) -> None:
        """Begin to close."""
        self._is_closed = True
        if self._scope is not None:
            self._scope.cancel()

    @abstractmethod
    async def _open(self) -> None:
        """Do what has to be done before the transport is open.

        Raises:
            ConnectFailed, HTTPRefused, OAuthError: It cannot be opened.
        """

    async def _say_goodbye(self) -> None:
        """Tell the server that this is the end; nothing unless overridden."""

    def _check_is_open(self) -> None:
        """Refuse to send while nothing can be sent.

        Raises:
            TransportClosed: The transport is not open.
        """
        if self._is_closed or not self._is_open:
            raise TransportClosed("cannot send: the transport is closed")

    def _spawn(
        self, run: Callable[[], Awaitable[None]], *, request_id: RequestId | None = None
    ) -> None:
        """Run something until the transport closes, and report how it fails.

        Args:
            run: What to run.
            request_id: Id of the request that has no answer then.
        """
        assert self._tasks is not None
        self._tasks.start_soon(self._run_guarded, run, request_id)

    async def _run_guarded(
        self, run: Callable[[], Awaitable[None]], request_id: RequestId | None
    ) -> None:
        with self._own_task():
            try:
                await run()
            except RequestFailed as error:
                error.request_id = request_id
                self.on_error(error)
            except MCPError as error:
                failure = RequestFailed(str(error), request_id=request_id)
                failure.__cause__ = error
                self.on_error(failure)
            except Exception as error:
                # An `auth` object of the caller, for example, may raise anything.
                logger.exception(
                    "a request over HTTP failed; see the error, such as of an auth "
                    "object"
                )
                text = f"the request to {self._place} failed: {type(error).__name__}"
                self.on_error(RequestFailed(text, request_id=request_id))

    @contextmanager
    def _own_task(self) -> Iterator[None]:
        """Know the task that runs the block as one that `close` ends."""
        id = anyio.get_current_task().id
        self._own_tasks.add(id)
        try:
            yield
        finally:
            self._own_tasks.discard(id)

    async def _hand_over(self, message: Message, size: int) -> None:
        """Give a message to the program that drives the transport."""
        try:
            await self.on_message(message, Sender(size=size))
        except Exception as error:
            self.on_error(error)

    async def _run(
        self,
        scope: anyio.CancelScope,
        *,
        task_status: TaskStatus[_Failure],
    ) -> None:
        self._has_begun = True
        failure: _Failure
        failure = TransportClosed("the transport was closed while it opened")
        try:
            with scope:
                async with anyio.create_task_group() as self._tasks:
                    failure = await self._try_to_open()
                    if failure is None:
                        await self._stay_open(task_status)
                    self._tasks.cancel_scope.cancel()
        finally:
            await self._end()
        if failure is not None:
            # Only now, so that nothing is left behind when `start` raises.
            task_status.started(failure)

    async def _stay_open(self, task_status: TaskStatus[_Failure]) -> None:
        self._is_open = True
        task_status.started(None)
        try:
            await anyio.sleep_forever()
        finally:
            self._is_closed = True  # before the tasks end: no other may begin

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Let no wait run out in the block, because a user is waited for."""
        now = anyio.current_time()
        left = {scope: scope.deadline - now for scope in self._deadlines}
        for scope in left:
            scope.deadline = math.inf
        try:
            with self.pause():
                yield
        finally:
            for scope, seconds in left.items():
                scope.deadline = anyio.current_time() + seconds

    async def _try_to_open(self) -> _Failure:
        try:
            self._url = parse_url(self._given_url)
        except ValueError as error:
            place = show_text(self._given_url)
            return ConnectFailed(f"cannot connect to {place}: {error}")
        self._place = show(self._url)
        self._http.extensions = {SERVER_URL: self._url, HOLD: self._held}
        try:
            self._http.open()
            await self._open()
        except (ConnectFailed, HTTPRefused, OAuthError) as error:
            return error
        return None

    async def _end(self) -> None:
        self._is_closed = True
        try:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(_GOODBYE_SECONDS):
                    await self._say_goodbye()
                with anyio.move_on_after(_RELEASE_SECONDS):
                    await self._http.close()
        except Exception:
            logger.debug("the goodbye to a server failed", exc_info=True)
        finally:
            self._has_ended.set()
            self.on_close()
