"""Values as JSON, and as content blocks.

What cannot be written raises `TypeError` or `ValueError`, with a text for the
developer's log that leaves the values themselves out.
"""

from __future__ import annotations

from enum import Enum
from functools import partial
from inspect import Signature
from typing import Any, Final, Literal, get_args

from django.utils.functional import Promise
from mcp_types import ContentBlock
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.results.media import Media
from mcp_django.server.results.rows import Row, is_row, kind_of
from mcp_django.server.schemas.octets import with_base64

BLOCKS: Final[tuple[Any, ...]] = (*get_args(ContentBlock), Media)
"""What is a content block, or becomes one."""

ADVICE: Final = (
    "return plain values instead, such as `list(queryset.values(...))`, or a dataclass"
)
"""For rows of the database that no annotation describes."""


def content_of(value: Any) -> list[JSONObject]:
    """Write a value as content blocks: one, or none for None."""
    if value is None:
        return []
    if isinstance(value, Media):
        return [value.block()]
    if isinstance(value, BLOCKS):
        return [written(value)]
    if isinstance(value, Enum) and isinstance(value.value, str):
        return [text_block(value.value)]
    if isinstance(value, str | Promise):
        return [text_block(value)]
    if isinstance(value, bytes):
        value = from_json(json_text(value))
        return [text_block(value)]
    return [{"type": "text", "text": json_text(value)}]


def written(model: BaseModel, exclude: set[str] | None = None) -> JSONObject:
    """Write one of `mcp_types`; absent members are left out, nulls in data are kept."""
    text = model.model_dump_json(
        by_alias=True, exclude_none=True, exclude=exclude, fallback=plain_value
    )
    members: JSONObject = from_json(text)
    return members


def text_block(text: str | Promise) -> JSONObject:
    """Make the content block of a text."""
    return {"type": "text", "text": checked_text(str(text))}


def checked_text(text: str) -> str:
    """Give a text back if it can be sent.

    Raises:
        ValueError: It has a lone surrogate.
    """
    if not text.isascii():
        text.encode()
    return text


def json_text(
    value: Any, *, inf_nan_mode: Literal["null", "constants"] = "null"
) -> str:
    """Write any value as compact JSON.

    Args:
        value: The value.
        inf_nan_mode: How to write numbers that JSON has no word for: as null, or as
            `NaN` and `Infinity`, which are no JSON.

    Raises:
        TypeError: A part of the value has no JSON.
        ValueError: A text in it has none.
    """
    write = partial(
        to_json, by_alias=True, fallback=plain_value, inf_nan_mode=inf_nan_mode
    )
    try:
        try:
            text = write(value)
        except PydanticSerializationError as error:
            if "invalid utf-8" not in str(error):
                raise
            # Bytes that are no text; few results have any.
            text = write(with_base64(value))
    except PydanticSerializationError as error:
        reason = str(error).removeprefix("Error serializing to JSON: ")
        if reason.startswith("TypeError: "):
            raise TypeError(reason.removeprefix("TypeError: ")) from None
        raise ValueError(f"cannot write as JSON: {reason}") from None
    return text.decode()


def plain_value(value: Any) -> JSON:
    """Stand in for a value that pydantic cannot write."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Media):
        return value.block()
    advice = f"; {ADVICE}" if isinstance(value, Row) or is_row(value) else ""
    raise TypeError(f"cannot write {type_text(kind_of(value))} as JSON{advice}")


def type_text(annotation: Any) -> str:
    """Name a type, for messages."""
    if annotation is Signature.empty:
        return "a missing one"
    if isinstance(annotation, type):
        return annotation.__qualname__
    return str(annotation)
