"""`MCP["OTHER_SERVERS"]`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from pytest_django import Settings

from mcp_django.accounts.servers import other_server, other_servers, read_server
from mcp_django.client.client import Client
from mcp_django.exceptions import LoginRequired
from tests.accounts.warehouse import Warehouse

URL = "https://warehouse.example/mcp"


def test_server_needs_nothing_but_a_url() -> None:
    """Chosen: the rest is found out."""
    server = read_server("warehouse", {"url": URL})

    assert (server.name, server.url, server.title) == (
        "warehouse",
        URL,
        "warehouse.example",
    )
    assert (server.scopes, server.client) == (None, None)


def test_server_may_say_more() -> None:
    """Chosen: as its makers told this site."""
    server = read_server(
        "warehouse",
        {
            "url": "HTTPS://Warehouse.example:443/mcp",
            "title": "The warehouse",
            "scopes": ["stock:read"],
            "client_id": "shop",
            "client_secret": "s3cret",
            "trusted_origins": ["https://login.example"],
        },
    )

    assert server.url == URL
    assert server.scopes == frozenset({"stock:read"})
    assert server.client is not None
    assert (server.client.client_id, server.client.secret) == ("shop", "s3cret")
    assert "s3cret" not in repr(server)
    assert server.trusted_origins == frozenset({"https://login.example"})


@pytest.mark.parametrize(
    ("name", "given", "saying"),
    [
        ("warehouse", {}, "'url'"),
        ("warehouse", {"url": "warehouse.example"}, "'url'"),
        ("warehouse", {"url": "wss://warehouse.example/mcp"}, "'url'"),
        ("warehouse", {"url": "https://me:pw@warehouse.example/mcp"}, "'url'"),
        ("warehouse", {"url": f"{URL}/{'x' * 500}"}, "500 characters"),
        ("warehouse", {"url": 5}, "'url'"),
        ("warehouse", {"url": URL, "scopes": "stock:read"}, "'scopes'"),
        ("warehouse", {"url": URL, "scopes": ["a b"]}, "'scopes'"),
        ("warehouse", {"url": URL, "client_secret": "s"}, "'client_id'"),
        ("warehouse", {"url": URL, "client_id": ""}, "'client_id'"),
        ("warehouse", {"url": URL, "client_id": None}, "'client_id'"),
        ("warehouse", {"url": URL, "allow_http": 1}, "'allow_http'"),
        ("warehouse", {"url": URL, "trusted_origins": URL}, "'trusted_origins'"),
        ("warehouse", {"url": URL, "trusted_origins": [URL]}, "'trusted_origins'"),
        ("warehouse", {"url": URL, "token": "x"}, "a dictionary of"),
        ("warehouse", URL, "a dictionary of"),
        ("The warehouse", {"url": URL}, "its name"),
        ("", {"url": URL}, "its name"),
        (5, {"url": URL}, "its name"),
    ],
)
def test_wrong_server_is_refused_in_words(name: Any, given: Any, saying: str) -> None:
    """Chosen: what it is, and what it should be."""
    with pytest.raises(ImproperlyConfigured) as caught:
        read_server(name, given)

    assert saying in str(caught.value)


def test_servers_are_read_again_when_the_settings_change(settings: Settings) -> None:
    """Chosen: for tests of projects."""
    assert other_servers() == {}
    settings.MCP = {"OTHER_SERVERS": {"warehouse": {"url": URL}}}

    assert [*other_servers()] == ["warehouse"]
    with pytest.raises(ImproperlyConfigured, match=r"\['warehouse'\]"):
        other_server("other")


def test_who_is_not_logged_in_here_has_no_account() -> None:
    """Chosen: the same exception, which leads to the same page."""
    server = read_server("warehouse", {"url": URL})

    with pytest.raises(LoginRequired) as caught:
        server.auth_for(AnonymousUser())
    assert caught.value.url == URL


def test_page_to_connect_knows_the_way_back(settings: Settings) -> None:
    """Chosen: a GET is done again; what was posted is not."""
    settings.ROOT_URLCONF = "tests.accounts.urls"
    server = read_server("warehouse", {"url": URL})
    error = LoginRequired("log in", url=URL, scopes=frozenset({"b", "a"}))
    requests = RequestFactory()

    there = server.redirect_to_connect(requests.get("/stock/?of=nails"), error)
    assert there.url == (
        "/accounts/warehouse/connect/?next=%2Fstock%2F%3Fof%3Dnails&scope=a+b"
    )
    assert server.redirect_to_connect(requests.post("/stock/")).url == (
        "/accounts/warehouse/connect/"
    )


def test_what_logs_in_is_made_without_a_query(
    ada: User, settings: Settings, django_assert_num_queries: Any
) -> None:
    """Chosen: it may be made in async code."""
    with django_assert_num_queries(0):
        read_server("warehouse", {"url": URL}).auth_for(ada)


async def test_several_workers_renew_a_token_once(
    warehouse: Warehouse, ada: User
) -> None:
    """We promise it: a server that takes a refresh token once logs no user out."""
    server = other_server("warehouse")
    login = server.login_for(ada, None)
    warehouse.lifetime = 1
    begun = await login.begin_login(server.url, redirect_uri="http://127.0.0.1/cb")
    async with httpx2.AsyncClient(trust_env=False) as browser:
        back = await browser.get(begun.url)
    await login.finish_login(server.url, urlsplit(back.headers["location"]).query)
    warehouse.lifetime = 3600
    counted = []

    async def count() -> None:
        # Each with an object of its own, as in another worker.
        async with Client(server.url, auth=server.auth_for(ada)) as client:
            counted.append(await client.call_tool("count_items", {"item": "nails"}))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(count)

    assert len(counted) == 5
    assert (warehouse.refreshes, warehouse.logins) == (1, 1)
