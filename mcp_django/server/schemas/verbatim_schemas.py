"""JSON Schemas as developers wrote them, and values that are checked by them.

The developer of the schema is trusted, the sender of a value is not: each check has
a bound.
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError
from jsonschema.exceptions import ValidationError as SchemaViolation
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # has no py.typed
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaRegistry, specification_with

from mcp_django.protocol.compiled_parts import TooMuchWork, Verdict
from mcp_django.protocol.compiled_schemas import CompiledSchema, compile_schema
from mcp_django.protocol.counted_schemas import Budget, bounded, counting
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.arguments.allowance import allowance
from mcp_django.server.schemas.json_schema import (
    MAX_PROBLEMS,
    MAX_REASON,
    cut,
    joined,
    place_of,
    shown,
)
from mcp_django.server.schemas.patterns import BoundedSearch, check_pattern
from mcp_django.server.texts import UNTRANSLATED, untranslated

MAX_STEPS = 20_000
"""Steps of one check by a developer's schema, which take less than a tenth of a second.

What is plain takes none: see `protocol.compiled_schemas`.
"""

_ALL_STEPS_SECONDS = 0.05
_LEAST_STEPS = 1000
_STEPS_OF_BYTE = 2
"""What there is of them if other checks have taken all the time that there is."""

MAX_VISITS = 10_000_000
"""Bytes of a value as JSON, times how often a compiled schema looks at each of them."""

TOO_MUCH_WORK = "too much work to check; give fewer or shorter values at a time"
"""Why a value is refused that may fit."""


_REPEATED_GROUP = re.compile(r"\)[*+{]")


@dataclass(frozen=True, slots=True, eq=False)
class VerbatimSchema:
    """A JSON Schema as a developer wrote it, lazy texts included."""

    schema: dict[str, Any]
    _validator: Validator = field(repr=False)
    _compiled: CompiledSchema | None = field(repr=False)
    _text: str = field(repr=False)

    @classmethod
    def of(
        cls,
        schema: Mapping[str, Any],
        what: str,
        *,
        of_object: bool = True,
        format_checker: FormatChecker | None = None,
    ) -> VerbatimSchema:
        """Check a JSON Schema and make ready to validate with it.

        Args:
            schema: The schema, of dialect 2020-12 unless its `$schema` says otherwise.
            what: What it is, for messages, such as "input_schema of 'ship'".
            of_object: Whether it must have `"type": "object"`.
            format_checker: Checks `format`; None to take any text for any format.

        Raises:
            ValueError: It is no valid schema, is no JSON or nested too deeply, is in a
                dialect we do not know, or refers to a document outside itself.

        Spec: 2026-07-28 basic/index, "JSON Schema Usage".
        """
        if of_object and schema.get("type") != "object":
            raise ValueError(
                f'{what} must have "type": "object", not {schema.get("type")!r}'
            )
        try:
            shown = copy.deepcopy(dict(schema))
            own = untranslated(shown)
            text = _text_of(own)
            dialect = _dialect(own, what)
            dialect.check_schema(own)
        except RecursionError as error:
            raise ValueError(f"{what} is nested too deeply") from error
        except TypeError as error:  # of what writes JSON
            raise ValueError(f"{what} cannot be written as JSON: {error}") from error
        except SchemaError as error:
            place = place_of(error.absolute_path) or "its top"
            raise ValueError(
                f"{what} is no valid JSON Schema: at {place}: {error.message}"
            ) from error
        registry = _checked_references(own, dialect, what)
        validator = bounded(dialect)(
            own, registry=registry, format_checker=format_checker
        )
        # Only the validator knows formats.
        compiled = compile_schema(own) if format_checker is None else None
        return cls(shown, validator, compiled, text)

    def problems(
        self, value: JSON, *, show_values: bool = True, size: int | None = None
    ) -> str:
        """Say what is wrong with a JSON value; "" if nothing is.

        Args:
            value: The JSON value.
            show_values: Whether the text may contain parts of it.
            size: Its bytes as JSON, if that is known.

        Raises:
            TooMuchWork: It takes too many steps to find out.
        """
        try:
            violations = self._violations(value, size)
        except RecursionError:
            return "nested too deeply"
        except ArithmeticError:
            return "a number is too large"
        return joined([_violation_text(v, show_values=show_values) for v in violations])

    def wrong_members(self, value: JSONObject) -> set[str]:
        """Name the members of an object that do not fit."""
        found: set[str] = set()
        try:
            with self._counting():
                for violation in self._validator.iter_errors(value):
                    if violation.absolute_path:
                        found.add(str(violation.absolute_path[0]))
        except (TooMuchWork, RecursionError, ArithmeticError):
            pass  # which is said of the values as a whole
        return found

    def _violations(self, value: JSON, size: int | None) -> list[SchemaViolation]:
        """Give the first violations.

        Raises:
            TooMuchWork: It takes too many steps to find one.
            RecursionError, ArithmeticError: The value is more than Python takes.
        """
        verdict = Verdict(False)
        if self._compiled is not None:
            verdict = self._compiled.check(value, size=size, max_visits=MAX_VISITS)
        found: list[SchemaViolation] = []
        if verdict.fits:
            return found
        try:
            with self._counting(size):
                violations = self._validator.iter_errors(value)
                for violation in itertools.islice(violations, MAX_PROBLEMS + 1):
                    # For `anyOf` and its like: the violation in the branch meant most
                    # likely.
                    found.append(best_match([violation]) or violation)
        except TooMuchWork:
            allowance.spend(_ALL_STEPS_SECONDS)
            if verdict.fault is not None and not found:
                message, path = verdict.fault
                found.append(SchemaViolation(message, path=path, instance=value))
            if not found:
                raise
        return found

    def _counting(self, size: int | None = None) -> AbstractContextManager[None]:
        steps = MAX_STEPS
        if (
            size is not None
            and allowance.ask(_ALL_STEPS_SECONDS, 0) < _ALL_STEPS_SECONDS
        ):
            # As many as it takes to look at each part of a value once.
            steps = min(steps, _LEAST_STEPS + size * _STEPS_OF_BYTE)
        return counting(Budget(steps, self._text, BoundedSearch()))


def _text_of(schema: dict[str, Any]) -> str:
    return json.dumps(schema, separators=(",", ":"))


def _dialect(schema: dict[str, Any], what: str) -> type[Validator]:
    if "$schema" not in schema:
        return Draft202012Validator
    # `Validator` stands for "unknown": it is only the protocol of dialects.
    dialect: type[Validator] = validator_for(schema, default=Validator)
    if dialect is Validator:
        raise ValueError(
            f"{what} is in the unknown dialect {schema['$schema']!r}; leave $schema "
            "out for JSON Schema 2020-12"
        )
    return dialect


def _checked_references(
    schema: dict[str, Any], dialect: type[Validator], what: str
) -> SchemaRegistry:
    """Look up every reference in a schema.

    Returns:
        The documents it may refer to: itself and the specified meta-schemas.
    """
    specification = specification_with(str(dialect.META_SCHEMA["$schema"]))
    resource = specification.create_resource(schema)
    own_uri = resource.id() or ""
    registry: SchemaRegistry = REGISTRY.with_resource(own_uri, resource).crawl()
    waiting = [(resource, registry.resolver(own_uri))]
    looks_at_names = '"unevaluatedProperties":' in _text_of(schema)
    while waiting:
        resource, resolver = waiting.pop()
        contents = resource.contents if isinstance(resource.contents, dict) else {}
        for keyword in contents.keys() & {"$ref", "$dynamicRef"}:
            try:
                resolver.lookup(contents[keyword])
            except Unresolvable as error:
                raise ValueError(
                    f"{what} refers to {contents[keyword]!r}, which is not in it; "
                    "schemas are never fetched, put the definition under $defs"
                ) from error
        for pattern in _patterns_of(contents):
            _check_pattern(pattern, what)
        if looks_at_names:
            _check_unevaluated(contents, what)
        for keyword in contents.keys() & {"const", "enum", "pattern"}:
            given = contents[keyword]
            if UNTRANSLATED in (given if isinstance(given, list) else [given]):
                raise ValueError(
                    f"{what} has a lazy text in {keyword!r}; what is checked must not "
                    "depend on the language"
                )
        waiting += [
            (inner, resolver.in_subresource(inner)) for inner in resource.subresources()
        ]
    return registry


def _check_pattern(pattern: str, what: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError as error:
        raise ValueError(f"{what} has a pattern nobody can read: {error}") from None


def _check_unevaluated(schema: dict[str, Any], what: str) -> None:
    """Refuse what the library would leave to Python's own engine for patterns."""
    named = schema.get("patternProperties")
    for pattern in named if isinstance(named, dict) else ():
        if _REPEATED_GROUP.search(pattern):
            raise ValueError(
                f"{what} has unevaluatedProperties, and a repeated group in the "
                f"pattern {pattern!r} of patternProperties, which may take hours to "
                "find; write additionalProperties, or the pattern without the group"
            )


def _patterns_of(schema: Mapping[str, Any]) -> list[str]:
    """List the patterns that stand in a part of a schema itself."""
    pattern = schema.get("pattern")
    named = schema.get("patternProperties")
    return [
        *([pattern] if isinstance(pattern, str) else ()),
        *(named if isinstance(named, dict) else ()),
    ]


def _violation_text(violation: SchemaViolation, *, show_values: bool) -> str:
    value = shown(violation.instance) if show_values else "the value"
    reason = str(violation.message)
    if violation.validator is None:  # The schema is `false` here.
        reason = f"{value} is not allowed"
    elif reason.startswith(whole := repr(violation.instance)):
        reason = value + reason[len(whole) :]
    place = place_of(violation.absolute_path)
    reason = cut(reason, MAX_REASON)
    return f"{place}: {reason}" if place else reason
