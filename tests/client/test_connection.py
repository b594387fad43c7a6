"""Requests over one connection: how they are answered, and how they fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import JSONRPCResponse

from mcp_django.client.client import Client
from mcp_django.exceptions import (
    ErrorReceived,
    MessageLost,
    RemoteProtocolError,
    RequestFailed,
    RequestTimeout,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.transports.base import Transport
from tests.client.scripted import (
    LEGACY,
    MODERN,
    Refusal,
    Script,
    beside,
    connected,
    serving,
)
from tests.fault_lines import more, said

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)


# Answers ------------------------------------------------------------------------------


@in_both_eras
async def test_request_is_answered_by_a_result(script: Script) -> None:
    """Spec: JSON-RPC 2.0, section 5."""
    async with connected(script, more={"acme/x": {"a": 1}}) as (client, server):
        assert await client.request("acme/x", {"b": 2}) == {"a": 1}
        [params] = server.params_of("acme/x")
        assert params is not None
        assert params["b"] == 2


@in_both_eras
async def test_request_is_answered_by_an_error(script: Script) -> None:
    """Our choice: an exception that has what the server wrote."""
    refusal = Refusal(-32602, "wrong", {"why": "it is"})
    async with connected(script, more={"acme/x": refusal}) as (client, _):
        with pytest.raises(ErrorReceived) as caught:
            await client.request("acme/x")
        error = caught.value
        assert (error.code, error.message, error.data) == (
            -32602,
            "wrong",
            {"why": "it is"},
        )
        assert str(error) == "wrong (-32602)"


@in_both_eras
async def test_requests_are_answered_in_any_order(script: Script) -> None:
    """Spec: JSON-RPC 2.0, section 5: the id says what is answered."""
    async with connected(script) as (client, server):
        async with (
            beside(lambda: client.request("acme/a")) as first,
            beside(lambda: client.request("acme/b")) as second,
        ):
            request = await server.expect("acme/a")
            await server.answer(await server.expect("acme/b"), {"b": 1})
            await server.answer(request, {"a": 1})
        assert (first.result(), second.result()) == ({"a": 1}, {"b": 1})


async def test_error_without_an_id_answers_the_only_request() -> None:
    """Our choice: the server could not read it, and there is only one it can be."""
    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            await server.expect("acme/x")
            await server.send(jsonrpc.error(None, -32700, "no JSON"))
        assert isinstance(call.error, ErrorReceived)
        assert call.error.code == -32700


@pytest.mark.parametrize("id", [999, "x", "2"])
async def test_answer_to_what_was_not_asked_is_logged(
    id: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the request that waits goes on waiting."""
    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            request = await server.expect("acme/x")
            await server.send(jsonrpc.result(id, {}))
            await server.answer(request, {"a": 1})
        assert call.result() == {"a": 1}
    text = f"message ignored: answer to {id!r}, for which nobody waits"
    assert caplog.messages == [text]


async def test_first_answer_counts() -> None:
    """Our choice: a second one is ignored, like any other that nobody waits for."""
    async with connected(more={"acme/y": {"b": 2}}) as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            request = await server.expect("acme/x")
            await server.answer(request, {"a": 1})
            await server.answer(request, {"a": 2})
        assert call.result() == {"a": 1}
        assert await client.request("acme/y") == {"b": 2}


@pytest.mark.parametrize(
    ("script", "method"), [(MODERN, "server/discover"), (LEGACY, "ping")]
)
async def test_ping_is_what_the_era_has_for_it(script: Script, method: str) -> None:
    """Spec: 2025-11-25 basic/utilities/ping; the modern era has none."""
    async with connected(script, more={"ping": {}}) as (client, server):
        await client.ping()
        assert server.methods[-1] == method


# Progress -----------------------------------------------------------------------------


@in_both_eras
@pytest.mark.parametrize("is_async", [True, False])
async def test_progress_is_reported_in_order_and_before_the_answer(
    script: Script, is_async: bool
) -> None:
    """Spec: 2026-07-28 basic/patterns/progress; our choice: `def` and `async def`."""
    reports: list[Any] = []

    async def note(*report: Any) -> None:
        await anyio.lowlevel.checkpoint()
        reports.append(report)

    def note_at_once(*report: Any) -> None:
        reports.append(report)

    async def call(client: Client) -> JSONObject:
        on_progress = note if is_async else note_at_once
        result = await client.request("acme/x", on_progress=on_progress)
        reports.append("answered")
        return result

    async with connected(script) as (client, server):
        async with beside(lambda: call(client)) as called:
            request = await server.expect("acme/x")
            await server.report_progress(request, 1, total=3, message="one")
            await server.report_progress(request, 2.5)
            await server.answer(request, {"a": 1})
        assert called.result() == {"a": 1}
    assert reports == [(1.0, 3.0, "one"), (2.5, None, None), "answered"]


