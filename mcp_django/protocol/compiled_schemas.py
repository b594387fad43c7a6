"""Plain schemas, compiled to what a compiled engine checks values by.

Large results are checked a hundred times as fast as by `foreign_schemas`, which does
what is not plain: a verdict of this module means the same.

Bounded is how much a schema of strangers can ask for: how often one part of a value is
looked at; see `schema_compiler`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import (
    CoreConfig,
    PydanticSerializationError,
    SchemaValidator,
    ValidationError,
    to_json,
)
from pydantic_core import SchemaError as CoreSchemaError

from mcp_django.protocol.compiled_parts import (
    UNDECIDED,
    Fault,
    NotPlain,
    TooMuchWork,
    Verdict,
    counting_faults,
)
from mcp_django.protocol.jsonrpc import JSON
from mcp_django.protocol.schema_compiler import SchemaCompiler

MAX_VISITS: Final = 20_000_000
"""Bytes of a value as JSON, times how often each of them is looked at."""

_CONFIG: Final = CoreConfig(regex_engine="rust-regex")


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """A schema that the engine knows.

    Attributes:
        visits: How often one part of a value is looked at, at most.
    """

    visits: int
    _engine: SchemaValidator

    def can_check(self, value: JSON, max_visits: int = MAX_VISITS) -> bool:
        """Say whether a value is small enough for as many visits."""
        try:
            return len(to_json(value)) * self.visits <= max_visits
        except PydanticSerializationError:
            return False  # it holds half a character, which the engine does not take

    def check(
        self, value: JSON, *, size: int | None = None, max_visits: int = MAX_VISITS
    ) -> Verdict:
        """Say whether a value fits, if that takes no more work than is bounded.

        Args:
            value: Any JSON value.
            size: Its bytes as JSON, if that is known.
            max_visits: These, times how often each of them is looked at.
        """
        try:
            if size is None:
                is_small = self.can_check(value, max_visits)
            else:
                is_small = size * self.visits <= max_visits
            fault = self.find_fault(value) if is_small else UNDECIDED
        except TooMuchWork:
            fault = UNDECIDED
        return Verdict(fault is None, None if fault is UNDECIDED else fault)

    def find_fault(self, value: JSON) -> Fault | None:
        """Say what of a value does not fit, and where; None if all does.

        Raises:
            TooMuchWork: Too many members are wrong.
        """
        try:
            with counting_faults():
                self._engine.validate_python(value)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
            found = [(fault["msg"], _path_of(fault["loc"], value)) for fault in faults]
            # The others are alternatives that did not come as far.
            return max(found, key=lambda fault: len(fault[1]))
        return None


def _path_of(location: Iterable[str | int], value: JSON) -> list[str | int]:
    """Leave out of a location what names parts of the schema."""
    path: list[str | int] = []
    for step in location:
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                continue
        path.append(step)
    return path


def compile_schema(schema: JSON) -> CompiledSchema | None:
    """Compile a schema that was found to be one; None if it is not plain.

    Args:
        schema: Which fits the schema of schemas.
    """
    try:
        part = SchemaCompiler(schema).compile_document()
        return CompiledSchema(part.visits, SchemaValidator(part.core, _CONFIG))
    except (NotPlain, CoreSchemaError):
        return None
