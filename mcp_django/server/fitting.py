"""Arguments as clients really send them, made to fit the schema that they were shown.

Models write lists as JSON text, null or "" for what they do not want to say, and true
for 1; prompts and URIs have nothing but text. What can be meant in one way only is read
so. What a validator would take in spite of the schema is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from mcp_django.protocol.jsonrpc import JSON
from mcp_django.server.references import PREFIX, parts_of

MAX_FITTED: Final = 30_000
"""Values looked at in one request, which takes about a thirtieth of a second."""

MAX_READ: Final = 100_000
"""Characters of all texts in one request that are read as JSON."""

_NUMERIC: Final = frozenset({"integer", "number"})
_KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_OF_TEXT: Final[Mapping[str, str]] = {
    "date": "date",
    "date-time": "datetime",
    "duration": "duration",
    "time": "time",
    "uuid": "UUID",
}
"""Formats of text that are types of their own -> what they are called."""

_OF_TIME: Final = frozenset({"date", "date-time", "duration", "time"})
"""Formats for which validators take a number in a text for one of seconds."""

_TOO_MANY: Final = "too many values here are not as the schema says"
_FINITE: Final = "Input should be a finite number"
# Possessive, as they are looked for in texts as long as a message.
_NUMBER: Final = re.compile(r"[+-]?[0-9]++(\.[0-9]*+)?([eE][+-]?[0-9]++)?", re.ASCII)
_NOT_FINITE: Final = frozenset({"inf", "infinity", "nan"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A value that is refused, whatever a validator makes of it."""

    path: Sequence[int | str]
    reason: str
    value: JSON


