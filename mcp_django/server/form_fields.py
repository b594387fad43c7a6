"""Fields of forms made from a verbatim schema, read as those of models are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from jsonschema import FormatChecker
from pydantic import AnyUrl, ConfigDict, TypeAdapter

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.arguments.fitting import Fitting

FORMATS: Final = ("email", "uri", "date", "date-time")
"""All that a form has. Spec: 2025-11-25 client/elicitation, "String Schema"."""

_MAX_CHARACTERS: Final = 8000
"""Longest text that may be of one of these formats."""

FORMAT_CHECKER: Final = FormatChecker(formats=())
"""Checks those formats; validators of JSON Schema by themselves check none."""

_BEGINS_WITH_YEAR: Final = re.compile(r"\d{4}-")

_DATE: Final = TypeAdapter(date)
_DATETIME: Final = TypeAdapter(datetime)
_URL: Final = TypeAdapter(AnyUrl)
_FINITE: Final = ConfigDict(allow_inf_nan=False)
_NUMBERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    "integer": TypeAdapter(int),
    "number": TypeAdapter(float, config=_FINITE),
    "boolean": TypeAdapter(bool),
}
"""What reads a text that can only be meant as one of these."""


@FORMAT_CHECKER.checks("email", raises=ValidationError)
def _is_email(value: object) -> bool:
    if isinstance(value, str):
        validate_email(value)  # which refuses long ones
    return True


@FORMAT_CHECKER.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return len(value) <= _MAX_CHARACTERS and bool(_URL.validate_python(value))


@FORMAT_CHECKER.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return _is_moment(value, _DATE)


@FORMAT_CHECKER.checks("date-time", raises=ValueError)
def _is_datetime(value: object) -> bool:
    return _is_moment(value, _DATETIME)


def _is_moment(value: object, adapter: TypeAdapter[Any]) -> bool:
    if not isinstance(value, str):
        return True
    # Other numbers are seconds, to pydantic.
    is_dated = (
        len(value) <= _MAX_CHARACTERS and _BEGINS_WITH_YEAR.match(value) is not None
    )
    return is_dated and adapter.validate_python(value) is not None


class VerbatimFields:
    """Converts what was filled in, as far as it can be meant in one way only.

    Args:
        schema: The requested schema, without lazy texts.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._fitting = Fitting(schema)
        self._properties: Mapping[str, Any] = schema.get("properties", {})

    def fit(self, values: JSONObject) -> JSONObject:
        """Convert the values by field; parts of them may be changed."""
        # What is doubtful, such as true for a number, JSON Schema refuses by itself.
        fitted, _doubts = self._fitting.fit(values)
        return {name: self._read(name, value) for name, value in fitted.items()}

    def _read(self, name: str, value: JSON) -> JSON:
        possible = self._fitting.possible(self._properties.get(name))
        kinds = possible.kinds
        if kinds is None:
            return value
        if isinstance(value, str):
            is_text = possible.choices or "string" in kinds
            return value if is_text else _number(value, kinds)
        is_whole = isinstance(value, float) and value.is_integer()
        return int(value) if is_whole and "number" not in kinds else value


def _number(text: str, kinds: frozenset[str]) -> JSON:
    for kind, adapter in _NUMBERS.items():
        if kind in kinds:
            try:
                number: JSON = adapter.validate_python(text)
            except ValueError:
                continue
            return number
    return text
