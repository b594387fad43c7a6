"""Values of one annotated type, written as that type says.

What cannot be written raises `TypeError` or `ValueError`, with a text for the
developer's log that leaves the values themselves out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property, partial
from inspect import Signature
from typing import Any, get_args, get_origin

from django.utils.functional import Promise
from mcp_types import CallToolResult
from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    from_json,
)

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.versions import STRUCTURED_CONTENT
from mcp_django.server.results.rows import has_stand_ins, is_row, kind_of, taking_rows
from mcp_django.server.results.values import (
    ADVICE,
    BLOCKS,
    checked_text,
    content_of,
    json_text,
    plain_value,
    type_text,
)
from mcp_django.server.schemas.json_schema import (
    SchemaGenerator,
    explain,
    refused_pattern,
    union_members,
    why_unsuitable,
)
from mcp_django.server.schemas.octets import with_base64, writing_base64
from mcp_django.server.schemas.references import without_references
from mcp_django.server.texts import listed, plain

_NEVER_STRUCTURED = (*BLOCKS, CallToolResult)
_SEQUENCES = (list, tuple, Sequence, Iterable)
SAYS_NOTHING = (Signature.empty, Any, object, None, type(None))

# Type of a value that is JSON as it is -> how it is written as text.
PLAIN: Mapping[Any, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
}

_SERIES_SCHEMAS = ("list", "tuple", "set", "frozenset", "generator")
"""Types of core schemas that take anything that can be iterated."""


class TypedOutput:
    """Writes values of one annotated type.

    Attributes:
        schema: JSON Schema of the values.
        is_plain: Whether values of just this type are JSON as they are.
    """

    def __init__(self, returns: Any) -> None:
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(returns)
            core = writing_base64(adapter.core_schema)
            has_bytes = core is not adapter.core_schema
            schema = without_references(
                SchemaGenerator().generate(core, mode="serialization")
                if has_bytes
                else adapter.json_schema(
                    mode="serialization", schema_generator=SchemaGenerator
                )
            )
        except Exception as error:
            if refused := refused_pattern(error):
                raise ValueError(f"the annotation of the result {refused}") from error
            raise ValueError(
                f"a result of type {type_text(returns)} cannot be described: "
                f"{why_unsuitable(error)}; {ADVICE}, or pass structured=False"
            ) from error
        if "$ref" in schema:
            # A recursive type. Older versions want to see that it is an object.
            target = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
            schema = {"type": target["type"], **schema} if "type" in target else schema
        self.schema = schema
        self._returns = returns
        self._validate = adapter.validator.validate_python
        serializer = SchemaSerializer(core) if has_bytes else adapter.serializer
        self._dump = serializer.to_python
        self._core_schema = adapter.core_schema
        # Unless it is annotated to be written in another way.
        self.is_plain = returns in PLAIN and "serialization" not in adapter.core_schema
        self._takes_apart = _takes_apart(adapter.core_schema)

    def write(self, value: Any) -> JSONObject:
        """Write a value as a `CallToolResult`."""
        if type(value) is not self._returns:
            value = listed(value)
            if self._takes_apart or isinstance(value, Promise):
                value = plain(value)
        try:
            return self._result(value)
        except TypeError:
            # Perhaps for lazy texts, for which few results are looked through.
            translated = plain(value)
            if translated is value:
                raise
        return self._result(translated)

    def write_taken(self, value: Any) -> JSONObject:
        """Write a value in which rows of the database were taken."""
        return self._result(plain(value), self._validate_rows)

    def _result(
        self, value: Any, validate: Callable[..., Any] | None = None
    ) -> JSONObject:
        try:
            fitting = (validate or self._validate)(value, by_alias=True, by_name=True)
            dumped = self._dump(
                fitting,
                mode="json",
                by_alias=True,
                warnings="error",
                fallback=plain_value,
            )
        except ValidationError as error:
            reason = explain(error, value, show_values=False)
            raise TypeError(self._mismatch(value, reason)) from None
        except UnicodeDecodeError:
            # Bytes that are no text; the annotation does not say how to write them.
            dumped = from_json(json_text(with_base64(fitting)))
        except PydanticSerializationError as error:
            if "UnexpectedValue" not in str(error):
                given = type_text(type(value))
                raise TypeError(f"cannot write {given} as JSON: {error}") from error
            # Its text would show the value.
            reason = "an attribute is not of the type that its own annotation says"
            raise TypeError(self._mismatch(value, reason)) from None
        return self._result_of(value, dumped)

    def _result_of(self, value: Any, dumped: JSON) -> JSONObject:
        if isinstance(value, str | bytes | Enum) and isinstance(dumped, str):
            text = checked_text(dumped)
        else:
            text = json_text(dumped, inf_nan_mode="constants")
            if "NaN" in text or "Infinity" in text:
                # Perhaps only in a string; if not, the schema promised a number.
                json.dumps(dumped, allow_nan=False)
        content: list[JSONObject] = [{"type": "text", "text": text}]
        if is_list_with_blocks(value):
            # `list` alone does not tell of them, but they are what shall be seen.
            content = [block for item in value for block in content_of(item)]
        return {"content": content, STRUCTURED_CONTENT: dumped}

    @cached_property
    def _validate_rows(self) -> Callable[..., Any]:
        """Validates where attributes of rows are wanted; few tools return any."""
        validator = SchemaValidator(taking_rows(self._core_schema))
        return partial(validator.validate_python, from_attributes=True)

    def _mismatch(self, value: Any, reason: str) -> str:
        advice = f"; {ADVICE}" if is_row(value) or has_stand_ins(value) else ""
        return (
            f"returned {type_text(kind_of(value))}, which does not fit "
            f"{type_text(self._returns)}: {reason}{advice}"
        )


def _takes_apart(schema: Any) -> bool:
    """Say whether pydantic may take a lazy text inside a value for a series of letters.

    Args:
        schema: A core schema. Its root does not count, where there can be no text.
    """
    inner = list(schema.values())
    while inner:
        part = inner.pop()
        if isinstance(part, dict):
            if part.get("type") in _SERIES_SCHEMAS:
                return True
            inner += part.values()
        elif isinstance(part, list | tuple):
            inner += part
    return False


def is_text(annotation: Any) -> bool:
    """Say whether it is `str`, or `str | None`: what hosts show as it is."""
    members = set(union_members(annotation))
    return str in members and members <= {str, None, type(None)}


def may_be_blocks(annotation: Any) -> bool:
    """Say whether values of an annotation may be content blocks, or lists of them."""
    # By their ids, because not every annotation can be hashed. Aliases may come back.
    seen: dict[int, Any] = {}
    waiting = [annotation]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = current
        for member in union_members(current):
            if isinstance(member, type) and issubclass(member, _NEVER_STRUCTURED):
                return True
            if get_origin(member) in _SEQUENCES:
                waiting += get_args(member)
    return False


def is_list_with_blocks(value: Any) -> bool:
    """Say whether a value is a list with content blocks in it."""
    return isinstance(value, list | tuple) and any(
        isinstance(item, BLOCKS) for item in value
    )
