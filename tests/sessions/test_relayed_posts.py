"""What is posted to one worker for sessions of another: two, joined by one layer."""

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from channels.exceptions import ChannelFull
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError
from django.utils.functional import SimpleLazyObject
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse

from mcp_django import Context, Server
from mcp_django.bulkheads.threads import handler_threads
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.sessions.posting import Posting
from mcp_django.sessions.registry import OpenSession, Registry
from mcp_django.transports.base import Sender
from mcp_django.worker.acknowledgement import (
    BROKEN,
    FULL,
    NOT_FOUND,
    Taken,
    refusal,
)
from mcp_django.worker.addresses import Address, seal_address
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker
from tests import patience
from tests.sessions.opening import Stream, body_of, initialize, open_session
from tests.worker.layers import Layer, quiet, until

PATIENCE_SECONDS = patience.PATIENCE_SECONDS
PING = body_of("ping", id="p")
AWAY = (
    "the channel layer 'default' does not answer: processes do not hear of each "
    "other's changes, cancellations and ends of sessions, and do not reach each "
    "other's sessions"
)
PONG = jsonrpc.result("p", {})


class Joined:
    """A worker, joined to others, and what it hears."""

    def __init__(self, layer: Layer | None) -> None:
        self.relay = Relay(layer)
        self.worker = Worker(asyncio.get_running_loop(), self.relay)
        self.registry = self.worker.part(Registry)
        self.posting = self.worker.part(Posting)
        self.noticed: list[JSONObject] = []
        self.relay.on_told("notice", self.noticed.append)

    async def open(
        self, server: Server, *, user: Any = None, stream: Stream | None = None
    ) -> OpenSession:
        """Open a session that this worker holds."""
        session_id = await self.posting.new_address()
        opened = open_session(session_id, server, user=user, stream=stream)
        await initialize(opened)
        self.registry.add(opened)
        return opened

    async def post(
        self,
        opened: OpenSession | str,
        body: bytes = PING,
        *,
        server_name: str = "shop",
        owner: str = "",
        headers: dict[str, str] | None = None,
        scopes: frozenset[str] | None = None,
    ) -> Taken:
        """Hand a body to the worker that holds a session."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.posting.post(
                opened if isinstance(opened, str) else opened.id,
                body,
                Sender(headers=headers or {}, scopes=scopes),
                server_name=server_name,
                owner=owner,
            )


def address(mailbox: str) -> str:
    """Make the id of a session that was never opened."""
    return seal_address("session", Address("key", mailbox))


def news(subject: str) -> JSONObject:
    """Make what a worker tells others."""
    return {"kind": "notice", "subject": subject}


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    async def who(context: Context) -> str:
        return f"{context.user} {context.headers.get('x-tenant')}"

    @server.tool(read_only=True)
    async def scopes(context: Context) -> list[str] | None:
        return None if context.scopes is None else sorted(context.scopes)

    @server.tool
    async def wait() -> None:
        await asyncio.Event().wait()

    return server


@asynccontextmanager
async def joined(layer: Layer | None) -> AsyncIterator[tuple[Joined, Joined]]:
    """Give two workers, joined by a layer: who posts, and who holds the sessions."""
    poster, holder = Joined(layer), Joined(layer)
    try:
        yield poster, holder
    finally:
        if layer is not None:
            layer.on_send = None
        for opened in holder.registry:
            await opened.transport.close()
            assert opened.session is not None
            await opened.session.end()
        for worker in (poster, holder):
            await worker.relay.close()


def error_of(taken: Taken) -> tuple[int, int]:
    """Give status and JSON-RPC code of a refusal."""
    return taken.status, json.loads(taken.body)["error"]["code"]


def is_post(message: JSONObject) -> bool:
    """Say whether a message to the layer brings what was posted."""
    return "batch" in message and message["batch"][0]["kind"] == "post"


# The way there and back -------------------------------------------------------------


async def test_message_is_taken_by_the_worker_that_holds_the_session(
    layer: Layer, server: Server
) -> None:
    """Our choice: 202 means taken, also over the channel layer."""
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        body = body_of("tools/call", {"name": "who"})
        taken = await poster.post(opened, body, headers={"x-tenant": "acme"})
        assert taken == Taken(202)
        await until(lambda: len(stream.sent) == 2)
    answer = stream.sent[1]
    assert isinstance(answer, JSONRPCResponse)
    assert answer.result["content"] == [{"type": "text", "text": "AnonymousUser acme"}]


@pytest.mark.parametrize("scopes", [None, {"mcp:read"}, {"mcp:read", "mcp:write"}])
async def test_message_brings_what_its_credential_allows(
    layer: Layer, server: Server, scopes: set[str] | None
) -> None:
    """Chosen: that of the post, whatever opened the stream."""
    stream = Stream()
    allowed = None if scopes is None else frozenset(scopes)
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        body = body_of("tools/call", {"name": "scopes"})
        assert await poster.post(opened, body, scopes=allowed) == Taken(202)
        await until(lambda: len(stream.sent) == 2)
    answer = stream.sent[1]
    assert isinstance(answer, JSONRPCResponse)
    expected = None if scopes is None else sorted(scopes)
    assert answer.result["structuredContent"] == {"result": expected}


@pytest.mark.parametrize("scopes", [set(), {"mcp:read"}])
async def test_message_whose_credential_allows_too_little_is_refused(
    layer: Layer, server: Server, scopes: set[str]
) -> None:
    """Chosen: on the stream, since its post was taken before."""
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        body = body_of("tools/call", {"name": "who"})
        assert await poster.post(opened, body, scopes=frozenset(scopes)) == Taken(202)
        await until(lambda: len(stream.sent) == 2)
    refused = stream.sent[1]
    assert isinstance(refused, JSONRPCError)
    assert refused.error.data == {
        "error": "insufficient_scope",
        "scope": " ".join(sorted({*scopes, "mcp:write"})),
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"hello", -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    ],
)
async def test_refusal_comes_back_as_it_is(
    layer: Layer, server: Server, body: bytes, code: int
) -> None:
    """Our choice: both ways refuse alike."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        assert error_of(await poster.post(opened, body)) == (400, code)


