"""A server whose handlers report, wait, ask and fail, for tests of Streamable HTTP."""

from __future__ import annotations

import sys
import threading
from typing import Annotated, Any

import anyio
from pydantic import BaseModel, Field

from mcp_django import Context, ErrorAnswer, Server, SyncContext
from tests.site.mcp import doors, is_staff

server = Server("shop", version="3.2.1")


class Confirm(BaseModel):
    """What a user confirms."""

    ok: bool


class Runs:
    """What handlers did.

    Attributes:
        began: Names of the handlers that were run, in order.
        cancelled: Names of those that were cancelled.
    """

    def __init__(self) -> None:
        self.began: list[str] = []
        self.cancelled: list[str] = []

    def clear(self) -> None:
        """Forget everything."""
        self.began.clear()
        self.cancelled.clear()


runs = Runs()


@server.tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool(permission="auth.view_user")
def count_users() -> int:
    """Count what only some may see."""
    return 0


@server.tool
async def hold(door: str, context: Context) -> str:
    """Wait at a door."""
    runs.began.append("hold")
    try:
        await doors[door].wait()
    except anyio.get_cancelled_exc_class():
        runs.cancelled.append("hold")
        raise
    return str(context.request_id)


@server.tool
async def report(steps: int, door: str = "", *, context: Context) -> str:
    """Report progress, and wait at a door before the last step."""
    for step in range(1, steps + 1):
        if door and step == steps:
            await doors[door].wait()
        await context.report_progress(step, steps)
    return "reported"


@server.tool
async def log(level: Any, text: str, context: Context) -> str:
    """Log something."""
    await context.log(level, text)
    return "logged"


@server.tool
async def leave(door: str, retry_ms: int | None = None, *, context: Context) -> str:
    """Let the client come back for what follows."""
    await context.report_progress(1)
    await context.close_stream(retry_ms)
    await doors[door].wait()
    await context.report_progress(2)
    return "came back"


@server.tool
async def confirm(context: Context) -> str:
    """Ask the user."""
    runs.began.append("confirm")
    answer = await context.elicit("Really?", Confirm)
    return f"{answer.action}: {answer.data and answer.data.ok}"


@server.tool
async def visit(context: Context) -> str:
    """Ask the user to visit a page."""
    answer = await context.elicit_url(
        "Pay, please.", "https://pay.example", elicitation_id="pay-1"
    )
    return answer.action


@server.tool
async def route(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    context: Context,
) -> str:
    """Say where to, which a header has to say as well."""
    return region


@server.tool
async def fail() -> None:
    """Raise what nobody expects."""
    raise LookupError("the secret reason")


@server.tool
def leave_python() -> None:
    """Raise what ends a program."""
    sys.exit("the secret reason")


@server.tool
async def break_text() -> str:
    """Return what JSON cannot carry."""
    return "\ud800"


@server.tool
async def refuse(code: int) -> None:
    """Answer with a JSON-RPC error."""
    raise ErrorAnswer(code, "no", {"why": "because"})


@server.tool
async def look(context: Context) -> dict[str, Any]:
    """Say what a handler sees."""
    return {
        "user": context.user.get_username(),
        "version": context.protocol_version,
        "client": context.client_info.name,
        "session": context.session_id is not None,
        "trace": context.headers.get("x-trace"),
        "secret": context.headers.get("authorization"),
    }


class Patience:
    """What a `def` handler waits for, and what it found then."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self.has_ended = threading.Event()
        self.was_cancelled = False


patience: dict[str, Patience] = {}
"""By name; a test puts its own there and takes it away again."""


@server.tool
def work(name: str, context: SyncContext) -> str:
    """Work in a thread."""
    mine = patience[name]
    mine.has_begun.set()
    mine.may_go_on.wait(10)
    mine.was_cancelled = context.is_cancelled
    mine.has_ended.set()
    return "worked"


@server.tool
def change_tools() -> None:
    """Change the list of tools."""
    server.tools_changed()


@server.resource("shop://stock")
def stock() -> str:
    """Say what there is."""
    return "everything"


@server.resource("shop://orders/{number}", permission=is_staff)
async def order(number: str) -> str:
    """Read what only some may see."""
    return number


@server.prompt
async def offer(context: Context) -> str:
    """Ask the user before there is a prompt."""
    answer = await context.elicit("Really?", Confirm)
    return answer.action
