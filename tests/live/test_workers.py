"""Two Daphne processes on one Redis: Streamable HTTP needs no sticky sessions."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.live.daphne import running_daphne
from tests.live.raw import BOUND, open_http
from tests.live.raw_http import (
    Answer,
    Client,
    Message,
    ModernClient,
    Session,
    open_session,
)
from tests.live.restartable import RedisServer, Worker
from tests.patience import SOON_SECONDS

pytestmark = pytest.mark.live

LAYERS = ["core", "pubsub"]
WATCHED = "test://watched-resource"
ASKABLE: Message = {"elicitation": {"form": {}}}
YES: Message = {"action": "accept", "content": {"go_on": True}}


class Pair:
    """Two workers and what joins them.

    Attributes:
        redis: Redis.
        one: A worker.
        other: Another one.
    """

    def __init__(self, folder: Path, layer: str) -> None:
        self.redis = RedisServer(folder)
        extra = {"REDIS_URL": self.redis.url, "REDIS_LAYER": layer}
        serve = partial(running_daphne, folder, extra=extra)
        self.one, self.other = Worker("one", serve), Worker("other", serve)


@pytest.fixture(scope="module", params=LAYERS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """Give two processes that are joined by one or the other channel layer."""
    pair = Pair(tmp_path_factory.mktemp(request.param), request.param)
    with ExitStack() as started:
        for process in (pair.redis, pair.one, pair.other):
            started.callback(process.stop)
            process.start()
        yield pair


def text_of(result: Message) -> str:
    """Give the text of a tool's result."""
    [block] = result["content"]
    text: str = block["text"]
    return text


async def running_on(http: httpx2.AsyncClient, worker: Worker) -> list[str]:
    """Give the ids of the calls of `slow_echo` that run on a worker."""
    result = await ModernClient(http).call(worker.url, "slow_echoes")
    running: list[str] = result["structuredContent"]["running"]
    return running


async def wait_until_running(
    http: httpx2.AsyncClient, worker: Worker, expected: list[str]
) -> None:
    """Ask which calls of `slow_echo` run until it is the expected ones."""
    with anyio.fail_after(BOUND):
        while await running_on(http, worker) != expected:
            pass


async def expect_update(stream: Answer, uri: str) -> None:
    """Receive the notification that a resource was updated, as the next message."""
    message = await stream.receive()
    assert message["method"] == "notifications/resources/updated"
    assert message["params"]["uri"] == uri


# Calls ------------------------------------------------------------------------------


async def test_every_request_works_on_either_worker(pair: Pair) -> None:
    """We promise it: no sticky sessions anywhere, in neither era."""
    chance = random.Random(1)
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        clients: list[Client] = [session, ModernClient(http)]

        async def work(client: Client) -> None:
            for number in range(10):
                url = chance.choice([pair.one, pair.other]).url
                match number % 5:
                    case 0:
                        result = await client.ask(url, "tools/list")
                        assert len(result["tools"]) > 20
                    case 1:
                        uri = "test://static-text"
                        read = await client.ask(url, "resources/read", {"uri": uri})
                        assert read["contents"][0]["uri"] == uri
                    case _:
                        result = await client.call(url, "echo", text=f"text {number}")
                        assert text_of(result) == f"text {number}"

        async with anyio.create_task_group() as tasks:
            for client in clients:
                for _ in range(10):
                    tasks.start_soon(work, client)


async def test_question_is_answered_on_the_other_worker(pair: Pair) -> None:
    """We promise it; the id of the question says where the answer has to go."""
    form = {"username": "ann", "email": "ann@example.com"}
    answer: Message = {"action": "accept", "content": form}
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        stranger = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(
            pair.one.url, "test_elicitation", message="Who are you?"
        ) as asking:
            question = await asking.receive()
            assert question["params"]["message"] == "Who are you?"
            url = pair.other.url
            assert await stranger.answer(url, question, answer) == 400
            assert await session.answer(url, question, answer) == 202
            result = await asking.receive_result()
            assert text_of(result) == f"User response: accept, {form}"
            assert await session.answer(url, question, answer) == 400


