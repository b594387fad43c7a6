"""Traces in several workers: begun, ended, kept for later ones, and followed."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mcp_django import Server
from mcp_django.sessions.posting import Posting
from mcp_django.sessions.registry import Registry
from mcp_django.tracing import astop, atrace, atraces
from mcp_django.tracing.carriers import short_name
from mcp_django.tracing.following import receive_lines
from mcp_django.tracing.kept import forget_trace, keep_trace, kept_traces
from mcp_django.tracing.plan import Trace
from mcp_django.tracing.switching import make_trace
from mcp_django.transports.base import Sender
from mcp_django.transports.tap import tap
from mcp_django.worker.asking import Answers, ask_over
from mcp_django.worker.channel_layers import make_service
from mcp_django.worker.operated import Operated
from mcp_django.worker.relay import Relay
from mcp_django.worker.worker import Worker, current_worker
from tests.consumers.streamable import call_of, post_modern
from tests.patience import PATIENCE_SECONDS
from tests.sessions.opening import body_of, initialize, open_session
from tests.tracing.traced import Lines, traced
from tests.worker.layers import Layer, until


@asynccontextmanager
async def two_workers(layer: Layer) -> AsyncIterator[list[Worker]]:
    """Give two workers that have heard of each other."""
    loop = asyncio.get_running_loop()
    workers = [Worker(loop, Relay(layer)) for _ in range(2)]
    try:
        for worker in workers:
            await worker.relay.open()
        await until(lambda: all(w.relay.seconds_since_peers() for w in workers))
        yield workers
    finally:
        for worker in workers:
            await worker.close_all()


async def ask(layer: Layer, nonce: str, **asked: Any) -> Answers:
    answers = Answers()
    question = {"kind": "operate", "nonce": nonce, "ask": "trace", **asked}
    await ask_over(layer, make_service("default"), question, answers)
    return answers


def everything(**more: Any) -> Trace:
    """Make a trace of everything."""
    return make_trace(None, None, True, 5.0, **{"to": "file", **more})


async def test_all_workers_begin_and_end_a_trace(folder: Path) -> None:
    """We promise it: a file for each; hearing of it twice changes nothing."""
    layer = Layer()
    async with two_workers(layer):
        trace = everything()
        for nonce in ("one", "again"):
            begun = await ask(layer, nonce, begin=trace.as_json())
        assert [w["traces"][0]["id"] for w in begun.workers] == [trace.id] * 2
        assert len({w["traces"][0]["file"] for w in begun.workers}) == 2
        ended = await ask(layer, "end", end=trace.id)
        assert [len(w["traces"]) for w in ended.workers] == [1, 1]
        listed = await ask(layer, "list")
        assert [w["traces"] for w in listed.workers] == [[], []]
    assert tap.watches == ()
    remarks = Lines(folder).remarks
    assert [remark.get("ends") for remark in remarks] == [None, "it is stopped"] * 2


async def test_relayed_message_is_seen_where_it_arrives(folder: Path) -> None:
    """We promise it: by binding "relay", with its user and session."""
    layer = Layer()
    server = Server("shop")
    async with two_workers(layer) as (one, two):
        session_id = await one.part(Posting).new_address()
        opened = open_session(session_id, server, user=User(pk=7))
        await initialize(opened)
        one.part(Registry).add(opened)
        trace = Trace(everything().until, user="7", to="file")
        one.part(Operated).answer(
            {"nonce": "n", "ask": "trace", "begin": trace.as_json()}
        )
        body = body_of("ping", id="p")
        post = two.part(Posting).post
        for owner in ("7", "8"):
            sender = Sender(headers={})
            await post(session_id, body, sender, server_name="shop", owner=owner)
    lines = Lines(folder)
    assert lines.said("binding", "direction", "user", "session") == [
        ("relay", "received", "7", short_name(session_id), "ping")
    ]
    assert session_id not in lines.text


async def test_worker_that_starts_later_takes_it_from_the_cache(folder: Path) -> None:
    """We promise it: soon after its first request; not what was ended there."""
    await keep_trace(trace := everything())
    await keep_trace(ended := everything())
    worker = current_worker()
    worker.part(Operated).answer({"nonce": "n", "ask": "trace", "end": ended.id})
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not tap.watches:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    [told] = (await atraces()).workers
    assert [running["id"] for running in told["traces"]] == [trace.id]
    await astop()
    assert await kept_traces() == []
    await worker.close_all()


async def test_trace_ends_by_itself(folder: Path) -> None:
    """We promise it: nothing is left at the tap."""
    current_worker()
    await atrace(everything=True, minutes=0.002, to_file=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while tap.watches:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert Lines(folder).remarks[-1]["ends"] == "its time is over"
    assert await kept_traces() == []


async def test_two_traces_run_beside_each_other(folder: Path) -> None:
    """We promise it: one that ends leaves the other alone."""
    async with traced(folder, user=User(pk=7)), _another():
        await post_modern(call_of("add", a=1))
    assert len(Lines(folder).entries) == 2


@asynccontextmanager
async def _another() -> AsyncIterator[None]:
    begun = await atrace(everything=True, to_file=True)
    yield
    assert len(tap.watches) == 1
    await astop(begun.trace.id)
    assert len(tap.watches) == 1


async def test_no_more_than_ten_run_at_a_time(folder: Path) -> None:
    """We chose it: who forgets to stop them is told so."""
    current_worker()
    for _ in range(10):
        await atrace(everything=True, to_file=True)
    [worker] = (await atrace(everything=True, to_file=True)).answers.workers
    assert worker["traces"][0]["problem"] == "10 traces run already; stop one"
    await astop()
    assert tap.watches == ()


async def test_folder_that_cannot_be_written_to_is_said(
    folder: Path, settings: Settings
) -> None:
    """We promise it: by each worker, and nothing begins there."""
    settings.MCP = {"TRACE_DIR": folder / "missing"}
    current_worker()
    [worker] = (await atrace(everything=True, to_file=True)).answers.workers
    assert worker["traces"][0]["problem"] == (
        "no file can be made for it: No such file or directory"
    )
    assert tap.watches == ()
    await forget_trace(None)


async def test_log_gets_the_lines(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: at level INFO; a log that shows nothing of it is said."""
    logger = logging.getLogger("mcp_django.tracing")
    current_worker()
    logger.setLevel(logging.WARNING)
    try:
        [worker] = (await atrace(everything=True)).answers.workers
        assert worker["traces"][0]["problem"].startswith("the log shows nothing")
        await astop()
        with caplog.at_level(logging.INFO, "mcp_django.tracing"):
            [worker] = (await atrace(everything=True)).answers.workers
            assert worker["traces"][0]["problem"] == ""
            await post_modern(call_of("add", a=1))
            await astop()
    finally:
        logger.setLevel(logging.NOTSET)
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line.get("direction") for line in lines] == [None, "received", "sent", None]


