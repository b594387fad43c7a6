"""Compiles the plain part of JSON Schema to what a compiled engine checks.

Large results are checked a hundred times as fast as by `foreign_schemas`, which does
what is not plain: a verdict of this module means the same.

Bounded is how much a schema of strangers can ask for: how often one part of a value is
looked at. Hence no recursion here, and nothing that compares lists or objects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import (
    CoreConfig,
    CoreSchema,
    PydanticSerializationError,
    SchemaValidator,
    ValidationError,
    core_schema,
    to_json,
)
from pydantic_core import SchemaError as CoreSchemaError

from mcp_django.protocol.jsonrpc import JSON, JSONObject

MAX_PARTS: Final = 3000
"""Parts of a schema, with all that is referred to written out."""

MAX_VISITS: Final = 20_000_000
"""Bytes of a value as JSON, times how often each of them is looked at."""

_MAX_DEPTH: Final = 50
_MAX_PATTERN: Final = 200
_MAX_NUMBER: Final = 2**53
_EXTRAS_COST: Final = 4
"""Of members that have no name, whose faults the engine collects to the last one."""

_OLD_DIALECTS: Final = ("draft-03", "draft-04")
_ANNOTATIONS: Final = frozenset(
    {"$comment", "$defs", "$schema", "contentEncoding", "contentMediaType"}
    | {"contentSchema", "default", "definitions", "deprecated", "description"}
    | {"discriminator", "example", "examples", "format", "readOnly", "title"}
    | {"writeOnly"}
)
_BY_TYPE: Final = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
_BY_TYPE_ALL: Final = frozenset().union(*_BY_TYPE.values())
_IN_PLACE: Final = ("$ref", "allOf", "anyOf", "oneOf", "const", "enum")
_KNOWN: Final = _ANNOTATIONS | _BY_TYPE_ALL | {"type", *_IN_PLACE}
_TYPES: Final = ("null", "boolean", "number", "string", "array", "object")


class _NotPlain(Exception):
    """A schema needs more than this module has."""


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A schema that the engine knows.

    Attributes:
        visits: How often one part of a value is looked at, at most.
    """

    visits: int
    _engine: SchemaValidator

    def can_check(self, value: JSON) -> bool:
        """Say whether a value is small enough for as many visits."""
        try:
            return len(to_json(value)) * self.visits <= MAX_VISITS
        except PydanticSerializationError:
            return False  # it holds half a character, which the engine does not take

    def find_fault(self, value: JSON) -> tuple[str, list[str | int]] | None:
        """Say what of a value does not fit, and where; None if all does."""
        try:
            self._engine.validate_python(value, strict=True)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            found = [(fault["msg"], _path_of(fault["loc"], value)) for fault in faults]
            # The others are alternatives that did not come as far.
            return max(found, key=lambda fault: len(fault[1]))
        return None


def compile_schema(schema: JSON) -> CompiledSchema | None:
    """Compile a schema that was found to be one; None if it is not plain.

    Args:
        schema: Which fits the schema of schemas.
    """
    try:
        part = _Compiler(schema).compile(schema)
        return CompiledSchema(part.visits, SchemaValidator(part.core, _CONFIG))
    except (_NotPlain, CoreSchemaError):
        return None


_CONFIG: Final = CoreConfig(regex_engine="rust-regex")


@dataclass(frozen=True, slots=True)
class _Part:
    """A compiled part of a schema, and how often it looks at one part of a value."""

    core: CoreSchema
    visits: int = 1


