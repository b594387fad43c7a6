"""What each protocol version may carry: literal objects before and after."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from mcp_django.protocol import versions
from mcp_django.protocol.versions import Kind

MODERN = "2026-07-28"
ICONS = [{"src": "https://shop.example/icon.png", "mimeType": "image/png"}]


def test_legacy_versions_are_known_newest_first() -> None:
    """Spec: the published revisions that begin with `initialize`."""
    assert versions.LEGACY == ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
    assert versions.LATEST_LEGACY == "2025-11-25"
    assert {"2025-03-26"} == versions.BATCHES


def test_versions_are_known_to_the_models_of_the_protocol() -> None:
    """Our choice: what they know beyond is not announced before we can speak it."""
    assert set(versions.LEGACY) <= set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert set(versions.MODERN) <= set(MODERN_PROTOCOL_VERSIONS)
    assert versions.ALL == versions.MODERN + versions.LEGACY
    assert sorted(versions.ALL, reverse=True) == list(versions.ALL)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("2024-10-07", "2025-11-25"),
        ("1.0.0", "2025-11-25"),
        ("", "2025-11-25"),
    ],
)
def test_offered_version_is_taken_if_known_else_the_newest(
    offered: str, chosen: str
) -> None:
    """Spec: 2025-11-25 basic/lifecycle, "Version Negotiation". That the modern
    version is answered with the newest legacy one is our choice: it has no
    `initialize`."""
    assert versions.negotiate(offered) == chosen


def differences() -> Iterator[tuple[str, frozenset[str]]]:
    for name, value in vars(versions).items():
        if name.isupper() and isinstance(value, frozenset):
            yield name, value


def test_differences_are_between_versions_that_are_spoken() -> None:
    """Our choice: each is the versions that have something."""
    assert dict(differences())["TITLES"] == {"2026-07-28", "2025-11-25", "2025-06-18"}
    for name, having in differences():
        assert having < set(versions.ALL), name


# Entries of lists -------------------------------------------------------------------

TOOL = {
    "name": "count",
    "title": "Count",
    "description": "Count rows.",
    "inputSchema": {"type": "object", "properties": {}},
    "outputSchema": {"type": "object", "properties": {"rows": {"type": "integer"}}},
    "annotations": {"readOnlyHint": True},
    "icons": ICONS,
    "_meta": {"shop.example/a": 1},
}
RESOURCE = {
    "uri": "shop://terms",
    "name": "terms",
    "title": "Terms",
    "description": "The terms.",
    "mimeType": "text/plain",
    "size": 12,
    "annotations": {
        "audience": ["user"],
        "priority": 0.5,
        "lastModified": "2025-01-12T15:00:58Z",
    },
    "icons": ICONS,
    "_meta": {"shop.example/a": 1},
}
OLD_RESOURCE = {
    "uri": "shop://terms",
    "name": "terms",
    "description": "The terms.",
    "mimeType": "text/plain",
    "size": 12,
    "annotations": {"audience": ["user"], "priority": 0.5},
}
TEMPLATE = {
    "uriTemplate": "shop://orders/{id}",
    "name": "order",
    "title": "Order",
    "annotations": {"lastModified": "2025-01-12T15:00:58Z"},
    "icons": ICONS,
    "_meta": {"shop.example/a": 1},
}
PROMPT = {
    "name": "greet",
    "title": "Greet",
    "description": "Greet somebody.",
    "arguments": [
        {"name": "who", "title": "Whom", "description": "A name.", "required": True}
    ],
    "icons": ICONS,
    "_meta": {"shop.example/a": 1},
}
OLD_PROMPT = {
    "name": "greet",
    "description": "Greet somebody.",
    "arguments": [{"name": "who", "description": "A name.", "required": True}],
}
IMPLEMENTATION = {
    "name": "shop",
    "version": "1.0.0",
    "title": "Shop",
    "description": "A shop.",
    "websiteUrl": "https://shop.example",
    "icons": ICONS,
}


def without(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in names}


ENTRIES: list[tuple[Kind, dict[str, Any], str, dict[str, Any]]] = [
    (
        "tool",
        TOOL,
        "2024-11-05",
        {
            "name": "count",
            "description": "Count rows.",
            "inputSchema": {"type": "object", "properties": {}},
        },
    ),
    (
        "tool",
        TOOL,
        "2025-03-26",
        {
            "name": "count",
            "description": "Count rows.",
            "inputSchema": {"type": "object", "properties": {}},
            "annotations": {"readOnlyHint": True},
        },
    ),
    ("tool", TOOL, "2025-06-18", without(TOOL, "icons")),
    ("tool", TOOL, "2025-11-25", TOOL),
    ("tool", TOOL, MODERN, TOOL),
    ("resource", RESOURCE, "2024-11-05", OLD_RESOURCE),
    ("resource", RESOURCE, "2025-03-26", OLD_RESOURCE),
    ("resource", RESOURCE, "2025-06-18", without(RESOURCE, "icons")),
    ("resource", RESOURCE, "2025-11-25", RESOURCE),
    ("resource", RESOURCE, MODERN, RESOURCE),
    (
        "resource_template",
        TEMPLATE,
        "2024-11-05",
        {"uriTemplate": "shop://orders/{id}", "name": "order", "annotations": {}},
    ),
    (
        "resource_template",
        TEMPLATE,
        "2025-03-26",
        {"uriTemplate": "shop://orders/{id}", "name": "order", "annotations": {}},
    ),
    ("resource_template", TEMPLATE, "2025-06-18", without(TEMPLATE, "icons")),
    ("resource_template", TEMPLATE, "2025-11-25", TEMPLATE),
    ("resource_template", TEMPLATE, MODERN, TEMPLATE),
    ("prompt", PROMPT, "2024-11-05", OLD_PROMPT),
    ("prompt", PROMPT, "2025-03-26", OLD_PROMPT),
    ("prompt", PROMPT, "2025-06-18", without(PROMPT, "icons")),
    ("prompt", PROMPT, "2025-11-25", PROMPT),
    ("prompt", PROMPT, MODERN, PROMPT),
    (
        "implementation",
        IMPLEMENTATION,
        "2024-11-05",
        {"name": "shop", "version": "1.0.0"},
    ),
    (
        "implementation",
        IMPLEMENTATION,
        "2025-03-26",
        {"name": "shop", "version": "1.0.0"},
    ),
    (
        "implementation",
        IMPLEMENTATION,
        "2025-06-18",
        {"name": "shop", "version": "1.0.0", "title": "Shop"},
    ),
    ("implementation", IMPLEMENTATION, "2025-11-25", IMPLEMENTATION),
    ("implementation", IMPLEMENTATION, MODERN, IMPLEMENTATION),
]


@pytest.mark.parametrize(("kind", "entry", "version", "expected"), ENTRIES)
def test_entry_has_only_members_that_the_version_knows(
    kind: Kind, entry: dict[str, Any], version: str, expected: dict[str, Any]
) -> None:
    """Spec: `schema.ts` of each version: `Tool`, `Resource`, `ResourceTemplate`,
    `Prompt`, `PromptArgument`, `Implementation`, `Annotations`."""
    before = copy.deepcopy(entry)
    assert versions.adapt_entry(kind, entry, version) == expected
    assert entry == before, "entries are shared by all sessions"


def test_entry_of_required_members_only_is_the_same_in_every_version() -> None:
    """Our choice: nothing is added."""
    prompt = {"name": "greet"}
    for version in (*versions.LEGACY, MODERN):
        assert versions.adapt_entry("prompt", prompt, version) == prompt


SCHEMAS: dict[str, tuple[Any, dict[str, Any]]] = {
    # what: (output schema, the schema that a legacy version shows)
    "an object": (
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {}}},
    ),
    "a number": (
        {"type": "integer", "title": "Rows"},
        {
            "type": "object",
            "properties": {"result": {"type": "integer", "title": "Rows"}},
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
        },
    ),
    "an object or null": (
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
        {
            "type": "object",
            "properties": {"result": {"anyOf": [{"type": "object"}, {"type": "null"}]}},
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
        },
    ),
    "a list of definitions": (
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "array",
            "items": {"$ref": "#/$defs/Book"},
            "$defs": {"Book": {"type": "object"}},
        },
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "result": {"type": "array", "items": {"$ref": "#/$defs/Book"}}
            },
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
            "$defs": {"Book": {"type": "object"}},
        },
    ),
    "definitions of an older draft": (
        {
            "$ref": "#/definitions/Rows",
            "definitions": {"Rows": {"type": "integer"}},
        },
        {
            "type": "object",
            "properties": {"result": {"$ref": "#/definitions/Rows"}},
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
            "definitions": {"Rows": {"type": "integer"}},
        },
    ),
    "anything": (
        True,
        {
            "type": "object",
            "properties": {"result": {}},
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
        },
    ),
    "nothing": (
        False,
        {
            "type": "object",
            "properties": {"result": {"not": {}}},
            "required": ["result"],
            "x-fastmcp-wrap-result": True,
        },
    ),
}


@pytest.mark.parametrize(("schema", "shown"), SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
def test_output_schema_is_of_an_object_in_legacy_versions(
    version: str, schema: Any, shown: dict[str, Any]
) -> None:
    """Spec: 2025-11-25 schema.ts, `Tool.outputSchema`: an object at the root."""
    before = copy.deepcopy(schema)
    adapted = versions.adapt_entry(
        "tool", {"name": "t", "outputSchema": schema}, version
    )
    assert adapted == {"name": "t", "outputSchema": shown}
    assert schema == before
    assert versions.needs_wrapping(schema, version) is (schema != shown)


@pytest.mark.parametrize(("schema", "shown"), SCHEMAS.values(), ids=SCHEMAS)
def test_output_schema_is_shown_as_it_is_in_the_modern_version(
    schema: Any, shown: dict[str, Any]
) -> None:
    """Spec: 2026-07-28 server/tools, "Structured Content": any JSON Schema."""
    entry = {"name": "t", "outputSchema": schema}
    assert versions.adapt_entry("tool", entry, MODERN) == entry


# Results ----------------------------------------------------------------------------

TEXT = {
    "type": "text",
    "text": "12",
    "annotations": {"priority": 1.0, "lastModified": "2025-01-12T15:00:58Z"},
    "_meta": {"shop.example/a": 1},
}
OLD_TEXT = {"type": "text", "text": "12", "annotations": {"priority": 1.0}}
IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png", "_meta": {"a": 1}}
OLD_IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": "AAAA", "mimeType": "audio/wav", "_meta": {"a": 1}}
AUDIO_AS_TEXT = {
    "type": "text",
    "text": "[audio, audio/wav: not available in this protocol version]",
}
LINK = {
    "type": "resource_link",
    "uri": "shop://orders/1",
    "name": "order",
    "title": "Order 1",
    "description": "The first one.",
    "icons": ICONS,
}
LINK_AS_TEXT = {"type": "text", "text": "Order 1 - The first one. - shop://orders/1"}
EMBEDDED = {
    "type": "resource",
    "resource": {"uri": "shop://terms", "text": "None.", "_meta": {"a": 1}},
    "_meta": {"a": 1},
}
OLD_EMBEDDED = {
    "type": "resource",
    "resource": {"uri": "shop://terms", "text": "None."},
}

BLOCKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("2024-11-05", TEXT, OLD_TEXT),
    ("2025-03-26", TEXT, OLD_TEXT),
    ("2025-06-18", TEXT, TEXT),
    ("2024-11-05", IMAGE, OLD_IMAGE),
    ("2025-03-26", IMAGE, OLD_IMAGE),
    ("2025-06-18", IMAGE, IMAGE),
    ("2024-11-05", AUDIO, AUDIO_AS_TEXT),
    ("2025-03-26", AUDIO, without(AUDIO, "_meta")),
    ("2025-06-18", AUDIO, AUDIO),
    ("2024-11-05", LINK, LINK_AS_TEXT),
    ("2025-03-26", LINK, LINK_AS_TEXT),
    ("2025-06-18", LINK, without(LINK, "icons")),
    ("2024-11-05", EMBEDDED, OLD_EMBEDDED),
    ("2025-03-26", EMBEDDED, OLD_EMBEDDED),
    ("2025-06-18", EMBEDDED, EMBEDDED),
]


@pytest.mark.parametrize(("version", "block", "expected"), BLOCKS)
def test_content_that_a_version_does_not_know_becomes_text(
    version: str, block: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Spec: `schema.ts` of each version, the content of `CallToolResult`: audio since
    2025-03-26, resource links, `_meta` and `lastModified` since 2025-06-18, icons
    since 2025-11-25. That what is unknown is described in a text is our choice."""
    before = copy.deepcopy(block)
    assert versions.adapt_content([block], version) == [expected]
    result = {"content": [block], "isError": False}
    assert versions.adapt_tool_result(result, version) == {
        "content": [expected],
        "isError": False,
    }
    message = {"messages": [{"role": "user", "content": block}], "description": "d"}
    assert versions.adapt_prompt_result(message, version) == {
        "messages": [{"role": "user", "content": expected}],
        "description": "d",
    }
    assert block == before


