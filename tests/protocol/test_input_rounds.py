"""Results that ask for something first."""

import pytest

from mcp_django.exceptions import RemoteProtocolError
from mcp_django.protocol.input_rounds import InputRequired, next_round, read_result
from mcp_django.protocol.jsonrpc import JSON, JSONObject

FORM: JSONObject = {"message": "Name?", "requestedSchema": {"type": "object"}}


def required(**members: JSON) -> JSONObject:
    return {"resultType": "input_required", **members}


@pytest.mark.parametrize("method", ["tools/call", "tools/list", "acme/anything"])
@pytest.mark.parametrize("result", [{}, {"resultType": "complete"}, {"a": [1]}])
def test_complete_result_is_given_as_it_is(method: str, result: JSONObject) -> None:
    """Spec: 2026-07-28 basic, "ResultType": older servers leave it out."""
    assert read_result(method, result) is result


QUESTIONS: JSONObject = {
    "a": {"method": "elicitation/create", "params": FORM},
    "b": {"method": "sampling/createMessage", "params": {"maxTokens": 1}},
    "c": {"method": "roots/list"},
    "d": {"method": "roots/list", "params": None, "extra": 7},
}
READ = {
    "a": ("elicitation/create", FORM),
    "b": ("sampling/createMessage", {"maxTokens": 1}),
    "c": ("roots/list", {}),
    "d": ("roots/list", {}),
}
ASKED: dict[str, tuple[JSONObject, InputRequired]] = {
    "questions and a state": (
        required(inputRequests=QUESTIONS, requestState="s"),
        InputRequired(READ, "s"),
    ),
    "questions alone": (required(inputRequests=QUESTIONS), InputRequired(READ, None)),
    "a state alone": (required(requestState="s"), InputRequired({}, "s")),
    "a state that is empty": (required(requestState=""), InputRequired({}, "")),
    "nulls for what is not there": (
        required(inputRequests=None, requestState="s"),
        InputRequired({}, "s"),
    ),
    "null for the state": (
        required(inputRequests={"c": QUESTIONS["c"]}, requestState=None),
        InputRequired({"c": READ["c"]}, None),
    ),
}


@pytest.mark.parametrize(("result", "expected"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "resources/read"])
def test_result_that_asks_is_read(
    method: str, result: JSONObject, expected: InputRequired
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "InputRequiredResult"."""
    assert read_result(method, result) == expected


@pytest.mark.parametrize("method", ["tools/list", "completion/complete", "ping"])
def test_other_methods_must_not_ask(method: str) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    with pytest.raises(RemoteProtocolError) as caught:
        read_result(method, required(requestState="s"))
    assert str(caught.value) == (
        f"the server answered {method!r} with a result of type 'input_required'"
    )


NO_FORM = (
    "the server answered 'tools/call' with inputRequests that are no object, or a "
    "requestState that is no text"
)
NO_QUESTION = (
    "the server asks under 'k' what is none of ['elicitation/create', 'roots/list', "
    "'sampling/createMessage'], or has params that are no object"
)
MALFORMED: dict[str, tuple[JSONObject, str]] = {
    "another type": (
        {"resultType": "task"},
        "the server answered 'tools/call' with a result of type 'task'",
    ),
    "a type that is no text": (
        {"resultType": ["x" * 200]},
        "the server answered 'tools/call' with a result of type "
        + repr(["x" * 200])[:100],
    ),
    "no question and no state": (
        required(),
        "the server answered 'tools/call' with input_required, but asks nothing",
    ),
    "an empty set of questions": (
        required(inputRequests={}),
        "the server answered 'tools/call' with input_required, but asks nothing",
    ),
    "a list of questions": (required(inputRequests=[]), NO_FORM),
    "a state that is no text": (required(requestState={"a": 1}), NO_FORM),
    "a question that is no object": (
        required(inputRequests={"k": "roots"}),
        NO_QUESTION,
    ),
    "a question without method": (required(inputRequests={"k": {}}), NO_QUESTION),
    "a question with a number for method": (
        required(inputRequests={"k": {"method": 7}}),
        NO_QUESTION,
    ),
    "a question for anything else": (
        required(inputRequests={"k": {"method": "tools/call"}}),
        NO_QUESTION,
    ),
    "a question with a list of params": (
        required(inputRequests={"k": {"method": "roots/list", "params": [1]}}),
        NO_QUESTION,
    ),
}


@pytest.mark.parametrize(("result", "text"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_result_is_the_fault_of_the_server(
    result: JSONObject, text: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements"."""
    with pytest.raises(RemoteProtocolError) as caught:
        read_result("tools/call", result)
    assert str(caught.value) == text


PARAMS: JSONObject = {"name": "greet", "arguments": {}}
ROUNDS: dict[str, tuple[InputRequired, JSONObject, JSONObject]] = {
    "answers and the state": (
        InputRequired(READ, "s"),
        {"a": {"action": "decline"}},
        {**PARAMS, "inputResponses": {"a": {"action": "decline"}}, "requestState": "s"},
    ),
    "answers alone": (
        InputRequired(READ, None),
        {"c": {"roots": []}},
        {**PARAMS, "inputResponses": {"c": {"roots": []}}},
    ),
    "the state alone": (InputRequired({}, ""), {}, {**PARAMS, "requestState": ""}),
}


@pytest.mark.parametrize(("asked", "answers", "params"), ROUNDS.values(), ids=ROUNDS)
def test_next_round_brings_what_was_asked_for(
    asked: InputRequired, answers: JSONObject, params: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements"."""
    before = dict(PARAMS)
    assert next_round(PARAMS, asked, answers) == params
    assert before == PARAMS
