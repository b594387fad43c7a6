"""The outermost callable: no exception ever leaves it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import anyio
import pytest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.auth.interface import Authenticator, Identity
from mcp_django.consumers.applications import Application
from mcp_django.consumers.exchange import Disconnected, Event, Exchange
from mcp_django.consumers.http import HTTPConsumer
from mcp_django.consumers.sse import SSEConsumer
from mcp_django.protocol.jsonrpc import Message
from mcp_django.sessions.registry import Registry
from mcp_django.sessions.session import Session
from mcp_django.transports.base import Sender
from mcp_django.transports.server.sse import SSEServerTransport
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import (
    Connection,
    make_scope,
    open_stream,
    post,
    request,
    site,
)

INTERNAL_ERROR = (500, -32603, "Internal error")
open_to_all = pytest.mark.usefixtures("without_authentication")


class FailingConsumer(HTTPConsumer):
    """Fails, before or after the answer has begun."""

    async def handle(self, exchange: Exchange) -> None:
        """Do what the path says."""
        match exchange.scope["path"]:
            case "/late":
                await exchange.start_events()
                await exchange.write(b"a piece")
            case "/ended":
                await exchange.respond(200, b"{}")
            case "/gone":
                raise Disconnected
        raise LookupError("the secret reason")


failing = cast(Application, FailingConsumer.as_asgi(server=Server("failing")))


@contextmanager
def collected_reports() -> Iterator[list[Any]]:
    """Collect what is told to listeners of Django's signal."""
    reports: list[Any] = []

    def report(sender: Any, **kwargs: Any) -> None:
        reports.append(sender)

    got_request_exception.connect(report)
    try:
        yield reports
    finally:
        got_request_exception.disconnect(report)


async def test_failure_before_the_answer_is_a_neutral_500_and_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: the reason is for the log, and for what listens to Django's signal."""
    with collected_reports() as reports:
        response = await request(failing, "GET", "/early")

    assert response.error() == INTERNAL_ERROR
    [record] = caplog.records
    assert record.getMessage() == "GET /early failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], LookupError)
    assert reports == [FailingConsumer]


async def test_path_makes_no_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """We promise it: a server decodes %0A, and so does a path with a converter."""
    path = "/x\r\nERROR root: all is lost\x1b[31m\u2028"
    await request(failing, "GET", "/", path=path)

    [message] = caplog.messages
    assert message.isprintable()
    assert message.startswith(r"GET /x\r\nERROR root")


async def test_failure_in_the_middle_ends_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: an exception that left would break Daphne for good."""
    response = await request(failing, "GET", "/late")

    assert (response.status, response.body) == (200, b"a piece")
    assert caplog.messages == ["GET /late failed"]


async def test_failure_after_the_answer_is_logged_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: ASGI HTTP: nothing may be sent after the end."""
    response = await request(failing, "GET", "/ended")

    assert (response.status, response.body) == (200, b"{}")
    assert caplog.messages == ["GET /ended failed"]


async def test_client_that_is_gone_is_neither_answered_nor_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: clients go all the time."""
    connection = Connection(failing, make_scope("GET", "/gone", {}))
    await connection.close()

    assert connection.status == 0
    assert caplog.records == []


@pytest.mark.parametrize("path", ["/early", "/late", "/ended"])
async def test_server_that_cannot_send_is_logged(
    caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Spec: ASGI HTTP, "Disconnected Client": send may raise OSError."""

    async def receive() -> Event:
        return {"type": "http.request", "body": b""}

    async def send(event: Event) -> None:
        raise OSError("the client is gone")

    await failing(make_scope("GET", path, {}), receive, send)

    assert caplog.messages[-1] == f"GET {path} broke off"


@open_to_all
async def test_stream_whose_server_cannot_send_leaves_no_session_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Spec: ASGI HTTP, "Disconnected Client": send may raise OSError."""

    async def receive() -> Event:
        return {"type": "http.disconnect"}

    async def send(event: Event) -> None:
        raise OSError("the client is gone")

    await site(make_scope("GET", "/mcp/sse", {}), receive, send)

    assert caplog.messages == ["GET /mcp/sse failed"]
    assert len(current_worker().part(Registry)) == 0


class UnableDriver(SSEConsumer):
    """Does not even begin to drive its streams."""

    def drive(self, transport: SSEServerTransport, session_id: str) -> Session | None:
        """Fail."""
        raise LookupError("the secret reason")


@open_to_all
async def test_driver_that_cannot_begin_is_a_neutral_500() -> None:
    """Chosen: a stream begins when its session has."""
    unable = cast(Application, UnableDriver.as_asgi(server=Server("site")))

    assert (await request(unable, "GET", "/mcp/sse")).error() == INTERNAL_ERROR
    assert len(current_worker().part(Registry)) == 0


class FailingAuthenticator(Authenticator):
    """Finds its database gone."""

    def authenticate(self, request: HttpRequest) -> Identity | None:
        """Fail."""
        raise LookupError("the secret reason")

    def is_still_valid(self, identity: Identity) -> bool:
        """Fail."""
        raise LookupError("the secret reason")


@pytest.mark.parametrize("url", ["/mcp/sse", "/mcp/messages?session_id=x"])
async def test_authenticator_that_fails_is_a_neutral_500(
    settings: Settings, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: what cannot be decided lets nobody in."""
    settings.MCP = {"AUTHENTICATION": [f"{__name__}.FailingAuthenticator"]}
    method = "GET" if url.endswith("sse") else "POST"

    response = await request(site, method, url)

    assert response.error() == INTERNAL_ERROR
    assert caplog.records[0].levelno == logging.ERROR


async def test_authenticator_that_cannot_be_imported_is_a_neutral_500(
    settings: Settings,
) -> None:
    """Chosen: a system check says so before."""
    settings.MCP = {"AUTHENTICATION": ["nowhere.Authenticator"]}

    assert (await request(site, "GET", "/mcp/sse")).error() == INTERNAL_ERROR


class FailingDriver(SSEConsumer):
    """Drives its streams by what fails with each message."""

    def drive(self, transport: SSEServerTransport, session_id: str) -> Session | None:
        """Leave that to `stay`."""
        return None

    async def stay(self, exchange: Exchange, transport: SSEServerTransport) -> None:
        """Fail in a task, and so in the middle of the stream."""

        async def fail() -> None:
            raise LookupError("the secret reason")

        async def on_message(message: Message, sender: Sender) -> None:
            tasks.start_soon(fail)

        async with anyio.create_task_group() as tasks:
            transport.on_message = on_message
            await super().stay(exchange, transport)


@open_to_all
async def test_driver_that_fails_ends_the_stream_and_its_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: one broken stream breaks nothing else."""
    server = Server("site")
    failing_stream = cast(Application, FailingDriver.as_asgi(server=server))

    async with open_stream(failing_stream, is_initialized=False) as stream:
        await post(site, stream.endpoint, {"jsonrpc": "2.0", "method": "x"})
        await stream.connection.wait_for_end()

    assert stream.connection.status == 200
    assert len(current_worker().part(Registry)) == 0
    assert caplog.messages == ["GET /mcp/sse failed"]
