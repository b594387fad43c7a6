"""Bytes as base64 in JSON.

Spec: RFC 4648, section 4; JSON Schema 2020-12 validation, section 8.3.
"""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import core_schema

ENCODED = {"type": "string", "contentEncoding": "base64"}
"""JSON Schema of bytes."""

_BYTES = (bytes, bytearray, memoryview)
_DECIDE_THEMSELVES = "model"
"""Pydantic's own models say by their configuration how they write bytes."""


def encode(value: Any) -> str:
    """Write bytes as base64."""
    return b64encode(value).decode()


def writing_base64(schema: Any) -> Any:
    """Let bytes be written as base64, in the alphabet that everybody knows.

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
    if not isinstance(schema, dict) or schema.get("type") == _DECIDE_THEMSELVES:
        return schema
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


def with_base64(value: Any) -> Any:
    """Write the bytes in a value as base64, wherever they are; the rest stays."""
    if isinstance(value, _BYTES):
        return encode(value)
    if isinstance(value, BaseModel):
        return with_base64(value.model_dump(by_alias=True))
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
