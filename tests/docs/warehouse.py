"""The server that the pages on clients use: a warehouse."""

from __future__ import annotations

from pydantic import BaseModel

from mcp_django import Context, Server

server = Server("warehouse")
stock = {"tea": 3, "coffee": 0}


class Confirm(BaseModel):
    """What the user fills in before something is ordered."""

    sure: bool


@server.tool
async def count_items(item: str) -> dict[str, int]:
    """Count what is left of something."""
    return {"left": stock[item]}


@server.tool
async def restock(item: str, context: Context) -> dict[str, str]:
    """Order something, if the user is sure."""
    answer = await context.elicit(f"Order {item}?", Confirm)
    await context.report_progress(1, 2, "asked")
    await context.report_progress(2, 2, "done")
    return {"action": answer.action}


@server.resource("warehouse://stock")
async def read_stock() -> dict[str, int]:
    """What is left of everything."""
    return stock
