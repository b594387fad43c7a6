"""A handler function, read once: what it takes, as JSON Schema and as Python values.

`read_signature` is called when a feature is registered, `Signature.arguments` for
every request.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_django.server.arguments.accepted import EMPTY, Accepted, accepted_by
from mcp_django.server.arguments.docstrings import Docstring
from mcp_django.server.arguments.model_arguments import ModelArguments, modelled
from mcp_django.server.arguments.verbatim_arguments import VerbatimArguments
from mcp_django.server.functions import docstring_of
from mcp_django.server.schemas.references import without_references
from mcp_django.server.schemas.verbatim_schemas import VerbatimSchema


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that a client may give, under its name on the wire."""

    name: str
    required: bool
    description: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What a handler takes and returns.

    Attributes:
        function: The handler itself.
        is_async: Whether calling it gives an awaitable.
        context_parameter: Name of the parameter that takes the context, if any; it is
            neither in `input_schema` nor in `arguments`.
        input_schema: JSON Schema of type object for lists of features.
        parameters: The properties of `input_schema`, in the order of the function.
        description: Docstring without what it says about arguments and results.
        returns: Resolved annotation of the result, else `inspect.Signature.empty`.
        is_verbatim: Whether the developer wrote `input_schema`.
        arguments: Turns the arguments of a request, JSON values by name on the wire,
            into keyword arguments for `function`: validated Python values by parameter,
            with the defaults of those not given; with a verbatim schema the JSON
            values, and no defaults. Given None there are none. What it is given it
            leaves untouched, and nothing in the result belongs to that. Raises
            `InvalidArguments`.
    """

    function: Callable[..., Any]
    is_async: bool
    context_parameter: str | None
    input_schema: dict[str, Any]
    parameters: tuple[Parameter, ...]
    description: str | None
    returns: Any
    is_verbatim: bool
    arguments: Callable[[Mapping[str, Any] | None], dict[str, Any]] = field(repr=False)


def read_signature(
    function: Callable[..., Any],
    *,
    name: str,
    input_schema: Mapping[str, Any] | None = None,
) -> Signature:
    """Read what a handler takes and returns.

    Args:
        function: Function, bound method, `functools.partial` or callable object.
        name: What the feature is called, for messages.
        input_schema: JSON Schema of type object to use verbatim, instead of one
            made from the annotations. It must not refer to other documents.

    Raises:
        ValueError: The function cannot be a handler, or not with this schema.
    """
    if not callable(function) or inspect.isclass(function):
        raise ValueError(f"the handler of {name!r} is {function!r}, not a function")
    accepted = accepted_by(function, name)
    docstring = Docstring.parse(docstring_of(function))
    convert: ModelArguments | VerbatimArguments
    if input_schema is None:
        model, written = modelled(accepted, name)
        # While what types say of themselves is still elsewhere.
        docstring.describe(written["properties"], accepted.named)
        schema = without_references(written)
        convert = ModelArguments(model, schema, accepted, name)
    else:
        verbatim = VerbatimSchema.of(input_schema, f"input_schema of {name!r}")
        schema = verbatim.schema
        _check_names(accepted, schema, name)
        convert = VerbatimArguments(verbatim, accepted, name)
    return Signature(
        function=function,
        is_async=accepted.is_async,
        context_parameter=accepted.context,
        input_schema=schema,
        parameters=tuple(_parameters_of(schema)),
        description=docstring.description,
        returns=accepted.returns,
        is_verbatim=input_schema is not None,
        arguments=convert.read,
    )


def _check_names(accepted: Accepted, schema: Mapping[str, Any], name: str) -> None:
    """Refuse a schema that promises arguments the function does not take."""
    for promised in {
        **schema.get("properties", {}),
        **dict.fromkeys(_required(schema)),
    }:
        if promised in accepted.named:
            continue
        if accepted.rest is EMPTY or promised in accepted.taken:
            raise ValueError(
                f"input_schema of {name!r} has {promised!r}, which the function does "
                f"not take; add a parameter of that name, or **arguments"
            )


def _required(schema: Mapping[str, Any]) -> list[str]:
    required: list[str] = schema.get("required", [])
    return required


def _parameters_of(schema: Mapping[str, Any]) -> Iterator[Parameter]:
    required = _required(schema)
    for name, described in schema.get("properties", {}).items():
        # `true` and `false` are schemas as well.
        texts = described if isinstance(described, dict) else {}
        yield Parameter(
            name, name in required, texts.get("description"), texts.get("title")
        )
