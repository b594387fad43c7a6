"""What `Server(...)` and its decorators refuse at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils.translation import gettext_lazy
from mcp_types import Icon

from mcp_django import Server

OF_SERVER: dict[str, tuple[Any, ...]] = {
    "name": (5, None, b"shop", ["shop"]),
    "version": (5, None, b"1", 1.0, "", " ", "1\n", gettext_lazy("1")),
    "title": (5, b"x", ["x"], "\ud800"),
    "description": (5, object(), "\udfff"),
    "instructions": (5, ["x"], {"x": 1}, "\ud800"),
    "website_url": (5, b"https://example.com"),
    "icons": (5, "x", Icon(src="x"), [5], [{"src": 5}], [{}], {"src": "x"}),
    "page_size": (0, -1, True, 1.5, "5", 2**70),
    "ttl_ms": (-1, True, "5", 1.5, None, 2**70),
    "cache_scope": ("all", 5, None, ["public"]),
}
OF_ALL: dict[str, tuple[Any, ...]] = {
    "title": (5, b"x", ["x"], {"x": 1}, True, "\ud800"),
    "description": (5, ["x"], "\ud800"),
    "icons": (5, "x", Icon(src="x"), [5], [{"src": 5}], [{}], {"src": "x"}),
    "meta": (5, "x", ["x"], {"x": object()}, {"x": "\ud800"}),
    "atomic": ("", 1, 0, b"default", [], ["default", 1], {"default"}),
    "permission": (5, False, b"x", [], {"x"}),
}
OF_TOOL: dict[str, tuple[Any, ...]] = {
    **OF_ALL,
    "name": (5, "", 0, b"x", ["x"]),
    "annotations": (
        5,
        "x",
        ["x"],
        {"readOnlyHint": "yes"},
        {"title": 5},
        {"bogus": 1},
        {"read_only_hint": True},
        {"priority": 0.5},
    ),
    "input_schema": (5, "x", ["x"], {"type": "string"}),
    "output_schema": (5, "x", ["x"], {"type": 5}),
    "structured": ("yes", 1, 0),
}
OF_RESOURCE: dict[str, tuple[Any, ...]] = {
    **OF_ALL,
    "name": (5, "", 0, b"x", "\ud800", gettext_lazy("x")),
    "mime_type": (
        5,
        b"text/plain",
        ["text/plain"],
        "",
        " ",
        "text/plain\r\nX: y",
        "text/\0",
        gettext_lazy("text/plain"),
    ),
    "size": (-1, "5", 1.5, True, 2**70),
    "annotations": (
        5,
        "x",
        {"priority": 2.0},
        {"audience": "user"},
        {"bogus": 1},
        {"last_modified": "2026-01-31"},
        {"readOnlyHint": True},
    ),
    "ttl_ms": (-1, True, "5", None, 2**70),
    "cache_scope": ("all", None),
}
OF_PROMPT: dict[str, tuple[Any, ...]] = {**OF_ALL, "name": (5, "", 0, b"x")}


def register_tool(**given: Any) -> object:
    return Server("shop").tool(**given)(lambda: None)


def register_resource(**given: Any) -> object:
    return Server("shop").resource("shop://a", **given)(lambda: "x")


def register_template(**given: Any) -> object:
    return Server("shop").resource("shop://a/{id}", **given)(lambda id: "x")


def register_prompt(**given: Any) -> object:
    return Server("shop").prompt(**given)(lambda: "x")


def make_server(**given: Any) -> object:
    return Server(**{"name": "shop", **given})


KINDS: list[tuple[Callable[..., object], dict[str, tuple[Any, ...]]]] = [
    (make_server, OF_SERVER),
    (register_tool, OF_TOOL),
    (register_resource, OF_RESOURCE),
    (register_template, OF_RESOURCE),
    (register_prompt, OF_PROMPT),
]


@pytest.mark.parametrize(
    ("register", "argument", "value"),
    [
        (register, argument, value)
        for register, arguments in KINDS
        for argument, values in arguments.items()
        for value in values
    ],
    ids=lambda value: getattr(value, "__name__", ascii(value)[:40]),
)
def test_argument_of_the_wrong_kind_is_refused_by_name(
    register: Callable[..., object], argument: str, value: Any
) -> None:
    """Our choice: clients refuse the whole list for one entry that is wrong."""
    with pytest.raises(ValueError) as caught:
        register(**{"name": "ship", argument: value})
    told = str(caught.value).lower()
    shown = {"meta": "_meta", "website_url": "websiteurl"}.get(argument, argument)
    assert argument in told or shown in told or "json" in told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"title": 5}, "tool 'ship': title must be text, not 5"),
        (
            {"title": "a\ud800"},
            "tool 'ship': title has '\\ud800', which cannot be written as UTF-8",
        ),
        ({"structured": 1}, "tool 'ship': structured must be True or False, not 1"),
        ({"meta": ["x"]}, "tool 'ship': meta must be a dict, not ['x']"),
        (
            {"icons": [{"src": 5}]},
            "tool 'ship': icons.0.src is 5; input should be a valid string",
        ),
    ],
)
def test_refusal_says_what_was_given_and_what_is_wanted(
    given: dict[str, Any], message: str
) -> None:
    """Our choice: whoever reads it knows what to change."""
    with pytest.raises(ValueError) as caught:
        register_tool(name="ship", **given)
    assert str(caught.value) == message


def test_lazy_text_is_text() -> None:
    """Our choice: as Django writes text at import time."""
    text: Any = gettext_lazy("Yes")
    make_server(title=text, description=text, instructions=text, website_url=text)
    for register in (register_tool, register_resource, register_template):
        register(
            name="ship",
            title=text,
            description=text,
            meta={"hint": text, "several": [text]},
        )
    register_prompt(name="ship", title=text, description=text)


NO_FUNCTIONS: list[Any] = [5, None, "ship", ["ship"]]


@pytest.mark.parametrize("function", NO_FUNCTIONS)
def test_what_is_no_function_is_refused(function: Any) -> None:
    """Our choice: at once, and not at the first call."""
    server = Server("shop")
    for register in (
        server.tool(name="ship"),
        server.resource("shop://a"),
        server.prompt(name="ship"),
        server.around,
    ):
        with pytest.raises(ValueError):
            register(function)


@pytest.mark.parametrize("prefix", [5, None, b"mcp"])
def test_prefix_that_is_no_text_is_refused(prefix: Any) -> None:
    """Our choice: in the URLconf, by name."""
    with pytest.raises(ValueError, match="prefix"):
        Server("shop").urls(prefix)
