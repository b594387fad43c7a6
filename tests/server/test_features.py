"""Tools, resources and prompts, as clients list, call, read and get them."""

import pytest
from mcp_types import (
    AudioContent,
    Icon,
    ResourceLink,
    TextResourceContents,
    ToolAnnotations,
)

from mcp_django import (
    Context,
    ErrorAnswer,
    Server,
    ToolError,
)
from mcp_django.exceptions import CapabilityMissing
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.server.calls import LATEST, Caller

LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
NOT_FOUND = -32002
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


async def assert_refused(
    caller: Caller, method: str, params: JSONObject | None, code: int, message: str
) -> None:
    error = await caller.error_of(method, params)
    assert (error.code, error.message) == (code, message)


# Tools ------------------------------------------------------------------------------


async def test_tool_is_listed_with_all_that_its_version_knows(server: Server) -> None:
    """Spec: `schema.ts` of each version, `Tool`."""

    @server.tool(
        title="Count",
        annotations=ToolAnnotations(read_only_hint=True),
        icons=[Icon(src="https://shop.example/icon.png")],
        meta={"shop.example/a": 1},
    )
    def count(status: str = "open") -> int:
        """Count the orders.

        Args:
            status: Only those.
        """
        return 3

    input_schema = {
        "type": "object",
        "properties": {
            "status": {
                "type": "string",
                "default": "open",
                "description": "Only those.",
            }
        },
        "additionalProperties": False,
    }
    oldest = {
        "name": "count",
        "description": "Count the orders.",
        "inputSchema": input_schema,
    }
    added: dict[str, JSONObject] = {
        "2024-11-05": {},
        "2025-03-26": {"annotations": {"readOnlyHint": True}},
        "2025-06-18": {
            "title": "Count",
            "outputSchema": {
                "type": "object",
                "properties": {"result": {"type": "integer"}},
                "required": ["result"],
                "x-fastmcp-wrap-result": True,
            },
            "_meta": {"shop.example/a": 1},
        },
        "2025-11-25": {"icons": [{"src": "https://shop.example/icon.png"}]},
    }
    expected: JSONObject = dict(oldest)
    for version in LEGACY:
        expected |= added[version]
        listed = await Caller(server, version=version).call("tools/list")
        assert listed == {"tools": [expected]}
    listed = await Caller(server, version=MODERN).call("tools/list")
    assert listed["tools"][0]["outputSchema"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("version", "structured"),
    [
        ("2024-11-05", {}),
        ("2025-03-26", {}),
        ("2025-06-18", {"structuredContent": {"result": 3}}),
        ("2025-11-25", {"structuredContent": {"result": 3}}),
        (MODERN, {"structuredContent": 3}),
    ],
)
async def test_result_has_the_structure_that_its_version_knows(
    server: Server, version: str, structured: JSONObject
) -> None:
    """Spec: 2025-06-18 server/tools, "Structured Content"."""

    @server.tool
    def count() -> int:
        return 3

    assert await Caller(server, version=version).call_tool("count") == {
        "content": [{"type": "text", "text": "3"}],
        **structured,
    }


async def test_content_that_an_old_version_does_not_know_becomes_text(
    server: Server,
) -> None:
    """Spec: `schema.ts` of each version, `CallToolResult`. That it becomes text is our
    choice."""

    @server.tool
    def hear() -> list[AudioContent | ResourceLink]:
        return [
            AudioContent(data="AAAA", mime_type="audio/wav"),
            ResourceLink(name="order", uri="shop://orders/1"),
        ]

    kinds = {}
    for version in LEGACY:
        result = await Caller(server, version=version).call_tool("hear")
        kinds[version] = [block["type"] for block in result["content"]]
    assert kinds == {
        "2024-11-05": ["text", "text"],
        "2025-03-26": ["audio", "text"],
        "2025-06-18": ["audio", "resource_link"],
        "2025-11-25": ["audio", "resource_link"],
    }


async def test_unknown_tool_is_a_protocol_error(server: Server) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""

    @server.tool
    def count() -> int:
        return 3

    for version in (*LEGACY, MODERN):
        await assert_refused(
            Caller(server, version=version),
            "tools/call",
            {"name": "sell"},
            INVALID_PARAMS,
            "Unknown tool: sell",
        )


async def test_arguments_that_do_not_fit_are_for_the_model_to_correct(
    server: Server,
) -> None:
    """Spec: 2025-11-25 changelog: input validation errors are tool errors. That older
    versions get the same is our choice."""

    @server.tool
    def count(limit: int) -> int:
        return limit

    for version in LEGACY:
        result = await Caller(server, version=version).call_tool("count", limit="many")
        assert result["isError"] is True
        assert result["content"][0]["text"].startswith(
            "invalid arguments for count: limit: "
        )


