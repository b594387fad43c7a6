"""Handlers that ask the client over Streamable HTTP, in both eras."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _
from pytest_django import Settings

from mcp_django import Context, Server
from mcp_django.protocol import versions
from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.worker.addresses import Address, seal_address
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import site_of
from tests.consumers.credentials import cookie_of, token_of
from tests.consumers.shop import Confirm, runs
from tests.consumers.streamable import (
    EVERYTHING,
    JSON_ONLY,
    Session,
    call_of,
    finish,
    open_session,
    post_modern,
    read_message,
    text_of,
)

open_to_all = pytest.mark.usefixtures("without_authentication")
CONFIRM = call_of("confirm")
YES = {"action": "accept", "content": {"ok": True}}
FORM = {
    "type": "object",
    "properties": {"ok": {"title": "Ok", "type": "boolean"}},
    "required": ["ok"],
}


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    """Forget what the handlers of other tests did."""
    runs.clear()


# 2026-07-28 -------------------------------------------------------------------------


def retry(message: JSONObject, asked: JSONObject, **answers: Any) -> JSONObject:
    """Make the request again, with answers and the state that it was given."""
    again = {"inputResponses": answers, "requestState": asked["requestState"]}
    return {**message, "id": 2, "params": {**message["params"], **again}}


async def ask_first(message: JSONObject = CONFIRM, **options: Any) -> JSONObject:
    """Send a request that asks, and give the result that does."""
    response = await post_modern(message, capabilities=EVERYTHING, **options)
    assert response.status == 200
    result: JSONObject = response.json()["result"]
    assert result["resultType"] == "input_required"
    return result


@open_to_all
@pytest.mark.usefixtures("german")
async def test_question_comes_with_the_translated_title_of_the_server() -> None:
    """Spec: 2026-07-28 basic, "Per-response protocol fields": every result."""
    server = Server("bakery", title=_("The bakery"))

    @server.tool
    async def confirm(context: Context) -> str:
        return (await context.elicit("Really?", Confirm)).action

    asked = await ask_first(
        application=site_of(server), headers={"accept-language": "de"}
    )
    info = asked["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert info["title"] == "Die Bäckerei"


@open_to_all
async def test_handler_that_asks_is_answered_in_a_second_exchange() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Basic Workflow"."""
    asked = await ask_first()
    assert asked["inputRequests"] == {
        "question-1": {
            "method": "elicitation/create",
            "params": {
                "message": "Really?",
                "mode": "form",
                "requestedSchema": FORM,
            },
        }
    }

    again = retry(CONFIRM, asked, **{"question-1": YES})
    response = await post_modern(again, capabilities=EVERYTHING)

    assert response.json()["id"] == 2
    assert text_of(response.json()) == "accept: True"
    assert runs.began == ["confirm", "confirm"]


@open_to_all
async def test_prompt_asks_as_well() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Supported Requests"."""
    offer = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "prompts/get",
        "params": {"name": "offer"},
    }
    asked = await ask_first(offer)
    again = retry(offer, asked, **{"question-1": {"action": "decline"}})

    response = await post_modern(again, capabilities=EVERYTHING)

    [message] = response.json()["result"]["messages"]
    assert message["content"]["text"] == "decline"


@open_to_all
@pytest.mark.parametrize("capabilities", [{}, {"sampling": {}}])
async def test_client_without_the_capability_is_told_which(
    capabilities: JSONObject,
) -> None:
    """Spec: 2026-07-28 basic, "`_meta`": 400 and what is required."""
    response = await post_modern(CONFIRM, capabilities=capabilities)

    assert response.status == 400
    error = response.json()["error"]
    assert error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}


def changed(state: str) -> list[Any]:
    """Give states that nobody sealed."""
    return [
        state + "-TAMPERED",
        state[:-1],
        "A" + state[1:],
        state.swapcase(),
        "",
        "nonsense",
        7,
        {},
        seal_address("ask", Address("a", "")),
    ]


@open_to_all
async def test_state_that_was_tampered_with_runs_no_handler() -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements"."""
    asked = await ask_first()
    runs.clear()
    for state in changed(asked["requestState"]):
        again = retry(CONFIRM, {"requestState": state}, **{"question-1": YES})
        response = await post_modern(again, capabilities=EVERYTHING)

        assert response.json()["error"]["code"] == -32602
        assert response.json()["id"] == 2
    assert runs.began == []


@open_to_all
async def test_state_of_another_request_runs_no_handler() -> None:
    """Chosen: a state belongs to one request of one user."""
    asked = await ask_first()
    runs.clear()
    other = retry(call_of("confirm", more=1), asked, **{"question-1": YES})

    response = await post_modern(other, capabilities=EVERYTHING)

    assert response.json()["error"]["code"] == -32602
    assert runs.began == []