@pytest.mark.parametrize("version", ["2025-11-25", MODERN])
def test_newest_versions_carry_every_content(version: str) -> None:
    """Spec: 2025-11-25 schema.ts, `ContentBlock`."""
    blocks = [TEXT, IMAGE, AUDIO, LINK, EMBEDDED]
    result = {"content": blocks, "_meta": {"a": 1}}
    assert versions.adapt_tool_result(result, version) == result
    messages = {"messages": [{"role": "user", "content": b} for b in blocks]}
    assert versions.adapt_prompt_result(messages, version) == messages


def test_link_without_title_or_description_is_named_in_the_text() -> None:
    """Our choice."""
    link = {"type": "resource_link", "uri": "shop://orders/1", "name": "order"}
    assert versions.adapt_content([link], "2024-11-05") == [
        {"type": "text", "text": "order - shop://orders/1"}
    ]


NUMBER = {"type": "integer"}
OBJECT = {"type": "object"}
NULLABLE = {"anyOf": [OBJECT, {"type": "null"}]}

STRUCTURED: list[tuple[str, Any, Any, Any]] = [
    # (version, output schema, structured value, what is sent; ... for nothing)
    ("2024-11-05", OBJECT, {"a": 1}, ...),
    ("2025-03-26", NUMBER, 3, ...),
    ("2025-06-18", OBJECT, {"a": 1}, {"a": 1}),
    ("2025-06-18", NUMBER, 3, {"result": 3}),
    ("2025-11-25", NUMBER, None, {"result": None}),
    ("2025-11-25", NULLABLE, {"a": 1}, {"result": {"a": 1}}),
    ("2025-11-25", NULLABLE, None, {"result": None}),
    ("2025-11-25", None, {"a": 1}, {"a": 1}),
    ("2025-11-25", None, [1], {"result": [1]}),
    (MODERN, NUMBER, 3, 3),
    (MODERN, NULLABLE, None, None),
]


