"""The fixture asks what the official conformance suite wants to be asked.

In the legacy era questions are requests of the server; in the modern era they are part
of a result, under keys, and the client calls again with the answers.
"""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from mcp_types import TextContent

from tests.conformance.connections import connect, connect_modern
from tests.interaction.client import Answers, text_of


async def never_called(*arguments: Any) -> Any:
    """Stand for a capability; the test answers by itself."""
    raise AssertionError(f"nobody should be asked: {arguments!r}")


EVERY_CAPABILITY: dict[str, Any] = {
    "elicitation_callback": never_called,
    "sampling_callback": never_called,
    "list_roots_callback": never_called,
}


def accept(**content: Any) -> types.ElicitResult:
    """Fill in a form."""
    return types.ElicitResult(action="accept", content=content)


def say(text: str) -> types.CreateMessageResult:
    """Answer as a model."""
    return types.CreateMessageResult(
        role="assistant", content=TextContent(text=text), model="a model"
    )


ROOTS = types.ListRootsResult(
    roots=[types.Root(uri="file:///test/root")]  # type: ignore[arg-type] # text is fine
)

METHODS: dict[type, str] = {
    types.ElicitResult: "elicitation/create",
    types.CreateMessageResult: "sampling/createMessage",
    types.ListRootsResult: "roots/list",
}
"""What was asked where the answer is of this type."""


async def test_tool_asks_the_model() -> None:
    """The suite: `tools-call-sampling`."""
    asked: list[Any] = []

    async def sample(params: Any) -> types.CreateMessageResult:
        asked.append(params)
        return say("of course")

    async with connect(Answers(sample=sample)) as client:
        text = await client.call_for_text("test_sampling", prompt="Really?")
    assert text == "LLM response: of course"
    [params] = asked
    assert params.max_tokens == 100
    assert params.messages == [
        types.SamplingMessage(role="user", content=TextContent(text="Really?"))
    ]


async def elicit(tool: str, content: dict[str, Any], **arguments: Any) -> Any:
    """Call a tool that asks, fill in its form, and give what it asked."""
    asked: list[Any] = []

    async def answer(params: Any) -> types.ElicitResult:
        asked.append(params)
        return accept(**content)

    async with connect(Answers(elicit=answer)) as client:
        assert text_of(await client.call(tool, arguments))
    [params] = asked
    return params


async def test_tool_asks_the_user() -> None:
    """The suite: `tools-call-elicitation`."""
    filled = {"username": "ann", "email": "ann@example.com"}
    params = await elicit("test_elicitation", filled, message="Who?")
    assert params.message == "Who?"
    schema = params.requested_schema
    assert {name: s["type"] for name, s in schema["properties"].items()} == {
        "username": "string",
        "email": "string",
    }
    assert schema["required"] == ["username", "email"]


async def test_form_has_a_default_of_each_type() -> None:
    """The suite: `elicitation-sep1034-defaults`."""
    params = await elicit("test_elicitation_sep1034_defaults", {})
    assert params.requested_schema["properties"] == {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    }


async def test_form_has_each_form_of_enumeration_and_takes_the_answers() -> None:
    """The suite: `elicitation-sep1330-enums`, with the values that its client gives."""
    filled = {
        "untitledSingle": "option1",
        "titledSingle": "value1",
        "legacyEnum": "opt1",
        "untitledMulti": ["option1", "option2"],
        "titledMulti": ["value1", "value2"],
    }
    params = await elicit("test_elicitation_sep1330_enums", filled)
    forms = params.requested_schema["properties"]
    assert {name: sorted(form) for name, form in forms.items()} == {
        "untitledSingle": ["enum", "type"],
        "titledSingle": ["oneOf", "type"],
        "legacyEnum": ["enum", "enumNames", "type"],
        "untitledMulti": ["items", "type"],
        "titledMulti": ["items", "type"],
    }
    assert len(forms["legacyEnum"]["enum"]) == len(forms["legacyEnum"]["enumNames"])
    assert forms["untitledMulti"]["items"].keys() == {"type", "enum"}
    assert forms["titledMulti"]["items"].keys() == {"anyOf"}


@pytest.mark.parametrize(
    ("tool", "rounds", "text"),
    [
        (
            "test_streaming_elicitation",
            [{"go_on": accept(go_on=True)}],
            "Elicitation completed: accept",
        ),
        (
            "test_input_required_result_elicitation",
            [{"user_name": accept(name="Alice")}],
            "Hello, Alice!",
        ),
        (
            "test_input_required_result_sampling",
            [{"capital_question": say("Paris.")}],
            "Paris.",
        ),
        (
            "test_input_required_result_list_roots",
            [{"client_roots": ROOTS}],
            "Roots: file:///test/root",
        ),
        (
            "test_input_required_result_request_state",
            [{"confirm": accept(ok=True)}],
            "state-ok: accept",
        ),
        (
            "test_input_required_result_multiple_inputs",
            [
                {
                    "user_name": accept(name="Alice"),
                    "greeting": say("Hello!"),
                    "client_roots": ROOTS,
                }
            ],
            "Hello! {'name': 'Alice'} has 1 roots.",
        ),
        (
            "test_input_required_result_multi_round",
            [{"step1": accept(name="Alice")}, {"step2": accept(color="blue")}],
            "{'name': 'Alice'}, {'color': 'blue'}",
        ),
        (
            "test_input_required_result_tampered_state",
            [{"confirm": accept(ok=True)}],
            "Confirmed: accept",
        ),
        (
            "test_input_required_result_capabilities",
            [{"user_name": accept(name="Alice"), "greeting": say("Hello!")}],
            "2 questions were answered.",
        ),
    ],
)
async def test_tool_asks_by_the_literal_keys(
    tool: str, rounds: list[dict[str, Any]], text: str
) -> None:
    """The suite: `input-required-result-basic-elicitation` and those that follow it."""
    responses, state = None, None
    async with connect_modern(**EVERY_CAPABILITY) as client:
        call = client.session.call_tool
        for answers in rounds:
            asked = await call(
                tool,
                input_responses=responses,
                request_state=state,
                allow_input_required=True,
            )
            assert isinstance(asked, types.InputRequiredResult)
            assert asked.input_requests is not None
            assert {
                key: question.method for key, question in asked.input_requests.items()
            } == {key: METHODS[type(answer)] for key, answer in answers.items()}
            responses, state = answers, asked.request_state
        result = await call(tool, input_responses=responses, request_state=state)
    assert text_of(result) == text


async def test_prompt_asks_by_the_literal_key() -> None:
    """The suite: `input-required-result-non-tool-request`."""
    name = "test_input_required_result_prompt"
    async with connect_modern(**EVERY_CAPABILITY) as client:
        get = client.session.get_prompt
        asked = await get(name, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        assert asked.input_requests is not None
        assert [*asked.input_requests] == ["user_context"]
        result = await get(
            name,
            input_responses={"user_context": accept(context="tests")},
            request_state=asked.request_state,
        )
    assert [message.content for message in result.messages] == [
        TextContent(text="Consider this context: {'context': 'tests'}")
    ]


async def test_tool_asks_only_in_ways_that_the_client_declared() -> None:
    """The suite: `input-required-result-capability-check`."""
    async with connect_modern(sampling_callback=never_called) as client:
        asked = await client.session.call_tool(
            "test_input_required_result_capabilities", allow_input_required=True
        )
    assert isinstance(asked, types.InputRequiredResult)
    assert asked.input_requests is not None
    assert [*asked.input_requests] == ["greeting"]
