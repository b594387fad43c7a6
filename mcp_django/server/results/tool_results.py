"""What tools return, written as their results.

Everything here is in the shape of the newest protocol version; older versions get
theirs from a later layer. What cannot be written raises `TypeError` or `ValueError`,
with a text for the developer's log that leaves the values themselves out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from mcp_types import CallToolResult
from pydantic_core import from_json

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.versions import STRUCTURED_CONTENT
from mcp_django.server.requests import Request
from mcp_django.server.results.rows import has_rows, is_row, taken
from mcp_django.server.results.typed_results import (
    PLAIN,
    SAYS_NOTHING,
    TypedOutput,
    is_list_with_blocks,
    is_text,
    may_be_blocks,
)
from mcp_django.server.results.values import (
    content_of,
    json_text,
    text_block,
    type_text,
    written,
)
from mcp_django.server.schemas.verbatim_schemas import VerbatimSchema

logger = FaultLog("mcp_django.server")

_NO_ROWS = frozenset({str, int, bool, float, type(None)})
"""Types of most values; none of these has rows of the database in it."""


@dataclass(frozen=True, slots=True, eq=False)
class ToolOutput:
    """How the values that one tool returns are written.

    Attributes:
        schema: JSON Schema of the structured value, whose type need not be object;
            None if the tool's results are unstructured.
        is_verbatim: Whether the developer wrote it.
    """

    schema: JSONObject | bool | None
    _write: Callable[[Any], JSONObject] = field(repr=False)
    _write_taken: Callable[[Any], JSONObject] = field(repr=False)
    is_verbatim: bool = False

    @classmethod
    def of(
        cls,
        returns: Any,
        *,
        structured: bool | None = None,
        output_schema: JSONObject | None = None,
    ) -> ToolOutput:
        """Choose how to write what a tool returns.

        Args:
            returns: Its return annotation, `inspect.Signature.empty` if it has none.
            structured: False for content only, True to insist on a structured value,
                None to have one if the annotation says what it looks like, and that is
                more than text.
            output_schema: Verbatim JSON Schema of the structured value.

        Raises:
            ValueError: There can be no structured value, or no such one.

        Spec: 2026-07-28 server/tools, "Structured Content".
        """
        if output_schema is not None:
            if structured is False:
                raise ValueError("structured=False leaves no use for output_schema")
            verbatim = VerbatimSchema.of(
                output_schema, "output_schema", of_object=False
            )
            write = _VerbatimOutput(verbatim).write
            return cls(verbatim.schema, write, write, is_verbatim=True)
        has_blocks = may_be_blocks(returns)
        is_open = has_blocks or returns in SAYS_NOTHING
        if structured and is_open:
            raise ValueError(
                "structured=True needs a return annotation that says what the value "
                f"looks like, not {type_text(returns)}"
            )
        if is_open or structured is False:
            unstructured = _UnstructuredOutput(has_blocks).write
            return cls(None, unstructured, unstructured)
        typed = TypedOutput(returns)
        if structured is None and is_text(returns):
            text = _TextOutput(returns, typed).write
            return cls(None, text, text)
        write = _PlainOutput(returns, typed).write if typed.is_plain else typed.write
        return cls(typed.schema, write, typed.write_taken)

    def in_loop(
        self, request: Request, value: Any
    ) -> JSONObject | Awaitable[JSONObject]:
        """Write a returned value, in a thread if there are rows of the database in it.

        Raises:
            TypeError: As for `result`.
            ValueError: As for `result`.
        """
        if type(value) in _NO_ROWS:
            return self._write(value)
        written = self._without_rows(value)
        if written is not None:
            return written
        return request.run_in_thread(partial(self._of_rows, value))

    def in_thread(self, value: Any) -> JSONObject:
        """Write a returned value, with the rows of the database that are in it.

        Raises:
            TypeError: As for `result`.
            ValueError: As for `result`.
        """
        if type(value) in _NO_ROWS:
            return self._write(value)
        written = self._without_rows(value)
        return self._of_rows(value) if written is None else written

    def result(self, value: Any) -> JSONObject:
        """Write a returned value, in which there are no rows, as a `CallToolResult`.

        Returns:
            `content`, and `structuredContent` unless `schema` is None. A returned
            `CallToolResult` is written as it is.

        Raises:
            TypeError: The value is not what the annotation or schema says, or no JSON.
            ValueError: It has text that JSON cannot carry, or a number, where the
                schema wants one; elsewhere such a number becomes null.
        """
        return self._write(value)

    def _without_rows(self, value: Any) -> JSONObject | None:
        """Write a value, unless there are rows of the database in it."""
        if not is_row(value):
            try:
                return self._write(value)
            except TypeError:
                if not has_rows(value):
                    raise
        return None

    def _of_rows(self, value: Any) -> JSONObject:
        return self._write_taken(taken(value))


class _PlainOutput:
    """Writes values of a type that is JSON as it is."""

    def __init__(self, plain: type[Any], typed: TypedOutput) -> None:
        self._plain = plain
        self._text_of = PLAIN[plain]
        self._typed = typed

    def write(self, value: Any) -> JSONObject:
        """Write a value as a `CallToolResult`."""
        if type(value) is not self._plain:
            return self._typed.write(value)
        # On the hot path.
        return {
            "content": [{"type": "text", "text": self._text_of(value)}],
            STRUCTURED_CONTENT: value,
        }


class _TextOutput:
    """Writes values annotated as text, which has nothing to structure."""

    def __init__(self, returns: Any, typed: TypedOutput) -> None:
        # An annotated text may have to be checked, or be written in another way.
        self._is_plain = all(
            member in (str, None, type(None))
            for member in get_args(returns) or [returns]
        )
        self._typed = typed

    def write(self, value: Any) -> JSONObject:
        """Write a value as a `CallToolResult`."""
        if self._is_plain and type(value) is str:
            # On the hot path.
            return {"content": [text_block(value)]}
        content = self._typed.write(value)["content"]
        return {"content": [] if value is None else content}


class _VerbatimOutput:
    """Writes values that the developer's own JSON Schema describes."""

    def __init__(self, schema: VerbatimSchema) -> None:
        self._schema = schema

    def write(self, value: Any) -> JSONObject:
        """Write a value as a `CallToolResult`."""
        if isinstance(value, CallToolResult):
            result = _tool_result(value)
            if not value.is_error:
                self._check(result.get(STRUCTURED_CONTENT), value)
            return result
        text = json_text(value)
        dumped = from_json(text)
        self._check(dumped, value)
        return {
            "content": [
                {"type": "text", "text": dumped if isinstance(value, str) else text}
            ],
            STRUCTURED_CONTENT: dumped,
        }

    def _check(self, structured: JSON, value: Any) -> None:
        try:
            problems = self._schema.problems(structured, show_values=False)
        except TooMuchWork as error:
            # The tool has run, and nothing is known to be wrong.
            logger.warning(
                "%s that a tool returned is not checked, as its output_schema "
                "%s; make that simpler",
                type_text(type(value)),
                error,
                of=type_text(type(value)),
            )
            return
        if problems:
            raise TypeError(
                f"returned {type_text(type(value))}, which does not fit the tool's "
                f"output_schema: {problems}"
            )


class _UnstructuredOutput:
    """Writes values as content only.

    `has_blocks` says that the annotation has content blocks: a list is then one of
    blocks, even if by chance none is in it.
    """

    def __init__(self, has_blocks: bool) -> None:
        self._has_blocks = has_blocks

    def write(self, value: Any) -> JSONObject:
        """Write a value as a `CallToolResult`."""
        if isinstance(value, CallToolResult):
            return _tool_result(value)
        if is_list_with_blocks(value) or (
            self._has_blocks and isinstance(value, list | tuple)
        ):
            return {"content": [block for item in value for block in content_of(item)]}
        return {"content": content_of(value)}


def _tool_result(result: CallToolResult) -> JSONObject:
    shown = written(result, {"result_type", "structured_content"})
    if result.structured_content is not None:
        shown[STRUCTURED_CONTENT] = from_json(json_text(result.structured_content))
    return shown
