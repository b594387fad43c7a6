"""The life of the process, of which ASGI servers other than Daphne tell applications.

They say that it starts before they take requests, so that a process which was not asked
anything yet hears of its end, too. They say that it ends when their connections are
gone, and wait for what is left then.
"""

from __future__ import annotations

from typing import Final

from django.core.handlers.asgi import ASGIHandler

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.consumers.applications import Application
from mcp_django.consumers.exchange import Event, Receive, Scope, Send
from mcp_django.worker.shutdown import close_before_end
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.consumers")

_STARTUP: Final = "lifespan.startup"
_SHUTDOWN: Final = "lifespan.shutdown"


async def live(
    application: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Live as long as the process: begin at its start, and close at its end.

    Args:
        application: Is told as well. Django knows nothing of it, and others need not:
            one that raises before it answers is not asked again.
        scope: Of the type "lifespan".
        receive: Gives what the server tells.
        send: Answers it.

    Spec: ASGI, "Lifespan Protocol".
    """
    life = _Life(receive, send)
    if not isinstance(application, ASGIHandler):
        try:
            await application(scope, life.receive, life.send)
        except Exception:
            if life.has_answered:
                raise
            logger.debug("the application knows no lifespan", exc_info=True)
        else:
            return
    await life.go_on()


class _Life:
    """What the server tells: first for us, then for the application."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._unanswered: Event | None = None
        self.has_answered = False

    async def receive(self) -> Event:
        """Wait for what comes next, and do our part of it.

        MCP ends first: its handlers may need what the application ends then.
        """
        event = await self._receive()
        self._unanswered = event
        if event["type"] == _STARTUP:
            current_worker().begin()
        elif event["type"] == _SHUTDOWN:
            await close_before_end()
        return event

    async def send(self, event: Event) -> None:
        """Pass on what the application answers."""
        self.has_answered = True
        await self._send(event)

    async def go_on(self) -> None:
        """Answer for an application that does not."""
        event = self._unanswered or await self.receive()
        while True:
            await self.send({"type": f"{event['type']}.complete"})
            if event["type"] == _SHUTDOWN:
                return
            event = await self.receive()
