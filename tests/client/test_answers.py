"""What a server asks in the legacy era, and what it is answered."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any
from unittest.mock import AsyncMock, Mock

import anyio
import pytest
from mcp_types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    Root,
    TextContent,
)
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCResponse,
)
from pydantic import BaseModel

from mcp_django.client.answers import Answers, is_async
from mcp_django.exceptions import ErrorAnswer, RemoteProtocolError
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.scripted import LEGACY, connected
from tests.server.stray_errors import STRAYS

ELICIT = "elicitation/create"
SAMPLE = "sampling/createMessage"
FORM: JSONObject = {
    "message": "Name?",
    "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}},
}
VISIT: JSONObject = {
    "mode": "url",
    "message": "Pay",
    "url": "https://example.com/pay",
    "elicitationId": "7",
}
MESSAGES: JSONObject = {
    "messages": [{"role": "user", "content": {"type": "text", "text": "Capital?"}}],
    "maxTokens": 100,
}
ACCEPTED = ElicitResult(action="accept", content={"name": "Ada"})


def accept(params: Any) -> ElicitResult:
    return ACCEPTED


async def answer_to(
    method: str, params: JSONObject | None, **options: Any
) -> JSONRPCResponse | JSONRPCError:
    """Ask a client something, and give its answer."""
    async with connected(LEGACY, **options) as (_, server):
        return await server.answer_to(await server.ask(method, params, id=1))


# Answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "kind"),
    [(FORM, ElicitRequestFormParams), (VISIT, ElicitRequestURLParams)],
)
async def test_user_is_asked_to_fill_in_a_form_or_to_visit_a_page(
    params: JSONObject, kind: type[BaseModel]
) -> None:
    """Spec: 2025-11-25 client/elicitation."""
    asked: list[Any] = []

    def elicit(params: Any) -> ElicitResult:
        asked.append(params)
        return ACCEPTED

    answer = await answer_to(ELICIT, params, on_elicit=elicit)
    expected: JSONObject = {"action": "accept", "content": {"name": "Ada"}}
    assert answer == jsonrpc.result(1, expected)
    assert asked == [kind.model_validate(params)]


async def test_form_needs_no_mode() -> None:
    """Spec: 2025-06-18 client/elicitation: there was only one then."""
    asked: list[Any] = []

    def elicit(params: Any) -> ElicitResult:
        asked.append(params)
        return ElicitResult(action="decline")

    answer = await answer_to(ELICIT, {**FORM, "mode": "form"}, on_elicit=elicit)
    assert answer == jsonrpc.result(1, {"action": "decline"})
    answer = await answer_to(ELICIT, FORM, on_elicit=elicit)
    assert asked[0] == asked[1]


async def test_model_is_asked() -> None:
    """Spec: 2025-11-25 client/sampling."""
    asked: list[CreateMessageRequestParams] = []

    async def sample(params: CreateMessageRequestParams) -> CreateMessageResult:
        asked.append(params)
        return CreateMessageResult(
            role="assistant", content=TextContent(text="Paris"), model="m"
        )

    answer = await answer_to(SAMPLE, MESSAGES, on_sample=sample)
    assert answer == jsonrpc.result(
        1,
        {
            "role": "assistant",
            "content": {"type": "text", "text": "Paris"},
            "model": "m",
        },
    )
    assert asked == [CreateMessageRequestParams.model_validate(MESSAGES)]


async def test_roots_are_told() -> None:
    """Spec: 2025-11-25 client/roots."""
    roots = ["file:///a", Root.model_validate({"uri": "file:///b", "name": "B"})]
    answer = await answer_to("roots/list", None, roots=roots)
    told = [{"uri": "file:///a"}, {"uri": "file:///b", "name": "B"}]
    assert answer == jsonrpc.result(1, {"roots": told})


class Callable:
    """An object that is called like a function."""

    async def __call__(self, params: Any) -> ElicitResult:
        return ACCEPTED


async def accept_soon(params: Any) -> ElicitResult:
    await anyio.lowlevel.checkpoint()
    return ACCEPTED


async def accept_for(name: str, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"name": name})


FUNCTIONS: dict[str, Any] = {
    "def": accept,
    "async def": accept_soon,
    "a partial of a function": partial(partial(accept_for), "Ada"),
    "an object": Callable(),
    "a function that gives a coroutine": lambda params: accept_soon(params),
    "a mock": Mock(return_value=ACCEPTED),
    "an async mock": AsyncMock(return_value=ACCEPTED),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
async def test_all_kinds_of_functions_answer(function: Any) -> None:
    """Our choice: `def`, `async def`, and what can be called like them."""
    answer = await answer_to(ELICIT, FORM, on_elicit=function)
    expected: JSONObject = {"action": "accept", "content": {"name": "Ada"}}
    assert answer == jsonrpc.result(1, expected)


def test_coroutine_functions_are_told_from_others() -> None:
    """Our choice: calling one only makes a coroutine, which blocks nobody."""
    assert is_async(accept_soon)
    assert is_async(Callable())
    assert is_async(partial(accept_for, "Ada"))
    assert not is_async(accept)
    assert not is_async(print)
    assert not is_async(Mock())


@pytest.mark.parametrize(
    ("options", "capabilities"),
    [
        ({}, {}),
        ({"on_elicit": accept}, {"elicitation": {"form": {}, "url": {}}}),
        ({"on_sample": accept}, {"sampling": {}}),
        ({"roots": []}, {"roots": {"listChanged": True}}),
    ],
)
async def test_what_can_be_answered_is_declared(
    options: dict[str, Any], capabilities: JSONObject
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Capability Negotiation"."""
    async with connected(LEGACY, **options) as (client, server):
        [params] = server.params_of("initialize")
        assert params is not None
        assert params["capabilities"] == capabilities
        declared = client.capabilities.model_dump(by_alias=True, exclude_none=True)
        assert declared == capabilities


