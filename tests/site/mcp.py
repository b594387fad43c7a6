"""The server of the test project."""

from __future__ import annotations

import anyio
from mcp_types import ToolAnnotations

from mcp_django import Context, Server, SyncContext

server = Server("site", version="2.1.0", title="Test site", instructions="Try things.")


class Door:
    """Where the tool `hold` waits until a test lets it go on.

    Attributes:
        arrivals: One item for each call that waits.
    """

    def __init__(self) -> None:
        self._is_open = anyio.Event()
        self._arrived, self.arrivals = anyio.create_memory_object_stream[None](100)

    async def wait(self) -> None:
        """Say that one more waits, and wait."""
        self._arrived.send_nowait(None)
        await self._is_open.wait()

    def open(self) -> None:
        """Let everybody go on, and close the stream of arrivals."""
        self._is_open.set()
        self._arrived.close()
        self.arrivals.close()


doors: dict[str, Door] = {}
"""Doors by name; a test puts its own there and takes it away again."""


@server.tool(title="Add", annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


@server.tool
def name_user(context: SyncContext) -> str:
    """Name the user who asks."""
    return context.user.get_username()


@server.tool
async def hold(door: str, context: Context) -> str:
    """Wait at a door."""
    await doors[door].wait()
    return str(context.request_id)


@server.tool
async def fail() -> None:
    """Raise what nobody expects."""
    raise LookupError("the secret reason")


@server.tool(permission="auth.view_user")
def count_users() -> int:
    """Count what only some may see."""
    return 0


def is_staff(context: SyncContext) -> bool:
    """Say whether the user works here."""
    return bool(getattr(context.user, "is_staff", False))


@server.resource("site://about", mime_type="text/plain")
def about() -> str:
    """Say what this is."""
    return "A test site."


@server.resource("site://pages/{slug}", permission=is_staff)
async def page(slug: str) -> str:
    """Read one page."""
    return slug


@server.prompt
def greet(name: str, tone: str = "warm") -> str:
    """Greet somebody."""
    return f"Greet {name} in a {tone} tone."


@server.completion(greet, "tone")
def complete_tone(value: str) -> list[str]:
    """Suggest tones."""
    return [tone for tone in ("cool", "warm") if tone.startswith(value)]
