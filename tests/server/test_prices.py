"""What servers cost a model."""

from mcp_django.protocol.price import MAX_TOKENS, MAX_TOOLS
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.prices import price_of, price_of_server
from mcp_django.server.server import Server


def make_server(n_tools: int = 2, description: str = "Bake a loaf.") -> Server:
    server = Server("bakery", instructions="Ask for the day before you order.")

    def bake(flour: str) -> str:
        return flour

    for number in range(n_tools):
        server.tool(name=f"bake_{number}", description=description)(bake)

    @server.prompt
    def advise(mood: str) -> str:
        """Advise a customer."""
        return mood

    return server


def test_a_server_costs_what_its_parts_cost() -> None:
    """We chose it: instructions and tools are read in each conversation."""
    server = make_server()

    found = price_of_server(server)

    tools = sum(price_of(server, tool) for tool in server.tools.values())
    assert (found.n_tools, found.tools) == (2, tools)
    assert found.others == price_of(server, server.prompts["advise"])
    assert found.instructions == 9
    assert found.standing == tools + 9
    assert not found.has_too_many_tools
    assert not found.has_too_many_tokens


def test_what_is_switched_off_costs_nothing() -> None:
    """We chose it: no client is shown it."""
    server = make_server()

    def is_off(server: Server, feature: Tool | Resource | Prompt) -> bool:
        return feature is server.tools["bake_0"]

    found = price_of_server(server, is_off=is_off)

    assert found.n_tools == 1
    assert found.tools == price_of(server, server.tools["bake_1"])


def test_limits_are_said_when_they_are_exceeded() -> None:
    """We chose it: at the limit nothing is wrong yet."""
    assert not price_of_server(make_server(MAX_TOOLS)).has_too_many_tools
    assert price_of_server(make_server(MAX_TOOLS + 1)).has_too_many_tools
    long = make_server(1, "x" * 4 * MAX_TOKENS)
    assert price_of_server(long).has_too_many_tokens
