"""What resources return, written as their contents, in the newest version's shape.

What cannot be written raises `TypeError` or `ValueError`, with a text for the
developer's log that leaves the values themselves out.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from django.utils.functional import Promise
from mcp_types import BlobResourceContents, TextResourceContents

from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.protocol.versions import STRUCTURED_CONTENT
from mcp_django.server.requests import Request
from mcp_django.server.results.media import Media
from mcp_django.server.results.rows import has_rows, taken
from mcp_django.server.results.typed_results import (
    SAYS_NOTHING,
    TypedOutput,
    may_be_blocks,
)
from mcp_django.server.results.values import checked_text, json_text, type_text, written


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
        return self._typed.write_taken(found)[STRUCTURED_CONTENT]

    @cached_property
    def _typed(self) -> TypedOutput | None:
        if self._returns in SAYS_NOTHING or may_be_blocks(self._returns):
            return None
        try:
            return TypedOutput(self._returns)
        except ValueError:  # which only tools need to describe
            return None


@dataclass(frozen=True, slots=True)
class ResourceOutput:
    """Writes what a resource returned as the `contents` of a `ReadResourceResult`.

    Attributes:
        rows: Reads the rows of the database in it.
        uri: What was read.
        mime_type: The resource's own.
    """

    rows: RowOutput
    uri: str
    mime_type: str | None

    def in_loop(
        self, request: Request, value: Any
    ) -> JSONObject | Awaitable[JSONObject]:
        """Write a returned value, in a thread if there are rows in it."""
        if has_rows(value):
            return request.run_in_thread(partial(self.in_thread, value))
        return self._write(value)

    def in_thread(self, value: Any) -> JSONObject:
        """Write a returned value, with the rows that are in it."""
        return self._write(self.rows(value) if has_rows(value) else value)

    def _write(self, value: Any) -> JSONObject:
        return {"contents": resource_contents(value, self.uri, self.mime_type)}


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
