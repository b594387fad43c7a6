"""What all workers say, and what ends in them, when an operator asks."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from mcp_django.bulkheads.tallies import Tallies, tallies
from mcp_django.exchanges.open_sessions import OpenSessions
from mcp_django.exchanges.session_state import has_ended
from mcp_django.operations import Answers, aend, astatus
from mcp_django.operations.ending import clocks_ahead
from mcp_django.worker.asking import NO_LAYER, ask_all, ask_over
from mcp_django.worker.channel_layers import make_service
from mcp_django.worker.operated import Operated
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker, current_worker
from tests.exchanges.http_sessions import open_session
from tests.operations.streams import Stream
from tests.patience import PATIENCE_SECONDS
from tests.worker.caches import BROKEN
from tests.worker.layers import Layer, until


@asynccontextmanager
async def two_workers(layer: Layer) -> AsyncIterator[list[Worker]]:
    """Give two workers that have heard of each other."""
    loop = asyncio.get_running_loop()
    workers = [Worker(loop, Relay(layer)) for _ in range(2)]
    try:
        for worker in workers:
            worker.part(Operated)
            await worker.relay.open()
        await until(lambda: all(w.relay.seconds_since_peers() for w in workers))
        yield workers
    finally:
        for worker in workers:
            await worker.close_all()


async def ask(layer: Layer, **asked: Any) -> Answers:
    answers = Answers()
    question = {"kind": "operate", "nonce": "n1", **asked}
    await ask_over(layer, make_service("default"), question, answers)
    return answers


END: dict[str, Any] = {
    "ask": "end",
    "by": "all",
    "names": [""],
    "before": 0.0,
    "server": "",
    "is_kept": True,
}


async def test_every_worker_says_what_is_open_there() -> None:
    """Chosen: one look over all processes, from any of them."""
    layer = Layer()
    async with two_workers(layer) as (one, two):
        for worker, pk in ((one, 7), (two, 7), (two, 8)):
            Stream(worker, pk)
        answers = await ask(layer, ask="status")
    assert not answers.problem
    assert not answers.silent
    found = sorted(answers.workers, key=lambda worker: len(worker["users"]))
    assert [worker["streams"] for worker in found] == [{"listen": 1}, {"listen": 2}]
    assert found[1]["users"] == {"7": {"streams": 1}, "8": {"streams": 1}}
    assert {worker["state"] for worker in found} == {"serving"}
    json.dumps(answers.as_json())


async def test_list_is_bounded_and_says_what_it_leaves_out() -> None:
    """Chosen: a worker may have ten thousand, and one message has to bring it."""
    worker = current_worker()
    for pk in (7, 8, 7, 7):
        Stream(worker, pk)
    [found] = (await astatus(listed=2)).workers
    assert ([row["user"] for row in found["open"]], found["unlisted"]) == (
        ["7", "8"],
        2,
    )
    [found] = (await astatus(listed=2, user=User(pk=7))).workers
    assert ([row["user"] for row in found["open"]], found["unlisted"]) == (
        ["7", "7"],
        1,
    )
    with pytest.raises(ValueError, match="must be saved"):
        await astatus(listed=2, user=User())
    with pytest.raises(ValueError, match=r"status\(\) needs exactly one of .* and "):
        await astatus(listed=2, user=User(pk=7), connection="x:1")
    await worker.close_all()


async def test_one_of_many_is_found_beyond_what_is_listed() -> None:
    """Chosen: what an operator asks for is no less there because others are older."""
    worker = current_worker()
    for pk in (7, 8, 9):
        Stream(worker, pk)
    [found] = (await astatus(listed=3)).workers
    id = found["open"][2]["id"]
    whats: list[dict[str, Any]] = [{"connection": id}, {"credential": "of 9"}]
    for what in whats:
        [found] = (await astatus(listed=1, **what)).workers
        assert ([row["id"] for row in found["open"]], found["unlisted"]) == ([id], 0)
    [found] = (await astatus(listed=1, feature="tool:none")).workers
    assert (found["open"], found["unlisted"]) == ([], 0)
    await worker.close_all()


def test_reasons_are_counted_without_advice_and_within_a_bound() -> None:
    """Chosen: clients have a hand in some, and must not make us keep all of them."""
    counts = Tallies()
    for _ in range(2):
        counts.refuse(400, "the id is missing; the stream names it")
    for number in range(1000):
        counts.refuse(415, f"send no x{number}")
    assert counts.refused_by == {400: 2, 415: 1000}
    assert counts.refused_because[400, "the id is missing"] == 2
    assert counts.refused_because[415, "send no x999"] == 1
    assert len(counts.refused_because) == 100


async def test_what_is_open_of_one_user_ends_in_every_worker() -> None:
    """Chosen: others do not notice."""
    layer = Layer()
    async with two_workers(layer) as (one, two):
        for worker, pk in ((one, 7), (two, 7), (two, 8)):
            Stream(worker, pk)
        answers = await ask(layer, **{**END, "by": "user", "names": ["7"]})
        await until(lambda: not len(one.connections))
        await until(lambda: len(two.connections) == 1)
        assert [c.identity.owner for c in two.connections] == ["8"]
    assert [worker["streams"] for worker in answers.workers] == [1, 1]


async def test_one_connection_ends_in_whichever_worker_it_is() -> None:
    """Chosen: its id names the worker, so and others of its number stay."""
    layer = Layer()
    async with two_workers(layer) as (one, two):
        for worker, pk in ((one, 7), (two, 7)):
            Stream(worker, pk)
        listed = await ask(layer, ask="status", list=5)
        [row] = next(w for w in listed.workers if w["mailbox"] == two.relay.mailbox)[
            "open"
        ]
        end = {**END, "by": "connection", "names": [row["id"]], "nonce": "n2"}
        answers = await ask(layer, **end)
        await until(lambda: not len(two.connections))
        assert len(one.connections) == 1
    assert sorted(worker["streams"] for worker in answers.workers) == [0, 1]


async def test_question_that_the_group_lost_is_asked_again(settings: Any) -> None:
    """Chosen: a channel layer loses messages without a word."""
    settings.MCP = {"RELAY_TIMEOUT": 0.4}
    layer = Layer()
    async with two_workers(layer) as (_, two):
        lost: list[str] = []

        def lose(channel: str, message: dict[str, Any]) -> bool:
            is_first = channel == two.relay.mailbox and not lost
            if is_first and message["type"] == "mcp.told":
                lost.append(channel)
                return False
            return True

        layer.on_send = lose
        answers = await ask(layer, ask="status")
    assert len(answers.workers) == 2
    assert not answers.silent


async def test_layer_that_fails_while_it_is_waited_for_is_said() -> None:
    """We promise it: a killed Redis is a problem that is said, and no traceback."""

    class Failing(Layer):
        async def receive(self, channel: str) -> dict[str, Any]:
            if channel not in self.joined:  # that of who asks
                raise ConnectionError("closed by server")
            return await super().receive(channel)

    layer = Failing()
    async with two_workers(layer):
        answers = await ask(layer, ask="status")
    assert answers.problem.startswith("the channel layer does not answer")
    assert answers.are_missing
    assert answers.warnings() == [f"WARNING: {answers.problem}"]


async def test_worker_that_was_killed_is_said_to_be_silent(settings: Any) -> None:
    """Chosen: what does not answer is not left out of the picture."""
    settings.MCP = {"RELAY_TIMEOUT": 0.2}
    layer = Layer()
    async with two_workers(layer) as (_, two):
        killed = two.relay.mailbox
        layer.on_send = lambda channel, message: channel != killed
        answers = await ask(layer, ask="status")
        layer.on_send = None
    assert len(answers.workers) == 1
    assert list(answers.silent) == [killed]


async def test_layer_that_is_away_is_said(settings: Any) -> None:
    """Chosen: no empty table that looks as if nothing ran."""
    settings.MCP = {"RELAY_TIMEOUT": 0.1}
    layer = Layer()
    layer.on_join = asyncio.Event().wait
    answers = await ask(layer, ask="status")
    assert answers.problem.startswith("the channel layer does not answer")


async def _until_another_millisecond() -> None:
    """Wait for the clock of ids to go on."""
    before = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 <= before:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_sessions_that_are_only_ids_end_with_their_user() -> None:
    """Chosen: also those of which nothing is open anywhere."""
    worker = current_worker()
    sessions = worker.part(OpenSessions)
    old, others = open_session("7"), open_session("8")
    assert await sessions.is_open(old)
    await aend(user=User(pk=7))
    assert not await sessions.is_open(old)
    assert await sessions.is_open(others)
    await _until_another_millisecond()
    assert await sessions.is_open(open_session("7"))
    # A worker that was started later finds it in the cache.
    later = OpenSessions(Relay(None), worker.start)
    assert not await later.is_open(old)
    assert await later.is_open(others)
    await aend(everything=True)
    assert not await sessions.is_open(others)
    await worker.close_all()


async def test_end_that_the_cache_did_not_take_is_noted_when_it_is_back(
    settings: Settings,
) -> None:
    """We promise it: by the workers that know, and the operator is told so."""
    settings.MCP = {"AWAY_SECONDS": 0.05}
    worker, session = current_worker(), open_session("7")
    sessions, working = worker.part(OpenSessions), settings.CACHES
    settings.CACHES = {"default": {"BACKEND": BROKEN}}
    answers = await aend(user=User(pk=7))
    assert "note it there as soon as they can" in answers.problem
    assert not await sessions.is_open(session)
    settings.CACHES = working
    with anyio.fail_after(PATIENCE_SECONDS):
        while not await has_ended(session):
            await anyio.lowlevel.checkpoint()
    await worker.close_all()


def test_hosts_whose_clocks_are_ahead_are_named() -> None:
    """Chosen: ids of sessions say when they were opened, by those clocks."""
    workers = [{"host": f"web{n}", "time": 1000.0 + n * 300} for n in range(2)]
    [said] = clocks_ahead(Answers(workers), 1000.5)
    assert said.startswith("the clock of web1 is 300 s ahead")


async def test_own_process_is_asked_without_a_layer() -> None:
    """Chosen: a site of one process needs none."""
    worker = current_worker()
    Stream(worker, 7)
    before = tallies.handled
    answers = await ask_all({"ask": "status"})
    assert answers.problem == NO_LAYER
    [found] = answers.workers
    assert (found["streams"], found["handled"]) == ({"listen": 1}, before)
    await worker.close_all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs exactly one of user="),
        ({"everything": True, "feature": "tool:x"}, "needs exactly one of user="),
        ({"feature": "refund"}, "must be such as 'tool:refund'"),
        ({"user": User()}, "must be saved"),
    ],
)
async def test_what_is_to_end_must_be_clear(given: Any, says: str) -> None:
    """Chosen: a slip must not end everything."""
    with pytest.raises(ValueError, match=says):
        await aend(**given)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"end": "everything"}, "must be user:USERNAME, token:ID"),
        ({"end": "user:"}, "must be user:USERNAME, token:ID"),
        ({"end": "user:nobody"}, "there is no user 'nobody'"),
        ({"end": "user:alcie"}, "there is no user 'alcie'; did you mean 'alice'?"),
        ({"end": "token:x"}, "there is no token with the id 'x'"),
        ({"end": "token:oauth:9"}, "ended by 'credential:OAuth token 9'"),
        ({"end": "feature:refund"}, "must be such as 'tool:refund'"),
        ({"end": "feature:tool:hodl"}, "has a 'tool:hodl'; did you mean 'tool:hold'"),
        ({"end": "feature:site/tool:hodl"}, "server 'site' has no 'tool:hodl'"),
        ({"end": "feature:sit/tool:hold"}, "no server 'sit'; did you mean 'site'?"),
        ({"end": "program:desktop"}, "no program 'desktop' has opened anything"),
        ({"end": "all", "watch": 1.0}, "without --end"),
        ({"end": "connection:w:1"}, "nothing is open that has the id 'w:1'"),
        ({"open": 0}, "--open must be between 1 and 200"),
        ({"end": "all", "open": 5}, "without --end"),
        ({"watch": 0.0}, "between 0.1 and 3600"),
    ],
)
@pytest.mark.django_db
def test_command_says_what_is_wrong(options: Any, says: str) -> None:
    """Chosen: what was given, what would be right, and an exit status of its own."""
    User.objects.create_user("alice")
    with pytest.raises(CommandError, match=re.escape(says)) as raised:
        call_command("mcp_status", **options)
    assert raised.value.returncode == 2


@pytest.mark.parametrize(
    "what", ["credential:token 7", "feature:tool:hold", "feature:site/tool:hold", "all"]
)
def test_command_ends_what_there_is(what: str) -> None:
    """Chosen: that nothing of it is open is no fault."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:  # no worker can be reached from here
        call_command("mcp_status", end=what, stdout=out)
    assert ended.value.code == 1
    assert NO_LAYER in out.getvalue()


def test_command_says_that_it_reaches_no_worker() -> None:
    """Chosen: exit status 1, and what to set."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("mcp_status", stdout=out)
    assert ended.value.code == 1
    assert "WARNING: there is no channel layer that joins processes" in out.getvalue()
