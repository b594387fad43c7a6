"""What a value may be, by one part of a JSON Schema that was made of Python types."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from mcp_django.protocol.jsonrpc import JSON

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

OF_TIME: Final = frozenset({"date", "date-time", "duration", "time"})
"""Formats for which validators take a number in a text for one of seconds."""

_FINITE: Final = "Input should be a finite number"
# Possessive, as they are looked for in texts as long as a message.
NUMBER: Final = re.compile(r"[+-]?[0-9]++(\.[0-9]*+)?([eE][+-]?[0-9]++)?", re.ASCII)
_NOT_FINITE: Final = frozenset({"inf", "infinity", "nan"})


@dataclass(frozen=True, slots=True)
class PossibleValues:
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
    def of(cls, members: Sequence[Mapping[str, Any]]) -> PossibleValues:
        kinds = [_kinds(one) for one in members]
        formats = [_OF_TEXT.get(one.get("format", "")) for one in members]
        return cls(
            None if None in kinds else frozenset().union(*filter(None, kinds)),
            [one for one in members if "array" in (_kinds(one) or ())],
            [one for one in members if "object" in (_kinds(one) or ())],
            [choice for one in members for choice in choices_of(one) or ()],
            any(_is_text(one) for one in members),
            next(filter(None, formats), None),
            any(one.get("format") in OF_TIME for one in members),
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


def choices_of(schema: Mapping[str, Any]) -> list[Any] | None:
    """Give the values that a schema lets choose from; None if it lists none."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _kinds(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Name the JSON types that a schema allows; None for any."""
    if "type" in schema:
        kinds = schema["type"]
        return frozenset([kinds] if isinstance(kinds, str) else kinds)
    choices = choices_of(schema)
    return None if choices is None else frozenset(_KINDS[type(c)] for c in choices)


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = _kinds(schema)
    if kinds is None:
        return True
    is_free = choices_of(schema) is None and schema.get("format") not in _OF_TEXT
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
    return isinstance(value, str) and NUMBER.fullmatch(value.strip()) is not None


def _has_tags_of(value: Mapping[str, Any], described: Mapping[str, Any]) -> bool:
    for name, part in described.get("properties", {}).items():
        choices = choices_of(part) if isinstance(part, dict) else None
        if choices is not None and name in value and value[name] not in choices:
            return False
    return True
