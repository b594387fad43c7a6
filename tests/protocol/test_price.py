"""What a feature costs a model."""

import pytest

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.protocol.price import price, price_of_text

SEARCH: JSONObject = {
    "name": "search_books",
    "description": "Find books whose title or author has these words, newest first.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "words": {"type": "string", "description": "Separated by spaces."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
        },
        "required": ["words"],
    },
}


@pytest.mark.parametrize(
    ("entry", "tokens_by_o200k"),
    [
        (SEARCH, 67),
        ({"uri": "library://opening-hours", "name": "opening_hours"}, 13),
        ({"name": "recommend", "arguments": [{"name": "mood", "required": True}]}, 18),
    ],
)
def test_an_estimate_is_near_what_a_tokenizer_counts(
    entry: JSONObject, tokens_by_o200k: int
) -> None:
    """We chose it: within 40 percent of OpenAI's published o200k_base."""
    assert price(entry) == pytest.approx(tokens_by_o200k, rel=0.4)


def test_what_no_model_reads_costs_nothing() -> None:
    """We chose it: the APIs of models have no place for these."""
    for_programs = {
        "title": "Search",
        "icons": [{"src": "data:image/png;base64," + "A" * 10_000}],
        "annotations": {"readOnlyHint": True},
        "outputSchema": {"type": "object"},
        "_meta": {"x": 1},
    }

    assert price(SEARCH | for_programs) == price(SEARCH)


def test_longer_descriptions_cost_more() -> None:
    """We chose it: four bytes of UTF-8 for a token, as on the wire."""
    longer = SEARCH | {"description": f"{SEARCH['description']}{'äöüß' * 10}"}

    assert price(longer) - price(SEARCH) == 20


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcde", 2), ("\ud800", 1)]
)
def test_texts_are_priced_by_their_bytes(text: str, tokens: int) -> None:
    """We chose it: also of a text that UTF-8 cannot carry."""
    assert price_of_text(text) == tokens
