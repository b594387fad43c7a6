"""A server whose texts are lazy wherever there is a text.

Its translations are in `tests.catalogs`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.http import Http404
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import gettext, gettext_lazy
from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from mcp_django import Context, ErrorAnswer, Server, SyncContext, ToolError

# Of no type, because here it stands in many places where types want a text.
_: Any = gettext_lazy

server = Server(
    "bakery",
    title=_("The bakery"),
    description=_("Bread and rolls."),
    instructions=_("Ask for bread first."),
    icons=[{"src": lazy(lambda: "https://bakery.example/loaf.png", str)()}],
)


class Flour(TextChoices):
    """Kinds of flour."""

    RYE = "rye", _("Rye")
    WHEAT = "wheat", _("Wheat")


class Order(BaseModel):
    """What to bake; a form."""

    flour: str = Field(title=_("Kind of flour"), description=_("Which flour?"))


@dataclass
class Loaf:
    """A loaf."""

    flour: str
    tags: list[str]


class Label(BaseModel):
    """A label, which may be changed."""

    text: str


class Pair(NamedTuple):
    """A choice."""

    value: str
    label: str


@server.tool(
    title=_("Bake"),
    description=_("Bake a loaf."),
    annotations={"title": _("Bake"), "readOnlyHint": False},
    meta={"help": [_("Bake a loaf.")]},
)
def bake(
    flour: Annotated[
        str,
        Field(
            title=_("Kind of flour"),
            description=_("Which flour?"),
            examples=[_("Rye")],
        ),
    ] = "rye",
) -> dict[str, str]:
    """Bake a loaf."""
    return {"said": gettext("Bake"), "flour": Flour(flour).label}


@server.tool(
    input_schema={
        "type": "object",
        "properties": {"flour": {"type": "string", "description": _("Which flour?")}},
    }
)
def weigh(flour: str = "") -> None:
    """Weigh flour; its schema is verbatim."""


@server.tool
def list_choices() -> list[tuple[str, str]]:
    """List choices, as Django has them."""
    return Flour.choices


@server.tool
def generate_labels() -> list[str]:
    """List labels, one by one."""
    labels: Any = (kind.label for kind in Flour)
    return labels  # type: ignore[no-any-return]


@server.tool
def view_labels() -> list[str]:
    """List labels, by a view of a mapping."""
    labels: Any = {kind: kind.label for kind in Flour}.values()
    return labels  # type: ignore[no-any-return]


@server.tool
def list_loaves() -> list[Loaf]:
    """List dataclasses with labels."""
    return [Loaf(_("Rye"), [_("Wheat")])]


@server.tool
def tag() -> dict[str, str | list[str]]:
    """Give a label where a list would do as well."""
    return {"flour": _("Rye")}


@server.tool
def change_label() -> Label:
    """Give a model that was changed after it was made."""
    label = Label(text="")
    label.text = _("Rye")
    return label


@server.tool
def pair() -> Pair:
    """Give a named tuple."""
    return Pair("rye", _("Rye"))


@server.tool
def count_by_label() -> dict[str, int]:
    """Give labels as keys."""
    return {_("Rye"): 1}


@server.tool(structured=False)
def say_anything() -> Any:
    """Give what is not described."""
    return {"label": _("Rye"), "loaf": Loaf(_("Wheat"), [])}


@server.tool(output_schema={"type": "object", "title": _("Bake")})
def say_verbatim() -> Any:
    """Give what a verbatim schema describes."""
    return {_("Rye"): [_("Wheat")]}


@server.tool
def write_result() -> CallToolResult:
    """Give the result itself."""
    return CallToolResult(
        content=[TextContent(text="x")],
        structured_content={"label": _("Rye")},
        _meta={"label": _("Wheat")},
    )


@server.tool
def locate() -> dict[str, str]:
    """Give a URL that is found only when it is read."""
    url: Any = reverse_lazy("admin:index")
    return {"url": url}


@server.tool
def knead(context: SyncContext) -> str:
    """Report, log and ask."""
    context.report_progress(1, 2, _("Kneading"))
    context.log("error", {"doing": _("Kneading"), "flour": [_("Rye")]})
    answer = context.elicit(_("Which flour?"), Order)
    return f"{gettext('Bake')}: {answer.data.flour}"


@server.tool
async def visit(context: Context) -> None:
    """Send the user to a page."""
    await context.elicit_url(_("Which flour?"), reverse_lazy("admin:index"))


@server.tool
async def ask_model(context: Context) -> None:
    """Ask the client's model."""
    await context.sample(_("Which flour?"), 10, system_prompt=_("Kneading"))


@server.tool
def fail(kind: str) -> None:
    """Fail in some way."""
    if kind == "tool":
        raise ToolError(_("The oven is cold."))
    raise ErrorAnswer(1, _("The oven is cold."), {"try": [_("Wheat")]})


@server.prompt(title=_("Bake"), description=_("Bake a loaf."))
def order(
    flour: Annotated[
        str, Field(title=_("Kind of flour"), description=_("Which flour?"))
    ] = "",
) -> Any:
    """Order."""
    return [_("Bake a loaf."), TextContent(text=gettext("Bake"))]


@server.completion(order, "flour")
def complete_flour(value: str) -> Any:
    """Complete labels."""
    return [label for label in Flour.labels if value in label]


@server.resource("bakery://sign", title=_("The bakery"), description=_("Bake a loaf."))
def sign() -> Any:
    """Read the sign."""
    return _("Bread and rolls.")


@server.resource("bakery://flours/{flour}", title=_("Kind of flour"))
def flour(flour: str) -> Any:
    """Read of a flour."""
    return {"label": Flour(flour).label}


foreign = Server("foreign")
"""A server that speaks German to everybody, whatever it is asked for."""

OVEN_IS_COLD = ErrorAnswer(2, _("The oven is cold."))


@foreign.around
@asynccontextmanager
async def speak_german(context: Context) -> AsyncIterator[None]:
    """Choose the language, but for who knows better."""
    with translation.override(context.headers.get("x-language", "de")):
        yield


@foreign.tool
def name_flour() -> dict[str, str]:
    """Name a flour, by the label itself."""
    return {"flour": _("Rye")}


@foreign.tool
def refuse(kind: str) -> None:
    """Raise what is put into words later."""
    match kind:
        case "tool":
            raise ToolError(_("The oven is cold."))
        case "missing":
            raise Http404(_("The oven is cold."))
        case "invalid":
            raise ValidationError({"oven": [_("The oven is cold.")]})
        case _:
            raise ExceptionGroup("several", [ToolError(_("The oven is cold."))])


@foreign.tool
def raise_shared() -> None:
    """Raise an error that was made once for all."""
    raise OVEN_IS_COLD
