"""What a trace shows of a message: its shape, but neither arguments nor answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_MAX_DEPTH: Final = 12
_MAX_CHARACTERS: Final = 200
_MAX_ITEMS: Final = 50

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
        The message, or a text in its place if it is no JSON.
    """
    try:
        return _mask(json.loads(data), "", 0)
    except (ValueError, RecursionError):
        return f"<no JSON: {len(data)} bytes>"


def _mask(value: Any, name: str, depth: int) -> Any:
    if name in _HIDDEN or depth > _MAX_DEPTH:
        return _hide_members(value)
    match value:
        case str():
            return _cut(value) if name in _SHOWN else _hide(value)
        case dict():
            return {
                _cut(key): _mask_member(name, key, member, depth)
                for key, member in list(value.items())[:_MAX_ITEMS]
            }
        case list():
            # Names in a list, such as those of required parameters, are no ids.
            return [_mask(item, "", depth + 1) for item in value[:_MAX_ITEMS]]
    return value


def _mask_member(parent: str, key: str, member: Any, depth: int) -> Any:
    if parent == "error" and key == "message" and isinstance(member, str):
        return _cut(member)
    return _mask(member, key, depth + 1)


def _hide_members(value: Any) -> Any:
    if isinstance(value, Mapping):
        members = list(value.items())[:_MAX_ITEMS]
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
