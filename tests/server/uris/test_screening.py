"""Which values of templates are dangerous where a path is made of them."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_django import Context, ResourceNotFound, Server
from mcp_django.server.uris.screening import fault_of
from mcp_django.server.uris.uri_templates import UriTemplate
from tests.server.calls import Caller

SEGMENT = "the value of 'path' has '..' as a segment of a path"
ABSOLUTE = "the value of 'path' is an absolute path"
NUL = "the value of 'path' has a NUL character"


@pytest.mark.parametrize(
    ("template", "uri", "fault"),
    [
        ("file://{path}", "file://..", SEGMENT),
        ("file://{path}", "file://%2e%2E", SEGMENT),
        ("file://{path}", "file://a%2f..%2Fb", SEGMENT),
        ("file://{path}", "file://a%5c..", SEGMENT),
        ("file://{+path}", "file://a/../b", SEGMENT),
        ("file://{+path}", "file://../b", SEGMENT),
        ("file://{+path}", "file://a/b/..", SEGMENT),
        ("file:/{/path*}", "file://a/../b", SEGMENT),
        ("file:/{/path*}", "file://a/b%2f..", SEGMENT),
        ("file://f{?path}", "file://f?path=../b", SEGMENT),
        ("file://f{?path*}", "file://f?path=a&path=..", SEGMENT),
        ("file://f{#path}", "file://f#..", SEGMENT),
        ("file://{+path}", "file:///etc/passwd", ABSOLUTE),
        ("file://{path}", "file://%2fetc", ABSOLUTE),
        ("file://{path}", "file://%5c%5chost%5cshare", ABSOLUTE),
        ("file://{path}", "file://c:%5cwindows", ABSOLUTE),
        ("file://{path}", "file://a%00.txt", NUL),
        ("file://{path}", "file://a..b", None),
        ("file://{path}", "file://...", None),
        ("file://{path}", "file://.", None),
        ("file://{path}", "file://a%2fb", None),
        ("file://{path}", "file://%252e%252e", None),
        ("file://{path}", "file://q:word", None),
        ("file://{+path}", "file://a/b/c..d/e", None),
        ("file://f{?path}", "file://f", None),
    ],
)
def test_values_are_screened_as_the_handler_would_get_them(
    template: str, uri: str, fault: str | None
) -> None:
    """We promise it: decoded once, whatever expression they come from."""
    values = UriTemplate.parse(template).match(uri)
    assert values is not None
    assert fault_of(values) == fault


async def test_resource_that_takes_such_values_is_found_behind_one_that_does_not() -> (
    None
):
    """Our choice: the switch is of one resource; the first that will do is read."""
    server = Server("files")
    seen: list[Any] = []

    @server.resource("file://{name}")
    def strict(name: str) -> str:
        return f"strict {name}"

    @server.resource("file://{+path}", screen=False)
    def free(path: str) -> str:
        seen.append(path)
        return f"free {path}"

    async def read(uri: str) -> str:
        result = await Caller(server).call("resources/read", {"uri": uri})
        text: str = result["contents"][0]["text"]
        return text

    assert await read("file://a") == "strict a"
    assert await read("file://..") == "free .."
    assert await read("file:///a/%2e./b") == "free /a/../b"


async def test_handler_that_reads_another_resource_is_refused_as_well() -> None:
    """Our choice: what it reads is mostly what its client named."""
    server = Server("files")
    server.resource("file://{+path}")(lambda path: path)

    @server.tool
    async def read(uri: str, context: Context) -> str:
        with pytest.raises(ResourceNotFound, match="Resource not found: " + ABSOLUTE):
            await context.read_resource(uri)
        return "refused"

    assert await Caller(server).text_of("read", uri="file:///etc") == "refused"


async def test_who_may_not_read_a_resource_learns_nothing_of_it() -> None:
    """Our choice: what screens is said to those that see the template only."""
    server = Server("files")
    server.resource("file://{+path}", permission="shop.view_file")(lambda path: path)

    error = await Caller(server).error_of("resources/read", {"uri": "file://../a"})

    assert (error.message, error.reason) == ("Resource not found", "not permitted")


@pytest.mark.parametrize("screen", ["no", 0])
def test_switch_is_true_or_false(screen: Any) -> None:
    """Our choice: as of each flag."""
    with pytest.raises(ValueError, match="screen must be True or False"):
        Server("files").resource("file://{path}", screen=screen)(lambda path: path)