async def test_progress_is_wanted_only_with_somebody_to_hear_it() -> None:
    """Spec: 2026-07-28 basic/patterns/progress: a token asks for it."""
    async with connected(more={"acme/x": {}}) as (client, server):
        await client.request("acme/x")
        await client.request("acme/x", on_progress=lambda *report: None)
        first, second = server.params_of("acme/x")
        assert first is not None
        assert second is not None
        assert "progressToken" not in first["_meta"]
        assert "progressToken" in second["_meta"]


async def test_progress_that_nobody_asked_for_is_no_harm() -> None:
    """Our choice: it shows that the server works."""
    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            request = await server.expect("acme/x")
            params: JSONObject = {"progressToken": request.id, "progress": 1}
            await server.notify("notifications/progress", params)
            await wait_all_tasks_blocked()
            await server.answer(request, {})
        assert call.result() == {}


async def test_failing_progress_function_fails_the_request() -> None:
    """Our choice: it runs in the caller's task, and the server is told to stop."""

    async def fail(*report: Any) -> None:
        raise KeyError("oops")

    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x", on_progress=fail)) as call:
            request = await server.expect("acme/x")
            await server.report_progress(request, 1)
            cancelled = await server.expect_notified("notifications/cancelled")
        assert isinstance(call.error, KeyError)
        assert cancelled == {"requestId": request.id}


async def test_flood_of_progress_is_bounded() -> None:
    """Our choice: of those that wait to be looked at the oldest goes first."""
    reports: list[float] = []
    may_go_on = anyio.Event()

    async def note(progress: float, *rest: Any) -> None:
        reports.append(progress)
        await may_go_on.wait()

    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x", on_progress=note)) as call:
            request = await server.expect("acme/x")
            await server.report_progress(request, 0)
            await wait_all_tasks_blocked()
            for number in range(1, 1101):
                await server.report_progress(request, number)
            await server.answer(request, {})
            await wait_all_tasks_blocked()
            may_go_on.set()
        assert call.result() == {}
    assert reports == [0, *range(101, 1101)]


# Cancellation -------------------------------------------------------------------------


