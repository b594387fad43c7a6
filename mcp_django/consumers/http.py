"""The outermost callable of every HTTP consumer: nothing ever leaves it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from channels.consumer import AsyncConsumer

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.strays import ends_task
from mcp_django.bulkheads.tallies import tallies
from mcp_django.consumers.exchange import Disconnected, Exchange, Receive, Scope, Send
from mcp_django.exceptions import ServiceAway
from mcp_django.server.failures import tell_of_failure
from mcp_django.server.server import Server
from mcp_django.transports.server.http_response import Headers
from mcp_django.transports.server.refusals import Refused
from mcp_django.worker.worker import current_worker

logger = FaultLog("mcp_django.consumers")


class HTTPConsumer(AsyncConsumer):
    """A Channels consumer for HTTP exchanges; it holds nothing of any.

    Channels' own dispatch is left out: it would open a channel and two tasks for each
    connection, hop to a thread for each event, and learn late of a disconnect. Channel
    layers reach the sessions through their worker's mailbox instead.

    Args:
        server: Whose endpoint it is.
        headers: Of every answer.

    Attributes:
        exchange_type: How an exchange is read and answered.
    """

    exchange_type: ClassVar[type[Exchange]] = Exchange

    def __init__(self, server: Server, headers: Headers = ()) -> None:
        self.server = server
        self._headers = headers

    async def __call__(  # type: ignore[override]  # ASGI's own, wider types
        self, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one exchange.

        An exception that left here after the answer began would break Daphne for
        good, so that every one is logged and ends the answer.
        """
        current_worker()  # so that operators see the process, also if it refuses all
        exchange = self.exchange_type(scope, receive, send)
        exchange.added_headers = self._headers
        try:
            try:
                await self.handle(exchange)
            except Refused as refused:
                tallies.refuse(refused.status, refused.message)
                await exchange.refuse(refused)
            except Disconnected:
                pass
            except ServiceAway as away:  # its service has said so in the log
                await exchange.give_up(Refused.by(away))
            except BaseException as error:
                if ends_task(error):
                    raise
                logger.exception(
                    "%s %s failed",
                    exchange.method,
                    exchange.path_for_log,
                )
                await tell_of_failure(type(self), error)
                await exchange.give_up()
        except BaseException as error:
            if ends_task(error):
                raise
            # Also `send` may fail, as some servers do when the client is gone.
            logger.exception("%s %s broke off", exchange.method, exchange.path_for_log)

    @abstractmethod
    async def handle(self, exchange: Exchange) -> Any:
        """Answer one exchange.

        Raises:
            Refused: It is answered with a refusal.
            Disconnected: It needs no answer.
        """
