"""JSON Schema written for Python types, and what is wrong with values, in words.

`SchemaGenerator` writes the JSON Schema of a Python type, `explain` says what does not
fit it. Those that developers write are in `verbatim_schemas`.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Flag
from types import UnionType
from typing import Annotated, Any, NewType, Union, get_args, get_origin

from django.utils.functional import Promise
from pydantic import ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import SchemaError as SchemaBuildError
from pydantic_core import core_schema

from mcp_django.server.arguments.fitting import Doubt
from mcp_django.server.arguments.validation_watch import ALSO_TRIED
from mcp_django.server.schemas.octets import (
    ENCODED,
    encode,
    says_itself,
    with_base64,
    write_model,
)

MISSING = "missing, but required"
"""Why a value that is not there is wrong."""

MAX_SHOWN = 80
"""Characters shown of a value that came from the peer."""

MAX_REASON = 500
"""Characters shown of why one value is wrong."""

MAX_PROBLEMS = 10
"""Wrong values named in one text."""

MAX_COLLECTED = 1000
"""Wrong values above which none is named: to list a million takes seconds."""

# JSON Schema of Python types -------------------------------------------------------


def union_members(annotation: Any) -> Iterator[Any]:
    """Yield what a value may be: the members of a union, else the annotation alone.

    `Annotated` and `type` aliases are looked through.
    """
    aliases: list[Any] = []
    waiting = [annotation]
    while waiting:
        current = waiting.pop(0)
        if hasattr(current, "__value__"):
            # An alias may be defined by itself; one that takes types has an origin.
            alias = get_origin(current) or current
            if alias not in aliases:
                aliases.append(alias)
                waiting.insert(0, alias.__value__)
        elif get_origin(current) is Annotated:
            waiting.insert(0, get_args(current)[0])
        elif isinstance(current, NewType):
            waiting.insert(0, current.__supertype__)
        elif get_origin(current) in (Union, UnionType):
            waiting = [*get_args(current), *waiting]
        else:
            yield current


class SchemaGenerator(GenerateJsonSchema):
    """Writes the JSON Schema of Python types, without titles that pydantic made up."""

    # A default that is no JSON value is not shown; nothing to warn of. Frozen, where
    # pydantic has a set, though nothing is added to it.
    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    # Whether the model that is being written says itself how it handles bytes.
    _says_itself = False

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        outer = self._says_itself
        reads = schema.get("config", {}).get("val_json_bytes")
        is_ours = self.mode == "validation" and reads == "base64"
        self._says_itself = says_itself(schema) and not is_ours
        try:
            return _untitled(super().model_schema(schema), schema)
        finally:
            self._says_itself = outer

    def bytes_schema(self, schema: core_schema.BytesSchema) -> dict[str, Any]:
        # What a model says of its bytes, only pydantic knows how to write.
        return super().bytes_schema(schema) if self._says_itself else dict(ENCODED)

    def ser_schema(self, schema: Any) -> dict[str, Any] | None:
        function = schema.get("function")
        if function is encode:
            return dict(ENCODED)
        # A model is written with the members that it has anyway.
        return None if function is write_model else super().ser_schema(schema)

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> dict[str, Any]:
        written = super().decimal_schema(schema)
        # pydantic below 2.14 adds one that its own "1E-7" does not match.
        for described in (written, *written.get("anyOf", ())):
            described.pop("pattern", None)
        return written

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> dict[str, Any]:
        return self._as_written(super().datetime_schema(schema), schema)

    def time_schema(self, schema: core_schema.TimeSchema) -> dict[str, Any]:
        return self._as_written(super().time_schema(schema), schema)

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> dict[str, Any]:
        return self._as_written(super().timedelta_schema(schema), schema)

    def _as_written(
        self, written: dict[str, Any], schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Promise no format of results that not every value has.

        Clients of the official TypeScript SDK check formats, and know no time without
        a time zone, and no duration that is negative or has fractions.
        """
        is_aware = schema.get("tz_constraint") not in (None, "naive")
        if self.mode == "serialization" and "format" in written and not is_aware:
            format_ = written.pop("format")
            written["description"] = f"ISO 8601 {format_}"
        return written

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> dict[str, Any]:
        written = _untitled(super().dataclass_schema(schema), schema)
        # pydantic below 2.14 refuses what is extra, too, and does not say so.
        if schema.get("config", {}).get("extra_fields_behavior") == "forbid":
            written.setdefault("additionalProperties", False)
        return written

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        return _untitled(super().typed_dict_schema(schema), schema)

    def enum_schema(self, schema: core_schema.EnumSchema) -> dict[str, Any]:
        self._enums.add(schema["cls"].__name__)
        if issubclass(schema["cls"], Flag):
            names = ", ".join(f"{one.value} ({one.name})" for one in schema["cls"])
            return {"type": "integer", "description": f"Sum of some of {names}"}
        return super().enum_schema(schema)

    def encode_default(self, dft: Any) -> Any:
        # pydantic's own base64 is that for URLs.
        if isinstance(dft, bytes | list | tuple | dict) and not self._says_itself:
            dft = with_base64(dft)
        return super().encode_default(dft)

    def generate(
        self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation"
    ) -> dict[str, Any]:
        self._enums: set[str] = set()
        self._lazy: list[Promise] = []
        written = super().generate(schema, mode)
        # Enums get their title only after `enum_schema`, from their own core schema.
        for described in (written, *written.get("$defs", {}).values()):
            is_enum = "enum" in described or described.get("type") == "integer"
            if is_enum and described.get("title") in self._enums:
                del described["title"]
        restored: dict[str, Any] = _exchanged(written, self._lazy_text)
        return restored

    def generate_inner(self, schema: Any) -> dict[str, Any]:
        # pydantic below 2.14 hashes what it has written, which translates lazy texts.
        held: dict[str, Any] = _exchanged(super().generate_inner(schema), self._held)
        return held

    def _held(self, value: Any) -> Any:
        """Give the text that stands for a lazy one while the schema is written."""
        if not isinstance(value, Promise):
            return value
        known = [id(text) for text in self._lazy]
        if id(value) not in known:
            self._lazy.append(value)
            known.append(id(value))
        return f"{_LAZY}{known.index(id(value))}"

    def _lazy_text(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_LAZY):
            return self._lazy[int(value.removeprefix(_LAZY))]
        return value


