"""The outermost callable of every HTTP consumer: nothing ever leaves it."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Any

from channels.consumer import AsyncConsumer

from mcp_django.consumers.exchange import (
    Disconnected,
    Exchange,
    Receive,
    Refused,
    Scope,
    Send,
)
from mcp_django.server.server import Server

logger = logging.getLogger("mcp_django.consumers")


class HTTPConsumer(AsyncConsumer):
    """A Channels consumer for one HTTP exchange.

    Channels' own dispatch is left out: it would open a channel and two tasks for each
    connection, hop to a thread for each event, and learn late of a disconnect. Channel
    layers reach the sessions through their worker's mailbox instead.

    Args:
        server: Whose endpoint it is; passed by `as_asgi(server=...)`.
    """

    def __init__(self, server: Server) -> None:
        self.server = server

    async def __call__(  # type: ignore[override]  # ASGI's own, wider types
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one exchange.

        An exception that left here after the answer began would break Daphne for
        good, so that every one is logged and ends the answer.
        """
        exchange = Exchange(scope, receive, send)
        try:
            await self.handle(exchange)
        except Refused as refused:
            await exchange.refuse(refused)
        except Disconnected:
            pass
        except Exception:
            logger.exception("%s %s failed", exchange.method, scope["path"])
            if exchange.is_started:
                await exchange.end_stream()
            else:
                await exchange.refuse(Refused(500, "Internal error", code=-32603))

    @abstractmethod
    async def handle(self, exchange: Exchange) -> Any:
        """Answer one exchange.

        Raises:
            Refused: It is answered with a refusal.
            Disconnected: It needs no answer.
        """
