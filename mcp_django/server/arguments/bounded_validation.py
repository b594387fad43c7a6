"""Validators of arguments that take bounded work, whatever they are given.

A validator of pydantic's collects all that is wrong, of which each takes most of a
kilobyte: a million wrong items take a gigabyte, and seconds. It tries each alternative
of a union, so that those that contain each other double with each level. A pattern
that Python's own engine reads may take for ever. And some values, such as addresses,
take a hundred times as long to make as a number.

What is small is validated by the model itself, if none of that can be. What is large is
counted first, and then validated by one that stops at the first wrong item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from pydantic_core import CoreConfig, SchemaValidator, core_schema

from mcp_django.protocol.counted_schemas import linear, size_of
from mcp_django.server.arguments.argument_work import MAX_SMALL, NO_SCHEMAS, parts_of
from mcp_django.server.arguments.validation_watch import (
    UNKNOWN,
    check_linear,
    check_python,
    counted,
    either,
    timed,
    watching,
)

_PYTHON: Final = "python-re"
_SERIES: Final = ("list", "tuple", "set", "frozenset", "dict")
_NAMED: Final = ("model-fields", "typed-dict")
_SLOW: Final = (
    "function-plain",
    "function-before",
    "function-after",
    "function-wrap",
    "url",
    "multi-host-url",
)
_BOUNDS_OF_DECIMALS: Final = ("multiple_of", "max_digits", "decimal_places")

Validated: TypeAlias = tuple[dict[str, Any], dict[str, Any] | None]
"""Values by field, and what else is allowed."""


class BoundedValidator:
    """Validates arguments given as JSON, by a model; in any thread.

    Attributes:
        of_small: Validates what is small as the model itself does; None if that may
            take long.

    Args:
        model: Whose fields are the arguments. It has no validators of its own.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._core: Any = model.__pydantic_core_schema__
        self.of_small = (
            None
            if _needs_watching(self._core)
            else model.__pydantic_validator__.validate_json
        )

    def validate(self, text: bytes, *, strict: bool | None = None) -> Validated:
        """Validate arguments.

        Raises:
            ValidationError: They do not fit.
            TooMuchWork: It takes too much to find out.
        """
        if len(text) > MAX_SMALL:
            validator = self._stopping
        elif self.of_small is not None:
            instance = self.of_small(text, strict=strict)
            return instance.__dict__, instance.__pydantic_extra__
        else:
            validator = self._watched
        with watching():
            values, extra, _ = validator.validate_json(text, strict=strict)
        return values, extra

    @cached_property
    def _watched(self) -> SchemaValidator:
        return self._make(stops=False)

    @cached_property
    def _stopping(self) -> SchemaValidator:
        return self._make(stops=True)

    def _make(self, *, stops: bool) -> SchemaValidator:
        core = self._core
        definitions = core.get("definitions", ())
        model = core["schema"] if definitions else core
        change = _Change(stops, _may_double(core), model.get("config", {}))
        schema = change.of(model["schema"])
        if definitions:
            schema = core_schema.definitions_schema(
                schema, [change.of(each) for each in definitions]
            )
        # Not those that the models in it have already; the name is pydantic's own.
        return SchemaValidator(schema, change.config, _use_prebuilt=False)


def make_bounded(model: type[BaseModel]) -> Callable[[bytes], BaseModel]:
    """Make what reads an instance of a model from JSON in bounded work.

    It raises what `BoundedValidator.validate` does.
    """
    core: Any = model.__pydantic_core_schema__
    schema = _Change(True, _may_double(core)).of(core)
    validator = SchemaValidator(schema, _use_prebuilt=False)

    def read(text: bytes) -> BaseModel:
        with watching():
            instance: BaseModel = validator.validate_json(text)
        return instance

    return read


