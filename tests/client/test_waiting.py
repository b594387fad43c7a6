"""Threads that wait for an answer, and what they do meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from mcp_types import ElicitResult

from mcp_django.client.sync import SyncClient
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.played import connected
from tests.client.scripted import LEGACY, MODERN, Script, ScriptedServer
from tests.patience import PATIENCE_SECONDS

FORM: JSONObject = {
    "message": "Name?",
    "requestedSchema": {"type": "object", "properties": {}},
}
ASKING: JSONObject = {
    "resultType": "input_required",
    "inputRequests": {"a": {"method": "elicitation/create", "params": FORM}},
}
DONE: JSONObject = {"content": [{"type": "text", "text": "done"}]}
X: Script = {"acme/x": {"a": 1}}


class Stop(BaseException):
    """What is no `Exception`, like `KeyboardInterrupt`."""


# Which thread -------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [True, False])
def test_progress_is_told_in_the_thread_that_waits(is_async: bool) -> None:
    """Our choice: `def` functions, which may use its database connection."""
    reports: list[Any] = []
    threads: set[int] = set()

    def note(*report: Any) -> None:
        threads.add(threading.get_ident())
        reports.append(report)

    async def note_in_the_loop(*report: Any) -> None:
        note(*report)

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("tools/call")
        for number in range(3):
            await server.report_progress(request, number)
        await server.answer(request, DONE)

    with connected(play=play) as (client, _):
        client.call_tool("a", on_progress=note_in_the_loop if is_async else note)
    assert reports == [(float(number), None, None) for number in range(3)]
    assert (threads == {threading.get_ident()}) is not is_async


@pytest.mark.parametrize("script", [MODERN, LEGACY])
def test_questions_are_answered_in_the_thread_that_waits(script: Script) -> None:
    """Our choice: in both eras."""
    threads: list[int] = []

    def elicit(params: Any) -> ElicitResult:
        threads.append(threading.get_ident())
        return ElicitResult(action="decline")

    async def play(server: ScriptedServer) -> None:
        first = await server.expect("tools/call")
        if script is MODERN:
            await server.answer(first, ASKING)
            first = await server.expect("tools/call")
        else:
            await server.answer_to(await server.ask("elicitation/create", FORM))
        await server.answer(first, DONE)

    with connected(script, play, on_elicit=elicit) as (client, _):
        client.call_tool("a")
    assert threads == [threading.get_ident()]


def test_each_of_several_threads_hears_of_its_own_request() -> None:
    """Our choice: not the last one that began to wait."""
    heard: dict[float, int] = {}

    def note(progress: float, *rest: Any) -> None:
        heard[progress] = threading.get_ident()

    async def play(server: ScriptedServer) -> None:
        requests = [await server.expect("tools/call") for _ in range(3)]
        for request in requests:
            await server.report_progress(request, (request.params or {})["name"])
        for request in requests:
            await server.answer(request, DONE)

    def call(client: SyncClient, name: str) -> int:
        client.call_tool(name, on_progress=note)
        return threading.get_ident()

    with connected(play=play) as (client, _), ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(call, client, name) for name in "012"]
        threads = [each.result(timeout=PATIENCE_SECONDS) for each in calls]
    assert heard == {float(number): thread for number, thread in enumerate(threads)}
    assert len(set(threads)) == 3


def test_question_that_nobody_waits_for_is_answered_in_another_thread() -> None:
    """Our choice: rather than not at all."""
    threads: list[threading.Thread] = []
    is_answered = threading.Event()

    def elicit(params: Any) -> ElicitResult:
        threads.append(threading.current_thread())
        return ElicitResult(action="decline")

    async def play(server: ScriptedServer) -> None:
        await server.expect_notified("notifications/initialized")
        await server.answer_to(await server.ask("elicitation/create", FORM))
        is_answered.set()

    with connected(LEGACY, play, on_elicit=elicit):
        assert is_answered.wait(5)
    assert threads != [threading.current_thread()]


@pytest.mark.parametrize("script", [MODERN, LEGACY])
def test_function_may_use_the_client(script: Script) -> None:
    """Our choice: also in the thread that waits already."""
    found: list[JSONObject] = []
    clients: list[SyncClient] = []

    def elicit(params: Any) -> ElicitResult:
        found.append(clients[0].request("acme/x"))
        return ElicitResult(action="decline")

    async def play(server: ScriptedServer) -> None:
        first = await server.expect("tools/call")
        if script is MODERN:
            await server.answer(first, ASKING)
            first = await server.expect("tools/call")
        else:
            await server.answer_to(await server.ask("elicitation/create", FORM))
        await server.answer(first, DONE)

    with connected(script, play, more=X, on_elicit=elicit) as (client, _):
        clients.append(client)
        client.call_tool("a")
    assert found == [{"a": 1}]


def test_question_that_was_cancelled_is_not_put_to_the_user() -> None:
    """Our choice: the thread is busy with the first; nobody wants the second."""
    asked: list[str] = []
    may_answer = threading.Event()

    def elicit(params: Any) -> ElicitResult:
        asked.append(params.message)
        assert may_answer.wait(5)
        return ElicitResult(action="decline")

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("acme/y")
        first = await server.ask("elicitation/create", {**FORM, "message": "1"})
        second = await server.ask("elicitation/create", {**FORM, "message": "2"})
        await anyio.wait_all_tasks_blocked()
        await server.notify("notifications/cancelled", {"requestId": second})
        await server.ask("ping", id="p")
        await server.answer_to("p")
        await anyio.wait_all_tasks_blocked()
        may_answer.set()
        await server.answer_to(first)
        await server.answer(request, {})

    with connected(LEGACY, play, on_elicit=elicit) as (client, _):
        client.request("acme/y")
    assert asked == ["1"]


def test_job_of_a_thread_that_has_its_answer_goes_to_another() -> None:
    """Our choice: who has what it waited for does not work for others."""
    threads: dict[str, int] = {}
    is_asked, may_answer = threading.Event(), threading.Event()
    is_answered = threading.Event()

    def elicit(params: Any) -> ElicitResult:
        threads[params.message] = threading.get_ident()
        is_asked.set()
        if params.message == "1":
            assert may_answer.wait(5)
        return ElicitResult(action="decline")

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("acme/y")
        first = await server.ask("elicitation/create", {**FORM, "message": "1"})
        assert await anyio.to_thread.run_sync(is_asked.wait, 5)
        # The thread is busy, and has what it waits for and another question before it.
        await server.answer(request, {})
        await anyio.wait_all_tasks_blocked()
        second = await server.ask("elicitation/create", {**FORM, "message": "2"})
        await anyio.wait_all_tasks_blocked()
        may_answer.set()
        await server.answer_to(first)
        await server.answer_to(second)
        is_answered.set()

    with connected(LEGACY, play, on_elicit=elicit) as (client, _):
        client.request("acme/y")
        assert is_answered.wait(5)
    assert threads["1"] == threading.get_ident()
    assert threads["2"] != threading.get_ident()


# Interruptions ------------------------------------------------------------------------


def test_interrupted_progress_function_interrupts_the_request() -> None:
    """Our choice: Ctrl-C reaches the thread that was interrupted, and the server is
    told; the client can be used on."""
    stop = Stop()
    cancelled: list[Any] = []

    def note(*report: Any) -> None:
        raise stop

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("acme/y")
        await server.report_progress(request, 1)
        cancelled.append(await server.expect_notified("notifications/cancelled"))

    with connected(play=play, more=X) as (client, _):
        with pytest.raises(Stop) as caught:
            client.request("acme/y", on_progress=note)
        assert caught.value is stop
        assert client.request("acme/x") == {"a": 1}
    assert len(cancelled) == 1


def test_failing_progress_function_fails_the_request() -> None:
    """Our choice: as if it had been called where the waiting is, which it was."""
    error = KeyError("oops")

    def note(*report: Any) -> None:
        raise error

    async def play(server: ScriptedServer) -> None:
        await server.report_progress(await server.expect("acme/y"), 1)

    with connected(play=play, more=X) as (client, _):
        with pytest.raises(KeyError) as caught:
            client.request("acme/y", on_progress=note)
        assert caught.value is error
        assert client.request("acme/x") == {"a": 1}


@pytest.mark.parametrize("script", [MODERN, LEGACY])
def test_interrupted_answer_interrupts_the_request(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the server learns nothing but that it failed, and no log speaks of
    a failure: whoever pressed Ctrl-C knows."""
    answers: list[Any] = []

    def elicit(params: Any) -> ElicitResult:
        raise Stop

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("tools/call")
        if script is MODERN:
            await server.answer(request, ASKING)
        else:
            question = await server.ask("elicitation/create", FORM)
            answers.append(await server.answer_to(question))

    with connected(script, play, more=X, on_elicit=elicit) as (client, _):
        with pytest.raises(Stop):
            client.call_tool("a")
        assert client.request("acme/x") == {"a": 1}
    if script is LEGACY:
        assert [each.error.message for each in answers] == ["Internal error"]
    assert caplog.messages == []


@pytest.mark.parametrize("error", [SystemExit(3), KeyError("oops")])
def test_interruption_of_another_thread_does_not_end_the_client(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: `sys.exit` in a function that nobody waits for is a failure of it."""
    was_heard = threading.Event()

    def hear(*said: Any) -> None:
        was_heard.set()
        raise error

    async def play(server: ScriptedServer) -> None:
        await server.notify("acme/news")

    with connected(play=play, more=X, on_notification=hear) as (client, _):
        assert was_heard.wait(5)
        assert client.request("acme/x") == {"a": 1}
    assert caplog.messages == ["the function that hears 'acme/news' failed; mend it"]
    assert repr(error) in caplog.text or isinstance(error, KeyError)


@pytest.mark.parametrize("error", [KeyError("oops"), Stop()])
def test_exception_of_the_block_comes_out_as_it_is(error: BaseException) -> None:
    """Our choice: callers catch what they raise, and no group of one."""
    with pytest.raises(type(error)) as caught, connected():
        raise error
    assert caught.value is error