@dataclass
class _Compiler:
    """Compiles the parts of one document."""

    document: JSON
    count: int = 0
    open_refs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        dialect = (
            self.document.get("$schema") if isinstance(self.document, dict) else ""
        )
        if any(old in str(dialect) for old in _OLD_DIALECTS):
            raise _NotPlain

    def compile(self, schema: JSON, depth: int = 0) -> _Part:
        self.count += 1
        if self.count > MAX_PARTS or depth > _MAX_DEPTH:
            raise _NotPlain
        if schema is True:
            return _Part(core_schema.any_schema())
        if not isinstance(schema, dict):
            raise _NotPlain
        self._check_keywords(schema, depth)
        parts = [
            part
            for keyword in _IN_PLACE
            if keyword in schema
            for part in self._compile_in_place(keyword, schema, depth + 1)
        ]
        # What is listed is of a type, or is not: that is seen while compiling.
        if schema.keys() & (_BY_TYPE_ALL | {"type"}) and not _lists_values(schema):
            parts.append(self._compile_types(schema, depth + 1))
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return _Part(core_schema.any_schema())
        return _Part(
            core_schema.chain_schema([part.core for part in parts]), _sum(parts)
        )

    def _check_keywords(self, schema: JSONObject, depth: int) -> None:
        if depth and "$schema" in schema:
            raise _NotPlain
        unknown = schema.keys() - _KNOWN
        if schema.get("propertyNames") == {"type": "string"}:
            unknown -= {"propertyNames"}  # as they are anyway
        if any(not name.startswith("x-") for name in unknown):
            raise _NotPlain
        # In older dialects a reference hides what stands beside it.
        if "$ref" in schema and schema.keys() - _ANNOTATIONS != {"$ref"}:
            raise _NotPlain

    # Keywords for every type ----------------------------------------------------------

    def _compile_in_place(
        self, keyword: str, schema: JSONObject, depth: int
    ) -> list[_Part]:
        value: Any = schema[keyword]
        match keyword:
            case "$ref":
                return [self._compile_ref(value, depth)]
            case "allOf":
                return [self.compile(each, depth) for each in value]
            case "anyOf":
                return [self._compile_union(value, depth)]
            case "oneOf":
                if not self._exclude_each_other(value):
                    raise _NotPlain
                return [self._compile_union(value, depth)]
            case "const":
                return [_compile_values([value], schema)]
            case _:
                return [_compile_values(value, schema)]

    def _compile_ref(self, ref: str, depth: int) -> _Part:
        if ref in self.open_refs:
            raise _NotPlain
        self.open_refs.append(ref)
        part = self.compile(self._resolve(ref), depth)
        self.open_refs.pop()
        return part

    def _resolve(self, ref: str) -> JSON:
        pointer, *names = ref.split("/")
        if pointer != "#" or "%" in ref:
            raise _NotPlain
        found: JSON = self.document
        for name in names:
            name = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise _NotPlain
            found = found[name]
        return found

    def _compile_union(self, schemas: Sequence[JSON], depth: int) -> _Part:
        parts = [self.compile(schema, depth) for schema in schemas]
        return _Part(_union([part.core for part in parts]), 1 + _sum(parts))

    def _exclude_each_other(self, schemas: Sequence[JSON]) -> bool:
        """Say whether no value fits two of some schemas."""
        resolved = [self._follow(schema) for schema in schemas]
        types = [_types_of(schema) for schema in resolved]
        if all(not types[a] & types[b] for b in range(len(types)) for a in range(b)):
            return True
        names = set.intersection(*(set(_tags_of(schema)) for schema in resolved))
        return any(
            len({_tags_of(schema)[name] for schema in resolved}) == len(resolved)
            for name in names
        )

    def _follow(self, schema: JSON) -> JSONObject:
        for _ in range(_MAX_DEPTH):
            if not isinstance(schema, dict):
                break
            if "$ref" not in schema:
                return schema
            schema = self._resolve(schema["$ref"])
        raise _NotPlain

    # Keywords for one type ------------------------------------------------------------

    def _compile_types(self, schema: JSONObject, depth: int) -> _Part:
        wanted = schema.get("type", list(_TYPES))
        types = [wanted] if isinstance(wanted, str) else wanted
        parts = [self._compile_type(kind, schema, depth) for kind in types]
        if len(parts) == 1:
            return parts[0]
        deepest = max(part.visits for part in parts)
        # A value is of one type only, and looked at in vain for each of the others.
        return _Part(_union([part.core for part in parts]), len(parts) + deepest)

    def _compile_type(self, kind: str, schema: JSONObject, depth: int) -> _Part:
        match kind:
            case "null":
                return _Part(core_schema.none_schema())
            case "boolean":
                return _Part(core_schema.bool_schema())
            case "integer" | "number":
                return _Part(_compile_number(kind, schema), 2)
            case "string":
                return _Part(_compile_string(schema))
            case "array":
                return self._compile_array(schema, depth)
            case _:
                return self._compile_object(schema, depth)

    def _compile_array(self, schema: JSONObject, depth: int) -> _Part:
        items = self.compile(schema.get("items", True), depth)
        core = core_schema.list_schema(
            items.core,
            min_length=_count(schema.get("minItems")),
            max_length=_count(schema.get("maxItems")),
            fail_fast=True,
        )
        if schema.get("uniqueItems", False):
            # Of what is equal in Python if it is equal in JSON; true is 1 there.
            kinds = _types_of(self._follow(schema.get("items", {})))
            if not kinds <= {"string", "number", "null"}:
                raise _NotPlain
            unique = core_schema.no_info_after_validator_function(_check_unique, core)
            return _Part(unique, items.visits + 1)
        return _Part(core, items.visits)

    def _compile_object(self, schema: JSONObject, depth: int) -> _Part:
        properties: dict[str, JSON] = schema.get("properties", {})
        required: list[str] = schema.get("required", [])
        additional: JSON = schema.get("additionalProperties", True)
        unnamed = [name for name in required if name not in properties]
        if unnamed and additional is False:
            raise _NotPlain
        parts = {
            name: self.compile(part, depth) for name, part in properties.items()
        } | {name: self.compile(additional, depth) for name in unnamed}
        fields = {
            name: core_schema.typed_dict_field(part.core, required=name in required)
            for name, part in parts.items()
        }
        visits = max((part.visits for part in parts.values()), default=1)
        if isinstance(additional, bool):
            behavior: Any = "allow" if additional else "forbid"
            core = core_schema.typed_dict_schema(fields, extra_behavior=behavior)
            return _Part(core, visits)
        extras = self.compile(additional, depth)
        core = core_schema.typed_dict_schema(
            fields, extra_behavior="allow", extras_schema=extras.core
        )
        return _Part(core, max(visits, _EXTRAS_COST * extras.visits))