async def test_rounds_of_questions_go_on_on_the_other_worker(pair: Pair) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr; the client carries all there is."""
    params: Message = {"name": "test_input_required_result_multi_round"}
    answers = {"step1": {"name": "Ann"}, "step2": {"color": "blue"}}
    urls = [pair.one.url, pair.other.url, pair.one.url]
    async with open_http() as http:
        client = ModernClient(http, ASKABLE)
        result = await client.ask(urls[0], "tools/call", params)
        for url, (key, content) in zip(urls[1:], answers.items(), strict=True):
            assert result["resultType"] == "input_required"
            assert [*result["inputRequests"]] == [key]
            retry = {
                "requestState": result["requestState"],
                "inputResponses": {key: {"action": "accept", "content": content}},
            }
            result = await client.ask(url, "tools/call", {**params, **retry})
        assert text_of(result) == "{'name': 'Ann'}, {'color': 'blue'}"


async def test_cancellation_on_the_other_worker_stops_the_handler(pair: Pair) -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation; wherever the request runs."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        stranger = await open_session(http, pair.one.url)
        ended = anyio.Event()

        async def call() -> None:
            async with session.open_call(
                pair.one.url, "slow_echo", id="slow", text="", delay=60
            ) as answer:
                assert await answer.receive_all() == []
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await wait_until_running(http, pair.one, ["slow"])
            assert await stranger.cancel(pair.other.url, "slow") == 202
            assert await session.cancel(pair.other.url, "another") == 202
            assert await running_on(http, pair.one) == ["slow"]
            assert await session.cancel(pair.other.url, "slow") == 202
            with anyio.fail_after(BOUND):
                await ended.wait()
            await wait_until_running(http, pair.one, [])


# Change notices ---------------------------------------------------------------------


@pytest.mark.parametrize("stream_at", ["one", "other"])
async def test_change_on_one_worker_is_told_by_the_other(
    pair: Pair, stream_at: str
) -> None:
    """Spec: 2025-11-25 server/resources, "Subscriptions"; each part is anywhere."""
    stream_url, saving_url = pair.one.url, pair.other.url
    if stream_at == "other":
        stream_url, saving_url = saving_url, stream_url
    uri = "test://users/ann"
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        # There must be a row to subscribe to; made where the stream is, so that no late
        # word of it can arrive there.
        await session.call(stream_url, "save_user", username="ann", email="")
        await session.subscribe(pair.one.url, uri)
        async with session.get(stream_url) as stream:
            for user in ("bob", "ann"):
                await session.call(
                    saving_url, "save_user", username=user, email=f"{user}@example.com"
                )
            await expect_update(stream, uri)
        read = await session.ask(stream_url, "resources/read", {"uri": uri})
        assert "ann@example.com" in read["contents"][0]["text"]


async def test_listener_on_one_worker_hears_of_what_the_other_saves(
    pair: Pair,
) -> None:
    """Spec: 2026-07-28 basic/patterns/subscriptions; a real `post_save` elsewhere."""
    uri = "test://users/ann"
    async with open_http() as http:
        client = ModernClient(http)
        # Made by the worker that is listened to, where no late word of it can arrive.
        await client.call(pair.one.url, "save_user", username="ann", email="")
        async with client.listen(
            pair.one.url, resourceSubscriptions=[uri], toolsListChanged=True
        ) as stream:
            for user in ("bob", "ann"):
                await client.call(
                    pair.other.url, "save_user", username=user, email="new@example.com"
                )
            await expect_update(stream, uri)
            await client.call(pair.other.url, "test_trigger_prompt_change")
            await client.call(pair.other.url, "test_trigger_tool_change")
            message = await stream.receive()
            assert message["method"] == "notifications/tools/list_changed"


async def test_newest_standalone_stream_wins_on_any_worker(pair: Pair) -> None:
    """We promise it: the older stream ends, and is told to come back much later."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        await session.subscribe(pair.other.url, WATCHED)
        async with (
            session.get(pair.one.url) as older,
            session.get(pair.other.url) as newer,
        ):
            assert await older.receive_all() == []
            assert older.retry_ms == 10_000
            await session.call(pair.one.url, "touch", uri=WATCHED)
            await expect_update(newer, WATCHED)
            async with session.get(pair.one.url) as newest:
                assert await newer.receive_all() == []
                assert newer.retry_ms == 10_000
                await session.call(pair.one.url, "touch", uri=WATCHED)
                await expect_update(newest, WATCHED)


# Sessions ---------------------------------------------------------------------------


