"""The page on the interface of transports: its examples run as they stand there."""

from __future__ import annotations

import runpy
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from django.contrib.auth.models import User

from mcp_django import Client, RequestTimeout
from mcp_django.transports.base import Transport
from mcp_django.transports.byte_stream import ByteStreamTransport
from tests.docs.conftest import Import
from tests.docs.pages import ROOT, files_of, write_files
from tests.docs.scenario import (
    PATIENCE_SECONDS,
    accept,
    each_era,
    on_asyncio,
    text_of,
)
from tests.live.outside_servers import running_outside_server
from tests.transports.official_sdk import make_server

SDK_SERVER = ROOT / "tests" / "live" / "servers" / "sdk_2.py"


# WebSocket ---------------------------------------------------------------------------


@each_era
async def test_websocket_of_the_page_is_served(shown: Import, version: str) -> None:
    """Our choice: the same class is the client's half."""
    to_server, at_server = anyio.create_memory_object_stream[dict[str, Any]](10)
    to_client, at_client = anyio.create_memory_object_stream[dict[str, Any]](10)
    application: Any = shown("shop.frames_asgi").application

    async def receive_text() -> str | None:
        try:
            text: str = (await at_client.receive())["text"]
        except anyio.EndOfStream:
            return None
        return text

    async def send_text(text: str) -> None:
        await to_server.send({"type": "websocket.receive", "text": text})

    async def serve() -> None:
        async with to_client, at_server:
            await application({}, at_server.receive, to_client.send)

    with anyio.fail_after(PATIENCE_SECONDS):
        async with to_server, at_client, anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            await to_server.send({"type": "websocket.connect"})
            assert await at_client.receive() == {"type": "websocket.accept"}
            transport: Transport
            transport = shown("shop.frames").FrameTransport(receive_text, send_text)
            async with Client(transport, version=version, on_elicit=accept) as client:
                assert text_of(await client.call_tool("ship")) == "accept"
            await to_server.send({"type": "websocket.disconnect"})


# A stream of bytes -------------------------------------------------------------------


@asynccontextmanager
async def socket_server(
    path: Path, listen: Any, *arguments: Any
) -> AsyncIterator[None]:
    """Serve on a Unix socket, and wait until that is there."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, str(path), *arguments)
        with anyio.fail_after(PATIENCE_SECONDS):
            while not await is_listened_to(path):
                await anyio.lowlevel.checkpoint()
        yield
        tasks.cancel_scope.cancel()


async def is_listened_to(path: Path) -> bool:
    """Say whether connections to a socket are taken."""
    try:
        stream = await anyio.connect_unix(path)
    except OSError:
        return False
    await stream.aclose()
    return True


@each_era
async def test_unix_socket_of_the_page_is_served(
    shown: Import, tmp_path: Path, version: str
) -> None:
    """Our choice: as the user whom the command names."""
    path = tmp_path / "mcp.sock"
    listen = shown("shop.management.commands.mcp_socket").listen
    async with socket_server(path, listen, User(username="ada")):
        stream = await anyio.connect_unix(path)
        async with Client(ByteStreamTransport(stream), version=version) as client:
            assert text_of(await client.call_tool("who")) == "ada"


# In both directions with the official SDK --------------------------------------------


async def test_official_client_of_the_page_asks_the_socket(
    shown: Import,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Our choice: a program that is pasted works."""
    monkeypatch.chdir(tmp_path)
    program = "ask_socket.py"
    write_files({program: files_of("how-to/custom-transport.md")[program]}, tmp_path)
    listen = shown("shop.management.commands.mcp_socket").listen
    with anyio.fail_after(PATIENCE_SECONDS):
        async with socket_server(Path("mcp.sock"), listen, User(username="ada")):
            await anyio.to_thread.run_sync(runpy.run_path, program)
    assert capsys.readouterr().out == (
        "['add', 'ship', 'who', 'fail', 'wait', 'language', 'measure']\n"
    )


@each_era
async def test_official_server_of_the_page_is_served(
    shown: Import, tmp_path: Path, version: str
) -> None:
    """Our choice: two thirds of the connection know nothing of us."""
    path = tmp_path / "mcp.sock"
    async with socket_server(path, shown("serve_socket").listen, make_server()):
        stream = await anyio.connect_unix(path)
        async with Client(ByteStreamTransport(stream), version=version) as client:
            assert text_of(await client.call_tool("add", {"a": 1, "b": 2})) == "3"


@pytest.mark.live
async def test_our_client_uses_the_official_stdio(shown: Import) -> None:
    """Our choice: neither the child process nor who starts it is ours."""
    client = shown("shop.official").over_stdio(sys.executable, str(SDK_SERVER), "stdio")
    with anyio.fail_after(PATIENCE_SECONDS):
        async with client:
            added = await client.call_tool("add", {"a": 1, "b": 2})
            assert added.structured_content == {"result": 3}


@pytest.mark.live
@on_asyncio
@pytest.mark.parametrize(
    ("binding", "way", "options", "version"),
    [
        ("http", "over_streamable_http", {}, "2026-07-28"),
        ("http", "over_streamable_http", {"version": "2025-11-25"}, "2025-11-25"),
        ("sse", "over_sse", {}, "2025-11-25"),
    ],
    ids=["http modern", "http legacy", "sse"],
)
async def test_our_client_uses_the_official_http(
    shown: Import,
    tmp_path: Path,
    binding: str,
    way: str,
    options: dict[str, str],
    version: str,
) -> None:
    """Our choice: the headers that the SDK leaves to its own session are there.

    Under trio, the SDK's generators are not closed, and warn about it.
    """
    make = getattr(shown("shop.official"), way)
    with (
        running_outside_server("python-2", binding, tmp_path) as url,
        anyio.fail_after(PATIENCE_SECONDS),
    ):
        async with make(url, **options) as client:
            assert client.version == version
            added = await client.call_tool("add", {"a": 1, "b": 2})
            assert added.structured_content == {"result": 3}
            with pytest.raises(RequestTimeout):
                await client.call_tool("wait", timeout=0.2)
            assert text_of(await client.call_tool("count_waiting")) == "0"


# Pairs of streams ---------------------------------------------------------------------

SETTINGS = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.settings import *
"""


@pytest.mark.live
@on_asyncio
async def test_official_client_of_the_page_starts_the_server_of_the_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Our choice: programs that are pasted work, one of them with the other."""
    monkeypatch.chdir(tmp_path)
    shown = files_of("how-to/custom-transport.md")
    files = {name: shown[name] for name in ("ask_stdio.py", "shop/serve_stdio.py")}
    files["shop/mcp.py"] = "from tests.docs.shop import server as server\n"
    files["mysite/settings.py"] = SETTINGS
    write_files(files, tmp_path)
    with anyio.fail_after(PATIENCE_SECONDS):
        await anyio.to_thread.run_sync(runpy.run_path, "ask_stdio.py")
    assert capsys.readouterr().out == (
        "['add', 'ship', 'who', 'fail', 'wait', 'language', 'measure']\n"
    )
