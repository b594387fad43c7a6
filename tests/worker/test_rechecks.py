"""Rechecks of credentials: each by itself, within a bound, and repeated."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError

from mcp_django.auth.interface import Authenticator
from mcp_django.server.server import Server
from mcp_django.sessions.registry import OpenSession
from mcp_django.worker.connections import Connections, OpenConnection
from mcp_django.worker.making_way import make_way
from mcp_django.worker.rechecks import Rechecks
from tests.bulkheads.clocks import Clock
from tests.patience import PATIENCE_SECONDS
from tests.server.stray_errors import STRAYS
from tests.sessions.opening import open_session
from tests.worker.vouching import Vouching, VouchingLater


class Watch:
    """What is open, its rechecks, and the tasks in which they are made."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.connections = Connections(make_way)
        self.tasks: set[asyncio.Task[None]] = set()
        self.rechecks = Rechecks(self.connections, self._start, self.clock)
        self._server = Server("shop")

    def open(self, authenticator: Authenticator, pk: int = 1) -> OpenSession:
        opened = open_session(
            f"{pk}", self._server, user=User(pk=pk), authenticator=authenticator
        )
        self.connections.add(opened)
        return opened

    async def begin(self, *, after: float = 0) -> None:
        self.clock.now += after
        await self.rechecks.begin()

    async def recheck(self, *, after: float = 0) -> None:
        await self.begin(after=after)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.tasks:
                await asyncio.wait(self.tasks)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _wait_for_ever(valid: bool) -> bool:
    await asyncio.Event().wait()
    return valid


