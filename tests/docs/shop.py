"""The server that stands behind the documented examples: a small shop."""

from __future__ import annotations

from typing import Any

import anyio
from django.utils import translation
from pydantic import BaseModel

from mcp_django import Context, Server, SyncContext, ToolError

server = Server("shop", version="1.2.3", instructions="Look up and ship orders.")


class Confirm(BaseModel):
    """What the user fills in before an order is shipped."""

    sure: bool


@server.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool
async def ship(context: Context) -> str:
    """Ship an order after asking."""
    await context.report_progress(1, total=2)
    answer = await context.elicit("Really?", Confirm)
    return answer.action


@server.tool
def who(context: SyncContext) -> str:
    """Say whom the client works as."""
    return context.user.get_username()


@server.tool
async def fail() -> str:
    """Fail."""
    raise ToolError("There is no such order.")


@server.tool
async def wait() -> str:
    """Wait until nobody wants the answer any more."""
    await anyio.sleep_forever()
    return "never"


@server.tool(structured=True)
async def language() -> str:
    """Say which language is active."""
    return translation.get_language()


@server.tool
async def measure(rows: list[Any]) -> str:
    """Count rows."""
    return str(len(rows))


@server.resource("shop://stock")
async def read_stock() -> dict[str, int]:
    """How much there is."""
    return {"tea": 3}


@server.prompt
async def thank(customer: str) -> str:
    """Write a thank-you note."""
    return f"Write a note that thanks {customer}."
