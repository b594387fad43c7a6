"""From the method of a request to its result, in each protocol version."""

from typing import Annotated

import pytest
from mcp_types import (
    ElicitRequestURLParams,
    TextContent,
)
from pydantic import Field

from mcp_django import (
    ErrorAnswer,
    ResourceNotFound,
    Server,
    SyncContext,
)
from mcp_django.exceptions import CapabilityMissing, UrlElicitationRequired
from mcp_django.protocol import methods
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from tests.server.calls import Caller, Notebook

LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
NOT_FOUND = -32002
INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
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


# Methods ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [row.name for row in methods.LEGACY.values() if row.needs_session]
)
async def test_every_method_that_the_protocol_lets_through_is_answered(
    completer: Server, method: str
) -> None:
    """Our choice: the two tables have the same methods."""
    try:
        await Caller(completer, session=Notebook()).call(method)
    except ErrorAnswer as error:
        assert error.code in (INVALID_PARAMS, METHOD_NOT_FOUND)


async def test_text_of_a_text_content_is_passed_on(server: Server) -> None:
    """Our choice: content blocks are sent as they are."""

    @server.tool
    def say() -> TextContent:
        return TextContent(text="hello")

    assert await Caller(server).call_tool("say") == {
        "content": [{"type": "text", "text": "hello"}]
    }


# The modern era ---------------------------------------------------------------------


async def test_server_is_discovered(server: Server) -> None:
    """Spec: 2026-07-28 server/discover."""
    described = Server(
        "shop",
        version="2.0",
        title="Shop",
        description="Sells.",
        instructions="Look up orders.",
        ttl_ms=60_000,
        cache_scope="public",
    )
    described.tool(name="ship")(lambda: None)
    assert await Caller(described, version=MODERN).call("server/discover") == {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"logging": {}, "tools": {"listChanged": True}},
        "instructions": "Look up orders.",
        "ttlMs": 60_000,
        "cacheScope": "public",
        "_meta": {
            "io.modelcontextprotocol/serverInfo": {
                "name": "shop",
                "version": "2.0",
                "title": "Shop",
                "description": "Sells.",
            }
        },
    }
    plain = await Caller(server, version=MODERN).call("server/discover")
    assert plain["capabilities"] == {"logging": {}}
    assert "instructions" not in plain


@pytest.mark.parametrize("method", sorted(methods.MODERN.keys() - {methods.LISTEN}))
async def test_every_method_of_the_modern_era_is_answered(
    server: Server, method: str
) -> None:
    """Spec: 2026-07-28 schema.ts, `ClientRequest`; one of them is listened to."""
    try:
        await Caller(server, version=MODERN).call(method)
    except ErrorAnswer as error:
        assert error.code in (INVALID_PARAMS, METHOD_NOT_FOUND)


HINTS: JSONObject = {"ttlMs": 5000, "cacheScope": "public"}
NO_HINTS: JSONObject = {"ttlMs": 0, "cacheScope": "private"}


def hints_of(result: JSONObject) -> JSONObject:
    return {k: v for k, v in result.items() if k in ("ttlMs", "cacheScope")}


@pytest.fixture
def cacheable() -> Server:
    """A server with something of every kind, and hints for it."""
    server = Server("shop", page_size=1, ttl_ms=5000, cache_scope="public")
    server.tool(name="ship")(lambda: None)
    server.tool(name="pay")(lambda: None)
    server.prompt(name="greet")(lambda: "Hello")
    server.resource("shop://terms", name="terms", ttl_ms=5000, cache_scope="public")(
        lambda: "None."
    )
    server.resource("shop://news", name="news")(lambda: "None.")

    @server.resource("shop://orders/{id}", ttl_ms=100)
    def order(id: str) -> str:
        return id

    @server.completion(order, "id")
    def complete(value: str) -> list[str]:
        return [value]

    return server


LIST_METHODS = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
]