async def test_state_of_another_user_runs_no_handler(ada: User, bob: User) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Security Considerations"."""
    asked = await ask_first(headers=await token_of(ada))
    again = retry(CONFIRM, asked, **{"question-1": YES})
    runs.clear()

    of_bob = await post_modern(
        again, capabilities=EVERYTHING, headers=await token_of(bob)
    )
    assert of_bob.json()["error"]["code"] == -32602
    assert runs.began == []

    of_ada = await post_modern(
        again, capabilities=EVERYTHING, headers=await cookie_of(ada)
    )
    assert text_of(of_ada.json()) == "accept: True"


async def test_state_that_has_expired_runs_no_handler(settings: Settings) -> None:
    """Chosen: MCP["ASK_TIMEOUT"]."""
    settings.MCP = {"AUTHENTICATION": [], "ASK_TIMEOUT": -5.0}
    asked = await ask_first()
    runs.clear()
    again = retry(CONFIRM, asked, **{"question-1": YES})

    response = await post_modern(again, capabilities=EVERYTHING)

    error = response.json()["error"]
    assert error["code"] == -32602
    assert error["message"].endswith(
        "it has expired; send the request again without it"
    )
    assert runs.began == []


# Versions with sessions -------------------------------------------------------------


async def asked_of(session: Session, message: JSONObject = CONFIRM) -> Any:
    """Call what asks, and give the stream of the call and the question on it."""
    stream = await session.open_post(message)
    return stream, await read_message(stream)


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
async def test_question_is_on_the_stream_of_its_call_and_answered_by_another_post(
    version: str,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    session = await open_session(version, EVERYTHING)
    stream, question = await asked_of(session)
    assert question["method"] == "elicitation/create"
    assert question["params"]["message"] == "Really?"

    response = await session.reply(question, YES)
    answer = await read_message(stream)
    await finish(stream)

    assert (response.status, response.body) == (202, b"")
    assert (answer["id"], text_of(answer)) == (1, "accept: True")
    assert runs.began == ["confirm", "confirm"]


@open_to_all
async def test_client_that_answers_with_an_error_is_told_to_the_handler() -> None:
    """Spec: 2025-11-25 client/elicitation, "Error Handling"."""
    session = await open_session(capabilities=EVERYTHING)
    stream, question = await asked_of(session)
    error = {"code": -1, "message": "no user here"}

    response = await session.post(
        {"jsonrpc": "2.0", "id": question["id"], "error": error}
    )
    answer = await read_message(stream)
    await finish(stream)

    assert response.status == 202
    assert answer["result"]["isError"] is True
    assert "no user here (-1)" in text_of(answer)


@open_to_all
async def test_client_without_the_capability_is_not_asked() -> None:
    """Spec: 2025-11-25 client/elicitation, "Capabilities"."""
    session = await open_session()

    answer = (await session.post(CONFIRM)).json()

    assert answer["result"]["isError"] is True
    assert "did not declare the capability 'elicitation.form'" in text_of(answer)


@open_to_all
async def test_client_that_reads_no_stream_cannot_be_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Chosen: the handler learns it, as of a client that refuses."""
    session = await open_session(capabilities=EVERYTHING)

    answer = (await session.post(CONFIRM, accept=JSON_ONLY)).json()

    assert answer["result"]["isError"] is True
    assert "it reads no event stream" in text_of(answer)
    assert caplog.messages == []
    assert runs.began == ["confirm", "confirm"]


NOT_ASKED = (
    400,
    -32603,
    "nothing waits for this answer; it was not asked, or it comes too late",
)


@open_to_all
async def test_answer_counts_once() -> None:
    """Spec: 2025-11-25 basic/transports: what cannot be accepted is an HTTP error."""
    session = await open_session(capabilities=EVERYTHING)
    stream, question = await asked_of(session)

    first = session.begin_post({"jsonrpc": "2.0", "id": question["id"], "result": YES})
    second = await session.reply(question, {"action": "decline"})
    assert (await finish(first)).status == 202
    assert text_of(await read_message(stream)) == "accept: True"
    await finish(stream)
    third = await session.reply(question, YES)

    assert second.error() == NOT_ASKED
    assert third.error() == NOT_ASKED


@open_to_all
@pytest.mark.parametrize("id", ["unknown", 1, "", "x" * 1000])
async def test_answer_to_what_nobody_asked_is_refused(id: Any) -> None:
    """Spec: 2025-11-25 basic/transports, as above; the session is well."""
    session = await open_session(capabilities=EVERYTHING)

    assert (await session.reply({"id": id}, {})).error() == NOT_ASKED
    assert await session.ask("ping") == {}


@open_to_all
async def test_answer_for_a_silent_worker_may_be_sent_again(settings: Settings) -> None:
    """Chosen: after a moment it may be heard of again, unless it said farewell."""
    settings.MCP = {"AUTHENTICATION": [], "RELAY_TIMEOUT": 0.05}
    session = await open_session(capabilities=EVERYTHING)

    id = seal_address("ask", Address("a", "specific.silent"))
    response = await session.reply({"id": id}, {})

    assert (response.status, response.header("retry-after")) == (503, "1")
    assert await session.ask("ping") == {}


@open_to_all
async def test_error_without_id_is_refused() -> None:
    """Chosen: nobody could tell what it is about."""
    session = await open_session()
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "?"}}

    assert (await session.post(error)).error() == NOT_ASKED


async def test_answer_of_another_session_is_refused(ada: User, bob: User) -> None:
    """Chosen: who knows the id of a question is not the one who was asked."""
    headers = await token_of(ada)
    session = await open_session(capabilities=EVERYTHING, headers=headers)
    strangers = [
        await open_session(capabilities=EVERYTHING, headers=headers),
        await open_session(capabilities=EVERYTHING, headers=await token_of(bob)),
    ]
    stream, question = await asked_of(session)
    for stranger in strangers:
        assert (await stranger.reply(question, YES)).error() == NOT_ASKED

    assert (await session.reply(question, {"action": "cancel"})).status == 202
    assert text_of(await read_message(stream)) == "cancel: None"
    await finish(stream)


async def test_question_that_is_not_answered_is_withdrawn(settings: Settings) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Timeouts"; MCP["ASK_TIMEOUT"]."""
    settings.MCP = {"AUTHENTICATION": [], "ASK_TIMEOUT": 0.01}
    session = await open_session(capabilities=EVERYTHING)
    stream, question = await asked_of(session)
    withdrawal = await read_message(stream)
    answer = await read_message(stream)
    await finish(stream)

    assert withdrawal == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": question["id"], "reason": "no longer needed"},
    }
    assert "no answer within 0.01 seconds" in text_of(answer)
    assert (await session.reply(question, YES)).error() == NOT_ASKED


