"""How much work arguments are, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON

MAX_SMALL: Final = 16_384
"""Bytes of arguments as JSON up to which nothing is counted."""

MAX_ARGUMENTS: Final = 1000
"""Arguments of one call."""

MAX_WORK: Final = 60_000
"""Microseconds that it may take to make values of arguments, about."""

_MAX_MEMBERS: Final = 10_000
"""Members of large objects, where each of them may be wrong."""

_LARGE: Final = 100

_VALUE: Final = 0.04
_MEMBER: Final = 0.2
_CONTAINER: Final = 0.6
_INSTANCE: Final = 2.5
"""Microseconds that the parts of arguments take."""

NO_SCHEMAS: Final = ("metadata", "serialization", "config", "cls")
"""Members of core schemas that are none."""


class ArgumentWork:
    """Says whether arguments are few enough; in any thread.

    Args:
        schema: The core schema of the model that they are the fields of; None if they
            are not validated by one.
    """

    def __init__(self, schema: Any = None) -> None:
        schema = _without_root(schema)
        kinds = {str(part.get("type")) for part in parts_of(schema)}
        is_made = not kinds.isdisjoint(("model", "dataclass"))
        visits = visits_of(schema)
        self._object = visits * (_INSTANCE if is_made else _CONTAINER)
        self._list = visits * _CONTAINER
        self._member = visits * _MEMBER
        self._value = visits * _VALUE
        self._bounds_members = "dataclass-args" in kinds

    def check(self, given: JSON, text: bytes) -> None:
        """Refuse arguments that are too many.

        Args:
            given: The arguments.
            text: The same as JSON.

        Raises:
            TooMuchWork: They are.
        """
        if len(text) <= MAX_SMALL:
            return
        if isinstance(given, Mapping) and len(given) > MAX_ARGUMENTS:
            raise TooMuchWork(f"has more than {MAX_ARGUMENTS} arguments")
        members = text.count(b'":')
        # As there may be brackets and commas in texts, this is too much at worst.
        most = (
            text.count(b"{") * self._object
            + text.count(b"[") * self._list
            + members * self._member
            + text.count(b",") * self._value
        )
        if most > MAX_WORK or (self._bounds_members and members > _MAX_MEMBERS):
            self._count(given)

    def _count(self, given: JSON) -> None:
        work, members = 0.0, 0
        waiting: list[Any] = [{"": given}]
        while waiting:
            container = waiting.pop()
            size = len(container)
            if isinstance(container, list):
                work += self._list + size * self._value
                items = container
            else:
                work += self._object + size * self._member
                members += size if size > _LARGE else 0
                items = container.values()
            if work > MAX_WORK:
                raise TooMuchWork("has too many values")
            if self._bounds_members and members > _MAX_MEMBERS:
                raise TooMuchWork(f"has objects of more than {_MAX_MEMBERS} members")
            waiting += [item for item in items if item.__class__ in _CONTAINERS]


_CONTAINERS: Final = frozenset({list, dict})


def _without_root(schema: Any) -> Any:
    """Leave out the model itself, as only one is made of it."""
    match schema:
        case {"type": "definitions", "schema": root, "definitions": definitions}:
            return [_without_root(root), definitions]
        case {"type": "model", "schema": fields}:
            return fields
    return schema


def parts_of(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Give a core schema, and all that is in it."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += [item for key, item in part.items() if key not in NO_SCHEMAS]
        elif isinstance(part, list | tuple):
            waiting += part


def visits_of(schema: Any) -> int:
    """Say how often a validator looks at one value at most, for as many alternatives.

    What contains itself is counted once.
    """
    match schema:
        case {"type": "union", "choices": list() as choices}:
            return sum(visits_of(choice) for choice in choices)
        case dict():
            parts = [part for key, part in schema.items() if key not in NO_SCHEMAS]
        case list() | tuple():
            parts = list(schema)
        case _:
            return 1
    return max(map(visits_of, parts), default=1)
