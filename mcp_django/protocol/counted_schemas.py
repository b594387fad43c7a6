"""Checks values by JSON Schemas in counted steps.

The library that reads schemas trusts their authors, and the values as well: a
pattern, a chain of references, `uniqueItems` or ten thousand alternatives can keep it
busy for hours. Here every step is counted.

Patterns are read by a linear engine. What that does not know, such as a lookahead, is
the business of the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

import attrs
from jsonschema import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic_core import SchemaError as CoreSchemaError
from pydantic_core import SchemaValidator, core_schema

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON

_Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]

Search: TypeAlias = Callable[[str, str], bool]
"""Finds a pattern that the linear engine does not know in a text."""


@contextmanager
def counting(budget: Budget) -> Iterator[None]:
    """Count the steps that are taken in a block.

    A generator must be used up, or left, within it.
    """
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


class Budget:
    """What is left of the steps of one check.

    Args:
        steps: That may be taken; each takes about five microseconds.
        text: The schema by which a value is checked; "" for the schema of schemas.
        search: Finds patterns that the linear engine does not know. None if they are
            not checked, as their author is not trusted.
    """

    def __init__(
        self, steps: int, text: str = "", search: Search | None = None
    ) -> None:
        self._steps = self._left = steps
        self.search = search
        # To find names and anchors, the library reads the whole document each time.
        self.reference_cost = len(text) // 20 if _NAMED.search(text) else 0
        self.has_patterns = '"patternProperties":' in text

    def spend(self, steps: int) -> None:
        """Take steps.

        Raises:
            TooMuchWork: There are not as many left.
        """
        self._left -= steps
        if self._left < 0:
            raise TooMuchWork(f"takes more than {self._steps} steps to check")


_budget: ContextVar[Budget] = ContextVar("mcp_django_schema_steps")
_NAMED: Final = re.compile(r'"(\$?id|\$anchor|\$dynamicAnchor|\$recursiveAnchor)":')
_REPEATS: Final = re.compile(r"([)}])?\{(\d+)?,?(\d+)?\}")


@cache
def bounded(dialect: Any) -> Any:
    """Make the dialect whose steps are counted."""
    keywords = {name: _counted(name, f) for name, f in dialect.VALIDATORS.items()}
    counted: Any = extend(dialect, keywords)  # type: ignore[no-untyped-call]

    def evolve(self: Validator, **changes: Any) -> Any:
        _budget.get().spend(1)
        made = dialect.evolve(self, **changes)
        # Parts of a schema may name another dialect, which would count nothing.
        if type(made) in _ours:
            return made
        fields = [field for field in attrs.fields(type(made)) if field.init]
        values = {field.alias: getattr(made, field.name) for field in fields}
        theirs: Any = type(made)
        return bounded(theirs)(**values)

    counted.evolve = evolve
    _ours.add(counted)
    return counted


_ours: Final[set[Any]] = set()


def _counted(name: str, original: _Keyword) -> _Keyword:
    """Make the keyword whose steps are counted."""
    check = _REPLACED.get(name, original)

    def keyword(
        validator: Any, value: Any, instance: Any, schema: Any
    ) -> Iterator[ValidationError]:
        budget = _budget.get()
        if (
            name.startswith("unevaluated")
            and budget.has_patterns
            and budget.search is None
        ):
            return  # the library would match them with its own engine
        budget.spend(_cost(name, value, instance))
        for error in check(validator, value, instance, schema) or ():
            budget.spend(1 + len(error.message) // 500)
            yield error

    return keyword


def _cost(name: str, value: Any, instance: Any) -> int:
    if name in ("const", "enum"):
        return 1 + len(json.dumps(value)) // 100
    steps = 1
    if isinstance(value, list | dict):
        steps += len(value) // 10
    if isinstance(instance, list | dict):
        steps += len(instance) // 10
    if name.startswith("unevaluated") and isinstance(instance, list | dict):
        # The library looks each of them up in a list of all that are evaluated.
        steps += len(instance) ** 2 // 250
        if _budget.get().has_patterns:
            steps += sum(len(str(each)) ** 2 // 1000 for each in instance)
    if name.endswith(("ref", "Ref")):
        steps += _budget.get().reference_cost + len(str(value)) // 10
    return steps


# Keywords that are ours ------------------------------------------------------------


def _pattern(
    validator: Any, pattern: str, instance: JSON, schema: JSON
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matches(pattern, instance, unknown=True):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: dict[str, JSON], instance: JSON, schema: JSON
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, part in patterns.items():
        for name, value in instance.items():
            if _matches(pattern, name, unknown=False):
                yield from validator.descend(
                    value, part, path=name, schema_path=pattern
                )


def _additional_properties(
    validator: Any, additional: JSON, instance: JSON, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    extras = [
        name
        for name in instance
        if name not in known
        and not any(_matches(pattern, name, unknown=True) for pattern in patterns)
    ]
    if isinstance(additional, dict):
        for name in extras:
            yield from validator.descend(instance[name], additional, path=name)
    elif not additional and extras:
        names = ", ".join(map(repr, extras))
        yield ValidationError(
            f"Additional properties are not allowed ({names} "
            f"{'was' if len(extras) == 1 else 'were'} unexpected)"
        )


def _unique_items(
    validator: Any, is_wanted: bool, instance: JSON, schema: JSON
) -> Iterator[ValidationError]:
    if not is_wanted or not isinstance(instance, list):
        return
    seen = set()
    for item in instance:
        text = json.dumps(_canonical(item), sort_keys=True)
        _budget.get().spend(1 + len(text) // 100)
        if text in seen:
            yield ValidationError(f"{instance!r} has non-unique elements")
            return
        seen.add(text)


_REPLACED: Final[dict[str, _Keyword]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}


def _canonical(value: JSON) -> JSON:
    """Write equal numbers the same way."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_canonical(item) for item in value]
        case dict():
            return {name: _canonical(item) for name, item in value.items()}
    return value


def _matches(pattern: str, text: str, *, unknown: bool) -> bool:
    """Find a pattern in a text.

    Args:
        pattern: As the schema has it.
        text: Where to find it.
        unknown: What to answer if the engine does not know the pattern, and no
            other is asked.
    """
    size = size_of(pattern)
    _budget.get().spend(1 + size * (len(text) + 1) // 1000)
    engine = _compile(pattern)
    if engine is not None:
        return engine.isinstance_python(text)
    search = _budget.get().search
    return unknown if search is None else search(pattern, text)


@lru_cache(maxsize=256)
def _compile(pattern: str) -> SchemaValidator | None:
    """Compile a pattern; None if the engine does not know it."""
    _budget.get().spend(200 + size_of(pattern))
    return linear(pattern)


def linear(pattern: str) -> SchemaValidator | None:
    """Give what finds a pattern in linear time; None if the engine does not know it."""
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
    try:
        return SchemaValidator(schema)
    except CoreSchemaError:
        return None


def size_of(pattern: str) -> int:
    """Guess how large a pattern is once its counted repeats are written out."""
    size, factor = len(pattern), 1
    for nested, low, high in _REPEATS.findall(pattern):
        count = int((high or low or "1")[:9])
        if nested:
            factor *= max(1, count)
        else:
            size += count
    return size * factor
