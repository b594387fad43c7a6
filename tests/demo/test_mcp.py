"""What the demo offers to MCP clients, asked by the official SDK's client."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import anyio
import httpx2
import mcp_types
import pytest
from mcp import Client, ClientSession, MCPError, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

from tests.demo.conftest import Demo
from tests.demo.test_pages import log_in, submit
from tests.interaction.client import text_of
from tests.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.live,
    # The SDK warns of what the newest revision removes; in sessions it is in use.
    pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning"),
]

Way: TypeAlias = Literal["modern", "session", "sse"]

FRANKENSTEIN = "9780000000057"
GREAT_EXPECTATIONS = "9780000000095"
UNKNOWN = "9790000000000"
DRACULA_PATH = "/books/9780000000163/"
DRACULA = "library://books/9780000000163"


@pytest.fixture(scope="session")
def reader_token(demo: Demo) -> str:
    """Give the token that `make demo` prints."""
    return demo.manage("demo_info").splitlines()[-1]


@pytest.fixture(scope="session")
def admin_token(demo: Demo) -> str:
    """Give a token of the librarian."""
    created = demo.manage("mcp_token", "create", "admin", "--name", "Test")
    return created.splitlines()[-1]


@asynccontextmanager
async def connect(
    site: str, token: str, way: Way = "modern", language: str = "en", **callbacks: Any
) -> AsyncIterator[Client]:
    """Connect a client.

    Args:
        site: Address of the demo.
        token: Names the user.
        way: How: in the newest version, in a session, or in one over HTTP+SSE.
        language: What it asks to be answered in.
        callbacks: Of `Client`.
    """
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}
    mode = "auto" if way == "modern" else "legacy"
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport: Any = (
            sse_client(f"{site}/mcp/sse", headers=headers)
            if way == "sse"
            else streamable_http_client(f"{site}/mcp", http_client=http)
        )
        async with Client(transport, mode=mode, **callbacks) as client:
            yield client


async def call(client: Client | ClientSession, name: str, **arguments: Any) -> Any:
    """Call a tool that succeeds, and return its structured result, or its text."""
    result = await client.call_tool(name, arguments)
    assert isinstance(result, mcp_types.CallToolResult)
    assert not result.is_error, result.content
    structured: Any = result.structured_content
    if structured is None:
        return text_of(result)
    # Sessions carry objects only.
    return (
        structured.get("result", structured)
        if isinstance(structured, dict)
        else structured
    )


async def fail(client: Client, name: str, **arguments: Any) -> str:
    """Call a tool that fails, and return what it tells the model."""
    result = await client.call_tool(name, arguments)
    assert isinstance(result, mcp_types.CallToolResult)
    assert result.is_error
    [content] = result.content
    assert isinstance(content, mcp_types.TextContent)
    return content.text


async def test_only_librarians_see_the_tool_that_adds_books(
    site: str, reader_token: str, admin_token: str
) -> None:
    """We chose it: a tool is hidden from those who lack its permission."""
    async with connect(site, reader_token) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
    assert tools == {
        "book_details",
        "borrow_book",
        "inventory",
        "my_loans",
        "return_book",
        "search_books",
    }
    async with connect(site, admin_token) as client:
        of_admin = {tool.name for tool in (await client.list_tools()).tools}
    assert of_admin == tools | {"add_book"}


async def test_librarian_adds_a_book_that_readers_find(
    site: str, reader_token: str, admin_token: str
) -> None:
    """We chose it."""
    book = {
        "isbn": "9791000000008",
        "title": "The Book of Tests",
        "author": "A. Nonymous",
        "year": 1900,
        "genre": "humor",
    }
    async with connect(site, admin_token) as client:
        added = await call(client, "add_book", copies=2, **book)
        again = await fail(client, "add_book", copies=2, **book)
    assert added == {**book, "copies_free": 2}
    assert again == "The library already has a book with the ISBN 9791000000008."
    async with connect(site, reader_token) as client:
        found = await call(client, "search_books", text="book of tests")
    assert found == [added]


@pytest.mark.parametrize("way", ["modern", "session", "sse"])
async def test_token_that_reads_cannot_borrow(
    site: str, demo: Demo, way: Way, reader_token: str
) -> None:
    """We chose it: it is shown what it could ask for, and told by which scope."""
    create = ("mcp_token", "create", "reader", "--name", "Test", "--scope", "mcp:read")
    token = demo.manage(*create).splitlines()[-1]
    async with connect(site, reader_token) as client:
        shown = {tool.name for tool in (await client.list_tools()).tools}
    async with connect(site, token, way) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == shown
        assert await call(client, "search_books", text="frankenstein")
        with pytest.raises(MCPError) as caught:
            await client.call_tool("borrow_book", {"isbn": FRANKENSTEIN, "days": 7})
    assert caught.value.error.data == {
        "error": "insufficient_scope",
        "scope": "library:lend mcp:read",
    }


async def test_search_and_details_are_structured(site: str, reader_token: str) -> None:
    """We chose it: a program can use what a model reads."""
    async with connect(site, reader_token) as client:
        found = await call(client, "search_books", text="whale", genre="adventure")
        [book] = found
        details = await call(client, "book_details", isbn=book["isbn"])
        missing = await fail(client, "book_details", isbn=UNKNOWN)
    assert book["title"] == "Moby-Dick"
    assert book.items() <= details.items()
    assert details["copies"] - len(details["due_back"]) == book["copies_free"]
    assert missing == f"The library has no book with the ISBN {UNKNOWN}."


@pytest.mark.parametrize("way", ["modern", "session", "sse"])
async def test_borrowing_asks_for_the_days(
    way: Way, site: str, reader_token: str
) -> None:
    """We chose it: nothing is lent before the user said yes, whatever the client."""
    asked = []

    async def answer(context: Any, params: Any) -> mcp_types.ElicitResult:
        asked.append(params.message)
        return mcp_types.ElicitResult(action="accept", content={"days": 7})

    async with connect(site, reader_token, way, elicitation_callback=answer) as client:
        borrowed = await call(client, "borrow_book", isbn=FRANKENSTEIN)
        loans = await call(client, "my_loans")
        twice = await fail(client, "borrow_book", isbn=FRANKENSTEIN)
        returned = await call(client, "return_book", isbn=FRANKENSTEIN)
        missing = await fail(client, "return_book", isbn=FRANKENSTEIN)
    assert asked[0] == "Borrow Frankenstein?"
    [loan] = [loan for loan in loans if loan["isbn"] == FRANKENSTEIN]
    assert borrowed == f"Borrowed Frankenstein; it is due back on {loan['due_on']}."
    assert twice == "You have borrowed Frankenstein already."
    assert returned == "Frankenstein is back on its shelf."
    assert missing.startswith("The user has no such book")


async def test_declined_book_is_not_lent(site: str, reader_token: str) -> None:
    """We chose it: no is an answer, not an error."""

    async def decline(context: Any, params: Any) -> mcp_types.ElicitResult:
        return mcp_types.ElicitResult(action="decline")

    async with connect(site, reader_token, elicitation_callback=decline) as client:
        before = await call(client, "my_loans")
        answer = await call(client, "borrow_book", isbn=FRANKENSTEIN)
        assert await call(client, "my_loans") == before
    assert answer == "The user decided not to borrow Frankenstein."


@pytest.mark.parametrize("way", ["modern", "session", "sse"])
async def test_client_that_cannot_ask_passes_the_days(
    way: Way, site: str, reader_token: str
) -> None:
    """We chose it: the model is told to ask; what it passes then is not asked again."""
    async with connect(site, reader_token, way) as client:
        untold = await fail(client, "borrow_book", isbn=FRANKENSTEIN)
        too_long = await fail(client, "borrow_book", isbn=FRANKENSTEIN, days=43)
        borrowed = await call(client, "borrow_book", isbn=FRANKENSTEIN, days=3)
        await call(client, "return_book", isbn=FRANKENSTEIN)
    assert untold == "Ask the user for how many days, and pass them."
    assert "days: Input should be less than or equal to 42" in too_long
    assert borrowed.startswith("Borrowed Frankenstein; it is due back on ")


@pytest.fixture
def borrow_on_page(browser: httpx2.Client) -> Callable[[], None]:
    """Give what borrows Dracula on the site's own page."""

    def borrow() -> None:
        log_in(browser, "reader")
        page = browser.get(DRACULA_PATH).text
        submit(browser, f"{DRACULA_PATH}borrow/", page)

    return borrow