async def test_tool_error_is_for_the_model_to_read(server: Server) -> None:
    """Spec: 2025-11-25 server/tools, "Error Handling"."""

    @server.tool
    def sell() -> None:
        raise ToolError("Sold out until Monday.")

    assert await Caller(server).call_tool("sell") == {
        "content": [{"type": "text", "text": "Sold out until Monday."}],
        "isError": True,
    }


async def test_question_the_client_cannot_be_asked_is_a_tool_error(
    server: Server,
) -> None:
    """Our choice: the model learns why, and may go another way."""

    @server.tool
    async def ask(context: Context) -> None:
        await context.list_roots()

    assert await Caller(server, capabilities={}).call_tool("ask") == {
        "content": [
            {
                "type": "text",
                "text": "client cannot be asked: it did not declare the capability "
                "'roots'",
            }
        ],
        "isError": True,
    }


async def test_error_answer_of_a_handler_is_the_protocol_error(server: Server) -> None:
    """Our choice: a public way to answer with a protocol error of one's own."""

    @server.tool
    def sell() -> None:
        raise ErrorAnswer(-32000, "closed", {"until": "Monday"})

    error = await Caller(server).error_of("tools/call", {"name": "sell"})
    assert (error.code, error.message, error.data) == (
        -32000,
        "closed",
        {"until": "Monday"},
    )


async def test_other_exceptions_of_a_handler_reach_the_driver(server: Server) -> None:
    """Our choice: whoever drives the request logs it and answers neutrally."""

    @server.tool
    def sell() -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError):
        await Caller(server).call_tool("sell")


# Resources --------------------------------------------------------------------------


async def test_resources_and_templates_are_listed_apart(library: Server) -> None:
    """Spec: 2025-11-25 server/resources, "Listing Resources", "Resource Templates"."""
    caller = Caller(library)
    assert await caller.call("resources/list") == {
        "resources": [
            {
                "uri": "shop://terms",
                "name": "terms",
                "title": "Terms",
                "description": "The terms.",
                "size": 5,
            }
        ]
    }
    assert await caller.call("resources/templates/list") == {
        "resourceTemplates": [
            {
                "uriTemplate": "shop://orders/{number}",
                "name": "order",
                "mimeType": "text/plain",
            }
        ]
    }


async def test_resource_is_read_by_its_uri(library: Server) -> None:
    """Spec: 2025-11-25 server/resources, "Reading Resources"."""
    caller = Caller(library)
    assert await caller.call("resources/read", {"uri": "shop://orders/7"}) == {
        "contents": [
            {"uri": "shop://orders/7", "mimeType": "text/plain", "text": "Order 7"}
        ]
    }


@pytest.mark.parametrize(
    ("version", "code"), [*((v, NOT_FOUND) for v in LEGACY), (MODERN, INVALID_PARAMS)]
)
@pytest.mark.parametrize("uri", ["shop://nothing", "shop://orders/101", ""])
async def test_unknown_resource_has_the_error_of_the_version(
    library: Server, version: str, code: int, uri: str
) -> None:
    """Spec: 2025-11-25 server/resources, "Error Handling": -32002; 2026-07-28:
    -32602."""
    caller = Caller(library, version=version)
    error = await caller.error_of("resources/read", {"uri": uri})
    assert (error.code, error.message, error.data) == (
        code,
        "Resource not found",
        {"uri": uri},
    )


async def test_variable_that_does_not_fit_is_invalid(library: Server) -> None:
    """Our choice: the error names variable and reason."""
    error = await Caller(library).error_of("resources/read", {"uri": "shop://orders/x"})
    assert error.code == INVALID_PARAMS
    assert error.message.startswith("invalid arguments for order: number: ")


async def test_fixed_uri_comes_before_templates_in_the_order_of_registration(
    server: Server,
) -> None:
    """Our choice: like Django's URL patterns, but what is exact wins."""

    @server.resource("shop://{a}")
    def first(a: str) -> str:
        return f"first {a}"

    @server.resource("shop://{b}")
    def second(b: str) -> str:
        return "second"

    @server.resource("shop://x")
    def fixed() -> str:
        return "fixed"

    caller = Caller(server)
    for uri, text in [("shop://x", "fixed"), ("shop://y", "first y")]:
        [contents] = (await caller.call("resources/read", {"uri": uri}))["contents"]
        assert contents["text"] == text


async def test_template_that_is_not_permitted_leaves_the_uri_to_the_next(
    server: Server,
) -> None:
    """Our choice: what a user may not see is not there."""

    @server.resource("shop://{a}", permission=lambda context: False)
    def first(a: str) -> str:
        return "first"

    @server.resource("shop://{b}")
    def second(b: str) -> str:
        return "second"

    [contents] = (await Caller(server).call("resources/read", {"uri": "shop://y"}))[
        "contents"
    ]
    assert contents["text"] == "second"


