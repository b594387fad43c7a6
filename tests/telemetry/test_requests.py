"""Spans and measurements of requests, as OpenTelemetry's own SDK collects them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp_types.jsonrpc import INVALID_PARAMS
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from mcp_django.exceptions import ToolError
from mcp_django.server.answering import answer_of
from mcp_django.server.context import Context
from mcp_django.server.observers import ignore, observe
from mcp_django.server.server import Server
from mcp_django.telemetry.requests import RequestTelemetry
from mcp_django.transports.base import Sender
from tests.server.calls import MODERN, Caller
from tests.telemetry.collected import Collected

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
OTHER_TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"


@pytest.fixture
def collected() -> Iterator[Collected]:
    collected = Collected()
    telemetry = RequestTelemetry(collected.tracers, collected.meters)
    observe(telemetry)
    yield collected
    ignore(telemetry)
    collected.shutdown()


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    def peek() -> str:
        return f"{trace.get_current_span().get_span_context().span_id:x}"

    @server.tool
    async def peek_async() -> str:
        return f"{trace.get_current_span().get_span_context().span_id:x}"

    @server.tool
    async def refuse() -> None:
        raise ToolError("not today")

    @server.tool
    async def fail() -> None:
        raise LookupError("of the site")

    @server.tool
    async def ship(context: Context) -> str:
        form = {"type": "object", "properties": {}}
        return (await context.elicit("Really?", form)).action

    @server.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    @server.prompt
    def greet() -> str:
        return "Say hello"

    return server


async def ask(
    server: Server,
    method: str,
    name: str,
    meta: Any = None,
    headers: dict[str, str] | None = None,
    binding: str = "streamable-http",
) -> Any:
    params: dict[str, Any] = {"name": name}
    if meta is not None:
        params["_meta"] = meta
    request = Caller(server, version=MODERN).request(method, params)
    if headers is not None:
        request.sender = Sender(headers=headers, address="192.0.2.7", binding=binding)
    return await answer_of(server, request, ask=None, is_ending=lambda: True)


async def call(server: Server, name: str, **told: Any) -> Any:
    return await ask(server, "tools/call", name, **told)


@pytest.mark.parametrize("tool", ["peek", "peek_async"])
async def test_call_has_a_span_that_its_handler_sees(
    server: Server, collected: Collected, tool: str
) -> None:
    """We promise it: what a handler does belongs to its span, in threads too."""
    answer = await call(server, tool, headers={"host": "shop.example"})

    span = collected.span
    assert span.context is not None
    assert answer["content"][0]["text"] == f"{span.context.span_id:x}"
    assert span.name == f"tools/call {tool}"
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": MODERN,
        "jsonrpc.request.id": "7",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "client.address": "192.0.2.7",
        "network.transport": "tcp",
        "network.protocol.name": "http",
    }
    assert not trace.get_current_span().get_span_context().is_valid


async def test_time_of_a_call_is_measured(server: Server, collected: Collected) -> None:
    """We promise it: a histogram, by what has few values."""
    await call(server, "peek_async")

    assert collected.point.count == 1
    assert collected.point.explicit_bounds[0] == 0.01
    assert collected.point.attributes == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": MODERN,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "peek_async",
    }


ERRORS = {
    "refused by the handler": ("tools/call", "refuse", "refuse", "tool_error"),
    "failed": ("tools/call", "fail", "fail", "tool_error"),
    "no such tool": ("tools/call", "x" * 300, None, str(INVALID_PARAMS)),
    "no such prompt": ("prompts/get", "x" * 300, None, str(INVALID_PARAMS)),
}


@pytest.mark.parametrize(
    ("method", "name", "target", "kind"), ERRORS.values(), ids=ERRORS
)
async def test_errors_are_told_by_kind(
    server: Server,
    collected: Collected,
    method: str,
    name: str,
    target: str | None,
    kind: str,
) -> None:
    """We promise it; what does not exist makes neither names nor time series."""
    await ask(server, method, name)

    span = collected.span
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == kind
    assert span.name == (method if target is None else f"{method} {target}")
    measured = dict(collected.point.attributes or {})
    assert measured["error.type"] == kind
    assert measured.get("gen_ai.tool.name", measured.get("gen_ai.prompt.name")) == (
        target
    )
    assert [event.name for event in span.events] == (
        ["exception"] if name == "fail" else []
    )


async def test_call_that_asks_is_no_error(server: Server, collected: Collected) -> None:
    """We chose it: the retry has a span of its own."""
    await call(
        server,
        "ship",
        meta={"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}},
    )
    assert "error.type" not in (collected.span.attributes or {})


async def test_cancelled_call_is_told(server: Server, collected: Collected) -> None:
    """We promise it: each span ends."""
    with anyio.move_on_after(0.05):
        await call(server, "wait")
    assert (collected.span.attributes or {})["error.type"] == "cancelled"


async def test_prompt_names_its_span(server: Server, collected: Collected) -> None:
    """We promise it, by the conventions."""
    await ask(server, "prompts/get", "greet")
    assert collected.span.name == "prompts/get greet"
    assert (collected.point.attributes or {})["gen_ai.prompt.name"] == "greet"


# Traces -----------------------------------------------------------------------------


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    """Give trace and span id of what a span is a part of."""
    parent = span.parent
    if parent is None:
        return None
    return f"{parent.trace_id:032x}", f"{parent.span_id:016x}"


ORIGINS: dict[str, tuple[Any, dict[str, str], tuple[str, str] | None]] = {
    "_meta": ({"traceparent": TRACEPARENT}, {}, (TRACE_ID, SPAN_ID)),
    "header": (None, {"traceparent": TRACEPARENT}, (TRACE_ID, SPAN_ID)),
    "_meta before header": (
        {"traceparent": TRACEPARENT},
        {"traceparent": OTHER_TRACEPARENT},
        (TRACE_ID, SPAN_ID),
    ),
    "neither": (None, {}, None),
    "no text": ({"traceparent": 7, "tracestate": None}, {}, None),
    "garbage": ({"traceparent": "00-zz"}, {}, None),
    "garbage before header": (
        {"traceparent": ["00"]},
        {"traceparent": TRACEPARENT},
        (TRACE_ID, SPAN_ID),
    ),
}


@pytest.mark.parametrize(("meta", "headers", "parent"), ORIGINS.values(), ids=ORIGINS)
async def test_trace_of_the_client_goes_on(
    server: Server,
    collected: Collected,
    meta: Any,
    headers: dict[str, str],
    parent: tuple[str, str] | None,
) -> None:
    """Spec: 2026-07-28 basic, "_meta": `traceparent`; W3C Trace Context for HTTP."""
    await call(server, "peek_async", meta=meta, headers=headers)
    assert parent_of(collected.span) == parent


async def test_header_of_a_handshake_is_about_no_request(
    server: Server, collected: Collected
) -> None:
    """We chose it: a WebSocket's handshake may be days ago."""
    headers = {"traceparent": TRACEPARENT}
    await call(server, "peek_async", headers=headers, binding="websocket")
    assert parent_of(collected.span) is None