_LAZY = "\0lazy "


def _exchanged(part: Any, exchange: Callable[[Any], Any]) -> Any:
    """Copy a part of a schema with some of its texts exchanged."""
    if isinstance(part, dict):
        return {key: _exchanged(value, exchange) for key, value in part.items()}
    if isinstance(part, list):
        return [_exchanged(item, exchange) for item in part]
    return exchange(part)


def _untitled(written: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    named_after = schema.get("cls")
    if named_after is not None and written.get("title") == named_after.__name__:
        del written["title"]
    return written


def why_unsuitable(error: Exception) -> str:
    """Say in a sentence why there is no validator or schema for a type.

    Args:
        error: What pydantic raised, or a hook of the type.
    """
    is_unresolved = isinstance(error, PydanticUndefinedAnnotation) or (
        isinstance(error, PydanticUserError) and error.code == "class-not-fully-defined"
    )
    if is_unresolved or isinstance(error, RecursionError):
        named = re.search(r"define `(\w+)`", str(error))
        name = repr(named[1]) if named else getattr(error, "name", None) or "something"
        return (
            f"it names {name}, which cannot be found, or is itself; an alias that is "
            "defined by itself must be a `TypeAliasType`, as `type` makes it in Python "
            "3.12"
        )
    if refused := refused_pattern(error):
        return f"it {refused}"
    sentence = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
    return sentence or type(error).__name__


def refused_pattern(error: Exception) -> str | None:
    """Say that a pattern is none to pydantic, which has a regex engine of its own.

    That takes time in proportion to the text, and so has neither look-ahead nor
    back-references.

    Returns:
        What follows the name of the parameter; None if something else is wrong.
    """
    text = str(error)
    if not isinstance(error, SchemaBuildError) or "regex" not in text:
        return None
    *before, reason = [line.strip() for line in text.splitlines()]
    reason = reason.removeprefix("SchemaError: ").removeprefix("error: ")
    shown = ""
    if before and before[-1].strip("^ ") == "":
        # A pattern of one line, and below it what is wrong in it.
        shown = f" {before[-2]!r}"
    return (
        f"has a pattern that pydantic's regex engine refuses{shown}: "
        f"{reason.rstrip('.')}; write another one, or check the value in the function"
    )


# What is wrong, in words ------------------------------------------------------------

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_SHOWN


def explain(
    error: ValidationError | None,
    given: Any,
    *,
    doubts: Sequence[Doubt] = (),
    expected: Iterable[str] | None = None,
    show_values: bool = True,
) -> str:
    """Say what is wrong with a value, each place with its reason; "" if nothing is.

    Args:
        error: What pydantic raised, if it did.
        given: The value.
        doubts: What is wrong with it besides; told instead of what pydantic says of
            the same place.
        expected: The names that `given` may have at its top, if they are known.
        show_values: Whether the text may contain parts of the value.
    """
    count = 0 if error is None else error.error_count()
    if count > MAX_COLLECTED:
        return f"{count} values are wrong, too many to name"
    found = {
        place_of(doubt.path): _with_value(doubt.reason, doubt.value, show_values)
        for doubt in doubts[: MAX_PROBLEMS + 1]
    }
    texts = [f"{place}: {reason}" for place, reason in found.items()]
    details = [] if error is None else error.errors(include_url=False)
    details = [detail for detail in details if detail["type"] != ALSO_TRIED]
    # Some versions of pydantic tell first of unexpected arguments.
    details.sort(key=lambda detail: detail["type"] == "extra_forbidden")
    for detail in details[: MAX_PROBLEMS + 1]:
        location, kind = detail["loc"], detail["type"]
        place, variant = _place(location, given, ends_in_name=kind == "missing")
        if place in found:
            continue
        if kind == "missing":
            reason = variant + MISSING
        elif kind == "extra_forbidden" and len(location) == 1 and expected is not None:
            reason = unexpected(expected)
        else:
            reason = detail["msg"].removeprefix("Value error, ")
            if tag := detail.get("ctx", {}).get("tag"):
                reason = reason.replace(tag, shown_name(tag) if show_values else "")
            reason = variant + cut(reason, MAX_REASON)
            reason = _with_value(reason, detail["input"], show_values)
        texts.append(f"{place}: {reason}" if place else reason)
    return joined(texts)


def _with_value(reason: str, value: Any, show_values: bool) -> str:
    return f"{reason} (got {shown(value)})" if show_values else reason


def place_of(path: Iterable[int | str]) -> str:
    """Write where a value is, such as "books[2].title"; "" for the whole."""
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{shown_name(part)}"
        for part in path
    )
    return cut(text.removeprefix("."), MAX_REASON)


