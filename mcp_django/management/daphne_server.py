"""Daphne, mended: it reads no forms, lets go of what has ended, waits for readers.

Daphne has Twisted read the forms of requests, which no application asks it for. It
keeps a request for up to a second after it has ended, and its `send` never waits for a
slow reader; and connections start a timer of the reactor's for each request. One that
cannot be looked at ends its looking at all others; and answers without a body get one,
if they have several pieces. Here that is done otherwise, by subclassing alone; all else
is Daphne's.
Importing this installs Twisted's reactor, so that only commands that serve may do so.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Final

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from twisted.internet import reactor
from twisted.web.http import NO_BODY_CODES

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.consumers.daphne import progress_of
from mcp_django.management.idle_timers import IdleTimers
from mcp_django.worker import shutdown

logger = FaultLog("daphne.server")

_SMALL_BYTES: Final = 4096
"""Up to here, a complete answer may be written whatever is unread."""

_LOOK_SECONDS: Final = 2


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
        for protocol in list(self.connections):
            try:
                protocol.check_timeouts()
            except Exception:  # Daphne would look at no connection any more.
                logger.exception(
                    "a connection ends, as it cannot be looked at; see the error"
                )
                protocol.transport.abortConnection()
        # Interfaces of zope's, as which it is typed, have no `self`.
        reactor.callLater(_LOOK_SECONDS, self.timeout_checker)  # type: ignore[arg-type]

    def kill_all_applications(self) -> Any:
        """Cancel what runs, and wait for it."""
        # Daphne takes it that each connection has an application.
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
        return super().kill_all_applications()

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

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Take what an application sends, once the client has read enough."""
        while (is_read := getattr(protocol, "is_read", None)) is not None:
            await is_read.wait()
        if len(message.get("body", b"")) > _SMALL_BYTES and not message.get(
            "more_body"
        ):
            # The next request is not begun while much of this answer is unread.
            await self.handle_reply(protocol, {**message, "more_body": True})
            await self.handle_reply(protocol, {**message, "body": b""})
            return
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
    _paused_at = _progressed_at = 0.0
    _progress: object = None

    def __init__(self, channel: Any, queued: object = False) -> None:
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Take what the application sends."""
        if message.get("more_body") and self.producer is None and not self.is_over:
            super().registerProducer(self, True)
        if self.startedWriting and (
            self.method == b"HEAD" or self.code in NO_BODY_CODES
        ):
            # Of what Daphne gives it, Twisted leaves out the first piece alone.
            message = {**message, "body": b""}
        super().handle_reply(message)

    def check_timeouts(self) -> None:
        """End an application that takes too long, and a client that reads nothing."""
        if self.is_over:
            return
        if self.is_read is None:
            super().check_timeouts()
            return
        now, progress = time.monotonic(), progress_of(self.transport)
        if progress != self._progress:
            self._progress, self._progressed_at = progress, now
        elif now - self._progressed_at > self.server.http_factory.timeOut:
            self.transport.abortConnection()

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
        if self.is_read is None:
            self.is_read = asyncio.Event()
            self._paused_at = time.monotonic()

    def resumeProducing(self) -> None:
        """Be told that all is read."""
        if self.is_read is not None:
            self.is_read.set()
            self.is_read = None
            # What is the client's fault counts for no time limit of the application.
            self.request_start += time.monotonic() - self._paused_at

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
