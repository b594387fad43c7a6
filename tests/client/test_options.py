"""What a client is made with, when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_django.client.client import Client

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an empty token": (
        {"token": ""},
        "token is empty, or no text; is its variable set",
    ),
    "a token that is no text": ({"token": b"x"}, "token is empty, or no text"),
    "two credentials": (
        {"token": "t", "auth": object()},
        "give token or auth, not both: one would get lost",
    ),
    "a token twice": (
        {"token": "t", "headers": {"authorization": "Basic x"}},
        "give token or the header Authorization, not both",
    ),
    "a header that is no text": ({"headers": {"X": 1}}, "header 'X' must be text, not"),
    "a header with a line end": ({"token": "a\nb"}, "characters that HTTP forbids"),
    "a level that is none": ({"log_level": "warn"}, "log level 'warn' is none of"),
    "no time at all": ({"timeout": 0}, "timeout must be seconds above 0, not 0"),
    "a time in words": ({"connect_timeout": "x"}, "connect_timeout must be seconds"),
    "no function": ({"on_elicit": 5}, "on_elicit must be a function, not 5"),
    "a root that is no URL": ({"roots": ["/tmp"]}, "root '/tmp' is no URL of a folder"),
    "one root for many": ({"roots": "file:///tmp"}, "roots must be a list of URLs"),
    "a client without version": ({"client_info": "me"}, "must be an Implementation"),
}


@pytest.mark.parametrize(("options", "why"), WRONG.values(), ids=WRONG)
def test_arguments_that_are_wrong_are_said_to_be_so_at_once(
    options: dict[str, Any], why: str
) -> None:
    """Our choice: where they are written, and not where a connection is opened."""
    with pytest.raises(ValueError, match=why):
        Client("https://example.com/mcp", **options)


async def test_level_that_is_none_is_not_set() -> None:
    """Our choice: every later request would be refused for it."""
    client = Client("https://example.com/mcp")
    with pytest.raises(ValueError, match="log level 'warn' is none of"):
        await client.set_log_level("warn")  # type: ignore[arg-type]
