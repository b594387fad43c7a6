"""Arguments as clients really send them, made to fit the schema that they were shown.

Models write lists as JSON text, null or "" for what they do not want to say, and true
for 1; prompts and URIs have nothing but text. What can be meant in one way only is read
so. What a validator would take in spite of the schema is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.schemas.possible_values import (
    NUMBER,
    OF_TIME,
    PossibleValues,
    choices_of,
)
from mcp_django.server.schemas.references import PREFIX, parts_of

MAX_FITTED: Final = 30_000
"""Values looked at in one request, which takes about a thirtieth of a second."""

MAX_READ: Final = 100_000
"""Characters of all texts in one request that are read as JSON."""

_TOO_MANY: Final = "too many values here are not as the schema says"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that is refused, whatever a validator makes of it."""

    path: Sequence[int | str]
    reason: str
    value: JSON


class Fitting:
    """Makes JSON values fit a schema; good for any number of them, in any thread.

    Attributes:
        may_be_needed: Whether a strict validator may take what the schema does not.

    Args:
        schema: As it was made of Python types.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        # By the ids of schemas, which live as long as this does.
        self._known: dict[int, PossibleValues] = {}
        self._is_needed_always = _has_numeric_choices(schema)
        self._suspicious = _suspicious(schema)
        self.may_be_needed = self._is_needed_always or self._suspicious is not None

    def is_needed_for(self, text: bytes) -> bool:
        """Say whether a strict validator may take this, and the schema does not.

        Args:
            text: The value as JSON.
        """
        if self._suspicious is None or self._is_needed_always:
            return self._is_needed_always
        return self._suspicious.search(text) is not None

    def fit(self, value: JSON) -> tuple[JSON, list[Doubt]]:
        """Convert what can be meant in one way only.

        Args:
            value: Any JSON value; parts of it may be changed.

        Returns:
            The value to validate, and what is wrong with it besides.
        """
        run = _Run(self)
        return run.fit(value, self._schema, None), run.doubts

    def possible(self, schema: Any) -> PossibleValues:
        """Say what a value of a schema may be."""
        known = self._known.get(id(schema))
        if known is None:
            members = self._members(schema)
            known = self._known[id(schema)] = PossibleValues.of(members)
        return known

    def _members(self, schema: Any) -> list[Mapping[str, Any]]:
        """List the members of a union, else the schema alone."""
        found: list[Mapping[str, Any]] = []
        seen: set[str] = set()
        waiting = [schema]
        while waiting:
            one = waiting.pop()
            if not isinstance(one, dict):
                found.append({})  # true, or nothing is said: anything
            elif "$ref" in one:
                if one["$ref"] not in seen:
                    seen.add(one["$ref"])
                    waiting.append(self._definitions.get(one["$ref"][len(PREFIX) :]))
            elif len(one.get("allOf", ())) == 1:
                waiting += one["allOf"]
            elif members := one.get("anyOf") or one.get("oneOf"):
                waiting += reversed(members)
            else:
                found.append(one)
        return found


class _Place:
    """Where a value is: under a key of another place."""

    __slots__ = ("key", "parent")

    def __init__(self, parent: _Place | None, key: int | str) -> None:
        self.parent = parent
        self.key = key

    def keys(self) -> Iterator[int | str]:
        if self.parent is not None:
            yield from self.parent.keys()
        yield self.key


class _Run:
    """Looks through one value."""

    __slots__ = ("_fitting", "_readable", "_seen", "doubts")

    def __init__(self, fitting: Fitting) -> None:
        self._fitting = fitting
        self._seen = 0
        self._readable = MAX_READ
        self.doubts: list[Doubt] = []

    def fit(self, value: JSON, schema: Any, place: _Place | None) -> JSON:
        self._seen += 1
        if self._seen > MAX_FITTED:
            if self._seen == MAX_FITTED + 1:
                self._doubt(place, _TOO_MANY, value)
            return value
        possible = self._fitting.possible(schema)
        if isinstance(value, str):
            value = self._read(value, possible)
        if isinstance(value, list):
            if len(possible.arrays) == 1:
                self._fit_items(value, possible.arrays[0], place)
        elif isinstance(value, dict):
            if (described := possible.meant(value)) is not None:
                self._fit_members(value, described, place)
        elif (reason := possible.doubt(value)) is not None:
            self._doubt(place, reason, value)
        return value

    def _read(self, text: str, possible: PossibleValues) -> JSON:
        read = possible.read(text) if len(text) <= self._readable else text
        if read is not text:
            self._readable -= len(text)
        return read

    def _doubt(self, place: _Place | None, reason: str, value: JSON) -> None:
        path = () if place is None else tuple(place.keys())
        self.doubts.append(Doubt(path, reason, value))

    def _fit_items(
        self, values: list[Any], array: Mapping[str, Any], place: _Place | None
    ) -> None:
        first = array.get("prefixItems", ())
        others = array.get("items")
        if (
            not first
            and self._fitting.possible(others).leaves_text
            and all(type(value) is str for value in values)
        ):
            return  # as there may be very many
        for position, value in enumerate(values):
            if self._seen > MAX_FITTED:
                return
            schema = first[position] if position < len(first) else others
            values[position] = self.fit(value, schema, _Place(place, position))

    def _fit_members(
        self, values: dict[str, Any], described: Mapping[str, Any], place: _Place | None
    ) -> None:
        properties = described.get("properties", {})
        required = described.get("required", ())
        others = described.get("additionalProperties")
        for name, value in list(values.items()):
            if self._seen > MAX_FITTED:
                return
            schema = properties.get(name, others)
            possible = self._fitting.possible(schema)
            says_nothing = possible.says_nothing(value)
            if says_nothing and name in properties and name not in required:
                del values[name]
            elif says_nothing and possible.is_null:
                values[name] = None
            else:
                values[name] = self.fit(value, schema, _Place(place, name))


def _has_numeric_choices(schema: Any) -> bool:
    """Whether a schema has numbers or booleans to choose from.

    To Python 1 and true are the same, so that validators take one for the other.
    """
    if not isinstance(schema, dict):
        return False
    choices = choices_of(schema) or ()
    return any(isinstance(choice, int | float) for choice in choices) or any(
        _has_numeric_choices(part) for part in parts_of(schema)
    )


def _suspicious(schema: Any) -> re.Pattern[bytes] | None:
    """Find what even strict validators take for something else, in a value as JSON.

    To them the number in a text is a date, and "null" is base64.
    """
    found = set(_loose_texts(schema))
    return re.compile(b"|".join(sorted(found))) if found else None


def _loose_texts(schema: Any) -> Iterator[bytes]:
    if not isinstance(schema, dict):
        return
    if schema.get("format") in OF_TIME:
        space = rb"(?>(?:\s++|\\[a-z])*)"
        yield b'"' + space + NUMBER.pattern.encode() + space + b'"'
    if schema.get("contentEncoding") == "base64":
        yield b'"null"'
    for part in parts_of(schema):
        yield from _loose_texts(part)
