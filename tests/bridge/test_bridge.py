"""The bridge, between client and server of each era: nobody notices it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    Implementation,
    LoggingLevel,
    LoggingMessageNotificationParams,
    PromptReference,
    TextContent,
)
from mcp_types.jsonrpc import INVALID_PARAMS, JSONRPCError
from pydantic import BaseModel

from mcp_django import Context, Server
from mcp_django.client.client import Client
from mcp_django.exceptions import ErrorReceived, ToolError
from mcp_django.server.notices import Notice
from tests.bridge.bridges import (
    BOUND,
    ERAS,
    VERSIONS,
    Era,
    bridged_client,
    far_end,
    raw_client,
)
from tests.interaction import features
from tests.interaction.features import Visit, server, visits

ALL_TOOLS = "notifications/tools/list_changed"
ALL_RESOURCES = "notifications/resources/list_changed"
UPDATED = "notifications/resources/updated"


@pytest.fixture(params=ERAS, ids="server-{}".format)
def server_era(request: pytest.FixtureRequest) -> Era:
    """Name the era of the server."""
    era: Era = request.param
    return era


@pytest.fixture(params=ERAS, ids="client-{}".format)
def client_era(request: pytest.FixtureRequest) -> Era:
    """Name the era of the client."""
    era: Era = request.param
    return era


class Person:
    """Whoever sits before the client.

    Attributes:
        asked: What the forms and pages were, in order.
    """

    def __init__(self, *answers: ElicitResult) -> None:
        self.asked: list[ElicitRequestFormParams | ElicitRequestURLParams] = []
        self._answers = list(answers)

    async def answer(
        self, params: ElicitRequestFormParams | ElicitRequestURLParams
    ) -> ElicitResult:
        """Answer one question."""
        self.asked.append(params)
        return self._answers.pop(0)


def accept(**content: Any) -> ElicitResult:
    """Fill in a form."""
    return ElicitResult(action="accept", content=content)


async def say_hello(params: CreateMessageRequestParams) -> CreateMessageResult:
    """Be the model."""
    return CreateMessageResult(
        role="assistant", content=TextContent(text="Hello!"), model="a model"
    )


async def text_of(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool, and give the text of its result."""
    [block] = (await client.call_tool(tool, arguments)).content
    assert isinstance(block, TextContent)
    return block.text


