"""The client without `await`: which thread does what, and how it ends."""

from __future__ import annotations

import inspect
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from asgiref.sync import sync_to_async
from mcp_types import (
    Completion,
    Implementation,
    Prompt,
    PromptReference,
    Resource,
    ResourceTemplate,
    ToolListChangedNotification,
)

from mcp_django.client.client import Client
from mcp_django.client.sync import SyncClient
from mcp_django.exceptions import (
    ConnectFailed,
    ErrorReceived,
    LocalProtocolError,
    RequestTimeout,
    ToolError,
    TransportClosed,
)
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.played import PlayedTransport, connected, do_nothing, loops
from tests.client.scripted import (
    LATEST,
    LEGACY,
    MODERN,
    SUBSCRIPTION_ID,
    Refusal,
    Script,
    ScriptedServer,
)
from tests.patience import PATIENCE_SECONDS

DONE: JSONObject = {"content": [{"type": "text", "text": "done"}]}
X: Script = {"acme/x": {"a": 1}}


class Stop(BaseException):
    """What is no `Exception`, like `KeyboardInterrupt`."""


# The same as `Client` -----------------------------------------------------------------


def public_of(kind: type) -> dict[str, inspect.Signature | None]:
    members = {
        name: member for name, member in vars(kind).items() if not name.startswith("_")
    }
    return {
        name: inspect.signature(member) if inspect.isfunction(member) else None
        for name, member in members.items()
    }


def test_both_clients_have_the_same_methods() -> None:
    """Our choice: whoever knows one knows the other."""
    sync, other = public_of(SyncClient), public_of(Client)
    assert sync.keys() == other.keys() - {"capabilities"}
    for name, signature in sync.items():
        expected = other[name]
        if signature is not None and expected is not None:
            assert signature.parameters == expected.parameters, name


def test_methods_give_what_those_of_the_other_client_give() -> None:
    """Our choice: results as typed objects."""
    script: Script = {
        "tools/list": {"tools": [{"name": "a", "inputSchema": {"type": "object"}}]},
        "tools/call": DONE,
        "resources/list": {"resources": [{"uri": "a://a", "name": "a"}]},
        "resources/templates/list": {
            "resourceTemplates": [{"uriTemplate": "a://{b}", "name": "b"}]
        },
        "resources/read": {"contents": [{"uri": "a://a", "text": "A"}]},
        "prompts/list": {"prompts": [{"name": "greet"}]},
        "prompts/get": {"messages": []},
        "completion/complete": {"completion": {"values": ["a"]}},
        "acme/x": {"a": 1},
    }
    with connected(more=script, roots=[]) as (client, server):
        assert client.version == LATEST
        assert client.server_info == Implementation(name="shop", version="1.0")
        assert client.server_capabilities.tools is not None
        assert client.instructions == "Be quick."
        assert [tool.name for tool in client.list_tools()] == ["a"]
        assert client.call_tool("a").content[0].type == "text"
        assert client.list_resources() == [Resource(uri="a://a", name="a")]
        assert client.list_resource_templates() == [
            ResourceTemplate(uri_template="a://{b}", name="b")
        ]
        assert client.read_resource("a://a").contents[0].uri == "a://a"
        assert client.list_prompts() == [Prompt(name="greet")]
        assert client.get_prompt("greet").messages == []
        completion = client.complete(PromptReference(name="greet"), "name", "")
        assert completion == Completion(values=["a"])
        assert client.request("acme/x", {"b": 2}) == {"a": 1}
        client.ping()
        client.set_log_level("info")
        client.set_roots(["file:///a"])
        assert server.methods.count("server/discover") == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({**DONE, "isError": True}, ToolError("done")),
        (Refusal(-32602, "no"), ErrorReceived(-32602, "no")),
    ],
)
def test_exceptions_are_those_of_the_other_client(
    answer: Any, error: Exception
) -> None:
    """Our choice: they come out where the waiting is."""
    with connected(more={"tools/call": answer}) as (client, _):
        with pytest.raises(type(error)) as caught:
            client.call_tool("a")
        assert str(caught.value) == str(error)


def test_timeout_comes_out() -> None:
    """Our choice: nobody waits for ever."""
    with connected(more=X) as (client, _):
        with pytest.raises(RequestTimeout):
            client.request("acme/y", timeout=0.05)
        assert client.request("acme/x") == {"a": 1}


