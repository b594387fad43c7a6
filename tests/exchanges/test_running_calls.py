"""Calls that can be cancelled at any worker."""

import pytest

from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.running_calls import RunningCalls
from mcp_django.exchanges.session_id import HTTPSession
from tests.exchanges.http_sessions import open_session
from tests.exchanges.workers import Call, joined, worker_of
from tests.worker.layers import Layer, quiet, until


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


async def test_call_is_cancelled_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation; ids have a type."""
    async with joined(layer) as (one, two):
        here, there, text, other = Call(), Call(), Call(), Call()
        one.part(RunningCalls).add(session, 1, here)
        two.part(RunningCalls).add(session, 2, there)
        two.part(RunningCalls).add(session, "2", text)
        two.part(RunningCalls).add(open_session(), 2, other)
        await one.part(RunningCalls).cancel(session, 1)
        assert here.times_cancelled == 1
        await one.part(RunningCalls).cancel(session, 2)
        await until(lambda: bool(there.times_cancelled))
        await one.part(RunningCalls).cancel(session, "unknown")
        await quiet(layer)
    assert there.times_cancelled == 1
    assert text.times_cancelled == other.times_cancelled == 0


async def test_call_that_is_answered_is_not_cancelled(session: HTTPSession) -> None:
    """Our choice: nor is a later one by an earlier one that had its id."""
    worker = worker_of(None)
    earlier, later = Call(), Call()
    worker.part(RunningCalls).add(session, 1, earlier)
    worker.part(RunningCalls).add(session, 1, later)
    worker.part(RunningCalls).remove(session, 1, earlier)
    await worker.part(RunningCalls).cancel(session, 1)
    worker.part(RunningCalls).remove(session, 1, later)
    await worker.part(RunningCalls).cancel(session, 1)
    assert (earlier.times_cancelled, later.times_cancelled) == (0, 1)


async def test_calls_of_one_id_are_cancelled_together(session: HTTPSession) -> None:
    """Our choice: no call of a session that has ended runs on (Spec: 2025-11-25 basic,
    "Requests": clients use no id twice)."""
    worker = worker_of(None)
    calls = [Call(), Call(), Call()]
    for call in calls:
        worker.part(RunningCalls).add(session, 1, call)
    worker.part(RunningCalls).remove(session, 1, calls[1])
    worker.part(RunningCalls).remove(session, 1, calls[1])
    await worker.part(OpenSessions).end(session)
    assert [call.times_cancelled for call in calls] == [1, 0, 1]


async def test_end_and_cancellation_that_a_group_lost_arrive_all_the_same(
    layer: Layer, session: HTTPSession
) -> None:
    """We promise it: they are told a second time, to each worker that is known."""
    async with joined(layer) as (one, two):
        await quiet(layer)  # They know of each other now.
        call, other_call = Call(), Call()
        two.part(RunningCalls).add(session, 1, call)
        two.part(RunningCalls).add(session, 2, other_call)
        layer.groups.clear()
        await one.part(RunningCalls).cancel(session, 1)
        await until(lambda: call.times_cancelled == 1)
        await one.part(OpenSessions).end(session)
        await until(lambda: other_call.times_cancelled == 1)
