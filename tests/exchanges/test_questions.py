"""Questions that any worker may be answered."""

import asyncio
from typing import Any

import pytest
from mcp_types.jsonrpc import RequestId

from mcp_django.exchanges.questions import NOT_ASKED, Questions
from mcp_django.exchanges.session_id import HTTPSession
from mcp_django.protocol import jsonrpc
from mcp_django.server.asking import Question
from mcp_django.worker.acknowledgement import ACCEPTED, BROKEN, Taken
from mcp_django.worker.addresses import Address, seal_address
from tests.exchanges.http_sessions import open_session
from tests.exchanges.workers import joined, worker_of
from tests.worker.layers import PATIENCE_SECONDS, Layer, until

QUESTION: Question[Any] = Question("key", "roots/list", {}, lambda result: result)


@pytest.fixture
def layer() -> Layer:
    return Layer()


@pytest.fixture
def session() -> HTTPSession:
    return open_session()


async def test_answer_finds_the_worker_that_asked(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: the id of the question says where."""
    async with joined(layer) as (one, two):
        for answering in (one, two):
            request, pending = await one.part(Questions).begin(session, QUESTION)
            assert (request.method, request.params) == ("roots/list", {})
            answer = jsonrpc.result(request.id, {"roots": []})
            assert await answering.part(Questions).answer(session, answer) == ACCEPTED
            assert pending.answer == answer
            assert pending.is_answered.is_set()
            assert await answering.part(Questions).answer(session, answer) == NOT_ASKED
            one.part(Questions).end(request.id)
            one.part(Questions).end(request.id)
            assert await answering.part(Questions).answer(session, answer) == NOT_ASKED


async def test_answer_of_another_session_is_refused(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: who knows the id of a question is not the one who was asked."""
    async with joined(layer) as (one, two):
        request, pending = await one.part(Questions).begin(session, QUESTION)
        answer = jsonrpc.result(request.id, {"roots": []})
        for answering in (one, two):
            assert (
                await answering.part(Questions).answer(open_session(), answer)
                == NOT_ASKED
            )
        assert pending.answer is None
        assert await two.part(Questions).answer(session, answer) == ACCEPTED


async def test_answer_to_what_nobody_asked_is_refused(
    layer: Layer, session: HTTPSession
) -> None:
    """Our choice: 400, whereas 404 would end the session."""
    async with joined(layer) as (one, two):
        mailbox = await two.relay.open()
        own = await one.relay.open()
        ids: list[RequestId | None] = [
            "unknown",
            7,
            None,
            seal_address("ask", Address("x", mailbox)),
            seal_address("ask", Address("x", own)),
        ]
        for id in ids:
            error = jsonrpc.error(id, -1, "no")
            assert await one.part(Questions).answer(session, error) == NOT_ASKED
    assert NOT_ASKED.status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"ping"}']
)
async def test_relayed_body_that_is_no_answer_is_refused(
    layer: Layer, body: bytes
) -> None:
    """Our choice: such as one of another version of this package."""
    async with joined(layer) as (one, two):
        message = {"kind": "answer", "name": "x", "session": "session", "body": body}
        assert await one.relay.hand_over(two.relay.mailbox, message) == NOT_ASKED


async def test_answer_is_503_while_the_layer_is_broken(
    layer: Layer, session: HTTPSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the client may post it again."""

    def fail(channel: str, message: dict[str, Any]) -> None:
        if message["type"] != "mcp.heartbeat":  # which may come at any time
            raise ConnectionError("no Redis")

    async with joined(layer) as (one, two):
        request, pending = await one.part(Questions).begin(session, QUESTION)
        answer = jsonrpc.result(request.id, {"roots": []})
        layer.on_send = fail
        taken: Taken = await two.part(Questions).answer(session, answer)
        assert taken == BROKEN
        layer.on_send = None
        assert pending.answer is None
        assert await two.part(Questions).answer(session, answer) == ACCEPTED


async def test_answer_to_what_was_asked_while_the_layer_was_away_finds_its_worker(
    layer: Layer, session: HTTPSession, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the id says no address, so all workers are asked; 503 until the one
    is heard of, because the client may post it again."""
    settings.MCP = {"AWAY_SECONDS": 0.01}

    def fail() -> None:
        raise ConnectionError("no Redis")

    one = worker_of(layer)
    layer.on_join = fail
    request, pending = await one.part(Questions).begin(session, QUESTION)
    layer.on_join = None
    answer = jsonrpc.result(request.id, {"roots": []})
    async with joined(layer) as (two, _):
        assert await two.part(Questions).answer(session, answer) == BROKEN
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await one.relay.open():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await until(lambda: one.relay.mailbox in two.relay.seconds_since_peers())
        assert await two.part(Questions).answer(open_session(), answer) == BROKEN
        assert pending.answer is None
        assert await two.part(Questions).answer(session, answer) == ACCEPTED
        assert pending.answer == answer
        await one.relay.close()
    await one.tasks.end()


async def test_answer_to_nothing_is_refused_where_one_worker_is_all(
    session: HTTPSession,
) -> None:
    """Our choice: without a channel layer there is no other to ask."""
    answer = jsonrpc.result(seal_address("ask", Address("x", "")), {})
    alone = worker_of(None)
    assert await alone.part(Questions).answer(session, answer) == NOT_ASKED