class Fitting:
    """Makes JSON values fit a schema; good for any number of them, in any thread.

    Args:
        schema: As it was made of Python types.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._definitions: Mapping[str, Any] = schema.get("$defs", {})
        # By the ids of schemas, which live as long as this does.
        self._known: dict[int, _Possible] = {}
        self._is_needed_always = _has_numeric_choices(schema)
        self._suspicious = _suspicious(schema)

    def is_needed_for(self, text: bytes) -> bool:
        """Say whether a strict validator may take what the schema does not.

        Args:
            text: The value as JSON.
        """
        # On the hot path: nothing else looks at what fits.
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

    def possible(self, schema: Any) -> _Possible:
        """Say what a value of a schema may be."""
        known = self._known.get(id(schema))
        if known is None:
            members = self._members(schema)
            known = self._known[id(schema)] = _Possible.of(members)
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


@dataclass(frozen=True, slots=True)
class _Possible:
    """What a value may be, by one schema.

    Attributes:
        kinds: JSON types; None for any.
        arrays: Members that are arrays.
        objects: Members that are objects.
        choices: The values to choose from, of all members.
        is_text: Whether any text will do.
        of_text: What a text stands for that stands for another type.
        is_time: Whether a text stands for a date, a time or a duration.
        is_base64: Whether a text stands for bytes, and none for itself.
    """

    kinds: frozenset[str] | None
    arrays: Sequence[Mapping[str, Any]]
    objects: Sequence[Mapping[str, Any]]
    choices: Sequence[Any]
    is_text: bool
    of_text: str | None
    is_time: bool
    is_base64: bool

    @classmethod
    def of(cls, members: Sequence[Mapping[str, Any]]) -> _Possible:
        kinds = [_kinds(one) for one in members]
        formats = [_OF_TEXT.get(one.get("format", "")) for one in members]
        return cls(
            None if None in kinds else frozenset().union(*filter(None, kinds)),
            [one for one in members if "array" in (_kinds(one) or ())],
            [one for one in members if "object" in (_kinds(one) or ())],
            [choice for one in members for choice in _choices(one) or ()],
            any(_is_text(one) for one in members),
            next(filter(None, formats), None),
            any(one.get("format") in _OF_TIME for one in members),
            {one.get("contentEncoding") for one in members if _is_text(one)}
            == {"base64"},
        )

    @property
    def is_null(self) -> bool:
        return self.kinds is None or "null" in self.kinds

    @property
    def leaves_text(self) -> bool:
        """Whether nothing is to be found out about a text."""
        return self.kinds is not None and not (
            self.is_time
            or self.choices
            or self.kinds & {"array", "null", "number", "object"}
        )

    @property
    def _is_number(self) -> bool:
        return self.kinds is not None and not self.kinds.isdisjoint(_NUMERIC)

    def takes_text(self, text: str) -> bool:
        """Whether a text can be meant as it is."""
        return self.is_text or text in self.choices

    def says_nothing(self, value: JSON) -> bool:
        """Whether a value is null or blank, and that is not possible."""
        if value is None:
            return not self.is_null
        is_blank = isinstance(value, str) and not value.strip()
        return is_blank and not self.takes_text(str(value))

    def read(self, text: str) -> JSON:
        """Read text as JSON where it cannot be meant as text."""
        if text == "null" and self.is_null and self.is_base64:
            return None  # which is base64 as well, of three odd bytes
        if self.takes_text(text):
            return text
        if text.strip() == "null":
            return None if self.is_null else text
        is_container = text.lstrip()[:1] in ("[", "{")
        is_number = self.is_time and self._is_number and _is_number(text)
        if not (is_container or self.choices or is_number):
            return text  # Numbers and the like are the validator's business.
        try:
            value: JSON = from_json(text, allow_inf_nan=False)
        except ValueError:
            return text
        if isinstance(value, list):
            return value if self.arrays else text
        if isinstance(value, dict):
            return value if self.objects else text
        if is_number:
            return value
        is_choice = any(type(c) is type(value) and c == value for c in self.choices)
        return value if is_choice else text

    def meant(self, value: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Choose the object that a value is meant as, by its tags and names."""
        objects = self.objects
        if len(objects) > 1:
            objects = [one for one in objects if _has_tags_of(value, one)]
        if len(objects) > 1:
            objects = [o for o in objects if value.keys() >= set(o.get("required", ()))]
        return objects[0] if len(objects) == 1 else None

    def doubt(self, value: JSON) -> str | None:
        """Say why a value is refused that a validator would take."""
        kinds = self.kinds
        if kinds is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(value, bool) and "boolean" not in kinds and kinds & _NUMERIC:
            kind = "number" if "number" in kinds else "integer"
            return f"Input should be a valid {kind}"
        if is_number and "boolean" in kinds and not kinds & _NUMERIC:
            return "Input should be a valid boolean"
        if is_number and self.of_text and not kinds & _NUMERIC:
            return f"Input should be a valid {self.of_text}, as text"
        if self.is_time and not self.is_text and _is_number(value):
            return f"Input should be a valid {self.of_text}"
        if isinstance(value, str) and "string" not in kinds and "number" in kinds:
            return _FINITE if _is_not_finite(value) else None
        if isinstance(value, int | float) and "number" in kinds and _is_huge(value):
            return _FINITE
        return None


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

    def _read(self, text: str, possible: _Possible) -> JSON:
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
    choices = _choices(schema) or ()
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
    if schema.get("format") in _OF_TIME:
        space = rb"(?:\s++|\\[a-z])*+"
        yield b'"' + space + _NUMBER.pattern.encode() + space + b'"'
    if schema.get("contentEncoding") == "base64":
        yield b'"null"'
    for part in parts_of(schema):
        yield from _loose_texts(part)


def _choices(schema: Mapping[str, Any]) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _kinds(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Name the JSON types that a schema allows; None for any."""
    if "type" in schema:
        kinds = schema["type"]
        return frozenset([kinds] if isinstance(kinds, str) else kinds)
    choices = _choices(schema)
    return None if choices is None else frozenset(_KINDS[type(c)] for c in choices)


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = _kinds(schema)
    if kinds is None:
        return True
    is_free = _choices(schema) is None and schema.get("format") not in _OF_TEXT
    return "string" in kinds and is_free


def _is_not_finite(text: str) -> bool:
    if text.strip().lstrip("+-").lower() in _NOT_FINITE:
        return True
    return _is_number(text) and _is_huge(float(text))


def _is_huge(number: float) -> bool:
    """Say whether a number is beyond those that a float may be."""
    try:
        return math.isinf(number)
    except OverflowError:
        return True


def _is_number(value: JSON) -> bool:
    """Say whether a text is a number."""
    return isinstance(value, str) and _NUMBER.fullmatch(value.strip()) is not None


def _has_tags_of(value: Mapping[str, Any], described: Mapping[str, Any]) -> bool:
    for name, part in described.get("properties", {}).items():
        choices = _choices(part) if isinstance(part, dict) else None
        if choices is not None and name in value and value[name] not in choices:
            return False
    return True