@pytest.mark.parametrize(("version", "schema", "value", "sent"), STRUCTURED)
def test_structured_value_fits_the_schema_that_the_version_was_shown(
    version: str, schema: Any, value: Any, sent: Any
) -> None:
    """Spec: 2025-06-18 server/tools, "Structured Content": since this version, an
    object; 2026-07-28: any value. That others are wrapped is our choice, the same as
    for their schema."""
    content = [{"type": "text", "text": "x"}]
    result = {"content": content, "structuredContent": value}
    expected = {"content": content}
    if sent is not ...:
        expected["structuredContent"] = sent
    assert versions.adapt_tool_result(result, version, schema=schema) == expected
    assert result == {"content": content, "structuredContent": value}


@pytest.mark.parametrize(
    ("version", "keeps_meta"),
    [
        ("2024-11-05", False),
        ("2025-03-26", False),
        ("2025-06-18", True),
        ("2025-11-25", True),
        (MODERN, True),
    ],
)
def test_contents_have_meta_since_2025_06_18(version: str, keeps_meta: bool) -> None:
    """Spec: 2025-06-18 schema.ts, `ResourceContents`."""
    text: dict[str, Any] = {
        "uri": "shop://terms",
        "mimeType": "text/plain",
        "text": "None.",
    }
    blob: dict[str, Any] = {"uri": "shop://logo", "blob": "AAAA"}
    contents = [{**text, "_meta": {"a": 1}}, blob]
    expected = contents if keeps_meta else [text, blob]
    assert versions.adapt_contents(contents, version) == expected