def _needs_watching(core: Any) -> bool:
    """Say whether a validator may take long also for what is small."""
    return (
        _may_double(core)
        or any(isinstance(part.get("pattern"), re.Pattern) for part in parts_of(core))
        or any(
            _PYTHON in (part.get("regex_engine"), config.get("regex_engine"))
            for part in parts_of(core)
            if isinstance(config := part.get("config", {}), dict)
        )
    )


def _may_double(core: Any) -> bool:
    """Say whether there may be alternatives that contain each other."""
    types = {part.get("type") for part in parts_of(core) if _is_schema(part)}
    return types >= {"union", "definition-ref"}


def _is_schema(part: Mapping[str, Any]) -> bool:
    """Say so, as it may be a mapping of names, one of which may be "type"."""
    return isinstance(part.get("type"), str)


@dataclass(frozen=True, slots=True)
class _Change:
    """Changes core schemas so that their validators take bounded work.

    Attributes:
        stops: Whether to stop at the first wrong item.
        counts: Whether to count what is tried of alternatives.
        config: Of the model that the schema is in.
    """

    stops: bool
    counts: bool
    config: CoreConfig = field(default_factory=CoreConfig)

    def of(self, schema: Any) -> Any:
        """Give a changed copy."""
        if isinstance(schema, list | tuple):
            return type(schema)(self.of(item) for item in schema)
        if not isinstance(schema, dict):
            return schema
        change = replace(self, config=schema["config"]) if "config" in schema else self
        copied = {
            key: item if key in NO_SCHEMAS else change.of(item)
            for key, item in schema.items()
        }
        match schema.get("type"):
            case "definition-ref" if self.counts:
                return counted(copied)
            case "str" if "pattern" in schema:
                return self._text(copied)
            case "model" if self.stops and change.is_closed(schema["schema"]):
                return _without_extra(copied)
            case str(kind) if self.stops and kind in _SERIES:
                copied["fail_fast"] = True
            case str(kind) if self.stops and kind in _NAMED:
                change._bound_members(copied)
            case str() if self.stops and _is_slow(schema):
                return timed(copied)
        return copied

    def is_closed(self, schema: Any) -> bool:
        """Say whether what is in a model, or is named, has no other members."""
        while schema["type"] not in _NAMED:
            if "schema" not in schema:
                return False
            schema = schema["schema"]
        behavior = schema.get("extra_behavior")
        return (behavior or self.config.get("extra_fields_behavior")) == "forbid"

    def _text(self, schema: dict[str, Any]) -> Any:
        """Find a pattern in bounded time."""
        pattern = schema.pop("pattern")
        engine = schema.get("regex_engine", self.config.get("regex_engine"))
        if isinstance(pattern, re.Pattern) or engine == _PYTHON:
            check = partial(check_python, pattern)
        elif self.stops and (found := linear(pattern)) is not None:
            check = partial(check_linear, found, pattern, size_of(pattern))
        else:
            return {**schema, "pattern": pattern}
        return core_schema.no_info_after_validator_function(
            check, schema, ref=schema.pop("ref", None)
        )

    def _bound_members(self, schema: dict[str, Any]) -> None:
        """Count the members that are wrong or unknown, all of which are collected."""
        if self.is_closed(schema):
            schema |= {"extra_behavior": "allow", "extras_schema": UNKNOWN}
        elif "extras_schema" in schema:
            schema["extras_schema"] = either(schema["extras_schema"])


def _is_slow(schema: Mapping[str, Any]) -> bool:
    """Say whether a value takes a hundred times as long to make as a number."""
    kind = schema["type"]
    return kind in _SLOW or (
        kind == "decimal" and not schema.keys().isdisjoint(_BOUNDS_OF_DECIMALS)
    )


def _without_extra(model: dict[str, Any]) -> core_schema.CoreSchema:
    """Let a model have no other members, as if they were not allowed."""
    ref = model.pop("ref", None)

    def forget(instance: Any) -> Any:
        object.__setattr__(instance, "__pydantic_extra__", None)
        return instance

    return core_schema.no_info_after_validator_function(forget, model, ref=ref)