async def test_session_without_room_is_503_from_afar_as_well(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: it waits for most of the envelope's time."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1, "RELAY_TIMEOUT": 0.3}
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        for id, expected in [(1, 202), (2, 202), (3, 503)]:
            body = body_of("tools/call", {"name": "wait"}, id=id)
            assert (await poster.post(opened, body)).status == expected
        assert await poster.post(opened, PING) == Taken(202)


async def test_messages_for_one_worker_travel_together(
    layer: Layer, server: Server
) -> None:
    """Our choice: while one send is under way the rest wait, and go in one."""
    is_open = asyncio.Event()
    layer.on_send = lambda channel, message: is_open.wait()
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        posts = [asyncio.create_task(poster.post(opened))]
        await until(lambda: len(layer.posts) == 1)
        posts += [asyncio.create_task(poster.post(opened)) for _ in range(49)]
        for _ in range(10):
            await asyncio.sleep(0)
        is_open.set()
        assert await asyncio.gather(*posts) == [Taken(202)] * 50
    sent = [message["batch"] for _, message in layer.sent if "batch" in message]
    batches = [len(batch) for batch in sent if batch[0]["kind"] == "post"]
    assert batches == [1, 49]
    assert stream.sent[1:] == [PONG] * 50


async def test_messages_of_one_client_keep_their_order(
    layer: Layer, server: Server
) -> None:
    """Our choice: as they were posted."""
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        await asyncio.gather(
            *(poster.post(opened, body_of("ping", id=id)) for id in range(20))
        )
    assert stream.sent[1:] == [jsonrpc.result(id, {}) for id in range(20)]


class SlowFirst:
    """A user that is slow to read the first time, until it may go on."""

    def __init__(self) -> None:
        self.is_armed = False
        self.first_begun, self.second_read = threading.Event(), threading.Event()
        self.may_go_on = threading.Event()

    def read(self) -> None:
        """Read the user, in a thread."""
        if not self.is_armed:
            return
        if self.first_begun.is_set():
            self.second_read.set()
            return
        self.first_begun.set()
        assert self.may_go_on.wait(PATIENCE_SECONDS)

    def make(self) -> Any:
        """Make the user."""
        read = self.read

        class Lazy(SimpleLazyObject):  # type: ignore[type-arg] # it has none at runtime
            def __bool__(self) -> bool:
                read()
                return True

        return Lazy(partial(AnonymousUser))


async def test_order_does_not_depend_on_how_long_a_user_takes_to_be_read(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: each message reads its user anew, and one of them may be slow; that
    holds up no other session."""
    settings.MCP = {
        "RELAY_TIMEOUT": PATIENCE_SECONDS,
        "AUTHENTICATION_TIMEOUT": PATIENCE_SECONDS,
    }
    stream, user = Stream(), SlowFirst()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, user=user.make(), stream=stream)
        other = await holder.open(server)
        user.is_armed = True
        posts = [
            asyncio.create_task(poster.post(opened, body_of("ping", id=id)))
            for id in range(2)
        ]
        for event in (user.first_begun, user.second_read):
            assert await asyncio.to_thread(event.wait, PATIENCE_SECONDS)
        assert await poster.post(other) == Taken(202)
        assert stream.sent[1:] == []
        user.may_go_on.set()
        assert await asyncio.gather(*posts) == [Taken(202)] * 2
    assert stream.sent[1:] == [jsonrpc.result(id, {}) for id in range(2)]


async def test_message_without_room_holds_up_no_answer(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: an answer may be what makes room."""
    settings.MCP = {"MAX_CONCURRENT": 1, "MAX_INBOX": 1}
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        bodies = [body_of("tools/call", {"name": "wait"}, id=id) for id in range(3)]
        cancel = {"requestId": 0}
        bodies.append(
            jsonrpc.serialize(jsonrpc.notification("notifications/cancelled", cancel))
        )
        # The third call finds room when the first is cancelled.
        posts = [asyncio.create_task(poster.post(opened, body)) for body in bodies]
        assert await asyncio.gather(*posts) == [Taken(202)] * 4


# Sessions that are not there --------------------------------------------------------


async def test_unknown_session_is_not_found(layer: Layer, server: Server) -> None:
    """Our choice: no client learns whether a session of another user exists."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        mailbox = await holder.relay.open()
        for session_id in (
            "",
            "x",
            opened.id[:-1] + ("A" if opened.id[-1] != "A" else "B"),
            address(mailbox),
            address(""),
        ):
            assert await poster.post(session_id) == NOT_FOUND
        assert await poster.post(opened, server_name="other") == NOT_FOUND
        assert await poster.post(opened, owner="7") == NOT_FOUND
        assert len(layer.posts) == 3, "what names no other mailbox is not sent"
        assert await poster.post(opened) == Taken(202)


async def test_ended_session_of_its_own_is_not_found_at_once(
    layer: Layer, server: Server
) -> None:
    """Our choice: a worker asks no other about sessions of its own."""
    async with joined(layer) as (_, holder):
        opened = await holder.open(server)
        holder.registry.remove(opened)
        assert await holder.post(opened) == NOT_FOUND
        assert layer.sent == []


async def test_session_that_has_just_ended_is_not_found(
    layer: Layer, server: Server
) -> None:
    """Our choice: its stream may end while the message is on its way."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        await opened.transport.close()
        assert await poster.post(opened) == NOT_FOUND


@pytest.mark.django_db(transaction=True)
async def test_user_is_read_again_for_each_message(
    layer: Layer, server: Server
) -> None:
    """Our choice: rights may have changed since the stream was opened."""
    ada = await handler_threads.run(lambda: User.objects.create_user("ada"))
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, user=ada, stream=stream)
        await handler_threads.run(lambda: User.objects.update(username="adele"))
        body = body_of("tools/call", {"name": "who"})
        assert await poster.post(opened, body, owner=str(ada.pk)) == Taken(202)
        await until(lambda: len(stream.sent) == 2)
        assert "adele None" in str(stream.sent[1])
        await handler_threads.run(lambda: User.objects.update(is_active=False))
        assert await poster.post(opened, body, owner=str(ada.pk)) == NOT_FOUND
        await handler_threads.run(lambda: User.objects.all().delete())
        assert await poster.post(opened, body, owner=str(ada.pk)) == NOT_FOUND


async def test_user_who_cannot_be_read_is_503_from_afar_as_well(
    layer: Layer, server: Server
) -> None:
    """We promise it: a 404 would make clients give their session up."""
    is_away = threading.Event()

    class Lazy(SimpleLazyObject):  # type: ignore[type-arg] # it has none at runtime
        def __bool__(self) -> bool:
            if is_away.is_set():
                raise OperationalError("connection refused")
            return True

    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, user=Lazy(partial(User, pk=1)))
        is_away.set()
        assert await poster.post(opened, owner="1") == refusal(
            503, "the site's database does not answer; try again in 5 seconds"
        )