async def test_ping_is_answered() -> None:
    """Spec: 2025-11-25 basic/utilities/ping."""
    assert await answer_to("ping", None) == jsonrpc.result(1, {})


# Errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [ELICIT, SAMPLE, "roots/list", "acme/x"])
async def test_what_was_not_declared_is_refused(method: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Operation"."""
    answer = await answer_to(method, {})
    text = f"this client does not offer {method}"
    assert answer == jsonrpc.error(1, METHOD_NOT_FOUND, text)


async def test_what_was_never_declared_cannot_be_answered() -> None:
    """Our choice: also where the protocol did not look first."""
    with pytest.raises(RemoteProtocolError) as caught:
        await Answers().answer("roots/list", {})
    assert caught.value.code == INVALID_PARAMS
    assert str(caught.value) == "this client declared that it has no roots/list"


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        (ELICIT, {"mode": "url"}, "elicitation/create: invalid params: "),
        (SAMPLE, {"messages": 7, "maxTokens": 1}, "sampling/createMessage: invalid "),
    ],
)
async def test_malformed_question_is_refused(
    method: str, params: JSONObject, text: str
) -> None:
    """Our choice: nobody is asked nonsense; the server learns what is wrong."""
    function = Mock()
    answer = await answer_to(method, params, on_elicit=function, on_sample=function)
    assert isinstance(answer, JSONRPCError)
    assert answer.error.code == INVALID_PARAMS
    assert answer.error.message.startswith(text)
    function.assert_not_called()


def fail(params: Any) -> ElicitResult:
    raise KeyError("secret")


def fail_to_validate(params: Any) -> ElicitResult:
    return ElicitResult.model_validate({"action": "secret"})


def forget_to_return(params: Any) -> None:
    pass


FAILURES: dict[str, Any] = {
    "an exception": fail,
    "a model that is not valid": fail_to_validate,
    "nothing": forget_to_return,
    "something else": lambda params: {"action": "secret"},
}


@pytest.mark.parametrize("function", FAILURES.values(), ids=FAILURES)
async def test_failing_function_is_logged_and_the_server_learns_nothing(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: to the peer go only texts that we wrote."""
    answer = await answer_to(ELICIT, FORM, on_elicit=function)
    assert answer == jsonrpc.error(1, INTERNAL_ERROR, "Internal error")
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert (
        record.getMessage() == f"{function!r} failed, which answers the server; mend it"
    )
    assert record.exc_info is not None


@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async"])
@pytest.mark.parametrize("kind", STRAYS)
async def test_whatever_a_function_raises_is_an_answer(
    kind: str, is_async: bool
) -> None:
    """We promise it: the server learns nothing, and the client lives on."""

    def fail(params: Any) -> Any:
        raise STRAYS[kind]()

    async def fail_async(params: Any) -> Any:
        raise STRAYS[kind]()

    function = fail_async if is_async else fail
    async with connected(LEGACY, on_elicit=function, on_sample=function) as (_, server):
        for id, (method, params) in enumerate([(ELICIT, FORM), (SAMPLE, MESSAGES)]):
            answer = await server.answer_to(await server.ask(method, params, id=id))
            assert answer == jsonrpc.error(id, INTERNAL_ERROR, "Internal error")
        assert await server.answer_to(await server.ask("ping", None, id=7)) == (
            jsonrpc.result(7, {})
        )


async def test_function_may_choose_the_error() -> None:
    """Our choice: `ErrorAnswer`, as in a handler of a server."""

    def refuse(params: Any) -> ElicitResult:
        raise ErrorAnswer(-32050, "not today", {"try": "tomorrow"})

    answer = await answer_to(ELICIT, FORM, on_elicit=refuse)
    expected = jsonrpc.error(1, -32050, "not today", {"try": "tomorrow"})
    assert answer == expected
