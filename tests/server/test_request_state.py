"""Rounds of questions in the modern era, and the state that the client carries."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.signing import Signer
from mcp_types import InputRequiredResult
from mcp_types.jsonrpc import INVALID_PARAMS, MISSING_REQUIRED_CLIENT_CAPABILITY
from pydantic import BaseModel
from pytest_django.fixtures import Settings

from mcp_django import Context, Server, SyncContext
from mcp_django.exceptions import AskFailed, ErrorAnswer
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.answers import MAX_UNFIT
from mcp_django.server.request_state import MAX_STATE_CHARACTERS
from mcp_django.server.requests import Request
from mcp_django.signing import seal, unseal
from tests.server.calls import LATEST, MODERN, Caller


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


class Confirm(BaseModel):
    sure: bool


class Runs:
    """A server with tools that ask, and what their runs came to.

    Attributes:
        begun: Name of the tool, for each run that began.
    """

    def __init__(self) -> None:
        self.server = Server("shop")
        self.begun: list[str] = []

        @self.server.tool
        def ship(order_id: JSON, context: SyncContext) -> str:
            self.begun.append("ship")
            answer = context.elicit(f"Ship order {order_id}?", Confirm)
            return f"{answer.action}: {answer.data}"

        @self.server.tool
        async def pay(context: Context) -> str:
            self.begun.append("pay")
            amount = await context.elicit("How much?", AMOUNT, key="amount")
            data = amount.data or {}
            sure = await context.elicit(f"Pay {data['euros']}?", Confirm, key="sure")
            return f"{data['euros']}, {sure.accepted}"

        @self.server.tool
        async def survey(context: Context) -> str:
            self.begun.append("survey")
            answers = [
                await context.elicit(f"Question {number}?", Confirm, key=str(number))
                for number in range(100)
            ]
            return str(len(answers))


AMOUNT: JSONObject = {
    "type": "object",
    "properties": {"euros": {"type": "integer"}},
    "required": ["euros"],
}
SURE: JSONObject = {"action": "accept", "content": {"sure": True}}
TWENTY: JSONObject = {"action": "accept", "content": {"euros": 20}}


def ship(caller: Caller, order_id: JSON = 7) -> Request:
    params = {"name": "ship", "arguments": {"order_id": order_id}}
    return caller.request("tools/call", params)


def text_of(result: JSONObject) -> str:
    [block] = result["content"]
    text: str = block["text"]
    return text


async def refusal_of(caller: Caller, request: Request) -> str:
    """Give the text of the error that a request with a wrong state is answered with."""
    with pytest.raises(ErrorAnswer) as caught:
        await caller.send(request)
    assert caught.value.code == INVALID_PARAMS
    return caught.value.message


# One round --------------------------------------------------------------------------


async def test_question_is_the_answer_to_a_request() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "InputRequiredResult"."""
    caller = Caller(Runs().server, version=MODERN)
    result = await caller.send(ship(caller))
    assert isinstance(result.pop("requestState"), str)
    assert result == {
        "resultType": "input_required",
        "inputRequests": {
            "question-1": {
                "method": "elicitation/create",
                "params": {
                    "mode": "form",
                    "message": "Ship order 7?",
                    "requestedSchema": {
                        "type": "object",
                        "properties": {"sure": {"type": "boolean", "title": "Sure"}},
                        "required": ["sure"],
                    },
                },
            }
        },
    }


async def test_question_has_the_form_of_the_wire() -> None:
    """Spec: 2026-07-28 schema.ts, `InputRequiredResult`."""
    caller = Caller(Runs().server, version=MODERN)
    InputRequiredResult.model_validate(await caller.send(ship(caller)))


