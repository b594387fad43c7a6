"""Streamable HTTP the Django way in: behind a project's middleware."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import Any

import anyio.lowlevel
import pytest
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.test import AsyncClient
from django.urls import include, path
from pytest_django import Settings

from mcp_django import views
from mcp_django.consumers.applications import Application
from mcp_django.server.endpoints import Endpoint
from mcp_django.worker.worker import current_worker
from tests.consumers import shop
from tests.consumers.connections import make_scope, request
from tests.consumers.credentials import cookie_of, token_of
from tests.consumers.shop import Patience, patience, runs
from tests.consumers.streamable import (
    BOTH,
    EVERYTHING,
    JSON_ONLY,
    MODERN,
    STREAM_ONLY,
    arrival,
    begin_modern,
    call_of,
    finish,
    headers_of,
    initialize_of,
    messages_of,
    modern,
    open_modern,
    open_session,
    post_modern,
    progress,
    read_message,
    standalone,
    text_of,
    with_progress,
)
from tests.consumers.test_views import MIDDLEWARE
from tests.patience import PATIENCE_SECONDS
from tests.site.mcp import Door

urlpatterns = [*shop.server.urls("mcp"), path("at/", include(shop.server.urls("")))]

GZIP = {"accept-encoding": "gzip, deflate"}
ENDPOINT = Endpoint(shop.server, "mcp")
HOLD = call_of("hold", door="here")
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LISTEN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}},
}


@pytest.fixture
def site(settings: Settings) -> Application:
    """Give the shop as plain Django serves it, with all that may be in the way."""
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = MIDDLEWARE
    settings.MCP = {"AUTHENTICATION": [], "MAX_BODY_BYTES": 5000}
    runs.clear()
    handler: Application = ASGIHandler()
    return handler


def asgi_request(message: Any, headers: dict[str, str]) -> ASGIRequest:
    """Make the request of a POST as Django hands it to a view."""
    headers = {"content-type": "application/json", "accept": BOTH, **headers}
    body = BytesIO(json.dumps(message).encode())
    return ASGIRequest(make_scope("POST", "/mcp", headers), body)


# 2026-07-28 -------------------------------------------------------------------------


async def test_modern_request_is_answered_as_json(site: Application) -> None:
    """Chosen: what works one way works the other."""
    response = await post_modern(call_of("add", a=1, b=2), application=site)

    assert (response.status, text_of(response.json())) == (200, "3")
    assert response.header("content-type") == "application/json"


async def test_modern_request_is_answered_on_a_stream(site: Application) -> None:
    """Chosen: as above; no middleware holds events back."""
    response = await post_modern(
        with_progress(call_of("report", steps=2)), application=site, headers=GZIP
    )

    assert messages_of(response)[:2] == [progress(1, 2), progress(2, 2)]
    assert response.header("content-encoding") == "identity"
    assert len(current_worker().connections) == 0


async def test_modern_client_listens(site: Application) -> None:
    """Chosen: as above."""
    stream = await open_modern(LISTEN, application=site, headers=GZIP)
    await read_message(stream)
    shop.server.tools_changed()
    told = await read_message(stream)
    await stream.close()

    assert told["method"] == "notifications/tools/list_changed"
    assert len(current_worker().listeners) == 0


@pytest.mark.parametrize(
    ("message", "headers", "status"),
    [
        (PING, {}, 404),
        (call_of("add"), {"mcp-name": "other"}, 400),
        (call_of("add"), {"accept": "text/html"}, 406),
        (call_of("add"), {"content-type": "text/plain"}, 415),
        (call_of("add"), {"content-length": "5001"}, 413),
        (call_of("add"), {"origin": "https://evil.example"}, 403),
    ],
)
async def test_refusals_are_those_of_the_asgi_way(
    site: Application, message: Any, headers: dict[str, str], status: int
) -> None:
    """Chosen: both ways pass the same gate."""
    response = await post_modern(message, application=site, headers=headers)

    assert response.status == status
    assert "error" in response.json()


async def test_modern_handler_is_cancelled_when_its_client_goes(
    site: Application, door: Door
) -> None:
    """Spec: 2026-07-28 basic/patterns/cancellation."""
    held = begin_modern(HOLD, application=site)
    await arrival(door)

    await held.close()
    with anyio.fail_after(PATIENCE_SECONDS):
        while runs.cancelled != ["hold"]:
            await anyio.lowlevel.checkpoint()
    assert len(current_worker().connections) == 0


async def test_thread_of_a_modern_handler_learns_that_its_client_is_gone(
    site: Application,
) -> None:
    """Chosen: as on the ASGI way; Django cancels the view."""
    mine = patience["view"] = Patience()
    message = call_of("work", name="view")
    request = asgi_request(modern(message), headers_of(message))
    waiting = asyncio.create_task(views.serve(ENDPOINT, request))
    await asyncio.to_thread(mine.has_begun.wait, 10)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await anyio.wait_all_tasks_blocked()
    mine.may_go_on.set()
    assert await asyncio.to_thread(mine.has_ended.wait, 10)

    del patience["view"]
    assert mine.was_cancelled
    assert len(current_worker().connections) == 0


# Versions with sessions -------------------------------------------------------------


async def test_session_is_opened_used_and_ended(site: Application) -> None:
    """Chosen: what works one way works the other."""
    session = await open_session(application=site, headers=GZIP)
    assert await session.ask("ping") == {}
    assert text_of((await session.post(call_of("add", a=1, b=2))).json()) == "3"
    async with standalone(session) as stream:
        shop.server.tools_changed()
        await read_message(stream)
        assert (await session.delete()).status == 200
        await stream.wait_for_end()

    assert (await session.post(PING)).error() == (404, -32001, "Session not found")
    assert len(current_worker().connections) == 0


async def test_session_id_passes_the_cors_headers(
    site: Application, settings: Settings
) -> None:
    """Spec: Fetch, "CORS-safelisted response-header name"."""
    settings.MCP = {"AUTHENTICATION": [], "ALLOWED_ORIGINS": ["https://app.example"]}
    session = await open_session(
        application=site, headers={"origin": "https://app.example"}
    )

    response = await session.post(initialize_of())

    exposed = response.header("access-control-expose-headers") or ""
    assert "mcp-session-id" in exposed.split(", ")


async def test_question_is_answered_by_another_post(site: Application) -> None:
    """Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"."""
    session = await open_session(capabilities=EVERYTHING, application=site)
    stream = await session.open_post(call_of("confirm"))
    question = await read_message(stream)
    answer = {"action": "accept", "content": {"ok": True}}
    assert (await session.reply(question, answer)).status == 202

    assert text_of(await read_message(stream)) == "accept: True"
    await finish(stream)


