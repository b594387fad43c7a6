"""What every transport has from the interface."""

import logging

import pytest
from anyio.abc import TaskGroup

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.transports.base import NO_HEADERS, Sender, Transport

PING = jsonrpc.request(1, "ping", None)


class Silent(Transport):
    """The least that a custom transport has to write."""

    async def start(self, tasks: TaskGroup) -> None:
        pass

    async def send(self, message: Message) -> None:
        pass

    async def close(self) -> None:
        self.on_close()


def test_interface_cannot_be_used_by_itself() -> None:
    """Our choice: start, send and close are what a custom transport writes."""
    with pytest.raises(TypeError, match=r"close'?, '?send'?, '?start"):
        Transport()  # type: ignore[abstract]


def test_sender_is_nobody_unless_named() -> None:
    """Our choice: a transport without users and HTTP says nothing about them."""
    assert Sender() == Sender(user=None, headers={}, size=0)
    assert Sender().headers is NO_HEADERS


def test_single_message_is_no_batch() -> None:
    """Spec: JSON-RPC 2.0, section 4."""
    assert Silent().messages_of(PING) == [PING]


def test_batch_is_refused_until_the_version_takes_them() -> None:
    """Spec: 2025-03-26 basic, "Batching"; no other version has them."""
    transport = Silent()
    with pytest.raises(RemoteProtocolError) as caught:
        transport.messages_of([PING, PING])
    assert caught.value.message == (
        "batches are not part of this protocol version; send one message"
    )
    assert caught.value.code == -32600
    transport.takes_batches = True
    assert transport.messages_of([PING, PING]) == [PING, PING]


async def test_message_before_anybody_listens_is_logged_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: nothing is lost without a word."""
    await Silent().on_message(PING, Sender())
    assert caplog.record_tuples == [
        (
            "mcp_django.transports",
            logging.WARNING,
            "a message came before on_message was set, and is lost; set it before "
            "open()",
        )
    ]


async def test_error_nobody_listens_for_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: errors reach `on_error`, whose default is the log."""
    transport = Silent()
    transport.on_error(RemoteProtocolError("no message"))
    await transport.close()
    assert caplog.record_tuples == [
        ("mcp_django.transports", logging.WARNING, "transport error: no message")
    ]
