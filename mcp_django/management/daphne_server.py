"""Daphne, mended: it reads no forms, lets go of what has ended, waits for readers.

Daphne has Twisted read the forms of requests, which no application asks it for. It
keeps a request for up to a second after it has ended, and its `send` never waits for a
slow reader; and connections start a timer of the reactor's for each request. Here that
is done otherwise, by subclassing alone; all else is Daphne's.
Importing this installs Twisted's reactor, so that only commands that serve may do so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server

from mcp_django.management.idle_timers import IdleTimers
from mcp_django.worker import shutdown

logger = logging.getLogger("daphne.server")


class MendedServer(Server):  # type: ignore[misc]  # Daphne has no types
    """A server that lets go of what has ended, and lets applications wait.

    There is a hook of Daphne's for the class of the server, and none for that of its
    requests; so it keeps another `http_factory` than Daphne gives it.
    """

    @property
    def http_factory(self) -> MendedFactory:
        """What makes HTTP connections."""
        return self._http_factory

    @http_factory.setter
    def http_factory(self, given: HTTPFactory) -> None:
        self._http_factory = MendedFactory(given.server)

    def run(self) -> None:
        """Serve until the process is told to end."""
        shutdown.arrange()
        super().run()

    def timeout_checker(self) -> None:
        """End what takes too long, every two seconds; also connections that idle."""
        self.http_factory.timers.look()
        super().timeout_checker()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start an application, and give the queue of its events."""
        queue = super().create_application(protocol, scope)
        if queue is not None:
            application = self.connections[protocol]["application_instance"]
            application.add_done_callback(partial(self._release, protocol))
        return queue

    def _release(self, protocol: Any, application: asyncio.Task[None]) -> None:
        """Do at once what Daphne does every second for all that have ended."""
        details = self.connections.get(protocol)
        if details is None or details.get("application_instance") is not application:
            return
        del details["application_instance"]
        is_disconnected = "disconnected" in details
        if is_disconnected:
            del self.connections[protocol]
        if application.cancelled() or (error := application.exception()) is None:
            return
        logger.error("Exception inside application: %s", error, exc_info=error)
        if not is_disconnected:
            protocol.handle_exception(error)

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note that a connection has ended, and forget it if nothing runs there."""
        details = self.connections.get(protocol)
        if details is None:
            return
        super().protocol_disconnected(protocol)
        if "application_instance" not in details:
            del self.connections[protocol]

    def handle_reply(self, protocol: Any, message: dict[str, Any]) -> Awaitable[None]:
        """Take what an application sends, once the client has read enough."""
        # On the hot path: most clients have.
        if getattr(protocol, "is_read", None) is None:
            taken: Awaitable[None] = super().handle_reply(protocol, message)
            return taken
        return self._take_later(protocol, message)

    async def _take_later(self, protocol: Any, message: dict[str, Any]) -> None:
        while (is_read := protocol.is_read) is not None:
            await is_read.wait()
        await super().handle_reply(protocol, message)


class MendedRequest(WebRequest):  # type: ignore[misc]
    """A request whose form is left to the application, and whose reader may be slow.

    From the first piece of a response that has several, it is a push producer of
    Twisted's, which asks it to pause when more than 64 KiB are unread, and to go on
    when all is read. An application that registers a producer itself is told instead,
    and is not made to wait.

    Attributes:
        is_read: Set when the client has read all; None if it has read enough.
    """

    is_read: asyncio.Event | None = None

    def __init__(self, channel: Any, queued: object = False) -> None:
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Take what the application sends."""
        super().handle_reply(message)
        if message.get("more_body") and self.producer is None and not self.is_over:
            super().registerProducer(self, True)

    @property
    def is_over(self) -> bool:
        """Whether the response is complete, or the client gone."""
        return bool(self.finished) or self.channel is None

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Tell another one from now on."""
        self._unregister()
        super().registerProducer(producer, streaming)

    def pauseProducing(self) -> None:
        """Be told that much is unread."""
        self.is_read = self.is_read or asyncio.Event()

    def resumeProducing(self) -> None:
        """Be told that all is read."""
        if self.is_read is not None:
            self.is_read.set()
            self.is_read = None

    def stopProducing(self) -> None:
        """Be told that the client is gone."""
        self.resumeProducing()

    def finish(self) -> None:
        """Complete the response."""
        self._unregister()
        super().finish()

    def handle_exception(self, exception: BaseException) -> None:
        """Answer in the place of an application that failed."""
        try:
            super().handle_exception(exception)
        except ValueError:  # The application has begun to; so the client sees it fail.
            self._unregister()
            self.channel.loseConnection()

    def _unregister(self) -> None:
        if self.producer is self:
            self.unregisterProducer()
            self.resumeProducing()


class MendedFactory(HTTPFactory):  # type: ignore[misc]
    """Makes HTTP connections whose requests are mended.

    Attributes:
        timers: By which connections end that have been idle for a minute.
    """

    def __init__(self, server: MendedServer) -> None:
        super().__init__(server)
        self.timers = IdleTimers()

    def buildProtocol(self, address: Any) -> Any:
        """Make a connection."""
        connection = super().buildProtocol(address)
        connection.requestFactory = MendedRequest
        connection.callLater = self.timers.start
        return connection

    def log(self, request: Any) -> None:
        """Write Twisted's access log, where Daphne does not throw it away."""
        if self.server.verbosity > 1:
            super().log(request)
