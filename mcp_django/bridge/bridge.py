"""The bridge: joins a client that knows one transport to a server behind another.

::

    client --stdio--> Bridge --Streamable HTTP, SSE, WebSocket--> server

Either side may be of either era. The client is answered in the version of each of its
requests; the server is spoken to in the client's era, if it has that. What it asks:

| server | client | is asked |
| --- | --- | --- |
| legacy | legacy | by a request, whose answer goes back |
| modern | modern | by the result, which is passed on as it is |
| modern | legacy | by requests; then the server gets the request again, with answers |
| legacy | modern | by a result, while the call is held open: see `calls` |

`remote_server` reaches the server, `requests` carries out what the client wants, each
of the `running_requests` in a task of its own. `asking` asks the client, `changes`
tells it of changes, and `results` knows what each version may carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import INTERNAL_ERROR, JSONRPCRequest

from mcp_django.bridge.asking import ForwardedAnswers, SessionQuestions
from mcp_django.bridge.calls import Calls
from mcp_django.bridge.queues import Queue
from mcp_django.bridge.remote_server import RemoteServer, is_severe
from mcp_django.bridge.requests import Requests
from mcp_django.bridge.results import describe
from mcp_django.bridge.running_requests import RunningRequests
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import contained
from mcp_django.client.connecting import HTTPOptions, Target, Way, ways_to
from mcp_django.exceptions import MCPError, RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.client import subscription_of
from mcp_django.protocol.events import (
    Answered,
    AnswerReceived,
    Event,
    Ignored,
    Notified,
    Peer,
    RequestCancelled,
    RequestReceived,
    SessionRestarted,
)
from mcp_django.protocol.initialize import read_initialize
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.protocol.legacy import State
from mcp_django.protocol.methods import QUESTIONS
from mcp_django.protocol.modern import is_modern
from mcp_django.protocol.server import ServerProtocol
from mcp_django.transports.base import Sender, Transport

if TYPE_CHECKING:
    import httpx2

logger = FaultLog("mcp_django.client")

_MAX_UNREAD: Final = 100
"""Messages of the client that wait, such as while the server is connected."""

_GRACE_SECONDS: Final = 1.0
"""For requests under way when the client says no more; clients wait two seconds."""

_CHANGES_SECONDS: Final = 2.0
"""To begin to hear of changes, before the client is told that its session is open."""


async def bridge(
    client: Transport,
    target: Target,
    *,
    headers: Mapping[str, str] | None = None,
    auth: httpx2.Auth | None = None,
    http: httpx2.AsyncClient | None = None,
    version: str | None = None,
    connect_timeout: float = 10.0,
) -> None:
    """Join a client to a server, until the client is gone.

    The server is connected when the client first needs it. If that fails, the client's
    request is answered with an error that says why, and its next one tries again.

    Args:
        client: The server's half of a transport, not started yet; closed at the end.
            Its `on_error` and `on_close` are still called.
        target: The server, as for `Client`.
        headers: Sent with each HTTP request, and with the handshake of a WebSocket.
        auth: What httpx2 takes as `auth`.
        http: The `httpx2.AsyncClient` to use; it stays open.
        version: The one version to speak with the server; None to find out.
        connect_timeout: Seconds until there has to be a connection.

    Raises:
        ValueError: `target` is no target.
        ImportError: A library is missing that it needs.
    """
    ways = ways_to(
        target,
        HTTPOptions(
            headers or {}, auth=auth, http=http, connect_timeout=connect_timeout
        ),
    )
    is_closed = anyio.Event()
    on_close = contained(client.on_close, logger, "on_close of a transport")
    client.on_error = contained(client.on_error, logger, "on_error of a transport")

    def end() -> None:
        is_closed.set()
        on_close()

    client.on_close = end
    try:
        async with anyio.create_task_group() as tasks:
            joined = Bridge(client, ways, tasks, version=version)
            joined.start()
            await client.start(tasks)
            await is_closed.wait()
            await joined.close()
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await client.close()


class Bridge:
    """What happens between one client and one server.

    Args:
        client: The server's half of a transport; its callbacks are set here.
        ways: To the server.
        tasks: Where everything runs.
        version: To speak with the server; None to find out.
    """

    def __init__(
        self,
        client: Transport,
        ways: Sequence[Way],
        tasks: TaskGroup,
        *,
        version: str | None = None,
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._send_queue = SendQueue(client)
        # Which server made a result is said by `Requests`, once it is known.
        self._protocol = ServerProtocol(self._describe, {})
        self._questions = SessionQuestions(self._protocol, self._send_queue)
        self._calls = Calls(tasks)
        self._server = RemoteServer(
            ways,
            tasks,
            ForwardedAnswers(self._ask),
            version=version,
            on_notified=self._hear,
        )
        self._requests = Requests(
            self._server, self._questions, self._calls, self._send_queue, tasks
        )
        self._running = RunningRequests(
            self._protocol, self._requests, self._send_queue, tasks
        )
        self._unread: Queue[Message] = Queue(_MAX_UNREAD)
        self._untaken = 0
        self._has_taken_all = anyio.Event()
        self._has_taken_all.set()
        client.on_message = self._receive
        client.on_end = self._finish

    def start(self) -> None:
        """Begin to work; the client's transport is started after it."""
        self._tasks.start_soon(self._send_queue.run)
        self._tasks.start_soon(self._take_all)

    async def close(self) -> None:
        """Give up what is under way, and close the connection with the server."""
        await self._running.end()
        await self._server.close()

    # What comes from the client -------------------------------------------------------

    async def _receive(self, message: Message, sender: Sender) -> None:
        if isinstance(message, JSONRPCRequest) and message.method == "ping":
            # It may come while the server is being connected, and then wants an answer.
            await self._take(message)
            return
        self._untaken += 1
        if self._has_taken_all.is_set():
            self._has_taken_all = anyio.Event()
        await self._unread.put(message)

    async def _take_all(self) -> None:
        while True:
            message = await self._unread.get()
            try:
                await self._take(message)
            except Exception:
                logger.exception(
                    "a message of the client is lost, by fault of the bridge; report it"
                )
            self._untaken -= 1
            if not self._untaken:
                self._has_taken_all.set()

    async def _take(self, message: Message) -> None:
        if (
            isinstance(message, JSONRPCRequest)
            and message.method == "initialize"
            and self._protocol.state is State.NEW
            and not is_modern(message)
        ):
            await self._initialize(message)
        else:
            await self._take_event(self._protocol.receive(message))

    async def _take_event(self, event: Event) -> None:
        match event:
            case RequestReceived():
                await self._running.begin(event)
            case Answered(answer):
                self._client.takes_batches = self._protocol.takes_batches
                await self._send_queue.send(answer)
            case SessionRestarted(answer, peer):
                await self._restart(answer, peer)
            case RequestCancelled(id):
                self._running.cancel(id)
            case AnswerReceived(id, answer):
                self._questions.learn(id, answer)
            case Notified(method, params):
                self._pass_on(method, params)
            case Ignored(reason):
                logger.warning("message ignored: %.500s", reason, of=reason)

    async def _initialize(self, message: JSONRPCRequest) -> None:
        """Open the client's session, as soon as it is known what the server is."""
        try:
            peer = read_initialize(message)
        except RemoteProtocolError:
            # It is answered in the same way as any other.
            await self._take_event(self._protocol.receive(message))
            return
        self._questions.is_settled = anyio.Event()
        try:
            await self._server.connect(peer)
            if not self._server.is_legacy:
                await self._begin_changes()
            self._questions.peer = peer
            await self._take_event(self._protocol.receive(message))
        except MCPError as error:
            answer = jsonrpc.error(message.id, INTERNAL_ERROR, str(error))
            await self._send_queue.send(answer)
        finally:
            self._questions.is_settled.set()

    async def _restart(self, answer: Message, peer: Peer) -> None:
        """Begin anew with the server, as the client does, and then answer it."""
        await self._running.end_session()
        self._questions.peer = peer
        self._requests.log_level = None
        self._requests.changes.end()
        try:
            if self._server.is_legacy:
                await self._server.connect_anew(peer)
            else:
                await self._begin_changes()
        except MCPError as error:
            # The client's next request tries again.
            logger.warning(
                "cannot begin anew, which the client's next request tries again: %s",
                error,
            )
        self._client.takes_batches = self._protocol.takes_batches
        await self._send_queue.send(answer)

    def _describe(self, version: str) -> JSONObject:
        return describe(self._server.found, version)

    async def _begin_changes(self) -> None:
        """Hear of changes, so that the session misses none; it is no condition."""
        with anyio.move_on_after(_CHANGES_SECONDS) as scope:
            try:
                await self._requests.changes.begin()
            except MCPError as error:
                logger.info("no changes are heard: %s", error)
        if scope.cancelled_caught:
            logger.info("no changes are heard: the server does not acknowledge")

    def _pass_on(self, method: str, params: JSONObject) -> None:
        """Pass on a notification of the client's session to that of the server."""
        if method != "notifications/initialized" and self._server.is_legacy:
            notification = jsonrpc.notification(method, params or None)
            self._tasks.start_soon(self._server.notify, notification)

    async def _finish(self) -> None:
        """Let requests under way have their answers, if these come soon."""
        with anyio.move_on_after(_GRACE_SECONDS):
            await self._has_taken_all.wait()
            await self._running.wait_until_answered()
            await self._send_queue.wait_until_empty()

    # What comes from the server -------------------------------------------------------

    async def _ask(self, method: str, params: JSONObject) -> JSONObject:
        """Ask the client what the server asks.

        Raises:
            ErrorAnswer: It cannot be asked, or refuses.
        """
        answer = await self._calls.ask(QUESTIONS[method], method, params)
        if answer is not None:
            return answer
        return await self._questions.ask(method, params)

    def _hear(self, method: str, params: JSONObject) -> None:
        has_session = self._protocol.state is State.OPEN
        if method == "notifications/message":
            is_wanted = self._wants_log(params, has_session=has_session)
        else:
            # A session is told what it would be told by the server itself. All else
            # belongs to a subscription.
            is_own = self._server.is_legacy and subscription_of(params) is None
            is_wanted = has_session and is_own
        if is_wanted:
            self._send_queue.send_soon(jsonrpc.notification(method, params or None))

    def _wants_log(self, params: JSONObject, *, has_session: bool) -> bool:
        """Say whether a client wants to hear a log message."""
        level = params.get("level")
        if has_session:
            least = self._requests.log_level
            if least is None or is_severe(level, least):
                return True
        return self._running.want_log(level)