@pytest.mark.parametrize("accept", [BOTH, JSON_ONLY, STREAM_ONLY])
async def test_batch_is_answered(site: Application, accept: str) -> None:
    """Spec: 2025-03-26 basic, "Batching"."""
    session = await open_session("2025-03-26", application=site)

    response = await session.post([PING, call_of("add", a=1, id=2)], accept=accept)

    answers = response.json() if accept == JSON_ONLY else messages_of(response)
    assert {answer["id"] for answer in answers} == {1, 2}


async def test_disconnect_does_not_cancel_the_call_of_a_session(
    site: Application, door: Door
) -> None:
    """Spec: 2025-11-25 basic/transports: not interpreted as cancelling."""
    session = await open_session(application=site)
    waiting = asyncio.create_task(
        views.serve(ENDPOINT, asgi_request(HOLD, session.headers))
    )
    await arrival(door)

    # So Django does when a client goes.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await anyio.wait_all_tasks_blocked()
    assert len(current_worker().connections) == 1
    door.open()
    with anyio.fail_after(PATIENCE_SECONDS):
        while len(current_worker().connections):
            await anyio.lowlevel.checkpoint()

    assert runs.cancelled == []


async def test_client_may_come_back_for_a_call_that_goes_on(
    site: Application, settings: Settings, door: Door
) -> None:
    """Spec: 2025-11-25 basic/transports, "Resumability and Redelivery"."""
    settings.MCP = {"AUTHENTICATION": [], "EVENT_STORE_CACHE": "default"}
    session = await open_session(application=site)
    message = with_progress(call_of("report", steps=2, door="here"))
    stream = await session.open_post(message)
    primed = await stream.read_event()
    await stream.go_away()

    again = await session.get(last_event_id=primed.id)
    assert await read_message(again) == progress(1, 2)
    door.open()
    assert await read_message(again) == progress(2, 2)
    assert text_of(await read_message(again)) == "reported"
    await again.wait_for_end()
    await again.close()
    await stream.close()

    assert len(current_worker().connections) == 0


async def test_login_sessions_and_tokens_open_sessions(
    site: Application, settings: Settings, ada: User
) -> None:
    """Chosen: as on the ASGI way, whatever the CSRF middleware thinks."""
    settings.MCP = {}
    for credentials in (await cookie_of(ada), await token_of(ada)):
        session = await open_session(application=site, headers=credentials)
        answer = (await session.post(call_of("look"))).json()
        assert answer["result"]["structuredContent"]["user"] == "ada"
        assert (await session.delete()).status == 200


# URLs and test clients --------------------------------------------------------------


@pytest.mark.parametrize("url", ["/mcp", "/mcp/"])
async def test_endpoint_answers_with_and_without_a_slash(
    site: Application, url: str
) -> None:
    """Chosen: neither is a redirect, which would lose the body."""
    response = await request(site, "GET", url, headers={"accept": STREAM_ONLY})

    assert response.error()[:2] == (400, -32600)


async def test_django_async_client_can_post(site: Application) -> None:
    """Chosen: developers test with it."""
    message = call_of("add", a=1, b=2)
    client = AsyncClient()

    response = await client.post(
        "/mcp",
        modern(message),
        content_type="application/json",
        headers=headers_of(message),
    )
    refused = await client.get("/mcp", headers={"mcp-protocol-version": MODERN})

    assert text_of(response.json()) == "3"
    assert (refused.status_code, refused["allow"]) == (405, "POST")