async def test_log_level_set_on_one_worker_is_obeyed_on_the_other(pair: Pair) -> None:
    """Spec: 2025-11-25 server/utilities/logging."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        for level, expected in (("error", 0), ("debug", 3)):
            await session.ask(pair.one.url, "logging/setLevel", {"level": level})
            async with session.open_call(
                pair.other.url, "test_tool_with_logging"
            ) as answer:
                *logged, result = await answer.receive_all()
            assert [m["method"] for m in logged] == ["notifications/message"] * expected
            assert text_of(result["result"]) == "Messages were logged."


async def test_session_goes_on_when_a_worker_restarts(pair: Pair) -> None:
    """We promise it: nothing of it was in the process."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        await session.subscribe(pair.one.url, WATCHED)
        await session.call(pair.one.url, "add", a=1, b=2)
        await pair.one.restart()
        result = await session.call(pair.one.url, "add", a=1, b=2)
        assert result["structuredContent"] == {"result": 3}
        async with session.get(pair.one.url) as stream:
            await session.call(pair.other.url, "touch", uri=WATCHED)
            await expect_update(stream, WATCHED)


async def test_session_that_was_ended_is_gone_on_every_worker(pair: Pair) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"; also for new workers."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        async with session.get(pair.other.url) as stream:
            # Both workers have looked the session up, and remember that it is open.
            assert await session.status(pair.one.url) == 200
            assert await session.status(pair.other.url) == 200
            assert await session.delete(pair.one.url) == 200
            assert await stream.receive_all() == []
        assert await session.status(pair.other.url) == 404
        await pair.other.restart()
        assert await session.status(pair.other.url) == 404


# Coming back ------------------------------------------------------------------------


async def test_stream_goes_on_on_the_other_worker_while_the_call_runs(
    pair: Pair,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(
            pair.one.url, "test_streaming_elicitation", with_progress=True
        ) as answer:
            progress = await answer.receive()
            assert progress["method"] == "notifications/progress"
        await answer_after_coming_back(pair, session, answer.last_event_id)


async def test_stream_that_the_handler_closed_goes_on_on_the_other_worker(
    pair: Pair,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(pair.one.url, "leave_and_ask") as answer:
            assert await answer.receive_all() == []
        await answer_after_coming_back(pair, session, answer.last_event_id)


async def answer_after_coming_back(
    pair: Pair, session: Session, last_event_id: str
) -> None:
    """Resume a call on the other worker, see its question and its result."""
    assert last_event_id
    async with session.get(pair.other.url, last_event_id=last_event_id) as resumed:
        question = await resumed.receive()
        assert question["method"] == "elicitation/create"
        assert await session.answer(pair.other.url, question, YES) == 202
        result = await resumed.receive_result()
        assert text_of(result).endswith(": accept")
        assert await resumed.receive_all() == []


async def test_standalone_stream_goes_on_on_the_other_worker(pair: Pair) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url)
        await session.subscribe(pair.one.url, WATCHED)
        ids = []
        async with session.get(pair.one.url) as stream:
            for _ in range(2):
                await session.call(pair.one.url, "touch", uri=WATCHED)
                await expect_update(stream, WATCHED)
                ids.append(stream.last_event_id)
        async with session.get(pair.other.url, last_event_id=ids[0]) as resumed:
            await expect_update(resumed, WATCHED)
            assert resumed.last_event_id == ids[1]
            await resumed.wait_until_open()
            # Then that everything may have changed: lists, and what it subscribed to.
            while (told := await resumed.receive())["method"].endswith("list_changed"):
                pass
            assert told["params"] == {"uri": WATCHED}
            await session.call(pair.one.url, "touch", uri=WATCHED)
            await expect_update(resumed, WATCHED)
            assert resumed.last_event_id not in ids


async def test_stream_that_was_resumed_ends_with_the_worker_of_its_call(
    pair: Pair,
) -> None:
    """We promise it: nobody waits for a result that cannot come any more."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(pair.one.url, "leave_and_ask") as left:
            assert await left.receive_all() == []
        async with session.get(
            pair.other.url, last_event_id=left.last_event_id
        ) as resumed:
            question = await resumed.receive()
            await pair.one.restart()
            *withdrawn, answer = await resumed.receive_all()
            assert answer["error"]["code"] == -32603
            for message in withdrawn:
                assert message["method"] == "notifications/cancelled"
                assert message["params"]["requestId"] == question["id"]
        assert await session.answer(pair.other.url, question, YES) == 400


# What breaks ------------------------------------------------------------------------


# Of workers the cache knows, whatever their channel layer is.
@pytest.mark.parametrize(
    ("pair", "is_killed"),
    [("core", True), ("pubsub", False)],
    ids=["killed", "stopped"],
    indirect=["pair"],
)
async def test_resumed_call_of_a_silent_worker_is_answered_once_with_an_error(
    pair: Pair, is_killed: bool
) -> None:
    """We promise it: within seconds; and a worker that wakes up answers no more."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(pair.one.url, "leave_and_ask", id="left") as left:
            assert await left.receive_all() == []
        async with session.get(
            pair.other.url, last_event_id=left.last_event_id
        ) as resumed:
            question = await resumed.receive()
            if is_killed:
                pair.one.kill()
            else:
                pair.one.freeze()
            answer = await resumed.receive()
            assert (answer["id"], answer["error"]["code"]) == ("left", -32603)
            assert await resumed.receive_all() == []
        if is_killed:
            await pair.one.restart()
        else:
            pair.one.thaw()
            assert await session.answer(pair.one.url, question, YES) == 202
            await wait_until_idle(http, pair.one)
        async with session.get(
            pair.one.url, last_event_id=left.last_event_id
        ) as resumed:
            assert await resumed.receive_all() == [question, answer]


async def wait_until_idle(http: httpx2.AsyncClient, worker: Worker) -> None:
    """Ask what is open on a worker until it is but the call that asks."""
    with anyio.fail_after(BOUND):
        while True:
            held = await ModernClient(http).call(worker.url, "holdings")
            if held["structuredContent"]["connections"] <= 1:
                return


async def test_worker_that_is_killed_takes_only_its_own_calls(pair: Pair) -> None:
    """We promise it: the client sees it at once, and goes on elsewhere."""
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        async with session.open_call(
            pair.one.url, "test_elicitation", message="Who are you?"
        ) as answer:
            question = await answer.receive()
            pair.one.kill()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pair.one.restart)
                with (
                    pytest.raises(httpx2.TransportError),
                    anyio.fail_after(SOON_SECONDS),
                ):
                    await answer.receive()
                result = await session.call(pair.other.url, "add", a=1, b=2)
                assert result["structuredContent"] == {"result": 3}
                # Not 404, at which clients would open another session; and as nobody
                # has said farewell, whoever asked may be heard of again.
                assert await session.answer(pair.other.url, question, YES) == 503
        result = await session.call(pair.one.url, "add", a=1, b=2)
        assert result["structuredContent"] == {"result": 3}


