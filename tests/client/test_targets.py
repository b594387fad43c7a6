"""What a client can be connected to."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mcp_django.client.client import Client
from mcp_django.client.connecting import HTTPOptions, ways_to
from mcp_django.transports.client.sse import SSEClientTransport
from mcp_django.transports.client.stdio import StdioClientTransport
from mcp_django.transports.client.streamable_http import StreamableHTTPClientTransport
from mcp_django.transports.client.websocket import WebSocketClientTransport

OPTIONS = HTTPOptions({})
TARGETS: dict[str, tuple[Any, list[tuple[type, bool]]]] = {
    "https": (
        "https://example.com/mcp",
        [(StreamableHTTPClientTransport, True), (SSEClientTransport, False)],
    ),
    "HTTP in capitals": (
        "HTTP://example.com",
        [(StreamableHTTPClientTransport, True), (SSEClientTransport, False)],
    ),
    "ws": ("ws://example.com/ws", [(WebSocketClientTransport, True)]),
    "wss": ("wss://example.com/ws", [(WebSocketClientTransport, True)]),
    "a command": (["python", "-m", "shop"], [(StdioClientTransport, True)]),
    "a command as a tuple": (("shop",), [(StdioClientTransport, True)]),
    "what makes a transport": (
        lambda: StdioClientTransport("shop"),
        [(StdioClientTransport, True)],
    ),
}


@pytest.mark.parametrize(("target", "expected"), TARGETS.values(), ids=TARGETS)
async def test_target_says_which_transports_to_try(
    target: Any, expected: list[tuple[type, bool]]
) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Backward Compatibility"."""
    ways = ways_to(target, OPTIONS)
    assert [(type(way.make()), way.is_modern) for way in ways] == expected
    assert all(way.can_repeat for way in ways)
    assert ways[0].make() is not ways[0].make()


async def test_transport_is_used_once() -> None:
    """Spec of `Transport`: each transport is started once."""
    transport = StdioClientTransport("shop")
    [way] = ways_to(transport, OPTIONS)
    assert way.make() is transport
    assert not way.can_repeat


NO_TARGETS: dict[str, tuple[Any, str]] = {
    "another scheme": (
        "ftp://example.com",
        "cannot connect to 'ftp://example.com': its scheme is 'ftp', not http, https, "
        "ws or wss; a command is given as a list of strings",
    ),
    "a command as text": (
        "python -m shop",
        "cannot connect to 'python -m shop': its scheme is '', not http, https, ws or "
        "wss; a command is given as a list of strings",
    ),
    "an empty command": (
        [],
        "no server to connect to: []; give a URL, a command as a list of strings, a "
        "transport, or a pair of streams",
    ),
    "a number": (
        7,
        "no server to connect to: 7; give a URL, a command as a list of strings, a "
        "transport, or a pair of streams",
    ),
    "bytes": (
        b"http://example.com",
        "no server to connect to: b'http://example.com'; give a URL, a command as a "
        "list of strings, a transport, or a pair of streams",
    ),
}


@pytest.mark.parametrize(("target", "text"), NO_TARGETS.values(), ids=NO_TARGETS)
def test_other_targets_are_refused(target: Any, text: str) -> None:
    """Our choice: before anything is opened, and with what to write instead."""
    with pytest.raises(ValueError, match="connect") as caught:
        Client(target)
    assert str(caught.value) == text


async def test_function_that_makes_no_transport_is_refused() -> None:
    """Our choice: the text says what it made."""

    def make() -> None:
        return None

    with pytest.raises(ValueError, match=r"made None, which is no transport$"):
        async with Client(make):  # type: ignore[arg-type]
            raise AssertionError("it connects")


@pytest.mark.parametrize(
    ("url", "library", "modules"),
    [
        (
            "https://example.com/mcp",
            "httpx2",
            ["streamable_http", "http_library"],
        ),
        (
            "wss://example.com/ws",
            "websockets",
            ["websocket", "websocket_library"],
        ),
    ],
)
def test_missing_library_is_named(
    url: str, library: str, modules: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our choice: HTTP and WebSocket are an extra."""
    for module in modules:
        monkeypatch.delitem(sys.modules, f"mcp_django.transports.client.{module}")
    for name in [*sys.modules]:
        if name.split(".")[0] == library:
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        Client(url)
    assert str(caught.value) == (
        f"{library} is not installed; install mcp-django-channels[client]"
    )


@pytest.mark.parametrize(
    "given",
    [{"token": "t"}, {"headers": {"X-Team": "blue"}}, {"auth": object()}],
    ids=str,
)
def test_credentials_for_what_is_no_url(given: dict[str, Any]) -> None:
    """Our choice: nothing that was given is left out without a word."""
    with pytest.raises(ValueError, match="are for URLs; give the headers to the"):
        Client(["shop"], **given)


def test_http_options_for_a_websocket() -> None:
    """Our choice: likewise."""
    with pytest.raises(ValueError, match="give token= or headers= for a WebSocket"):
        Client("wss://example.com/mcp", auth=object())  # type: ignore[arg-type]


def test_token_beside_a_user_in_the_url() -> None:
    """Our choice: one of them would be lost without a word."""
    with pytest.raises(ValueError, match="give token or the user in the URL, not both"):
        Client("https://ann:secret@example.com/mcp", token="t")
