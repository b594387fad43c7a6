"""Servers whose features several files of tests use."""

import pytest
from mcp_types import AudioContent, GetPromptResult, PromptMessage

from mcp_django import Context, ResourceNotFound, Server


@pytest.fixture
def server() -> Server:
    return Server("shop")


@pytest.fixture
def library(server: Server) -> Server:
    @server.resource("shop://terms", size=5, title="Terms")
    def terms() -> str:
        """The terms."""
        return "None."

    @server.resource("shop://orders/{number}", mime_type="text/plain")
    def order(number: int) -> str:
        if number > 100:
            raise ResourceNotFound
        return f"Order {number}"

    return server


@pytest.fixture
def prompter(server: Server) -> Server:
    @server.prompt(title="Greet")
    def greet(name: str, tone: str = "warm") -> str:
        """Greet somebody.

        Args:
            name: Whom.
        """
        return f"Greet {name} in a {tone} tone."

    @server.prompt
    def talk(count: int) -> GetPromptResult:
        return GetPromptResult(
            description="A talk.",
            messages=[
                PromptMessage(
                    role="assistant",
                    content=AudioContent(data="AAAA", mime_type="audio/wav"),
                )
            ]
            * count,
        )

    return server


@pytest.fixture
def completer(prompter: Server, library: Server) -> Server:
    server = prompter  # the same as library

    @server.completion("greet", "tone")
    def tones(value: str) -> list[str]:
        return [tone for tone in ("warm", "wry") if tone.startswith(value)]

    @server.completion("greet", "name")
    async def names(
        value: str, arguments: dict[str, str], context: Context
    ) -> list[str]:
        return [arguments.get("tone", "none"), context.client_info.name]

    @server.completion("shop://orders/{number}", "number")
    def numbers(value: str) -> list[int]:
        return list(range(150))

    return server