async def test_lines_come_to_a_program_that_follows(folder: Path) -> None:
    """We promise it, of all workers; what is lost on the way is counted."""
    layer = Layer()
    channel = await layer.new_channel()
    async with two_workers(layer):
        trace = everything(to=channel)
        await ask(layer, "begin", begin=trace.as_json())
        await post_modern(call_of("add", a=1))
        await ask(layer, "end", end=trace.id)
        lines: list[str] = []
        receiving = asyncio.create_task(receive_lines(layer, trace, lines.append))
        await until(lambda: len(lines) == 8)
        lost = {"type": "mcp.traced", "worker": "x:1", "by": "new", "sent": 3}
        await layer.send(channel, {**lost, "lines": ["{}"]})
        await until(lambda: len(lines) == 10)
        receiving.cancel()
    assert lines[-2:] == [
        "3 lines of x:1 are lost: the channel was full, or its layer away",
        "{}",
    ]
    shown = [json.loads(line) for line in lines[:8]]
    assert len([line for line in shown if line.get("direction") == "sent"]) == 2
    assert not Lines(folder).text


async def test_follower_goes_on_when_the_layer_is_back() -> None:
    """We promise it: an outage says so once, and ends no trace."""
    layer = Layer()
    channel = await layer.new_channel()
    failures = [ConnectionError("closed"), ConnectionError("refused")]

    def fail() -> None:
        if failures:
            raise failures.pop()

    layer.on_receive = fail
    lines: list[str] = []
    trace = everything(to=channel)
    receiving = asyncio.create_task(receive_lines(layer, trace, lines.append))
    message = {"type": "mcp.traced", "worker": "x:1", "by": "new"}
    for sent in range(3):
        await layer.send(channel, {**message, "sent": sent, "lines": [str(sent)]})
    await until(lambda: len(lines) == 3)
    receiving.cancel()
    assert lines == [
        "the channel layer does not answer: what is said until it does may be lost",
        "2 lines of x:1 are lost: the channel was full, or its layer away",
        "2",
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs one of user="),
        ({"everything": True, "session": "x"}, "needs one of user="),
        ({"user": User()}, "must be saved"),
        ({"session": "stolen"}, "no id of a session of this site"),
        ({"everything": True, "minutes": 61.0}, "60 at most, not 61.0"),
        ({"everything": True, "minutes": 0}, "more than 0"),
        ({"everything": True, "minutes": float("nan")}, "more than 0"),
    ],
)
async def test_what_is_traced_must_be_clear(given: Any, says: str) -> None:
    """We chose it: a slip must not trace all users, or for ever."""
    with pytest.raises(ValueError, match=says):
        await atrace(**given)


async def test_trace_that_cannot_be_written_is_said(folder: Path) -> None:
    """We promise it: a file that could be made says nothing of a disk that is full."""
    current_worker()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        [worker] = (await atrace(everything=True, to_file=True)).answers.workers
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert worker["traces"][0]["problem"] == "it cannot be written"
    assert tap.watches == ()
    await forget_trace(None)


async def test_files_need_a_folder(settings: Settings) -> None:
    """We chose it: none but one of the project's."""
    settings.MCP = {}
    with pytest.raises(ValueError, match=r"MCP\['TRACE_DIR'\] is not set"):
        await atrace(everything=True, to_file=True)


async def test_trace_that_fails_ends_and_nothing_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: a call is answered whatever happens to a trace."""
    current_worker()
    begun = await atrace(everything=True, to_file=True)
    [worker] = begun.answers.workers
    written = os.stat(worker["traces"][0]["file"])
    for descriptor in range(3, 1024):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), written):
                os.close(descriptor)
    response = await post_modern(call_of("add", a=1))
    assert response.status == 200
    assert tap.watches == ()
    assert "the trace ends, because" in caplog.text
    assert f"trace {begun.trace.id} ends: it cannot be written" in caplog.text
    await forget_trace(None)


def test_loop_that_has_ended_leaves_nothing_at_the_tap(folder: Path) -> None:
    """We promise it: a process may run one event loop after the other."""

    async def begin() -> None:
        current_worker()
        await atrace(everything=True, to_file=True)

    async def call() -> None:
        await post_modern(call_of("add", a=1))

    asyncio.run(begin())
    asyncio.run(call())
    assert tap.watches == ()
    assert Lines(folder).remarks[-1]["ends"] == "its worker has ended"
