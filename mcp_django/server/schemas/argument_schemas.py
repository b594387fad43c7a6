"""Arguments that pydantic reads in another way than their schema says.

It hands out `Iterable[int]` unread, finds no member of an enum by a value that is no
JSON, and takes sums of flags only as integers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from functools import partial
from typing import Any, TypeAlias

from pydantic_core import core_schema, to_json

Resolve: TypeAlias = Callable[[Any], Any]

_JSON_TYPES = (str, int, float, bool, type(None))


def as_shown(schema: Any, resolve: Resolve, refs: frozenset[str] = frozenset()) -> Any:
    """Let arguments be read as the JSON Schema says that clients are shown.

    Args:
        schema: A core schema; left as it is.
        resolve: Gives what a definition reference stands for.
        refs: References that this is within; what refers to itself stays as it is.

    Returns:
        The schema itself if all is well with it, else a changed copy. Models of
        pydantic's bring a validator of their own, and stay as they are.
    """
    go_on = partial(as_shown, resolve=resolve, refs=refs)
    if isinstance(schema, list | tuple):
        items = [go_on(item) for item in schema]
        is_same = all(new is old for new, old in zip(items, schema, strict=True))
        return schema if is_same else type(schema)(items)
    if not isinstance(schema, dict) or schema.get("type") == "model":
        return schema
    if schema.get("type") == "definition-ref":
        ref = schema["schema_ref"]
        if ref in refs:
            return schema
        try:
            target = resolve(schema)
        except LookupError:  # is being written
            return schema
        shown = as_shown(target, resolve, refs | {ref})
        if shown is target:
            return schema
        return {key: part for key, part in shown.items() if key != "ref"}
    if schema.get("type") == "enum":
        return _enum(schema)
    copied = {key: go_on(part) for key, part in schema.items()}
    if schema.get("type") == "generator":
        # A text would do as well, letter by letter, and errors come while it runs.
        return {**copied, "type": "list"}
    is_same = all(copied[key] is schema[key] for key in schema)
    return schema if is_same else copied


def _enum(schema: Any) -> Any:
    """Find members of an enum whose values are no JSON, and sums of flags."""
    cls: type[Enum] = schema["cls"]
    if issubclass(cls, Flag):
        return core_schema.no_info_before_validator_function(_bits, schema)
    if all(isinstance(member.value, _JSON_TYPES) for member in cls):
        return schema
    try:
        members = {to_json(member.value): member for member in cls}
    except ValueError:  # which the JSON Schema is refused for
        return schema

    def member(value: Any) -> Any:
        return members.get(to_json(value), value)

    return core_schema.no_info_before_validator_function(member, schema)


def _bits(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("Input should be a valid integer")
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise ValueError("Input should be a valid integer") from None
    return value
