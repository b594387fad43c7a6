"""What servers and their features cost a model, as clients are shown them.

The texts are in the language that is active.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_django.protocol.price import MAX_TOKENS, MAX_TOOLS, price, price_of_text
from mcp_django.server.features import Prompt, Resource, Tool
from mcp_django.server.showing import shown, translated
from mcp_django.server.switched_off import switched_off

if TYPE_CHECKING:
    from mcp_django.server.server import Server


@dataclass(frozen=True, slots=True)
class ServerPrice:
    """The prices of all that a server offers to a user who may use everything.

    Attributes:
        n_tools: How many tools there are.
        instructions: Tokens of the server's instructions.
        tools: Tokens of its tools.
        others: Tokens of its resources, templates and prompts, which most clients hand
            to a model only when a user or the model asks for them.
    """

    n_tools: int
    instructions: int
    tools: int
    others: int

    @property
    def standing(self) -> int:
        """Tokens that a model reads in each conversation: instructions and tools."""
        return self.instructions + self.tools

    @property
    def has_too_many_tools(self) -> bool:
        """Whether some clients refuse the tools, and models choose worse."""
        return self.n_tools > MAX_TOOLS

    @property
    def has_too_many_tokens(self) -> bool:
        """Whether some clients warn of what stands in each conversation."""
        return self.standing > MAX_TOKENS


def price_of(server: Server, feature: Tool | Resource | Prompt) -> int:
    """Estimate the tokens of what a model reads of a feature."""
    return price(shown(server, feature))


def price_of_server(
    server: Server,
    *,
    is_off: Callable[[Server, Tool | Resource | Prompt], bool] = switched_off.covers,
) -> ServerPrice:
    """Estimate the tokens of all that a server offers.

    Args:
        server: Whose instructions and features.
        is_off: Says which features are switched off, and cost nothing; left out, what
            this process knows.
    """
    on = [tool for tool in server.tools.values() if not is_off(server, tool)]
    others: list[Resource | Prompt] = [
        *server.resources.values(),
        *server.prompts.values(),
    ]
    described = translated(server, {"instructions": server.instructions})
    return ServerPrice(
        n_tools=len(on),
        instructions=price_of_text(described.get("instructions") or ""),
        tools=sum(price_of(server, tool) for tool in on),
        others=sum(
            price_of(server, each) for each in others if not is_off(server, each)
        ),
    )
