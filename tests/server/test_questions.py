"""What handlers ask clients, and what they make of the answers."""

from datetime import date
from typing import Any

import anyio
import pytest
from django.utils.translation import gettext_lazy
from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    Root,
    SamplingMessage,
    TextContent,
    Tool,
)
from pydantic import BaseModel

from mcp_django import Answer, Context, Server, SyncContext
from mcp_django.exceptions import AskFailed, CapabilityMissing
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.asking import QuestionsAsked
from tests.server.calls import KINDS, MODERN, Caller, use

VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


# Forms ------------------------------------------------------------------------------


class Order(BaseModel):
    count: int
    gift: bool = False


ACCEPTED = {"action": "accept", "content": {"count": 3}}


def asked_params(caller: Caller) -> JSONObject:
    [[(_, params)]] = caller.asked
    return params


@pytest.mark.parametrize("kind", KINDS)
async def test_form_is_asked_and_read_as_its_model(kind: str) -> None:
    """Spec: 2025-11-25 client/elicitation, "Form Mode Elicitation Requests"."""
    caller = Caller(Server("shop"), answers={"elicitation/create": [ACCEPTED]})
    answer = await use(caller, kind, "elicit", "How many?", Order)
    assert answer == Answer("accept", Order(count=3))
    assert asked_params(caller) == {
        "mode": "form",
        "message": "How many?",
        "requestedSchema": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "title": "Count"},
                "gift": {"type": "boolean", "title": "Gift", "default": False},
            },
            "required": ["count"],
        },
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", MODERN])
async def test_handler_asks_alike_in_every_version(kind: str, version: str) -> None:
    """Our choice: the era is no business of handlers. Spec: 2026-07-28
    client/elicitation, "Form Mode Elicitation Requests"."""
    answers = {"elicitation/create": [ACCEPTED]}
    caller = Caller(Server("shop"), version=version, answers=answers)
    answer = await use(caller, kind, "elicit", "How many?", Order)
    assert answer == Answer("accept", Order(count=3))
    has_mode = version >= "2025-11-25"
    assert asked_params(caller).get("mode") == ("form" if has_mode else None)


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
async def test_message_may_be_a_lazy_translation(version: str) -> None:
    """Our choice: Django's texts often are."""
    answers = {"elicitation/create": [ACCEPTED]}
    caller = Caller(Server("shop"), version=version, answers=answers)
    await use(caller, "def", "elicit", gettext_lazy("How many?"), Order)
    assert asked_params(caller)["message"] == "How many?"
    assert type(asked_params(caller)["message"]) is str


@pytest.mark.parametrize("kind", KINDS)
async def test_form_may_be_a_verbatim_schema(kind: str) -> None:
    """Our choice: what the API cannot express is written by hand."""
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    caller = Caller(Server("shop"), answers={"elicitation/create": [ACCEPTED]})
    answer = await use(caller, kind, "elicit", "How many?", schema)
    assert answer == Answer("accept", {"count": 3})
    assert asked_params(caller)["requestedSchema"] == schema


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_form_that_is_not_filled_in_has_no_data(action: str) -> None:
    """Spec: 2025-11-25 client/elicitation, "Response Actions"."""
    answers = {"elicitation/create": [{"action": action, "content": {"count": 3}}]}
    caller = Caller(Server("shop"), answers=answers)
    answer = await use(caller, "def", "elicit", "How many?", Order)
    assert answer == Answer(action, None)  # type: ignore[arg-type]


async def test_form_has_no_mode_before_it_was_invented() -> None:
    """Spec: 2025-11-25 schema.ts, `ElicitRequestFormParams`: `mode` is new."""
    caller = Caller(
        Server("shop"), version="2025-06-18", answers={"elicitation/create": [ACCEPTED]}
    )
    await use(caller, "def", "elicit", "How many?", Order)
    assert asked_params(caller).keys() == {"message", "requestedSchema"}


