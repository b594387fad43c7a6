"""Reads what peers send as models of the protocol, in bounded work."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaValidator

from mcp_django.protocol.jsonrpc import JSON

Form = TypeVar("Form", bound=BaseModel)

MAX_ITEMS: Final = 10_000
"""Items of one list, and members of one mapping, that a model is made of."""

_SERIES: Final = ("list", "tuple", "set", "frozenset", "dict")


def read_as(form: type[Form], value: JSON) -> Form:
    """Read a JSON value as a model, as its `model_validate` does.

    That collects all that is wrong: two million wrong items took ten seconds and more
    than a gigabyte. This stops at the first in each list and mapping, and at more than
    `MAX_ITEMS`.

    Raises:
        ValidationError: It is none.
    """
    read: Form = _validator_of(form).validate_python(value)
    return read


@cache
def _validator_of(form: type[BaseModel]) -> SchemaValidator:
    schema = _bounded(TypeAdapter(form).core_schema)
    # Not those that the models in it have already; the name is pydantic's own.
    return SchemaValidator(schema, _use_prebuilt=False)


def _bounded(schema: Any) -> Any:
    """Copy a core schema with bounds for what it has many of."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_bounded, schema))
    if not isinstance(schema, dict):
        return schema
    copied = {key: _bounded(item) for key, item in schema.items()}
    if schema.get("type") in _SERIES:
        copied |= {"fail_fast": True, "max_length": MAX_ITEMS}
    return copied
