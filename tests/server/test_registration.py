"""What cannot be registered says so, and which feature it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator
from mcp_types import TextContent
from pydantic import BaseModel, GetCoreSchemaHandler
from typing_extensions import TypeAliasType

from mcp_django.server.arguments.signatures import read_signature
from mcp_django.server.results.tool_results import ToolOutput
from mcp_django.server.server import Server


def alias(name: str, value: str) -> Any:
    """Define an alias as the Python that runs this does it, with `type` if it has it.

    What `type` defines is read when it is looked at, and may be found within itself.
    """
    if sys.version_info < (3, 12):
        found = TypeAliasType(name, value)  # type: ignore[misc]
        globals()[name] = found
        return found
    scope: dict[str, Any] = globals()
    exec(f"type {name} = {value}", scope)
    return scope[name]


Document: Any = alias("Document", "dict[str, Document] | list[Document] | int | None")
Itself = alias("Itself", "Itself | None")
There = alias("There", "list[Back] | None")
Back: Any = alias("Back", "dict[str, There]")
Content: Any = alias("Content", "list[TextContent] | list[Content]")
Lost: Any = alias("Lost", "Nothing | None")
# Without an alias of its own, Python cannot say what it is.
Endless: Any = eval("dict[str, 'Endless'] | list['Endless'] | None")


class Odd:
    """Of a library that fails to describe itself."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> Any:
        raise LookupError("no plugin. Install one")


class Holder(BaseModel):
    """Refers to what there is not."""

    lost: Nowhere  # type: ignore[name-defined]  # noqa: F821


def taking(annotation: Any) -> Callable[..., Any]:
    """Make a function with one parameter of a type."""

    def function(value: Any) -> None: ...

    function.__annotations__ = {"value": annotation}
    return function


def giving(annotation: Any) -> Callable[..., Any]:
    """Make a function with a result of a type."""

    def function() -> Any: ...

    function.__annotations__ = {"return": annotation}
    return function


DOCUMENT = {"a": [{"b": None}, 3, [[]]], "c": {}}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Document, DOCUMENT),
        (list[Document], [DOCUMENT]),
        (Annotated[Document | None, "note"], DOCUMENT),
        (There, [{"a": [{"b": None}]}]),
        (dict[str, Back], {"a": {"b": [{"c": None}]}}),
    ],
)
def test_alias_that_is_defined_by_itself_is_a_parameter_and_a_result(
    annotation: Any, value: Any
) -> None:
    """We chose it: any JSON is a common type."""
    signature = read_signature(taking(annotation), name="tool")
    output = ToolOutput.of(annotation)

    assert signature.arguments({"value": value}) == {"value": value}
    Draft202012Validator(signature.input_schema).validate({"value": value})
    assert output.result(value)["structuredContent"] == value
    assert isinstance(output.schema, dict)
    Draft202012Validator(output.schema).validate(value)


def test_content_is_found_behind_an_alias_that_is_defined_by_itself() -> None:
    """We chose it: blocks are sent as they are."""
    schema = ToolOutput.of(list[Content]).schema
    assert (schema is None) == (sys.version_info >= (3, 12)), "text is not looked into"
    assert ToolOutput.of(list[list[TextContent]]).schema is None


def register_tool(server: Server, function: Any) -> None:
    server.tool(name="ship-it")(function)


def register_prompt(server: Server, function: Any) -> None:
    server.prompt(name="ship-it")(function)


def register_resource(server: Server, function: Any) -> None:
    server.resource("shop://{value}", name="ship-it")(function)


@pytest.mark.parametrize(
    "register", [register_tool, register_prompt, register_resource]
)
@pytest.mark.parametrize("annotation", [Lost, Endless, Odd, Holder, "Nowhere", "1 +"])
def test_parameter_of_an_unsuitable_type_is_refused_by_the_feature_s_name(
    register: Callable[[Server, Any], Any], annotation: Any
) -> None:
    """We chose it: a site may have hundreds of features."""
    with pytest.raises(ValueError, match="'ship-it'"):
        register(Server("shop"), taking(annotation))


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (giving(Lost), {}),
        (giving(Endless), {}),
        (giving(Odd), {}),
        (giving(Holder), {}),
        (giving(list[Odd]), {}),
        (giving("Nowhere"), {}),
        (giving(None), {"structured": True}),
        (giving(int), {"output_schema": {"type": 3}}),
        (giving(int), {"output_schema": {"type": "object"}, "structured": False}),
        (taking(int), {"input_schema": {"type": "array"}}),
    ],
)
def test_tool_that_cannot_be_registered_is_refused_by_its_name(
    function: Callable[..., Any], options: dict[str, Any]
) -> None:
    """We chose it: a site may have hundreds of features."""
    with pytest.raises(ValueError, match="'ship-it'"):
        Server("shop").tool(name="ship-it", **options)(function)


def test_name_that_cannot_be_found_is_in_the_text() -> None:
    """We chose it: it may be misspelt, or imported for type checkers only."""
    with pytest.raises(ValueError, match="it names 'Nothing', which cannot be found"):
        read_signature(taking(list[Lost]), name="tool")


def test_reason_of_an_unsuitable_type_is_in_the_text() -> None:
    """We chose it: what an alias needs, and what a library's own type says."""
    texts = []
    for annotation in (Endless, Odd):
        with pytest.raises(ValueError) as caught:
            Server("shop").tool(name="ship-it")(giving(annotation))
        texts.append(str(caught.value))

    assert texts[0].startswith("tool 'ship-it': a result of type ")
    assert (
        "which cannot be found, or is itself; an alias that is defined by itself "
        "must be a `TypeAliasType`, as `type` makes it in Python 3.12"
    ) in texts[0]
    assert texts[1] == (
        "tool 'ship-it': a result of type Odd cannot be described: no plugin; return "
        "plain values instead, such as `list(queryset.values(...))`, or a dataclass, "
        "or pass structured=False"
    )