# Late, twice, never -----------------------------------------------------------------


LATE = (
    "a relayed message came late or twice; it is dropped, and its client told already"
)


def set_clock(message: JSONObject, seconds: float) -> None:
    """Let a message say what it would if its sender's clock were so far ahead."""
    for envelope in message.get("batch", ()):
        if "expires" in envelope:
            envelope["expires"] += seconds
        if "clock" in envelope:
            envelope["clock"][0] += seconds


@pytest.mark.parametrize("ahead", [0.0, 10.0, -10.0])
async def test_message_that_comes_late_is_dropped(
    layer: Layer,
    server: Server,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    ahead: float,
) -> None:
    """Our choice: its POST was answered 404 long ago, whatever the clocks say."""
    settings.MCP = {"RELAY_TIMEOUT": 0.2}
    held: list[tuple[str, JSONObject]] = []

    def hold(channel: str, message: JSONObject) -> bool:
        set_clock(message, ahead)
        if is_post(message):
            held.append((channel, message))
        return not is_post(message)

    layer.on_send = hold
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        assert await poster.post(opened) == NOT_FOUND
        [(channel, message)] = held
        layer.on_send = None
        await layer.send(channel, message)
        await until(lambda: LATE in caplog.messages)
    assert len(stream.sent) == 1, "only the answer to initialize"


