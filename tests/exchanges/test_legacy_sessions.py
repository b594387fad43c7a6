"""Sessions over Streamable HTTP: how they are opened, found, kept apart and ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signing import Signer
from pytest_django import Settings

from mcp_django import Server
from mcp_django.bulkheads.threads import authentication_threads
from mcp_django.exchanges.session_id import MAX_CHARACTERS
from mcp_django.protocol import versions
from mcp_django.worker.worker import current_worker
from tests.consumers.connections import LATEST, Response, request, site_of
from tests.consumers.credentials import cookie_of, token_of
from tests.consumers.shop import runs, server
from tests.consumers.streamable import (
    BOTH,
    EVERYTHING,
    JSON_ONLY,
    MODERN,
    STREAM_ONLY,
    Session,
    arrival,
    call_of,
    finish,
    initialize_of,
    messages_of,
    open_session,
    post,
    read_message,
    shop,
    standalone,
    text_of,
)
from tests.site.mcp import Door

open_to_all = pytest.mark.usefixtures("without_authentication")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LOOK = call_of("look")
NOT_FOUND = (404, -32001, "Session not found")


# Opening ----------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize(
    ("offered", "negotiated"),
    [
        *((version, version) for version in versions.LEGACY),
        (MODERN, LATEST),
        ("2099-01-01", LATEST),
        ("1999-01-01", LATEST),
        ("", LATEST),
        ("\u00e9", LATEST),
    ],
)
async def test_version_is_negotiated(offered: str, negotiated: str) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation"."""
    response = await post(shop, initialize_of(offered))

    assert response.status == 200
    assert response.header("content-type") == "application/json"
    answer = response.json()
    assert answer["id"] == 0
    assert answer["result"]["protocolVersion"] == negotiated
    assert answer["result"]["serverInfo"]["name"] == "shop"
    assert "tools" in answer["result"]["capabilities"]
    assert response.header("mcp-session-id")


@open_to_all
@pytest.mark.parametrize("header", [*versions.LEGACY, MODERN, "2099-01-01"])
async def test_initialize_may_come_with_any_version_in_its_header(header: str) -> None:
    """Spec: 2025-11-25 basic/transports, "Protocol Version Header": for subsequent
    requests; that others are ignored is chosen."""
    headers = {"mcp-protocol-version": header}

    response = await post(shop, initialize_of(), headers=headers)

    assert response.json()["result"]["protocolVersion"] == LATEST


@open_to_all
async def test_second_initialize_of_the_same_client_goes_on_with_its_session() -> None:
    """Chosen: gateways send one for themselves and one for their client; what the
    first session set and its stream would be lost to them."""
    session = await open_session(capabilities=EVERYTHING, name="n" * 100)
    async with standalone(session) as stream:
        again = initialize_of(capabilities=EVERYTHING, name="n" * 100)
        response = await post(shop, again, headers=session.headers)

        assert response.status == 200
        assert response.header("mcp-session-id") == session.id
        server.tools_changed()
        await read_message(stream)


@open_to_all
@pytest.mark.parametrize(
    "another",
    [
        initialize_of("2025-06-18"),
        initialize_of(capabilities={"elicitation": {}}),
        initialize_of(name="another"),
        initialize_of()
        | {
            "params": {
                **initialize_of()["params"],
                "clientInfo": {"name": "test", "version": "2"},
            }
        },
    ],
    ids=["version", "capabilities", "client", "version of the client"],
)
async def test_second_initialize_of_another_client_ends_the_session(
    another: Any,
) -> None:
    """Chosen: it begins anew, with nothing of what was."""
    session = await open_session()
    async with standalone(session) as stream:
        response = await post(shop, another, headers=session.headers)

        assert response.status == 200
        assert response.header("mcp-session-id") not in (None, session.id)
        await stream.wait_for_end()
    assert (await session.post(call_of("add"))).error() == NOT_FOUND


