"""Clients of every kind, each of which goes on until it is told to stop."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
from websockets.exceptions import WebSocketException

from tests.cluster.cluster import Cluster, User
from tests.cluster.soak.ledger import (
    SILENCE_SECONDS,
    Call,
    Failed,
    Ledger,
    Refused,
)
from tests.live.raw import open_http
from tests.live.raw_http import Answer, Message

TOOLS = (
    *("run", "run_in_thread", "count_users", "count_users_in_thread"),
    *("count_users_permitted", "save_user"),
)
CALLS = 20
"""Of one round of a client's life."""

STILL_SECONDS = 20.0
"""More than any fault takes, and than the keep-alives of a second."""

ASKABLE: Message = {"elicitation": {"form": {}}}
"""What clients can do that are asked."""

LOST = (
    *(httpx2.TransportError, httpx2.HTTPStatusError, httpx2.StreamError),
    *(WebSocketException, OSError, anyio.EndOfStream, StopAsyncIteration),
    *(anyio.ClosedResourceError, anyio.BrokenResourceError),
)
"""How a connection ends."""


class Site:
    """The cluster as its clients see it.

    Args:
        cluster: Serves them.
        ledger: Keeps what they ask.
        pace: How much shorter their pauses are.

    Attributes:
        cluster: Serves them.
        ledger: Keeps what they ask.
        is_open: Whether they shall go on.
    """

    def __init__(self, cluster: Cluster, ledger: Ledger, pace: float = 1.0) -> None:
        self.cluster = cluster
        self.ledger = ledger
        self.is_open = True
        self._pace = pace
        self._chance = random.Random(1)

    @property
    def urls(self) -> Sequence[str]:
        """Address of each worker, behind its proxy."""
        return [f"http://127.0.0.1:{front.port}" for front in self.cluster.fronts]

    def any_url(self) -> str:
        """Choose a worker."""
        return self._chance.choice(self.urls)

    def choose(self, tools: Sequence[str] = TOOLS) -> tuple[str, Message]:
        """Choose a tool, and what it takes beside the key."""
        tool = self._chance.choice(tools)
        return tool, {"email": "new@example.com"} if tool == "save_user" else {}

    def seconds(self, most: float) -> float:
        """Choose a time."""
        return self._chance.uniform(0, most / self._pace)

    @asynccontextmanager
    async def connections(
        self, user: User, *, cookie: bool
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """Open connections of a user, in a browser or not."""
        headers = user.with_cookie if cookie else user.with_token
        async with open_http(headers) as http:
            yield http

    async def attempt(
        self,
        user: User,
        way: str,
        ask: Callable[[str], Awaitable[Message]],
    ) -> Call:
        """Make one call, and enter what comes of it.

        Args:
            user: Who asks.
            way: By which transport, and what.
            ask: Sends the call with the key given, and returns what the tool did;
                raises what `result_of` does, or an error of the connection.
        """
        call = self.ledger.begin(user.name, way)
        try:
            with anyio.fail_after(SILENCE_SECONDS):
                ran = await ask(call.key)
        except TimeoutError:
            call.end("lost", "silence")
            self.ledger.broken[f"{way}: silence, neither answer nor end"] += 1
        except Failed as error:
            call.end("failed", error)
        except Refused as error:
            call.end("refused", error)
        except LOST as error:
            call.end("lost", repr(error))
        else:
            call.end("answered")
            for key in ran["key"].split():  # with what the client answered, if asked
                self.ledger.check(call, key, ran["user"])
        return call

    async def keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a client's work again and again, whatever becomes of its connection."""
        while self.is_open:
            try:
                await work()
            except Exception as error:
                self.ledger.ends[type(error).__name__] += 1
                await anyio.sleep(0.5)


def result_of(message: Message) -> Message:
    """Give what a tool returned.

    Raises:
        Refused: It is an error.
        Failed: The tool failed.
    """
    if "result" not in message:
        raise Refused(message.get("error"))
    result: Message = message["result"]
    if result.get("isError"):
        raise Failed(result["content"][0].get("text"))
    ran: Message = result.get("structuredContent") or {}
    return ran


async def read_result(answer: Answer) -> Message:
    """Read the answer to a call to its end, and give what the tool returned.

    Raises:
        Refused: It is an error.
        Failed: The tool failed.
        EndOfStream: There was none.
    """
    if answer.status != 200:
        body = (await answer.response.aread()).decode(errors="replace")
        raise Refused(f"{answer.status} {body[:150]}")
    messages = [message for message in await answer.receive_all() if "id" in message]
    if not messages:
        raise anyio.EndOfStream
    return result_of(messages[-1])


async def read_on(site: Site, stream: Answer, way: str) -> None:
    """Read a stream, on which there is always something, if only keep-alives."""
    while True:
        with anyio.move_on_after(STILL_SECONDS) as scope:
            await stream.read_line()
        if scope.cancelled_caught:
            site.ledger.broken[f"{way}: nothing for {STILL_SECONDS:g} seconds"] += 1


def call_message(id: str, tool: str, **arguments: Any) -> Message:
    """Make the message that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}
