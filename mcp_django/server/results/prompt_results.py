"""What prompts return, written as their messages, in the newest version's shape.

What cannot be written raises `TypeError` or `ValueError`, with a text for the
developer's log that leaves the values themselves out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from mcp_types import GetPromptResult, PromptMessage

from mcp_django.protocol.jsonrpc import JSONObject
from mcp_django.server.requests import Request
from mcp_django.server.results.values import BLOCKS, content_of, type_text, written


@dataclass(frozen=True, slots=True)
class PromptOutput:
    """Writes what a prompt returned as a `GetPromptResult`.

    Attributes:
        describe: Gives the prompt's own description, in the language that is active.
    """

    describe: Callable[[], str | None]

    def in_loop(self, request: Request, value: Any) -> JSONObject:
        """Write what an `async def` prompt returned."""
        return prompt_result(value, self.describe())

    def in_thread(self, value: Any) -> JSONObject:
        """Write what a `def` prompt returned."""
        return prompt_result(value, self.describe())


def prompt_result(value: Any, description: str | None) -> JSONObject:
    """Write what a prompt returns as a `GetPromptResult`.

    Args:
        value: Text, `Image`, `Audio`, `File` or a content block for one message of the
            user, a `PromptMessage`, a list or tuple of these, or a `GetPromptResult`.
        description: The prompt's own; left out if None.

    Raises:
        TypeError: The value is something else.
        ValueError: It has text that JSON cannot carry.

    Spec: 2025-11-25 server/prompts, "Getting a Prompt".
    """
    result: JSONObject = {} if description is None else {"description": description}
    if isinstance(value, GetPromptResult):
        return {**result, **written(value, {"result_type"})}
    items = value if isinstance(value, list | tuple) else [value]
    return {**result, "messages": [_message(item) for item in items]}


def _message(value: Any) -> JSONObject:
    if isinstance(value, PromptMessage):
        return written(value)
    if not isinstance(value, (str, Promise, *BLOCKS)):
        raise TypeError(
            f"a prompt returned {type_text(type(value))}; return text, Image, Audio, "
            "File, content blocks, PromptMessage, a list of these, or GetPromptResult"
        )
    [block] = content_of(value)
    return {"role": "user", "content": block}
