"""What a server's features cost a model, as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcp_django.management.feature_tables import Feature, identity_of, title_of
from mcp_django.management.tables import Cell, write_table
from mcp_django.protocol.price import (
    BYTES_PER_TOKEN,
    FEATURE_ERROR_PERCENT,
    MAX_TOKENS,
    MAX_TOOLS,
    SERVER_ERROR_PERCENT,
)
from mcp_django.server.prices import price_of, price_of_server
from mcp_django.server.server import Server

ERROR: Final = (
    f"Tokens are estimated, at {BYTES_PER_TOKEN} bytes each: in English a sum may be "
    f"{SERVER_ERROR_PERCENT} % off, one feature {FEATURE_ERROR_PERCENT} %; other "
    "languages more."
)
"""How far off the figures may be."""


def show_prices(server: Server) -> str:
    """Write what each feature costs, the dearest first, and what all of them do."""
    price = price_of_server(server)
    heads = ("NAME", "TOKENS")
    tables = [
        write_table("Tools", heads, _rows(server, server.tools.values())),
        write_table(
            "Resources and templates",
            ("URI", "TOKENS"),
            _rows(server, server.resources.values()),
        ),
        write_table("Prompts", heads, _rows(server, server.prompts.values())),
        write_table(
            "In all",
            ("WHAT", "TOKENS"),
            [
                [["instructions"], [f"{price.instructions:7,}"]],
                [[_count(price.n_tools)], [f"{price.tools:7,}"]],
                [["in each conversation"], [f"{price.standing:7,}"]],
                [["resources and prompts, when asked for"], [f"{price.others:7,}"]],
            ],
        ),
    ]
    return "\n\n".join([title_of(server), *filter(None, tables)])


def warnings_of(server: Server) -> list[str]:
    """Say which limits a server exceeds that clients commonly have."""
    price = price_of_server(server)
    warnings = []
    if price.has_too_many_tools:
        warnings.append(
            f"server {server.name!r} has {price.n_tools} tools; some clients take "
            f"{MAX_TOOLS} at most, and models choose worse among many: put some on "
            "another server, or make one of several"
        )
    if price.has_too_many_tokens:
        warnings.append(
            f"server {server.name!r} costs about {price.standing:,} tokens in each "
            f"conversation; beyond {MAX_TOKENS:,} some clients warn, or hide tools "
            "from the model: shorten the descriptions of the dearest"
        )
    return warnings


def _rows(server: Server, features: Iterable[Feature]) -> list[list[Cell]]:
    prices = [(price_of(server, feature), feature) for feature in features]
    prices.sort(key=lambda each: -each[0])
    return [
        [identity_of(server, feature), [f"{price:7,}"]] for price, feature in prices
    ]


def _count(n_tools: int) -> str:
    return "1 tool" if n_tools == 1 else f"{n_tools} tools"
