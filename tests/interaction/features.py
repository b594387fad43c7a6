"""What the server of the scenarios offers."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import anyio
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404
from mcp_types import (
    AudioContent,
    CreateMessageResult,
    ResourceLink,
    Root,
    TextContent,
)
from pydantic import BaseModel

from mcp_django import (
    Answer,
    Context,
    ErrorAnswer,
    Image,
    ResourceNotFound,
    Server,
    SyncContext,
    ToolError,
)

server = Server(
    "interaction",
    version="1.2.3",
    title="Interaction",
    description="For the scenarios.",
    instructions="Play along.",
)

many = Server("many", page_size=2)
"""A server whose lists have several pages."""

for number in range(5):
    many.tool(name=f"tool-{number}")(lambda: "many")
    many.prompt(name=f"prompt-{number}")(lambda: "many")
    many.resource(f"test://resource-{number}", name=f"{number}")(lambda: "many")
    many.resource(f"test://{number}/{{id}}", name=f"{number}")(lambda id: "many")


short = Server("short")
"""A server whose answers are bounded."""


@short.tool(max_result_bytes=2000)
def few_letters(number: int) -> str:
    """Return so many letters, unless they are too many."""
    return "x" * number


@short.resource("test://few-letters/{number}", max_result_bytes=2000)
def read_few_letters(number: int) -> str:
    """Hold so many letters, unless they are too many."""
    return "x" * number


@short.prompt(max_result_bytes=2000)
def write_few_letters(number: str) -> str:
    """Ask for so many letters, unless they are too many."""
    return "x" * int(number)


class Sure(BaseModel):
    """What `ask_first` asks."""

    sure: bool


slow = Server("slow")
"""A server whose handlers may take no time at all, or nearly so."""


@slow.tool(timeout=0.01)
async def sleep() -> str:
    """Never return."""
    await anyio.sleep_forever()
    return "awake"


@slow.tool(timeout=0.25)  # in which a busy machine has a thread for it
def wait_in_thread(context: SyncContext) -> str:
    """Return when the answer is not waited for any more."""
    while not context.is_cancelled:
        waited.wait(0.001)
    context.report_progress(1.0)
    context.log("error", "too late to be sent")
    waited.set()
    return "waited"


@slow.tool(timeout=0.2)  # which is long for what it does itself
async def ask_first(context: Context) -> str:
    """Ask, and be quick about the rest."""
    await context.elicit("Go on?", Sure)
    return "asked"


@slow.resource("slow://{name}", timeout=0.01)
async def sleep_there(name: str) -> str:
    """Never return."""
    await anyio.sleep_forever()
    return name


@slow.prompt(timeout=0.01)
async def sleep_first() -> str:
    """Never return."""
    await anyio.sleep_forever()
    return ""


waited: Final = threading.Event()
"""That `wait_in_thread` is over."""


written = Server("written")
"""A server whose URIs may be written in several ways."""

for uri in ("HTTPS://Example.COM", "test://ü/%c3", "http://h:80?q=a/../b", "test://n"):
    written.resource(uri)(lambda: "a text")


@written.resource("test://days/{day}/{is_open}/{name}")
def day(day: date, is_open: bool, name: str) -> str:
    """A day, by its values."""
    return f"{day:%d.%m.%Y} {is_open} {name}"


@dataclass(frozen=True)
class Visit:
    """A call of the tool `wait`: its test learns of its beginning and its end."""

    has_begun: anyio.Event = field(default_factory=anyio.Event)
    has_ended: anyio.Event = field(default_factory=anyio.Event)


visits: dict[str, Visit] = {}
"""Visits by name; a test puts its own there."""


runs: Counter[str] = Counter()
"""How often the handlers ran that ask several questions."""


class Weather(BaseModel):
    """What the sky does."""

    city: str
    celsius: float


class Name(BaseModel):
    """A form."""

    first: str
    last: str = "Doe"


# Tools ------------------------------------------------------------------------------


@server.tool
def weather(city: str, day: int = 0) -> Weather:
    """Tell the weather."""
    return Weather(city=city, celsius=20 + day)


@server.tool
async def double(number: int) -> int:
    """Double a number."""
    return number * 2


@server.tool
def divide(dividend: int, divisor: int) -> float:
    """Divide two numbers."""
    if not divisor:
        raise ToolError("Nothing can be divided by zero; choose another divisor.")
    return dividend / divisor


@server.tool
def draw(data: bytes) -> list[str | Image]:
    """Show a picture of these bytes."""
    return ["a picture", Image(data, mime_type="image/x-dot")]


@server.tool
def crash() -> str:
    """Fail without a word."""
    raise RuntimeError("the secret of the site")


@server.tool
def lend(title: str) -> str:
    """Look for a book that is not there."""
    raise Http404(f"There is no book called {title}.")


@server.tool
async def refuse() -> str:
    """Answer with a JSON-RPC error."""
    raise ErrorAnswer(4001, "not today", {"retry": "tomorrow"})


@server.tool
def describe_request(context: SyncContext) -> dict[str, str]:
    """Tell what is known about the request."""
    return {
        "user": context.user.get_username(),
        "client": context.client_info.name,
        "version": context.protocol_version,
    }


@server.tool
def shapes() -> list[TextContent | AudioContent | ResourceLink]:
    """Return content that older versions do not have."""
    return [
        TextContent(text="words"),
        AudioContent(data=b64encode(b"beep").decode(), mime_type="audio/wav"),
        ResourceLink(name="note", uri="test://note", title="A note"),
    ]


@server.tool
async def letters(number: int) -> str:
    """Return so many letters."""
    return "x" * number


@server.tool
async def climb(context: Context) -> str:
    """Report progress."""
    for step in (1, 2, 3):
        await context.report_progress(step, 3, f"step {step}")
    return "on top"


@server.tool
def climb_in_thread(context: SyncContext) -> str:
    """Report progress from a thread."""
    for step in (1, 2, 3):
        context.report_progress(step, 3, f"step {step}")
    return "on top"


@server.tool
async def chatter(context: Context) -> str:
    """Log at three levels."""
    await context.log("debug", "a detail")
    await context.log("info", {"news": 1}, logger="interaction")
    await context.log("error", "a fault")
    return "said"


@server.tool
async def wait(visit: str) -> None:
    """Wait until cancelled."""
    visits[visit].has_begun.set()
    try:
        await anyio.sleep_forever()
    finally:
        visits[visit].has_ended.set()


@server.tool(permission="auth.change_user")
def promote() -> str:
    """Do what not everybody may."""
    return "promoted"


# Tools that ask ---------------------------------------------------------------------


def describe_answer(answer: Answer) -> str:
    if not answer.accepted:
        return answer.action
    return f"{answer.data.first} {answer.data.last}"


@server.tool
async def ask_name(context: Context) -> str:
    """Ask the user for a name."""
    return describe_answer(await context.elicit("Who are you?", Name))


@server.tool
def ask_name_in_thread(context: SyncContext) -> str:
    """Ask the user for a name, from a thread."""
    return describe_answer(context.elicit("Who are you?", Name))


@server.tool
async def ask_to_visit(context: Context) -> str:
    """Ask the user to visit a page."""
    answer = await context.elicit_url(
        "Please pay.", "https://shop.example/pay", elicitation_id="payment-1"
    )
    return answer.action


@server.tool
async def ask_model(context: Context) -> str:
    """Ask the client's model."""
    return said_by(await context.sample("Say hello.", 50, system_prompt="Be short."))