@pytest.mark.parametrize("method", [*LIST_METHODS, "server/discover"])
async def test_lists_have_the_hints_of_the_server(
    cacheable: Server, server: Server, method: str
) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"; without hints
    nothing is kept, which is our choice."""
    caller = Caller(cacheable, version=MODERN)
    result = await caller.call(method)
    assert hints_of(result) == HINTS
    if "nextCursor" in result:
        following = await caller.call(method, {"cursor": result["nextCursor"]})
        assert hints_of(following) == HINTS
    cacheable.cache = server.cache
    assert hints_of(await caller.call(method)) == NO_HINTS


@pytest.mark.parametrize(
    ("uri", "hints"),
    [
        ("shop://terms", HINTS),
        ("shop://news", NO_HINTS),
        ("shop://orders/7", {"ttlMs": 100, "cacheScope": "private"}),
    ],
)
async def test_contents_have_the_hints_of_their_resource(
    cacheable: Server, uri: str, hints: JSONObject
) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"."""
    result = await Caller(cacheable, version=MODERN).call(
        "resources/read", {"uri": uri}
    )
    assert hints_of(result) == hints


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "ship"}),
        ("prompts/get", {"name": "greet"}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/resource", "uri": "shop://orders/{id}"},
                "argument": {"name": "id", "value": "7"},
            },
        ),
    ],
)
async def test_other_results_have_no_hints(
    cacheable: Server, method: str, params: JSONObject
) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cacheable Results"."""
    result = await Caller(cacheable, version=MODERN).call(method, params)
    assert hints_of(result) == {}


@pytest.mark.parametrize("version", LEGACY)
async def test_older_versions_have_no_hints(cacheable: Server, version: str) -> None:
    """Spec: 2026-07-28 changelog, "Minor changes", 5."""
    caller = Caller(cacheable, version=version)
    for method in LIST_METHODS:
        assert hints_of(await caller.call(method)) == {}
    read = await caller.call("resources/read", {"uri": "shop://terms"})
    assert hints_of(read) == {}


async def test_what_a_retry_made_is_not_kept(cacheable: Server) -> None:
    """Spec: 2026-07-28 server/utilities/caching, "Cache Key"; and "Cacheable Results":
    interim results carry no hints."""

    @cacheable.resource("shop://gift", ttl_ms=5000, cache_scope="public")
    def gift(context: SyncContext) -> str:
        return f"For {context.list_roots()[0].uri}"

    caller = Caller(cacheable, version=MODERN)
    first = caller.request("resources/read", {"uri": "shop://gift"})
    asked = await caller.send(first)
    assert hints_of(asked) == {}
    roots = {"question-1": {"roots": [{"uri": "file:///ada"}]}}
    result = await caller.send(caller.retry(first, asked, roots))
    assert result["contents"][0]["text"] == "For file:///ada"
    assert hints_of(result) == NO_HINTS


async def test_resource_of_a_tool_is_missing_in_the_words_of_the_version(
    server: Server,
) -> None:
    """Spec: 2026-07-28 changelog, "Minor changes", 6."""

    @server.resource("shop://orders/{id}")
    def order(id: str) -> str:
        raise ResourceNotFound

    error = await Caller(server, version=MODERN).error_of(
        "resources/read", {"uri": "shop://orders/7"}
    )
    assert (error.code, error.data) == (INVALID_PARAMS, {"uri": "shop://orders/7"})


@pytest.mark.parametrize("kind", ["tools/call", "prompts/get", "resources/read"])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (NOT_FOUND, INVALID_PARAMS),
        (-32042, INTERNAL_ERROR),
        (-32050, INTERNAL_ERROR),
        (7, 7),
    ],
)
async def test_codes_that_the_modern_era_does_not_have_are_replaced(
    server: Server, kind: str, code: int, expected: int
) -> None:
    """Spec: 2026-07-28 basic, "Error Codes"."""

    def fail() -> str:
        raise ErrorAnswer(code, "no", {"a": 1})

    server.tool(name="fail")(fail)
    server.prompt(name="fail")(fail)
    server.resource("shop://fail", name="fail")(fail)
    params = {"name": "fail", "uri": "shop://fail"}
    error = await Caller(server, version=MODERN).error_of(kind, params)
    assert (error.code, error.message, error.data) == (expected, "no", {"a": 1})
    old = await Caller(server).error_of(kind, params)
    assert (old.code, old.message) == (code, "no")


