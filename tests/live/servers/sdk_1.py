"""A server by the official SDK's 1.x release: `sdk_1.py stdio|sse|http [PORT]`."""

import sys
from typing import Any

import anyio
from mcp.server.fastmcp import Context, FastMCP
from pydantic import AnyUrl, BaseModel

port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
server = FastMCP("sdk", instructions="Use add.", host="127.0.0.1", port=port)
waiting: list[object] = []


class Name(BaseModel):
    """What `who` asks for."""

    name: str


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("it failed")


@server.tool()
async def count(to: int, context: Context[Any, Any, Any]) -> str:
    """Count, and report it."""
    for number in range(1, to + 1):
        await context.report_progress(number, to, f"number {number}")
    return "counted"


@server.tool()
async def who(context: Context[Any, Any, Any]) -> str:
    """Ask for a name."""
    answer: Any = await context.elicit("Who are you?", Name)
    return str(answer.data.name) if answer.action == "accept" else str(answer.action)


@server.tool()
async def wait() -> str:
    """Wait until the call is cancelled."""
    token = object()
    waiting.append(token)
    try:
        await anyio.sleep_forever()
    finally:
        waiting.remove(token)
    return "waited"


@server.tool()
def count_waiting() -> int:
    """Count the calls of `wait`."""
    return len(waiting)


@server.tool()
async def change(context: Context[Any, Any, Any]) -> str:
    """Say that the list of tools has changed."""
    await context.info("changing")
    await context.session.send_tool_list_changed()
    await context.session.send_resource_updated(AnyUrl("note://text"))
    return "changed"


@server.resource("note://text")
def text() -> str:
    """A note."""
    return "A note."


@server.resource("note://{name}/named")
def named(name: str) -> str:
    """A note of a name."""
    return f"The note {name}."


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


if __name__ == "__main__":
    kinds: dict[str, Any] = {"stdio": "stdio", "sse": "sse", "http": "streamable-http"}
    server.run(kinds[sys.argv[1]])
