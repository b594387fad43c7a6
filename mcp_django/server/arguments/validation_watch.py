"""The work of one validation, which is counted while it goes on.

Core schemas of pydantic's that count what is wrong, look at the clock, or find a
pattern in bounded work. Their validators run within `watching`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import thread_time
from typing import Any, Final, Never

from pydantic_core import (
    PydanticCustomError,
    PydanticKnownError,
    SchemaValidator,
    core_schema,
)

from mcp_django.protocol.compiled_parts import MAX_FAULTS, TooMuchWork
from mcp_django.server.arguments.allowance import allowance
from mcp_django.server.schemas.patterns import BoundedSearch

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
def watching() -> Iterator[None]:
    """Bound the work of one validation, in a block."""
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


UNKNOWN: Final = core_schema.no_info_plain_validator_function(_refuse_unknown)
_WRONG: Final = core_schema.no_info_plain_validator_function(_refuse_wrong)


def either(schema: Any) -> core_schema.CoreSchema:
    """Count what is wrong; what is right costs nothing."""
    return core_schema.union_schema([(schema, ""), (_WRONG, "")], mode="left_to_right")


def counted(schema: Any) -> core_schema.CoreSchema:
    """Count what is right, too."""
    return either(core_schema.no_info_after_validator_function(_take, schema))


def timed(schema: dict[str, Any]) -> core_schema.CoreSchema:
    """Look at the clock after each value, and at the length of some before."""
    ref = schema.pop("ref", None)
    made: Any = schema
    function = schema.get("function", {}).get("function")
    module = str(getattr(function, "__module__", ""))
    if schema["type"] == "function-plain" and module.startswith("pydantic."):
        # Such as those for expressions and addresses, which are not meant to be long.
        made = core_schema.no_info_before_validator_function(_take_short, made)
    return core_schema.no_info_after_validator_function(_take_in_time, made, ref=ref)


def _take_short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_READ:
        raise TooMuchWork(f"has a text of more than {_MAX_READ} characters")
    return value


def _take_in_time(value: Any) -> Any:
    _watch.get().count_call()
    return value


def check_python(pattern: str | re.Pattern[str], text: str) -> str:
    """Find a pattern as Python does, in bounded time."""
    if not _watch.get().search(pattern, text):
        shown = pattern if isinstance(pattern, str) else pattern.pattern
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": shown})
    return text


def check_linear(engine: SchemaValidator, pattern: str, size: int, text: str) -> str:
    """Find a pattern in a bounded number of characters."""
    _watch.get().count_searched(size * len(text))
    if not engine.isinstance_python(text):
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": pattern})
    return text
