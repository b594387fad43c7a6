"""Calls of a legacy server, held open while a modern client is asked."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    URL_ELICITATION_REQUIRED,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
)

from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from tests.bridge.bridges import SERVER_INFO, RawClient, RawServer, raw_pair
from tests.client import virtual_time

FORM: JSONObject = {"message": "Who?", "requestedSchema": {"type": "object"}}
MINUTES = 60.0


@pytest.fixture
def anyio_backend(anyio_backend: str) -> tuple[str, dict[str, Any]]:
    """Give event loops whose clocks jump."""
    return anyio_backend, virtual_time.BACKENDS[anyio_backend]()


async def begin_call(
    client: RawClient, played: RawServer, name: str = "go", **meta: Any
) -> tuple[int, JSONRPCRequest]:
    """Call a tool, and give the request's id and how it comes to the server."""
    params = client.modern({"name": name, "arguments": {"a": 1}}, **meta)
    id = await client.request("tools/call", params)
    return id, await played.request("tools/call")


async def asked_by(client: RawClient, id: int) -> JSONObject:
    """Wait for the answer to a request, which has to ask something."""
    answer = await client.answer_to(id)
    assert isinstance(answer, JSONRPCResponse), answer
    assert answer.result["resultType"] == "input_required"
    return answer.result


def retry(
    client: RawClient, asked: JSONObject, *, name: str = "go", **answers: Any
) -> JSONObject:
    """Give the params that bring answers: to question-1 as `question_1`."""
    return client.modern(
        {
            "name": name,
            "arguments": {"a": 1},
            "requestState": asked["requestState"],
            "inputResponses": {k.replace("_", "-"): v for k, v in answers.items()},
        }
    )


ANN: JSONObject = {"action": "accept", "content": {"name": "Ann"}}
DONE: JSONObject = {"content": [{"type": "text", "text": "done"}]}


