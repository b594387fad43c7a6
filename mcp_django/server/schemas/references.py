"""References in JSON Schemas, and how to do without them.

Many hosts do not follow `$ref`: their models are told of an object, of nothing, or of
something of unknown type. So the schemas that are written for Python types say
everything in its place, as far as that can be.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from mcp_django.server.texts import untranslated

PREFIX: Final = "#/$defs/"

# Where schemas are within a schema; everything else in it is data, such as `default`.
_OF_ONE: Final = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_OF_MANY: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_OF_NAMED: Final = frozenset(
    {
        "$defs",
        "definitions",
        "dependencies",
        "dependentSchemas",
        "patternProperties",
        "properties",
    }
)

_SAYS_NO_MORE: Final = frozenset(
    {
        "default",
        "deprecated",
        "description",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
    }
)
"""Keywords that describe a value; beside a reference they say it better than there."""

MAX_GROWTH: Final = 2
"""How many times its length a schema may have with its definitions in their places."""


def without_references(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put definitions in the places where they are referred to.

    What is recursive stays a definition. So do the longest of the others, if the
    schema would grow to more than `MAX_GROWTH` times its length.

    Args:
        schema: As pydantic writes it, with definitions under `$defs`; left untouched.
    """
    definitions = schema.get("$defs")
    if not definitions:
        return dict(schema)
    inlined = _to_inline(schema, definitions)

    @functools.cache
    def definition(name: str) -> Any:
        return rewritten(definitions[name])

    def rewritten(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        new = _with_parts(part, rewritten)
        if (name := _target(part, inlined)) is not None:
            del new["$ref"]
            new = _joined(definition(name), new)
        if "discriminator" in new:
            new["discriminator"] = _discriminator(new["discriminator"], inlined)
        return new

    new: dict[str, Any] = rewritten({k: v for k, v in schema.items() if k != "$defs"})
    kept = definitions.keys() - inlined
    if kept:
        new["$defs"] = {name: definition(name) for name in definitions if name in kept}
    return new


def references_in(schema: Any) -> Iterator[str]:
    """Yield what a schema refers to, each as often as it does."""
    if isinstance(schema, dict):
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(schema.get(keyword), str):
                yield schema[keyword]
        for part in parts_of(schema):
            yield from references_in(part)


def recursive_in(definitions: Mapping[str, Any]) -> frozenset[str]:
    """Name the definitions that contain themselves.

    Args:
        definitions: The `$defs` of a schema.
    """
    uses = {name: _uses(part, definitions) for name, part in definitions.items()}

    @functools.cache
    def reached(start: str) -> frozenset[str]:
        found: set[str] = set()
        waiting = list(uses[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += uses[name]
        return frozenset(found)

    return frozenset(name for name in definitions if name in reached(name))


def _to_inline(
    schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> frozenset[str]:
    """Choose the definitions to put in the places of references to them."""
    plain = set(definitions) - recursive_in(definitions)
    top = {key: value for key, value in schema.items() if key != "$defs"}
    parts = {name: _Part(definitions[name], definitions) for name in definitions}
    whole = _Part(top, definitions)
    limit = MAX_GROWTH * _length(schema)

    def total(inlined: set[str]) -> int:
        @functools.cache
        def length(name: str) -> int:
            return parts[name].length_with(inlined, length)

        kept = sum(
            length(name) + len(name) + 4 for name in definitions if name not in inlined
        )
        return kept + whole.length_with(inlined, length)

    if total(plain) <= limit:
        return frozenset(plain)
    inlined: set[str] = set()
    for name in sorted(plain, key=lambda name: (parts[name].length, name)):
        if total(inlined | {name}) <= limit:
            inlined.add(name)
    return frozenset(inlined)


class _Part:
    """How long a part of a schema is, by itself or with definitions put into it."""

    def __init__(self, part: Any, definitions: Mapping[str, Any]) -> None:
        self.length = _length(part)
        self.uses = _uses(part, definitions)

    def length_with(self, inlined: set[str], length: Callable[[str], int]) -> int:
        return self.length + sum(
            times * (length(name) - _length({"$ref": PREFIX + name}))
            for name, times in self.uses.items()
            if name in inlined
        )


def _length(part: Any) -> int:
    return len(json.dumps(untranslated(part), separators=(",", ":"), default=str))


def _uses(part: Any, definitions: Mapping[str, Any]) -> Counter[str]:
    return Counter(
        name
        for reference in references_in(part)
        if (name := reference.removeprefix(PREFIX)) in definitions
    )


def _target(part: Mapping[str, Any], inlined: frozenset[str]) -> str | None:
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith(PREFIX):
        name = reference.removeprefix(PREFIX)
        return name if name in inlined else None
    return None


def _joined(definition: Any, beside: dict[str, Any]) -> dict[str, Any]:
    """Say in one schema what a definition says, and what stood beside the reference."""
    if not isinstance(definition, dict):
        return {**beside, "allOf": [*beside.get("allOf", ()), definition]}
    for keyword in beside.keys() & definition.keys() - _SAYS_NO_MORE:
        if beside[keyword] != definition[keyword]:
            # Both hold, which one object cannot say.
            return {**beside, "allOf": [*beside.get("allOf", ()), definition]}
    return {**definition, **beside}


def _discriminator(discriminator: Any, inlined: frozenset[str]) -> Any:
    """Leave out of a mapping what it names no more; then the property alone tells."""
    if not isinstance(discriminator, dict) or "mapping" not in discriminator:
        return discriminator
    mapping = {
        value: reference
        for value, reference in discriminator["mapping"].items()
        if _target({"$ref": reference}, inlined) is None
    }
    others = {key: v for key, v in discriminator.items() if key != "mapping"}
    return {**others, "mapping": mapping} if mapping else others


def parts_of(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schemas directly within a schema."""
    for keyword, value in schema.items():
        if keyword in _OF_MANY and isinstance(value, list):
            yield from value
        elif keyword in _OF_NAMED and isinstance(value, dict):
            yield from value.values()
        elif keyword in _OF_ONE:
            yield value


def _with_parts(
    schema: Mapping[str, Any], change: Callable[[Any], Any]
) -> dict[str, Any]:
    """Copy a schema, with changed schemas directly within it."""
    new = dict(schema)
    for keyword, value in schema.items():
        if keyword in _OF_MANY and isinstance(value, list):
            new[keyword] = [change(part) for part in value]
        elif keyword in _OF_NAMED and isinstance(value, dict):
            new[keyword] = {name: change(part) for name, part in value.items()}
        elif keyword in _OF_ONE:
            new[keyword] = change(value)
    return new
