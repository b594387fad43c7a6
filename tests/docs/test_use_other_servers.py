"""The page on clients: its examples run as they stand there."""

from __future__ import annotations

import io
import json
import logging
import shlex
import sys
import unittest
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.core.management.base import CommandError
from django.test import RequestFactory
from pytest_django import Settings

from mcp_django import SyncClient
from tests.docs.conftest import Import
from tests.docs.pages import ROOT
from tests.docs.scenario import PATIENCE_SECONDS, on_asyncio
from tests.docs.warehouse import server

SDK_SERVER = str(ROOT / "tests" / "live" / "servers" / "sdk_2.py")


@pytest.fixture(autouse=True)
def warehouse(shown: Import, settings: Settings) -> None:
    """Name the server of the warehouse in the settings."""
    make = shown("shop.direct").InProcessTransport
    settings.WAREHOUSE = {"target": partial(make, server, AnonymousUser())}


def test_ordinary_view_calls_a_tool(shown: Import) -> None:
    """Our choice: what is pasted works."""
    response = shown("shop.views").stock(RequestFactory().get("/"), "tea")
    assert json.loads(response.content) == {"left": 3}


@on_asyncio
async def test_async_view_calls_tools_at_once(shown: Import) -> None:
    """Our choice: asyncio is the event loop of views."""
    request = RequestFactory().get("/", {"item": ["tea", "coffee"]})
    response = await shown("shop.async_views").stocks(request)
    assert json.loads(response.content) == {"tea": {"left": 3}, "coffee": {"left": 0}}


@pytest.mark.parametrize(
    ("said", "action"), [("y", "accept"), ("", "decline")], ids=["yes", "no"]
)
def test_command_shows_progress_and_asks(
    shown: Import, monkeypatch: pytest.MonkeyPatch, said: str, action: str
) -> None:
    """Our choice: the functions run in the thread of the command."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return said

    monkeypatch.setattr("builtins.input", answer)
    output = io.StringIO()
    command = shown("shop.management.commands.restock").Command(stdout=output)
    command.handle(item="tea")
    assert asked == ["Order tea? [y/N] "]
    assert output.getvalue() == (
        f"1 of 2: asked\n2 of 2: done\n{{'action': '{action}'}}\n"
    )


def test_command_says_what_went_wrong(shown: Import, settings: Settings) -> None:
    """Our choice: every exception of ours is an `MCPError`."""
    settings.WAREHOUSE = {"target": ["no-such-program"]}
    command = shown("shop.management.commands.restock").Command()
    with pytest.raises(CommandError, match="cannot start 'no-such-program'"):
        command.handle(item="tea")


async def test_token_is_renewed_when_it_is_refused(shown: Import) -> None:
    """Our choice: what `auth` is for."""
    tokens = iter(["good"])
    sent: list[str] = []

    async def renew() -> str:
        return next(tokens)

    async def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.headers.get("authorization", ""))
        return httpx2.Response(200 if sent[-1] == "Bearer good" else 401)

    auth = shown("shop.renewing").RenewedToken(renew)
    transport = httpx2.MockTransport(answer)
    async with httpx2.AsyncClient(transport=transport, auth=auth) as http:
        for _ in range(2):
            response = await http.get("https://warehouse.example/mcp")
            assert response.status_code == 200
    assert sent == ["", "Bearer good", "Bearer good"]


@on_asyncio
async def test_copy_follows_the_server(shown: Import) -> None:
    """Our choice: what changes after the first look is not missed."""
    await cache.aclear()

    async def until_kept(text: str) -> None:
        while await cache.aget("stock") != text:
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(shown("shop.follow").follow)
            await until_kept('{"tea":3,"coffee":0}')
            await cache.aset("stock", "old")
            server.resource_updated("warehouse://stock")
            await until_kept('{"tea":3,"coffee":0}')
            tasks.cancel_scope.cancel()


@pytest.mark.live
def test_program_is_started_as_the_page_says(
    shown: Import, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Our choice: the function that makes a transport says how."""
    caplog.set_level(logging.INFO)
    # The folder, which comes last, is for the shell, and unknown to the server.
    command = ("sh", "-c", shlex.join(["exec", sys.executable, SDK_SERVER, "stdio"]))
    client: SyncClient = shown("shop.files").open_files(str(tmp_path), command)
    with client:
        added = client.call_tool("add", {"a": 1, "b": 2})
    assert added.structured_content == {"result": 3}


def test_tests_of_the_page_pass(shown: Import) -> None:
    """Our choice: a server in memory stands for one that is elsewhere."""
    case = shown("shop.tests.test_stock").StockTests
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
