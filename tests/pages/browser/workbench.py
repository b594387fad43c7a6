"""A server with a feature for each thing that the console can do."""

from __future__ import annotations

import anyio
from pydantic import BaseModel, Field

from mcp_django import Context, Server

server = Server("workbench", title="Workbench", instructions="Try <b>each</b> tool.")

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


class Wish(BaseModel):
    """What is asked before something is made."""

    color: str = Field(description="Any color.")
    count: int = Field(1, ge=1, le=9)


@server.tool(title="Add", read_only=True)
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool
def quote(text: str) -> str:
    """Give the text back."""
    return text


@server.tool
async def wish(context: Context) -> str:
    """Ask what is wished for."""
    answer = await context.elicit("What shall it be?", Wish)
    if not answer.accepted:
        return "nothing then"
    return f"{answer.data.count} in {answer.data.color}"


@server.tool
async def visit(context: Context) -> str:
    """Ask the user to visit a page."""
    answer = await context.elicit_url("Please look.", "https://example.com/look")
    return "visited" if answer.accepted else "not visited"


@server.tool
async def think(context: Context) -> str:
    """Ask the client's model."""
    answer = await context.sample("What is six times seven?", 100)
    return f"The model says: {getattr(answer.content, 'text', '')}"


@server.tool
async def folders(context: Context) -> str:
    """Ask for folders."""
    return ", ".join(str(root.uri) for root in await context.list_roots())


@server.tool
async def wait(context: Context) -> None:
    """Report progress, and wait until it is cancelled."""
    await context.log("warning", "waiting begins", logger="workbench")
    await context.report_progress(1, 4, "A quarter is done")
    await anyio.sleep_forever()


@server.tool(description=HOSTILE)
def hostile() -> str:
    """Answer with what must not run."""
    return HOSTILE


@server.tool(name="long_" * 25, description="Unbreakably" * 30)
def long() -> dict[str, str]:
    """Answer with what is hard to fit in."""
    return {"member" * 20: "value" * 100}


count = 0


@server.resource("bench://count", title="How often it was turned")
def turned() -> str:
    """How often the handle was turned."""
    return str(count)


@server.tool
def turn() -> str:
    """Turn the handle, which changes a resource."""
    global count
    count += 1
    server.resource_updated("bench://count")
    return f"turned {count} times"


@server.tool
def grow() -> str:
    """Offer one more tool."""

    @server.tool(name="grown")
    def grown() -> str:
        """Be there."""
        return "here"

    server.tools_changed()
    return "There is one more."


@server.resource("bench://drawers/{number}", title="A drawer")
def drawer(number: int) -> str:
    """What is in a drawer."""
    return f"drawer {number}"


@server.prompt
def praise(color: str) -> str:
    """Praise a color."""
    return f"Praise {color}."


@server.completion(praise, "color")
def complete_color(value: str) -> list[str]:
    """Suggest colors."""
    return [name for name in ("red", "rose") if name.startswith(value)]