@pytest.mark.parametrize("kind", ["tools/call", "prompts/get", "resources/read"])
async def test_capability_that_is_missing_has_an_error_of_its_own(
    server: Server, kind: str
) -> None:
    """Spec: 2026-07-28 basic, "Per-request protocol fields"."""

    def ask(context: SyncContext) -> str:
        return str(context.sample("Hello", 10))

    server.tool(name="ask")(ask)
    server.prompt(name="ask")(ask)
    server.resource("shop://ask", name="ask")(ask)
    caller = Caller(server, version=MODERN, capabilities={"elicitation": {}})
    error = await caller.error_of(kind, {"name": "ask", "uri": "shop://ask"})
    assert (error.code, error.message) == (
        -32021,
        "client cannot be asked: it did not declare the capability 'sampling'",
    )
    assert error.data == {"requiredCapabilities": {"sampling": {}}}


async def test_handler_may_do_without_the_capability(server: Server) -> None:
    """Our choice: a handler may look for another way."""

    @server.tool
    def greet(context: SyncContext) -> str:
        try:
            return str(context.sample("Greet!", 10))
        except CapabilityMissing:
            return "Hello."

    caller = Caller(server, version=MODERN, capabilities={})
    assert await caller.text_of("greet") == "Hello."


# Visits to URLs that have to come first ---------------------------------------------


CONNECT = ElicitRequestURLParams(
    message="Connect your bank.",
    url="https://shop.example/connect",
    elicitation_id="visit-1",
)
VISIT: JSONObject = {
    "mode": "url",
    "message": "Connect your bank.",
    "url": "https://shop.example/connect",
}


@pytest.fixture
def bank(server: Server) -> Server:
    """A server whose features need a visit first, until `connected` is not empty."""
    connected: list[bool] = []

    def pay() -> str:
        if not connected:
            raise UrlElicitationRequired(CONNECT)
        return "Paid."

    @server.tool
    def connect() -> None:
        connected.append(True)

    server.tool(name="pay")(pay)
    server.prompt(name="pay")(pay)
    server.resource("shop://pay", name="pay")(pay)
    return server


PAY: JSONObject = {"name": "pay", "uri": "shop://pay"}
KINDS_OF_PAYING = ["tools/call", "prompts/get", "resources/read"]


@pytest.mark.parametrize("kind", KINDS_OF_PAYING)
async def test_visit_that_is_required_is_asked_for(bank: Server, kind: str) -> None:
    """Spec: 2026-07-28 client/elicitation, "URL Mode Elicitation Requests"; basic,
    "Error Codes": -32042 must not be sent."""
    caller = Caller(bank, version=MODERN)
    first = caller.request(kind, PAY)
    asked = await caller.send(first)
    assert asked["inputRequests"] == {
        "visit-1": {"method": "elicitation/create", "params": VISIT}
    }
    agreed = {"visit-1": {"action": "accept"}}
    again = await caller.send(caller.retry(first, asked, agreed))
    assert again["inputRequests"] == asked["inputRequests"], "it is not over yet"
    await caller.call_tool("connect")
    result = await caller.send(caller.retry(first, again, agreed))
    assert "Paid." in str(result)