NETWORKS = {
    "streamable-http": ("tcp", "http"),
    "sse": ("tcp", "http"),
    "websocket": ("tcp", "websocket"),
    "stdio": ("pipe", None),
    "memory": (None, None),
}


@pytest.mark.parametrize(("binding", "network"), NETWORKS.items(), ids=NETWORKS)
async def test_binding_is_told(
    server: Server,
    collected: Collected,
    binding: str,
    network: tuple[str | None, str | None],
) -> None:
    """By the conventions, "Recording MCP transport"."""
    await call(server, "peek_async", headers={}, binding=binding)
    for told in (collected.span.attributes or {}, collected.point.attributes or {}):
        names = "network.transport", "network.protocol.name"
        assert (told.get(names[0]), told.get(names[1])) == network


async def test_span_around_is_parent_or_linked(
    server: Server, collected: Collected
) -> None:
    """Chosen by the conventions: what `_meta` says goes before what is around."""
    with collected.tracers.get_tracer("http").start_as_current_span("POST") as around:
        await call(server, "peek_async", meta={"traceparent": TRACEPARENT})
        assert trace.get_current_span() is around
    assert parent_of(collected.span) == (TRACE_ID, SPAN_ID)
    [link] = collected.span.links
    assert link.context == around.get_span_context()
    assert link.context.is_valid


async def test_span_around_goes_before_headers(
    server: Server, collected: Collected
) -> None:
    """We chose it: an instrumentation of HTTP has read them already."""
    with collected.tracers.get_tracer("http").start_as_current_span("POST") as around:
        await call(server, "peek_async", headers={"traceparent": TRACEPARENT})
    parent = collected.span.parent
    assert parent is not None
    assert parent.span_id == around.get_span_context().span_id


# The app ----------------------------------------------------------------------------

START = """
import sys
{before}
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=[
    "django.contrib.auth", "django.contrib.contenttypes", "mcp_django", {app}
])
django.setup()
from mcp_django.server.observers import observers
from mcp_django.client.observers import observers as of_calls
from mcp_django.signals import session_closed
seen = [len(each) for each in (observers, of_calls, session_closed.receivers)]
print(*seen, "opentelemetry" in sys.modules)
"""


def start(app: str, before: str = "") -> subprocess.CompletedProcess[str]:
    program = START.format(app=app, before=before)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )


def test_app_begins_the_telemetry_and_nothing_else_does() -> None:
    """We promise it: OpenTelemetry is imported by the project's wish only."""
    assert start('"mcp_django.telemetry"').stdout == "1 1 1 True\n"
    assert start("").stdout == "0 0 0 False\n"


def test_app_says_what_it_needs() -> None:
    """We promise it, where the extra is not installed."""
    done = start('"mcp_django.telemetry"', 'sys.modules["opentelemetry"] = None')
    assert "install mcp-django-channels[otel]" in done.stderr


def test_context_is_as_before() -> None:
    """We promise it: what a test of this module attaches is gone after it."""
    assert not context.get_current()
