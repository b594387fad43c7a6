"""The server and its tools."""

import os

from mcp_django import Server

server = Server("many-tools")


async def number(value: int, text: str = "", flag: bool = False) -> int:
    """Return a number."""
    return value


for index in range(int(os.environ["TOOLS"]) - 1):
    server.tool(name=f"number_{index}")(number)


@server.tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
