"""Spans and measurements of what is asked, and one trace through both halves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from mcp_types import TextContent
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from pytest_django import Settings

from mcp_django import Server, SyncContext
from mcp_django.bridge.bridge import bridge
from mcp_django.client import observers as calls
from mcp_django.client.client import Client
from mcp_django.client.sync import SyncClient
from mcp_django.consumers.applications import application_of
from mcp_django.exceptions import (
    ErrorReceived,
    RequestTimeout,
    ToolError,
)
from mcp_django.server import observers
from mcp_django.server.endpoints import Endpoint
from mcp_django.sessions.serving import serve
from mcp_django.signals import session_closed
from mcp_django.telemetry.calls import CallTelemetry
from mcp_django.telemetry.requests import RequestTelemetry
from mcp_django.telemetry.sessions import SessionTelemetry
from mcp_django.transports.memory import memory_transports
from tests import patience
from tests.client.played import PlayedTransport, do_nothing
from tests.client.scripted import MODERN as SPEAKS_MODERN
from tests.interaction.in_process import InProcessTransport
from tests.telemetry.collected import Collected

LEGACY, MODERN = "2025-11-25", "2026-07-28"

server = Server("told")


@server.tool
def peek(context: SyncContext) -> str:
    trace_id = trace.get_current_span().get_span_context().trace_id
    return f"{context.meta['traceparent']} {trace_id:032x} {context.session_label}"


@server.tool
async def refuse() -> None:
    raise ToolError("not today")


@server.tool
async def wait() -> None:
    await anyio.sleep_forever()


@pytest.fixture(autouse=True)
def collected(settings: Settings) -> Iterator[Collected]:
    settings.MCP = {"AUTHENTICATION": []}
    collected = Collected()
    of_calls = CallTelemetry(collected.tracers, collected.meters)
    of_requests = RequestTelemetry(collected.tracers, collected.meters)
    of_sessions = SessionTelemetry(collected.meters)
    calls.observe(of_calls)
    observers.observe(of_requests)
    session_closed.connect(of_sessions.measure)
    yield collected
    calls.ignore(of_calls)
    observers.ignore(of_requests)
    session_closed.disconnect(of_sessions.measure)
    collected.shutdown()


@asynccontextmanager
async def connected(version: str = MODERN, **options: Any) -> AsyncIterator[Client]:
    """Connect over HTTP, in one process."""
    site = InProcessTransport(application_of(Endpoint(server, "mcp")))
    async with httpx2.AsyncClient(transport=site) as http:
        url = "http://testserver/mcp"
        async with Client(url, http=http, version=version, **options) as client:
            yield client


async def peek_of(client: Client) -> Sequence[str]:
    """Give what a call carries, and the trace that its handler is in."""
    result = await client.call_tool("peek")
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text.split()


def called(spans: Any) -> ReadableSpan:
    """Give the one of the call."""
    [span] = [s for s in spans if s.name.startswith("tools/call")]
    assert isinstance(span, ReadableSpan)
    return span


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_one_trace_goes_from_caller_to_handler(
    collected: Collected, version: str
) -> None:
    """We promise it: through our client and our server into what the handler does."""
    tracer = collected.tracers.get_tracer("site")
    async with connected(version) as client:
        with tracer.start_as_current_span("agent") as agent:
            told = await peek_of(client)
            assert trace.get_current_span() is agent
    context = agent.get_span_context()
    sent = called(collected.spans(SpanKind.CLIENT))
    answered = called(collected.spans())
    assert sent.parent is not None
    assert sent.parent.span_id == context.span_id
    assert sent.context is not None
    named = (answered.attributes or {}).get("mcp.session.id")
    assert named == told[2] if version == LEGACY else named is None
    ids = f"{context.trace_id:032x}", f"{sent.context.span_id:016x}"
    assert told[0].split("-")[1:3] == [*ids]
    assert told[1] == ids[0]
    assert answered.parent is not None
    assert answered.parent.span_id == sent.context.span_id


async def test_call_is_told_by_the_conventions(collected: Collected) -> None:
    """By the conventions for MCP, "Client"."""
    async with connected() as client:
        await client.call_tool("peek")
    span = called(collected.spans(SpanKind.CLIENT))
    told = dict(span.attributes or {})
    assert span.name == "tools/call peek"
    assert span.status.status_code is StatusCode.UNSET
    id = told.pop("jsonrpc.request.id")
    measured = {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": MODERN,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "peek",
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "server.address": "testserver",
        "server.port": 80,
    }
    assert told == measured
    assert id == str((called(collected.spans()).attributes or {})["jsonrpc.request.id"])
    points = collected.points("mcp.client.operation.duration")
    [point] = [p for p in points if "gen_ai.tool.name" in (p.attributes or {})]
    assert point.attributes == measured
    assert point.explicit_bounds[:3] == (0.01, 0.02, 0.05)


ERRORS: dict[str, tuple[str, float | None, type[Exception], str, bool]] = {
    "refused": ("refuse", None, ToolError, "tool_error", True),
    "unknown": ("nonsense", None, ErrorReceived, "-32602", False),
    "late": ("wait", 0.05, RequestTimeout, "timeout", True),
}


@pytest.mark.parametrize(
    ("tool", "seconds", "error", "kind", "is_named"), ERRORS.values(), ids=ERRORS
)
async def test_errors_of_calls_are_told(
    collected: Collected,
    tool: str,
    seconds: float | None,
    error: type[Exception],
    kind: str,
    is_named: bool,
) -> None:
    """By the conventions; names that do not exist make no time series."""
    async with connected() as client:
        params = {"name": tool, "arguments": {}}
        result: Any = {}
        try:
            result = await client.request("tools/call", params, timeout=seconds)
        except (ErrorReceived, RequestTimeout) as raised:
            assert isinstance(raised, error)
    assert bool(result.get("isError")) is (tool == "refuse")
    span = called(collected.spans(SpanKind.CLIENT))
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == kind
    points = collected.points("mcp.client.operation.duration")
    [point] = [p for p in points if "error.type" in (p.attributes or {})]
    assert (point.attributes or {})["error.type"] == kind
    assert ("gen_ai.tool.name" in (point.attributes or {})) is is_named


async def test_cancelled_call_is_told_by_its_client(collected: Collected) -> None:
    """We promise it: each span ends, and the context is as before."""
    before = trace.get_current_span()
    async with connected() as client:
        with anyio.move_on_after(0.05):
            await client.call_tool("wait")
        assert trace.get_current_span() is before
    span = called(collected.spans(SpanKind.CLIENT))
    assert (span.attributes or {})["error.type"] == "cancelled"


async def test_sessions_are_measured_at_both_ends(collected: Collected) -> None:
    """By the conventions; there is none over Streamable HTTP in 2026-07-28."""
    both = ("mcp.client.session.duration", "mcp.server.session.duration")
    async with connected(MODERN) as client:
        await client.ping()
    assert [collected.points(name) for name in both] == [[], []]
    async with connected(LEGACY) as client:
        await client.ping()
    [of_client], [of_server] = (collected.points(name) for name in both)
    told = {
        "mcp.protocol.version": LEGACY,
        "network.transport": "tcp",
        "network.protocol.name": "http",
    }
    assert of_server.attributes == told
    place = {"server.address": "testserver", "server.port": 80}
    assert of_client.attributes == {**told, **place}
    assert of_client.count == of_server.count == 1


async def test_session_of_a_server_that_goes_ends_with_an_error(
    collected: Collected,
) -> None:
    """By the conventions: so it can be told from one that was closed."""
    client_end, server_end = memory_transports()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, server, server_end)
        async with Client(client_end) as client:
            await client.ping()
            await server_end.close()
            with anyio.fail_after(patience.PATIENCE_SECONDS):
                while not collected.points("mcp.client.session.duration"):
                    await anyio.lowlevel.checkpoint()
    [point] = collected.points("mcp.client.session.duration")
    assert point.attributes == {
        "mcp.protocol.version": MODERN,
        "error.type": "mcp_django.exceptions.TransportClosed",
    }


async def test_trace_goes_through_a_bridge(collected: Collected) -> None:
    """We promise it: a bridge is a step of it, and hides nothing."""
    site = InProcessTransport(application_of(Endpoint(server, "mcp")))
    client_end, bridge_end = memory_transports()
    async with (
        httpx2.AsyncClient(transport=site) as http,
        anyio.create_task_group() as tasks,
    ):

        async def join() -> None:
            await bridge(bridge_end, "http://testserver/mcp", http=http)

        tasks.start_soon(join)
        async with Client(client_end) as client:
            [_, trace_id, _] = await peek_of(client)
    asked = [s for s in collected.spans(SpanKind.CLIENT) if s.name.endswith("peek")]
    [bridged, sent] = asked  # in the order in which they ended
    answered = called(collected.spans())
    assert sent.context is not None
    assert bridged.context is not None
    assert f"{sent.context.trace_id:032x}" == trace_id
    assert sent.parent is None
    assert bridged.parent is not None
    assert bridged.parent.span_id == sent.context.span_id
    assert answered.parent is not None
    assert answered.parent.span_id == bridged.context.span_id


def test_trace_of_a_thread_goes_on(collected: Collected) -> None:
    """We promise it: `SyncClient` works in another thread for the one that calls."""
    tracer = collected.tracers.get_tracer("site")
    with (
        SyncClient(PlayedTransport(SPEAKS_MODERN, do_nothing)) as client,
        tracer.start_as_current_span("agent") as agent,
    ):
        client.ping()
    [sent] = collected.spans(SpanKind.CLIENT)[-1:]
    assert sent.parent is not None
    assert sent.parent.span_id == agent.get_span_context().span_id