async def test_stream_ends_a_minute_after_the_last_yes(
    watch: Watch, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: until then its database may be away, which is one line."""
    settings.MCP = {}  # and what other tests noted is forgotten
    vouching = Vouching()
    opened = watch.open(vouching)
    await watch.recheck()
    assert vouching.asked == []
    await watch.recheck(after=30)
    vouching.says = OperationalError("the server closed the connection")
    for _ in range(3):
        await watch.recheck(after=27)
        assert not opened.transport.is_closed
        vouching.says = True
        await watch.recheck(after=5)
        vouching.says = OperationalError("the server closed the connection")
    await watch.recheck(after=30)
    await watch.recheck(after=29)
    assert not opened.transport.is_closed
    await watch.recheck(after=4)
    assert opened.transport.is_closed
    lines = [line for line in caplog.messages if "does not answer" in line]
    assert lines[0] == (
        "the database 'default' does not answer: what needs it is refused, or fails "
        "(OperationalError('the server closed the connection'))"
    )
    assert len(lines) == 1
    assert not any(record.exc_info for record in caplog.records)


async def test_what_could_not_be_asked_is_asked_again_soon(watch: Watch) -> None:
    """Chosen: a short outage is over before the next round."""
    vouching = Vouching()
    vouching.says = ConnectionError("refused")
    watch.open(vouching)
    await watch.recheck()
    await watch.recheck(after=30)
    await watch.recheck(after=5)
    assert len(vouching.asked) == 2


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
async def test_authenticator_that_hangs_holds_up_no_other(
    watch: Watch, settings: Any, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: however many streams it has, and in one line."""
    settings.MCP = {"AUTHENTICATION_TIMEOUT": 0.05, "AUTHENTICATION_WORKERS": 4}
    released = threading.Event()
    hanging = VouchingLater(_wait_for_ever if is_async else lambda _: released.wait())
    bad = Vouching()
    bad.says = False
    streams = [watch.open(hanging, pk) for pk in range(100)]
    ended = watch.open(bad, 200)
    await watch.begin()
    try:
        await watch.recheck(after=30)
        assert ended.transport.is_closed
        assert not any(stream.transport.is_closed for stream in streams)
        # Two threads, or tasks, at a time; once they are not answered, no other
        # waits.
        assert len(hanging.asked) == 2
        assert ["VouchingLater" in line for line in caplog.messages].count(True) == 1
    finally:
        released.set()


async def test_one_identity_that_hangs_holds_up_no_other_of_its_authenticator(
    watch: Watch, settings: Any
) -> None:
    """We promise it: nor are the others taken for away."""
    settings.MCP = {"AUTHENTICATION_TIMEOUT": 0.05, "AWAY_SECONDS": 0}

    class Choosy(Vouching):
        def is_still_valid(self, identity: Any) -> Any:
            super().is_still_valid(identity)
            return _wait_for_ever(True) if identity.user.pk == 1 else True

    choosy = Choosy()
    streams = [watch.open(choosy, pk) for pk in range(1, 4)]
    await watch.recheck()
    for _ in range(4):
        await watch.recheck(after=30)
    assert [stream.transport.is_closed for stream in streams] == [True, False, False]


@pytest.mark.parametrize("says", [False, KeyError("wrong")], ids=["no", "error"])
async def test_no_ends_the_stream_at_once(watch: Watch, says: bool | Exception) -> None:
    """We promise it: an error of its own is no outage."""
    vouching = Vouching()
    vouching.says = says
    opened = watch.open(vouching)
    await watch.recheck()
    await watch.recheck(after=30)
    assert opened.transport.is_closed


async def test_identity_is_asked_about_once_at_a_time(
    watch: Watch, settings: Any
) -> None:
    """Chosen: one that is slow is not asked again meanwhile."""
    settings.MCP = {"RECHECK_SECONDS": 0}
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(valid: bool) -> bool:
        return await answer

    slow = VouchingLater(wait)
    watch.open(slow)
    await watch.begin()
    await until(lambda: len(slow.asked) == 1)
    await watch.begin(after=5)
    answer.set_result(True)
    await asyncio.wait(watch.tasks)
    assert len(slow.asked) == 1


async def test_many_users_leave_others_the_event_loop(watch: Watch) -> None:
    """We promise it: no request waits until all of them are looked through."""
    vouching = Vouching()
    for pk in range(1000):
        watch.open(vouching, pk)
    await watch.begin()
    begun: list[int] = []

    def look() -> None:
        begun.append(len(watch.tasks))
        if len(watch.tasks) < 1000:
            asyncio.get_running_loop().call_soon(look)

    look()
    await watch.begin(after=30)
    for task in watch.tasks:
        task.cancel()
    assert max(after - before for before, after in pairwise(begun)) < 200


async def test_many_credentials_that_end_at_once_are_looked_through_once(
    watch: Watch,
) -> None:
    """We promise it: of a mass revocation each is not dearer the more there are."""
    looks: list[int] = []

    class Counted(Vouching):
        def __hash__(self) -> int:  # part of the hash of each identity
            looks.append(1)
            return id(self)

    vouching = Counted()
    streams = [watch.open(vouching, pk) for pk in range(300)]
    await watch.begin()
    vouching.says = False
    looks.clear()
    await watch.recheck(after=30)
    assert all(stream.transport.is_closed for stream in streams)
    assert len(streams) <= len(looks) < 10 * len(streams)


async def test_stream_opened_while_its_credentials_end_is_asked_about_soon(
    watch: Watch, settings: Any
) -> None:
    """Chosen: at the next look, not after all of `RECHECK_SECONDS`."""
    settings.MCP = {"RECHECK_SECONDS": 30}
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(valid: bool) -> bool:
        return await answer

    slow = VouchingLater(wait)
    first = watch.open(slow)
    await watch.begin()
    await watch.begin(after=30)
    await until(lambda: len(slow.asked) == 1)
    second = watch.open(slow)
    answer.set_result(False)
    await watch.recheck()
    assert (first.transport.is_closed, second.transport.is_closed) == (True, False)
    watch.connections.remove(first)
    await watch.recheck(after=3)
    assert second.transport.is_closed


async def test_stream_that_cannot_be_closed_holds_up_no_other(watch: Watch) -> None:
    """We promise it: each is closed by itself."""
    bad = Vouching()
    bad.says = False

    class Stuck(OpenConnection):
        identity = watch.open(bad).identity

        async def tick(self) -> None: ...

        async def finish(self) -> None: ...

        async def abort(self) -> None: ...

        async def close(self) -> None:
            await asyncio.Event().wait()

    stuck, other = Stuck(), watch.open(bad)
    watch.connections.add(stuck)
    third = watch.open(bad)
    await watch.begin()
    await watch.begin(after=30)
    closed: Callable[[], bool] = lambda: (  # noqa: E731
        other.transport.is_closed and third.transport.is_closed
    )
    await until(closed)
    for task in watch.tasks:
        task.cancel()


class Unclear:
    """What is neither true nor false."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __bool__(self) -> bool:
        raise STRAYS[self._kind]()


@pytest.mark.parametrize("kind", STRAYS)
async def test_answer_that_raises_when_it_is_looked_at_means_no(
    watch: Watch, kind: str
) -> None:
    """We promise it: whatever it raises."""
    opened = watch.open(VouchingLater(lambda _: Unclear(kind)))
    await watch.recheck()
    await watch.recheck(after=60)
    assert opened.transport.is_closed


@pytest.mark.parametrize(
    "made",
    [{"user": User(username="not saved")}, {"credential": {"claims": ["a", "dict"]}}],
    ids=["user", "credential"],
)
async def test_identity_without_a_hash_keeps_nobody_from_being_asked_about(
    watch: Watch, made: dict[str, Any]
) -> None:
    """We promise it: a user who is not saved has none."""
    vouching, other = Vouching(), Vouching()
    opened = watch.open(vouching)
    identity = replace(opened.identity, **made)
    watch.connections.remove(opened)
    opened = replace(opened, identity=identity)
    watch.connections.add(opened)
    watch.open(other)
    await watch.recheck()
    await watch.recheck(after=60)
    assert (vouching.asked, len(other.asked)) == ([identity], 1)
    vouching.says = False
    await watch.recheck(after=60)
    assert opened.transport.is_closed