@open_to_all
async def test_initialize_opens_a_new_session_for_the_id_of_one_that_has_ended() -> (
    None
):
    """Chosen: clients that were told 404 may still send the old id."""
    session = await open_session()
    await session.delete()

    response = await post(shop, initialize_of(), headers=session.headers)

    assert response.status == 200
    assert response.header("mcp-session-id") not in (None, session.id)


async def test_initialize_with_the_id_of_another_users_session_leaves_it_alone(
    ada: User, bob: User
) -> None:
    """Chosen: for everybody else it does not exist."""
    session = await open_session(headers=await token_of(ada))
    headers = {**session.headers, **await token_of(bob)}

    response = await post(shop, initialize_of(name="another"), headers=headers)

    assert response.header("mcp-session-id") not in (None, session.id)
    assert await session.ask("ping") == {}


@open_to_all
async def test_initialize_is_answered_on_a_stream_if_need_be() -> None:
    """Spec: RFC 9110, 12.5.1."""
    response = await post(shop, initialize_of(), headers={"accept": STREAM_ONLY})

    [answer] = messages_of(response)
    assert answer["result"]["protocolVersion"] == LATEST
    assert response.header("mcp-session-id")


@open_to_all
@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"protocolVersion": LATEST},
        {"protocolVersion": 7, "capabilities": {}, "clientInfo": {}},
        {
            "protocolVersion": LATEST,
            "capabilities": 7,
            "clientInfo": {"name": "a", "version": "1"},
        },
        {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": {"name": "a"}},
    ],
)
async def test_malformed_initialize_opens_no_session(params: Any) -> None:
    """Spec: JSON-RPC 2.0, section 5.1; 2025-11-25 basic/transports: an error response
    is a response."""
    message = initialize_of() | {"params": params}
    if params is None:
        del message["params"]

    response = await post(shop, message)

    answer = response.json()
    assert (response.status, answer["id"]) == (200, 0)
    assert answer["error"]["code"] == -32602
    assert response.header("mcp-session-id") is None


@open_to_all
async def test_malformed_initialize_belongs_to_no_session_that_it_names(
    settings: Settings,
) -> None:
    settings.MCP = {**settings.MCP, "EVENT_STORE_CACHE": "default"}
    session = await open_session()
    message = initialize_of() | {"params": {}}

    response = await session.post(message, accept=STREAM_ONLY)

    [answer] = messages_of(response)
    assert answer["error"]["code"] == -32602
    # Nothing is kept of it, for no client comes back for it.
    assert b"id:" not in response.body


@open_to_all
@pytest.mark.parametrize(
    "name",
    ["test", "a" * 100_000, "\u00e9" * 1000, "\U0001f4a5" * 99],
    ids=["short", "long", "accents", "emoji"],
)
async def test_session_id_is_short_and_visible_whatever_the_client_is_called(
    name: str,
) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 0x21 to 0x7E."""
    session = await open_session(capabilities=EVERYTHING, name=name, version=name)

    assert len(session.id) <= MAX_CHARACTERS
    assert all("!" <= character <= "~" for character in session.id)
    found = (await session.post(LOOK)).json()["result"]["structuredContent"]
    assert found["client"] == name[: len(found["client"])]
    assert len(found["client"]) >= min(len(name), 9)


@open_to_all
async def test_two_sessions_have_different_ids() -> None:
    """Spec: 2025-11-25 basic/transports: globally unique."""
    assert (await open_session()).id != (await open_session()).id


# Finding ----------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize(
    "message",
    [
        PING,
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        [PING],
    ],
)
async def test_post_without_a_session_is_told_to_open_one(message: Any) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 400."""
    response = await post(shop, message)

    assert response.error() == (
        400,
        -32600,
        "Mcp-Session-Id is missing: send initialize first, and then the id from its "
        "answer",
    )


@open_to_all
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_other_requests_without_a_session_are_told_so(method: str) -> None:
    """Spec: as above."""
    response = await request(shop, method, "/mcp", headers={"accept": BOTH})

    assert response.error()[:2] == (400, -32600)