@open_to_all
async def test_questions_asked_together_go_out_together() -> None:
    """Chosen: each has an id of its own, and any order of answers is fine."""
    server = Server("several")

    @server.tool
    async def ask_twice(context: Context) -> str:
        """Ask two things at once."""
        one, two = await asyncio.gather(
            context.elicit("One?", Confirm), context.elicit("Two?", Confirm)
        )
        return f"{one.data.ok} {two.data.ok}"

    session = await open_session(capabilities=EVERYTHING, application=site_of(server))
    stream, first = await asked_of(session, call_of("ask_twice"))
    second = await read_message(stream)
    no = {"action": "accept", "content": {"ok": False}}
    assert (await session.reply(second, no)).status == 202
    assert (await session.reply(first, YES)).status == 202

    assert text_of(await read_message(stream)) == "True False"
    await finish(stream)


@open_to_all
async def test_question_is_withdrawn_when_its_call_is_cancelled() -> None:
    """Spec: 2025-11-25 basic/utilities/cancellation."""
    session = await open_session(capabilities=EVERYTHING)
    stream, question = await asked_of(session)

    assert (await session.cancel(1)).status == 202
    withdrawal = await read_message(stream)
    await finish(stream)

    assert withdrawal["params"]["requestId"] == question["id"]
    assert (await session.reply(question, YES)).error() == NOT_ASKED


@open_to_all
async def test_visit_to_a_page_has_an_id_in_the_version_that_knows_it() -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests"."""
    session = await open_session(capabilities=EVERYTHING)
    stream, question = await asked_of(session, call_of("visit"))
    assert question["params"] == {
        "mode": "url",
        "message": "Pay, please.",
        "url": "https://pay.example",
        "elicitationId": "pay-1",
    }

    await session.reply(question, {"action": "accept"})

    assert text_of(await read_message(stream)) == "accept"
    await finish(stream)


async def test_answers_are_taken_however_many_calls_run(
    settings: Settings, ada: User
) -> None:
    """Chosen: else nothing would make room again."""
    settings.MCP = {"MAX_CALLS_PER_USER": 1}
    session = await open_session(capabilities=EVERYTHING, headers=await token_of(ada))
    stream, question = await asked_of(session)

    assert (await session.post(CONFIRM)).status == 503
    assert (await session.ask("ping")) == {}
    assert (await session.reply(question, YES)).status == 202

    assert text_of(await read_message(stream)) == "accept: True"
    await finish(stream)
    assert len(current_worker().connections) == 0
