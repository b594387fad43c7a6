"""A server all of whose code raises what it is told to, wherever that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
import anyio.to_thread
from django.http import Http404
from django.utils.functional import lazy
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    computed_field,
    field_validator,
)

from mcp_django import Context, ErrorAnswer, Server, SyncContext, ToolError
from tests.server.stray_errors import STRAYS


@dataclass
class Now:
    """What is raised now.

    Attributes:
        place: Where.
        kind: Key of `STRAYS`.
    """

    place: str = ""
    kind: str = ""


now = Now()


def stray(place: str) -> None:
    """Raise what is to be raised, if this is where."""
    if place == now.place:
        raise STRAYS[now.kind]()


def is_text(place: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        stray(place)
        return text

    return check


def say(place: str) -> str:
    stray(place)
    return place


lazy_say = lazy(say, str)

server = Server("straying", title=lazy_say("title"))


# Tools ------------------------------------------------------------------------------


@server.tool
def tool() -> str:
    """Raise in a thread."""
    stray("tool")
    return "fine"


@server.tool
async def tool_async() -> str:
    """Raise in the event loop."""
    stray("tool_async")
    return "fine"


@server.tool
async def tool_in_thread() -> str:
    """Raise in a thread that the event loop waits for."""
    if now.place == "tool_in_thread":
        await anyio.to_thread.run_sync(stray, "tool_in_thread")
    return "fine"


@server.tool
def tool_in_finally() -> str:
    """Raise while something else is raised."""
    try:
        stray("tool_in_finally")
    finally:
        stray("tool_in_finally")
    return "fine"


@server.tool
async def tool_in_finally_async() -> str:
    """Raise while something else is raised."""
    try:
        stray("tool_in_finally_async")
    finally:
        stray("tool_in_finally_async")
    return "fine"


@server.tool
async def tool_after_progress(context: Context) -> str:
    """Raise once the answer has begun."""
    await context.report_progress(1, 2, "half")
    stray("tool_after_progress")
    return "fine"


@server.tool
def tool_after_progress_in_thread(context: SyncContext) -> str:
    """Raise once the answer has begun."""
    context.report_progress(1, 2, "half")
    stray("tool_after_progress_in_thread")
    return "fine"


@server.tool
async def tool_with_lazy_progress(context: Context) -> str:
    """Report what cannot be said."""
    await context.report_progress(1, 2, lazy_say("tool_with_lazy_progress"))
    return "fine"


@server.tool
def tool_error_text() -> str:
    """Say a text that cannot be made."""
    raise ToolError(lazy_say("tool_error_text"))


@server.tool
async def answer_text() -> str:
    """Say a text that cannot be made."""
    raise ErrorAnswer(4001, lazy_say("answer_text"))


@server.tool
async def answer_data() -> str:
    """Say what cannot be written."""
    raise ErrorAnswer(4001, "fine", {"said": lazy_say("answer_data")})


@server.tool
def django_text() -> str:
    """Say a text that cannot be made."""
    raise Http404(lazy_say("django_text"))


class Unspeakable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        return say("failure_text")

    __repr__ = __str__


@server.tool
async def failure_text() -> str:
    """Fail with what cannot be shown."""
    raise Unspeakable


@dataclass(frozen=True)
class Visit:
    """A call of the tool `wait`: its test learns of its beginning and its end."""

    has_begun: anyio.Event = field(default_factory=anyio.Event)
    has_ended: anyio.Event = field(default_factory=anyio.Event)


visits: list[Visit] = []


@server.tool
async def wait() -> str:
    """Wait until cancelled, and raise then."""
    visit = visits[-1]
    visit.has_begun.set()
    try:
        await anyio.sleep_forever()
    finally:
        visit.has_ended.set()
        stray("wait")
    return "fine"


# Arguments --------------------------------------------------------------------------


@server.tool
def validator_before(
    text: Annotated[str, BeforeValidator(is_text("validator_before"))],
) -> str:
    """Raise before the type is looked at."""
    return text


@server.tool
async def validator_after(
    text: Annotated[str, AfterValidator(is_text("validator_after"))],
) -> str:
    """Raise after the type was looked at."""
    return text


class Order(BaseModel):
    """A model whose code raises."""

    text: str
    number: int = Field(default_factory=lambda: len(say("default_factory")))

    @field_validator("text")
    @classmethod
    def check(cls, text: str) -> str:
        """Raise while it is made."""
        stray("validator_of_model")
        return text


@server.tool
def default_factory(order: Order) -> str:
    """Raise for what is not given."""
    return order.text


@server.tool
async def validator_of_model(order: Order) -> str:
    """Raise while a model is made."""
    return order.text


# Results ----------------------------------------------------------------------------


class Written(BaseModel):
    """A model whose serializers raise."""

    text: Annotated[str, PlainSerializer(is_text("serializer"))] = "fine"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def more(self) -> str:
        """Computed."""
        return say("computed_field")


@server.tool
def serializer() -> Written:
    """Raise while the result is written."""
    return Written()


@server.tool
async def computed_field_of_result() -> Written:
    """Raise while the result is written."""
    return Written()


@server.tool
async def serializer_in_list() -> Any:
    """Raise while a result is written that no annotation describes."""
    return [Written()]


@server.tool
def validator_of_result() -> Annotated[
    str, AfterValidator(is_text("validator_of_result"))
]:
    """Raise while the result is checked."""
    return "fine"


@server.tool(output_schema={"type": "object"})
async def lazy_in_verbatim() -> Any:
    """Raise while the result is written that a schema describes."""
    return {"text": lazy_say("lazy_in_verbatim")}


@server.tool
async def lazy_result() -> dict[str, str]:
    """Return a text that cannot be made."""
    return {"text": lazy_say("lazy_result")}


@server.tool
def lazy_text() -> str:
    """Return a text that cannot be made."""
    return lazy_say("lazy_text")


def items(place: str) -> Iterator[str]:
    yield "one"
    stray(place)


@server.tool
def generator() -> Any:
    """Raise while the result is read."""
    return items("generator")


@server.tool
async def generator_in_loop() -> Any:
    """Raise while the result of the event loop is read."""
    return items("generator_in_loop")


@server.tool
async def generator_async() -> Any:
    """Raise while the result is read in the event loop."""

    async def found() -> AsyncIterator[str]:
        yield "one"
        stray("generator_async")

    return found()


class Items:
    """Raises when it is asked for the next."""

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> str:
        stray("iterator")
        raise StopIteration


@server.tool
async def iterator() -> Any:
    """Raise while the result is read."""
    return Items()


class Odd:
    """Raises when it is asked what it is."""

    @property
    def __class__(self) -> Any:
        stray("kind_of_result")
        return str

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise AttributeError


@server.tool
async def kind_of_result() -> Any:
    """Raise when it is asked of what type the result is."""
    return Odd()


# Around -----------------------------------------------------------------------------


@server.around
async def raise_around(context: Context) -> AsyncIterator[None]:
    """Raise before and after the handler."""
    stray("around_before")
    try:
        yield
    finally:
        stray("around_after")


@server.around
@asynccontextmanager
async def raise_inside(context: Context) -> AsyncIterator[None]:
    """Raise instead of a failure."""
    try:
        yield
    except Exception as error:
        stray("around_instead")
        raise error


@server.around
class Exiting:
    """Raises in its methods."""

    def __init__(self, context: Context) -> None:
        stray("around_made")

    async def __aenter__(self) -> None:
        stray("aenter")

    async def __aexit__(self, *arguments: object) -> None:
        stray("aexit")


@server.tool
async def around() -> str:
    """Do nothing."""
    return "fine"


@server.tool
def around_failure() -> str:
    """Fail."""
    raise ValueError("no")


# Asking -----------------------------------------------------------------------------


class Form(BaseModel):
    """A form whose validator raises."""

    name: str

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        """Raise for what the user wrote."""
        stray("form")
        return name


@server.tool
async def form(context: Context) -> str:
    """Ask for a form."""
    answer = await context.elicit("Who?", Form)
    return str(answer.data.name)


@server.tool
def form_in_thread(context: SyncContext) -> str:
    """Ask for a form from a thread."""
    return str(context.elicit("Who?", Form).data.name)


# Permissions ------------------------------------------------------------------------


def may(context: SyncContext) -> bool:
    """Decide in a thread."""
    stray("permission")
    return True


async def may_async(context: Context) -> bool:
    """Decide in the event loop."""
    stray("permission_async")
    return True


def may_row(context: SyncContext, id: str) -> bool:
    """Decide about one row in a thread."""
    stray("permission_row")
    return True


async def may_row_async(context: Context, id: str) -> bool:
    """Decide about one row in the event loop."""
    stray("permission_row_async")
    return True


class Deciding:
    """What a permission returned, which raises when it is asked whether it is true."""

    def __bool__(self) -> bool:
        stray("permission_truth")
        return True


async def may_be_true(context: Context) -> Any:
    """Return what decides later."""
    return Deciding()


_DECIDING: Mapping[str, Callable[..., Any]] = {
    "permission": may,
    "permission_async": may_async,
    "permission_truth": may_be_true,
}
for name, function in _DECIDING.items():
    server.tool(name=name, permission=function)(lambda: "fine")
    server.resource(f"test://{name}", name=name, permission=function)(lambda: "fine")
    server.prompt(name=name, permission=function)(lambda: "fine")
_DECIDING_ROWS: Mapping[str, Callable[..., Any]] = {
    "permission_row": may_row,
    "permission_row_async": may_row_async,
}
for name, function in _DECIDING_ROWS.items():
    server.tool(name=name, permission=function)(lambda id: f"fine {id}")
    server.resource(f"test://{name}/{{id}}", name=name, permission=function)(
        lambda id: f"fine {id}"
    )


# Resources and prompts --------------------------------------------------------------


@server.resource("test://resource")
def resource() -> str:
    """Raise in a thread."""
    stray("resource")
    return "fine"


@server.resource("test://resource_async")
async def resource_async() -> str:
    """Raise in the event loop."""
    stray("resource_async")
    return "fine"


@server.resource("test://template/{id}")
def template(id: str) -> str:
    """Raise in a thread."""
    stray("template")
    return "fine"


@server.resource("test://template_async/{id}")
async def template_async(id: str) -> Any:
    """Raise in the event loop."""
    stray("template_async")
    return {"id": id, "text": lazy_say("resource_text")}


@server.resource("test://checked/{id}")
def checked(
    id: Annotated[str, AfterValidator(is_text("validator_of_template"))],
) -> str:
    """Raise while the variable is read."""
    return id


@server.resource("test://title", title=lazy_say("title_of_resource"))
def titled() -> str:
    """Has a title that cannot be made."""
    return "fine"


@server.prompt
def prompt(
    name: Annotated[str, AfterValidator(is_text("validator_of_prompt"))],
) -> Any:
    """Raise in a thread."""
    stray("prompt")
    return [lazy_say("prompt_text")]


@server.prompt
async def prompt_async(name: str) -> str:
    """Raise in the event loop."""
    stray("prompt_async")
    return "fine"


@server.completion(prompt, "name")
def complete(value: str) -> Any:
    """Raise in a thread."""
    stray("completion")
    return items("completion_read")


@server.completion(prompt_async, "name")
async def complete_async(value: str, arguments: Mapping[str, str]) -> list[str]:
    """Raise in the event loop."""
    stray("completion_async")
    return ["fine"]


# What the site sets -----------------------------------------------------------------


def language(context: SyncContext) -> str:
    """Choose a language in a thread."""
    stray("language")
    return "en"


async def language_async(context: Context) -> str:
    """Choose a language in the event loop."""
    stray("language_async")
    return "en"


def hear(**named: Any) -> None:
    """Hear of requests."""
    stray("receiver")


async def hear_async(**named: Any) -> None:
    """Hear of requests in the event loop."""
    stray("receiver_async")


def hear_failure(**named: Any) -> None:
    """Hear of failures."""
    stray("receiver_of_failure")


async def hear_failure_async(**named: Any) -> None:
    """Hear of failures in the event loop."""
    stray("receiver_of_failure_async")


urlpatterns = server.urls("mcp")
