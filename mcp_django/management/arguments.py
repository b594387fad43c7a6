"""Arguments of a tool as they are given in a shell: `key=value`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from django.core.management.base import CommandError
from mcp_types import Tool

from mcp_django.management.schemas import find_local_fault
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.schemas.words import type_in_words

_TYPES: Final = frozenset(
    {"array", "boolean", "integer", "null", "number", "object", "string"}
)
_COMBINING: Final = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "patternProperties", "if", "$dynamicRef"}
)
_EXAMPLES: Final = {
    "array": "[1, 2]",
    "boolean": "true",
    "integer": "3",
    "null": "null",
    "number": "1.5",
    "object": '{"key": 1}',
}


def read_arguments(tool: Tool, given: Sequence[str]) -> JSONObject:
    """Read the arguments of a tool by its input schema.

    A parameter that is a string takes the text as it is. All others take JSON; where a
    string would do too, what is no JSON is one.

    Args:
        tool: As the server lists it.
        given: Each such as "count=3".

    Raises:
        CommandError: One is malformed, unknown, missing, or not what the tool takes.
    """
    schema: JSONObject = tool.input_schema
    properties = schema.get("properties")
    parameters = properties if isinstance(properties, dict) else {}
    arguments: JSONObject = {}
    for pair in given:
        name, separator, text = pair.partition("=")
        if not separator or not name:
            raise CommandError(f"{pair!r} is no argument; write key=value")
        if name in arguments:
            raise CommandError(f"argument {name!r} is given twice")
        if name not in parameters and not _takes_more(schema):
            known = ", ".join(map(repr, parameters)) or "none at all"
            raise CommandError(
                f"tool {tool.name!r} has no parameter {name!r}; it has {known}"
            )
        arguments[name] = _read(name, text, parameters.get(name, {}), schema)
    _check(tool, arguments)
    return arguments


def _takes_more(schema: JSONObject) -> bool:
    """Say whether a tool may take parameters that its schema does not list.

    JSON Schema allows all that is not forbidden. Where some are listed and nothing
    says that there are more, another name is more likely a slip than meant.
    """
    if "additionalProperties" in schema:
        more = schema["additionalProperties"]
        return more is not False or "patternProperties" in schema
    return not schema.get("properties") or not _COMBINING.isdisjoint(schema)


def _read(name: str, text: str, schema: JSON, root: JSONObject) -> JSON:
    types = _types_of(schema, root)
    if types <= {"string", "null"}:
        return text
    try:
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except OverflowError:
        raise CommandError(
            f"argument {name!r}: {text[:100]!r} has a number that is too large"
        ) from None
    except ValueError:
        value = text
    if _type_of(value) & types:
        return value
    if "string" in types:
        return text
    example = next((_EXAMPLES[type_] for type_ in sorted(types)), "")
    raise CommandError(
        f"argument {name!r} must be {type_in_words(schema)}, not {text!r}; "
        f"write it as JSON, such as {name}={example}"
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _finite(text: str) -> float:
    """Read a number; what is too large would be sent as null."""
    number = float(text)
    if math.isinf(number):
        raise OverflowError
    return number


def _types_of(schema: JSON, root: JSONObject, depth: int = 0) -> set[str]:
    """Give the JSON types that a schema allows, as far as that is easy to say."""
    if depth > 20:
        return set(_TYPES)
    match schema:
        case {"type": str() as type_}:
            return {type_} & _TYPES
        case {"type": list() as types}:
            return {type_ for type_ in types if type_ in _TYPES}
        case {"const": value}:
            return _type_of(value)
        case {"enum": list() as values}:
            return set().union(*map(_type_of, values))
        case {"anyOf": list() as members} | {"oneOf": list() as members}:
            return set().union(*(_types_of(m, root, depth + 1) for m in members))
        case {"$ref": str() as reference} if reference.startswith("#/"):
            return _types_of(_resolve(reference, root), root, depth + 1)
    return set(_TYPES)


def _resolve(reference: str, root: JSONObject) -> JSON:
    """Find what a reference within a document means; {} if that is not there."""
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found


def _type_of(value: JSON) -> set[str]:
    """Give the JSON types that a value has; whole numbers have two."""
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number", "integer"} if value.is_integer() else {"number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
        case _:
            return {"object"}


def _check(tool: Tool, arguments: JSONObject) -> None:
    """Refuse arguments that do not fit the schema of a tool.

    Raises:
        CommandError: They do not.
    """
    schema: Any = tool.input_schema
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in arguments:
            raise CommandError(f"tool {tool.name!r} needs {name!r}; add {name}=...")
    fault = find_local_fault(schema, arguments)
    if fault is not None:
        where = ".".join(str(part) for part in fault.absolute_path)
        what = f"argument {where!r}" if where else f"arguments of {tool.name!r}"
        raise CommandError(f"{what}: {fault.message:.500}")
