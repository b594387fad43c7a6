"""What one worker knows of the legacy sessions over Streamable HTTP.

The sessions themselves need no worker. What does is what is open: a client's standalone
stream, its calls that run, the questions that it was asked, and the memory of which
sessions have ended.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from mcp_types.jsonrpc import JSONRPCRequest, RequestId

from mcp_django.conf import mcp_settings
from mcp_django.exceptions import RemoteProtocolError, ServiceAway
from mcp_django.exchanges.event_writes import EventWrites
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.exchanges.session_state import has_ended, note_end, wishing
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import AnswerMessage
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.asking import Question
from mcp_django.server.notices import Notice
from mcp_django.server.question_rounds import OpenQuestion
from mcp_django.server.server import Server
from mcp_django.worker.acknowledgement import ACCEPTED, Taken, refusal
from mcp_django.worker.relay import Relay
from mcp_django.worker.sealed_ids import make_ask_id, read_ask_id

logger = logging.getLogger("mcp_django.exchanges")

_MAX_REMEMBERED = 10_000
"""Sessions of which the worker remembers whether they have ended."""

_SIMULTANEOUS_SECONDS = 5.0
"""Streams opened within so short a time are compared by when; else the last wins."""

_CANCEL_SECONDS = 60.0
"""For as long a cancellation that could not be told is told when that can be done."""

NOT_ASKED = refusal(
    400, "nothing waits for this answer; it was not asked, or it comes too late"
)


class Call(Protocol):
    """A request of a session that runs in this worker."""

    def cancel(self, id: RequestId) -> None:
        """Stop working on a request; its client wants no answer."""


class Standalone(Protocol):
    """The stream of a session that belongs to no call."""

    opened_at: tuple[float, str]
    server: Server

    def put(self, notice: Notice) -> None:
        """Send a change notice soon."""

    async def tell_everything(self) -> None:
        """Tell the client of every change that it may have missed."""

    async def recheck(self) -> None:
        """Ask again what of its session's subscriptions its user may read."""

    async def displace(self) -> None:
        """End, because the client has opened a newer one."""

    async def close(self) -> None:
        """End, because the session has."""