async def all_of(session: Session, **headers: str) -> list[Response]:
    """Send one request of each HTTP method."""
    return [
        await session.post(PING, **headers),
        await finish(await session.get(**headers)),
        await session.delete(**headers),
    ]


@open_to_all
async def test_unknown_and_tampered_sessions_are_not_found() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": 404."""
    session = await open_session()
    for id in (
        "unknown",
        session.id[:-1],
        session.id + "A",
        "A" + session.id[1:],
        session.id.swapcase(),
        f"{session.id}, {session.id}",
        "a" * 5000,
        "\u00e9",
        "",
    ):
        for response in await all_of(session, mcp_session_id=id):
            assert response.error() == NOT_FOUND
    assert await session.ask("ping") == {}


@open_to_all
async def test_session_of_another_form_is_not_found() -> None:
    """Chosen: such as one of another version of this package."""
    session = await open_session()
    signer = Signer(salt="mcp_django.http-session", sep=".")
    opened = signer.unsign_object(session.id)
    older = [*opened[:3], "1999-01-01", *opened[4:]]
    for value in (opened[:-1], older):
        id = signer.sign_object(value)
        assert (await session.post(PING, mcp_session_id=id)).error() == NOT_FOUND


@open_to_all
async def test_session_of_another_server_is_not_found() -> None:
    """Chosen: each server has sessions of its own."""
    session = await open_session()
    stranger = Session(site_of(Server("other")), session.id, {})

    for response in await all_of(stranger):
        assert response.error() == NOT_FOUND
    assert await session.ask("ping") == {}


async def test_session_of_another_user_is_not_found(ada: User, bob: User) -> None:
    """Chosen: nobody learns that it exists."""
    session = await open_session(headers=await token_of(ada))
    for credentials in (await token_of(bob), await cookie_of(bob)):
        stranger = Session(shop, session.id, credentials)
        for response in await all_of(stranger):
            assert response.error() == NOT_FOUND
    assert await session.ask("ping") == {}


async def test_same_user_may_use_a_session_with_another_credential(ada: User) -> None:
    """Chosen: a session belongs to its user, whatever proves who that is."""
    session = await open_session(headers=await token_of(ada))
    same = Session(shop, session.id, await cookie_of(ada))

    assert await same.ask("ping") == {}


async def test_session_of_nobody_is_not_found_by_a_user(
    ada: User, settings: Settings
) -> None:
    """Chosen: it was opened when authentication was switched off."""
    settings.MCP = {"AUTHENTICATION": []}
    session = await open_session()
    settings.MCP = {}

    of_ada = Session(shop, session.id, await token_of(ada))
    assert (await of_ada.post(PING)).error() == NOT_FOUND


@open_to_all
async def test_session_outlives_the_secret_key_that_sealed_it(
    settings: Settings,
) -> None:
    """Chosen: SECRET_KEY_FALLBACKS, as all that Django signs."""
    session = await open_session()
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert (await session.post(PING)).error() == NOT_FOUND
    settings.SECRET_KEY_FALLBACKS = [old]

    assert await session.ask("ping") == {}


async def test_session_that_is_too_old_is_not_found(settings: Settings) -> None:
    """Spec: 2025-11-25 basic/transports: the server may end it at any time; chosen:
    MCP["SESSION_MAX_AGE"]."""
    settings.MCP = {"AUTHENTICATION": []}
    session = await open_session()
    settings.MCP = {"AUTHENTICATION": [], "SESSION_MAX_AGE": 1e-9}

    for response in await all_of(session):
        assert response.error() == NOT_FOUND


# Versions ---------------------------------------------------------------------------