@in_both_eras
async def test_cancelled_caller_tells_the_server(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation, "Cancellation Flow"."""
    async with connected(script, more={"acme/y": {}}) as (client, server):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.request, "acme/x")
            request = await server.expect("acme/x")
            tasks.cancel_scope.cancel()
        cancelled = await server.expect_notified("notifications/cancelled")
        assert cancelled == {"requestId": request.id}
        await server.answer(request, {})
        assert await client.request("acme/y") == {}
    assert caplog.messages == []


async def test_cancelled_caller_leaves_what_it_has_not_sent() -> None:
    """Our choice: a server that reads again does not do what nobody waits for."""
    async with connected(buffer=0, more={"acme/z": {}}) as (client, server):
        server.stop_reading()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.request, "acme/x")
            await wait_all_tasks_blocked()
            tasks.start_soon(client.request, "acme/y")
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await wait_all_tasks_blocked()
                server.read_on()
        assert await client.request("acme/z") == {}
        assert "acme/y" not in server.methods


# Failures -----------------------------------------------------------------------------


async def test_requests_fail_when_the_connection_ends() -> None:
    """Our choice: at once, and the text says why if anybody knows."""
    async with connected() as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            await server.expect("acme/x")
            server.report(OSError("cable gone"))
            await server.close()
        assert isinstance(call.error, TransportClosed)
        assert str(call.error) == (
            "the connection with the server has ended: cable gone"
        )
        assert isinstance(call.error.__cause__, OSError)


async def test_transport_that_has_ended_cannot_be_opened_anew() -> None:
    """Our choice: the text says how to have it opened anew."""
    async with connected() as (client, server):
        await server.close()
        await wait_all_tasks_blocked()
        with pytest.raises(TransportClosed) as caught:
            await client.request("acme/x")
    assert str(caught.value) == (
        "the connection with the server has ended, and a transport cannot be started "
        "twice; give the client what makes one"
    )


async def test_lost_message_fails_all_requests() -> None:
    """Our choice: it may have been the answer to any of them."""
    lost = MessageLost("a line is longer than 10 bytes")
    async with connected(more={"acme/z": {}}) as (client, server):
        async with (
            beside(lambda: client.request("acme/x")) as first,
            beside(lambda: client.request("acme/y")) as second,
        ):
            await server.expect("acme/x")
            await server.expect("acme/y")
            server.report(lost)
        assert first.error is lost
        assert second.error is lost
        assert await client.request("acme/z") == {}


async def test_failure_of_one_request_concerns_no_other() -> None:
    """Our choice: a transport names the request whose answer cannot come."""
    async with connected() as (client, server):
        async with (
            beside(lambda: client.request("acme/x")) as first,
            beside(lambda: client.request("acme/y")) as second,
        ):
            request = await server.expect("acme/x")
            server.report(RequestFailed("unplugged", request_id=request.id))
            await server.answer(await server.expect("acme/y"), {})
        assert isinstance(first.error, RequestFailed)
        assert str(first.error) == "unplugged"
        assert second.result() == {}


async def test_failure_of_a_request_that_nobody_waits_for_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: it may explain what comes next."""
    async with connected(more={"acme/x": {}}) as (client, server):
        server.report(RequestFailed("unplugged", request_id=999))
        assert await client.request("acme/x") == {}
    assert caplog.messages == ["unplugged"]


class Stubborn(Transport):
    """Carries all messages but some.

    Args:
        inner: Carries them.
        refuses: Says which it does not.
        error: What it raises instead.
    """

    def __init__(
        self, inner: Transport, refuses: Callable[[Message], bool], error: Exception
    ) -> None:
        super().__init__()
        self._inner = inner
        self._refuses = refuses
        self._error = error

    async def start(self, tasks: TaskGroup) -> None:
        self._inner.on_message = self.on_message
        self._inner.on_error = self.on_error
        self._inner.on_close = self.on_close
        await self._inner.start(tasks)

    async def send(self, message: Message) -> None:
        if self._refuses(message):
            raise self._error
        await self._inner.send(message)

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize(
    "error", [ValueError("no JSON"), TransportClosed("gone"), OSError("cable gone")]
)
async def test_request_that_cannot_be_sent_fails(error: Exception) -> None:
    """Our choice: its caller sees why, also what a transport must not raise."""
    async with serving({**MODERN, "acme/y": {}}) as server:
        transport = Stubborn(server.transport, lambda m: "acme/x" in str(m), error)
        async with Client(transport) as client:
            with pytest.raises(type(error)) as caught:
                await client.request("acme/x")
            assert caught.value is error
            assert await client.request("acme/y") == {}


async def test_cancellation_that_cannot_be_sent_is_let_be() -> None:
    """Our choice: nothing depends on it."""
    error = OSError("cable gone")
    async with serving({**MODERN, "acme/y": {}}) as server:
        transport = Stubborn(server.transport, lambda m: "cancelled" in str(m), error)
        async with Client(transport) as client:
            with pytest.raises(RequestTimeout):
                await client.request("acme/x", timeout=0.05)
            assert await client.request("acme/y") == {}


async def test_answer_that_cannot_be_sent_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: the server finds out by itself."""
    error = OSError("cable gone")
    async with serving({**LEGACY, "acme/y": {}}) as server:
        transport = Stubborn(
            server.transport, lambda m: isinstance(m, JSONRPCResponse), error
        )
        async with Client(transport, roots=[]) as client:
            await server.ask("roots/list")
            await server.ask("ping")
            await wait_all_tasks_blocked()
            assert await client.request("acme/y") == {}
    assert said(caplog) == ["cable gone", "cable gone" + more(1)]


async def test_peer_that_sends_garbage_is_logged_and_listened_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: one bad message is not the end."""
    async with connected(more={"acme/x": {}}) as (client, server):
        await server.notify("notifications/progress", {"progressToken": {}})
        await server.ask("sampling/createMessage", {})
        assert await client.request("acme/x") == {}
    assert caplog.record_tuples == [
        (
            "mcp_django.client",
            logging.WARNING,
            "message ignored: notifications/progress: invalid params: "
            "progressToken.str: Input should be a valid string; progressToken.int: "
            "Input should be a valid integer; progress: Field required",
        ),
        (
            "mcp_django.client",
            logging.WARNING,
            "message ignored: request 'sampling/createMessage', which modern servers "
            "never send",
        ),
    ]


async def test_fault_of_the_server_over_http_is_raised_as_such() -> None:
    """Our choice: whose fault it was is in the type, over every transport."""
    async with connected() as (client, server):
        fault = RemoteProtocolError("no JSON")

        async def fail() -> None:
            request = await server.expect("tools/call")
            failure = RequestFailed("no answer", request_id=request.id)
            failure.__cause__ = fault
            server.transport.on_error(failure)

        async with beside(fail):
            with pytest.raises(RemoteProtocolError) as caught:
                await client.call_tool("greet")
    assert caught.value is fault


async def test_garbage_without_end_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: they are counted."""
    async with connected() as (_, server):
        for _ in range(100):
            server.transport.on_error(RemoteProtocolError("garbage"))
    assert said(caplog) == ["garbage", "garbage" + more(99)]
