"""The parts of a plain schema that look at one value, for the engine that checks it.

What looks into a value, and puts the parts together, is in `schema_compiler`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple, Never, TypeAlias

from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from mcp_django.protocol.jsonrpc import JSON, JSONObject

TYPES: Final = ("null", "boolean", "number", "string", "array", "object")
_BY_TYPE: Final = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
BY_TYPE: Final[frozenset[str]] = frozenset().union(*_BY_TYPE.values())
"""Keywords that say something of values of one type."""

_MAX_PATTERN: Final = 200
_MAX_NUMBER: Final = 2**53


MAX_FAULTS: Final = 20_000
"""Members that may be wrong, or in vain tried as one of several alternatives.

Of objects, the engine collects all faults.
"""


class NotPlain(Exception):
    """A schema needs more than can be compiled."""


class TooMuchWork(Exception):
    """A schema is too large, or takes too long; the text says which."""


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled part of a schema.

    Attributes:
        core: What the engine reads.
        visits: How often it looks at one part of a value, at most.
        recurs: Whether it contains itself, or is within something that does.
    """

    core: CoreSchema
    visits: int = 1
    recurs: bool = False


Fault: TypeAlias = tuple[str, list[str | int]]
"""What is wrong, and where."""

UNDECIDED: Final[Fault] = ("", [])


class Verdict(NamedTuple):
    """What is known of a value: that it fits, what is wrong with it, or neither."""

    fits: bool
    fault: Fault | None = None


_faults: ContextVar[Iterator[int]] = ContextVar("mcp_django_schema_faults")


@contextmanager
def counting_faults() -> Iterator[None]:
    """Bound how many members may be wrong, or unknown, in a block."""
    token = _faults.set(iter(range(MAX_FAULTS)))
    try:
        yield
    finally:
        _faults.reset(token)


def _refuse(value: object) -> Never:
    """Refuse a member; what leaves the engine in the end, it does not collect.

    Raises:
        PydanticKnownError: It is refused.
        TooMuchWork: So are too many others.
    """
    if next(_faults.get(), None) is None:
        raise TooMuchWork(f"is not fit by more than {MAX_FAULTS} members")
    raise PydanticKnownError("extra_forbidden")


UNKNOWN_MEMBER: Final = core_schema.no_info_plain_validator_function(_refuse)
"""Takes no value."""


def union(cores: list[CoreSchema]) -> CoreSchema:
    """Give what takes a value that one of some others takes."""
    return core_schema.union_schema(list(cores), mode="left_to_right")


def recur(parts: Iterable[Part]) -> bool:
    """Say whether one of some parts does."""
    return any(part.recurs for part in parts)


def list_schema(schema: JSONObject, items: CoreSchema) -> CoreSchema:
    """Compile a list, whose items are compiled."""
    return core_schema.list_schema(
        items,
        min_length=read_count(schema.get("minItems")),
        max_length=read_count(schema.get("maxItems")),
        strict=True,
        fail_fast=True,
    )


def sum_visits(parts: Iterable[Part]) -> int:
    """Say how often some parts look at one part of a value, all together."""
    return sum(part.visits for part in parts)


def lists_values(schema: JSONObject) -> bool:
    """Say whether a schema lists the values that it takes."""
    return "enum" in schema or "const" in schema


def compile_values(values: Sequence[JSON], schema: JSONObject) -> Part:
    """Compile what is listed, as far as it is of the right type."""
    if schema.keys() & BY_TYPE or {"enum", "const"} <= schema.keys():
        raise NotPlain
    types = types_of(schema)
    parts: list[CoreSchema] = []
    by_type = {kind: [v for v in values if type(v) is kind] for kind in (str, int)}
    if by_type[str] and "string" in types:
        parts.append(core_schema.literal_schema(by_type[str]))
    if by_type[int] and "number" in types:
        # For the engine, 1 is the same as true.
        literal = core_schema.literal_schema(by_type[int])
        parts.append(core_schema.chain_schema([compile_number("number", {}), literal]))
    if None in values and "null" in types:
        parts.append(core_schema.none_schema())
    # Booleans, fractions, lists and objects are not equal in every type.
    others = len(values) - len(by_type[str]) - len(by_type[int]) - (None in values)
    if others or not parts:
        raise NotPlain
    return Part(parts[0] if len(parts) == 1 else union(parts), len(parts))


def compile_number(kind: str, schema: JSONObject) -> CoreSchema:
    """Compile a number."""
    integer = core_schema.int_schema(
        strict=True,
        ge=_bound(schema.get("minimum"), math.ceil),
        le=_bound(schema.get("maximum"), math.floor),
        gt=_bound(schema.get("exclusiveMinimum"), math.floor),
        lt=_bound(schema.get("exclusiveMaximum"), math.ceil),
    )
    fraction: CoreSchema = core_schema.float_schema(
        strict=True,
        ge=schema.get("minimum"),
        le=schema.get("maximum"),
        gt=schema.get("exclusiveMinimum"),
        lt=schema.get("exclusiveMaximum"),
    )
    if kind == "integer":
        whole = core_schema.no_info_after_validator_function(_check_is_whole, fraction)
        return union([integer, whole])
    return union([integer, fraction])


def _check_is_whole(value: float) -> float:
    """Take 3.0 for an integer, as JSON Schema does.

    Raises:
        ValueError: It is none.
    """
    if not value.is_integer():
        raise ValueError(f"{value!r} is no integer")
    return value


def check_unique(values: list[JSON]) -> list[JSON]:
    """Take what has no item twice.

    Raises:
        ValueError: It has.
    """
    if len(set(values)) < len(values):
        raise ValueError("an item is there twice")
    return values


def _bound(value: JSON, to_integer: Callable[[float], int]) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not -_MAX_NUMBER < value < _MAX_NUMBER:
        raise NotPlain
    return to_integer(value)


def compile_string(schema: JSONObject) -> CoreSchema:
    """Compile a text."""
    pattern = schema.get("pattern")
    # Longer ones, and those that count, may be slow to compile and to find.
    if pattern is not None and ("{" in pattern or len(pattern) > _MAX_PATTERN):
        raise NotPlain
    return core_schema.str_schema(
        strict=True,
        pattern=pattern,
        min_length=read_count(schema.get("minLength")),
        max_length=read_count(schema.get("maxLength")),
    )


def read_count(value: JSON) -> int | None:
    """Give a length; None if there is no bound."""
    if value is None:
        return None
    if not isinstance(value, int) or value > _MAX_NUMBER:
        raise NotPlain
    return value


def types_of(schema: JSONObject) -> set[str]:
    """Give the types that a schema takes; integers are numbers."""
    wanted = schema.get("type", [*TYPES])
    types = {wanted} if isinstance(wanted, str) else set(wanted)
    return {"number" if kind == "integer" else kind for kind in types}


def tags_of(schema: JSONObject) -> dict[str, str]:
    """Give the members that an object has in any case, always with the same text."""
    tags = {}
    if schema.get("type") == "object":
        for name in schema.get("required", ()):
            part = schema.get("properties", {}).get(name)
            values = _values_of(part) if isinstance(part, dict) else []
            if len(values) == 1 and isinstance(values[0], str):
                tags[name] = values[0]
    return tags


def _values_of(schema: JSONObject) -> list[JSON]:
    return [schema["const"]] if "const" in schema else schema.get("enum", [])
