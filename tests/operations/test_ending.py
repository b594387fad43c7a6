"""What ends, and what its clients see, when an operator ends something in real use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from io import StringIO
from typing import Any

import anyio
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from pytest_django import Settings

from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.oauth.preset import oauth2_provider
from mcp_django.operations import aend, astatus
from mcp_django.server.switched_off import switched_off
from mcp_django.tokens.models import Token
from mcp_django.worker.worker import current_worker
from tests.consumers.conftest import door, without_authentication
from tests.consumers.connections import OpenStream, open_stream
from tests.consumers.credentials import cookie_of
from tests.consumers.shop import runs
from tests.consumers.streamable import (
    JSON_ONLY,
    STREAM_ONLY,
    Session,
    arrival,
    begin_modern,
    call_of,
    finish,
    messages_of,
    modern,
    open_modern,
    open_session,
    read_message,
    shop,
    standalone,
)
from tests.consumers.websocket_connections import Closed, WebSocket, open_websocket
from tests.oauth.authenticators.test_toolkit import give
from tests.site.mcp import Door

__all__ = ["door", "without_authentication"]

ENDED = {"code": -32603, "message": "the request was ended by an operator"}
HOLD = call_of("hold", door="here")


async def counts(**what: Any) -> tuple[int, int]:
    """End something, and say how many streams and calls the worker ended."""
    answers = await aend(**what)
    [worker] = answers.workers
    return worker["streams"], worker["calls"]


async def issue(user: User) -> tuple[Token, dict[str, str]]:
    """Issue a token, and give the header that a program sends with it."""
    token, text = await authentication_threads.run(partial(Token.issue, user, "test"))
    return token, {"authorization": f"Bearer {text}"}


# Calls of a feature -----------------------------------------------------------------


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", JSON_ONLY])
@pytest.mark.parametrize("feature", ["tool:hold", "shop/tool:hold"])
@pytest.mark.usefixtures("without_authentication")
async def test_modern_call_of_a_feature_ends_with_an_error(
    door: Door, feature: str, accept: str
) -> None:
    """Chosen: its client knows that it need not wait, and who ended it."""
    call = begin_modern(HOLD, headers={"accept": accept})
    await arrival(door)

    assert await counts(feature=feature) == (0, 1)

    response = await finish(call)
    assert response.status == 200
    assert response.json()["error"] == ENDED
    assert runs.cancelled[-1] == "hold"


@pytest.mark.parametrize("version", ["2025-03-26", "2025-11-25"])
@pytest.mark.usefixtures("without_authentication")
async def test_call_of_a_feature_in_a_session_ends_with_an_error(
    door: Door, version: str
) -> None:
    """Chosen: on a stream that has begun, too; the session goes on."""
    session = await open_session(version)
    plain = session.begin_post(HOLD, accept=JSON_ONLY)
    streamed = session.begin_post({**HOLD, "id": 2}, accept=STREAM_ONLY)
    for _ in range(2):
        await arrival(door)

    assert await counts(feature="tool:hold") == (0, 2)

    assert (await finish(plain)).json()["error"] == ENDED
    [message] = messages_of(await finish(streamed))
    assert (message["id"], message["error"]) == (2, ENDED)
    assert await session.ask("ping") == {}


@pytest.mark.usefixtures("without_authentication")
async def test_calls_of_a_batch_end_also_where_they_wait_for_their_turn(
    door: Door, settings: Settings
) -> None:
    """Chosen: what has not begun is ended like what has; others of it go on."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1}
    session = await open_session("2025-03-26")
    add = call_of("add", id=3, a=1)
    batch = session.begin_post([HOLD, {**HOLD, "id": 2}, add], accept=JSON_ONLY)
    await arrival(door)

    assert await counts(feature="tool:hold") == (0, 2)

    response = await finish(batch)
    by_id = {answer["id"]: answer for answer in response.json()}
    assert (by_id[1]["error"], by_id[2]["error"]) == (ENDED, ENDED)
    assert "result" in by_id[3]


