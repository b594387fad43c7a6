"""Connections and sessions that are lost, and opened anew by the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import sleep_forever, wait_all_tasks_blocked
from anyio.abc import TaskGroup

from mcp_django.client.client import Client
from mcp_django.exceptions import (
    ErrorReceived,
    MCPError,
    RequestTimeout,
    SessionLost,
    TransportClosed,
)
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.transports.base import Transport
from tests.client.scripted import (
    DISCOVERED,
    INITIALIZED,
    LATEST_LEGACY,
    LEGACY,
    MODERN,
    Refusal,
    Script,
    ScriptedServer,
    ScriptedServers,
    Silence,
    beside,
    connected,
)
from tests.fault_lines import more, said

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)
X: Script = {"acme/x": {"a": 1}}


@asynccontextmanager
async def one_after_the_other(
    *scripts: Script, **options: Any
) -> AsyncIterator[tuple[Client, ScriptedServers]]:
    """Connect a client with the first of several servers."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, *scripts)
        async with Client(servers, **options) as client:
            yield client, servers
        tasks.cancel_scope.cancel()


# Connections --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "talk"),
    [
        (MODERN, ["server/discover", "acme/x"]),
        # What it is does not change: there is no need to find out.
        (LEGACY, ["initialize", "notifications/initialized", "acme/x"]),
    ],
)
async def test_lost_connection_is_opened_anew_by_the_next_request(
    script: Script, talk: list[str]
) -> None:
    """Spec: 2026-07-28 basic/versioning: clients should cache the era."""
    async with one_after_the_other({**script, **X}) as (client, servers):
        async with beside(lambda: client.request("acme/y")) as call:
            await servers.made[0].expect("acme/y")
            await servers.made[0].close()
        assert isinstance(call.error, TransportClosed)
        await wait_all_tasks_blocked()
        assert len(servers.made) == 1
        assert await client.request("acme/x") == {"a": 1}
        assert servers.made[1].methods == talk


async def test_requests_at_once_open_one_connection() -> None:
    """Our choice: the others wait for the first."""
    async with one_after_the_other(MODERN, {}) as (client, servers):
        await servers.made[0].close()
        await wait_all_tasks_blocked()
        async with (
            beside(lambda: client.request("acme/x")) as first,
            beside(lambda: client.request("acme/y")) as second,
        ):
            await wait_all_tasks_blocked()
            [_, server] = servers.made
            await server.answer(await server.expect("server/discover"), DISCOVERED)
            await server.answer(await server.expect("acme/x"), {"a": 1})
            await server.answer(await server.expect("acme/y"), {"b": 1})
        assert (first.result(), second.result()) == ({"a": 1}, {"b": 1})
        assert len(servers.made) == 2


async def test_server_that_has_become_another_is_found_out_anew() -> None:
    """Spec: 2026-07-28 basic/versioning: re-probe if the cached assumption fails."""
    old: Script = {**LEGACY, **X}
    async with one_after_the_other(MODERN, old) as (client, servers):
        await servers.made[0].close()
        await wait_all_tasks_blocked()
        with pytest.raises(ErrorReceived):
            await client.request("acme/x")
        assert await client.request("acme/x") == {"a": 1}
        assert client.version == LATEST_LEGACY
        assert [server.is_closed for server in servers.made] == [True, True, False]


async def test_connection_that_cannot_be_opened_anew_is_tried_again() -> None:
    """Our choice: a server that comes back is found by the request after that."""
    async with one_after_the_other(MODERN, {}, {**MODERN, **X}) as (client, servers):
        await servers.made[0].close()
        await wait_all_tasks_blocked()
        async with beside(lambda: client.request("acme/x")) as call:
            await wait_all_tasks_blocked()
            await servers.made[1].close()
        assert isinstance(call.error, TransportClosed)
        assert await client.request("acme/x") == {"a": 1}


async def test_opening_anew_does_not_take_longer_than_an_answer_may() -> None:
    """Our choice: whoever waits for a request does not care why."""
    async with one_after_the_other(MODERN, {}, {**MODERN, **X}) as (client, servers):
        await servers.made[0].close()
        await wait_all_tasks_blocked()
        with pytest.raises(RequestTimeout) as caught:
            await client.request("acme/x", timeout=0.05)
        assert str(caught.value) == (
            "there was no connection with the server again within 0.05 seconds"
        )
        assert await client.request("acme/x") == {"a": 1}
        assert servers.made[1].is_closed