async def test_question_is_asked_by_the_result_and_answered_by_the_next_request() -> (
    None
):
    """Spec: 2026-07-28 basic/patterns/mrtr; the server sees one call."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played)
        await played.ask("q", "elicitation/create", {**FORM, "_meta": {"x/y": 1}})
        asked = await asked_by(client, id)
        state = asked.pop("requestState")
        assert len(state) >= 32
        assert asked == {
            "resultType": "input_required",
            "inputRequests": {
                "question-1": {
                    "method": "elicitation/create",
                    "params": {**FORM, "_meta": {"x/y": 1}},
                }
            },
            "_meta": {SERVER_INFO_META_KEY: SERVER_INFO},
        }
        again = retry(client, {"requestState": state}, question_1=ANN)
        id = await client.request("tools/call", again)
        assert await played.next_message() == jsonrpc.result("q", ANN)
        await played.reply(request, DONE)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCResponse)
        assert answer.result["content"] == DONE["content"]
        assert answer.result["resultType"] == "complete"


async def test_result_that_comes_while_the_client_is_away_is_kept() -> None:
    """Chosen: a server that gives up its question may end the call."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played)
        await played.ask("q", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        await played.send(
            jsonrpc.notification("notifications/cancelled", {"requestId": "q"})
        )
        await played.reply(request, DONE)
        await anyio.sleep(9 * MINUTES)
        again = retry(client, asked, question_1=ANN)
        assert (await client.call("tools/call", again))["content"] == DONE["content"]


async def test_what_the_client_left_out_is_asked_again() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Error Handling"."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played)
        await played.ask("q1", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        await played.ask("q2", "roots/list", {})
        await anyio.wait_all_tasks_blocked()
        id = await client.request("tools/call", retry(client, asked, question_1=None))
        asked = await asked_by(client, id)
        assert asked["inputRequests"].keys() == {"question-1", "question-2"}
        again = retry(client, asked, question_1=ANN, question_2={"roots": []})
        id = await client.request("tools/call", again)
        answers = [await played.next_message(), await played.next_message()]
        assert jsonrpc.result("q1", ANN) in answers
        assert jsonrpc.result("q2", {"roots": []}) in answers
        await played.reply(request, DONE)
        await client.answer_to(id)


async def test_state_is_good_for_one_retry_of_the_same_request() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements": replay."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, _ = await begin_call(client, played)
        await played.ask("q", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        other = retry(client, asked, name="other", question_1=ANN)
        error = await client.error_of("tools/call", other)
        assert error.code == INVALID_PARAMS
        assert "belongs to another request" in error.message
        again = retry(client, asked, question_1=ANN)
        await client.request("tools/call", again)
        assert await played.next_message() == jsonrpc.result("q", ANN)
        for state in (asked["requestState"], "guessed", 7):
            error = await client.error_of(
                "tools/call", {**again, "requestState": state}
            )
            assert error.code == INVALID_PARAMS
            assert "unknown, was used already or has expired" in error.message


async def test_progress_goes_to_the_request_that_waits_now() -> None:
    """Spec: 2026-07-28 basic/patterns/progress: each request has its token."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played, progressToken="first")
        assert request.params is not None
        token = request.params["_meta"]["progressToken"]

        async def report(progress: int) -> None:
            params = {"progressToken": token, "progress": progress}
            await played.send(jsonrpc.notification("notifications/progress", params))

        method = "notifications/progress"
        await report(1)
        assert await client.notified(method) == [
            {"progressToken": "first", "progress": 1}
        ]
        await played.ask("q", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        again = retry(client, asked, question_1=ANN)
        again["_meta"]["progressToken"] = "second"
        await client.request("tools/call", again)
        await played.next_message()
        await report(2)
        reports = await client.notified(method, 2)
        assert reports[1:] == [{"progressToken": "second", "progress": 2}]


async def test_client_that_cancels_its_retry_cancels_the_call() -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played)
        await played.ask("q", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        id = await client.request("tools/call", retry(client, asked, question_1=ANN))
        await played.next_message()
        await client.notify("notifications/cancelled", {"requestId": id})
        cancelled = await played.next("notifications/cancelled")
        assert cancelled.params == {"requestId": request.id}


async def test_call_is_cancelled_when_nobody_comes_back() -> None:
    """Chosen: after ten minutes; the state is worth nothing then."""
    async with raw_pair(server_era="legacy") as (client, played):
        id, request = await begin_call(client, played)
        await played.ask("q", "elicitation/create", FORM)
        asked = await asked_by(client, id)
        began = anyio.current_time()
        cancelled = await played.next("notifications/cancelled", bound=11 * MINUTES)
        assert cancelled.params == {"requestId": request.id}
        assert anyio.current_time() - began == pytest.approx(10 * MINUTES)
        error = await client.error_of("tools/call", retry(client, asked))
        assert error.code == INVALID_PARAMS


async def test_number_of_calls_that_are_held_is_bounded() -> None:
    """Chosen: a hundred; the one too many is refused, and the server told."""
    async with raw_pair(server_era="legacy") as (client, played):
        for number in range(100):
            id, request = await begin_call(client, played)
            await played.ask(number, "elicitation/create", FORM)
            await asked_by(client, id)
            await played.reply(request, DONE)
            refused = await played.next_message()  # its call is over
            assert isinstance(refused, JSONRPCError)
        id, request = await begin_call(client, played)
        await played.ask("q", "elicitation/create", FORM)
        answer = await client.answer_to(id)
        assert isinstance(answer, JSONRPCError)
        assert answer.error.message.startswith("100 calls wait for answers already")
        cancelled = await played.next("notifications/cancelled")
        assert cancelled.params == {"requestId": request.id}


async def test_oldest_request_that_waits_and_may_ask_is_asked() -> None:
    """Chosen: the server does not say for which one it asks."""
    async with raw_pair(server_era="legacy") as (client, played):
        await client.request("tools/list", client.modern())
        await played.request("tools/list")
        mute = client.modern({"name": "mute"})
        mute["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {}
        await client.request("tools/call", mute)
        await played.request("tools/call")
        older, _ = await begin_call(client, played, "older")
        younger, _ = await begin_call(client, played, "younger")
        await played.ask("q1", "elicitation/create", FORM)
        asked = await asked_by(client, older)
        assert asked["inputRequests"].keys() == {"question-1"}
        # The older one's client is away now.
        await played.ask("q2", "elicitation/create", FORM)
        await asked_by(client, younger)


async def test_question_moves_on_when_the_call_that_it_was_put_to_is_over() -> None:
    """Chosen: it may belong to another one, which still waits."""
    async with raw_pair(server_era="legacy") as (client, played):
        older, request = await begin_call(client, played, "older")
        await played.ask("q", "elicitation/create", FORM)
        await asked_by(client, older)
        younger, _ = await begin_call(client, played, "younger")
        await played.reply(request, DONE)
        asked = await asked_by(client, younger)
        again = retry(client, asked, name="younger", question_1=ANN)
        await client.request("tools/call", again)
        assert await played.next_message() == jsonrpc.result("q", ANN)


async def test_visit_that_a_legacy_server_requires_is_asked_for() -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error".

    2026-07-28 basic, "Error Codes": there the result asks, and -32042 is no more.
    """
    visit = {"mode": "url", "message": "Connect.", "url": "https://shop.example/"}
    required = {"elicitations": [{**visit, "elicitationId": "1"}]}
    async with raw_pair(server_era="legacy") as (client, played):

        async def refuse(request: JSONRPCRequest) -> None:
            error = (URL_ELICITATION_REQUIRED, "first", required)
            await played.send(jsonrpc.error(request.id, *error))

        id, request = await begin_call(client, played)
        await refuse(request)
        asked = await asked_by(client, id)
        assert "requestState" not in asked
        assert asked["inputRequests"] == {
            "visit-1": {"method": "elicitation/create", "params": visit}
        }
        again = client.modern(
            {"name": "go", "inputResponses": {"visit-1": {"action": "accept"}}}
        )
        id = await client.request("tools/call", again)
        request = await played.request("tools/call")
        assert request.params == {"name": "go"}
        await refuse(request)
        await asked_by(client, id)
        again["inputResponses"] = {"visit-1": {"action": "decline"}}
        error = await client.error_of("tools/call", again)
        assert error.code == INTERNAL_ERROR
        assert "did not agree to the visit" in error.message


async def test_visit_that_does_not_say_where_is_an_error() -> None:
    """Chosen: nothing can be asked."""
    async with raw_pair(server_era="legacy") as (client, played):
        for data in (None, {"elicitations": 7}, {"elicitations": ["x"]}):
            id, request = await begin_call(client, played)
            error = (URL_ELICITATION_REQUIRED, "first", data)
            await played.send(jsonrpc.error(request.id, *error))
            answer = await client.answer_to(id)
            assert isinstance(answer, JSONRPCError)
            assert answer.error.code == INTERNAL_ERROR