async def test_visit_that_is_required_is_an_error_in_older_versions(
    bank: Server,
) -> None:
    """Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error"."""
    error = await Caller(bank).error_of("tools/call", PAY)
    assert error.code == -32042
    assert error.data == {"elicitations": [{**VISIT, "elicitationId": "visit-1"}]}


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_visit_that_is_declined_is_not_asked_for_again(
    bank: Server, action: str
) -> None:
    """Our choice: nobody is asked for ever."""
    text = "the user did not agree to visit https://shop.example/connect"
    answers = {"elicitation/create": [{"action": "accept"}, {"action": action}]}
    caller = Caller(bank, version=MODERN, answers=answers)
    result = await caller.call("tools/call", PAY)
    assert result == {"content": [{"type": "text", "text": text}], "isError": True}
    assert len(caller.asked) == 2
    error = await caller.error_of("prompts/get", PAY)
    assert (error.code, error.message) == (INTERNAL_ERROR, text)


@pytest.mark.parametrize("kind", KINDS_OF_PAYING)
async def test_visit_needs_a_client_that_can_be_sent_to_urls(
    bank: Server, kind: str
) -> None:
    """Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements"."""
    caller = Caller(bank, version=MODERN, capabilities={"elicitation": {"form": {}}})
    error = await caller.error_of(kind, PAY)
    assert error.code == -32021
    assert error.data == {"requiredCapabilities": {"elicitation": {"url": {}}}}


async def test_visit_without_an_id_is_known_by_its_url(server: Server) -> None:
    """Spec: 2026-07-28 changelog, "Minor changes", 11: ids are no more."""

    @server.tool
    def pay() -> None:
        raise UrlElicitationRequired(
            CONNECT.model_copy(update={"elicitation_id": None})
        )

    caller = Caller(server, version=MODERN)
    asked = await caller.send(caller.request("tools/call", PAY))
    assert list(asked["inputRequests"]) == ["https://shop.example/connect"]


# Headers that say what arguments say ------------------------------------------------


@pytest.fixture
def mirroring(server: Server) -> Server:
    """A server with a tool whose region is repeated in a header."""
    Region = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]

    @server.tool
    def locate(region: Region = "eu") -> str:
        return region

    @server.tool(permission=lambda context: False)
    def hidden(region: Region) -> str:
        return region

    return server


def locate(name: str = "locate", **arguments: JSON) -> JSONObject:
    return {"name": name, "arguments": arguments}


async def test_parameter_says_in_the_list_that_it_is_a_header(
    mirroring: Server,
) -> None:
    """Spec: 2026-07-28 server/tools, "x-mcp-header"."""
    [tool] = (await Caller(mirroring, version=MODERN).call("tools/list"))["tools"]
    assert tool["inputSchema"]["properties"] == {
        "region": {"type": "string", "default": "eu", "x-mcp-header": "Region"}
    }


async def test_header_has_to_say_what_the_argument_says(mirroring: Server) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http, "Server Behavior for Custom
    Headers"."""
    caller = Caller(
        mirroring,
        version=MODERN,
        headers={"mcp-param-region": "us"},
        mirrors_headers=True,
    )
    result = await caller.call("tools/call", locate(region="us"))
    assert result["content"][0]["text"] == "us"
    await assert_refused(
        caller,
        "tools/call",
        locate(region="eu"),
        -32020,
        "Header mismatch: mcp-param-region is 'us', which is not what the argument "
        "'region' says",
    )
    await assert_refused(
        caller,
        "tools/call",
        {"name": "locate"},
        -32020,
        "Header mismatch: mcp-param-region is 'us', but there is no argument 'region'; "
        "leave the header out",
    )


async def test_headers_mean_nothing_elsewhere(mirroring: Server) -> None:
    """Spec: 2026-07-28 basic/transports/streamable-http: of this transport alone."""
    caller = Caller(mirroring, version=MODERN)
    result = await caller.call("tools/call", locate(region="us"))
    assert result["content"][0]["text"] == "us"


async def test_tool_that_is_not_permitted_is_unknown_whatever_the_headers(
    mirroring: Server,
) -> None:
    """Our choice: its schema is nobody's business."""
    caller = Caller(mirroring, version=MODERN, mirrors_headers=True)
    await assert_refused(
        caller,
        "tools/call",
        locate("hidden", region="us"),
        INVALID_PARAMS,
        "Unknown tool: hidden",
    )
