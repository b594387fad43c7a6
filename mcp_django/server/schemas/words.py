"""JSON Schemas in a few words, for people."""

from __future__ import annotations

import json

from mcp_django.protocol.jsonrpc import JSON


def type_in_words(schema: JSON) -> str:
    """Write the type that a JSON Schema allows, such as "integer" or "array of a | b".

    Details are left out.
    """
    match schema:
        case {"const": value}:
            return _value(value)
        case {"enum": list() as values}:
            return " | ".join(map(_value, values))
        case {"$ref": str() as reference}:
            return reference.rpartition("/")[2]
        case {"anyOf": list() as members} | {"oneOf": list() as members}:
            return " | ".join(dict.fromkeys(map(type_in_words, members)))
        case {"type": "array", "items": dict() as items}:
            inner = type_in_words(items)
            return f"array of ({inner})" if " | " in inner else f"array of {inner}"
        case {"type": list() as types}:
            return " | ".join(map(str, types))
        case {"type": str() as type_}:
            return type_
    return "any"


def _value(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)