async def test_contents_have_meta_where_the_version_knows_it(server: Server) -> None:
    """Spec: 2025-06-18 schema.ts, `ResourceContents`."""

    @server.resource("shop://terms")
    def terms() -> TextResourceContents:
        return TextResourceContents(uri="shop://terms", text="None.", _meta={"a": 1})

    for version in (*LEGACY, MODERN):
        caller = Caller(server, version=version)
        [contents] = (await caller.call("resources/read", {"uri": "shop://terms"}))[
            "contents"
        ]
        assert ("_meta" in contents) is (version >= "2025-06-18")


# Prompts ----------------------------------------------------------------------------


async def test_prompts_are_listed_with_their_arguments(prompter: Server) -> None:
    """Spec: 2025-11-25 server/prompts, "Listing Prompts"."""
    listed = await Caller(prompter).call("prompts/list")
    assert listed["prompts"][0] == {
        "name": "greet",
        "title": "Greet",
        "description": "Greet somebody.",
        "arguments": [
            {"name": "name", "description": "Whom.", "required": True},
            {"name": "tone", "required": False},
        ],
    }
    listed = await Caller(prompter, version="2025-03-26").call("prompts/list")
    assert "title" not in listed["prompts"][0]


async def test_prompt_is_filled_in(prompter: Server) -> None:
    """Spec: 2025-11-25 server/prompts, "Getting a Prompt"."""
    caller = Caller(prompter)
    params = {"name": "greet", "arguments": {"name": "Ada"}}
    assert await caller.call("prompts/get", params) == {
        "description": "Greet somebody.",
        "messages": [
            {
                "role": "user",
                "content": {"type": "text", "text": "Greet Ada in a warm tone."},
            }
        ],
    }
    params = {"name": "talk", "arguments": {"count": "2"}}
    talked = await caller.call("prompts/get", params)
    assert [m["content"]["type"] for m in talked["messages"]] == ["audio"] * 2
    talked = await Caller(prompter, version="2024-11-05").call("prompts/get", params)
    assert [m["content"]["type"] for m in talked["messages"]] == ["text"] * 2


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "Ada", "tone": None},
        '{"name": "Ada"}',
        '{"name": "Ada", "tone": null}',
    ],
)
async def test_null_for_an_argument_of_a_prompt_leaves_it_out(
    prompter: Server, arguments: JSON, version: str
) -> None:
    """Our choice: as for tools; the protocol has texts only."""
    params = {"name": "greet", "arguments": arguments}
    got = await Caller(prompter, version=version).call("prompts/get", params)
    assert got["messages"][0]["content"]["text"] == "Greet Ada in a warm tone."


@pytest.mark.parametrize("version", [LATEST, MODERN])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"limit": 3}', "3"),
        (' {"limit": "3"}\n', "3"),
        ("{}", "1"),
        ("null", "1"),
        ("", "1"),
        (None, "1"),
    ],
)
@pytest.mark.parametrize("schema", [None, {"type": "object"}])
async def test_arguments_may_be_json_text_of_an_object(
    version: str, arguments: JSON, expected: str, schema: JSONObject | None
) -> None:
    """Our choice: models write so what they should have written as an object."""
    server = Server("shop")

    @server.tool(input_schema=schema)
    def count(limit: int = 1) -> str:
        return str(limit)

    params = {"name": "count", "arguments": arguments}
    result = await Caller(server, version=version).call("tools/call", params)
    assert result["content"] == [{"type": "text", "text": expected}]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"name": "nothing"}, "Unknown prompt: nothing"),
        (
            {"name": "greet", "arguments": {"name": None}},
            "invalid arguments for greet: name: missing, but required",
        ),
        (
            {"name": "greet"},
            "invalid arguments for greet: name: missing, but required",
        ),
        (
            {"name": "greet", "arguments": {"name": 7}},
            "invalid params: arguments.name: Input should be a valid string",
        ),
    ],
)
async def test_prompt_that_cannot_be_filled_in_is_invalid(
    prompter: Server, params: JSONObject, message: str
) -> None:
    """Spec: 2025-11-25 server/prompts, "Error Handling"."""
    await assert_refused(
        Caller(prompter), "prompts/get", params, INVALID_PARAMS, message
    )


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ToolError("Only in summer."), INVALID_PARAMS, "Only in summer."),
        (CapabilityMissing("cannot ask", required={}), INTERNAL_ERROR, "cannot ask"),
    ],
)
async def test_texts_for_the_model_are_protocol_errors_where_there_is_no_tool(
    server: Server, error: Exception, code: int, message: str
) -> None:
    """Our choice: only tools have results for failures, but the text is kept."""

    @server.prompt
    def greet() -> str:
        raise error

    @server.resource("shop://terms")
    def terms() -> str:
        raise error

    caller = Caller(server)
    await assert_refused(caller, "prompts/get", {"name": "greet"}, code, message)
    await assert_refused(
        caller, "resources/read", {"uri": "shop://terms"}, code, message
    )
