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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from time import thread_time
from typing import Any, Final, Never, TypeAlias

from pydantic import BaseModel
from pydantic_core import (
    CoreConfig,
    PydanticCustomError,
    PydanticKnownError,
    SchemaValidator,
    core_schema,
)

from mcp_django.protocol.compiled_parts import MAX_FAULTS, TooMuchWork
from mcp_django.protocol.counted_schemas import linear, size_of
from mcp_django.server.allowance import allowance
from mcp_django.server.argument_work import MAX_SMALL, NO_SCHEMAS, parts_of
from mcp_django.server.patterns import BoundedSearch

ALSO_TRIED: Final = "also_tried"
"""Type of the faults that say nothing, but that an alternative was tried."""

_MAX_SECONDS: Final = 0.03
"""Time that alternatives may take which contain each other."""

_MIN_SECONDS: Final = 0.005
"""The same if other checks have taken all that there is."""

_MAX_CALLED_SECONDS: Final = 0.08
_MIN_CALLED_SECONDS: Final = 0.04
"""Time for large arguments in which there are values that take long to make."""

_MAX_READ: Final = 8000
"""Characters that pydantic makes something of by functions of its own."""

_MAX_SEARCHED: Final = 10_000_000
"""Characters of large arguments, times the sizes of patterns looked for in them."""

_SEARCH_COST: Final = 150
"""Of one search, in the same measure."""

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

    Args:
        model: Whose fields are the arguments. It has no validators of its own.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._core: Any = model.__pydantic_core_schema__
        self._is_plain = not _needs_watching(self._core)
        self._validate = model.__pydantic_validator__.validate_json

    def validate(self, text: bytes, *, strict: bool | None = None) -> Validated:
        """Validate arguments.

        Raises:
            ValidationError: They do not fit.
            TooMuchWork: It takes too much to find out.
        """
        if len(text) > MAX_SMALL:
            validator = self._stopping
        elif self._is_plain:
            # On the hot path.
            instance = self._validate(text, strict=strict)
            return instance.__dict__, instance.__pydantic_extra__
        else:
            validator = self._watched
        with _watching():
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
        with _watching():
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
                return _counted(copied)
            case "str" if "pattern" in schema:
                return self._text(copied)
            case "model" if self.stops and change.is_closed(schema["schema"]):
                return _without_extra(copied)
            case str(kind) if self.stops and kind in _SERIES:
                copied["fail_fast"] = True
            case str(kind) if self.stops and kind in _NAMED:
                change._bound_members(copied)
            case str() if self.stops and _is_slow(schema):
                return _timed(copied)
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
            check = partial(_check_python, pattern)
        elif self.stops and (found := linear(pattern)) is not None:
            check = partial(_check_linear, found, pattern, size_of(pattern))
        else:
            return {**schema, "pattern": pattern}
        return core_schema.no_info_after_validator_function(
            check, schema, ref=schema.pop("ref", None)
        )

    def _bound_members(self, schema: dict[str, Any]) -> None:
        """Count the members that are wrong or unknown, all of which are collected."""
        if self.is_closed(schema):
            schema |= {"extra_behavior": "allow", "extras_schema": _UNKNOWN}
        elif "extras_schema" in schema:
            schema["extras_schema"] = _either(schema["extras_schema"])


# What is called while a value is validated ------------------------------------------


