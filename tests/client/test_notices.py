"""Functions that hear what a server notifies of."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from mcp_types import LoggingMessageNotificationParams

from mcp_django.client.client import Client
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.scripted import LEGACY, MODERN, PATIENCE_SECONDS, Script, connected
from tests.fault_lines import more, said
from tests.server.stray_errors import STRAYS

ERAS: dict[str, Script] = {"modern": MODERN, "legacy": LEGACY}
in_both_eras = pytest.mark.parametrize("script", ERAS.values(), ids=ERAS)


class Witness:
    """Notes what it hears, and can be waited for."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.threads: list[int] = []

    async def hear(self, *said: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self.heard.append(said)

    def hear_at_once(self, *said: Any) -> None:
        self.threads.append(threading.get_ident())
        self.heard.append(said)

    async def until(self, count: int) -> list[Any]:
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(self.heard) < count:
                await anyio.lowlevel.checkpoint()
        return self.heard


@in_both_eras
@pytest.mark.parametrize("is_async", [True, False])
async def test_log_messages_are_heard(script: Script, is_async: bool) -> None:
    """Spec: 2025-11-25 server/utilities/logging, "Log Message Notifications"."""
    witness = Witness()
    on_log = witness.hear if is_async else witness.hear_at_once
    async with connected(script, on_log=on_log) as (_, server):
        said: list[JSONObject] = [
            {"level": "info", "data": "hello"},
            {"level": "error", "logger": "shop", "data": {"a": [1]}},
        ]
        for params in said:
            await server.notify("notifications/message", params)
        assert await witness.until(2) == [
            (LoggingMessageNotificationParams.model_validate(params),)
            for params in said
        ]
    assert threading.get_ident() not in witness.threads


@in_both_eras
async def test_other_notifications_are_heard(script: Script) -> None:
    """Our choice: method and params as they came; log messages only by `on_log`."""
    witness = Witness()
    async with connected(script, on_notification=witness.hear) as (_, server):
        await server.notify("notifications/message", {"level": "info", "data": 1})
        await server.notify("notifications/tools/list_changed")
        await server.notify("acme/news", {"a": 1})
        assert await witness.until(2) == [
            ("notifications/tools/list_changed", {}),
            ("acme/news", {"a": 1}),
        ]


async def test_functions_are_called_one_after_the_other() -> None:
    """Our choice: in the order of the notifications, whatever kind they are."""
    heard: list[str] = []
    may_go_on = anyio.Event()

    async def hear_log(params: LoggingMessageNotificationParams) -> None:
        heard.append(str(params.data))
        await may_go_on.wait()

    async def hear(method: str, params: JSONObject) -> None:
        heard.append(method)

    async with connected(on_log=hear_log, on_notification=hear) as (_, server):
        await server.notify("notifications/message", {"level": "info", "data": "a"})
        await server.notify("acme/b")
        await server.notify("notifications/message", {"level": "info", "data": "c"})
        await wait_all_tasks_blocked()
        assert heard == ["a"]
        may_go_on.set()
        await wait_all_tasks_blocked()
        assert heard == ["a", "acme/b", "c"]


async def test_functions_may_use_the_client() -> None:
    """Our choice: they hold up nothing that is read."""
    heard: list[Any] = []
    clients: list[Client] = []

    async def hear(method: str, params: JSONObject) -> None:
        heard.append(await clients[0].request("acme/x"))

    async with connected(more={"acme/x": {"a": 1}}, on_notification=hear) as (
        client,
        server,
    ):
        clients.append(client)
        await server.notify("acme/news")
        await server.until(lambda: "acme/x" in server.methods)
        await wait_all_tasks_blocked()
        assert heard == [{"a": 1}]


async def test_failing_function_is_logged_and_called_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: one bad notification is not the end."""
    heard: list[str] = []

    async def hear(method: str, params: JSONObject) -> None:
        heard.append(method)
        raise KeyError("oops")

    async with connected(on_notification=hear, on_log=hear) as (_, server):
        await server.notify("acme/a")
        await server.notify("notifications/message", {"level": "no level"})
        await server.notify("acme/b")
        await wait_all_tasks_blocked()
    assert heard == ["acme/a", "acme/b"]
    assert said(caplog) == [
        "the function that hears 'acme/a' failed; mend it",
        "the function that hears 'notifications/message' failed; mend it",
        f"the function that hears 'acme/b' failed; mend it: KeyError{more(1)}",
    ]
    assert caplog.records[0].exc_info and caplog.records[1].exc_info


async def test_flood_of_notifications_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: what is too much is dropped, and the log says so."""
    heard: list[str] = []
    may_go_on = anyio.Event()

    async def hear(method: str, params: JSONObject) -> None:
        heard.append(method)
        await may_go_on.wait()

    async with connected(on_notification=hear) as (_, server):
        await server.notify("acme/first")
        await wait_all_tasks_blocked()
        for number in range(1001):
            await server.notify(f"acme/{number}")
        await wait_all_tasks_blocked()
        may_go_on.set()
        await wait_all_tasks_blocked()
    assert heard == ["acme/first", *(f"acme/{number}" for number in range(1000))]
    assert caplog.messages == [
        "acme/1000 is dropped, as 1000 others wait: have the functions that hear them "
        "return sooner"
    ]


@in_both_eras
async def test_nothing_is_kept_that_nobody_hears(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: without functions there is nothing to wait for."""
    async with connected(script, more={"acme/x": {}}) as (client, server):
        for _ in range(1100):
            await server.notify("acme/news")
        await client.request("acme/x")
    assert caplog.messages == []


async def test_end_of_the_client_ends_a_slow_function() -> None:
    """Our choice: leaving the block does not wait for it."""
    ended = []

    async def hear(method: str, params: JSONObject) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(method)

    async with connected(on_notification=hear) as (_, server):
        await server.notify("acme/a")
        await server.notify("acme/b")
        await wait_all_tasks_blocked()
    assert ended == ["acme/a"]


@in_both_eras
async def test_what_came_before_the_end_is_heard(script: Script) -> None:
    """Our choice: log messages of the last call are often the ones that matter."""
    heard: list[Any] = []

    async def hear(log: LoggingMessageNotificationParams) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(log.data)

    script = {**script, "tools/list": {"tools": []}}
    async with connected(script, on_log=hear) as (client, server):
        for number in range(3):
            await server.notify(
                "notifications/message", {"level": "info", "data": number}
            )
        await client.list_tools()
    assert heard == [0, 1, 2]


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
async def test_function_may_raise_whatever(is_async: bool) -> None:
    """We promise it: it is called for the next one, too."""
    witness = Witness()
    kinds = list(STRAYS)

    def fail(*said: Any) -> None:
        witness.heard.append(said)
        raise STRAYS[kinds[len(witness.heard) - 1]]()

    async def fail_async(*said: Any) -> None:
        fail(*said)

    function = fail_async if is_async else fail
    async with connected(LEGACY, on_notification=function) as (_, server):
        for number in range(len(kinds)):
            await server.notify("acme/news", {"number": number})
        assert len(await witness.until(len(kinds))) == len(kinds)