@pytest.mark.usefixtures("without_authentication")
async def test_other_features_and_those_of_other_servers_go_on(door: Door) -> None:
    """Chosen: a slip ends nothing."""
    call = begin_modern(HOLD)
    await arrival(door)
    for feature in ("tool:report", "prompt:hold", "other/tool:hold", "tool:hol"):
        assert await counts(feature=feature) == (0, 0)
    door.open()
    assert "result" in (await finish(call)).json()


@pytest.mark.usefixtures("without_authentication", "transactional_db")
async def test_switching_off_on_one_server_ends_calls_there(door: Door) -> None:
    """We promise it: those of the same name on another one go on."""
    call = begin_modern(HOLD)
    await arrival(door)

    def switch_off(server: str) -> str:
        out = StringIO()
        command = ("off", "tool", "hold", "--server", server, "--end")
        with pytest.raises(SystemExit):  # other processes cannot be told
            call_command("mcp_switch", *command, stdout=out, stderr=out)
        return out.getvalue()

    try:
        assert "0 calls of it were" in await anyio.to_thread.run_sync(
            switch_off, "other"
        )
        assert "1 calls of it were" in await anyio.to_thread.run_sync(
            switch_off, "shop"
        )
    finally:
        switched_off.set(())
    assert (await finish(call)).json()["error"] == ENDED


@pytest.mark.usefixtures("without_authentication")
async def test_calls_over_sse_end_with_errors_also_in_the_inbox(
    door: Door, settings: Settings
) -> None:
    """Chosen: the connection stays, and what else waits is answered."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1}
    async with open_stream(shop) as stream:
        await stream.initialize()
        await stream.post({**HOLD, "id": 1})
        await arrival(door)
        for id, message in ((2, HOLD), (3, call_of("add", a=1))):
            await stream.post({**message, "id": id})

        assert await counts(feature="tool:hold") == (0, 2)

        answers = [await stream.read_message() for _ in range(3)]
        by_id = {answer["id"]: answer for answer in answers}
        assert (by_id[1]["error"], by_id[2]["error"]) == (ENDED, ENDED)
        assert "result" in by_id[3]


@pytest.mark.usefixtures("without_authentication")
async def test_resources_that_wait_end_by_the_name_of_their_template(
    door: Door, settings: Settings
) -> None:
    """Chosen: clients name URIs, and operators what was registered."""
    settings.MCP = {"AUTHENTICATION": [], "MAX_CONCURRENT": 1}
    read = {"jsonrpc": "2.0", "id": 2, "method": "resources/read"}
    async with open_websocket(shop) as websocket:
        websocket.send(HOLD)
        await arrival(door)
        websocket.send({**read, "params": {"uri": "shop://orders/7"}})
        await current_worker_until(lambda c: len(c.waiting) == 1)

        assert await counts(feature="resource:shop://orders/{number}") == (0, 1)

        answer = await websocket.receive()
        assert (answer["id"], answer["error"]) == (2, ENDED)


@pytest.mark.parametrize("is_modern", [False, True], ids=["legacy", "modern"])
@pytest.mark.usefixtures("without_authentication")
async def test_calls_over_a_websocket_end_with_errors(
    door: Door, is_modern: bool
) -> None:
    """Chosen: in every era; the connection stays."""
    async with open_websocket(shop, is_initialized=not is_modern) as websocket:
        websocket.send(modern(HOLD) if is_modern else HOLD)
        await arrival(door)
        assert await counts(feature="tool:hold") == (0, 1)
        assert (await websocket.receive())["error"] == ENDED
        assert websocket.is_open


async def current_worker_until(is_true: Callable[[Any], bool]) -> None:
    """Wait until something is true of a connection here."""
    with anyio.fail_after(5):
        while not any(map(is_true, current_worker().connections)):
            await anyio.lowlevel.checkpoint()


# What a credential opened -----------------------------------------------------------


async def begin_everything(
    door: Door, headers: dict[str, str]
) -> tuple[Session, Callable[[], Any]]:
    """Open what a credential can open over Streamable HTTP, with a call on each."""
    session = await open_session(headers=headers)
    call = session.begin_post(HOLD)
    modern_call = begin_modern(HOLD, headers=headers)
    for _ in range(2):
        await arrival(door)

    async def answers() -> list[Any]:
        return [(await finish(each)).json()["error"] for each in (call, modern_call)]

    return session, answers


async def test_what_a_token_opened_ends_and_nothing_else(ada: User, door: Door) -> None:
    """We promise it: also session ids, which name the credential by a digest."""
    token, headers = await issue(ada)
    _, other_headers = await issue(ada)
    session, answers = await begin_everything(door, headers)
    other = await open_session(headers=other_headers)
    async with standalone(session) as stream, standalone(other) as other_stream:
        assert await counts(token=token) == (1, 2)
        await stream.wait_for_end()
        assert await answers() == [ENDED, ENDED]
        assert (await session.post(call_of("add", a=1))).status == 404
        # The same user's, by another token.
        assert "result" in (await other.post(call_of("add", a=1))).json()
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await other_stream.wait_for_end()
    again = await open_session(headers=headers)
    assert await again.ask("ping") == {}


async def test_what_an_access_token_or_its_program_opened_ends(
    ada: User, door: Door, settings: Settings
) -> None:
    """We promise it: of all users at once by the program's client id."""
    settings.OAUTH2_PROVIDER = oauth2_provider()
    row, text = await authentication_threads.run(partial(give, ada))
    headers = {"authorization": f"Bearer {text}"}
    for what in ({"token": row}, {"credential": f"OAuth token {row.pk}"}):
        session, answers = await begin_everything(door, headers)
        assert await counts(**what) == (0, 2)
        assert await answers() == [ENDED, ENDED]
        assert (await session.post(call_of("add", a=1))).status == 404
    for program in ("program", row.application):
        session, answers = await begin_everything(door, headers)
        # Its next access token: ids say which program opened them.
        assert await counts(program="another") == (0, 0)
        assert await counts(program=program) == (0, 2)
        assert await answers() == [ENDED, ENDED]
        assert (await session.post(call_of("add", a=1))).status == 404


