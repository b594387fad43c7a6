"""What a trace shows of messages."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_django.tracing import masked

SECRET = "hunter2-4711"


def shown(message: Any) -> Any:
    return masked(json.dumps(message).encode())


def test_call_is_shown_without_its_arguments() -> None:
    """We promise it: what was called, and how large each argument is."""
    params = {"name": "add", "arguments": {"who": SECRET, "n": 7, "all": [SECRET]}}
    assert shown({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})[
        "params"
    ] == {
        "name": "add",
        "arguments": {
            "who": "<masked: 12 characters>",
            "n": "<masked: a number>",
            "all": "<masked: 1 items>",
        },
    }


@pytest.mark.parametrize(
    "message",
    [
        {"result": {"content": [{"type": "text", "text": SECRET}]}},
        {"result": {"structuredContent": {"name": SECRET}}},
        {"result": {"structuredContent": SECRET}},
        {"result": {"contents": [{"uri": "a:b", "blob": SECRET}]}},
        {"result": {"action": "accept", "content": {"name": SECRET}}},
        {"params": {"_meta": {"example.com/who": {"name": SECRET}}}},
        {"params": {"metadata": {"id": SECRET}}},
        {"result": {"completion": {"values": [SECRET]}}},
        {"params": {"argument": {"name": "city", "value": SECRET}}},
        {"params": {"inputResponses": {"1": {"name": SECRET}}}},
        {"params": {"requestState": SECRET, "_meta": {"token": SECRET}}},
        {"params": {"level": "info", "data": {"name": SECRET}}},
        {"params": {"message": SECRET}},
        {"params": {"url": f"https://example.com/?token={SECRET}"}},
        {"params": {"name": {"deep": [[{"text": SECRET}]]}}},
        [{"params": {"arguments": {"name": SECRET}}}],
    ],
    ids=str,
)
def test_texts_of_users_are_masked(message: Any) -> None:
    """We promise it, wherever in a message they are."""
    assert SECRET not in json.dumps(shown(message))


def test_errors_are_shown() -> None:
    """We promise it: what went wrong is what is looked for."""
    error = {"code": -32602, "message": "Unknown tool: ad", "data": {"who": SECRET}}
    assert shown({"id": 1, "error": error})["error"] == {
        "code": -32602,
        "message": "Unknown tool: ad",
        "data": {"who": "<masked: 12 characters>"},
    }


def test_of_much_only_so_much_is_shown() -> None:
    """We chose it: a line of a trace is no larger than what it is about."""
    deep: Any = "x"
    for _ in range(4):
        deep = [deep] * 20
    assert len(json.dumps(shown(deep))) < 100_000
    many = {"params": {str(n): n for n in range(1000)}}
    assert len(shown(many)["params"]) == 50


def test_of_a_very_large_message_only_the_size_is_shown() -> None:
    """We chose it: to read it would hold up all others."""
    size = len(data := json.dumps("x" * 2**20).encode())
    assert masked(data) == f"<too large to show: {size} bytes>"


def test_long_texts_are_cut() -> None:
    """We chose it: a method is shown, but no megabytes of it."""
    assert (
        shown({"method": "x" * 1000})["method"] == f"{'x' * 200}... (1000 characters)"
    )


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_only_counted(data: bytes) -> None:
    """We chose it: it may be anything, such as a password at a wrong prompt."""
    assert masked(data) == f"<no JSON: {len(data)} bytes>"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.sampled_from(["data", "error"]), inner)
        ),
    )
)
def test_any_json_can_be_shown(value: Any) -> None:
    """We promise it: a trace never fails over what a client sends."""
    json.dumps(shown(value))