async def test_loan_made_on_a_page_reaches_a_client_that_listens(
    site: str, reader_token: str, borrow_on_page: Callable[[], None]
) -> None:
    """We chose it: clients hear of changes whoever made them."""
    uris = {DRACULA, "library://stats"}
    heard = set()
    async with (
        connect(site, reader_token) as client,
        client.listen(resource_subscriptions=sorted(uris)) as changes,
    ):
        await anyio.to_thread.run_sync(borrow_on_page)
        with anyio.fail_after(PATIENCE_SECONDS):
            async for change in changes:
                assert isinstance(change, ResourceUpdated)
                heard.add(change.uri)
                if heard == uris:
                    break
        await call(client, "return_book", isbn=DRACULA[-13:])


@pytest.mark.parametrize("way", ["session", "sse"])
async def test_loan_made_on_a_page_reaches_a_subscribed_client(
    way: Way, site: str, reader_token: str, borrow_on_page: Callable[[], None]
) -> None:
    """We chose it: clients hear of changes whoever made them."""
    uris = {DRACULA, "library://stats"}
    heard: set[str] = set()
    has_heard_all = anyio.Event()

    async def receive(message: Any) -> None:
        if isinstance(message, mcp_types.ResourceUpdatedNotification):
            heard.add(str(message.params.uri))
            if heard == uris:
                has_heard_all.set()

    async with connect(site, reader_token, way, message_handler=receive) as client:
        for uri in uris:
            await client.subscribe_resource(uri)
        await anyio.to_thread.run_sync(borrow_on_page)
        with anyio.fail_after(PATIENCE_SECONDS):
            await has_heard_all.wait()
        await call(client, "return_book", isbn=DRACULA[-13:])