@open_to_all
@pytest.mark.parametrize("version", versions.LEGACY)
@pytest.mark.parametrize("header", [None, *versions.LEGACY])
async def test_header_may_name_any_version_with_sessions_or_none(
    version: str, header: str | None
) -> None:
    """Spec: 2025-06-18 basic/transports, "Protocol Version Header": the negotiated one
    counts."""
    session = await open_session(version)
    more = {} if header is None else {"mcp_protocol_version": header}

    response = await session.post(LOOK, **more)

    # Structured content came with 2025-06-18.
    assert f'\\"version\\":\\"{version}\\"' in response.body.decode().replace(" ", "")


@open_to_all
@pytest.mark.parametrize("header", ["2099-01-01", "", "nonsense", "2025-11-25, x"])
async def test_header_that_names_an_unknown_version_is_refused(header: str) -> None:
    """Spec: 2025-06-18 basic/transports, "Protocol Version Header": 400."""
    session = await open_session()

    for response in await all_of(session, mcp_protocol_version=header):
        status, code, message = response.error()
        assert (status, code) == (400, -32600)
        assert message.startswith(f"unsupported MCP-Protocol-Version {header!r}; ")
        assert MODERN in message
        assert LATEST in message
    assert await session.ask("ping") == {}


@open_to_all
async def test_header_of_the_other_era_makes_a_request_of_that_era() -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: no sessions there."""
    session = await open_session()

    post, get, delete = await all_of(session, mcp_protocol_version=MODERN)

    assert (post.status, post.json()["error"]["code"]) == (400, -32602)
    assert (get.status, delete.status) == (405, 405)
    assert await session.ask("ping") == {}


# What is kept -----------------------------------------------------------------------


@open_to_all
async def test_log_level_is_kept_for_the_session() -> None:
    """Spec: 2025-11-25 server/utilities/logging."""
    session, other = await open_session(), await open_session()
    log = call_of("log", level="debug", text="hello")
    assert text_of((await session.post(log)).json()) == "logged"

    assert await session.ask("logging/setLevel", {"level": "debug"}) == {}
    logged, answer = messages_of(await session.post(log))
    assert logged["params"] == {"level": "debug", "data": "hello"}
    assert text_of(answer) == "logged"
    assert text_of((await other.post(log)).json()) == "logged"

    assert await session.ask("logging/setLevel", {"level": "error"}) == {}
    info = call_of("log", level="info", text="hello")
    assert text_of((await session.post(info)).json()) == "logged"
    error = await session.ask("logging/setLevel", {"level": "loud"})
    assert error["code"] == -32602


async def test_permissions_are_those_at_the_time_of_the_request(ada: User) -> None:
    """Chosen: a session gives no right that its user has lost."""
    session = await open_session(headers=await token_of(ada))
    before = await session.ask("tools/call", {"name": "count_users"})
    ada.is_superuser = True
    await authentication_threads.run(ada.save)
    during = await session.ask("tools/call", {"name": "count_users"})
    ada.is_superuser = False
    await authentication_threads.run(ada.save)
    after = await session.ask("tools/call", {"name": "count_users"})

    assert during["content"][0]["text"] == "0"
    assert before["code"] == after["code"] == -32602


async def test_session_of_a_deactivated_user_is_of_no_use(ada: User) -> None:
    """Chosen: the id proves nothing by itself."""
    session = await open_session(headers=await token_of(ada))
    ada.is_active = False
    await authentication_threads.run(ada.save)

    for response in await all_of(session):
        assert response.error() == (
            401,
            -32600,
            "the token is unknown, expired or revoked",
        )


# Ending -----------------------------------------------------------------------------


@open_to_all
async def test_session_that_was_ended_is_not_found() -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management": DELETE, then 404."""
    session, other = await open_session(), await open_session()

    ended = await session.delete()

    assert (ended.status, ended.body) == (200, b"")
    for response in await all_of(session):
        assert response.error() == NOT_FOUND
    assert await other.ask("ping") == {}


