"""What a browser is shown at an endpoint, and that programs notice nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from anyio.to_thread import run_sync
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import Settings

from mcp_django.asgi import get_asgi_application
from mcp_django.server.endpoints import Endpoint, page_makers, url_patterns
from mcp_django.server.server import Server
from tests.consumers.connections import Response, request

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

pytestmark = pytest.mark.django_db(transaction=True)


async def ask(accept: str | None, method: str = "GET", path: str = "/mcp") -> Response:
    """Ask by the ASGI way in, with a trivial body where there may be one."""
    headers = {"host": "testserver"} | ({} if accept is None else {"accept": accept})
    if method == "POST":
        headers["content-type"] = "application/json"
    return await request(
        get_asgi_application(), method, path, headers=headers, body=b"{}"
    )


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
@pytest.mark.parametrize("accept", [BROWSER, "TEXT/HTML", "image/*, text/html;q=0.1"])
async def test_browser_is_shown_the_page(path: str, accept: str) -> None:
    """We promise it: without credentials, by Django and what stands before it."""
    answer = await ask(accept, path=path)

    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert "script-src" not in (answer.header("content-security-policy") or "")
    assert answer.header("x-content-type-options") == "nosniff"
    assert "Accept" in (answer.header("vary") or "")
    assert "http://testserver/mcp<" in answer.body.decode()
    assert "/accounts/login/?next=/mcp" in answer.body.decode()


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "text/*",
        "application/json",
        "text/event-stream",
        "text/html, text/event-stream",
        "text/html;q=0, */*",
    ],
)
async def test_program_is_answered_as_ever(accept: str | None) -> None:
    """We promise it: what does not name HTML, or also takes events, is a program."""
    answer = await ask(accept)

    assert answer.status == 401
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_page_is_for_reading_alone(method: str) -> None:
    """We promise it: a browser's Accept makes nothing else a page."""
    answer = await ask(BROWSER, method)

    assert answer.status in (401, 405)
    assert answer.header("content-type") == "application/json"
    assert "accept" in (answer.header("vary") or "")


@pytest.mark.parametrize("accept", [BROWSER, "*/*"])
async def test_both_ways_in_agree(accept: str) -> None:
    """We promise it: with `mcp_django.asgi`, and without it."""
    expected = await ask(accept)
    headers: Any = {"accept": accept}
    answer = await AsyncClient().get("/mcp", headers=headers)

    assert answer.status_code == expected.status
    assert answer.headers["content-type"] == expected.header("content-type")
    assert "accept" in answer.headers["vary"].lower()


async def test_page_is_shown_over_wsgi() -> None:
    """We promise it: a page needs no stream."""
    headers: Any = {"accept": BROWSER}
    answer = await run_sync(lambda: Client().get("/mcp", headers=headers))

    assert answer.status_code == 200
    assert "Let your assistant work here" in answer.content.decode()


async def test_head_asks_for_the_page_too() -> None:
    """RFC 9110, 9.3.2; the text of the answer is for the ASGI server to leave out."""
    answer, page = await ask(BROWSER, "HEAD"), await ask(BROWSER)

    assert (answer.status, answer.header("vary")) == (200, page.header("vary"))


async def read_as(user: User | None, path: str = "/mcp") -> str:
    """Give the page as a user reads it."""
    client = AsyncClient()
    if user is not None:
        await client.aforce_login(user)
    headers: Any = {"accept": BROWSER}
    return (await client.get(path, headers=headers)).content.decode()


async def test_page_names_what_its_reader_may_use() -> None:
    """We promise it: nothing to strangers, and to users no more than clients see."""
    reader = await User.objects.acreate(username="reader")
    clerk = await User.objects.acreate(username="clerk")
    permission = await Permission.objects.aget(codename="view_user")
    await clerk.user_permissions.aadd(permission)

    stranger, of_reader, of_clerk = [
        await read_as(user) for user in (None, reader, clerk)
    ]

    assert "What you may use" not in stranger
    assert "<bdi>name_user</bdi>" in of_reader
    assert "name_user" not in stranger
    assert "count_users" not in of_reader
    assert "count_users" in of_clerk


async def test_page_leads_to_what_its_reader_may_do() -> None:
    """We promise it: strangers read which programs work, and log in for the rest."""
    reader = await User.objects.acreate(username="reader")
    stranger, of_reader = await read_as(None), await read_as(reader)

    assert "<li>Claude Code</li>" in stranger
    assert 'href="/mcp/connect/"' not in stranger
    assert 'href="/mcp/connect/"' in of_reader
    assert 'href="/mcp/programs/"' in of_reader


async def test_site_that_is_open_to_all_tells_strangers(settings: Settings) -> None:
    """Chosen: what each program sees without credentials, each reader may."""
    settings.MCP = {"AUTHENTICATION": []}

    assert "<bdi>Add</bdi>" in await read_as(None)


async def test_server_at_the_root_without_a_login_page(settings: Settings) -> None:
    """Chosen: the page leads nowhere that is not there."""
    settings.ROOT_URLCONF = "tests.pages.urls"
    text = await read_as(None, "/")

    assert "http://testserver/<" in text
    assert "Log in" not in text


async def test_names_of_a_server_are_shown_and_never_run() -> None:
    """We promise it: whatever a developer, or a translator, writes."""
    server = Server("evil", title="<script>alert(1)</script>", description="a<b>c")
    [page] = [make(server, "evil/") for make in page_makers]
    answer = await page.landing(RequestFactory().get("/evil"))
    assert isinstance(answer, HttpResponse)
    text = answer.content.decode()

    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "a&lt;b&gt;c" in text


def test_without_the_app_there_is_no_page() -> None:
    """We promise it: a project that did not ask for pages notices nothing."""
    makers = page_makers.copy()
    page_makers.clear()
    try:
        patterns = url_patterns(Server("plain"), "plain")
    finally:
        page_makers.extend(makers)

    endpoints = [pattern.callback for pattern in patterns]
    assert all(isinstance(e, Endpoint) and e.landing is None for e in endpoints)
