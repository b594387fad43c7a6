"""The requests of a client that are under way at the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import INTERNAL_ERROR, RequestId

from mcp_django.bridge.remote_server import is_severe
from mcp_django.bridge.requests import Requests
from mcp_django.bridge.send_queue import SendQueue
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import versions
from mcp_django.protocol.events import RequestReceived
from mcp_django.protocol.jsonrpc import JSON, JSONObject, Message
from mcp_django.protocol.methods import LISTEN
from mcp_django.protocol.server import ServerProtocol

logger = FaultLog("mcp_django.client")

_MAX_RUNNING: Final = 1000
"""Requests of the client that wait for the server."""

_CANCEL_SECONDS: Final = 0.3
"""To tell the server of requests that are given up."""

_RESTARTED: Final = ErrorAnswer(
    INTERNAL_ERROR, "the session was initialized again, which ended this request"
)


@dataclass(eq=False)
class _Run:
    """A request of the client that waits for its answer."""

    request: RequestReceived
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class RunningRequests:
    """Requests that are carried out side by side, and answered one by one.

    Args:
        protocol: Of the client; makes messages of answers.
        requests: Carries them out.
        send_queue: Where answers go.
        tasks: Where they run, each in a task of its own.
    """

    def __init__(
        self,
        protocol: ServerProtocol,
        requests: Requests,
        send_queue: SendQueue,
        tasks: TaskGroup,
    ) -> None:
        self._protocol = protocol
        self._requests = requests
        self._send_queue = send_queue
        self._tasks = tasks
        self._runs: dict[RequestId, _Run] = {}
        self._news = anyio.Event()

    async def begin(self, request: RequestReceived) -> None:
        """Begin to carry out a request; refuse it if there are too many."""
        if len(self._runs) >= _MAX_RUNNING:
            text = f"{_MAX_RUNNING} requests wait for their answers already"
            await self._send_answer(request, ErrorAnswer(INTERNAL_ERROR, text))
            return
        run = self._runs[request.id] = _Run(request)
        self._tasks.start_soon(self._carry_out, run)

    def cancel(self, id: RequestId) -> None:
        """Give up a request without an answer, if it is there."""
        if id in self._runs:
            self._runs[id].scope.cancel()

    async def end(self) -> None:
        """Give up all requests without an answer."""
        for run in self._runs.values():
            run.scope.cancel()
        await self._wait_for_end_of(list(self._runs.values()))

    async def end_session(self) -> None:
        """Give up the requests of a session, and answer that it begins anew."""
        old = [
            run
            for run in self._runs.values()
            if run.request.peer.version in versions.LEGACY
        ]
        for run in old:
            run.scope.cancel()
            await self._send_answer(run.request, _RESTARTED)
        await self._wait_for_end_of(old)

    async def wait_until_answered(self) -> None:
        """Wait until all are answered but those that listen, which have no end."""
        await self._wait_while(
            lambda: any(run.request.method != LISTEN for run in self._runs.values())
        )

    def want_log(self, level: JSON) -> bool:
        """Say whether one of the requests wants log messages of a level."""
        levels = (run.request.peer.log_level for run in self._runs.values())
        return any(least and is_severe(level, least) for least in levels)

    async def _carry_out(self, run: _Run) -> None:
        request = run.request
        try:
            with run.scope:
                answer: JSONObject | ErrorAnswer
                try:
                    answer = await self._requests.answer(request)
                except ErrorAnswer as error:
                    answer = error
                except Exception:
                    logger.exception(
                        "passing on %r failed, by fault of the bridge; report it",
                        request.method,
                        of=request.method,
                    )
                    answer = ErrorAnswer(INTERNAL_ERROR, "Internal error")
                await self._send_answer(request, answer)
        finally:
            # A client may use the id of a cancelled request again.
            if self._runs.get(request.id) is run:
                del self._runs[request.id]
            self._news.set()

    async def _send_answer(
        self, request: RequestReceived, answer: JSONObject | ErrorAnswer
    ) -> None:
        message: Message | None
        if isinstance(answer, ErrorAnswer):
            message = self._protocol.send_error(
                request.id, answer.code, answer.message, answer.data
            )
        else:
            message = self._protocol.send_result(request.id, answer)
        if message is not None:
            await self._send_queue.send(message)

    async def _wait_for_end_of(self, cancelled: Sequence[_Run]) -> None:
        """Let the server be told of requests that are given up."""
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
            await self._wait_while(
                lambda: any(self._runs.get(run.request.id) is run for run in cancelled)
            )

    async def _wait_while(self, is_true: Callable[[], bool]) -> None:
        while is_true():
            if self._news.is_set():
                self._news = anyio.Event()
            await self._news.wait()