@asynccontextmanager
async def calls_of_connections(
    door: Door, headers: dict[str, str]
) -> AsyncIterator[tuple[OpenStream, WebSocket]]:
    """Begin a call over HTTP+SSE and one over a WebSocket; give the two clients."""
    async with (
        open_stream(shop, headers=headers) as stream,
        open_websocket(shop, headers=headers) as websocket,
    ):
        await stream.initialize()
        await stream.post(HOLD)
        websocket.send(HOLD)
        for _ in range(2):
            await arrival(door)
        yield stream, websocket


async def test_what_is_open_over_sse_and_websocket_ends_after_its_errors(
    ada: User, door: Door
) -> None:
    """Chosen: the errors come first, so that clients know what became of calls."""
    token, headers = await issue(ada)
    async with calls_of_connections(door, headers) as (stream, websocket):
        assert await counts(token=token) == (2, 0)
        assert (await stream.read_message())["error"] == ENDED
        await stream.connection.wait_for_end()
        assert (await websocket.receive())["error"] == ENDED
        assert await websocket.read() == Closed(1001, "")


async def test_calls_of_a_credential_that_no_longer_holds_end_with_errors(
    ada: User, door: Door, settings: Settings
) -> None:
    """Chosen: as what an operator ends; a client must not wait for an answer."""
    settings.MCP = {"RECHECK_SECONDS": 0.1}
    token, headers = await issue(ada)
    _, answers = await begin_everything(door, headers)
    async with calls_of_connections(door, headers) as (stream, websocket):
        await authentication_threads.run(token.revoke)
        ended = {
            "code": -32603,
            "message": "the request was ended: its credentials are no longer valid",
        }
        assert await answers() == [ended, ended]
        assert (await stream.read_message())["error"] == ended
        await stream.connection.wait_for_end()
        assert (await websocket.receive())["error"] == ended
        assert isinstance(await websocket.read(), Closed)


