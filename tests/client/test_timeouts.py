"""How long a client waits for an answer; the clocks of these tests jump."""

from __future__ import annotations

import math
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from anyio import sleep, wait_all_tasks_blocked
from mcp_types import ElicitResult
from mcp_types.jsonrpc import JSONRPCRequest

from mcp_django.client.client import Client
from mcp_django.exceptions import RequestTimeout, TransportClosed
from tests.client.scripted import (
    LEGACY,
    MODERN,
    Call,
    Script,
    ScriptedServer,
    beside,
    connected,
)
from tests.client.virtual_time import BACKENDS

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)
FORM = {"message": "Name?", "requestedSchema": {"type": "object", "properties": {}}}


@pytest.fixture(params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Let clocks jump: `sleep` says how much time passes, and takes none."""
    return request.param, BACKENDS[request.param]()


async def ignore(*report: Any) -> None:
    """Hear of progress."""


class Timed:
    """A request that runs beside a test, and for how many seconds it did."""

    def __init__(self, client: Client, **options: Any) -> None:
        self.seconds = 0.0
        self._client = client
        self._options = options

    async def __call__(self) -> Any:
        began = anyio.current_time()
        try:
            return await self._client.request("acme/x", **self._options)
        finally:
            self.seconds = round(anyio.current_time() - began, 1)


def running(request: Timed) -> AbstractAsyncContextManager[Call]:
    """Run a request beside the block, however long it takes."""
    return beside(request, seconds=math.inf)


def assert_timeout(error: Exception | None, text: str) -> None:
    assert isinstance(error, RequestTimeout)
    assert isinstance(error, TimeoutError)
    assert str(error) == text


# Silence ------------------------------------------------------------------------------


@in_both_eras
async def test_silence_is_a_timeout_and_the_server_is_told(script: Script) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timeouts"."""
    async with connected(script, timeout=20.0) as (client, server):
        request = Timed(client)
        with pytest.raises(RequestTimeout) as caught:
            await request()
        text = "the server did not answer 'acme/x' within 20 seconds"
        assert_timeout(caught.value, text)
        assert request.seconds == 20
        sent = await server.expect("acme/x")
        cancelled = await server.expect_notified("notifications/cancelled")
        assert cancelled == {"requestId": sent.id, "reason": "no answer in time"}


async def test_request_may_have_its_own_timeout() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timeouts": per request."""
    async with connected(timeout=20.0, max_total_timeout=30.0) as (client, server):
        for timeout in (5.0, 100.0):
            request = Timed(client, timeout=timeout)
            async with running(request) as call:
                await server.expect("acme/x")
                await sleep(timeout)
            assert_timeout(
                call.error,
                f"the server did not answer 'acme/x' within {timeout:g} seconds",
            )
            assert request.seconds == timeout


async def test_late_answer_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Behavior Requirements"."""
    async with connected(more={"acme/y": {"b": 1}}) as (client, server):
        with pytest.raises(RequestTimeout):
            await client.request("acme/x", timeout=1.0)
        await server.answer(await server.expect("acme/x"), {"a": 1})
        assert await client.request("acme/y") == {"b": 1}
    assert caplog.messages == []


async def test_timeout_says_what_went_wrong_before() -> None:
    """Our choice: it may be why there is no answer."""
    async with connected() as (client, server):
        server.report(OSError("cable loose"))
        with pytest.raises(RequestTimeout) as caught:
            await client.request("acme/x")
    assert str(caught.value) == (
        "the server did not answer 'acme/x' within 60 seconds; before that: cable loose"
    )
    assert isinstance(caught.value.__cause__, OSError)


async def test_answer_in_the_last_moment_counts() -> None:
    """Our choice: what is there is given."""
    async with connected(timeout=20.0) as (client, server):
        async with running(Timed(client)) as call:
            request = await server.expect("acme/x")
            await sleep(19.99)
            await server.answer(request, {"a": 1})
        assert call.result() == {"a": 1}


# A server that does not read ----------------------------------------------------------


async def test_server_that_does_not_read_is_not_waited_for_longer() -> None:
    """Our choice: neither the request nor its cancellation holds up the caller."""
    async with connected(buffer=0, timeout=20.0) as (client, server):
        server.stop_reading()
        for seconds in (20, 21):  # the server takes one request, and nothing after it
            request = Timed(client)
            with pytest.raises(RequestTimeout):
                await request()
            assert request.seconds == pytest.approx(seconds, abs=1)
        server.read_on()
        await wait_all_tasks_blocked()
        assert server.methods.count("acme/x") == 1


async def test_server_that_does_not_read_does_not_hold_up_the_end() -> None:
    """Our choice: `close` is bounded, and requests that wait fail."""
    async with connected(buffer=0, timeout=20.0) as (client, server):
        server.stop_reading()
        is_closed = anyio.Event()

        async def request() -> None:
            with pytest.raises(TransportClosed):
                await client.request("acme/x")
            with pytest.raises(TransportClosed):
                await client.request("acme/x")
            is_closed.set()

        async with beside(request):
            await wait_all_tasks_blocked()
            await server.close()
            await is_closed.wait()


# Progress -----------------------------------------------------------------------------


@in_both_eras
async def test_progress_is_a_sign_of_life(script: Script) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timeouts"."""
    async with connected(script, timeout=20.0) as (client, server):
        request = Timed(client, on_progress=ignore)
        async with running(request) as call:
            sent = await server.expect("acme/x")
            for number in range(5):
                await sleep(19)
                await server.report_progress(sent, number)
            await sleep(19)
            await server.answer(sent, {"a": 1})
        assert call.result() == {"a": 1}
        assert request.seconds == 6 * 19


async def report_for_ever(server: ScriptedServer, sent: JSONRPCRequest) -> None:
    """Report progress every ten seconds, to the end of the world."""
    number = 0
    while True:
        await sleep(10)
        await server.report_progress(sent, number)
        number += 1


async def test_progress_for_ever_is_a_timeout_at_last() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Timeouts": always a maximum."""
    async with connected(timeout=20.0, max_total_timeout=100.0) as (client, server):
        request = Timed(client, on_progress=ignore)
        async with anyio.create_task_group() as tasks:

            async def report() -> None:
                await report_for_ever(server, await server.expect("acme/x"))

            tasks.start_soon(report)
            with pytest.raises(RequestTimeout) as caught:
                await request()
            tasks.cancel_scope.cancel()
        text = "the server did not answer 'acme/x' within 100 seconds"
        assert_timeout(caught.value, text)
        assert request.seconds == 100


async def test_own_timeout_may_be_longer_than_the_maximum() -> None:
    """Our choice: whoever says so has reasons."""
    async with connected(timeout=20.0, max_total_timeout=100.0) as (client, _):
        request = Timed(client, timeout=200.0)
        with pytest.raises(RequestTimeout):
            await request()
        assert request.seconds == 200


async def test_progress_of_another_request_is_no_sign_of_life() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation: corresponding to the request."""
    async with connected(timeout=20.0) as (client, server):
        slow, other = Timed(client), Timed(client, on_progress=ignore)
        async with running(slow) as first, running(other) as second:
            await server.expect("acme/x")
            await sleep(15)
            sent = [m for m in server.received if isinstance(m, JSONRPCRequest)][1:]
            [alive] = [m for m in sent if "progressToken" in (m.params or {})["_meta"]]
            await server.report_progress(alive, 1)
            await sleep(15)
            await server.answer(alive, {})
        assert isinstance(first.error, RequestTimeout)
        assert slow.seconds == 20
        assert second.result() == {}


async def test_slow_progress_function_is_no_silence_of_the_server() -> None:
    """Our choice: also when the next report, and the answer, come meanwhile."""
    reports: list[float] = []

    async def note(progress: float, *rest: Any) -> None:
        await sleep(1000)
        reports.append(progress)

    async with connected(timeout=20.0, max_total_timeout=100.0) as (client, server):
        request = Timed(client, on_progress=note)
        async with running(request) as call:
            sent = await server.expect("acme/x")
            await server.report_progress(sent, 1)
            await sleep(500)
            await server.report_progress(sent, 2)
            await sleep(100)
            await server.answer(sent, {"a": 1})
        assert call.result() == {"a": 1}
        assert reports == [1.0, 2.0]
        assert request.seconds == 2000


# Questions of the server --------------------------------------------------------------


@pytest.mark.parametrize("seconds_to_answer", [19.0, 10_000.0])
async def test_time_stands_still_while_the_server_waits_for_us(
    seconds_to_answer: float,
) -> None:
    """Our choice: a user may think about a form for as long as it takes."""

    async def elicit(params: Any) -> ElicitResult:
        await sleep(seconds_to_answer)
        return ElicitResult(action="decline")

    options: dict[str, Any] = {"timeout": 20.0, "max_total_timeout": 100.0}
    async with connected(LEGACY, on_elicit=elicit, **options) as (client, server):
        request = Timed(client)
        async with running(request) as call:
            await server.expect("acme/x")
            await sleep(19)
            question = await server.ask("elicitation/create", FORM)
            await sleep(seconds_to_answer + 1)
            assert server.answers_to(question) != []
            assert call.error is None
        # After the answer the silence is counted from the beginning.
        assert isinstance(call.error, RequestTimeout)
        assert request.seconds == 19 + seconds_to_answer + 20


async def test_time_for_answers_does_not_count_for_the_maximum() -> None:
    """Our choice: it is ours, not the server's."""

    async def elicit(params: Any) -> ElicitResult:
        await sleep(1000)
        return ElicitResult(action="decline")

    options: dict[str, Any] = {"timeout": 90.0, "max_total_timeout": 100.0}
    async with connected(LEGACY, on_elicit=elicit, **options) as (client, server):
        request = Timed(client)
        async with running(request) as call:
            await server.expect("acme/x")
            await sleep(60)
            await server.ask("elicitation/create", FORM)
        text = "the server did not answer 'acme/x' within 100 seconds"
        assert_timeout(call.error, text)
        assert request.seconds == 1100


async def test_time_stands_still_until_the_last_of_several_questions() -> None:
    """Our choice: progress meanwhile, and answers to some of them, change nothing."""

    async def elicit(params: Any) -> ElicitResult:
        await sleep(float(params.message))
        return ElicitResult(action="decline")

    async with connected(LEGACY, on_elicit=elicit, timeout=20.0) as (client, server):
        request = Timed(client, on_progress=ignore)
        async with running(request) as call:
            sent = await server.expect("acme/x")
            await server.ask("elicitation/create", {**FORM, "message": "50"})
            await server.ask("elicitation/create", {**FORM, "message": "300"})
            await sleep(100)
            await server.report_progress(sent, 1)
            await sleep(100)
            assert call.error is None
        assert request.seconds == 320


async def test_request_that_a_question_gives_rise_to_has_its_own_time() -> None:
    """Our choice: nobody waits for ever for what answers a question."""
    clients: list[Client] = []
    inner: list[Timed] = []

    async def elicit(params: Any) -> ElicitResult:
        inner.append(Timed(clients[0], timeout=30.0))
        with pytest.raises(RequestTimeout):
            await inner[0]()
        return ElicitResult(action="decline")

    async with connected(LEGACY, timeout=20.0, on_elicit=elicit) as (client, server):
        clients.append(client)
        question = await server.ask("elicitation/create", FORM)
        await sleep(40)
        assert server.answers_to(question) != []
        assert inner[0].seconds == 30
