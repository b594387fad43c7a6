"""Examples with lazy texts, in the `Field(...)` of a parameter.

pydantic leaves lazy titles and descriptions as they are, but writes `examples` and
`json_schema_extra` as JSON as soon as it sees a field. It calls what is a function only
when it writes the schema, and leaves alone what that adds.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

from mcp_django.server.texts import has_lazy_text


def with_lazy_examples(annotation: Any, default: Any) -> tuple[Any, Any]:
    """Give annotation and default of a field so that pydantic takes lazy examples."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        metadata = [part for given in metadata for part in _parts(given)]
        annotation = operator.getitem(Annotated, (inner, *metadata))
    if isinstance(default, FieldInfo):
        *constraints, default = _parts(default)
        if constraints:
            annotation = operator.getitem(Annotated, (annotation, *constraints))
    return annotation, default


def _parts(given: Any) -> list[Any]:
    """Split a field with lazy examples into its constraints and a field without them.

    Everything else is given back alone.
    """
    if not isinstance(given, FieldInfo) or not has_lazy_text(
        [given.examples, given.json_schema_extra]
    ):
        return [given]
    described = given.asdict()
    attributes: dict[str, Any] = dict(described["attributes"])
    shown = {
        "examples": attributes.pop("examples", None),
        **(attributes.pop("json_schema_extra", None) or {}),
    }
    shown = {key: value for key, value in shown.items() if value is not None}
    field = Field(**attributes, json_schema_extra=_adding(shown))
    return [*described["metadata"], field]


def _adding(shown: Mapping[str, Any]) -> Callable[[dict[str, Any]], None]:
    def add(schema: dict[str, Any]) -> None:
        schema.update(shown)

    return add
