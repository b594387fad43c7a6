"""What the client of a session is told of, without a session."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import pytest

from mcp_django import Server
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.protocol.server import ServerProtocol
from mcp_django.server.notices import Notice
from mcp_django.sessions.session_state import StateInMemory
from mcp_django.sessions.subscriptions import Subscriptions
from tests.server.calls import Caller


class Telling:
    """Subscriptions of a client, and what becomes of them.

    Attributes:
        started: What would run in tasks.
        sent: What the client was sent.
    """

    def __init__(self) -> None:
        self.server = Server("shop")
        self.server.resource("shop://terms")(lambda: "None.")
        self.protocol = ServerProtocol(self.server.describe, self.server.server_info)
        self.state = StateInMemory(self.server, None)
        self.started: list[Coroutine[Any, Any, None]] = []
        self.sent: list[Message] = []
        self.subscriptions = Subscriptions(
            self.server,
            self.protocol,
            self.state,
            send=self.send,
            start=self.started.append,
        )

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def initialize(self) -> None:
        params: dict[str, Any] = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "client", "version": "1"},
        }
        self.protocol.receive(jsonrpc.request(0, "initialize", params))

    async def subscribe(self, uri: str) -> None:
        request = Caller(self.server).request("resources/subscribe", {"uri": uri})
        await self.state.subscribe(uri, request)

    async def run(self) -> None:
        while self.started:
            await self.started.pop()


@pytest.fixture
def telling() -> Telling:
    return Telling()


async def test_change_that_is_not_wanted_begins_nothing(telling: Telling) -> None:
    """Our choice: only what is wanted may pile up for a slow client."""
    telling.initialize()
    await telling.subscribe("shop://terms")
    for number in range(100):
        telling.subscriptions.notify(Notice("resource", f"shop://{number}"))
    telling.subscriptions.notify(Notice("elicitation", "pay-1"))
    assert telling.started == []


async def test_changes_are_told_once_in_their_order(telling: Telling) -> None:
    """Our choice: what changes again before the client was told is told once."""
    telling.initialize()
    await telling.subscribe("shop://terms")
    for _ in range(3):
        telling.subscriptions.notify(Notice("tools"))
        telling.subscriptions.notify(Notice("resource", "shop://terms"))
    assert len(telling.started) == 1
    await telling.run()
    assert telling.sent == [
        jsonrpc.notification("notifications/tools/list_changed", None),
        jsonrpc.notification(
            "notifications/resources/updated", {"uri": "shop://terms"}
        ),
    ]


async def test_nothing_is_told_before_the_session_is_open(telling: Telling) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Initialization"."""
    telling.subscriptions.notify(Notice("tools"))
    assert telling.started == []


async def test_what_was_unsubscribed_while_it_waited_is_not_told(
    telling: Telling,
) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"."""
    telling.initialize()
    await telling.subscribe("shop://terms")
    telling.subscriptions.notify(Notice("resource", "shop://terms"))
    await telling.state.unsubscribe("shop://terms")
    await telling.run()
    assert telling.sent == []


async def test_visit_is_told_of_once(telling: Telling) -> None:
    """Spec: 2025-11-25 client/elicitation, "Completion Notifications"."""
    telling.initialize()
    telling.state.remember_elicitation("pay-1")
    for _ in range(2):
        telling.subscriptions.notify(Notice("elicitation", "pay-1"))
        await telling.run()
    assert telling.sent == [
        jsonrpc.notification(
            "notifications/elicitation/complete", {"elicitationId": "pay-1"}
        )
    ]


async def test_client_that_begins_anew_has_set_nothing(telling: Telling) -> None:
    """Our choice: it is not told what another client wanted to know."""
    telling.initialize()
    await telling.subscribe("shop://terms")
    await telling.state.set_log_level("error")
    telling.state.remember_elicitation("pay-1")
    telling.state.clear()
    assert await telling.state.read_log_level() == "info"
    assert list(telling.subscriptions.uris) == []
    telling.subscriptions.notify(Notice("elicitation", "pay-1"))
    assert telling.started == []


async def test_visits_that_never_end_are_forgotten(telling: Telling) -> None:
    """Our choice: the thousand newest are remembered."""
    telling.initialize()
    for number in range(1001):
        telling.state.remember_elicitation(f"pay-{number}")
    for number in (0, 1, 1000):
        telling.subscriptions.notify(Notice("elicitation", f"pay-{number}"))
    await telling.run()
    assert [getattr(message, "params", None) for message in telling.sent] == [
        {"elicitationId": "pay-1"},
        {"elicitationId": "pay-1000"},
    ]


async def test_subscriptions_are_limited_in_number_and_length(
    telling: Telling,
) -> None:
    """Our choice: a client cannot fill the memory."""
    for number in range(1000):
        await telling.subscribe(f"shop://{number}")
    with pytest.raises(ErrorAnswer) as caught:
        await telling.subscribe("shop://more")
    assert caught.value.message == "too many subscriptions; 1000 are allowed"
    await telling.subscribe("shop://7")
    await telling.state.unsubscribe("shop://7")
    await telling.subscribe("shop://more")
    with pytest.raises(ErrorAnswer) as caught:
        await telling.subscribe("shop://" + "x" * 8000)
    assert (caught.value.code, caught.value.message) == (
        -32602,
        "the URI is 8007 characters long; 8000 are allowed",
    )
