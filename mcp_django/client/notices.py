"""Tells functions of the program that uses a client what its server notifies of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types import LoggingMessageNotificationParams

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.client.answers import Answers, Interrupted
from mcp_django.protocol.jsonrpc import JSONObject

logger = FaultLog("mcp_django.client")

OnLog: TypeAlias = Callable[[LoggingMessageNotificationParams], object]
OnNotification: TypeAlias = Callable[[str, JSONObject], object]

_LOG: Final = "notifications/message"

_FINISH_SECONDS: Final = 1.0

_MAX_WAITING: Final = 1000
"""Notifications that wait for the functions that hear them."""


class Notices:
    """Calls the functions one after the other, in the order of the notifications.

    They run in a task of their own, so that they may use the client. When too many
    notifications wait for them, further ones are dropped, and the log says so.

    Args:
        answers: Calls functions, `def` and `async def`.
        on_log: Hears the log messages; None if no function does.
        on_notification: Hears method and params of the others.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        on_log: OnLog | None,
        on_notification: OnNotification | None,
    ) -> None:
        self._answers = answers
        self._on_log = on_log
        self._on_notification = on_notification
        self._waiting: deque[tuple[str, JSONObject]] = deque()
        self._news = anyio.Event()
        self._has_told_all = anyio.Event()
        self._has_told_all.set()

    def start(self, tasks: TaskGroup) -> None:
        """Begin to call the functions, until the tasks are cancelled."""
        tasks.start_soon(self._run)

    def tell(self, method: str, params: JSONObject) -> None:
        """Take a notification."""
        if (self._on_log if method == _LOG else self._on_notification) is None:
            return
        if len(self._waiting) >= _MAX_WAITING:
            logger.warning(
                "%.100s is dropped, as %d others wait: have the functions that "
                "hear them return sooner",
                method,
                _MAX_WAITING,
                of=method,
            )
            return
        self._waiting.append((method, params))
        self._news.set()
        if self._has_told_all.is_set():
            self._has_told_all = anyio.Event()

    async def finish(self) -> None:
        """Wait, for a moment, until the functions have heard everything so far."""
        with anyio.move_on_after(_FINISH_SECONDS):
            await self._has_told_all.wait()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            while self._waiting:
                method, params = self._waiting.popleft()
                try:
                    await self._call(method, params)
                except Interrupted:
                    pass  # No failure of the function.
                except BaseException as error:
                    if ends_task(error):
                        raise
                    logger.exception(
                        "the function that hears %.100r failed; mend it", method
                    )
            self._has_told_all.set()

    async def _call(self, method: str, params: JSONObject) -> None:
        if method != _LOG:
            assert self._on_notification is not None
            await self._answers.call(self._on_notification, method, params)
        else:
            assert self._on_log is not None
            log = LoggingMessageNotificationParams.model_validate(params)
            await self._answers.call(self._on_log, log)
