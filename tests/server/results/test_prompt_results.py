"""What prompts return, as it goes into results."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.translation import gettext_lazy
from mcp_types import GetPromptResult, ImageContent, PromptMessage, TextContent

from mcp_django.server.results.prompt_results import prompt_result

TEXT = TextContent(text="x")
IMAGE = ImageContent(data="AA==", mime_type="image/png")
WRITTEN_TEXT = {"type": "text", "text": "x"}
WRITTEN_IMAGE = {"type": "image", "data": "AA==", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("x", [{"role": "user", "content": WRITTEN_TEXT}]),
        (gettext_lazy("x"), [{"role": "user", "content": WRITTEN_TEXT}]),
        (IMAGE, [{"role": "user", "content": WRITTEN_IMAGE}]),
        (
            PromptMessage(role="assistant", content=TEXT),
            [{"role": "assistant", "content": WRITTEN_TEXT}],
        ),
        (
            ["x", IMAGE, PromptMessage(role="assistant", content=TEXT)],
            [
                {"role": "user", "content": WRITTEN_TEXT},
                {"role": "user", "content": WRITTEN_IMAGE},
                {"role": "assistant", "content": WRITTEN_TEXT},
            ],
        ),
        (("x",), [{"role": "user", "content": WRITTEN_TEXT}]),
        ([], []),
    ],
)
def test_prompt_becomes_messages(value: Any, messages: list[dict[str, Any]]) -> None:
    """Spec: 2025-11-25 server/prompts, "PromptMessage"."""
    assert prompt_result(value, "What it does.") == {
        "description": "What it does.",
        "messages": messages,
    }
    assert prompt_result(value, None) == {"messages": messages}


def test_whole_prompt_result_is_written_as_it_is() -> None:
    """We chose it; its own description wins."""
    message = PromptMessage(
        role="user", content=TextContent(text="x", _meta={"a": None})
    )
    own = GetPromptResult(description="Own.", messages=[message], _meta={"b": None})

    assert prompt_result(own, "Other.") == {
        "_meta": {"b": None},
        "description": "Own.",
        "messages": [
            {"role": "user", "content": {**WRITTEN_TEXT, "_meta": {"a": None}}}
        ],
    }
    assert prompt_result(GetPromptResult(messages=[]), "Other.") == {
        "description": "Other.",
        "messages": [],
    }


@pytest.mark.parametrize(
    ("value", "given"),
    [(None, "NoneType"), (3, "int"), ({"a": 1}, "dict"), ([["x"]], "list")],
)
def test_prompt_of_another_type_is_a_type_error(value: Any, given: str) -> None:
    """We chose it: there is no telling who would say this."""
    with pytest.raises(TypeError) as caught:
        prompt_result(value, None)
    assert str(caught.value) == (
        f"a prompt returned {given}; return text, Image, Audio, File, content blocks, "
        "PromptMessage, a list of these, or GetPromptResult"
    )


def test_text_of_prompts_must_be_unicode() -> None:
    """Spec: RFC 8259, section 8.1: JSON text is UTF-8."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        prompt_result("\ud800", None)