class HTTPSessions:
    """The open ends of such sessions in one worker.

    Args:
        relay: Makes them known to the other workers.
        start: Runs a coroutine in a task that somebody holds.

    Attributes:
        writes: Has the event store keep what their streams send.
    """

    def __init__(
        self, relay: Relay, start: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._relay = relay
        self._start = start
        self.writes = EventWrites(start)
        self._streams: dict[str, Standalone] = {}
        self._is_told = asyncio.Event()
        self._is_told.set()
        # Several of one id, of clients that do not keep to the rules.
        self._calls: dict[tuple[str, RequestId], list[Call]] = {}
        self._asks: dict[str, tuple[str, OpenQuestion]] = {}
        self._followers: dict[tuple[str, str], asyncio.Event] = {}
        # Key of a session -> when it was last known to be open; never for one that
        # has ended.
        self._looked_up: OrderedDict[str, float] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        # Ended ones of which the cache does not know yet.
        self._unkept: OrderedDict[str, HTTPSession] = OrderedDict()
        self._is_keeping = False

    # Sessions -------------------------------------------------------------------

    async def is_open(self, session: HTTPSession) -> bool:
        """Say whether a session has not been ended.

        Ends are told to all workers, and kept in the cache, where this looks again
        every `RECHECK_SECONDS`, should a worker not have heard of one. While the cache
        is away, a session counts as open of whose end nothing was heard.
        """
        key = session.key
        if key in self._ended:
            return False
        now = time.monotonic()
        looked_up = self._looked_up.get(key)
        if looked_up is not None and now - looked_up < mcp_settings.RECHECK_SECONDS:
            return True
        # Only who has a mailbox hears of ends.
        self._relay.open_soon()
        is_reached = bool(self._relay.mailbox) or not self._relay.has_layer
        try:
            if await has_ended(session):
                self._note_end(key)
                return False
        except ServiceAway:
            return True
        if is_reached:
            _remember(self._looked_up, key, now)
        return True

    async def end(self, session: HTTPSession) -> None:
        """End a session, in every worker.

        Raises:
            ServiceAway: The cache: the workers that run know of the end, and those that
                are started later will as soon as the cache takes it.
        """
        self._note_end(session.key)
        with suppress(ServiceAway):  # They look into the cache as well.
            await self._relay.tell({"kind": "ended", "session": session.key})
        try:
            await note_end(session)
        except ServiceAway:
            _remember(self._unkept, session.key, session)
            if not self._is_keeping:
                self._is_keeping = True
                self._start(self._keep_ends())
            raise

    async def _keep_ends(self) -> None:
        """Keep in the cache which sessions have ended, as soon as it takes that."""
        try:
            while self._unkept:
                await asyncio.sleep(mcp_settings.AWAY_SECONDS)
                with suppress(ServiceAway):
                    while self._unkept:
                        key, session = next(iter(self._unkept.items()))
                        if session.rest > 0:
                            await note_end(session)
                        self._unkept.pop(key, None)
        finally:
            self._is_keeping = False

    def _note_end(self, key: str) -> None:
        _remember(self._ended, key, None)
        self._looked_up.pop(key, None)
        stream = self._streams.get(key)
        if stream is not None:
            self._start(stream.close())
        for session_key, id in list(self._calls):
            if session_key == key:
                self._cancel_here(key, id)

    def look_again(self) -> None:
        """Ask the cache again whether sessions have ended; word of it may be lost."""
        self._looked_up.clear()

    # Standalone streams ---------------------------------------------------------

    @property
    def streams(self) -> Sequence[Standalone]:
        """The streams that are open here."""
        return list(self._streams.values())

    async def add_stream(self, session: HTTPSession, stream: Standalone) -> None:
        """Make a stream the one of its session; an older one ends, on any worker."""
        other = self._streams.get(session.key)
        if other is not None and other.opened_at > stream.opened_at:
            await stream.displace()
            return
        self._streams[session.key] = stream
        if other is not None:
            await other.displace()
        self._announce(session.key, stream)

    def _announce(self, session_key: str, stream: Standalone) -> None:
        opened_at = list(stream.opened_at)
        self._relay.tell_soon(
            {"kind": "stream", "session": session_key, "opened_at": opened_at},
            lasts=_SIMULTANEOUS_SECONDS / 2,
        )

    def _hear_of_stream(self, session_key: str, opened_at: tuple[float, str]) -> None:
        stream = self._streams.get(session_key)
        if stream is None:
            return
        age = time.time() - stream.opened_at[0]
        # What is heard of now was opened now, whatever the other worker's clock says.
        if stream.opened_at < opened_at or age > _SIMULTANEOUS_SECONDS:
            self._start(stream.displace())
        else:
            # The older one may not have been there yet to hear of ours.
            self._announce(session_key, stream)

    def remove_stream(self, session: HTTPSession, stream: Standalone) -> None:
        """Forget a stream that has ended."""
        if self._streams.get(session.key) is stream:
            del self._streams[session.key]

    async def notify(self, server_name: str, notice: Notice) -> None:
        """Tell clients that have a stream here of a change, if they want to know."""
        streams = {
            key: stream
            for key, stream in self._streams.items()
            if stream.server.name == server_name
        }
        if not streams:
            return
        server = next(iter(streams.values())).server
        before, is_told = self._is_told, asyncio.Event()
        self._is_told = is_told
        try:
            wishes: Mapping[str, Sequence[Notice]] = {}
            # The log says that the cache is away, and that clients do not hear of it.
            with suppress(ServiceAway):
                wishes = await wishing(server, streams, notice)
            await before.wait()  # the cache may have answered for the later one first
            for key, wanted in wishes.items():
                for own in wanted:
                    streams[key].put(own)
        finally:
            is_told.set()

    # Calls ----------------------------------------------------------------------

    def add_call(self, session: HTTPSession, id: RequestId, call: Call) -> None:
        """Let a request be cancelled from now on."""
        self._calls.setdefault((session.key, id), []).append(call)

    def remove_call(self, session: HTTPSession, id: RequestId, call: Call) -> None:
        """Forget a request that is answered."""
        calls = self._calls.get((session.key, id), [])
        if call in calls:
            calls.remove(call)
            if not calls:
                del self._calls[session.key, id]

    async def cancel(self, session: HTTPSession, id: RequestId) -> None:
        """Cancel a request, in whichever worker it runs.

        Raises:
            ServiceAway: It runs in another one, if in any, which cannot be told now.
        """
        if not self._cancel_here(session.key, id):
            await self._relay.tell(
                {"kind": "cancel", "session": session.key, "id": id},
                lasts=_CANCEL_SECONDS,
            )

    def _cancel_here(self, session_key: str, id: RequestId) -> bool:
        calls = list(self._calls.get((session_key, id), ()))
        for call in calls:
            call.cancel(id)
        return bool(calls)

    # Questions ------------------------------------------------------------------

    async def begin_asking(
        self, session: HTTPSession, question: Question[Any]
    ) -> tuple[JSONRPCRequest, OpenQuestion]:
        """Make a request of a question; its id says where the answer has to go."""
        mailbox = await self._relay.open()
        name = secrets.token_urlsafe(12)
        pending = OpenQuestion()
        self._asks[name] = (session.key, pending)
        id = make_ask_id(name, mailbox)
        return jsonrpc.request(id, question.method, question.params), pending

    def end_asking(self, id: RequestId) -> None:
        """Wait for an answer no longer."""
        name, _ = read_ask_id(id)
        self._asks.pop(name, None)

    async def answer(self, session: HTTPSession, answer: AnswerMessage) -> Taken:
        """Hand an answer to whichever worker asked.

        Returns:
            What to answer to the POST.
        """
        try:
            name, mailbox = read_ask_id(answer.id)
        except ValueError:
            return NOT_ASKED
        if name in self._asks:
            return self._learn(name, session.key, answer)
        taken = await self._relay.answer(
            mailbox, name, session_key=session.key, body=jsonrpc.serialize(answer)
        )
        # The session is well; clients would open another one after a 404.
        return NOT_ASKED if taken.status == 404 else taken

    def take_answer(self, name: str, session_key: str, body: bytes) -> Taken:
        """Take an answer that another worker was posted."""
        try:
            answer = jsonrpc.parse(body)
        except RemoteProtocolError:
            return NOT_ASKED
        return (
            self._learn(name, session_key, answer)
            if isinstance(answer, AnswerMessage)
            else NOT_ASKED
        )

    def _learn(self, name: str, session_key: str, answer: AnswerMessage) -> Taken:
        asked, pending = self._asks.get(name, ("", None))
        if pending is None or asked != session_key or pending.answer is not None:
            return NOT_ASKED
        pending.learn(answer)
        return ACCEPTED

    # Streams that were left -----------------------------------------------------

    def follow(self, session: HTTPSession, stream_name: str) -> asyncio.Event:
        """Give an event that is set when a stream of the session has more to read."""
        has_more = self._followers[session.key, stream_name] = asyncio.Event()
        return has_more

    def stop_following(
        self, session: HTTPSession, stream_name: str, has_more: asyncio.Event
    ) -> None:
        """Forget that event."""
        if self._followers.get((session.key, stream_name)) is has_more:
            del self._followers[session.key, stream_name]

    async def tell_followers(self, session: HTTPSession, stream_name: str) -> None:
        """Say that a stream has more to read, to whoever follows it, on any worker."""
        self._wake(session.key, stream_name)
        key = session.key, stream_name
        # Whoever follows it looks each second, too.
        self._relay.tell_soon(
            {"kind": "event", "session": key[0], "stream": key[1]}, key, lasts=0
        )

    def _wake(self, session_key: str, stream_name: str) -> None:
        event = self._followers.get((session_key, stream_name))
        if event is not None:
            event.set()

    # From other workers ---------------------------------------------------------

    def hear(self, told: JSONObject) -> None:
        """Take what another worker tells all others."""
        match told:
            case {"kind": "ended", "session": key}:
                self._note_end(key)
            case {"kind": "cancel", "session": key, "id": id}:
                self._cancel_here(key, id)
            case {"kind": "stream", "session": key, "opened_at": [at, name]}:
                self._hear_of_stream(key, (at, name))
            case {"kind": "event", "session": key, "stream": name}:
                self._wake(key, name)
            case _:
                logger.warning("another worker told of %r", told.get("kind"))


def _remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _MAX_REMEMBERED:
        memory.popitem(last=False)