@pytest.mark.parametrize(
    "unfit",
    [
        {"action": "accept", "content": {"count": "many"}},
        {"action": "accept", "content": {}},
        {"action": "accept"},
        {"action": "perhaps"},
        {"roots": []},
        {},
    ],
)
async def test_answer_that_does_not_fit_is_asked_for_again(unfit: JSONObject) -> None:
    """Our choice: not every client checks what its user wrote."""
    caller = Caller(Server("shop"), answers={"elicitation/create": [unfit, ACCEPTED]})
    server = caller.server
    runs: list[int] = []

    @server.tool
    async def order(context: Context) -> int:
        runs.append(1)
        answer = await context.elicit("How many?", Order)
        count: int = answer.data.count
        return count

    assert await caller.text_of("order") == "3"
    assert (len(caller.asked), len(runs)) == (2, 3)


class Trip(BaseModel):
    """A form with fields that may be left empty."""

    when: date | None = None
    guests: int = 1


WRONG: JSONObject = {"action": "accept", "content": {"when": "soon", "guests": "two"}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", MODERN])
async def test_user_is_told_which_field_does_not_fit_and_why(
    kind: str, version: str
) -> None:
    """Our choice: the same message again tells them nothing."""
    answers = {"elicitation/create": [WRONG, {"action": "accept", "content": {}}]}
    caller = Caller(Server("shop"), version=version, answers=answers)
    answer = await use(caller, kind, "elicit", "Where to?", Trip)
    assert answer == Answer("accept", Trip())
    assert [params["message"] for [(_, params)] in caller.asked] == [
        "Where to?",
        "Where to?\n\nThe last answer does not fit: when: Input should be a valid date "
        "or datetime, input is too short; guests: Input should be a valid integer, "
        "unable to parse string as an integer. Please answer again.",
    ]


TRIP = {
    "type": "object",
    "properties": {
        "when": {"type": "string", "format": "date"},
        "guests": {"type": "integer"},
    },
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", MODERN])
async def test_form_of_a_schema_is_read_as_that_of_a_model(
    kind: str, version: str
) -> None:
    """Our choice: empty fields, formats and numbers as text are the same in both."""
    fit = {"action": "accept", "content": {"when": "", "guests": "2"}}
    caller = Caller(
        Server("shop"), version=version, answers={"elicitation/create": [WRONG, fit]}
    )
    answer = await use(caller, kind, "elicit", "Where to?", TRIP)
    assert answer == Answer("accept", {"guests": 2})
    assert [params["message"] for [(_, params)] in caller.asked] == [
        "Where to?",
        "Where to?\n\nThe last answer does not fit: when: the value is not a 'date'; "
        "guests: the value is not of type 'integer'. Please answer again.",
    ]


NEVER_FIT: list[tuple[tuple[Any, ...], str, JSONObject, str]] = [
    (
        ("elicit", "Where to?", Trip),
        "elicitation/create",
        {"action": "accept", "content": {"when": "secret"}},
        "when: Input should be a valid date or datetime, input is too short",
    ),
    (
        ("elicit_url", "Look!", "https://shop.example/"),
        "elicitation/create",
        {"action": "secret"},
        "action: Input should be 'accept', 'decline' or 'cancel'",
    ),
    (
        ("sample", "Greet!", 50),
        "sampling/createMessage",
        {"role": "assistant", "content": {"type": "text", "text": "secret"}},
        "model: missing, but required",
    ),
    (
        ("list_roots",),
        "roots/list",
        {"roots": [{"uri": 7}]},
        "roots[0].uri: ",
    ),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
@pytest.mark.parametrize(("asked", "method", "unfit", "fault"), NEVER_FIT)
async def test_answers_that_never_fit_are_a_refusal_and_in_the_log(
    kind: str,
    version: str,
    asked: tuple[Any, ...],
    method: str,
    unfit: JSONObject,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: three times; nobody would see the end of it else."""
    caller = Caller(Server("shop"), version=version, answers={method: [unfit]})
    with caplog.at_level("INFO", "mcp_django.server"):
        error = await use(caller, kind, *asked)
    assert isinstance(error, AskFailed)
    assert str(error).startswith(
        f"client answered {method!r} 3 times with what does not fit; the last time: "
        f"{fault}"
    )
    assert len(caller.asked) == 3
    logged = [(r.levelname, r.getMessage()) for r in caplog.records]
    assert [level for level, _ in logged] == ["INFO", "INFO", "WARNING"]
    for number, (_, text) in enumerate(logged, start=1):
        assert text.startswith(
            f"tools/call 'tool': answer {number} to question 'question-1' ({method}) "
            f"does not fit: {fault}"
        )
    assert "secret" not in str(error) + caplog.text


async def test_only_what_does_not_fit_is_asked_again() -> None:
    """Our choice: what the user wrote well they need not write again."""
    for version in ("2025-11-25", MODERN):
        server = Server("shop")

        @server.tool
        async def ask(context: Context) -> str:
            found: dict[str, Any] = {}

            async def elicit(key: str) -> None:
                found[key] = (await context.elicit(f"{key}?", Order, key=key)).data

            async with anyio.create_task_group() as tasks:
                for key in ("a", "b"):
                    tasks.start_soon(elicit, key)
            return str(sorted(found))

        answers = {"elicitation/create": [ACCEPTED, WRONG, ACCEPTED]}
        caller = Caller(server, version=version, answers=answers)
        assert await caller.text_of("ask") == "['a', 'b']"
        assert [len(asked) for asked in caller.asked] == [2, 1]
        [[_, wrong], [(_, again)]] = caller.asked
        assert again["message"].startswith(f"{wrong[1]['message']}\n\n")


@pytest.mark.parametrize("kind", KINDS)
async def test_error_of_the_client_is_raised(kind: str) -> None:
    """Our choice: a handler may go another way."""
    error = jsonrpc.error("ask", -32603, "window closed")
    caller = Caller(Server("shop"), answers={"elicitation/create": [error]})
    raised = await use(caller, kind, "elicit", "How many?", Order)
    assert isinstance(raised, AskFailed)
    assert str(raised) == (
        "client refused 'elicitation/create': window closed (-32603)"
    )


async def test_handler_s_own_except_does_not_catch_a_question() -> None:
    """Our choice: it ends the run with a `BaseException`."""
    caller = Caller(Server("shop"), answers={"elicitation/create": [ACCEPTED]})
    caught: list[Exception] = []

    @caller.server.tool
    async def order(context: Context) -> str:
        try:
            return (await context.elicit("How many?", Order)).action
        except Exception as error:
            caught.append(error)
            raise

    @caller.server.tool
    def order_sync(context: SyncContext) -> str:
        try:
            return context.elicit("How many?", Order).action
        except Exception as error:
            caught.append(error)
            raise

    assert await caller.text_of("order") == "accept"
    assert await caller.text_of("order_sync") == "accept"
    assert caught == []


async def test_several_questions_are_told_apart_by_their_order() -> None:
    """Our choice: one round each where one follows the other's answer."""
    answers = [
        {"action": "accept", "content": {"count": number}} for number in (1, 2, 3)
    ]
    caller = Caller(Server("shop"), answers={"elicitation/create": answers})

    @caller.server.tool
    def order(context: SyncContext) -> list[int]:
        return [context.elicit("How many?", Order).data.count for _ in range(3)]

    assert await caller.text_of("order") == "[1,2,3]"
    assert len(caller.asked) == 3


async def test_questions_asked_together_go_out_in_one_round() -> None:
    """Our choice: their answers find them by their keys."""
    caller = Caller(
        Server("shop"),
        answers={
            "elicitation/create": [ACCEPTED],
            "roots/list": [{"roots": [{"uri": "file:///a"}]}],
        },
    )

    @caller.server.tool
    async def order(context: Context) -> str:
        found: dict[str, Any] = {}

        async def ask_count() -> None:
            answer = await context.elicit("How many?", Order, key="count")
            found["count"] = answer.data.count

        async def ask_roots() -> None:
            found["roots"] = len(await context.list_roots(key="roots"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_count)
            tasks.start_soon(ask_roots)
        return f"{found['count']} {found['roots']}"

    assert await caller.text_of("order") == "3 1"
    [round_] = caller.asked
    assert sorted(method for method, _ in round_) == [
        "elicitation/create",
        "roots/list",
    ]


# Visits to URLs ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_user_is_asked_to_visit_a_page(kind: str) -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests"."""
    answers = {"elicitation/create": [{"action": "accept"}]}
    caller = Caller(Server("shop"), answers=answers)
    answer = await use(
        caller, kind, "elicit_url", "Pay.", "https://shop/pay", elicitation_id="pay-1"
    )
    assert answer == Answer("accept", None)
    assert asked_params(caller) == {
        "mode": "url",
        "message": "Pay.",
        "url": "https://shop/pay",
        "elicitationId": "pay-1",
    }


async def test_visit_has_one_id_in_every_run() -> None:
    """Our choice: made for the developer, and the same when the handler runs again."""
    answers = {"elicitation/create": [{"action": "x"}, {"action": "decline"}]}
    caller = Caller(Server("shop"), answers=answers)

    @caller.server.tool
    async def pay(context: Context) -> str:
        return (await context.elicit_url("Pay.", "https://shop/pay")).action

    assert await caller.text_of("pay") == "decline"
    ids = [params["elicitationId"] for [(_, params)] in caller.asked]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert len(ids[0]) == 36


@pytest.mark.parametrize("kind", KINDS)
async def test_visit_has_no_id_in_the_modern_era(kind: str) -> None:
    """Spec: 2026-07-28 changelog, "Minor changes", 11."""
    answers = {"elicitation/create": [{"action": "accept"}]}
    caller = Caller(Server("shop"), version=MODERN, answers=answers)
    answer = await use(
        caller, kind, "elicit_url", "Pay.", "https://shop/pay", elicitation_id="pay-1"
    )
    assert answer == Answer("accept", None)
    assert asked_params(caller) == {
        "mode": "url",
        "message": "Pay.",
        "url": "https://shop/pay",
    }


# Sampling and roots -----------------------------------------------------------------

SAMPLED = {
    "role": "assistant",
    "content": {"type": "text", "text": "Blue."},
    "model": "m",
    "stopReason": "endTurn",
}


@pytest.mark.parametrize("kind", KINDS)
async def test_client_s_model_is_asked(kind: str) -> None:
    """Spec: 2025-11-25 client/sampling, "Creating Messages"."""
    caller = Caller(Server("shop"), answers={"sampling/createMessage": [SAMPLED]})
    result = await use(
        caller, kind, "sample", "Which colour?", 100, system_prompt="Be brief."
    )
    assert result == CreateMessageResult(
        role="assistant",
        content=TextContent(text="Blue."),
        model="m",
        stop_reason="endTurn",
    )
    assert asked_params(caller) == {
        "messages": [
            {"role": "user", "content": {"type": "text", "text": "Which colour?"}}
        ],
        "maxTokens": 100,
        "systemPrompt": "Be brief.",
    }


async def test_client_s_model_may_be_given_tools() -> None:
    """Spec: 2025-11-25 client/sampling, "Sampling with Tools"."""
    use_tool = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "1", "name": "add", "input": {}}],
        "model": "m",
        "stopReason": "toolUse",
    }
    caller = Caller(Server("shop"), answers={"sampling/createMessage": [use_tool]})
    messages = [SamplingMessage(role="user", content=TextContent(text="Add."))]
    tools = [Tool(name="add", input_schema={"type": "object"})]
    result = await use(caller, "async def", "sample", messages, 100, tools=tools)
    assert isinstance(result, CreateMessageResultWithTools)
    assert result.stop_reason == "toolUse"
    assert asked_params(caller)["tools"] == [
        {"name": "add", "inputSchema": {"type": "object"}}
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_client_lists_its_roots(kind: str) -> None:
    """Spec: 2025-11-25 client/roots, "Listing Roots"."""
    roots = {"roots": [{"uri": "file:///home/ada", "name": "Home"}]}
    caller = Caller(Server("shop"), answers={"roots/list": [roots]})
    listed = await use(caller, kind, "list_roots")
    assert listed == [Root(uri="file:///home/ada", name="Home")]  # type: ignore[arg-type]
    assert caller.asked == [[("roots/list", {})]]


# Capabilities -----------------------------------------------------------------------

TOOLS = {"tools": [Tool(name="add", input_schema={"type": "object"})]}
ELICIT: Any = ("elicit", ("How many?", Order), {})
ELICIT_URL: Any = ("elicit_url", ("Pay.", "https://shop/pay"), {})
SAMPLE: Any = ("sample", ("Which?", 100), {})
SAMPLE_WITH_TOOLS: Any = ("sample", ("Which?", 100), TOOLS)
ROOTS: Any = ("list_roots", (), {})

MISSING: list[tuple[Any, JSONObject, JSONObject, str]] = [
    # (what is asked, declared, required, its name)
    (ELICIT, {}, {"elicitation": {"form": {}}}, "elicitation.form"),
    (
        ELICIT,
        {"elicitation": {"url": {}}},
        {"elicitation": {"form": {}}},
        "elicitation.form",
    ),
    (ELICIT_URL, {}, {"elicitation": {"url": {}}}, "elicitation.url"),
    (ELICIT_URL, {"elicitation": {}}, {"elicitation": {"url": {}}}, "elicitation.url"),
    (
        ELICIT_URL,
        {"elicitation": {"form": {}}},
        {"elicitation": {"url": {}}},
        "elicitation.url",
    ),
    (SAMPLE, {}, {"sampling": {}}, "sampling"),
    (SAMPLE_WITH_TOOLS, {}, {"sampling": {"tools": {}}}, "sampling.tools"),
    (
        SAMPLE_WITH_TOOLS,
        {"sampling": {}},
        {"sampling": {"tools": {}}},
        "sampling.tools",
    ),
    (ROOTS, {"sampling": {}}, {"roots": {}}, "roots"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("asked", "declared", "required", "name"), MISSING)
async def test_client_that_declared_nothing_is_not_asked(
    kind: str, asked: Any, declared: JSONObject, required: JSONObject, name: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"; client/elicitation,
    "Capabilities": `{}` means forms only."""
    method, args, kwargs = asked
    caller = Caller(Server("shop"), capabilities=declared)
    raised = await use(caller, kind, method, *args, **kwargs)
    assert isinstance(raised, CapabilityMissing)
    assert str(raised) == (
        f"client cannot be asked: it did not declare the capability {name!r}"
    )
    assert raised.required == required
    assert caller.asked == []


@pytest.mark.parametrize(
    ("asked", "declared"),
    [
        (ELICIT, {"elicitation": {}}),
        (ELICIT, {"elicitation": {"form": {}}}),
        (ELICIT, {"elicitation": {"form": {}, "url": {}}}),
        (ELICIT_URL, {"elicitation": {"url": {}}}),
        (SAMPLE, {"sampling": {}}),
        (SAMPLE_WITH_TOOLS, {"sampling": {"tools": {}}}),
        (ROOTS, {"roots": {}}),
        (ROOTS, {"roots": {"listChanged": True}}),
    ],
)
async def test_client_is_asked_what_it_declared(
    asked: Any, declared: JSONObject
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"."""
    method, args, kwargs = asked
    error = jsonrpc.error("ask", -1, "no")
    answers = {
        "elicitation/create": [error],
        "sampling/createMessage": [error],
        "roots/list": [error],
    }
    caller = Caller(Server("shop"), capabilities=declared, answers=answers)
    assert isinstance(await use(caller, "def", method, *args, **kwargs), AskFailed)
    assert len(caller.asked) == 1


@pytest.mark.parametrize(
    ("elicitation", "can_form", "can_url"),
    [
        ({}, True, False),
        ({"form": {}}, True, False),
        ({"url": {}}, False, True),
        ({"form": {}, "url": {}}, True, True),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_clients_are_asked_in_the_modes_that_they_declare(
    version: str, elicitation: JSONObject, can_form: bool, can_url: bool
) -> None:
    """Spec: 2026-07-28 client/elicitation, "Capabilities"; our choice: so in every
    version, for what was declared is known, and some hosts are ahead of theirs."""
    server = Server("shop")
    capabilities = {"elicitation": elicitation}
    caller = Caller(server, version=version, capabilities=capabilities)
    for (method, args, kwargs), can in ((ELICIT, can_form), (ELICIT_URL, can_url)):
        context = Context(server, caller.request("tools/call"))
        expected = QuestionsAsked if can else CapabilityMissing
        with pytest.raises(expected):
            await getattr(context, method)(*args, **kwargs)


async def test_client_without_a_name_is_called_the_client() -> None:
    """Our choice: the text is for a model to read."""
    server = Server("shop")
    request = Caller(server, capabilities={}).request("tools/call")
    request.peer.client_info.name = ""
    with pytest.raises(CapabilityMissing, match=r"^the client cannot be asked: "):
        await Context(server, request).list_roots()