def shown(value: Any) -> str:
    """Write a value that came from the peer, or its beginning."""
    return cut(_repr.repr(value), MAX_SHOWN)


def unexpected(expected: Iterable[str]) -> str:
    """Say why an argument is wrong that the handler does not take."""
    names = ", ".join(expected)
    if not names:
        return "unexpected argument, none is expected"
    return f"unexpected argument, expected are {names}"


def _place(
    location: tuple[int | str, ...], value: Any, *, ends_in_name: bool
) -> tuple[str, str]:
    """Split pydantic's location into a path in the value, and the variant tried there.

    In a union, pydantic puts the name of the member it tried between the names.
    """
    path: list[int | str] = []
    variants: list[str] = []
    for position, part in enumerate(location, start=1):
        if _has(value, part):
            value = value[part]
            path.append(part)
        elif ends_in_name and position == len(location):
            path.append(part)
        elif part:
            variants.append(str(part))
    variant = cut(".".join(variants), MAX_SHOWN)
    return place_of(path), f"as {variant}: " if variant else ""


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, list | tuple):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def shown_name(name: str) -> str:
    """Write a name that came from the peer, or its beginning."""
    return cut(name, MAX_SHOWN) if name.isprintable() else shown(name)


def cut(text: str, limit: int) -> str:
    """Write a text, or its beginning."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def joined(found: list[str]) -> str:
    """Write a sentence of the first problems."""
    if len(found) > MAX_PROBLEMS:
        found = [*found[:MAX_PROBLEMS], "and more"]
    return "; ".join(found)
