"""Checks values by JSON Schemas of strangers, in bounded time.

Most schemas are plain, and checked by `compiled_schemas`; the steps of
`counted_schemas` are for the others, and for saying what is wrong. Patterns that the
linear engine does not know, such as a lookahead, are not checked; nor are formats.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # has no py.typed

from mcp_django.protocol.compiled_parts import TooMuchWork, Verdict
from mcp_django.protocol.compiled_schemas import CompiledSchema, compile_schema
from mcp_django.protocol.counted_schemas import Budget, bounded, counting
from mcp_django.protocol.jsonrpc import JSON

MAX_STEPS = 100_000
"""Steps of one check; they take about half a second."""

MAX_SCHEMA_BYTES = 200_000
"""Length of a schema as JSON above which it is not read."""


def find_fault(schema: JSON, value: JSON) -> ValidationError | None:
    """Say what of a value does not fit a schema; None if all does.

    References to other documents are not followed.

    Raises:
        TooMuchWork: The schema is too large, or takes too many steps.
        SchemaError: It is no JSON Schema.
        Unresolvable: It refers to what is not in it.
        Exception: Whatever else it does to the library, such as RecursionError.

    Spec: 2026-07-28 basic, "`$ref` Resolution".
    """
    text = json.dumps(schema, separators=(",", ":"))
    if len(text) > MAX_SCHEMA_BYTES:
        raise TooMuchWork(f"is longer than {MAX_SCHEMA_BYTES} bytes")
    compiled = _read(text)
    verdict = Verdict(False) if compiled is None else compiled.check(value)
    if verdict.fits:
        return None
    try:
        return _find_fault(schema, text, value)
    except TooMuchWork:
        if verdict.fault is None:
            raise
        message, path = verdict.fault
        return ValidationError(message, path=path)


@lru_cache(maxsize=64)
def _read(text: str) -> CompiledSchema | None:
    """Check that a schema is one, and compile it if it is plain.

    Raises:
        TooMuchWork, SchemaError, Exception: As for `find_fault`.
    """
    schema = json.loads(text)
    dialect = validator_for(schema, default=Draft202012Validator)
    meta_schema: Any = dialect.META_SCHEMA
    meta = bounded(validator_for(meta_schema, default=dialect))
    with counting(Budget(MAX_STEPS)):
        for error in meta(meta_schema, registry=REGISTRY).iter_errors(schema):
            raise SchemaError.create_from(error)
    return compile_schema(schema)


def _find_fault(schema: JSON, text: str, value: JSON) -> ValidationError | None:
    dialect = validator_for(schema, default=Draft202012Validator)
    with counting(Budget(MAX_STEPS, text)):
        validator = bounded(dialect)(schema, registry=REGISTRY)
        fault: ValidationError | None = best_match(validator.iter_errors(value))
        return fault
