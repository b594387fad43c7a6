"""A server by the official SDK's 2.x release: `sdk_2.py stdio|sse|http [PORT]`."""

import sys
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import BaseModel

server = MCPServer("sdk", instructions="Use add.")
waiting: list[object] = []


class Name(BaseModel):
    """What `who` asks for."""

    name: str


def ask_name() -> Elicit[Name]:
    """Ask for a name, in the way of the era."""
    return Elicit("Who are you?", Name)


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("it failed")


@server.tool()
async def count(to: int, context: Context[Any]) -> str:
    """Count, and report it."""
    for number in range(1, to + 1):
        await context.report_progress(number, to, f"number {number}")
    return "counted"


@server.tool()
async def who(answer: Annotated[Name, Resolve(ask_name)]) -> str:
    """Ask for a name."""
    return answer.name


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
async def change(context: Context[Any]) -> str:
    """Say that the list of tools has changed."""
    await context.notify_tools_changed()
    await context.notify_resource_updated("note://text")
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
    options: Any = {"port": int(sys.argv[2])} if len(sys.argv) > 2 else {}
    server.run(kinds[sys.argv[1]], **options)
