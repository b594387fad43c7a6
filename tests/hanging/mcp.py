"""Tools that hang, that wait for a file, and some of each kind that do not."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
import time
from pathlib import Path

import anyio
from asgiref.sync import sync_to_async

from mcp_django import Server, SyncContext

server = Server("hanging")
hanging: list[str] = []
"""Tools that have begun to hang, one entry for each call."""


@server.tool
async def count_hanging() -> int:
    """Count the calls that have begun to hang."""
    return len(hanging)


def may(context: SyncContext) -> bool:
    """Let everybody, in a thread."""
    return True


@server.tool(permission=may)
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.resource("hanging://terms", permission=may)
def terms() -> str:
    """Give the terms."""
    return "None."


@server.prompt(permission=may)
def greet() -> str:
    """Greet."""
    return "Hello"


@server.tool
def hang() -> str:
    """Wait for what never comes."""
    hanging.append("hang")
    threading.Event().wait()
    return "never"


@server.tool
def hang_in_c() -> str:
    """Wait where Python is not asked."""
    hanging.append("hang_in_c")
    time.sleep(1_000_000)
    return "never"


@server.tool
def hang_in_process() -> str:
    """Wait for a program that does not end soon."""
    hanging.append("hang_in_process")
    subprocess.run(["sleep", "120"], check=False)
    return "never"


@server.tool
async def hang_async() -> str:
    """Wait in the event loop."""
    hanging.append("hang_async")
    await anyio.sleep_forever()
    return "never"


@server.tool
async def hang_in_foreign_thread() -> str:
    """Wait in the thread of Django's async ORM."""
    hanging.append("hang_in_foreign_thread")
    await sync_to_async(threading.Event().wait)()
    return "never"


@server.tool
async def swallow() -> str:
    """Wait, and take no cancellation for an answer."""
    hanging.append("swallow")
    while True:
        try:
            await asyncio.sleep(1_000_000)
        except asyncio.CancelledError:
            continue


@server.tool
async def block(path: str) -> str:
    """Stop the event loop, by a mistake."""
    Path(path).touch()  # noqa: ASYNC240 - the mistake
    time.sleep(1_000_000)  # noqa: ASYNC251 - the mistake
    return "never"


@server.tool
async def spin(path: str) -> str:
    """Stop the event loop as well, by another mistake."""
    Path(path).touch()  # noqa: ASYNC240 - the mistake
    while True:
        pass


@server.tool
async def match(path: str) -> str:
    """Stop everything, by a pattern that takes for ever."""
    Path(path).touch()  # noqa: ASYNC240 - the mistake
    re.match(r"(a+)+$", "a" * 60 + "b")
    return "never"


@server.tool
def wait_for(path: str) -> str:
    """Wait until there is a file."""
    hanging.append("wait_for")
    while not Path(path).exists():
        time.sleep(0.01)
    return "there"


@server.tool
async def wait_for_async(path: str) -> str:
    """Wait until there is a file, in the event loop."""
    hanging.append("wait_for_async")
    while not Path(path).exists():  # noqa: ASYNC110, ASYNC240 - files tell nobody
        await anyio.sleep(0.01)
    return "there"