async def test_calls_go_on_while_redis_is_away(pair: Pair) -> None:
    """We promise it: only what has to go to the other worker is refused meanwhile."""
    form = {"username": "ann", "email": "ann@example.com"}
    accepted: Message = {"action": "accept", "content": form}
    async with open_http() as http:
        session = await open_session(http, pair.one.url, ASKABLE)
        modern = ModernClient(http)
        clients: list[Client] = [session, modern]
        async with (
            modern.listen(pair.one.url, resourceSubscriptions=[WATCHED]) as listening,
            session.open_call(
                pair.one.url, "test_elicitation", message="Who are you?"
            ) as asking,
        ):
            question = await asking.receive()
            await anyio.to_thread.run_sync(pair.redis.stop)
            try:
                for client in clients:
                    for worker in (pair.one, pair.other):
                        result = await client.call(worker.url, "echo", text="well")
                        assert text_of(result) == "well"
                newer = await open_session(http, pair.other.url)
                result = await newer.call(pair.one.url, "echo", text="new")
                assert text_of(result) == "new"
                assert await session.answer(pair.other.url, question, accepted) == 503
            finally:
                await anyio.to_thread.run_sync(pair.redis.start)
            await touch_until_heard(modern, pair.other, listening)
            assert await session.answer(pair.other.url, question, accepted) == 202
            result = await asking.receive_result()
            assert text_of(result) == f"User response: accept, {form}"


async def touch_until_heard(client: Client, worker: Worker, stream: Answer) -> None:
    """Change a resource again and again until a stream tells of it."""

    async def touch() -> None:
        while True:
            await client.call(worker.url, "touch", uri=WATCHED)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        await expect_update(stream, WATCHED)
        tasks.cancel_scope.cancel()