class _Watch:
    """What is left of the work of one validation."""

    __slots__ = (
        "_began",
        "_called_seconds",
        "_faults",
        "_searched",
        "_seconds",
        "search",
    )

    def __init__(self) -> None:
        self._faults = MAX_FAULTS
        self._searched = _MAX_SEARCHED
        self._began = thread_time()
        self._seconds = allowance.ask(_MAX_SECONDS, _MIN_SECONDS)
        self._called_seconds = allowance.ask(_MAX_CALLED_SECONDS, _MIN_CALLED_SECONDS)
        self.search = BoundedSearch()

    def count_fault(self) -> None:
        """Count a member that is wrong or unknown.

        Raises:
            TooMuchWork: There are too many.
        """
        self._faults -= 1
        if self._faults < 0:
            raise TooMuchWork(f"has more than {MAX_FAULTS} wrong members")

    def count_attempt(self) -> None:
        """Look at the clock, as an alternative was tried.

        Raises:
            TooMuchWork: It took too long.
        """
        if thread_time() - self._began > self._seconds:
            allowance.spend(self._seconds)
            raise TooMuchWork("has alternatives that take too long to try")

    def count_call(self) -> None:
        """Look at the clock, as something is made that takes long.

        Raises:
            TooMuchWork: All that was made so far took too long.
        """
        if thread_time() - self._began > self._called_seconds:
            allowance.spend(self._called_seconds)
            raise TooMuchWork("has values that take too long to make")

    def count_searched(self, work: int) -> None:
        """Count characters in which a pattern is looked for, times its size.

        Raises:
            TooMuchWork: There are too many.
        """
        self._searched -= work + _SEARCH_COST
        if self._searched < 0:
            raise TooMuchWork("has patterns to find in too many or too long texts")


_watch: ContextVar[_Watch] = ContextVar("mcp_django_validation")


@contextmanager
def _watching() -> Iterator[None]:
    token = _watch.set(_Watch())
    try:
        yield
    finally:
        _watch.reset(token)


def _refuse_unknown(value: object) -> Never:
    _watch.get().count_fault()
    raise PydanticKnownError("extra_forbidden")


def _refuse_wrong(value: object) -> Never:
    watch = _watch.get()
    watch.count_fault()
    watch.count_attempt()
    raise PydanticCustomError(ALSO_TRIED, "tried in vain")


def _take(value: Any) -> Any:
    _watch.get().count_attempt()
    return value


_UNKNOWN: Final = core_schema.no_info_plain_validator_function(_refuse_unknown)
_WRONG: Final = core_schema.no_info_plain_validator_function(_refuse_wrong)


def _either(schema: Any) -> core_schema.CoreSchema:
    """Count what is wrong; what is right costs nothing."""
    return core_schema.union_schema([(schema, ""), (_WRONG, "")], mode="left_to_right")


def _counted(schema: Any) -> core_schema.CoreSchema:
    """Count what is right, too."""
    return _either(core_schema.no_info_after_validator_function(_take, schema))


def _is_slow(schema: Mapping[str, Any]) -> bool:
    """Say whether a value takes a hundred times as long to make as a number."""
    kind = schema["type"]
    return kind in _SLOW or (
        kind == "decimal" and not schema.keys().isdisjoint(_BOUNDS_OF_DECIMALS)
    )


def _timed(schema: dict[str, Any]) -> core_schema.CoreSchema:
    """Look at the clock after each value, and at the length of some before."""
    ref = schema.pop("ref", None)
    timed: Any = schema
    function = schema.get("function", {}).get("function")
    module = str(getattr(function, "__module__", ""))
    if schema["type"] == "function-plain" and module.startswith("pydantic."):
        # Such as those for expressions and addresses, which are not meant to be long.
        timed = core_schema.no_info_before_validator_function(_take_short, timed)
    return core_schema.no_info_after_validator_function(_take_in_time, timed, ref=ref)


def _take_short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_READ:
        raise TooMuchWork(f"has a text of more than {_MAX_READ} characters")
    return value


def _take_in_time(value: Any) -> Any:
    _watch.get().count_call()
    return value


def _without_extra(model: dict[str, Any]) -> core_schema.CoreSchema:
    """Let a model have no other members, as if they were not allowed."""
    ref = model.pop("ref", None)

    def forget(instance: Any) -> Any:
        object.__setattr__(instance, "__pydantic_extra__", None)
        return instance

    return core_schema.no_info_after_validator_function(forget, model, ref=ref)


def _check_python(pattern: str | re.Pattern[str], text: str) -> str:
    """Find a pattern as Python does, in bounded time."""
    if not _watch.get().search(pattern, text):
        shown = pattern if isinstance(pattern, str) else pattern.pattern
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": shown})
    return text


def _check_linear(engine: SchemaValidator, pattern: str, size: int, text: str) -> str:
    """Find a pattern in a bounded number of characters."""
    _watch.get().count_searched(size * len(text))
    if not engine.isinstance_python(text):
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
    return text
