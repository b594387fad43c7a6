"""Compiles the plain part of JSON Schema, for an engine that checks values by it.

Nothing here compares lists or objects, and what contains itself may do so once on each
level, so that it is known how often one part of a value is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import core_schema

from mcp_django.protocol.compiled_parts import (
    BY_TYPE,
    TYPES,
    UNKNOWN_MEMBER,
    NotPlain,
    Part,
    check_unique,
    compile_number,
    compile_string,
    compile_values,
    list_schema,
    lists_values,
    read_count,
    recur,
    sum_visits,
    tags_of,
    types_of,
    union,
)
from mcp_django.protocol.jsonrpc import JSON, JSONObject

MAX_PARTS: Final = 3000
"""Parts of a schema, with all that is referred to written out."""

_MAX_DEPTH: Final = 50
_OLD_DIALECTS: Final = ("draft-03", "draft-04")
_ANNOTATIONS: Final = frozenset(
    {"$comment", "$defs", "$schema", "contentEncoding", "contentMediaType"}
    | {"contentSchema", "default", "definitions", "deprecated", "description"}
    | {"discriminator", "example", "examples", "format", "readOnly", "title"}
    | {"writeOnly"}
)
_IN_PLACE: Final = ("$ref", "allOf", "anyOf", "oneOf", "const", "enum")
_KNOWN: Final = _ANNOTATIONS | BY_TYPE | {"type", *_IN_PLACE}


@dataclass
class SchemaCompiler:
    """Compiles the parts of one document.

    Attributes:
        count: Parts so far.
        level: How deep in a value the current part looks.
        deepest: The deepest level so far.
        open_refs: References that are being written out -> the level of each.
        definitions: What contains itself, by its reference.
    """

    document: JSON
    count: int = 0
    level: int = 0
    deepest: int = 0
    open_refs: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, Part] = field(default_factory=dict)
    _recursive: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if any(name in self.dialect for name in _OLD_DIALECTS):
            raise NotPlain

    @property
    def dialect(self) -> str:
        """The dialect that the document names; "" for the newest."""
        document = self.document if isinstance(self.document, dict) else {}
        return str(document.get("$schema", ""))

    def compile_document(self) -> Part:
        """Compile all of it.

        Raises:
            NotPlain: It needs more than can be compiled.
        """
        part = self._compile_ref("#", 0)
        if not self.definitions:
            return part
        definitions = [definition.core for definition in self.definitions.values()]
        core = core_schema.definitions_schema(part.core, definitions)
        return Part(core, part.visits)

    def _compile(self, schema: JSON, depth: int) -> Part:
        """Compile a part of it."""
        self.count += 1
        if self.count > MAX_PARTS or depth > _MAX_DEPTH:
            raise NotPlain
        if schema is True:
            return Part(core_schema.any_schema())
        if not isinstance(schema, dict):
            raise NotPlain
        self._check_keywords(schema, depth)
        parts = [
            part
            for keyword in _IN_PLACE
            if keyword in schema
            for part in self._compile_in_place(keyword, schema, depth + 1)
        ]
        # What is listed is of a type, or is not: that is seen while compiling.
        if schema.keys() & (BY_TYPE | {"type"}) and not lists_values(schema):
            parts.append(self._compile_types(schema, depth + 1))
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Part(core_schema.any_schema())
        if sum(part.recurs for part in parts) > 1:
            raise NotPlain
        core = core_schema.chain_schema([part.core for part in parts])
        return Part(core, sum_visits(parts), recur(parts))

    def _compile_child(self, schema: JSON, depth: int) -> Part:
        """Compile what is for a member or an item of the current part of a value."""
        self.level += 1
        self.deepest = max(self.deepest, self.level)
        part = self._compile(schema, depth)
        self.level -= 1
        return part

    def _check_keywords(self, schema: JSONObject, depth: int) -> None:
        if depth and "$schema" in schema:
            raise NotPlain
        unknown = schema.keys() - _KNOWN
        if schema.get("propertyNames") == {"type": "string"}:
            unknown -= {"propertyNames"}  # as they are anyway
        if any(not name.startswith("x-") for name in unknown):
            raise NotPlain
        # In older dialects a reference hides what stands beside it.
        if "$ref" in schema and schema.keys() - _ANNOTATIONS != {"$ref"}:
            raise NotPlain

    # Keywords for every type ----------------------------------------------------------

    def _compile_in_place(
        self, keyword: str, schema: JSONObject, depth: int
    ) -> list[Part]:
        value: Any = schema[keyword]
        match keyword:
            case "$ref":
                return [self._compile_ref(value, depth)]
            case "allOf":
                return [self._compile(each, depth) for each in value]
            case "anyOf":
                return [self._compile_union(value, depth)]
            case "oneOf":
                if not self._exclude_each_other(value):
                    raise NotPlain
                return [self._compile_union(value, depth)]
            case "const":
                return [compile_values([value], schema)]
            case _:
                return [compile_values(value, schema)]

    def _compile_ref(self, ref: str, depth: int) -> Part:
        if ref in self.definitions:
            return self._refer_to(ref, self.definitions[ref].visits)
        if ref in self.open_refs:
            if self.open_refs[ref] == self.level:
                raise NotPlain  # it would turn in circles
            self._recursive.add(ref)
            return self._refer_to(ref, 1)
        deepest, self.deepest = self.deepest, self.level
        self.open_refs[ref] = self.level
        part = self._compile(self._resolve(ref), depth)
        levels = self.deepest - self.open_refs.pop(ref)
        self.deepest = max(deepest, self.deepest)
        if ref not in self._recursive:
            return part
        # Each level of a value is looked at by as many that begin above it.
        visits = part.visits * levels
        core: Any = {**part.core, "ref": ref}
        self.definitions[ref] = Part(core, visits)
        return self._refer_to(ref, visits)

    def _refer_to(self, ref: str, visits: int) -> Part:
        return Part(core_schema.definition_reference_schema(ref), visits, recurs=True)

    def _resolve(self, ref: str) -> JSON:
        pointer, *names = ref.split("/")
        if pointer != "#" or "%" in ref:
            raise NotPlain
        found: JSON = self.document
        for name in names:
            name = name.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise NotPlain
            found = found[name]
        return found

    def _compile_union(self, schemas: Sequence[JSON], depth: int) -> Part:
        parts = [self._compile(schema, depth) for schema in schemas]
        # Two that both go on would be four on the next level, and so on.
        recurring = [s for s, part in zip(schemas, parts, strict=True) if part.recurs]
        if len(recurring) > 1 and not self._differ_in_type(recurring):
            raise NotPlain
        core = union([part.core for part in parts])
        return Part(core, 1 + sum_visits(parts), recur(parts))

    def _exclude_each_other(self, schemas: Sequence[JSON]) -> bool:
        """Say whether no value fits two of some schemas."""
        if self._differ_in_type(schemas):
            return True
        resolved = [self._follow(schema) for schema in schemas]
        names = set.intersection(*(set(tags_of(schema)) for schema in resolved))
        return any(
            len({tags_of(schema)[name] for schema in resolved}) == len(resolved)
            for name in names
        )

    def _differ_in_type(self, schemas: Sequence[JSON]) -> bool:
        types = [types_of(self._follow(schema)) for schema in schemas]
        return all(not types[a] & types[b] for b in range(len(types)) for a in range(b))

    def _follow(self, schema: JSON) -> JSONObject:
        for _ in range(_MAX_DEPTH):
            if not isinstance(schema, dict):
                break
            if "$ref" not in schema:
                return schema
            schema = self._resolve(schema["$ref"])
        raise NotPlain

    # Keywords for one type ------------------------------------------------------------

    def _compile_types(self, schema: JSONObject, depth: int) -> Part:
        wanted = schema.get("type", list(TYPES))
        types = [wanted] if isinstance(wanted, str) else wanted
        parts = [self._compile_type(kind, schema, depth) for kind in types]
        if len(parts) == 1:
            return parts[0]
        deepest = max(part.visits for part in parts)
        # A value is of one type only, and looked at in vain for each of the others.
        core = union([part.core for part in parts])
        return Part(core, len(parts) + deepest, recur(parts))

    def _compile_type(self, kind: str, schema: JSONObject, depth: int) -> Part:
        match kind:
            case "null":
                return Part(core_schema.none_schema())
            case "boolean":
                return Part(core_schema.bool_schema(strict=True))
            case "integer" | "number":
                return Part(compile_number(kind, schema), 2)
            case "string":
                return Part(compile_string(schema))
            case "array":
                return self._compile_array(schema, depth)
            case _:
                return self._compile_object(schema, depth)

    def _compile_array(self, schema: JSONObject, depth: int) -> Part:
        if "prefixItems" in schema:
            return self._compile_tuple(schema, depth)
        items = self._compile_child(schema.get("items", True), depth)
        core = list_schema(schema, items.core)
        if schema.get("uniqueItems", False):
            # Of what is equal in Python if it is equal in JSON; true is 1 there.
            kinds = types_of(self._follow(schema.get("items", {})))
            if not kinds <= {"string", "number", "null"}:
                raise NotPlain
            unique = core_schema.no_info_after_validator_function(check_unique, core)
            return Part(unique, items.visits + 1)
        return Part(core, items.visits, items.recurs)

    def _compile_tuple(self, schema: JSONObject, depth: int) -> Part:
        places: list[JSON] = schema["prefixItems"]
        # The engine wants all of them to be there; older dialects have no such thing.
        is_whole = (read_count(schema.get("minItems")) or 0) >= len(places)
        is_old = "draft-0" in self.dialect or "2019" in self.dialect
        if not is_whole or is_old or schema.get("uniqueItems", False):
            raise NotPlain
        parts = [self._compile_child(part, depth) for part in places]
        rest: JSON = schema.get("items", True)
        if rest is not False:
            parts.append(self._compile_child(rest, depth))
        items = core_schema.tuple_schema(
            [part.core for part in parts],
            variadic_item_index=None if rest is False else len(places),
        )
        whole = core_schema.no_info_after_validator_function(list, items)
        # What is no list would do for a tuple.
        core = core_schema.chain_schema(
            [list_schema(schema, core_schema.any_schema()), whole]
        )
        visits = 1 + max((part.visits for part in parts), default=1)
        return Part(core, visits, recur(parts))

    def _compile_object(self, schema: JSONObject, depth: int) -> Part:
        properties: dict[str, JSON] = schema.get("properties", {})
        required: list[str] = schema.get("required", [])
        additional: JSON = schema.get("additionalProperties", True)
        unnamed = [name for name in required if name not in properties]
        if unnamed and additional is False:
            raise NotPlain
        parts = {
            name: self._compile_child(part, depth) for name, part in properties.items()
        } | {name: self._compile_child(additional, depth) for name in unnamed}
        fields = {
            name: core_schema.typed_dict_field(part.core, required=name in required)
            for name, part in parts.items()
        }
        visits = max((part.visits for part in parts.values()), default=1)
        if additional is True:
            core = core_schema.typed_dict_schema(
                fields, extra_behavior="allow", strict=True
            )
            return Part(core, visits, recur(parts.values()))
        extras = Part(UNKNOWN_MEMBER)
        if additional is not False:
            wanted = self._compile_child(additional, depth)
            either = union([wanted.core, UNKNOWN_MEMBER])
            extras = Part(either, 1 + wanted.visits, wanted.recurs)
        core = core_schema.typed_dict_schema(
            fields, extra_behavior="allow", extras_schema=extras.core, strict=True
        )
        visits = max(visits, extras.visits)
        return Part(core, visits, recur([*parts.values(), extras]))
