"""URLs of the demo, and of a server whose tools try what servers differ in."""

from __future__ import annotations

import asyncio
from collections import Counter

from django.contrib.auth import get_user_model

from demo_project import urls
from mcp_django import Context, Server

server = Server("matrix")
urlpatterns = [*server.urls("matrix/mcp"), *urls.urlpatterns]

counts: Counter[str] = Counter()
"""How often something happened, by its name."""


@server.tool
def add(a: int, b: int) -> int:
    """Add two numbers, in a thread."""
    return a + b


@server.tool
async def count_users() -> int:
    """Ask the database, in the event loop."""
    return await get_user_model().objects.acount()


@server.tool
async def count(name: str) -> int:
    """Say how often something happened."""
    return counts[name]


@server.tool
async def wait(seconds: float, context: Context) -> str:
    """Report that it begins, and wait."""
    await context.report_progress(1, 2)
    counts["began"] += 1
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        counts["cancelled"] += 1
        raise
    return "waited"


@server.tool
async def large(megabytes: int) -> str:
    """Give so much text."""
    return "x" * (megabytes * 1_000_000)


@server.tool
def change() -> str:
    """Tell clients that the list of tools is another one."""
    server.tools_changed()
    return "changed"