async def test_listening_ends_with_its_user(ada: User, bob: User) -> None:
    """Chosen: a listening request is answered; streams of others go on."""
    listen = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"notifications": {"toolsListChanged": True}},
    }
    streams = [
        await open_modern(listen, headers=await cookie_of(user)) for user in (ada, bob)
    ]
    for stream in streams:
        await read_message(stream)
    assert await counts(user=ada) == (1, 0)
    assert "result" in await read_message(streams[0])
    await finish(streams[0])
    assert await counts(everything=True) == (1, 0)
    await finish(streams[1])


# One connection ---------------------------------------------------------------------


async def listed(**what: Any) -> list[dict[str, Any]]:
    """Give what the worker lists."""
    [worker] = (await astatus(listed=10, **what)).workers
    return list(worker["open"])


def status_of_command() -> str:
    """Give what `mcp_status` says of what is open."""
    out = StringIO()
    with pytest.raises(SystemExit):  # other processes cannot be asked
        call_command("mcp_status", open=3, stdout=out)
    return out.getvalue()


async def test_what_is_open_is_listed_and_ends_one_by_one(
    ada: User, bob: User, door: Door
) -> None:
    """Chosen: an operator sees whose it is, by what and since when, and ends it."""
    token, headers = await issue(ada)
    _, bobs = await issue(bob)
    session = await open_session(headers=headers)
    async with (
        standalone(session) as stream,
        open_stream(shop, headers=headers) as sse,
        open_websocket(shop, headers=bobs) as websocket,
    ):
        await sse.initialize()
        websocket.send(HOLD)
        await arrival(door)
        call = begin_modern(HOLD, headers=headers)
        await arrival(door)

        rows = {row["sort"]: row for row in await listed()}
        assert list(rows) == ["websocket", "call", "standalone", "sse"]
        assert [row["sort"] for row in await listed(user=bob)] == ["websocket"]
        call_row = rows["call"]
        assert call_row["seconds"] >= 0
        assert call_row == {
            "id": call_row["id"],
            "sort": "call",
            "seconds": call_row["seconds"],
            "server": "shop",
            "user": str(ada.pk),
            "credential": f"token {token.pk}",
            "program": "",
            "client": "",  # this one says nothing of itself
            "client_version": "",
            "version": "2026-07-28",
            "running": ["tool:hold"],
            "unnamed": 0,
            "waiting": 0,
        }
        assert rows["standalone"]["client"] == rows["sse"]["client"] != ""
        assert rows["standalone"]["version"] == rows["sse"]["version"] == "2025-11-25"

        said = await anyio.to_thread.run_sync(status_of_command)
        assert f"  {rows['call']['id']} call for " in said
        assert (
            f" s, user ada (id {ada.pk}), by token {token.pk}, server shop, "
            "2026-07-28, runs tool:hold\n"
        ) in said
        assert "\n  1 more open\n" in said

        assert await counts(connection=rows["call"]["id"]) == (0, 1)
        assert (await finish(call)).json()["error"] == ENDED
        assert await counts(connection=rows["websocket"]["id"]) == (1, 0)
        assert (await websocket.receive())["error"] == ENDED
        assert await counts(connection=rows["standalone"]["id"]) == (1, 0)
        await stream.wait_for_end()
        # It ends for good: another stream would be no end.
        assert (await session.post(call_of("add", a=1))).status == 404
        assert await counts(connection="another:1") == (0, 0)
    assert await listed() == []