async def test_opening_anew_ends_with_the_client() -> None:
    """Our choice: what is opened meanwhile is closed."""
    async with anyio.create_task_group() as tasks:
        servers = ScriptedServers(tasks, MODERN, {})
        client = Client(servers)
        is_open = anyio.Event()

        async def request() -> None:
            await is_open.wait()
            await client.request("acme/x")

        async with beside(request) as call, client:
            await servers.made[0].close()
            await wait_all_tasks_blocked()
            is_open.set()
            await wait_all_tasks_blocked()
        assert isinstance(call.error, MCPError)
        await servers.made[1].until_closed()
        tasks.cancel_scope.cancel()


class Mute(Transport):
    """Takes all messages and says nothing, not even that it is closed.

    Args:
        fails: Whether it fails to close.
    """

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self._fails = fails

    async def start(self, tasks: TaskGroup) -> None:
        pass

    async def send(self, message: Message) -> None:
        pass

    async def close(self) -> None:
        if self._fails:
            raise OSError("stuck")


async def test_opening_for_the_first_time_ends_with_the_client() -> None:
    """Our choice: also where the transport has no task that could be cancelled."""
    transports: list[Transport] = []
    async with anyio.create_task_group() as tasks:
        server = ScriptedServer(MODERN)
        await server.start(tasks)
        transports += [server.transport, Mute()]
        client, is_open = Client(lambda: transports.pop(0)), anyio.Event()

        async def request() -> None:
            await is_open.wait()
            await client.request("acme/x")

        async with beside(request) as call, client:
            await server.close()
            await wait_all_tasks_blocked()
            is_open.set()
            await wait_all_tasks_blocked()
            assert transports == []
        assert isinstance(call.error, TransportClosed)


async def test_transport_that_fails_to_close_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: all else is closed, and the caller learns what went wrong first."""
    client = Client(Mute(fails=True), timeout=0.05, probe_timeout=0.05)
    with pytest.raises(RequestTimeout):
        await client.__aenter__()
    text = "the connection with the server was not closed well; see the error"
    assert said(caplog) == [text, f"{text}: OSError{more(1)}"]


# Sessions -----------------------------------------------------------------------------


async def test_request_refused_for_its_lost_session_is_sent_again() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": a new session; our
    choice: what was refused was not carried out, and nothing else is sent again."""
    async with connected(LEGACY) as (client, server):
        async with (
            beside(lambda: client.request("acme/x")) as refused,
            beside(lambda: client.request("acme/y")) as other,
        ):
            first = await server.expect("acme/x")
            going_on = await server.expect("acme/y")
            server.report(SessionLost("unknown session", request_id=first.id))
            again = await server.expect("acme/x")
            assert again.id != first.id
            await server.answer(again, {"a": 1})
            await server.answer(going_on, {"b": 1})
        assert (refused.result(), other.result()) == ({"a": 1}, {"b": 1})
        assert server.methods[5:] == [
            "initialize",
            "notifications/initialized",
            "acme/x",
        ]


async def test_session_lost_by_itself_fails_what_is_under_way() -> None:
    """Our choice: nobody knows whether it was carried out; the next request goes on."""
    lost = SessionLost("the stream has ended")
    async with connected(LEGACY, more=X) as (client, server):
        async with (
            beside(lambda: client.request("acme/y")) as first,
            beside(lambda: client.request("acme/y")) as second,
        ):
            await server.expect("acme/y")
            await server.expect("acme/y")
            server.report(lost)
        assert first.error is lost
        assert second.error is lost
        assert server.methods.count("initialize") == 1
        assert await client.request("acme/x") == {"a": 1}
        assert server.methods.count("initialize") == 2
        assert server.methods.count("acme/y") == 2


async def test_request_is_sent_again_once() -> None:
    """Our choice: a server that forgets each session at once does not keep us busy."""
    async with connected(LEGACY) as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            for _ in range(2):
                request = await server.expect("acme/x")
                server.report(SessionLost("unknown session", request_id=request.id))
        assert isinstance(call.error, SessionLost)
        assert server.methods.count("acme/x") == 2


async def test_requests_wait_while_a_session_is_opened() -> None:
    """Our choice: meanwhile nobody knows what to speak."""
    answers: list[Any] = [INITIALIZED, Silence()]
    async with connected(LEGACY, more={"initialize": answers, "acme/y": {}}) as (
        client,
        server,
    ):
        async with (
            beside(lambda: client.request("acme/x")) as first,
            beside(lambda: client.request("acme/x")) as second,
        ):
            one = await server.expect("acme/x")
            await server.expect("initialize")
            server.report(SessionLost("unknown session", request_id=one.id))
            opening = await server.expect("initialize")
            async with beside(lambda: client.request("acme/y")) as third:
                await wait_all_tasks_blocked()
                assert "acme/y" not in server.methods
                await server.answer(opening, INITIALIZED)
            await server.answer(await server.expect("acme/x"), {"a": 1})
            await server.answer(await server.expect("acme/x"), {"a": 2})
        assert third.result() == {}
        results = [first.result()["a"], second.result()["a"]]
        assert sorted(results) == [1, 2]