@pytest.mark.parametrize("ahead", [1.9, 3600.0, -1.9, -3600.0])
async def test_clocks_that_differ_lose_no_message(
    layer: Layer, server: Server, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    """We promise it: computers whose clocks differ reach each other all the same, and
    the log says, once, which clocks."""

    stream = Stream()
    async with joined(layer) as (poster, holder):
        mailbox = await poster.relay.open()

        def set_clock_of_poster(channel: str, message: JSONObject) -> None:
            set_clock(message, ahead if message["from"] == mailbox else 0)

        layer.on_send = set_clock_of_poster
        opened = await holder.open(server, stream=stream)
        posted = [await poster.post(opened) for _ in range(3)]
        assert posted == [Taken(202)] * 3
        await until(lambda: len(stream.sent) == 4)
    [line] = caplog.messages
    assert f"(process {os.getpid()}) is {abs(ahead)} seconds " in line
    assert ("ahead of" if ahead > 0 else "behind") in line


async def test_message_that_becomes_late_is_dropped(
    layer: Layer, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: it may have to wait for one before it, for longer than its POST."""
    patient = {"AUTHENTICATION_TIMEOUT": PATIENCE_SECONDS}
    settings.MCP = {"RELAY_TIMEOUT": PATIENCE_SECONDS, **patient}
    stream, user = Stream(), SlowFirst()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, user=user.make(), stream=stream)
        user.is_armed = True
        first = asyncio.create_task(poster.post(opened))
        assert await asyncio.to_thread(user.first_begun.wait, PATIENCE_SECONDS)
        settings.MCP = {"RELAY_TIMEOUT": 0.2, **patient}
        assert await poster.post(opened) == NOT_FOUND
        user.may_go_on.set()
        assert await first == Taken(202)
        await until(lambda: LATE in caplog.messages)
    assert stream.sent[1:] == [PONG]


async def test_message_that_comes_twice_is_taken_once(
    layer: Layer, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: layers deliver at most once, but we do not rely on it."""

    def repeat(channel: str, message: JSONObject) -> None:
        if is_post(message):
            message["batch"] *= 3

    layer.on_send = repeat
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        assert await poster.post(opened) == Taken(202)
        await until(lambda: bool(caplog.messages))
    assert stream.sent[1:] == [PONG]
    assert caplog.messages == [LATE]


async def test_silent_owner_is_404_in_time_and_remembered(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: the next messages fail at once, for some seconds."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}
    layer.on_send = lambda channel, message: not is_post(message)
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        other = await holder.open(server)
        await poster.open(server)  # and its mailbox, to which the other says hello
        await quiet(layer)
        assert await poster.post(opened) == NOT_FOUND
        assert len(layer.posts) == 1
        for session in (opened, other):
            assert await poster.post(session) == NOT_FOUND
        assert len(layer.posts) == 1, "nothing more was sent to that mailbox"


async def test_owner_that_is_heard_of_meanwhile_is_asked_again(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: one message that is late keeps no other from its session."""
    settings.MCP = {"RELAY_TIMEOUT": 0.3}
    layer.on_send = lambda channel, message: (
        not is_post(message) or len(layer.posts) > 1
    )
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        other = await poster.open(server)
        await quiet(layer)
        late = asyncio.create_task(poster.post(opened))
        await until(lambda: bool(layer.posts))
        assert await holder.post(other) == Taken(202)
        assert await late == NOT_FOUND
        assert await poster.post(opened) == Taken(202)


async def test_lost_acknowledgement_is_404_though_the_message_was_taken(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: the one ambiguity that is left."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}

    def lose_answers(channel: str, message: JSONObject) -> bool:
        return "batch" not in message or is_post(message)

    layer.on_send = lose_answers
    stream = Stream()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server, stream=stream)
        assert await poster.post(opened) == NOT_FOUND
    assert stream.sent[1:] == [PONG]


async def test_acknowledgement_that_comes_too_late_harms_nobody(
    layer: Layer, server: Server, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: no POST waits for it any more."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1, "AWAY_SECONDS": 0.0}
    answers = asyncio.Event()

    async def hold_answers(channel: str, message: JSONObject) -> None:
        if "batch" in message and not is_post(message):
            await answers.wait()

    layer.on_send = hold_answers
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        assert await poster.post(opened) == NOT_FOUND
        answers.set()
        layer.on_send = None
        other = await poster.open(server)
        assert await holder.post(other) == Taken(202)
        assert poster.registry.find(other.id) is other
        await other.transport.close()
        assert other.session is not None
        await other.session.end()


async def test_farewell_of_a_worker_makes_its_sessions_unknown_at_once(
    layer: Layer, server: Server
) -> None:
    """Our choice: said on SIGTERM, so that no POST waits for it in vain."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        assert await poster.post(opened) == Taken(202)
        posts = len(layer.posts)
        await holder.relay.close()
        await holder.relay.close()
        # Messages to a group are behind each other in the same mailbox.
        third = Joined(layer)
        await third.relay.open()
        await third.relay.tell_as_stranger(news("tools"))
        await until(lambda: bool(poster.noticed))
        assert await poster.post(opened) == NOT_FOUND
        assert len(layer.posts) == posts
        await third.relay.close()


# Layers that fail -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected", "line"),
    [
        (
            ConnectionError("redis is away"),
            BROKEN,
            f"{AWAY} (ConnectionError('redis is away'))",
        ),
        (
            ChannelFull(),
            FULL,
            "a message for a session of another worker was refused: the mailbox is "
            'full; raise the "capacity" of the channel layer if this goes on',
        ),
    ],
)
async def test_layer_that_cannot_send_is_503(
    layer: Layer,
    server: Server,
    fault: Exception,
    expected: Taken,
    line: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: told apart from a session that is gone; and all goes on when the
    layer works again."""

    def fail(channel: str, message: JSONObject) -> None:
        raise fault

    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        await poster.relay.open()
        await quiet(layer)
        layer.on_send = fail
        assert await poster.post(opened) == expected
        assert (
            await asyncio.gather(*(poster.post(opened) for _ in range(3)))
            == [expected] * 3
        )
        layer.on_send = None
        assert await poster.post(opened) == Taken(202)
    assert caplog.messages[0] == line
    assert len(caplog.messages) <= 4, "two for each of the workers"


async def test_layer_that_hangs_keeps_nothing(
    layer: Layer, server: Server, settings: Any
) -> None:
    """Our choice: every wait has an end, and what no POST waits for is let go."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}
    never = asyncio.Event()
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        layer.on_send = lambda channel, message: never.wait()
        statuses = {
            taken.status
            for taken in await asyncio.gather(*(poster.post(opened) for _ in range(5)))
        }
        assert statuses <= {404, 503}


async def test_layer_that_cannot_be_opened_leaves_one_process_working(
    layer: Layer, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: streams open all the same; POSTs for other workers are 503."""

    def fail() -> None:
        raise ConnectionError("redis is away")

    async with joined(layer) as (poster, holder):
        away = await holder.open(server)
        layer.on_join = fail
        assert await poster.relay.open() == ""
        assert await poster.post(away) == BROKEN
        alone = await poster.open(server)
        assert await holder.post(alone) == NOT_FOUND, "it names no mailbox"
        layer.on_join = None
        assert await poster.post(away) == Taken(202)
        assert poster.registry.find(alone.id) is alone
        await alone.transport.close()
        assert alone.session is not None
        await alone.session.end()
    assert caplog.messages[0] == f"{AWAY} (ConnectionError('redis is away'))"


async def test_receiving_survives_every_failure_of_the_layer(
    layer: Layer, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: after a restart of Redis all goes on by itself."""
    faults = [ConnectionError("redis is away"), RuntimeError("what?")]

    def fail() -> None:
        if faults:
            raise faults.pop(0)

    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        await poster.relay.open()
        await quiet(layer)
        joins = len(layer.joined)
        layer.on_receive = fail
        mailbox = await holder.relay.open()
        for _ in range(2):
            await layer.send(mailbox, {"type": "lost"})
        await until(lambda: not faults)
        assert await poster.post(opened) == Taken(202)
        assert layer.joined[joins:] == [mailbox] * 2, "Redis forgets its groups as well"
    assert caplog.messages == [
        f"{AWAY} (ConnectionError('redis is away'))",
        "the channel layer 'default' answers again, after 0 seconds and 1 failure",
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "mcp.unknown"},
        {"type": "mcp.batch", "batch": [{"kind": "post"}]},
        {"type": "mcp.batch", "batch": [{"kind": "taken"}]},
        {"type": "mcp.batch", "batch": 7},
        {"type": "mcp.told", "by": "x", "number": "1", "told": [{}]},
        {"type": "mcp.told", "by": "x", "number": 1, "told": [7]},
        {"type": "mcp.told_again", "by": "x", "batches": 7},
        {"type": "mcp.heartbeat", "from": "x", "number": 7},
        {},
    ],
)
async def test_message_of_another_version_ends_nothing(
    layer: Layer, server: Server, message: JSONObject, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: workers of two releases run side by side during a deployment."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)
        await layer.send(await holder.relay.open(), message)
        assert await poster.post(opened) == Taken(202)
    assert all(record.levelno >= logging.WARNING for record in caplog.records)


async def test_session_that_fails_to_take_a_message_is_500(
    layer: Layer, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: neutral to the client, with the reason in the log."""
    async with joined(layer) as (poster, holder):
        opened = await holder.open(server)

        async def fail(message: Any, sender: Any) -> None:
            raise LookupError("no such thing")

        opened.transport.on_message = fail
        taken = await poster.post(opened)
        assert error_of(taken) == (500, -32603)
        assert b"Internal error" in taken.body
    assert caplog.messages == ["a relayed message failed; see the error"]


async def test_without_a_layer_nothing_is_relayed(server: Server) -> None:
    """Our choice: without `CHANNEL_LAYERS` all works in one process."""
    async with joined(None) as (poster, holder):
        assert await holder.relay.open() == ""
        opened = await holder.open(server)
        assert await poster.post(opened) == NOT_FOUND
        assert await poster.post(address("mailbox")) == NOT_FOUND
        await holder.relay.tell_as_stranger(news("tools"))
        holder.relay.tell_soon(news("tools"))
        await holder.relay.tell(news("tools"))
        await holder.relay.close()
        assert poster.noticed == []
