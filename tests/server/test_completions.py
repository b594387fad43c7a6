"""What is suggested for the arguments of prompts and templates."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from mcp_django import (
    Server,
)
from mcp_django.bulkheads.threads import handler_threads
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import Caller

INVALID_PARAMS = -32602


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


async def assert_refused(
    caller: Caller, method: str, params: JSONObject | None, code: int, message: str
) -> None:
    error = await caller.error_of(method, params)
    assert (error.code, error.message) == (code, message)


def completion_of(kind: str, name: str, argument: str, value: str) -> JSONObject:
    key = "name" if kind == "prompt" else "uri"
    return {
        "ref": {"type": f"ref/{kind}", key: name},
        "argument": {"name": argument, "value": value},
    }


async def test_values_are_suggested_for_arguments_and_variables(
    completer: Server,
) -> None:
    """Spec: 2025-11-25 server/utilities/completion: at most 100 values."""
    caller = Caller(completer)
    for value, values in [("w", ["warm", "wry"]), ("wa", ["warm"]), ("x", [])]:
        params = completion_of("prompt", "greet", "tone", value)
        assert await caller.call("completion/complete", params) == {
            "completion": {"values": values, "total": len(values), "hasMore": False}
        }
    params = completion_of("resource", "shop://orders/{number}", "number", "")
    completed = (await caller.call("completion/complete", params))["completion"]
    assert completed["values"] == [str(number) for number in range(100)]
    assert (completed["total"], completed["hasMore"]) == (150, True)


async def test_suggestions_may_depend_on_other_arguments(completer: Server) -> None:
    """Spec: 2025-06-18 server/utilities/completion: `context`."""
    params = completion_of("prompt", "greet", "name", "")
    caller = Caller(completer)
    completed = await caller.call("completion/complete", params)
    assert completed["completion"]["values"] == ["none", "client"]
    params["context"] = {"arguments": {"tone": "wry"}}
    completed = await caller.call("completion/complete", params)
    assert completed["completion"]["values"] == ["wry", "client"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_generator", [False, True])
async def test_suggestions_may_be_lazy_rows(
    completer: Server, is_generator: bool
) -> None:
    """Our choice: nobody thinks of where a queryset is read."""

    @completer.completion("talk", "count")
    def counts(value: str) -> Any:
        names = Group.objects.order_by("name").values_list("name", flat=True)
        return (name for name in names) if is_generator else names

    await handler_threads.run(lambda: Group.objects.create(name="readers"))
    params = completion_of("prompt", "talk", "count", "")
    completed = await Caller(completer).call("completion/complete", params)
    assert completed["completion"]["values"] == ["readers"]


async def test_suggestion_that_is_one_text_is_a_mistake(completer: Server) -> None:
    """Our choice: its letters would be suggested."""

    @completer.completion("talk", "count")
    def counts(value: str) -> str:
        return "seven"

    params = completion_of("prompt", "talk", "count", "")
    with pytest.raises(TypeError, match="return a list of texts"):
        await Caller(completer).call("completion/complete", params)


async def test_nothing_is_suggested_where_nothing_is_registered(
    completer: Server,
) -> None:
    """Our choice: clients ask for every argument."""
    caller = Caller(completer)
    for params in (
        completion_of("prompt", "talk", "count", ""),
        completion_of("prompt", "greet", "nothing", ""),
        completion_of("resource", "shop://terms", "x", ""),
    ):
        assert await caller.call("completion/complete", params) == {
            "completion": {"values": [], "total": 0, "hasMore": False}
        }


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            completion_of("prompt", "nothing", "tone", ""),
            "Unknown reference: nothing",
        ),
        (
            completion_of("resource", "shop://nothing/{x}", "x", ""),
            "Unknown reference: shop://nothing/{x}",
        ),
    ],
)
async def test_suggestions_for_the_unknown_are_refused(
    completer: Server, params: JSONObject, message: str
) -> None:
    """Spec: 2025-11-25 server/utilities/completion, "Error Handling"."""
    await assert_refused(
        Caller(completer), "completion/complete", params, INVALID_PARAMS, message
    )