# Opening and closing ------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_code_has_to_use_the_other_client(backend: str) -> None:
    """Our choice: an event loop that waits does nothing else."""

    async def use() -> None:
        with SyncClient(PlayedTransport(MODERN, do_nothing)):
            raise AssertionError("it connects")

    with pytest.raises(LocalProtocolError) as caught:
        anyio.run(use, backend=backend)
    assert str(caught.value) == (
        "SyncClient cannot be used in async code; use Client there"
    )


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_threads_of_async_code_may_use_it(backend: str) -> None:
    """Our choice: they may wait."""

    def use() -> JSONObject:
        with connected(more=X) as (client, _):
            return client.request("acme/x")

    async def run() -> JSONObject:
        return await anyio.to_thread.run_sync(use)

    assert anyio.run(run, backend=backend) == {"a": 1}


def test_threads_that_inherit_the_context_of_async_code_may_use_it() -> None:
    """Our choice: as those of `sync_to_async`, which Django's async code uses."""

    @sync_to_async
    def use() -> JSONObject:
        with connected(more=X) as (client, _):
            return client.request("acme/x")

    assert anyio.run(use) == {"a": 1}


def test_client_that_is_not_open_cannot_be_used() -> None:
    """Our choice: before and after the block."""

    def assert_not_open() -> None:
        with pytest.raises(LocalProtocolError, match="use it within `with`"):
            client.ping()
        with pytest.raises(LocalProtocolError), client.listen(tools=True):
            raise AssertionError("it listens")

    client = SyncClient(PlayedTransport(MODERN, do_nothing))
    assert_not_open()
    with client:
        client.ping()
    assert_not_open()
    with pytest.raises(LocalProtocolError, match="opened once"), client:
        raise AssertionError("it connects")


def test_client_that_cannot_connect_leaves_no_thread() -> None:
    """Our choice: the exception of the other client."""

    class Unreachable(PlayedTransport):
        async def start(self, tasks: TaskGroup) -> None:
            raise ConnectFailed("nobody answers at 'x'")

        async def close(self) -> None:
            self.on_close()

    before = loops()
    with (
        pytest.raises(ConnectFailed, match="nobody answers at 'x'"),
        SyncClient(Unreachable(MODERN, do_nothing)),
    ):
        raise AssertionError("it connects")
    assert loops() == before


def test_threads_that_wait_at_the_end_learn_of_it() -> None:
    """Our choice: nothing waits for a client that is closed."""
    with ThreadPoolExecutor(2) as pool:
        with SyncClient(PlayedTransport(MODERN, do_nothing)) as client:
            both_wait = threading.Barrier(3, timeout=PATIENCE_SECONDS)

            def call() -> JSONObject:
                both_wait.wait()
                return client.request("acme/y")

            calls = [pool.submit(call) for _ in range(2)]
            both_wait.wait()
            # Meanwhile the other two have begun to wait.
            with pytest.raises(RequestTimeout):
                client.request("acme/z", timeout=0.05)
        for each in calls:
            with pytest.raises(TransportClosed):
                each.result(timeout=PATIENCE_SECONDS)


# Listening ----------------------------------------------------------------------------


def test_changes_are_heard_until_the_server_ends_it() -> None:
    """Our choice: `for` as `async for` there."""

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("subscriptions/listen")
        about = {"_meta": {SUBSCRIPTION_ID: request.id}}
        honored = {**about, "notifications": {"toolsListChanged": True}}
        await server.notify("notifications/subscriptions/acknowledged", honored)
        await server.notify("notifications/tools/list_changed", about)
        await server.send(jsonrpc.result(request.id, {}))

    with connected(play=play) as (client, _), client.listen(tools=True) as changes:
        assert [type(change) for change in changes] == [ToolListChangedNotification]
        assert changes.next() is None


def test_change_can_be_waited_for_with_a_bound() -> None:
    """Our choice: `TimeoutError`, and nothing is lost by it."""

    async def play(server: ScriptedServer) -> None:
        request = await server.expect("acme/now")
        await server.notify("notifications/tools/list_changed")
        await server.answer(request, {})

    with (
        connected(LEGACY, play) as (client, _),
        client.listen(tools=True) as changes,
    ):
        with pytest.raises(TimeoutError):
            changes.next(timeout=0.05)
        client.request("acme/now")
        assert isinstance(
            changes.next(timeout=PATIENCE_SECONDS), ToolListChangedNotification
        )


def test_exception_of_a_listening_block_comes_out_as_it_is() -> None:
    """Our choice: as of any block."""
    error = KeyError("oops")
    with (
        pytest.raises(KeyError) as caught,
        connected(LEGACY) as (client, _),
        client.listen(tools=True),
    ):
        raise error
    assert caught.value is error


def test_client_of_another_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our choice: a fork copies no threads, so that nobody would answer."""
    with connected(more=X) as (client, _):
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 0)
            with pytest.raises(LocalProtocolError, match="opened in another process"):
                client.request("acme/x")
        assert client.request("acme/x") == {"a": 1}
