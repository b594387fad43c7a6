"""The page's system that is there: a table in the database, from both ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import anyio
import pytest
from django.db import connection
from pytest_django import Settings

from mcp_django import Client, ConnectFailed, TransportClosed
from mcp_django.client.connecting import MakeTransport
from mcp_django.protocol import jsonrpc
from mcp_django.transports.base import Transport
from tests.docs.conftest import Import
from tests.docs.scenario import (
    PATIENCE_SECONDS,
    PING,
    assert_can_everything,
    assert_hears_of_changes,
    each_era,
    on_asyncio,
)
from tests.transports.witness import Witness

POLL_SECONDS = 0.01


@pytest.fixture
def letters_app(
    shown: Import, settings: Settings, transactional_db: None
) -> ModuleType:
    """Install the app, without its table, and give its transport."""
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "letters"]
    return shown("letters.transport")


@pytest.fixture
def letters(letters_app: Any) -> Iterator[Any]:
    """Install the app, and give its transport."""
    with connection.schema_editor() as editor:
        editor.create_model(letters_app.Letter)
    yield letters_app
    with connection.schema_editor() as editor:
        editor.delete_model(letters_app.Letter)


@asynccontextmanager
async def letter_server(shown: Import) -> AsyncIterator[MakeTransport]:
    """Serve at a mailbox, by the command of the page."""
    listen = shown("letters.management.commands.mcp_letters").listen
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, "shop", POLL_SECONDS)
        yield letter_client(shown)
        tasks.cancel_scope.cancel()


def letter_client(shown: Import) -> Callable[..., Transport]:
    client = shown("letters.transport").MailboxClientTransport
    return partial(client, "shop", poll_seconds=POLL_SECONDS)


@dataclass
class LetterPeer:
    """The other end of a transport over the table, played by a test.

    Attributes:
        transport: The server's half.
        witness: What that reports.
        put: Writes a letter to it.
        take: Gives the letters that it has written.
        count: Counts all letters.
    """

    transport: Transport
    witness: Witness
    put: Callable[[str], Awaitable[bool]]
    take: Callable[[], Awaitable[list[str]]]
    count: Callable[[], Awaitable[int]]


@asynccontextmanager
async def letter_peer(letters: Any, **options: float) -> AsyncIterator[LetterPeer]:
    """Be the client of a transport over the table."""
    Letter = letters.Letter
    transport = letters.MailboxTransport("a", "b", poll_seconds=POLL_SECONDS, **options)
    peer = LetterPeer(
        transport,
        Witness(transport),
        lambda text: letters.in_thread(partial(Letter.put, "a", text)),
        lambda: letters.in_thread(partial(Letter.take, "b")),
        lambda: letters.in_thread(Letter.objects.count),
    )
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            await transport.start(tasks)
            yield peer
            await transport.close()


@each_era
async def test_table_carries_everything_and_is_left_empty(
    shown: Import, letters: Any, version: str
) -> None:
    """Our choice: on both event loops, and nobody has to clean up."""
    async with letter_server(shown) as make:
        await assert_can_everything(make, version)
        with anyio.fail_after(PATIENCE_SECONDS):
            while await letters.in_thread(letters.Letter.objects.count):
                await anyio.lowlevel.checkpoint()


@on_asyncio
@each_era
async def test_table_tells_of_changes(
    shown: Import, letters: Any, version: str
) -> None:
    """Our choice: as every connection does."""
    async with letter_server(shown) as make:
        await assert_hears_of_changes(make, version)


async def test_mailbox_that_nobody_empties_takes_no_more(letters: Any) -> None:
    """Our choice: a slow reader costs bounded memory, and nothing is lost."""
    async with letter_peer(letters) as peer:
        room = 100

        async def send() -> None:
            for _ in range(room + 1):
                await peer.transport.send(PING)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            while await peer.count() < room:
                await anyio.lowlevel.checkpoint()
            taken: list[str] = []
            while len(taken) < room + 2:
                taken += await peer.take()
    assert sorted(taken) == ["", *[jsonrpc.serialize(PING).decode()] * (room + 1)]


async def test_other_end_that_reads_no_sign_of_life_is_gone(letters: Any) -> None:
    """Our choice: programs that are killed say nothing. What they left is deleted."""
    async with letter_peer(letters, life_seconds=0.4) as peer:
        for _ in range(2):
            while await peer.take() != [""]:
                await anyio.lowlevel.checkpoint()
        assert peer.witness.closed == 0
        await peer.witness.until_closed()
        with pytest.raises(TransportClosed):
            await peer.transport.send(PING)
        assert await peer.count() == 0


async def test_goodbye_of_the_other_end_is_the_end(letters: Any) -> None:
    """Our choice: what was written before it is still delivered."""
    async with letter_peer(letters) as peer:
        await peer.put(jsonrpc.serialize(PING).decode())
        await peer.put("goodbye")
        await peer.witness.until_closed()
        assert await peer.count() == 0
    assert peer.witness.messages == [PING]
    assert peer.witness.errors == []


async def test_goodbye_is_said_at_the_end(letters: Any) -> None:
    """Our choice: the other end need not find out by itself."""
    async with letter_peer(letters) as peer:
        await peer.put(jsonrpc.serialize(PING).decode())
        await peer.witness.until_messages(1)
        await peer.transport.close()
        await peer.transport.close()
        assert (await peer.take())[-1] == "goodbye"
        assert await peer.count() == 0
    assert peer.witness.closed == 1


async def test_server_whose_mailbox_nobody_empties_is_no_connection(
    shown: Import, letters: Any
) -> None:
    """Our choice: the client says so, and takes its letter back."""
    make = partial(letter_client(shown), patience_seconds=0.1)
    with pytest.raises(ConnectFailed, match=r"^nobody empties the mailbox 'shop'$"):
        async with Client(make):
            pass
    assert await letters.in_thread(letters.Letter.objects.count) == 0


async def test_database_that_does_not_work_is_no_connection(
    shown: Import, letters_app: ModuleType
) -> None:
    """Our choice: the same exception as everywhere."""
    with pytest.raises(ConnectFailed, match=r"^the database does not work: no such"):
        async with Client(letter_client(shown)):
            pass


async def test_database_that_breaks_is_the_end(letters_app: Any) -> None:
    """Our choice: both ends connect again once it works."""
    async with letter_peer(letters_app) as peer:
        await peer.witness.until_closed()
        with pytest.raises(TransportClosed):
            await peer.transport.send(PING)
    [error] = peer.witness.errors
    assert str(error).startswith("the database does not work: ")