def _union(cores: list[CoreSchema]) -> CoreSchema:
    return core_schema.union_schema(list(cores), mode="left_to_right")


def _sum(parts: Iterable[_Part]) -> int:
    return sum(part.visits for part in parts)


def _lists_values(schema: JSONObject) -> bool:
    return "enum" in schema or "const" in schema


def _compile_values(values: Sequence[JSON], schema: JSONObject) -> _Part:
    """Compile what is listed, as far as it is of the right type."""
    if schema.keys() & _BY_TYPE_ALL or {"enum", "const"} <= schema.keys():
        raise _NotPlain
    types = _types_of(schema)
    parts: list[CoreSchema] = []
    by_type = {kind: [v for v in values if type(v) is kind] for kind in (str, int)}
    if by_type[str] and "string" in types:
        parts.append(core_schema.literal_schema(by_type[str]))
    if by_type[int] and "number" in types:
        # For the engine, 1 is the same as true.
        literal = core_schema.literal_schema(by_type[int])
        parts.append(core_schema.chain_schema([_compile_number("number", {}), literal]))
    if None in values and "null" in types:
        parts.append(core_schema.none_schema())
    # Booleans, fractions, lists and objects are not equal in every type.
    others = len(values) - len(by_type[str]) - len(by_type[int]) - (None in values)
    if others or not parts:
        raise _NotPlain
    return _Part(parts[0] if len(parts) == 1 else _union(parts), len(parts))


def _compile_number(kind: str, schema: JSONObject) -> CoreSchema:
    """Compile a number."""
    integer = core_schema.int_schema(
        ge=_bound(schema.get("minimum"), math.ceil),
        le=_bound(schema.get("maximum"), math.floor),
        gt=_bound(schema.get("exclusiveMinimum"), math.floor),
        lt=_bound(schema.get("exclusiveMaximum"), math.ceil),
    )
    fraction: CoreSchema = core_schema.float_schema(
        ge=schema.get("minimum"),
        le=schema.get("maximum"),
        gt=schema.get("exclusiveMinimum"),
        lt=schema.get("exclusiveMaximum"),
    )
    if kind == "integer":
        whole = core_schema.no_info_after_validator_function(_check_is_whole, fraction)
        return _union([integer, whole])
    return _union([integer, fraction])


def _check_is_whole(value: float) -> float:
    """Take 3.0 for an integer, as JSON Schema does.

    Raises:
        ValueError: It is none.
    """
    if not value.is_integer():
        raise ValueError(f"{value!r} is no integer")
    return value


def _check_unique(values: list[JSON]) -> list[JSON]:
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
        raise _NotPlain
    return to_integer(value)


def _compile_string(schema: JSONObject) -> CoreSchema:
    pattern = schema.get("pattern")
    # Longer ones, and those that count, may be slow to compile and to find.
    if pattern is not None and ("{" in pattern or len(pattern) > _MAX_PATTERN):
        raise _NotPlain
    return core_schema.str_schema(
        pattern=pattern,
        min_length=_count(schema.get("minLength")),
        max_length=_count(schema.get("maxLength")),
    )


def _count(value: JSON) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or value > _MAX_NUMBER:
        raise _NotPlain
    return value


def _types_of(schema: JSONObject) -> set[str]:
    wanted = schema.get("type", [*_TYPES])
    types = {wanted} if isinstance(wanted, str) else set(wanted)
    return {"number" if kind == "integer" else kind for kind in types}


def _tags_of(schema: JSONObject) -> dict[str, str]:
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


def _path_of(location: Iterable[str | int], value: JSON) -> list[str | int]:
    """Leave out of a location what names parts of the schema."""
    path: list[str | int] = []
    for step in location:
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                continue
        path.append(step)
    return path
