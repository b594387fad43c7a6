"""Asking the client: forms, pages, its model, its folders."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest

from mcp_django.server.answers import MAX_UNFIT
from tests.interaction import features
from tests.interaction.client import LATEST_LEGACY, Answers, error_of
from tests.interaction.conftest import Connect
from tests.interaction.ways import Way, only


class Person:
    """Whoever sits before the client.

    Args:
        results: What to answer, one after the other.
    """

    def __init__(self, *results: Any) -> None:
        self._results = list(results)
        self.asked: list[Any] = []

    async def answer(self, params: Any) -> Any:
        """Answer one question."""
        self.asked.append(params)
        return self._results.pop(0)


def accept(**content: Any) -> types.ElicitResult:
    """Fill in a form."""
    return types.ElicitResult(action="accept", content=content)


def say(text: str) -> types.CreateMessageResult:
    """Be the model."""
    return types.CreateMessageResult(
        role="assistant", content=types.TextContent(text=text), model="a model"
    )


ASKING = ["ask_name", "ask_name_in_thread"]


@only(since="2025-06-18")
@pytest.mark.parametrize("tool", ASKING)
async def test_form_is_filled_in(connect: Connect, tool: str) -> None:
    """Spec: 2025-11-25 client/elicitation, "Form Mode Elicitation Requests"."""
    ann = Person(accept(first="Ann"))
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        assert await client.call_for_text(tool) == "Ann Doe"
    [params] = ann.asked
    assert params.message == "Who are you?"
    assert params.requested_schema["properties"].keys() == {"first", "last"}
    assert params.requested_schema["required"] == ["first"]


@only(since="2025-06-18")
@pytest.mark.parametrize("tool", ASKING)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_form_is_not_filled_in(connect: Connect, tool: str, action: Any) -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    ann = Person(types.ElicitResult(action=action))
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        assert await client.call_for_text(tool) == action


@only(since="2025-06-18")
async def test_answer_that_does_not_fit_is_asked_for_again(connect: Connect) -> None:
    """Spec: 2025-11-25 client/elicitation: servers SHOULD validate what they get."""
    ann = Person(accept(last="Lee"), accept(first="Ann", last="Lee"))
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        assert await client.call_for_text("ask_name") == "Ann Lee"
    assert [params.message for params in ann.asked] == [
        "Who are you?",
        "Who are you?\n\nThe last answer does not fit: first: missing, but required. "
        "Please answer again.",
    ]


@only(since="2025-06-18")
async def test_answers_that_never_fit_are_told_to_the_model(connect: Connect) -> None:
    """We chose three: then neither the user nor the model waits any longer."""
    ann = Person(*[accept(last="Lee")] * MAX_UNFIT)
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        text = await client.call_for_error("ask_name")
    assert text == (
        "client answered 'elicitation/create' 3 times with what does not fit; the last "
        "time: first: missing, but required"
    )


@only(since="2025-06-18")
async def test_second_question_knows_the_first_answer(connect: Connect) -> None:
    """We promise it: the handler runs again from the top with the answers."""
    ann = Person(accept(first="Ann"), accept(first="Bob"))
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        assert await client.call_for_text("ask_twice") == "Ann Doe and Bob Doe"
    assert [params.message for params in ann.asked] == [
        "Who are you?",
        "And who is Ann's friend?",
    ]


@only(since="2025-06-18")
async def test_user_is_sent_to_a_page(connect: Connect, way: Way) -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests"."""
    ann = Person(types.ElicitResult(action="accept"))
    async with connect(answers=Answers(elicit=ann.answer)) as client:
        assert await client.call_for_text("ask_to_visit") == "accept"
    [params] = ann.asked
    assert (params.mode, params.url) == ("url", "https://shop.example/pay")
    # Spec: 2026-07-28 schema.ts, `ElicitRequestURLParams`: no id any more.
    assert params.elicitation_id == (None if way.is_modern else "payment-1")


async def test_model_is_asked(connect: Connect) -> None:
    """Spec: 2025-11-25 client/sampling."""
    model = Person(say("Hello!"))
    async with connect(answers=Answers(sample=model.answer)) as client:
        assert await client.call_for_text("ask_model") == "Hello!"
    [params] = model.asked
    assert (params.max_tokens, params.system_prompt) == (50, "Be short.")
    assert params.messages == [
        types.SamplingMessage(role="user", content=types.TextContent(text="Say hello."))
    ]


async def test_folders_are_listed(connect: Connect) -> None:
    """Spec: 2025-11-25 client/roots."""
    async with connect(answers=Answers(roots=["file:///home/ann"])) as client:
        assert await client.call_for_text("ask_roots") == '["file:///home/ann"]'


@only(since="2025-06-18")
async def test_questions_of_a_task_group_go_out_together(connect: Connect) -> None:
    """We promise it: one round, so that the handler runs twice and no more."""
    features.runs.clear()
    ann, model = Person(accept(first="Ann")), Person(say("Hello!"))
    answers = Answers(elicit=ann.answer, sample=model.answer)
    async with connect(answers=answers) as client:
        assert await client.call_for_text("ask_in_group") == "Ann Doe: Hello!"
    assert features.runs["group"] == 2
    assert (len(ann.asked), len(model.asked)) == (1, 1)


@only(since="2025-06-18", loop="asyncio")
async def test_questions_of_a_gather_go_out_together(connect: Connect) -> None:
    """We promise it: one round, so that the handler runs twice and no more."""
    features.runs.clear()
    ann, model = Person(accept(first="Ann")), Person(say("Hello!"))
    answers = Answers(elicit=ann.answer, sample=model.answer, roots=["file:///a"])
    async with connect(answers=answers) as client:
        text = await client.call_for_text("ask_with_gather")
        assert text == "Ann Doe: Hello!, 1 roots"
    assert features.runs["gather"] == 2
    assert (len(ann.asked), len(model.asked)) == (1, 1)


@pytest.mark.parametrize(
    ("tool", "capability"),
    [
        ("ask_name", "elicitation.form"),
        ("ask_name_in_thread", "elicitation.form"),
        ("ask_to_visit", "elicitation.url"),
        ("ask_model", "sampling"),
        ("ask_roots", "roots"),
    ],
)
async def test_client_that_cannot_be_asked_is_told_so(
    connect: Connect, tool: str, capability: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Operation": only what was negotiated;
    2026-07-28 basic, "`_meta`": -32021."""
    text = f"scenario cannot be asked: it did not declare the capability {capability!r}"
    name, _, part = capability.partition(".")
    required: dict[str, Any] = {name: {part: {}} if part else {}}
    async with connect() as client:
        if client.is_modern:
            assert await error_of(client.call(tool)) == types.ErrorData(
                code=-32021, message=text, data={"requiredCapabilities": required}
            )
        else:
            assert await client.call_for_error(tool) == text


@only(until=LATEST_LEGACY)
async def test_client_that_refuses_to_answer_fails_the_call(connect: Connect) -> None:
    """Spec: 2025-11-25 client/sampling, "Error Handling"."""
    model = Person(types.ErrorData(code=-1, message="User rejected sampling request"))
    async with connect(answers=Answers(sample=model.answer)) as client:
        assert await client.call_for_error("ask_model") == (
            "client refused 'sampling/createMessage': User rejected sampling request "
            "(-1)"
        )