async def test_inventory_reports_progress_to_the_end(
    site: str, reader_token: str
) -> None:
    """We chose it: a step for each genre, and one for done."""
    seen = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async with connect(site, reader_token) as client:
        result = await client.call_tool("inventory", progress_callback=show)
    assert isinstance(result, mcp_types.CallToolResult)
    shelves: Any = result.structured_content
    assert [shelf["genre"] for shelf in shelves][:2] == ["adventure", "children"]
    assert [value for value, _, _ in seen] == list(range(12))
    assert seen[0] == (0, 11, "Counting Adventure")
    assert seen[-1] == (11, 11, "Done")


async def test_resources_are_json_and_unknown_books_an_error(
    site: str, reader_token: str, demo: Demo
) -> None:
    """We chose the JSON; the error is the protocol's."""
    async with connect(site, reader_token) as client:
        stats = await client.read_resource("library://stats")
        book = await client.read_resource(f"library://books/{FRANKENSTEIN}")
        with pytest.raises(MCPError, match="Resource not found"):
            await client.read_resource(f"library://books/{UNKNOWN}")
    for result in (stats, book):
        assert isinstance(result, mcp_types.ReadResourceResult)
        [contents] = result.contents
        assert isinstance(contents, mcp_types.TextResourceContents)
        assert contents.mime_type == "application/json"
        if result is stats:
            assert json.loads(contents.text)["copies"] == demo.count("library_copy")
            assert (result.ttl_ms, result.cache_scope) == (60_000, "private")
        else:
            assert json.loads(contents.text)["title"] == "Frankenstein"


async def test_prompt_and_completions_know_the_catalog(
    site: str, reader_token: str
) -> None:
    """We chose it: what can be filled in is suggested."""
    prompt = mcp_types.PromptReference(name="recommend")
    template = mcp_types.ResourceTemplateReference(uri="library://books/{isbn}")
    async with connect(site, reader_token) as client:
        genres = await client.complete(prompt, {"name": "genre", "value": "r"})
        isbns = await client.complete(
            template, {"name": "isbn", "value": FRANKENSTEIN[:-1]}
        )
        recommended = await client.get_prompt(
            "recommend", {"genre": "poetry", "mood": "wistful"}
        )
    assert genres.completion.values == ["realism", "romance"]
    assert isbns.completion.values == [FRANKENSTEIN]
    assert isinstance(recommended, mcp_types.GetPromptResult)
    [message] = recommended.messages
    assert isinstance(message.content, mcp_types.TextContent)
    assert message.content.text.startswith("I feel wistful and would like")
    assert "- Gitanjali, Rabindranath Tagore (" in message.content.text


async def test_models_are_told_all_in_english(site: str, reader_token: str) -> None:
    """Chosen: as the descriptions are, whatever language the pages have."""
    async with connect(site, reader_token, language="de") as client:
        recommended = await client.get_prompt("recommend", {"genre": "gothic"})
        await call(client, "borrow_book", isbn=GREAT_EXPECTATIONS, days=7)
        refused = await client.call_tool(
            "borrow_book", {"isbn": GREAT_EXPECTATIONS, "days": 7}
        )
        await call(client, "return_book", isbn=GREAT_EXPECTATIONS)
    assert isinstance(recommended, mcp_types.GetPromptResult)
    [message] = recommended.messages
    assert isinstance(message.content, mcp_types.TextContent)
    assert "read something from Gothic." in message.content.text
    assert isinstance(refused, mcp_types.CallToolResult)
    assert text_of(refused) == "You have borrowed Great Expectations already."


async def test_printed_stdio_configuration_works(demo: Demo) -> None:
    """We chose it: pasted into a client it starts the server, as reader."""
    printed = demo.manage("demo_info")
    decoder = json.JSONDecoder()
    stdio, _ = decoder.raw_decode(printed, printed.index('{\n  "mcpServers"'))
    parameters = StdioServerParameters(**stdio["mcpServers"]["library"])
    async with (
        stdio_client(parameters) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        loans = await call(session, "my_loans")
    assert "David Copperfield" in [loan["title"] for loan in loans]