async def test_retry_runs_the_handler_with_the_answer() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Basic Workflow"."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    result = await caller.send(caller.retry(first, asked, {"question-1": SURE}))
    assert text_of(result) == "accept: sure=True"
    assert runs.begun == ["ship", "ship"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_user_may_say_no(action: str) -> None:
    """Spec: 2026-07-28 client/elicitation, "Response Actions"."""
    answers = {"elicitation/create": [{"action": action}]}
    caller = Caller(Runs().server, version=MODERN, answers=answers)
    assert await caller.text_of("ship", order_id=7) == f"{action}: None"


@pytest.mark.parametrize("responses", [{}, None, {"another": SURE}])
async def test_answer_that_is_missing_is_asked_for_again(
    responses: JSONObject | None,
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling": asked again rather than
    refused."""
    caller = Caller(Runs().server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    for _ in range(MAX_UNFIT + 1):
        again = await caller.send(caller.retry(first, asked, responses))
        assert again["inputRequests"] == asked["inputRequests"]
    result = await caller.send(caller.retry(first, again, {"question-1": SURE}))
    assert text_of(result) == "accept: sure=True"


UNFIT: list[tuple[JSON, str]] = [
    (None, "the answer is no object"),
    (12345, "the answer is no object"),
    ("yes", "the answer is no object"),
    ({}, "action: missing, but required"),
    (
        {"action": "perhaps"},
        "action: Input should be 'accept', 'decline' or 'cancel'",
    ),
    ({"action": "accept"}, "sure: missing, but required"),
    (
        {"action": "accept", "content": {"sure": "perhaps"}},
        "sure: Input should be a valid boolean, unable to interpret input",
    ),
    ({"action": "accept", "content": 7}, "content: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("response", "fault"), UNFIT)
async def test_answer_that_does_not_fit_is_asked_for_again_with_the_reason(
    response: JSON, fault: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling": asked again rather than
    refused; the reason is our choice, so that the user need not guess."""
    caller = Caller(Runs().server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    again = await caller.send(caller.retry(first, asked, {"question-1": response}))
    params = again["inputRequests"]["question-1"]["params"]
    assert params == {
        **asked["inputRequests"]["question-1"]["params"],
        "message": f"Ship order 7?\n\nThe last answer does not fit: {fault}. Please "
        "answer again.",
    }
    result = await caller.send(caller.retry(first, again, {"question-1": SURE}))
    assert text_of(result) == "accept: sure=True"


@pytest.mark.parametrize(("response", "fault"), UNFIT)
async def test_answers_that_never_fit_are_a_refusal(response: JSON, fault: str) -> None:
    """We chose three: then the model hears what is wrong."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = request = ship(caller)
    for _ in range(MAX_UNFIT):
        asked = await caller.send(request)
        request = caller.retry(first, asked, {"question-1": response})
    result = await caller.send(request)
    assert (result["isError"], text_of(result)) == (
        True,
        f"client answered 'elicitation/create' {MAX_UNFIT} times with what does not "
        f"fit; the last time: {fault}",
    )
    assert len(runs.begun) == MAX_UNFIT + 1


async def test_refusal_for_answers_that_never_fit_stands_in_later_rounds() -> None:
    """We chose it: a handler may go on without, and ask something else."""
    server = Server("shop")

    @server.tool
    def ask(context: SyncContext) -> str:
        try:
            context.elicit("Sure?", Confirm, key="sure")
        except AskFailed as error:
            return f"{error}; {context.elicit('Really?', Confirm).action}"
        return "never"

    unfit: JSONObject = {"action": "accept", "content": {"sure": "maybe"}}
    answers = {"elicitation/create": [unfit] * MAX_UNFIT + [SURE]}
    caller = Caller(server, version=MODERN, answers=answers)
    assert (await caller.text_of("ask")).endswith(
        "the last time: sure: Input should be a valid boolean, unable to interpret "
        "input; accept"
    )
    assert [len(asked) for asked in caller.asked] == [1] * (MAX_UNFIT + 1)


async def test_each_question_has_its_own_count() -> None:
    """We chose it: one user may be wrong twice in each of three forms."""
    server = Server("shop")

    @server.tool
    async def ask(context: Context) -> str:
        answers = [
            await context.elicit(f"{number}?", Confirm) for number in range(MAX_UNFIT)
        ]
        return str([answer.accepted for answer in answers])

    unfit: JSONObject = {"action": "accept", "content": {}}
    answers = {"elicitation/create": [unfit, unfit, SURE] * MAX_UNFIT}
    for version in (MODERN, LATEST):
        caller = Caller(server, version=version, answers=answers)
        assert await caller.text_of("ask") == "[True, True, True]"


async def test_responses_that_nobody_asked_for_are_ignored() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling"."""
    caller = Caller(Runs().server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    responses = {"question-1": SURE, "question-2": 7, "": None}
    result = await caller.send(caller.retry(first, asked, responses))
    assert text_of(result) == "accept: sure=True"


@pytest.mark.parametrize("responses", [7, [], "yes", True])
async def test_responses_that_are_no_object_are_refused(responses: JSON) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling"."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    assert await refusal_of(caller, caller.retry(first, asked, responses)) == (
        "inputResponses must be an object of key and result for each question"
    )
    assert runs.begun == ["ship"]


async def test_answer_without_a_state_is_to_what_this_run_asks() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements": nothing obliges the
    server to need a state; that this counts as the first round is our choice."""
    caller = Caller(Runs().server, version=MODERN)
    params = {**ship(caller).params, "inputResponses": {"question-1": SURE, "x": 7}}
    for state in ({}, {"requestState": None}):
        request = caller.request("tools/call", params | state)
        assert text_of(await caller.send(request)) == "accept: sure=True"


@pytest.mark.parametrize("responses", [None, {"another": SURE}])
async def test_no_answer_and_no_state_begin_anew(responses: JSON) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling"."""
    caller = Caller(Runs().server, version=MODERN)
    params = {**ship(caller).params, "inputResponses": responses}
    result = await caller.send(caller.request("tools/call", params))
    assert list(result["inputRequests"]) == ["question-1"]


async def test_legacy_client_is_not_heard_in_this_way() -> None:
    """Our choice: in the legacy era these are parameters like any other unknown."""
    runs = Runs()
    answers: Any = {"elicitation/create": [{"action": "decline"}]}
    caller = Caller(runs.server, answers=answers)
    params = {"inputResponses": {"question-1": SURE}, "requestState": "forged"}
    request = caller.request("tools/call", {**ship(caller).params, **params})
    assert text_of(await caller.finish(request)) == "decline: None"


# The state --------------------------------------------------------------------------


def resealed(change: Callable[[list[Any]], None]) -> Callable[[str], str]:
    """Give what changes a state and seals it as only the site itself could."""

    def reseal(state: str) -> str:
        value = unseal("request-state", state)
        change(value)
        return seal("request-state", value)

    return reseal


TAMPERED: dict[str, Callable[[str], Any]] = {
    "something added": lambda state: f"{state}-TAMPERED",
    "something changed": lambda state: f"x{state[1:]}",
    "something missing": lambda state: state[:-1],
    "no signature": lambda state: state.partition(".")[0],
    "nothing": lambda state: "",
    "a number": lambda state: 7,
    "an object": lambda state: {"state": state},
    "a list": lambda state: [state],
    "another seal": lambda state: seal("session", unseal("request-state", state)),
    "another key": lambda state: Signer(
        key="guessed", salt="mcp_django.request-state", sep="."
    ).sign_object(unseal("request-state", state)),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
async def test_state_that_the_client_changed_is_refused(
    tamper: Callable[[str], Any],
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements", 4; that it is an
    error and nothing runs is our choice."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    asked["requestState"] = tamper(asked["requestState"])
    assert await refusal_of(
        caller, caller.retry(first, asked, {"question-1": SURE})
    ) == ("requestState is refused: it is not as this server made it")
    assert runs.begun == ["ship"]


async def test_state_expires(settings: Settings) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements", 5."""
    settings.MCP = {"ASK_TIMEOUT": -2.0}
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    assert await refusal_of(
        caller, caller.retry(first, asked, {"question-1": SURE})
    ) == ("requestState is refused: it has expired; send the request again without it")
    assert runs.begun == ["ship"]


async def test_state_outlives_a_change_of_the_key(settings: Settings) -> None:
    """Our choice: keys are rotated as Django rotates them."""
    caller = Caller(Runs().server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next one"
    result = await caller.send(caller.retry(first, asked, {"question-1": SURE}))
    assert text_of(result) == "accept: sure=True"
    settings.SECRET_KEY_FALLBACKS = []
    await refusal_of(caller, caller.retry(first, asked, {"question-1": SURE}))


FOREIGN = "requestState is refused: it was made for another user or another request"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (User(pk=1), User(pk=2)),
        (User(pk=1), AnonymousUser()),
        (AnonymousUser(), User(pk=1)),
        (None, User(pk=1)),
    ],
)
async def test_state_of_another_user_is_refused(theirs: Any, ours: Any) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements", 5."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN, user=theirs)
    first = ship(caller)
    asked = await caller.send(first)
    thief = Caller(runs.server, version=MODERN, user=ours)
    assert (
        await refusal_of(thief, thief.retry(first, asked, {"question-1": SURE}))
        == FOREIGN
    )
    assert runs.begun == ["ship"]
    await caller.send(caller.retry(first, asked, {"question-1": SURE}))


OTHER_REQUESTS: dict[str, tuple[str, JSONObject]] = {
    "another argument": ("tools/call", {"name": "ship", "arguments": {"order_id": 8}}),
    "an argument as text": (
        "tools/call",
        {"name": "ship", "arguments": {"order_id": "7"}},
    ),
    "true for one": ("tools/call", {"name": "ship", "arguments": {"order_id": True}}),
    "an argument more": (
        "tools/call",
        {"name": "ship", "arguments": {"order_id": 7, "fast": True}},
    ),
    "no arguments": ("tools/call", {"name": "ship"}),
    "another tool": ("tools/call", {"name": "pay", "arguments": {"order_id": 7}}),
    "another method": ("prompts/get", {"name": "ship", "arguments": {"order_id": 7}}),
}


@pytest.mark.parametrize(
    ("method", "params"), OTHER_REQUESTS.values(), ids=OTHER_REQUESTS
)
async def test_state_of_another_request_is_refused(
    method: str, params: JSONObject
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements", 5."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    asked = await caller.send(ship(caller))
    other = caller.retry(caller.request(method, params), asked, {"question-1": SURE})
    assert await refusal_of(caller, other) == FOREIGN
    assert runs.begun == ["ship"]


async def test_state_of_another_server_is_refused() -> None:
    """Our choice: two servers of one site may have tools of the same name."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    asked = await caller.send(first)
    other = Server("depot")
    other.tools = runs.server.tools
    caller.server = other
    retry = caller.retry(first, asked, {"question-1": SURE})
    assert await refusal_of(caller, retry) == FOREIGN


SAME_REQUESTS: dict[str, tuple[JSON, JSONObject]] = {
    "other metadata": (
        7,
        {"arguments": {"order_id": 7}, "_meta": {"progressToken": 1, "a": {}}},
    ),
    "another order of members": (
        {"a": 1, "b": 2},
        {"arguments": {"order_id": {"b": 2, "a": 1}}},
    ),
    "a number with places": (7, {"arguments": {"order_id": 7.0}}),
    "a number without": ([{"a": 7.0}], {"arguments": {"order_id": [{"a": 7}]}}),
    "a number with others": (7.5, {"arguments": {"order_id": 7.5}}),
}


@pytest.mark.parametrize(
    ("order_id", "params"), SAME_REQUESTS.values(), ids=SAME_REQUESTS
)
async def test_request_is_the_same_however_it_is_written(
    order_id: JSON, params: JSONObject
) -> None:
    """Our choice: clients may write JSON as they like, and metadata is each
    request's own."""
    caller = Caller(Runs().server, version=MODERN)
    asked = await caller.send(ship(caller, order_id))
    again = caller.request("tools/call", {"name": "ship", **params})
    asked_again = await caller.send(caller.retry(again, asked))
    assert list(asked_again["inputRequests"]) == ["question-1"]


@pytest.mark.parametrize("arguments", [{}, {"arguments": {}}, {"arguments": None}])
async def test_no_arguments_are_the_same_however_they_are_written(
    arguments: JSONObject,
) -> None:
    """Spec: 2026-07-28 schema.ts, `CallToolRequestParams`: they are optional."""
    caller = Caller(Runs().server, version=MODERN)
    asked = await caller.send(caller.request("tools/call", {"name": "pay"}))
    again = caller.request("tools/call", {"name": "pay", **arguments})
    asked_again = await caller.send(caller.retry(again, asked))
    assert list(asked_again["inputRequests"]) == ["amount"]


async def test_state_can_be_used_again() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements", 5: what must happen
    once only is the handler's to see to."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = ship(caller)
    retry = caller.retry(first, await caller.send(first), {"question-1": SURE})
    for _ in range(2):
        assert text_of(await caller.send(retry)) == "accept: sure=True"


# Several rounds ---------------------------------------------------------------------


async def test_each_round_carries_the_answers_before() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Basic Workflow"."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = caller.request("tools/call", {"name": "pay"})
    one = await caller.send(first)
    assert list(one["inputRequests"]) == ["amount"]
    two = await caller.send(caller.retry(first, one, {"amount": TWENTY}))
    [(key, question)] = two["inputRequests"].items()
    assert (key, question["params"]["message"]) == ("sure", "Pay 20?")
    assert one["requestState"] != two["requestState"]
    result = await caller.send(caller.retry(first, two, {"sure": SURE}))
    assert text_of(result) == "20, True"
    assert runs.begun == ["pay"] * 3


async def test_answer_of_an_earlier_round_stands() -> None:
    """Our choice: what later questions were made of does not change behind them."""
    caller = Caller(Runs().server, version=MODERN)
    first = caller.request("tools/call", {"name": "pay"})
    one = await caller.send(first)
    two = await caller.send(caller.retry(first, one, {"amount": TWENTY}))
    million = {"action": "accept", "content": {"euros": 1_000_000}}
    responses = {"amount": million, "sure": SURE}
    result = await caller.send(caller.retry(first, two, responses))
    assert text_of(result) == "20, True"


async def test_answer_to_a_question_that_was_not_asked_yet_does_not_count() -> None:
    """Our choice: nobody saw it."""
    caller = Caller(Runs().server, version=MODERN)
    first = caller.request("tools/call", {"name": "pay"})
    one = await caller.send(first)
    responses = {"amount": TWENTY, "sure": SURE}
    two = await caller.send(caller.retry(first, one, responses))
    assert list(two["inputRequests"]) == ["sure"]


async def test_answer_to_another_question_of_the_same_key_does_not_count() -> None:
    """Our choice: an answer belongs to what the user saw."""
    server = Server("shop")
    prices = [10, 20]

    @server.tool
    def buy(context: SyncContext) -> str:
        price = prices[0]
        return f"{price}: {context.elicit(f'Pay {price}?', Confirm).accepted}"

    caller = Caller(server, version=MODERN)
    first = caller.request("tools/call", {"name": "buy"})
    one = await caller.send(first)
    del prices[0]
    two = await caller.send(caller.retry(first, one, {"question-1": SURE}))
    [question] = two["inputRequests"].values()
    assert question["params"]["message"] == "Pay 20?"
    result = await caller.send(caller.retry(first, two, {"question-1": SURE}))
    assert text_of(result) == "20: True"


async def test_earlier_answer_to_another_question_of_the_same_key_does_not_count() -> (
    None
):
    """Our choice: an answer belongs to what the user saw, in every round."""
    server = Server("shop")
    prices = [10, 10, 20]

    @server.tool
    def buy(context: SyncContext) -> str:
        price = prices.pop(0)
        context.elicit(f"Pay {price}?", Confirm, key="price")
        return str(context.elicit("Wrap it?", Confirm, key="wrap").accepted)

    caller = Caller(server, version=MODERN)
    first = caller.request("tools/call", {"name": "buy"})
    one = await caller.send(first)
    two = await caller.send(caller.retry(first, one, {"price": SURE}))
    assert list(two["inputRequests"]) == ["wrap"]
    three = await caller.send(caller.retry(first, two, {"price": SURE, "wrap": SURE}))
    [question] = three["inputRequests"].values()
    assert question["params"]["message"] == "Pay 20?"


async def test_questions_keep_their_answers_by_key_in_any_order() -> None:
    """Our choice: a key names a question where their order may change, and an answer
    is kept that the next run has not come by."""
    server = Server("shop")
    orders = ["ab", "ba", "ab"]

    @server.tool
    def ask(context: SyncContext) -> str:
        answers = [context.elicit(f"{key}?", Confirm, key=key) for key in orders.pop(0)]
        return str([answer.accepted for answer in answers])

    caller = Caller(server, version=MODERN, answers={"elicitation/create": [SURE]})
    assert await caller.text_of("ask") == "[True, True]"
    assert [params["message"] for [(_, params)] in caller.asked] == ["a?", "b?"]


async def test_unfit_answer_that_was_kept_is_asked_for_again() -> None:
    """Our choice: answers are looked at when their question comes."""
    server = Server("shop")
    orders = ["ab", "ba", "ab", "ab"]

    @server.tool
    def ask(context: SyncContext) -> str:
        answers = [context.elicit(f"{key}?", Confirm, key=key) for key in orders.pop(0)]
        return str([answer.accepted for answer in answers])

    unfit: JSONObject = {"action": "accept"}
    answers = {"elicitation/create": [unfit, SURE]}
    caller = Caller(server, version=MODERN, answers=answers)
    assert await caller.text_of("ask") == "[True, True]"
    assert [params["message"] for [(_, params)] in caller.asked] == [
        "a?",
        "b?",
        "a?\n\nThe last answer does not fit: sure: missing, but required. Please "
        "answer again.",
    ]


async def test_questions_asked_together_go_out_in_one_round() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "InputRequests"."""
    server = Server("shop")

    @server.tool
    async def introduce(context: Context) -> str:
        found: dict[str, Any] = {}

        async def elicit() -> None:
            found["sure"] = await context.elicit("Sure?", Confirm, key="sure")

        async def sample() -> None:
            found["greeting"] = await context.sample("Greet!", 50, key="greeting")

        async def list_roots() -> None:
            found["roots"] = await context.list_roots(key="roots")

        async with anyio.create_task_group() as tasks:
            for ask in (elicit, sample, list_roots):
                tasks.start_soon(ask)
        return (
            f"{found['greeting'].content.text} {found['sure'].accepted} "
            f"{found['roots'][0].uri}"
        )

    caller = Caller(server, version=MODERN)
    first = caller.request("tools/call", {"name": "introduce"})
    asked = await caller.send(first)
    InputRequiredResult.model_validate(asked)
    methods = {key: q["method"] for key, q in asked["inputRequests"].items()}
    assert methods == {
        "sure": "elicitation/create",
        "greeting": "sampling/createMessage",
        "roots": "roots/list",
    }
    greeting = {
        "role": "assistant",
        "content": {"type": "text", "text": "Hello"},
        "model": "m",
    }
    some = await caller.send(
        caller.retry(first, asked, {"greeting": greeting, "sure": SURE})
    )
    assert list(some["inputRequests"]) == ["roots"], "what is answered is not asked"
    roots = {"roots": [{"uri": "file:///home"}]}
    result = await caller.send(caller.retry(first, some, {"roots": roots}))
    assert text_of(result) == "Hello True file:///home"


async def test_rounds_have_a_limit(settings: Settings) -> None:
    """Our choice: a handler whose questions never end is a mistake."""
    settings.MCP = {"MAX_ASK_ROUNDS": 3}
    runs = Runs()
    caller = Caller(runs.server, version=MODERN, answers={"elicitation/create": [SURE]})
    with pytest.raises(RuntimeError) as caught:
        await caller.text_of("survey")
    assert str(caught.value) == (
        "tools/call asked more than MCP['MAX_ASK_ROUNDS'] = 3 rounds of questions"
    )
    assert len(runs.begun) == 4


async def test_state_has_a_limit() -> None:
    """Our choice: it goes back and forth, and bodies have limits."""
    server = Server("shop")

    @server.tool
    def write(context: SyncContext) -> str:
        context.sample("Write a book!", 10**6)
        return str(context.elicit("Print it?", Confirm).accepted)

    caller = Caller(server, version=MODERN)
    first = caller.request("tools/call", {"name": "write"})
    asked = await caller.send(first)

    def book(characters: int) -> JSONObject:
        content = {"type": "text", "text": "x" * characters}
        result = {"role": "assistant", "content": content, "model": "m"}
        return {"question-1": result}

    await caller.send(caller.retry(first, asked, book(MAX_STATE_CHARACTERS // 2)))
    with pytest.raises(RuntimeError) as caught:
        await caller.send(caller.retry(first, asked, book(MAX_STATE_CHARACTERS)))
    assert str(caught.value).startswith("tools/call: the answers to earlier questions")


# What every round looks at ----------------------------------------------------------


async def test_permission_is_looked_at_in_every_round() -> None:
    """Our choice: who may no longer does not, whatever they were asked."""
    server = Server("shop")
    allowed = [True, False]

    @server.tool(permission=lambda context: allowed.pop(0))
    def ship(context: SyncContext) -> str:
        return context.elicit("Ship it?", Confirm).action

    caller = Caller(server, version=MODERN)
    first = caller.request("tools/call", {"name": "ship"})
    asked = await caller.send(first)
    assert (
        await refusal_of(caller, caller.retry(first, asked, {"question-1": SURE}))
        == "Unknown tool: ship"
    )


async def test_capabilities_are_those_of_each_round() -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields"."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    first = caller.request("tools/call", {"name": "pay"})
    asked = await caller.send(first)
    caller.capabilities = {}
    with pytest.raises(ErrorAnswer) as caught:
        await caller.send(caller.retry(first, asked, {"amount": TWENTY}))
    assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
    assert caught.value.data == {"requiredCapabilities": {"elicitation": {"form": {}}}}


async def test_prompts_and_resources_may_ask() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    server = Server("shop")

    @server.prompt
    def greet(context: SyncContext) -> str:
        return f"Greet, {context.elicit('Loud?', Confirm).data}"

    @server.resource("shop://secret", ttl_ms=1000)
    def secret(context: SyncContext) -> str:
        return f"Secret, {context.elicit('Show it?', Confirm).data}"

    caller = Caller(server, version=MODERN, answers={"elicitation/create": [SURE]})
    prompt = await caller.call("prompts/get", {"name": "greet"})
    assert prompt["messages"][0]["content"]["text"] == "Greet, sure=True"
    read = await caller.call("resources/read", {"uri": "shop://secret"})
    assert read["contents"][0]["text"] == "Secret, sure=True"
    assert len(caller.asked) == 2


async def test_other_requests_may_not_ask() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    server = Server("shop")

    @server.prompt
    def greet(name: str) -> str:
        return name

    @server.completion(greet, "name")
    def names(value: str, context: SyncContext) -> list[str]:
        return ["Ada"] if context.elicit("May I?", Confirm).accepted else []

    caller = Caller(server, version=MODERN)
    params: JSONObject = {
        "ref": {"type": "ref/prompt", "name": "greet"},
        "argument": {"name": "name", "value": ""},
    }
    with pytest.raises(RuntimeError) as caught:
        await caller.send(caller.request("completion/complete", params))
    assert str(caught.value) == (
        "completion/complete cannot ask the client in version 2026-07-28; only "
        "['prompts/get', 'resources/read', 'tools/call'] can"
    )


async def test_state_means_nothing_to_other_requests() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Client Requirements", 4."""
    runs = Runs()
    caller = Caller(runs.server, version=MODERN)
    params = {"requestState": "forged", "inputResponses": 7}
    result = await caller.send(caller.request("tools/list", params))
    assert len(result["tools"]) == 3
