"""What "Log in to other servers" shows, against another server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory

from mcp_django import ToolError
from mcp_django.accounts.servers import other_server
from mcp_django.testing import MCPClient
from tests.accounts.warehouse import Warehouse
from tests.docs.pages import blocks_of

BLOCKS = dict(blocks_of("docs/how-to/log-in-to-other-servers.md"))


def run(name: str) -> dict[str, Any]:
    """Run a file of the page, and give what is in it then."""
    found: dict[str, Any] = {"__name__": "shown"}
    exec(BLOCKS[name], found)
    return found


def connect(user: User, warehouse: Warehouse) -> None:
    """Connect the account of a user, without their browser."""

    async def connect() -> None:
        oauth = other_server("warehouse").login_for(user, None)
        url = warehouse.url
        begun = await oauth.begin_login(url, redirect_uri="http://127.0.0.1/cb")
        async with httpx2.AsyncClient(trust_env=False) as browser:
            back = await browser.get(begun.url)
        await oauth.finish_login(url, urlsplit(back.headers["location"]).query)

    anyio.run(connect)


def test_view_of_the_page_works_with_the_account_of_its_user(
    warehouse: Warehouse, ada: User
) -> None:
    """We promise it: who has none is sent to connect one."""
    stock = run("shop/accounts_views.py")["stock"]
    request = RequestFactory().get("/stock/nails/")

    request.user = AnonymousUser()
    assert "login" in stock(request, "nails").url
    request.user = ada
    there = "/accounts/warehouse/connect/?next=%2Fstock%2Fnails%2F"
    assert stock(request, "nails").url == there
    connect(ada, warehouse)
    assert stock(request, "nails").content == b'{"result": 5}'


def test_tool_of_the_page_works_with_the_account_of_its_user(
    warehouse: Warehouse, ada: User
) -> None:
    """We promise it: the model reads where its user has to go."""
    client = MCPClient(run("shop/mcp.py")["server"])
    client.force_login(ada)

    with pytest.raises(ToolError, match=r"https://shop\.example/accounts/wareh"):
        client.call_tool("count_items", {"item": "nails"})
    connect(ada, warehouse)
    result = client.call_tool("count_items", {"item": "nails"})
    assert result.structured_content == {"result": 5}
