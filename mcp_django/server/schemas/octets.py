"""Bytes as base64 in JSON.

Spec: RFC 4648, section 4; JSON Schema 2020-12 validation, section 8.3.
"""

from __future__ import annotations

import dataclasses
import operator
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic_core import core_schema, to_jsonable_python

ENCODED = {"type": "string", "contentEncoding": "base64"}
"""JSON Schema of bytes."""

_BYTES = (bytes, bytearray, memoryview)
_CONFIGURED = ("val_json_bytes", "ser_json_bytes")
"""By these a model of pydantic's says itself how its bytes are read and written."""

_SIMPLE = ("builtins", "datetime", "decimal", "enum", "uuid")
"""Modules whose types have no models in them."""


def says_itself(schema: Mapping[str, Any]) -> bool:
    """Say whether the core schema is of a model that says how it handles bytes."""
    return any(key in schema.get("config", {}) for key in _CONFIGURED)


def encode(value: Any) -> str:
    """Write bytes as base64."""
    return b64encode(value).decode()


def writing_base64(schema: Any) -> Any:
    """Let bytes be written as base64, in the alphabet that every program knows.

    Pydantic's own base64 is that for URLs.

    Args:
        schema: A core schema; left as it is.

    Returns:
        The schema itself if there are no bytes in it, else a changed copy.
    """
    if isinstance(schema, list | tuple):
        items = [writing_base64(item) for item in schema]
        if all(new is old for new, old in zip(items, schema, strict=True)):
            return schema
        return type(schema)(items)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "model":
        return _writing_model(schema)
    if schema.get("type") == "bytes":
        if "serialization" in schema:
            return schema
        return {
            **schema,
            "serialization": core_schema.plain_serializer_function_ser_schema(
                encode, return_schema=core_schema.str_schema(), when_used="json"
            ),
        }
    copied = {key: writing_base64(item) for key, item in schema.items()}
    is_same = all(copied[key] is schema[key] for key in schema)
    return schema if is_same else copied


def _writing_model(schema: dict[str, Any]) -> dict[str, Any]:
    """Do so for a model of pydantic's, which brings a serializer of its own."""
    if says_itself(schema) or writing_base64(schema["schema"]) is schema["schema"]:
        return schema
    return {
        **schema,
        "serialization": core_schema.plain_serializer_function_ser_schema(
            write_model, when_used="json"
        ),
    }


def write_model(model: BaseModel) -> Any:
    """Write a model that has bytes, as JSON values."""
    return with_base64(model)


# Arguments ------------------------------------------------------------------------


def reading_base64(annotation: Any) -> Any:
    """Let pydantic's models within an annotation read their bytes from base64.

    What else has bytes takes that over from the model of the arguments.
    """
    if isinstance(annotation, type) and annotation.__module__ in _SIMPLE:
        return annotation
    try:
        schema = cast(dict[str, Any], TypeAdapter(annotation).core_schema)
        if not _is_undecided(schema):
            return annotation
    except Exception:
        return annotation  # pydantic says what is wrong with it
    definitions = {each["ref"]: each for each in schema.get("definitions", ())}
    before = BeforeValidator(partial(_decoded, schema=schema, known=definitions))
    return operator.getitem(Annotated, (annotation, before))


def _is_undecided(schema: Any, *, in_model: bool = False) -> bool:
    """Say whether there are bytes in a model that does not say how they are read."""
    if isinstance(schema, list | tuple):
        return any(_is_undecided(item, in_model=in_model) for item in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "bytes":
        return in_model
    if schema.get("type") == "model":
        if says_itself(schema):
            return False
        in_model = True
    return any(_is_undecided(item, in_model=in_model) for item in schema.values())


def _decoded(
    value: Any, schema: Any, known: Mapping[str, Any], *, in_model: bool = False
) -> Any:
    """Decode the base64 where a core schema wants bytes of a model.

    Raises:
        ValueError: It is no base64.
    """
    go_on = partial(_decoded, known=known, in_model=in_model)
    match schema:
        case {"type": "bytes"}:
            return decode(value) if in_model and isinstance(value, str) else value
        case {"type": "definition-ref", "schema_ref": ref}:
            return go_on(value, known[ref])
        case {"type": "model"}:
            if says_itself(schema):
                return value
            return _decoded(value, schema["schema"], known, in_model=True)
        case {"type": "model-fields" | "typed-dict" | "dataclass-args"}:
            return _decoded_fields(value, schema["fields"], go_on)
        case {"type": "dict", "values_schema": inner} if isinstance(value, dict):
            return {key: go_on(item, inner) for key, item in value.items()}
        case {"type": "tuple", "items_schema": [*inner]} if isinstance(value, list):
            last = inner[-1:] * (len(value) - len(inner))
            pairs = zip(value, [*inner, *last], strict=False)
            return [go_on(item, each) for item, each in pairs]
        case {"items_schema": inner} if isinstance(value, list):
            return [go_on(item, inner) for item in value]
        case {"schema": inner}:
            return go_on(value, inner)
    return value


def _decoded_fields(value: Any, fields: Any, go_on: Callable[..., Any]) -> Any:
    if not isinstance(value, dict):
        return value
    decoded = dict(value)
    named = fields.items() if isinstance(fields, dict) else ()
    listed = [] if isinstance(fields, dict) else [(f["name"], f) for f in fields]
    for name, field in (*named, *listed):
        for key in {name, field.get("validation_alias")}:
            if isinstance(key, str) and key in decoded:
                decoded[key] = go_on(decoded[key], field["schema"])
    return decoded


def decode(text: str) -> bytes:
    """Read base64, also that for URLs, and without its padding.

    Raises:
        ValueError: It is none.
    """
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except ValueError:
        raise ValueError("Data should be valid base64") from None


# Values ---------------------------------------------------------------------------


def with_base64(value: Any) -> Any:
    """Write the bytes in a value as base64, wherever they are; the rest stays."""
    if isinstance(value, _BYTES):
        return encode(value)
    if isinstance(value, BaseModel):
        return to_jsonable_python(with_base64(value.model_dump(by_alias=True)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: with_base64(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {key: with_base64(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [with_base64(item) for item in value]
    return value
