"""The protocol versions, and what each may carry.

Features and results are written once, in the newest shape. The functions here make
of them what an older version allows: members it does not know are left out, content
it does not know becomes text, and structured results that are no objects are wrapped
as `{"result": ...}`. Nothing is changed in place.

Spec: the changelog page and `schema.ts` of each version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcp_django.protocol.jsonrpc import JSON, JSONObject

LEGACY: Final[tuple[str, ...]] = tuple(reversed(HANDSHAKE_PROTOCOL_VERSIONS))
"""Versions opened by `initialize`, newest first."""

LATEST_LEGACY: Final = LEGACY[0]

MODERN: Final[tuple[str, ...]] = tuple(reversed(MODERN_PROTOCOL_VERSIONS))
"""Versions that each request names in its `_meta`, newest first."""

BATCHES: Final = "2025-03-26"
"""The one version in which a JSON-RPC batch may be received."""

Kind: TypeAlias = Literal[
    "tool", "resource", "resource_template", "prompt", "argument", "implementation"
]

# Member of an object -> version that introduced it, where that is not the first.
_ADDED: Final[Mapping[Kind, Mapping[str, str]]] = {
    "tool": {
        "annotations": "2025-03-26",
        "title": "2025-06-18",
        "outputSchema": "2025-06-18",
        "_meta": "2025-06-18",
        "icons": "2025-11-25",
    },
    "resource": {
        "title": "2025-06-18",
        "_meta": "2025-06-18",
        "icons": "2025-11-25",
    },
    "resource_template": {
        "title": "2025-06-18",
        "_meta": "2025-06-18",
        "icons": "2025-11-25",
    },
    "prompt": {
        "title": "2025-06-18",
        "_meta": "2025-06-18",
        "icons": "2025-11-25",
    },
    "argument": {"title": "2025-06-18"},
    "implementation": {
        "title": "2025-06-18",
        "description": "2025-11-25",
        "websiteUrl": "2025-11-25",
        "icons": "2025-11-25",
    },
}
_CONTENT_ADDED: Final[Mapping[str, str]] = {
    "audio": "2025-03-26",
    "resource_link": "2025-06-18",
}


WRAPPED: Final = "x-fastmcp-wrap-result"
"""Keyword of an output schema: clients that know it take the value out of `result`.

FastMCP made it up for its own results, and several clients read it.
"""


def negotiate(offered: str) -> str:
    """Choose the protocol version for a legacy session.

    Args:
        offered: Version the client asked for.

    Returns:
        `offered` if it is a legacy version, else the newest of those.

    Spec: 2025-11-25 basic/lifecycle, "Version Negotiation".
    """
    return offered if offered in LEGACY else LATEST_LEGACY


def is_at_least(version: str, minimum: str) -> bool:
    """Say whether a version is as new as another; both are date strings."""
    return version >= minimum


def adapt_entry(kind: Kind, entry: JSONObject, version: str) -> JSONObject:
    """Make of a feature as a list shows it what a version allows."""
    added = _ADDED[kind]
    adapted = {
        name: value
        for name, value in entry.items()
        if is_at_least(version, added.get(name, ""))
    }
    if "arguments" in adapted:
        adapted["arguments"] = [
            adapt_entry("argument", argument, version)
            for argument in adapted["arguments"]
        ]
    if "outputSchema" in adapted and needs_wrapping(adapted["outputSchema"], version):
        adapted["outputSchema"] = _wrap_schema(adapted["outputSchema"])
    if kind != "tool":
        _drop_last_modified(adapted, version)
    return adapted


def needs_wrapping(schema: JSON, version: str) -> bool:
    """Say whether structured results of a schema go as `{"result": ...}`.

    Spec: 2025-11-25 schema.ts, `Tool.outputSchema`: an object at the root.
    """
    return version in LEGACY and not (
        isinstance(schema, dict) and schema.get("type") == "object"
    )


def adapt_tool_result(
    result: JSONObject, version: str, *, schema: JSON = None
) -> JSONObject:
    """Make of a tool's result what a version allows.

    Args:
        result: `CallToolResult` in the newest shape.
        version: Version of the session.
        schema: The tool's output schema, None if its results are unstructured.
    """
    if "structuredContent" in result:
        if not is_at_least(version, "2025-06-18"):
            result = {k: v for k, v in result.items() if k != "structuredContent"}
        else:
            structured = result["structuredContent"]
            unfit = version in LEGACY and not isinstance(structured, dict)
            if unfit or (schema is not None and needs_wrapping(schema, version)):
                result = {**result, "structuredContent": {"result": structured}}
    if version >= LATEST_LEGACY:
        return result
    return {**result, "content": adapt_content(result["content"], version)}


def adapt_prompt_result(result: JSONObject, version: str) -> JSONObject:
    """Make of a prompt's messages what a version allows."""
    if version >= LATEST_LEGACY:
        return result
    messages = [
        {**message, "content": _adapt_block(message["content"], version)}
        for message in result["messages"]
    ]
    return {**result, "messages": messages}


def adapt_contents(contents: Sequence[JSONObject], version: str) -> list[JSONObject]:
    """Make of the contents of a resource what a version allows."""
    if is_at_least(version, "2025-06-18"):
        return list(contents)
    return [{k: v for k, v in item.items() if k != "_meta"} for item in contents]


def adapt_content(blocks: Sequence[JSONObject], version: str) -> list[JSONObject]:
    """Make of content blocks what a version allows."""
    return [_adapt_block(block, version) for block in blocks]


def _adapt_block(block: JSONObject, version: str) -> JSONObject:
    if not is_at_least(version, _CONTENT_ADDED.get(block["type"], "")):
        return {"type": "text", "text": _describe(block)}
    adapted = dict(block)
    if block["type"] == "resource_link":
        adapted = adapt_entry("resource", adapted, version)
    elif not is_at_least(version, "2025-06-18"):
        adapted.pop("_meta", None)
        if "resource" in adapted:
            [adapted["resource"]] = adapt_contents([adapted["resource"]], version)
    _drop_last_modified(adapted, version)
    return adapted


def _describe(block: JSONObject) -> str:
    """Say in words what a version cannot carry."""
    if block["type"] == "audio":
        return f"[audio, {block['mimeType']}: not available in this protocol version]"
    parts = [
        block.get("title") or block["name"],
        block.get("description"),
        block["uri"],
    ]
    return " - ".join(part for part in parts if part)


def _drop_last_modified(entry: JSONObject, version: str) -> None:
    """Leave `annotations.lastModified` out of a copy where it is unknown."""
    annotations = entry.get("annotations")
    if annotations and not is_at_least(version, "2025-06-18"):
        entry["annotations"] = {
            k: v for k, v in annotations.items() if k != "lastModified"
        }


def _wrap_schema(schema: JSON) -> JSONObject:
    # Spec: 2025-06-18 schema.ts, `Tool.outputSchema`: properties are objects, so that
    # the schema `true` has to be written out.
    inner = dict(schema) if isinstance(schema, dict) else {} if schema else {"not": {}}
    wrapped: JSONObject = {
        "type": "object",
        "properties": {"result": inner},
        "required": ["result"],
        WRAPPED: True,
    }
    # These have their meaning at the root of a document only.
    for keyword in ("$schema", "$defs", "definitions"):
        if keyword in inner:
            wrapped[keyword] = inner.pop(keyword)
    return wrapped
