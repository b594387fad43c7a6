"""Clients that came back for a stream, at any worker."""

import asyncio

import anyio
import pytest

from mcp_django.exchanges.followers import Followers
from mcp_django.exchanges.session_id import HTTPSession
from tests.exchanges.http_sessions import open_session
from tests.exchanges.workers import joined
from tests.worker.layers import PATIENCE_SECONDS, Layer, quiet


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


async def test_events_of_a_stream_wake_whoever_follows_it_at_any_worker(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: a client may come back to another worker."""
    async with joined(layer) as (one, two):
        followers = [
            one.part(Followers).follow(session, "stream"),
            two.part(Followers).follow(session, "stream"),
            two.part(Followers).follow(session, "other stream"),
            two.part(Followers).follow(open_session(), "stream"),
        ]
        await one.part(Followers).tell(session, "stream")
        with anyio.fail_after(PATIENCE_SECONDS):
            await followers[0].wait()
            await followers[1].wait()
        await quiet(layer)
        assert [f.is_set() for f in followers] == [True, True, False, False]
        followers[1].clear()
        two.part(Followers).stop_following(session, "stream", asyncio.Event())
        two.part(Followers).stop_following(session, "stream", followers[1])
        await one.part(Followers).tell(session, "stream")
        await quiet(layer)
        assert not followers[1].is_set()
