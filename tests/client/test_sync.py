"""The client without `await`: which thread does what, and how it ends."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from mcp_types import (
    Completion,
    ElicitResult,
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
from mcp_django.protocol.jsonrpc import JSONObject, Message
from mcp_django.transports.base import Transport
from tests.client.scripted import (
    LATEST,
    LEGACY,
    MODERN,
    SUBSCRIPTION_ID,
    Refusal,
    Script,
    ScriptedServer,
)

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

Play = Callable[[ScriptedServer], Coroutine[Any, Any, None]]


async def do_nothing(server: ScriptedServer) -> None:
    """Play a server that does what its script says."""


class PlayedTransport(Transport):
    """A transport with the server at its other end, in the same event loop.

    Args:
        script: What the server answers.
        play: What it does besides.

    Attributes:
        server: The server; made in the event loop.
    """

    server: ScriptedServer

    def __init__(self, script: Script, play: Play) -> None:
        super().__init__()
        self._script = script
        self._play = play

    async def start(self, tasks: TaskGroup) -> None:
        self.server = ScriptedServer(self._script)
        inner = self.server.transport
        inner.on_message = self.on_message
        inner.on_error = self.on_error
        inner.on_close = self.on_close
        await self.server.start(tasks)
        await inner.start(tasks)
        tasks.start_soon(self._play, self.server)

    async def send(self, message: Message) -> None:
        await self.server.transport.send(message)

    async def close(self) -> None:
        await self.server.transport.close()


def loops() -> list[threading.Thread]:
    """Give the threads that keep connections."""
    return [thread for thread in threading.enumerate() if "portal" in thread.name]


@contextmanager
def connected(
    script: Script = MODERN,
    play: Play = do_nothing,
    *,
    more: Script | None = None,
    **options: Any,
) -> Iterator[tuple[SyncClient, ScriptedServer]]:
    """Connect with a server; its thread has ended at the end of the block."""
    before = loops()
    transport = PlayedTransport({**script, **(more or {})}, play)
    with SyncClient(transport, timeout=5.0, **options) as client:
        yield client, transport.server
    assert loops() == before


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
        threads = [each.result(timeout=5) for each in calls]
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


@pytest.mark.parametrize("script", [MODERN, LEGACY])
def test_interrupted_answer_interrupts_the_request(script: Script) -> None:
    """Our choice: the server learns nothing but that it failed."""
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
    assert caplog.messages == ["the function that hears 'acme/news' failed"]
    assert repr(error) in caplog.text or isinstance(error, KeyError)


@pytest.mark.parametrize("error", [KeyError("oops"), Stop()])
def test_exception_of_the_block_comes_out_as_it_is(error: BaseException) -> None:
    """Our choice: callers catch what they raise, and no group of one."""
    with pytest.raises(type(error)) as caught, connected():
        raise error
    assert caught.value is error


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
            both_wait = threading.Barrier(3, timeout=5)

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
                each.result(timeout=5)


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
        assert isinstance(changes.next(timeout=5), ToolListChangedNotification)


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
