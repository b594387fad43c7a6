"""What the fixture site asks its clients: the suite's tools, and its prompt, that ask.

The keys of the questions are those by which the suite finds them in an answer that
requires input. All are registered on the server in `mcp`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from mcp_types import (
    CreateMessageResult,
    CreateMessageResultWithTools,
    TextContent,
)

from mcp_django import Context, SyncContext


def form(**fields: str) -> dict[str, Any]:
    """Describe a form: name and type of each field, all of them required."""
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": [*fields],
    }


def said(answer: CreateMessageResult | CreateMessageResultWithTools) -> str:
    """Give the text that a model answered."""
    blocks = answer.content if isinstance(answer.content, list) else [answer.content]
    return " ".join(block.text for block in blocks if isinstance(block, TextContent))


async def test_sampling(prompt: str, context: Context) -> str:
    """Ask the client's model."""
    answer = await context.sample(prompt, 100)
    return f"LLM response: {said(answer)}"


async def test_elicitation(message: str, context: Context) -> str:
    """Ask the user for a name and an address."""
    answer = await context.elicit(
        message,
        {
            "type": "object",
            "properties": {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            },
            "required": ["username", "email"],
        },
    )
    return f"User response: {answer.action}, {answer.data}"


def test_elicitation_sep1034_defaults(context: SyncContext) -> str:
    """Ask with a default for each type of field."""
    statuses = ["active", "inactive", "pending"]
    answer = context.elicit(
        "Please review the defaults.",
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": statuses, "default": "active"},
                "verified": {"type": "boolean", "default": True},
            },
            "required": [],
        },
    )
    return f"Elicitation completed: {answer.action}, {answer.data}"


def test_elicitation_sep1330_enums(context: SyncContext) -> str:
    """Ask with each form of enumeration."""
    answer = context.elicit(
        "Please choose.",
        {
            "type": "object",
            "properties": {
                "untitledSingle": {"type": "string", "enum": numbered("option")},
                "titledSingle": {"type": "string", "oneOf": titled("value")},
                "legacyEnum": {
                    "type": "string",
                    "enum": numbered("opt"),
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "items": {"type": "string", "enum": numbered("option")},
                },
                "titledMulti": {"type": "array", "items": {"anyOf": titled("value")}},
            },
            "required": [],
        },
    )
    return f"Elicitation completed: {answer.action}, {answer.data}"


def numbered(name: str) -> list[str]:
    return [f"{name}{number}" for number in (1, 2, 3)]


def titled(name: str) -> list[dict[str, str]]:
    return [{"const": value, "title": value.title()} for value in numbered(name)]


async def test_streaming_elicitation(context: Context) -> str:
    """Report progress, then ask the user."""
    await context.report_progress(1, 2)
    answer = await context.elicit("Shall I go on?", form(go_on="boolean"), key="go_on")
    return f"Elicitation completed: {answer.action}"


async def test_input_required_result_elicitation(context: Context) -> str:
    """Ask for a name."""
    answer = await context.elicit(
        "What is your name?", form(name="string"), key="user_name"
    )
    return f"Hello, {answer.data['name']}!" if answer.accepted else "Hello!"


async def test_input_required_result_sampling(context: Context) -> str:
    """Ask the client's model for a capital."""
    answer = await context.sample(
        "What is the capital of France?", 100, key="capital_question"
    )
    return said(answer)


async def test_input_required_result_list_roots(context: Context) -> str:
    """Ask for the client's folders."""
    roots = await context.list_roots(key="client_roots")
    return "Roots: " + ", ".join(str(root.uri) for root in roots)


async def test_input_required_result_request_state(context: Context) -> str:
    """Ask for a confirmation, and see that the state came back."""
    answer = await context.elicit("Please confirm", form(ok="boolean"), key="confirm")
    return f"state-ok: {answer.action}"


async def test_input_required_result_multiple_inputs(context: Context) -> str:
    """Ask for a name, a greeting and folders, all at once."""
    user, greeting, roots = await asyncio.gather(
        context.elicit("What is your name?", form(name="string"), key="user_name"),
        context.sample("Generate a greeting", 50, key="greeting"),
        context.list_roots(key="client_roots"),
    )
    return f"{said(greeting)} {user.data} has {len(roots)} roots."


async def test_input_required_result_multi_round(context: Context) -> str:
    """Ask for a name, then for a color."""
    user = await context.elicit(
        "Step 1: What is your name?", form(name="string"), key="step1"
    )
    color = await context.elicit(
        "Step 2: What is your favorite color?", form(color="string"), key="step2"
    )
    return f"{user.data}, {color.data}"


async def test_input_required_result_tampered_state(context: Context) -> str:
    """Ask for a confirmation; the state that the client sends back must be intact."""
    answer = await context.elicit("Please confirm", form(ok="boolean"), key="confirm")
    return f"Confirmed: {answer.action}"


async def test_input_required_result_capabilities(context: Context) -> str:
    """Ask in those ways only that the client declared."""
    declared = context.client_capabilities
    questions: list[Coroutine[Any, Any, Any]] = []
    if declared.elicitation is not None:
        questions.append(
            context.elicit("What is your name?", form(name="string"), key="user_name")
        )
    if declared.sampling is not None:
        questions.append(context.sample("Generate a greeting", 50, key="greeting"))
    answers = await asyncio.gather(*questions)
    return f"{len(answers)} questions were answered."


async def test_input_required_result_prompt(context: Context) -> str:
    """Ask what the prompt is about."""
    answer = await context.elicit(
        "What context should the prompt use?",
        form(context="string"),
        key="user_context",
    )
    return f"Consider this context: {answer.data}"


TOOLS: Final = (
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_streaming_elicitation,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_tampered_state,
    test_input_required_result_capabilities,
)