async def test_client_learns_what_the_server_said_of_itself(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: as if it were connected with the server itself."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        assert client.version == VERSIONS[client_era]
        assert client.server_info is not None
        assert client.server_info.name == "interaction"
        assert client.server_info.version == "1.2.3"
        assert client.instructions == "Play along."
        capabilities = client.server_capabilities
        assert capabilities.tools is not None
        assert capabilities.tools.list_changed
        assert capabilities.resources is not None
        assert capabilities.resources.subscribe
        assert capabilities.completions is not None


async def test_everything_that_can_be_read_is_passed_on(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: lists with all their pages, resources, prompts, completions."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        names = [tool.name for tool in await client.list_tools()]
        assert names[:3] == ["weather", "double", "divide"]
        [note, dot] = await client.list_resources()
        assert (note.uri, dot.mime_type) == ("test://note", "image/x-dot")
        [template] = await client.list_resource_templates()
        assert template.uri_template == "test://books/{shelf}/{number}"
        [content] = (await client.read_resource("test://books/a/3")).contents
        assert content.uri == "test://books/a/3"
        [prompt] = await client.list_prompts()
        assert prompt.title == "Greet"
        [message] = (await client.get_prompt("greet", {"name": "Ann"})).messages
        assert message.content == TextContent(text="Write a kind greeting to Ann.")
        completion = await client.complete(PromptReference(name="greet"), "style", "c")
        assert completion.values == ["curt"]
        await client.ping()
    async with bridged_client(
        features.many, server_era=server_era, client_era=client_era
    ) as (client, _):
        assert len(await client.list_tools()) == 5


async def test_tool_is_called_as_the_client_and_with_its_name(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: the server is told of the client, not of the bridge."""
    async with bridged_client(
        server,
        server_era=server_era,
        client_era=client_era,
        client_info=Implementation(name="desktop", version="3"),
    ) as (client, _):
        result = await client.call_tool("weather", {"city": "Rome", "day": 2})
        assert result.structured_content == {"city": "Rome", "celsius": 22.0}
        result = await client.call_tool("describe_request")
        assert result.structured_content == {
            "user": "",
            "client": "desktop",
            "version": VERSIONS[server_era],
        }


async def test_result_that_is_no_object_has_the_form_of_the_clients_version(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2025-11-25 server/tools, "Structured Content"; any value in 2026-07-28.

    The client checks it against the schema that the list shows.
    """
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        await client.list_tools()
        result = await client.call_tool("double", {"number": 4})
        is_modern = server_era == client_era == "modern"
        assert result.structured_content == (8 if is_modern else {"result": 8})


async def test_calls_run_side_by_side(server_era: Era, client_era: Era) -> None:
    """Chosen: a slow call holds up no other."""
    visits["aside"] = visit = Visit()
    async with (
        bridged_client(server, server_era=server_era, client_era=client_era) as (
            client,
            _,
        ),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, "wait", {"visit": "aside"})
        await visit.has_begun.wait()
        assert await text_of(client, "double", number=2) == "4"
        tasks.cancel_scope.cancel()


async def test_progress_comes_in_order_before_the_result(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2025-11-25 and 2026-07-28, "Progress"."""
    reports: list[tuple[float, float | None, str | None]] = []

    async def on_progress(*report: Any) -> None:
        reports.append(report)

    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        await client.call_tool("climb", on_progress=on_progress)
        assert reports == [(step, 3, f"step {step}") for step in (1, 2, 3)]


async def test_cancellation_reaches_the_server(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2025-11-25 and 2026-07-28, "Cancellation"."""
    visits["cancelled"] = visit = Visit()
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "wait", {"visit": "cancelled"})
            await visit.has_begun.wait()
            tasks.cancel_scope.cancel()
        await visit.has_ended.wait()
        assert await text_of(client, "double", number=2) == "4"


async def test_errors_keep_code_message_and_data(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: of the server, not of the bridge."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        with pytest.raises(ErrorReceived) as caught:
            await client.call_tool("refuse")
        error = caught.value
        assert (error.code, error.message) == (4001, "not today")
        assert error.data == {"retry": "tomorrow"}
        with pytest.raises(ToolError, match="Nothing can be divided by zero"):
            await client.call_tool("divide", {"dividend": 1, "divisor": 0})


async def test_missing_resource_has_the_code_of_the_clients_era(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2026-07-28 basic, "Error Codes": -32002 must not be sent."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        with pytest.raises(ErrorReceived) as caught:
            await client.read_resource("test://books/a/10")
        is_legacy = server_era == client_era == "legacy"
        assert caught.value.code == (-32002 if is_legacy else INVALID_PARAMS)
        assert caught.value.data == {"uri": "test://books/a/10"}


async def test_user_is_asked(server_era: Era, client_era: Era) -> None:
    """Spec: 2025-11-25 client/elicitation; 2026-07-28 basic/patterns/mrtr."""
    ann = Person(accept(first="Ann"), accept(first="Bob", last="Lee"))
    async with bridged_client(
        server, server_era=server_era, client_era=client_era, on_elicit=ann.answer
    ) as (client, _):
        assert await text_of(client, "ask_twice") == "Ann Doe and Bob Lee"
    assert [params.message for params in ann.asked] == [
        "Who are you?",
        "And who is Ann's friend?",
    ]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_user_may_refuse(server_era: Era, client_era: Era, action: Any) -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    ann = Person(ElicitResult(action=action))
    async with bridged_client(
        server, server_era=server_era, client_era=client_era, on_elicit=ann.answer
    ) as (client, _):
        assert await text_of(client, "ask_name") == action


async def test_user_is_sent_to_a_page(server_era: Era, client_era: Era) -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Mode"; ids are of that era only."""
    ann = Person(ElicitResult(action="accept"))
    async with bridged_client(
        server, server_era=server_era, client_era=client_era, on_elicit=ann.answer
    ) as (client, _):
        assert await text_of(client, "ask_to_visit") == "accept"
    [params] = ann.asked
    assert isinstance(params, ElicitRequestURLParams)
    assert params.url == "https://shop.example/pay"
    if client_era == "modern":
        assert params.elicitation_id is None
    elif server_era == "legacy":
        assert params.elicitation_id == "payment-1"
    else:
        assert params.elicitation_id  # made by the bridge


async def test_model_and_folders_are_asked(server_era: Era, client_era: Era) -> None:
    """Spec: 2025-11-25 client/sampling, client/roots."""
    async with bridged_client(
        server,
        server_era=server_era,
        client_era=client_era,
        on_sample=say_hello,
        roots=["file:///home/ann"],
    ) as (client, _):
        assert await text_of(client, "ask_model") == "Hello!"
        assert await text_of(client, "ask_roots") == '["file:///home/ann"]'


async def test_several_questions_at_once_are_all_answered(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: however many rounds that takes on either side."""
    ann = Person(accept(first="Ann"))
    async with bridged_client(
        server,
        server_era=server_era,
        client_era=client_era,
        on_elicit=ann.answer,
        on_sample=say_hello,
    ) as (client, _):
        assert await text_of(client, "ask_in_group") == "Ann Doe: Hello!"
    assert len(ann.asked) == 1


async def test_legacy_server_gets_a_call_that_asks_once(client_era: Era) -> None:
    """Chosen: the bridge holds the call open; it does not send it again."""
    asking = Server("asking")
    ids: list[object] = []

    class Form(BaseModel):
        sure: bool

    @asking.tool
    async def order(context: Context) -> str:
        ids.append(context.request_id)
        answer = await context.elicit("Sure?", Form)
        return f"ordered: {answer.data.sure}"

    ann = Person(accept(sure=True))
    async with bridged_client(
        asking, server_era="legacy", client_era=client_era, on_elicit=ann.answer
    ) as (client, _):
        assert await text_of(client, "order") == "ordered: True"
    # Our handlers run again from the top with each answer; the request is one.
    [before, after] = ids
    assert before == after


async def test_client_that_cannot_be_asked_is_not(
    server_era: Era, client_era: Era
) -> None:
    """Chosen: capabilities are passed on, and the server refuses by itself."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        if server_era == "legacy":
            with pytest.raises(ToolError, match=r"elicitation\.form"):
                await client.call_tool("ask_name")
            return
        with pytest.raises(ErrorReceived) as caught:
            await client.call_tool("ask_name")
        assert caught.value.code == -32021


async def test_log_messages_are_heard_at_the_level_that_the_client_wants(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2025-11-25 server/utilities/logging; 2026-07-28, per request."""
    told, heard = anyio.create_memory_object_stream[LoggingMessageNotificationParams](9)

    async def hear(params: LoggingMessageNotificationParams) -> None:
        told.send_nowait(params)

    a_detail, news, a_fault = "a detail", {"news": 1}, "a fault"
    with told, heard:
        async with bridged_client(
            server,
            server_era=server_era,
            client_era=client_era,
            on_log=hear,
            log_level="info",
        ) as (client, _):
            steps: list[tuple[LoggingLevel | None, list[Any]]] = [
                (None, [news, a_fault]),
                ("error", [a_fault]),
                ("debug", [a_detail, news, a_fault]),
            ]
            for level, expected in steps:
                if level is not None:
                    await client.set_log_level(level)
                await client.call_tool("chatter")
                assert [(await heard.receive()).data for _ in expected] == expected
            assert not heard.statistics().current_buffer_used


async def test_changes_are_heard(server_era: Era, client_era: Era) -> None:
    """Spec: 2025-11-25 server/resources; 2026-07-28 basic/patterns/subscriptions."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        far,
    ):
        async with client.listen("test://note", tools=True) as changes:
            assert changes.honored.tools_list_changed
            assert changes.honored.resource_subscriptions == ["test://note"]
            [session] = far.sessions
            for notice in (
                Notice("prompts"),
                Notice("resource", "test://dot"),
                Notice("tools"),
                Notice("resource", "test://note"),
            ):
                await session.notify(notice)
            heard = {
                change.method: change.params
                for change in [await anext(changes), await anext(changes)]
            }
        assert heard.keys() == {ALL_TOOLS, "notifications/resources/updated"}
        assert await text_of(client, "double", number=1) == "2"


async def test_nothing_is_heard_after_the_subscription_has_ended(
    server_era: Era, client_era: Era
) -> None:
    """Spec: 2025-11-25 server/resources; 2026-07-28 basic/patterns/subscriptions."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        far,
    ):
        async with client.listen("test://note"):
            pass
        async with client.listen("test://dot") as changes:
            [session] = far.sessions
            await session.notify(Notice("resource", "test://note"))
            await session.notify(Notice("resource", "test://dot"))
            change = await anext(changes)
        assert getattr(change.params, "uri", None) == "test://dot"


async def test_unknown_method_is_refused(server_era: Era, client_era: Era) -> None:
    """Spec: JSON-RPC 2.0, section 5.1."""
    async with bridged_client(server, server_era=server_era, client_era=client_era) as (
        client,
        _,
    ):
        with pytest.raises(ErrorReceived) as caught:
            await client.request("tools/nonsense")
        assert caught.value.code == -32601
        with pytest.raises(ErrorReceived) as caught:
            await client.call_tool("nonsense")
        assert caught.value.code == INVALID_PARAMS


async def test_client_may_initialize_twice(server_era: Era) -> None:
    """Our choice: as at the server itself; what it subscribed to is still told."""
    async with far_end(server, server_era) as far, raw_client(far) as client:
        first = await client.initialize()
        await client.call("resources/subscribe", {"uri": "test://note"})

        assert await client.initialize() == first

        await far.sessions[-1].notify(Notice("resource", "test://note"))
        [params] = await client.notified(UPDATED)
        assert params == {"uri": "test://note"}


async def test_client_that_initializes_as_another_one_begins_anew(
    server_era: Era,
) -> None:
    """Our choice: as at the server itself."""
    visits["bridged"] = visit = Visit()
    async with far_end(server, server_era) as far, raw_client(far) as client:
        await client.initialize()
        await client.call("resources/subscribe", {"uri": "test://note"})
        arguments = {"name": "wait", "arguments": {"visit": "bridged"}}
        waiting = await client.request("tools/call", arguments)
        with anyio.fail_after(BOUND):
            await visit.has_begun.wait()

        client.capabilities = {}
        assert (await client.initialize())["protocolVersion"] == "2025-11-25"

        with anyio.fail_after(BOUND):
            await visit.has_ended.wait()
        assert isinstance(await client.answer_to(waiting), JSONRPCError)
        await far.sessions[-1].notify(Notice("resource", "test://note"))
        await far.sessions[-1].notify(Notice("tools"))
        await client.notified(ALL_TOOLS)
        assert client.notifications(UPDATED) == []
        arguments = {"name": "double", "arguments": {"number": 4}}
        result = await client.call("tools/call", arguments)
        assert result["content"] == [{"type": "text", "text": "8"}]


async def test_changes_are_told_in_the_words_of_the_client(
    server_era: Era, client_era: Era
) -> None:
    """Our choice: whatever server and bridge make of a URI."""
    written, told = "TEST://days/2026-01-02/1/a%7Eb", "test://days/2026-01-02/True/a~b"
    async with bridged_client(
        features.written, server_era=server_era, client_era=client_era
    ) as (client, far):
        assert await client.read_resource(written)
        async with client.listen(written) as changes:
            assert changes.honored.resource_subscriptions == [written]
            [session] = far.sessions
            await session.notify(Notice("resource", told))
            change = await anext(changes)
        assert getattr(change.params, "uri", None) == written


async def test_client_may_unsubscribe_in_other_words(server_era: Era) -> None:
    """Our choice: the server is told in the words that it knows."""
    async with far_end(features.written, server_era) as far, raw_client(far) as client:
        await client.initialize()
        await client.call("resources/subscribe", {"uri": "test://%6e"})
        await far.sessions[-1].notify(Notice("resource", "test://n"))
        assert await client.notified(UPDATED) == [{"uri": "test://%6e"}]

        await client.call("resources/unsubscribe", {"uri": "TEST://n"})

        await far.sessions[-1].notify(Notice("resource", "test://n"))
        await far.sessions[-1].notify(Notice("resources"))
        await client.notified(ALL_RESOURCES)
        assert len(client.notifications(UPDATED)) == 1


async def test_handler_that_takes_too_long_is_answered_through_the_bridge(
    server_era: Era, client_era: Era
) -> None:
    """We promise it: the model reads what became of it, as without a bridge."""
    async with bridged_client(
        features.slow, server_era=server_era, client_era=client_era
    ) as (client, _):
        with pytest.raises(ToolError, match="took longer than"):
            await client.call_tool("sleep")
        with pytest.raises(ErrorReceived, match="took longer than"):
            await client.read_resource("slow://x")
