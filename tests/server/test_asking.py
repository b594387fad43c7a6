"""Questions to the client, and how they end a run of a handler."""

import asyncio
from functools import partial

import anyio
import pytest
from pydantic import BaseModel

from mcp_django import Context, Server
from mcp_django.exceptions import ToolError
from mcp_django.server.asking import (
    Answer,
    Question,
    QuestionsAsked,
    deliberate_error_of,
    questions_of,
)
from tests.server.asked import question, read_number
from tests.server.calls import Caller


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Name(BaseModel):
    """A form."""

    name: str


def test_digest_tells_questions_apart() -> None:
    """Our choice: an answer belongs to what the user saw."""
    first = question()
    same = Question(
        "b", first.method, dict(reversed(first.params.items())), read_number
    )
    assert same.digest == first.digest
    assert question(text="Sure?").digest != first.digest
    assert Question("a", "roots/list", first.params, read_number).digest != first.digest


def test_answer_says_whether_the_user_agreed() -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    assert Answer("accept", 1).accepted
    assert not Answer("decline").accepted
    assert not Answer("cancel").accepted


def test_end_of_a_run_is_no_exception_that_handlers_catch() -> None:
    """Our choice: a handler's `except Exception` is for its own failures."""
    assert not issubclass(QuestionsAsked, Exception)


# Groups of exceptions ---------------------------------------------------------------


def test_questions_are_found_in_groups_of_groups() -> None:
    """Our choice: task groups may be nested; each question once, as first asked."""
    inner = BaseExceptionGroup("inner", [QuestionsAsked([question("b")])])
    both = QuestionsAsked([question("a"), question("b")])
    found = questions_of(BaseExceptionGroup("outer", [both, inner]))
    assert found is not None
    assert [q.key for q in found] == ["a", "b"]


@pytest.mark.parametrize(
    "error",
    [
        LookupError("no such order"),
        asyncio.CancelledError(),
        ExceptionGroup("group", [LookupError("no such order")]),
        BaseExceptionGroup("group", [QuestionsAsked([question()]), LookupError()]),
    ],
)
def test_other_failures_are_no_questions(error: BaseException) -> None:
    """Our choice: what failed is reported as failed."""
    assert questions_of(error) is None


def test_deliberate_error_is_found_among_questions() -> None:
    """Our choice: what a handler answers on purpose is the answer, wherever it asks."""
    error = ToolError("no")
    asked = QuestionsAsked([])
    inner = BaseExceptionGroup("", [asked, error])
    assert deliberate_error_of(BaseExceptionGroup("", [asked, inner])) is error


@pytest.mark.parametrize(
    "group",
    [
        BaseExceptionGroup("", [QuestionsAsked([])]),
        BaseExceptionGroup("", [ToolError("no"), LookupError("oops")]),
        BaseExceptionGroup("", [ToolError("no"), ExceptionGroup("", [LookupError()])]),
    ],
    ids=["questions", "failure", "failure further in"],
)
def test_group_without_or_beside_a_failure_has_none(
    group: BaseExceptionGroup[BaseException],
) -> None:
    """Our choice: a failure is the site's own business, whatever else there is."""
    assert deliberate_error_of(group) is None


async def test_missing_capability_is_told_from_within_a_task_group() -> None:
    """Our choice: as outside of one."""
    server = Server("shop")

    @server.tool
    async def ask_both(context: Context) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(context.elicit, "Who?", Name)
            tasks.start_soon(partial(context.sample, "Hello", 10))

    caller = Caller(server, capabilities={"elicitation": {}})
    result = await caller.call_tool("ask_both")
    assert result == {
        "content": [
            {
                "type": "text",
                "text": "client cannot be asked: it did not declare the capability "
                "'sampling'",
            }
        ],
        "isError": True,
    }
