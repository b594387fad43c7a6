"""What `around` sees of the handlers that it surrounds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404

from mcp_django import (
    Context,
    ErrorAnswer,
    FeatureName,
    Outcome,
    QuestionsAsked,
    ResourceNotFound,
    Server,
    SyncContext,
    ToolError,
)
from mcp_django.bulkheads.strays import Stray
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import LATEST, MODERN, Caller

FORM: JSONObject = {"type": "object", "properties": {}}
COMPLETE: JSONObject = {
    "ref": {"type": "ref/prompt", "name": "greet"},
    "argument": {"name": "name", "value": "A"},
}

each_era = pytest.mark.parametrize("version", [LATEST, MODERN])


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def server() -> Server:
    server = Server("shop")

    @server.tool
    def add(a: int, b: int = 2) -> int:
        return a + b

    @server.tool
    async def ship(context: Context) -> str:
        return (await context.elicit("Really?", FORM)).action

    @server.tool
    def ship_in_thread(context: SyncContext) -> str:
        return context.elicit("Really?", FORM).action

    @server.tool
    async def ship_in_group(context: Context) -> str:
        async with anyio.create_task_group() as tasks:
            for key in "ab":
                tasks.start_soon(ask, context, key)
        return "shipped"

    @server.resource("shop://orders/{number}")
    def order(number: int) -> str:
        return f"Order {number}"

    @server.prompt
    def greet(name: str) -> str:
        return f"Greet {name}."

    @server.completion(greet, "name")
    def complete_name(value: str) -> list[str]:
        return [f"{value}da"]

    return server


async def ask(context: Context, key: str) -> None:
    await context.elicit("Really?", FORM, key=key)


Seen = tuple[str, str, dict[str, Any], str]


def watch(server: Server) -> list[Seen]:
    """Note what each run is of, is given, and comes to."""
    seen: list[Seen] = []

    @server.around
    async def note(context: Context) -> AsyncIterator[None]:
        assert context.outcome is None
        try:
            yield
        finally:
            given = dict(context.arguments)
            seen.append(
                (context.method, str(context.feature), given, str(context.outcome))
            )

    return seen


async def test_around_sees_feature_arguments_and_outcome(server: Server) -> None:
    """We promise it: arguments are those that the function gets."""
    seen = watch(server)
    caller = Caller(server)

    await caller.call_tool("add", a="1")
    await caller.call("resources/read", {"uri": "shop://orders/7"})
    await caller.call("prompts/get", {"name": "greet", "arguments": {"name": "Ada"}})
    await caller.call("completion/complete", COMPLETE)

    assert seen == [
        ("tools/call", "tool add", {"a": 1, "b": 2}, "answered"),
        (
            "resources/read",
            "resource shop://orders/{number}",
            {"number": 7},
            "answered",
        ),
        ("prompts/get", "prompt greet", {"name": "Ada"}, "answered"),
        ("completion/complete", "prompt greet", {"value": "A"}, "answered"),
    ]


async def test_around_sees_what_was_returned(server: Server) -> None:
    """We promise it: before it is written as JSON."""
    values: list[Any] = []

    @server.around
    async def note(context: Context) -> AsyncIterator[None]:
        yield
        assert context.outcome is not None
        assert context.feature == FeatureName("tool", "add")
        values.append(context.outcome.value)

    await Caller(server).call_tool("add", a=1)

    assert values == [3]


async def test_arguments_cannot_be_changed_there(server: Server) -> None:
    """We chose it: they were checked."""

    @server.around
    async def change(context: Context) -> AsyncIterator[None]:
        with pytest.raises(TypeError):
            context.arguments["a"] = 9  # type: ignore[index]
        yield

    result = await Caller(server).call_tool("add", a=1)

    assert result["structuredContent"] == {"result": 3}


@each_era
@pytest.mark.parametrize("tool", ["ship", "ship_in_thread", "ship_in_group"])
async def test_run_that_asks_is_told_from_a_failure(
    server: Server, version: str, tool: str
) -> None:
    """We promise it: by a public exception, also where a task group asks."""
    ends: list[str] = []

    @server.around
    async def note(context: Context) -> AsyncIterator[None]:
        try:
            yield
        except QuestionsAsked as asked:
            ends.append(f"asked {len(asked.questions)}")
            raise
        else:
            ends.append("answered")

    seen = watch(server)
    answers = {"elicitation/create": [{"action": "cancel"}]}

    await Caller(server, version=version, answers=answers).call_tool(tool)

    count = 2 if tool == "ship_in_group" else 1
    assert ends == [f"asked {count}", "answered"]
    assert [outcome for _, _, _, outcome in seen] == ["asked", "answered"]


@each_era
async def test_questions_are_asked_whatever_around_catches(
    server: Server, version: str
) -> None:
    """We chose it: or a tool would answer with nothing, for a question."""

    @server.around
    async def catch(context: Context) -> AsyncIterator[None]:
        with suppress(BaseException):
            yield

    answers = {"elicitation/create": [{"action": "cancel"}]}

    caller = Caller(server, version=version, answers=answers)
    assert await caller.text_of("ship") == "cancel"


ENDS: dict[str, tuple[BaseException, str]] = {
    "a text for the model": (ToolError("None left"), "refused: None left"),
    "an error": (ErrorAnswer(1001, "quota used up"), "refused: quota used up"),
    "nothing there": (ResourceNotFound(), "refused: unknown"),
    "404": (Http404("No such order"), "refused: No such order"),
    "403": (PermissionDenied(), "refused: Permission denied"),
    "of a task group": (
        ExceptionGroup("tasks", [ToolError("None left")]),
        "refused: None left",
    ),
    "what nobody expected": (LookupError("secret"), "failed"),
    "the end of the program": (SystemExit(), "failed"),
}


@pytest.mark.parametrize(("error", "end"), ENDS.values(), ids=ENDS)
async def test_refusals_are_told_from_failures(
    server: Server, error: BaseException, end: str
) -> None:
    """We promise it."""
    seen = watch(server)

    @server.tool
    async def fail() -> None:
        raise error

    with suppress(ErrorAnswer, LookupError, Stray):
        await Caller(server).call_tool("fail")

    assert [outcome for _, _, _, outcome in seen] == [end]


async def test_cancelled_run_is_told_from_a_failure(server: Server) -> None:
    """We promise it."""
    seen = watch(server)

    @server.tool
    async def wait() -> None:
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Caller(server).call_tool, "wait")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert [outcome for _, _, _, outcome in seen] == ["cancelled"]


async def test_outer_around_sees_what_the_inner_one_made_of_it(
    server: Server,
) -> None:
    """We chose it: the outcome is that of what the manager itself surrounds."""
    seen = watch(server)

    @server.around
    async def close(context: Context) -> AsyncIterator[None]:
        yield
        raise ToolError("closed meanwhile")

    await Caller(server).call_tool("add", a=1)

    assert [outcome for _, _, _, outcome in seen] == ["refused: closed meanwhile"]


@pytest.mark.parametrize("is_async", [True, False])
async def test_handler_knows_its_own_feature(server: Server, is_async: bool) -> None:
    """We chose it: of a resource that it reads, the resource's."""
    seen = watch(server)

    async def look_async(context: Context, number: int) -> str:
        await context.read_resource(f"shop://orders/{number}")
        return f"{context.feature} {dict(context.arguments)} {context.outcome}"

    def look(context: SyncContext, number: int) -> str:
        context.read_resource(f"shop://orders/{number}")
        return f"{context.feature} {dict(context.arguments)} {context.outcome}"

    function: Callable[..., Any] = look_async if is_async else look
    server.tool(name="look")(function)

    text = await Caller(server).text_of("look", number=7)

    assert text == "tool look {'number': 7} None"
    assert [feature for _, feature, _, _ in seen] == [
        "resource shop://orders/{number}",
        "tool look",
    ]


def test_outcomes_are_alike_by_what_they_say() -> None:
    """We chose it: for tests of receivers."""
    assert Outcome("refused", "unknown") == Outcome("refused", "unknown", LookupError())
    assert Outcome("answered") != Outcome("asked")