@pytest.mark.parametrize("answer", [Refusal(-32603, "busy"), {"protocolVersion": 7}])
async def test_session_that_cannot_be_opened_is_tried_again(answer: Any) -> None:
    """Our choice: whoever needs it learns why, and the next one tries again."""
    answers: list[Any] = [INITIALIZED, answer, INITIALIZED]
    async with connected(LEGACY, more={"initialize": answers, **X}) as (client, server):
        server.report(SessionLost("the stream has ended"))
        with pytest.raises(MCPError) as caught:
            await client.request("acme/x")
        assert not isinstance(caught.value, SessionLost)
        assert await client.request("acme/x") == {"a": 1}


async def test_session_that_cannot_be_opened_takes_its_connection_along() -> None:
    """Our choice: if there can be another one, nothing late is mistaken in it."""
    answers: list[Any] = [INITIALIZED, Refusal(-32603, "busy")]
    first: Script = {**LEGACY, "initialize": answers}
    async with one_after_the_other(first, {**LEGACY, **X}) as (client, servers):
        servers.made[0].report(SessionLost("the stream has ended"))
        with pytest.raises(ErrorReceived, match="busy"):
            await client.request("acme/x")
        assert await client.request("acme/x") == {"a": 1}
        assert [server.is_closed for server in servers.made] == [True, False]


async def test_cancelled_opening_of_a_session_is_tried_again() -> None:
    """Our choice: the next request does not find a session that is half open."""
    answers: list[Any] = [INITIALIZED, Silence(), INITIALIZED]
    async with connected(LEGACY, more={"initialize": answers, **X}) as (client, server):
        server.report(SessionLost("the stream has ended"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.request, "acme/x")
            await server.expect("initialize")
            await server.expect("initialize")
            tasks.cancel_scope.cancel()
        assert await client.request("acme/x") == {"a": 1}


async def test_version_of_the_new_session_counts() -> None:
    """Our choice: a server may have been replaced by another one."""
    older = {**INITIALIZED, "protocolVersion": "2025-03-26"}
    answers: list[Any] = [INITIALIZED, older]
    async with connected(LEGACY, more={"initialize": answers, **X}) as (client, server):
        server.report(SessionLost("the stream has ended"))
        await client.request("acme/x")
        assert client.version == "2025-03-26"
        assert server.transport.takes_batches


@pytest.mark.parametrize("request_id", [True, False])
async def test_questions_of_a_lost_session_are_not_answered(request_id: bool) -> None:
    """Our choice: their ids mean something else in the next one."""
    cancelled = anyio.Event()

    async def elicit(params: Any) -> Any:
        try:
            await sleep_forever()
        finally:
            cancelled.set()

    form: JSONObject = {
        "message": "?",
        "requestedSchema": {"type": "object", "properties": {}},
    }
    async with connected(LEGACY, on_elicit=elicit) as (client, server):
        async with beside(lambda: client.request("acme/x")):
            request = await server.expect("acme/x")
            question = await server.ask("elicitation/create", form)
            await wait_all_tasks_blocked()
            id = request.id if request_id else None
            server.report(SessionLost("unknown session", request_id=id))
            await cancelled.wait()
            if request_id:
                await server.answer(await server.expect("acme/x"), {})
        assert server.answers_to(question) == []


async def test_log_level_is_restored_with_the_session() -> None:
    """Our choice: what was set in the last one is set in the next."""
    more: Script = {"logging/setLevel": {}, **X}
    async with connected(LEGACY, more=more) as (client, server):
        await client.set_log_level("info")
        server.report(SessionLost("the stream has ended"))
        await client.request("acme/x")
        assert server.params_of("logging/setLevel") == [{"level": "info"}] * 2
        assert server.methods[-2:] == ["logging/setLevel", "acme/x"]


async def test_log_level_is_set_in_the_session_after_a_lost_one() -> None:
    """Our choice: this request, too, is sent again if it was refused."""
    async with connected(LEGACY) as (client, server):
        async with beside(lambda: client.set_log_level("info")) as call:
            refused = await server.expect("logging/setLevel")
            server.report(SessionLost("unknown session", request_id=refused.id))
            for _ in range(2):  # of the new session, and the request itself
                await server.answer(await server.expect("logging/setLevel"), {})
        call.result()
