"""Lists of features, page by page."""

import base64
from typing import Any

import pytest
from mcp_types.jsonrpc import INVALID_PARAMS

from mcp_django import Server
from mcp_django.protocol.jsonrpc import JSONObject
from tests.server.calls import Caller


@pytest.fixture
def full() -> Server:
    server = Server("full", page_size=3)
    for number in range(7):
        server.tool(name=f"tool-{number}")(lambda: None)
        server.prompt(name=f"prompt-{number}")(lambda: "text")
        server.resource(f"full://{number}", name="same")(lambda: "text")
        server.resource(f"full://{number}/{{x}}", name="same")(lambda x: "text")
    return server


LISTS = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
]


@pytest.mark.parametrize(("method", "member", "key"), LISTS)
async def test_lists_are_given_page_by_page_in_the_order_of_registration(
    full: Server, method: str, member: str, key: str
) -> None:
    """Spec: 2025-11-25 server/utilities/pagination."""
    pages: list[list[str]] = []
    params: JSONObject = {}
    caller = Caller(full)
    while True:
        page = await caller.call(method, params)
        pages.append([entry[key] for entry in page[member]])
        if "nextCursor" not in page:
            break
        params = {"cursor": page["nextCursor"]}
    assert [len(page) for page in pages] == [3, 3, 1]
    names = [name for page in pages for name in page]
    assert names == sorted(names)
    assert len(set(names)) == 7


async def test_page_that_is_just_full_is_the_last() -> None:
    """Spec: 2025-11-25 server/utilities/pagination: no cursor at the end."""
    server = Server("full", page_size=3)
    for number in range(3):
        server.tool(name=f"tool-{number}")(lambda: None)
    assert "nextCursor" not in await Caller(server).call("tools/list")


async def test_page_size_is_the_setting_s_unless_the_server_has_one(
    server: Server, settings: Any
) -> None:
    """Our choice: `MCP["PAGE_SIZE"]`."""
    settings.MCP = {"PAGE_SIZE": 2}
    for number in range(3):
        server.tool(name=f"tool-{number}")(lambda: None)
    assert len((await Caller(server).call("tools/list"))["tools"]) == 2


async def test_cursor_survives_features_that_come_and_go() -> None:
    """Our choice: a cursor names the last entry, not a number, so that nothing is
    skipped or shown twice."""
    server = Server("full", page_size=2)
    for name in "bdfh":
        server.tool(name=name)(lambda: None)
    caller = Caller(server)
    cursor = (await caller.call("tools/list"))["nextCursor"]
    del server.tools["b"]
    server.tool(name="j")(lambda: None)
    page = await caller.call("tools/list", {"cursor": cursor})
    assert [tool["name"] for tool in page["tools"]] == ["f", "h"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "????",
        "ü",
        "\x00",
        base64.urlsafe_b64encode(b"nothing").decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
    ],
)
async def test_unknown_cursor_is_invalid(full: Server, cursor: str) -> None:
    """Spec: 2025-11-25 server/utilities/pagination, "Error Handling"."""
    for method, _, _ in LISTS:
        error = await Caller(full).error_of(method, {"cursor": cursor})
        assert (error.code, error.message, error.data) == (
            INVALID_PARAMS,
            "unknown cursor; start again without one",
            {"cursor": cursor},
        )


async def test_cursor_of_another_list_is_invalid(full: Server) -> None:
    """Spec: 2025-11-25 server/utilities/pagination: cursors are opaque."""
    caller = Caller(full)
    cursor = (await caller.call("tools/list"))["nextCursor"]
    error = await caller.error_of("prompts/list", {"cursor": cursor})
    assert error.code == INVALID_PARAMS


async def test_list_that_is_empty_for_this_user_is_no_unknown_method(
    server: Server,
) -> None:
    """Our choice: capabilities are the server's, not the user's."""

    @server.tool(permission=lambda context: False)
    def sell() -> None: ...

    assert await Caller(server).call("tools/list") == {"tools": []}
