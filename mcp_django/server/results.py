"""What handlers return, written as the members of results.

Everything here is in the shape of the newest protocol version; older versions get
theirs from a later layer. What cannot be written raises `TypeError` or `ValueError`,
with a text for the developer's log that leaves the values themselves out.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from inspect import Signature
from typing import Any, get_args, get_origin

from django.utils.functional import Promise
from mcp_types import (
    BlobResourceContents,
    CallToolResult,
    GetPromptResult,
    PromptMessage,
    TextResourceContents,
)
from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    from_json,
)

from mcp_django.protocol.compiled_parts import TooMuchWork
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.media import Media
from mcp_django.server.octets import with_base64, writing_base64
from mcp_django.server.references import without_references
from mcp_django.server.rows import (
    has_stand_ins,
    is_row,
    kind_of,
    taken,
    taking_rows,
)
from mcp_django.server.schemas import (
    SchemaGenerator,
    explain,
    refused_pattern,
    union_members,
    why_unsuitable,
)
from mcp_django.server.texts import listed, plain
from mcp_django.server.values import (
    ADVICE,
    BLOCKS,
    checked_text,
    content_of,
    json_text,
    plain_value,
    text_block,
    type_text,
    written,
)
from mcp_django.server.verbatim_schemas import VerbatimSchema

logger = logging.getLogger("mcp_django.server")

_NEVER_STRUCTURED = (*BLOCKS, CallToolResult)
_SEQUENCES = (list, tuple, Sequence, Iterable)
_SAYS_NOTHING = (Signature.empty, Any, object, None, type(None))

# Type of a value that is JSON as it is -> how it is written as text.
_PLAIN: Mapping[Any, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
}

_SERIES_SCHEMAS = ("list", "tuple", "set", "frozenset", "generator")
"""Types of core schemas that take anything that can be iterated."""


# Tools ------------------------------------------------------------------------------


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
            return cls(verbatim.schema, _VerbatimOutput(verbatim), is_verbatim=True)
        has_blocks = _has_blocks(returns)
        is_open = has_blocks or returns in _SAYS_NOTHING
        if structured and is_open:
            raise ValueError(
                "structured=True needs a return annotation that says what the value "
                f"looks like, not {type_text(returns)}"
            )
        if is_open or structured is False:
            return cls(None, _UnstructuredOutput(has_blocks))
        typed = _TypedOutput(returns)
        if structured is None and _is_text(returns):
            return cls(None, _TextOutput(returns, typed))
        return cls(typed.schema, typed)

    def result(self, value: Any) -> JSONObject:
        """Write a returned value as a `CallToolResult`.

        Returns:
            `content`, and `structuredContent` unless `schema` is None. A returned
            `CallToolResult` is written as it is.

        Raises:
            TypeError: The value is not what the annotation or schema says, or no JSON.
            ValueError: It has text that JSON cannot carry, or a number, where the
                schema wants one; elsewhere such a number becomes null.
        """
        return self._write(value)

    def result_of_rows(self, value: Any) -> JSONObject:
        """Write a returned value in which there are rows of the database.

        It asks the database, so it has to be called in a thread.

        Raises:
            TypeError: As for `result`.
            ValueError: As for `result`.
        """
        write = self._write
        if isinstance(write, _TypedOutput):
            return write.write_rows(taken(value))
        return write(taken(value))


class _TypedOutput:
    """Writes values of one annotated type."""

    def __init__(self, returns: Any) -> None:
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(returns)
            core = writing_base64(adapter.core_schema)
            has_bytes = core is not adapter.core_schema
            schema = without_references(
                SchemaGenerator().generate(core, mode="serialization")
                if has_bytes
                else adapter.json_schema(
                    mode="serialization", schema_generator=SchemaGenerator
                )
            )
        except Exception as error:
            if refused := refused_pattern(error):
                raise ValueError(f"the annotation of the result {refused}") from error
            raise ValueError(
                f"a result of type {type_text(returns)} cannot be described: "
                f"{why_unsuitable(error)}; {ADVICE}, or pass structured=False"
            ) from error
        if "$ref" in schema:
            # A recursive type. Older versions want to see that it is an object.
            target = schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
            schema = {"type": target["type"], **schema} if "type" in target else schema
        self.schema = schema
        self._returns = returns
        self._validate = adapter.validator.validate_python
        serializer = SchemaSerializer(core) if has_bytes else adapter.serializer
        self._dump = serializer.to_python
        self._core_schema = adapter.core_schema
        # Values of these types are JSON as they are, unless annotated to be written
        # in another way.
        is_plain = returns in _PLAIN and "serialization" not in adapter.core_schema
        self._text_of = _PLAIN[returns] if is_plain else None
        self._takes_apart = _takes_apart(adapter.core_schema)

    def __call__(self, value: Any) -> JSONObject:
        if type(value) is not self._returns:
            value = listed(value)
            if self._takes_apart or isinstance(value, Promise):
                value = plain(value)
        try:
            return self._result(value)
        except TypeError:
            # Perhaps for lazy texts, for which few results are looked through.
            translated = plain(value)
            if translated is value:
                raise
        return self._result(translated)

    def write_rows(self, value: Any) -> JSONObject:
        """Write a value in which there are rows of the database."""
        return self._result(plain(value), self._validate_rows)

    def _result(
        self, value: Any, validate: Callable[..., Any] | None = None
    ) -> JSONObject:
        try:
            fitting = (validate or self._validate)(value, by_alias=True, by_name=True)
            if self._text_of is not None and type(fitting) is self._returns:
                # On the hot path.
                text = self._text_of(fitting)
                return {
                    "content": [{"type": "text", "text": text}],
                    "structuredContent": fitting,
                }
            dumped = self._dump(
                fitting,
                mode="json",
                by_alias=True,
                warnings="error",
                fallback=plain_value,
            )
        except ValidationError as error:
            reason = explain(error, value, show_values=False)
            raise TypeError(self._mismatch(value, reason)) from None
        except UnicodeDecodeError:
            # Bytes that are no text, where nobody said how to write them.
            dumped = from_json(json_text(with_base64(fitting)))
        except PydanticSerializationError as error:
            if "UnexpectedValue" not in str(error):
                given = type_text(type(value))
                raise TypeError(f"cannot write {given} as JSON: {error}") from error
            # Its text would show the value.
            reason = "an attribute is not of the type that its own annotation says"
            raise TypeError(self._mismatch(value, reason)) from None
        return self._result_of(value, dumped)

    def _result_of(self, value: Any, dumped: JSON) -> JSONObject:
        if isinstance(value, str | bytes | Enum) and isinstance(dumped, str):
            text = checked_text(dumped)
        else:
            text = json_text(dumped, inf_nan_mode="constants")
            if "NaN" in text or "Infinity" in text:
                # Perhaps only in a string; if not, the schema promised a number.
                json.dumps(dumped, allow_nan=False)
        content: list[JSONObject] = [{"type": "text", "text": text}]
        if _is_list_with_blocks(value):
            # `list` alone does not tell of them, but they are what shall be seen.
            content = [block for item in value for block in content_of(item)]
        return {"content": content, "structuredContent": dumped}

    @cached_property
    def _validate_rows(self) -> Callable[..., Any]:
        """Validates where attributes of rows are wanted; few tools return any."""
        validator = SchemaValidator(taking_rows(self._core_schema))
        return partial(validator.validate_python, from_attributes=True)

    def _mismatch(self, value: Any, reason: str) -> str:
        advice = f"; {ADVICE}" if is_row(value) or has_stand_ins(value) else ""
        return (
            f"returned {type_text(kind_of(value))}, which does not fit "
            f"{type_text(self._returns)}: {reason}{advice}"
        )


class _TextOutput:
    """Writes values annotated as text, which has nothing to structure."""

    def __init__(self, returns: Any, typed: _TypedOutput) -> None:
        # An annotated text may have to be checked, or be written in another way.
        self._is_plain = all(
            member in (str, None, type(None))
            for member in get_args(returns) or [returns]
        )
        self._typed = typed

    def __call__(self, value: Any) -> JSONObject:
        if self._is_plain and type(value) is str:
            # On the hot path.
            return {"content": [text_block(value)]}
        content = self._typed(value)["content"]
        return {"content": [] if value is None else content}


def _takes_apart(schema: Any) -> bool:
    """Say whether pydantic may take a lazy text inside a value for a series of letters.

    Args:
        schema: A core schema. Its root does not count, where there can be no text.
    """
    inner = list(schema.values())
    while inner:
        part = inner.pop()
        if isinstance(part, dict):
            if part.get("type") in _SERIES_SCHEMAS:
                return True
            inner += part.values()
        elif isinstance(part, list | tuple):
            inner += part
    return False


class _VerbatimOutput:
    """Writes values that the developer's own JSON Schema describes."""

    def __init__(self, schema: VerbatimSchema) -> None:
        self._schema = schema

    def __call__(self, value: Any) -> JSONObject:
        if isinstance(value, CallToolResult):
            result = _tool_result(value)
            if not value.is_error:
                self._check(result.get("structuredContent"), value)
            return result
        text = json_text(value)
        dumped = from_json(text)
        self._check(dumped, value)
        return {
            "content": [
                {"type": "text", "text": dumped if isinstance(value, str) else text}
            ],
            "structuredContent": dumped,
        }

    def _check(self, structured: JSON, value: Any) -> None:
        try:
            problems = self._schema.problems(structured, show_values=False)
        except TooMuchWork as error:
            # The tool has run, and nothing is known to be wrong.
            logger.warning(
                "%s that a tool returned is not checked: its output_schema %s",
                type_text(type(value)),
                error,
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

    def __call__(self, value: Any) -> JSONObject:
        if isinstance(value, CallToolResult):
            return _tool_result(value)
        if _is_list_with_blocks(value) or (
            self._has_blocks and isinstance(value, list | tuple)
        ):
            return {"content": [block for item in value for block in content_of(item)]}
        return {"content": content_of(value)}


def _is_text(annotation: Any) -> bool:
    """Say whether it is `str`, or `str | None`: what hosts show as it is."""
    members = set(union_members(annotation))
    return str in members and members <= {str, None, type(None)}


def _has_blocks(annotation: Any) -> bool:
    # By their ids, because not every annotation can be hashed. Aliases may come back.
    seen: dict[int, Any] = {}
    waiting = [annotation]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen[id(current)] = current
        for member in union_members(current):
            if isinstance(member, type) and issubclass(member, _NEVER_STRUCTURED):
                return True
            if get_origin(member) in _SEQUENCES:
                waiting += get_args(member)
    return False


def _is_list_with_blocks(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(
        isinstance(item, BLOCKS) for item in value
    )


def _tool_result(result: CallToolResult) -> JSONObject:
    shown = written(result, {"result_type", "structured_content"})
    if result.structured_content is not None:
        shown["structuredContent"] = from_json(json_text(result.structured_content))
    return shown


# Prompts ----------------------------------------------------------------------------


def prompt_result(value: Any, description: str | None) -> JSONObject:
    """Write what a prompt returns as a `GetPromptResult`.

    Args:
        value: Text, `Image`, `Audio`, `File` or a content block for one message of the
            user, a `PromptMessage`, a list or tuple of these, or a `GetPromptResult`.
        description: The prompt's own; left out if None.

    Raises:
        TypeError: The value is something else.
        ValueError: It has text that JSON cannot carry.

    Spec: 2025-11-25 server/prompts, "Getting a Prompt".
    """
    result: JSONObject = {} if description is None else {"description": description}
    if isinstance(value, GetPromptResult):
        return {**result, **written(value, {"result_type"})}
    items = value if isinstance(value, list | tuple) else [value]
    return {**result, "messages": [_message(item) for item in items]}


def _message(value: Any) -> JSONObject:
    if isinstance(value, PromptMessage):
        return written(value)
    if not isinstance(value, (str, Promise, *BLOCKS)):
        raise TypeError(
            f"a prompt returned {type_text(type(value))}; return text, Image, Audio, "
            "File, content blocks, PromptMessage, a list of these, or GetPromptResult"
        )
    [block] = content_of(value)
    return {"role": "user", "content": block}


# Resources --------------------------------------------------------------------------


class RowOutput:
    """Reads the rows that a resource returned, as its annotation says.

    Few resources return any, so that what it takes is made for the first one.

    Args:
        returns: The return annotation of the resource.
    """

    def __init__(self, returns: Any) -> None:
        self._returns = returns

    def __call__(self, value: Any) -> JSON:
        """Give a value without rows; asks the database, so call it in a thread.

        Raises:
            TypeError: The value is not what the annotation says.
        """
        found = taken(value)
        if self._typed is None:
            return found
        return self._typed.write_rows(found)["structuredContent"]

    @cached_property
    def _typed(self) -> _TypedOutput | None:
        if self._returns in _SAYS_NOTHING or _has_blocks(self._returns):
            return None
        try:
            return _TypedOutput(self._returns)
        except ValueError:  # which only tools need to describe
            return None


def resource_contents(value: Any, uri: str, mime_type: str | None) -> list[JSONObject]:
    """Write what a resource returns as the `contents` of a `ReadResourceResult`.

    Args:
        value: Text, bytes, `Image`, `Audio` or `File`, `TextResourceContents` or
            `BlobResourceContents`, a list or tuple of these five, perhaps beside text,
            or anything that can be written as JSON.
        uri: What was read; for contents that have no URI of their own.
        mime_type: The resource's own; by default that of the kind of value.

    Raises:
        TypeError: The value cannot be written as JSON.
        ValueError: It has text that JSON cannot carry.

    Spec: 2025-11-25 server/resources, "Resource Contents".
    """
    contents = (TextResourceContents, BlobResourceContents, Media)
    if isinstance(value, Media):
        return [value.contents(uri, mime_type)]
    if isinstance(value, contents):
        value = [value]
    if isinstance(value, list | tuple) and any(
        isinstance(item, contents) for item in value
    ):
        if any(isinstance(item, str | Promise) for item in value):
            mime_type = None  # of the one kind or of the other
        return [_among_contents(item, uri, mime_type) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        blob = b64encode(value).decode("ascii")
        return [_one(uri, mime_type or "application/octet-stream", blob=blob)]
    if isinstance(value, str | Promise):
        text = checked_text(str(value))
        return [_one(uri, mime_type or "text/plain", text=text)]
    text = json_text(value)
    return [_one(uri, mime_type or "application/json", text=text)]


def _among_contents(item: Any, uri: str, mime_type: str | None) -> JSONObject:
    """Write one of a list of contents."""
    if isinstance(item, Media):
        return item.contents(getattr(item, "uri", uri), mime_type)
    if isinstance(item, TextResourceContents | BlobResourceContents):
        return {**written(item), "uri": item.uri or uri}
    if isinstance(item, str | Promise):
        return _one(uri, "text/plain", text=checked_text(str(item)))
    raise TypeError(
        f"a resource returned a list of contents with {type_text(type(item))} in it; "
        "make text or contents of it as well"
    )


def _one(uri: str, mime_type: str, **content: str) -> JSONObject:
    return {"uri": uri, "mimeType": mime_type, **content}
