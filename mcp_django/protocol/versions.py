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

from mcp_django.protocol.jsonrpc import JSON, JSONObject

LEGACY: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions opened by `initialize`, newest first."""

LATEST_LEGACY: Final = LEGACY[0]

MODERN: Final = ("2026-07-28",)
"""Versions that each request names in its `_meta`, newest first."""

ALL: Final = (*MODERN, *LEGACY)
"""Versions that are spoken here, newest first."""

NEWEST: Final = ALL[0]
"""The version whose shape features and results are written in."""


def _since(version: str) -> frozenset[str]:
    """Give a version and all newer ones."""
    return frozenset(ALL[: ALL.index(version) + 1])


# Every difference between versions has a name, and is the versions that have it ------

AUDIO: Final = _since("2025-03-26")
"""Those with content that is sound."""

BATCHES: Final = frozenset({"2025-03-26"})
"""Those in which a JSON-RPC batch may be received."""

NO_BATCHES: Final = "batches are not part of this protocol version; send one message"
"""What is said of one in all others."""

COMPLETIONS: Final = _since("2025-03-26")
"""Those in which servers declare that they complete arguments."""

PROGRESS_MESSAGES: Final = _since("2025-03-26")
"""Those whose reports of progress have a text."""

TOOL_ANNOTATIONS: Final = _since("2025-03-26")
"""Those with hints about what a tool does."""

LAST_MODIFIED: Final = _since("2025-06-18")
"""Those whose annotations say when something was changed."""

META: Final = _since("2025-06-18")
"""Those with `_meta` in features and in content."""

RESOURCE_LINKS: Final = _since("2025-06-18")
"""Those with content that names a resource."""

STRUCTURED_CONTENT: Final = "structuredContent"
"""Member of a tool's result that has it as a value, in the newest version."""

STRUCTURED: Final = _since("2025-06-18")
"""Those whose tools have an output schema, and results that follow it."""

TITLES: Final = _since("2025-06-18")
"""Those with names for people."""

EMPTY_EVENTS: Final = _since("2025-11-25")
"""Those whose clients know events that have an id and no data."""

ICONS: Final = _since("2025-11-25")
"""Those with icons."""

IMPLEMENTATION_DETAILS: Final = _since("2025-11-25")
"""Those in which programs say more of themselves than name, title and version."""

VISITS: Final = _since("2025-11-25")
"""Those in which a question may be a page to visit, and says whether it is."""

VISIT_IDS: Final = frozenset(LEGACY)
"""Those in which a page to visit has an id, by which the client hears of its end."""

Kind: TypeAlias = Literal[
    "tool", "resource", "resource_template", "prompt", "argument", "implementation"
]

# Member of an object -> versions that have it, where that is not all of them.
_NAMED: Final = {"title": TITLES, "_meta": META, "icons": ICONS}
_MEMBERS: Final[Mapping[Kind, Mapping[str, frozenset[str]]]] = {
    "tool": {**_NAMED, "annotations": TOOL_ANNOTATIONS, "outputSchema": STRUCTURED},
    "resource": _NAMED,
    "resource_template": _NAMED,
    "prompt": _NAMED,
    "argument": {"title": TITLES},
    "implementation": {
        "title": TITLES,
        "description": IMPLEMENTATION_DETAILS,
        "websiteUrl": IMPLEMENTATION_DETAILS,
        "icons": ICONS,
    },
}
# Type of content -> versions that have it, where that is not all of them.
_CONTENT: Final = {"audio": AUDIO, "resource_link": RESOURCE_LINKS}
# Versions that have every type of content, with all of its members.
_ALL_CONTENT: Final = AUDIO & RESOURCE_LINKS & META & LAST_MODIFIED & ICONS

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


def adapt_entry(kind: Kind, entry: JSONObject, version: str) -> JSONObject:
    """Make of a feature as a list shows it what a version allows."""
    members = _MEMBERS[kind]
    adapted = {
        name: value
        for name, value in entry.items()
        if version in members.get(name, ALL)
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
    if version == NEWEST:
        return result
    if STRUCTURED_CONTENT in result:
        structured = result[STRUCTURED_CONTENT]
        if version not in STRUCTURED:
            result = {k: v for k, v in result.items() if k != STRUCTURED_CONTENT}
        elif (version in LEGACY and not isinstance(structured, dict)) or (
            schema is not None and needs_wrapping(schema, version)
        ):
            result = {**result, STRUCTURED_CONTENT: {"result": structured}}
    if version in _ALL_CONTENT:
        return result
    return {**result, "content": adapt_content(result["content"], version)}


def adapt_prompt_result(result: JSONObject, version: str) -> JSONObject:
    """Make of a prompt's messages what a version allows."""
    if version in _ALL_CONTENT:
        return result
    messages = [
        {**message, "content": _adapt_block(message["content"], version)}
        for message in result["messages"]
    ]
    return {**result, "messages": messages}


def adapt_contents(contents: Sequence[JSONObject], version: str) -> list[JSONObject]:
    """Make of the contents of a resource what a version allows."""
    if version in META:
        return list(contents)
    return [{k: v for k, v in item.items() if k != "_meta"} for item in contents]


def adapt_content(blocks: Sequence[JSONObject], version: str) -> list[JSONObject]:
    """Make of content blocks what a version allows."""
    # On the hot path: most are text and nothing more, which each version has.
    return [
        block
        if block["type"] == "text" and len(block) == 2
        else _adapt_block(block, version)
        for block in blocks
    ]


def _adapt_block(block: JSONObject, version: str) -> JSONObject:
    if version not in _CONTENT.get(block["type"], ALL):
        return {"type": "text", "text": _describe(block)}
    adapted = dict(block)
    if block["type"] == "resource_link":
        adapted = adapt_entry("resource", adapted, version)
    elif version not in META:
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
    if annotations and version not in LAST_MODIFIED:
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
