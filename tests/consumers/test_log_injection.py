"""Texts of clients in the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from mcp_django import Server
from mcp_django.asgi import get_asgi_application
from mcp_django.protocol.http_headers import encode_value
from tests.consumers.connections import request

server = Server("shop")
urlpatterns = server.urls("mcp")


@server.tool()
def fail(text: str = "") -> None:
    """Fail, with what a client said in the words of it."""
    raise RuntimeError(text)


FORGED = "x\r\nERROR root: all is lost\x1b[31m\u2028\x85\x00"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": FORGED, "version": FORGED},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def modern(method: str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": {"_meta": META, **params}}


CALLS: dict[str, dict[str, Any]] = {
    "method": modern(FORGED),
    "tool": modern("tools/call", name=FORGED, arguments={}),
    "arguments": modern("tools/call", name="fail", arguments={FORGED: FORGED}),
    "handler": modern("tools/call", name="fail", arguments={"text": FORGED}),
    "resource": modern("resources/read", uri=f"shop://{FORGED}"),
    "prompt": modern("prompts/get", name=FORGED),
    "version": {
        "method": "tools/list",
        "params": {"_meta": META | {next(iter(META)): FORGED}},
    },
    "legacy client": {
        "method": "initialize",
        "params": {
            "protocolVersion": FORGED,
            "clientInfo": {"name": FORGED, "version": FORGED},
            "capabilities": {},
        },
    },
    "id": {"id": FORGED, **modern("tools/call", name="fail", arguments={})},
    "cancellation": {
        "method": "notifications/cancelled",
        "params": {"requestId": FORGED, "reason": FORGED},
    },
}
HEADERS = ("host", "origin", "mcp-session-id", "mcp-protocol-version", "mcp-method")


@pytest.fixture
def logged(settings: Settings, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail for a line of the log that a client has begun, and for control characters.

    The site takes whatever clients say.
    """
    settings.ROOT_URLCONF = __name__
    settings.MCP = {"AUTHENTICATION": []}
    caplog.set_level(logging.DEBUG, "mcp_django")
    yield
    texts = [record.getMessage() for record in caplog.get_records("call")]
    assert [text for text in texts if not text.isprintable()] == []


async def post(body: dict[str, Any], headers: dict[str, str]) -> int:
    """Post a message; give the status."""
    message = {"jsonrpc": "2.0", "id": 1, **body}
    named = {"content-type": "application/json", "accept": "application/json"}
    answer = await request(
        get_asgi_application(),
        "POST",
        "/mcp",
        headers=named | headers,
        body=json.dumps(message).encode(),
    )
    return answer.status


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.usefixtures("logged")
async def test_no_text_of_a_client_makes_a_line_of_the_log(name: str) -> None:
    """We promise it: whichever text, and whatever it is logged for."""
    body, params = CALLS[name], CALLS[name]["params"]
    mirrored = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": encode_value(body["method"]),
        "mcp-name": encode_value(params.get("name") or params.get("uri", "")),
    }
    for headers in ({}, mirrored):
        assert await post(body, headers) < 500


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.usefixtures("logged")
async def test_no_header_makes_a_line_of_the_log(name: str) -> None:
    """We promise it: a server may let through what it should not."""
    text = FORGED.encode("latin-1", "ignore").decode("latin-1")
    assert await post(CALLS["tool"], {name: text}) < 500
