"""Lazy texts: over every binding, in every version, whoever says which language."""

from __future__ import annotations

from typing import Any

import mcp_types as types
import pytest
from pytest_django import Settings

from mcp_django import Context, ErrorAnswer, Server
from tests import bakery
from tests.interaction.client import Answers, error_of, text_of
from tests.interaction.conftest import Connect
from tests.interaction.ways import Way

pytestmark = pytest.mark.usefixtures("german")


@pytest.fixture(params=["de", "en"])
def words(request: pytest.FixtureRequest, connect: Connect, settings: Settings) -> Any:
    """Choose the language of the site, and give what is said in it."""
    settings.MCP = {**settings.MCP, "LANGUAGE": request.param}
    return {
        "de": {
            "title": "Die Bäckerei",
            "instructions": "Frag zuerst nach Brot.",
            "bake": "Einen Laib backen.",
            "flour": "Roggen",
            "which": "Welches Mehl?",
            "cold": "Der Ofen ist kalt.",
            "sign": "Brot und Brötchen.",
        },
        "en": {
            "title": "The bakery",
            "instructions": "Ask for bread first.",
            "bake": "Bake a loaf.",
            "flour": "Rye",
            "which": "Which flour?",
            "cold": "The oven is cold.",
            "sign": "Bread and rolls.",
        },
    }[request.param]


async def test_lists_and_description_are_in_the_language_of_the_site(
    connect: Connect, way: Way, words: Any
) -> None:
    """Our choice: as Django translates texts."""
    async with connect(server=bakery.server) as client:
        assert client.opened.instructions == words["instructions"]
        if way.version >= "2025-06-18":
            info = client.session.server_info
            assert info is not None
            assert info.title == words["title"]
        tools = (await client.session.list_tools()).tools
        assert tools[0].description == words["bake"]
        prompts = (await client.session.list_prompts()).prompts
        assert prompts[0].description == words["bake"]


async def test_what_cannot_be_written_is_the_same_error_everywhere(
    connect: Connect,
) -> None:
    """Our choice: tests in memory hide nothing that fails over a wire."""
    server = Server("unwritable")

    @server.tool
    def give() -> Any:
        return {"x": object()}

    @server.tool
    def refuse(code: int) -> None:
        raise ErrorAnswer(code, "no", {"x": object()})

    @server.tool
    async def log(context: Context) -> None:
        await context.log("error", {"x": object()})

    @server.tool
    def say_number() -> None:
        raise ErrorAnswer(1, 5)

    @server.tool
    def name_code() -> None:
        raise ErrorAnswer("no code", "no")  # type: ignore[arg-type]

    async with connect(server=server, log_level="error") as client:
        assert await client.call_for_error("give") == "Internal error"
        assert await client.call_for_error("refuse", code=1) == "Internal error"
        assert await client.call_for_error("log") == "Internal error"
        assert await client.call_for_error("name_code") == "Internal error"
        error = await error_of(client.call("say_number"))
        assert (error.code, error.message) == (1, "5")


async def test_what_handlers_say_is_in_the_language_of_the_site(
    connect: Connect, way: Way, words: Any
) -> None:
    """Our choice: `def` and `async def`, on every event loop."""
    asked: list[Any] = []

    async def answer(params: Any) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"flour": "x"})

    answers = Answers(elicit=answer)
    async with connect(server=bakery.server, answers=answers) as client:
        result = await client.call("bake")
        assert words["flour"] in text_of(result)
        assert await client.call_for_error("fail", kind="tool") == words["cold"]
        error = await error_of(client.call("fail", {"kind": "protocol"}))
        assert (error.message, error.code) == (words["cold"], 1)
        if way.version >= "2025-06-18":  # the first that asks
            assert await client.call_for_text("knead")
            assert asked == [words["which"]]
        read = await client.session.read_resource("bakery://sign")
        [contents] = read.contents
        assert isinstance(contents, types.TextResourceContents)
        assert contents.text == words["sign"]
