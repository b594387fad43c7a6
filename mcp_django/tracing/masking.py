"""What a trace shows of a message: its shape, but neither arguments nor answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

_MAX_DEPTH: Final = 12
_MAX_CHARACTERS: Final = 200
_MAX_ITEMS: Final = 50
_MAX_VALUES: Final = 2000

MAX_BYTES: Final = 1024 * 1024
"""Of a larger message only the size is shown: reading it would hold others up."""

_SHOWN: Final = frozenset(
    {
        "id",
        "jsonrpc",
        "level",
        "method",
        "mimeType",
        "mode",
        "name",
        "progressToken",
        "protocolVersion",
        "requestId",
        "resultType",
        "role",
        "taskId",
        "traceparent",
        "type",
        "uri",
        "uriTemplate",
        "version",
        "io.modelcontextprotocol/protocolVersion",
    }
)
"""Names of members whose text says what happens, and not what about."""

_HIDDEN: Final = frozenset(
    {
        "arguments",
        "argument",
        "context",
        "data",
        "inputResponses",
        "metadata",
        "requestState",
        "structuredContent",
    }
)
"""Names of members of which nothing is shown but names and sizes."""


def masked(data: bytes) -> Any:
    """Give what may be shown of a message, as JSON.

    Kept are the members, numbers, and the texts that say what happens: methods, ids,
    names, URIs, versions, and what an error says, 200 characters of each at most. In
    place of arguments, results, tokens, answers of users and all other texts stands
    how large they are.

    Args:
        data: The message as it travels.

    Returns:
        The message, or a text in its place if it is no JSON, or larger than 1 MiB.
    """
    if len(data) > MAX_BYTES:
        return f"<too large to show: {len(data)} bytes>"
    try:
        return _Masking().mask(json.loads(data), "")
    except (ValueError, RecursionError):
        return f"<no JSON: {len(data)} bytes>"


class _Masking:
    """The masking of one message, of which only so much is shown."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def mask(self, value: Any, name: str, depth: int = 0) -> Any:
        """Give what may be shown of a value, which is a member of this name."""
        self._left -= 1
        if name in _HIDDEN or depth > _MAX_DEPTH or self._left < 0:
            return _hide_members(value)
        if name == "content" and not isinstance(value, list):
            return _hide_members(value)  # what a user filled in, or a model wrote
        match value:
            case str():
                return _cut(value) if name in _SHOWN else _hide(value)
            case dict():
                return {
                    _cut(key): self._mask_member(name, key, member, depth)
                    for key, member in islice(value.items(), _MAX_ITEMS)
                }
            case list():
                # Names in a list, such as those of required parameters, are no ids.
                return [self.mask(item, "", depth + 1) for item in value[:_MAX_ITEMS]]
        return value

    def _mask_member(self, parent: str, key: str, member: Any, depth: int) -> Any:
        if parent == "error" and key == "message" and isinstance(member, str):
            return _cut(member)
        if parent == "_meta" and not (
            key in _SHOWN or key.startswith("io.modelcontextprotocol/")
        ):
            return _hide_members(member)
        return self.mask(member, key, depth + 1)


def _hide_members(value: Any) -> Any:
    if isinstance(value, Mapping):
        members = islice(value.items(), _MAX_ITEMS)
        return {_cut(key): _hide(member) for key, member in members}
    return _hide(value)


def _hide(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return f"<masked: {len(value)} characters>"
        case dict():
            return f"<masked: {len(value)} members>"
        case list():
            return f"<masked: {len(value)} items>"
        case bool():
            return "<masked: true or false>"
    return "<masked: a number>"


def _cut(text: str) -> str:
    if len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}... ({len(text)} characters)"