@open_to_all
async def test_end_of_a_session_ends_what_is_open_of_it(door: Door) -> None:
    """Spec: 2025-11-25 basic/transports, "Session Management"."""
    runs.clear()
    session, other = await open_session(), await open_session()
    others_call = other.begin_post(call_of("hold", door="here"))
    await arrival(door)
    call = session.begin_post(call_of("hold", door="here"))
    await arrival(door)
    async with standalone(session) as stream, standalone(other) as others_stream:
        await session.delete()
        await stream.wait_for_end()
        response = await finish(call)

        assert messages_of(response) == []
        assert runs.cancelled == ["hold"]
        assert others_stream.response.body.endswith(b": keep-alive\r\n\r\n")
        door.open()
        assert text_of((await finish(others_call)).json()) == "1"

    assert len(current_worker().connections) == 0


@open_to_all
async def test_question_of_a_session_that_was_ended_is_not_answered() -> None:
    """Chosen: as every other message of it."""
    session = await open_session(capabilities=EVERYTHING)
    stream = await session.open_post(call_of("confirm"))
    question = await read_message(stream)
    await session.delete()
    await stream.wait_for_end()
    await stream.close()

    assert (await session.reply(question, {})).error() == NOT_FOUND


@open_to_all
async def test_json_of_a_session_that_was_ended_is_503(door: Door) -> None:
    """Chosen: there is no other way to say that no answer will come."""
    session = await open_session()
    call = session.begin_post(call_of("hold", door="here"), accept=JSON_ONLY)
    await arrival(door)
    await session.delete()

    refused = await finish(call)

    assert refused.error() == (503, -32603, "the request was ended; try again")


@open_to_all
async def test_end_that_cannot_be_kept_is_told_to_the_client(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: a process that is started later would take the session for open."""
    session = await open_session()
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}

    ended = await session.delete()

    assert (ended.status, ended.header("retry-after")) == (503, "5")
    assert (await session.post(PING)).status == 404
    assert [line for line in caplog.messages if line.startswith("the cache 'default'")]


@open_to_all
async def test_settings_that_the_cache_does_not_take_are_refused(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: an error that says what does not answer, and when to try again."""
    session = await open_session()
    settings.CACHES = {"default": {"BACKEND": "tests.worker.caches.BrokenCache"}}

    for method, params in (
        ("logging/setLevel", {"level": "error"}),
        ("resources/subscribe", {"uri": "shop://stock"}),
        ("resources/unsubscribe", {"uri": "shop://stock"}),
    ):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        refused = await session.post(message)
        assert (refused.status, refused.header("retry-after")) == (503, "5")
        assert refused.json()["error"]["message"] == (
            "the site's cache does not answer; try again in 5 seconds"
        )
    assert len(caplog.messages) == 1  # of the cache


# While the channel layer is away ----------------------------------------------------


@pytest.fixture(params=[True, False], ids=["hangs", "fails"])
def without_layer(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Have a channel layer that answers nothing."""
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tests.worker.layers.AwayLayer",
            "CONFIG": {"hangs": request.param},
        }
    }
    settings.MCP = {"AUTHENTICATION": [], "RELAY_TIMEOUT": 0.1}


@pytest.mark.usefixtures("without_layer")
async def test_cancellation_that_cannot_be_told_is_refused() -> None:
    """Our choice: the request may run in another process; the client tries again."""
    session = await open_session()
    for _ in range(2):
        refused = await session.cancel("elsewhere")
        assert refused.status == 503
        assert int(refused.header("retry-after") or "") > 0
    batch = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    old = await open_session("2025-03-26")
    refused = await old.post([{**batch, "params": {"requestId": 1}}, PING])
    assert refused.status == 503


@pytest.mark.usefixtures("without_layer")
async def test_what_needs_no_other_process_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Our choice: as if nothing were; and the log says one thing, once."""
    session = await open_session()
    stream = await session.get()
    for _ in range(5):
        assert "result" in (await session.post(LOOK)).json()
    server.resource_updated("shop://stock")
    assert (await session.delete()).status == 200
    await finish(stream)
    assert (await session.post(PING)).status == 404
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("the channel layer 'default' does not answer")
