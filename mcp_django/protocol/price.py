"""What a feature costs a model: an estimate of the tokens that its description takes.

Each model counts tokens in its own way, and some makers publish none. So this is an
estimate by length; "Pages" in the decisions says how it was measured, and how far off
it may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic_core import to_json

from mcp_django.protocol.jsonrpc import JSON, stand_in

BYTES_PER_TOKEN: Final = 4
"""Bytes of compact JSON, or of UTF-8 text, for one token."""

SERVER_ERROR_PERCENT: Final = 20
"""How far off the sum of a server may be whose texts are in English."""

FEATURE_ERROR_PERCENT: Final = 40
"""How far off the price of one feature may be, or of a server in another language."""

MAX_TOOLS: Final = 40
"""More tools at once are refused by some clients, and make models choose worse."""

MAX_TOKENS: Final = 25_000
"""Beyond this some clients warn, or no longer show all tools to the model."""

_READ_BY_MODELS: Final = frozenset(
    {
        "name",
        "description",
        "inputSchema",
        "arguments",
        "uri",
        "uriTemplate",
        "mimeType",
    }
)


def price(entry: Mapping[str, JSON]) -> int:
    """Estimate the tokens of what a model reads of a feature.

    Clients hand a model its name, what it does, and what it takes. Icons, titles,
    annotations and output schemas are for programs and people; the APIs of models have
    no place for them.

    Args:
        entry: The feature as a list of `tools/list` and its like shows it, with its
            texts translated.

    Returns:
        Tokens, at least 1.
    """
    read = {key: entry[key] for key in entry if key in _READ_BY_MODELS}
    return _tokens(len(to_json(read, inf_nan_mode="null", fallback=stand_in)))


def price_of_text(text: str) -> int:
    """Estimate the tokens of a text, such as a server's instructions; 0 of none."""
    return _tokens(len(text.encode(errors="replace"))) if text else 0


def _tokens(n_bytes: int) -> int:
    return -(-n_bytes // BYTES_PER_TOKEN)
