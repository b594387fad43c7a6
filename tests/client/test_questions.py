"""Several questions of a server at once, and how they end."""

from __future__ import annotations

from typing import Any

import anyio
from anyio import wait_all_tasks_blocked
from mcp_types import ElicitResult
from mcp_types.jsonrpc import INTERNAL_ERROR, JSONRPCResponse

from mcp_django.client.client import Client
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import JSONObject
from tests.client.scripted import LEGACY, beside, connected

ELICIT = "elicitation/create"


class Desk:
    """Where questions lie until a test answers them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.may_answer = anyio.Event()

    async def __call__(self, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        try:
            await self.may_answer.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(params.message)
            raise
        return ElicitResult(action="accept", content={"for": params.message})


def question(message: str) -> JSONObject:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    return {"message": message, "requestedSchema": schema}


async def test_questions_are_answered_at_the_same_time() -> None:
    """Our choice: and requests go on meanwhile."""
    desk = Desk()
    async with connected(LEGACY, more={"acme/x": {}}, on_elicit=desk) as (
        client,
        server,
    ):
        ids = [await server.ask(ELICIT, question(name)) for name in "abc"]
        assert await client.request("acme/x") == {}
        await wait_all_tasks_blocked()
        assert sorted(desk.asked) == ["a", "b", "c"]
        desk.may_answer.set()
        for id, name in zip(ids, "abc", strict=True):
            expected: JSONObject = {"action": "accept", "content": {"for": name}}
            assert await server.answer_to(id) == jsonrpc.result(id, expected)


async def test_cancelled_question_is_not_answered() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    desk = Desk()
    async with connected(LEGACY, more={"acme/x": {}}, on_elicit=desk) as (
        client,
        server,
    ):
        id = await server.ask(ELICIT, question("a"))
        await wait_all_tasks_blocked()
        await server.notify("notifications/cancelled", {"requestId": id})
        await wait_all_tasks_blocked()
        assert desk.cancelled == ["a"]
        desk.may_answer.set()
        await client.request("acme/x")
        assert server.answers_to(id) == []


async def test_id_of_a_cancelled_question_may_be_used_again() -> None:
    """Our choice: what is left of the first question harms nothing."""
    desk = Desk()
    async with connected(LEGACY, on_elicit=desk) as (_, server):
        cancelled = jsonrpc.notification("notifications/cancelled", {"requestId": 1})
        await server.send_at_once(
            jsonrpc.request(1, ELICIT, question("a")),
            cancelled,
            jsonrpc.request(1, ELICIT, question("b")),
        )
        await wait_all_tasks_blocked()
        await server.send_at_once(cancelled, jsonrpc.request(1, ELICIT, question("c")))
        await wait_all_tasks_blocked()
        desk.may_answer.set()
        expected: JSONObject = {"action": "accept", "content": {"for": "c"}}
        assert await server.answer_to(1) == jsonrpc.result(1, expected)


async def test_function_that_resists_cancellation_answers_nothing_else() -> None:
    """Our choice: its answer is not taken for that to the next question of this id."""
    may_answer = anyio.Event()

    async def elicit(params: Any) -> ElicitResult:
        with anyio.CancelScope(shield=params.message == "a"):
            await may_answer.wait()
        return ElicitResult(action="accept", content={"for": params.message})

    async with connected(LEGACY, on_elicit=elicit) as (_, server):
        await server.ask(ELICIT, question("a"), id=1)
        await wait_all_tasks_blocked()
        await server.notify("notifications/cancelled", {"requestId": 1})
        await server.ask(ELICIT, question("b"), id=1)
        await wait_all_tasks_blocked()
        may_answer.set()
        expected: JSONObject = {"action": "accept", "content": {"for": "b"}}
        assert await server.answer_to(1) == jsonrpc.result(1, expected)


async def test_more_than_a_hundred_questions_at_once_are_refused() -> None:
    """Our choice: a server cannot fill the memory."""
    desk = Desk()
    async with connected(LEGACY, on_elicit=desk) as (_, server):
        for number in range(101):
            await server.ask(ELICIT, question("?"), id=number)
        text = "this client answers at most 100 requests at a time"
        refused = jsonrpc.error(100, INTERNAL_ERROR, text)
        assert await server.answer_to(100) == refused
        assert len(desk.asked) == 100
        desk.may_answer.set()
        for number in range(100):
            assert isinstance(await server.answer_to(number), JSONRPCResponse)


async def test_server_that_does_not_read_answers_is_not_read() -> None:
    """Our choice: answers that wait to be sent fill no memory either."""
    async with connected(LEGACY, roots=["file:///a"], buffer=0) as (_, server):
        server.stop_reading()
        asked = 0

        async def ask_for_ever() -> None:
            nonlocal asked
            while True:
                await server.ask("roots/list", id=asked)
                asked += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_for_ever)
            await wait_all_tasks_blocked()
            assert 100 <= asked < 110
            tasks.cancel_scope.cancel()


async def test_end_of_the_connection_cancels_what_was_asked() -> None:
    """Our choice: no request waits for the answer any more."""
    desk = Desk()
    async with connected(LEGACY, on_elicit=desk) as (client, server):
        async with beside(lambda: client.request("acme/x")) as call:
            await server.ask(ELICIT, question("a"))
            await wait_all_tasks_blocked()
            await server.close()
        assert call.error is not None
        await wait_all_tasks_blocked()
        assert desk.cancelled == ["a"]


async def test_end_of_the_client_cancels_what_was_asked() -> None:
    """Our choice: leaving the block does not wait for a user."""
    desk = Desk()
    async with connected(LEGACY, on_elicit=desk) as (_, server):
        await server.ask(ELICIT, question("a"))
        await wait_all_tasks_blocked()
    assert desk.cancelled == ["a"]


async def test_function_may_use_the_client() -> None:
    """Our choice: what is asked does not hold up what is read."""
    clients: list[Client] = []

    async def elicit(params: Any) -> ElicitResult:
        name = (await clients[0].request("acme/x"))["name"]
        return ElicitResult(action="accept", content={"name": name})

    async with connected(
        LEGACY, more={"acme/x": {"name": "Ada"}}, on_elicit=elicit
    ) as (
        client,
        server,
    ):
        clients.append(client)
        id = await server.ask(ELICIT, question("Name?"))
        expected: JSONObject = {"action": "accept", "content": {"name": "Ada"}}
        assert await server.answer_to(id) == jsonrpc.result(id, expected)