@server.tool
async def ask_roots(context: Context) -> list[str]:
    """Ask for the client's folders."""
    return [str(root.uri) for root in await context.list_roots()]


@server.tool
async def ask_in_group(context: Context) -> str:
    """Ask several things at once, in a task group whose tasks run in any order."""
    runs["group"] += 1
    found: dict[str, str] = {}

    async def name() -> None:
        answer = await context.elicit("Who are you?", Name, key="name")
        found["name"] = describe_answer(answer)

    async def model() -> None:
        found["model"] = said_by(await context.sample("Say hello.", 50, key="model"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(name)
        tasks.start_soon(model)
    return f"{found['name']}: {found['model']}"


@server.tool
async def ask_with_gather(context: Context) -> str:
    """Ask several things at once, by asyncio's gather."""
    runs["gather"] += 1
    name, model, roots = await asyncio.gather(
        context.elicit("Who are you?", Name),
        context.sample("Say hello.", 50),
        context.list_roots(),
    )
    return f"{describe_answer(name)}: {said_by(model)}, {count(roots)} roots"


@server.tool
async def ask_twice(context: Context) -> str:
    """Ask again with what the first answer said."""
    first = await context.elicit("Who are you?", Name)
    second = await context.elicit(f"And who is {first.data.first}'s friend?", Name)
    return f"{describe_answer(first)} and {describe_answer(second)}"


def said_by(result: CreateMessageResult | object) -> str:
    assert isinstance(result, CreateMessageResult)
    assert isinstance(result.content, TextContent)
    return result.content.text


def count(roots: list[Root]) -> int:
    return len(roots)


# Resources --------------------------------------------------------------------------


@server.resource("test://note", title="A note")
def note() -> str:
    """A text."""
    return "remember the milk"


@server.resource("test://dot", mime_type="image/x-dot")
async def dot() -> bytes:
    """Some bytes."""
    return b"\x00\x01"


@server.resource("test://books/{shelf}/{number}")
def book(shelf: str, number: int) -> dict[str, str | int]:
    """A book by its place."""
    if number > 90:
        raise ObjectDoesNotExist("Book matching query does not exist.")
    if number > 9:
        raise ResourceNotFound
    return {"shelf": shelf, "number": number}


@server.resource("test://accounts", permission="auth.view_user")
def accounts() -> str:
    """What not everybody may read."""
    return "ann, bob"


# Prompts ----------------------------------------------------------------------------


@server.prompt(title="Greet")
def greet(name: str, style: str = "kind") -> str:
    """Greet somebody.

    Args:
        name: Whom.
        style: How.
    """
    if style == "rude":
        raise PermissionDenied("We greet nobody so.")
    return f"Write a {style} greeting to {name}."


@server.prompt(permission="auth.change_user")
def dismiss(name: str) -> str:
    """Part with somebody."""
    return f"Write to {name} that we part."


@server.completion(greet, "style")
def complete_style(value: str) -> list[str]:
    """Suggest styles."""
    return [style for style in ("kind", "curt") if style.startswith(value)]


@server.completion("test://books/{shelf}/{number}", "number")
async def complete_number(value: str, arguments: dict[str, str]) -> list[str]:
    """Suggest books of a shelf."""
    return [f"{value}{digit}" for digit in range(3)] if "shelf" in arguments else []
