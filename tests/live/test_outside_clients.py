"""The official SDK's clients, its 1.x and its 2.x release, over SSE and stdio.

Each connects, initializes, lists, calls, calls twenty times at once, reads, prompts,
sees progress, answers questions, cancels and closes; see `clients/sdk.py`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live import processes
from tests.live.daphne import SETTINGS, Daphne
from tests.live.interpreters import python_with_sdk_1, python_with_sdk_2

pytestmark = pytest.mark.live

CLIENT = str(Path(__file__).parent / "clients" / "sdk.py")
SERVER = {
    "name": "conformance",
    "title": "Conformance fixture",
    "version": "1.0.0",
}
SDKS: dict[str, Callable[[], str]] = {"1.": python_with_sdk_1, "2.": python_with_sdk_2}
STDIO_COMMANDS = {
    "module": ["-m", "mcp_django", "stdio"],
    "manage": ["manage.py", "mcp_stdio"],
}


def text_result(text: str) -> dict[str, Any]:
    """Make the result of a tool that returns a text only."""
    return {"content": [{"type": "text", "text": text}]}


def assert_saw_everything(printed: str, sdk: str) -> None:
    """Compare what a client saw with what the fixture site offers."""
    seen = json.loads(printed)
    assert seen["sdk"].startswith(sdk)
    assert seen["initialize"]["protocolVersion"] == "2025-11-25"
    assert seen["initialize"]["serverInfo"] == SERVER
    assert seen["tools"][0] == "test_simple_text"
    assert {"add", "echo", "slow_echo", "count_rows"} <= set(seen["tools"])
    assert seen["call"] == text_result("5") | {"structuredContent": {"result": 5}}
    assert seen["concurrent"] == [f"number {index}" for index in range(20)]
    assert seen["resource"]["contents"] == [
        {
            "uri": "test://static-text",
            "mimeType": "text/plain",
            "text": "This is the content of the static text resource.",
        }
    ]
    assert seen["prompt"]["messages"] == [
        {
            "role": "user",
            "content": {
                "type": "text",
                "text": "Prompt with arguments: arg1='one', arg2='two'",
            },
        }
    ]
    assert seen["progress"] == [[0, 100], [50, 100], [100, 100]]
    filled = {"username": "Who are you?", "email": "ann@example.com"}
    assert seen["elicitation"] == text_result(f"User response: accept, {filled}")
    assert seen["sampling"] == text_result("LLM response: Paris")
    assert seen["cancelled"] == {"before": 1, "after": 0}
    assert seen["ping"] == {}


@pytest.mark.parametrize("sdk", SDKS)
def test_sdk_client_does_everything_over_sse(sdk: str, site: Daphne) -> None:
    """Spec: 2024-11-05 basic/transports, "HTTP with SSE"; all legacy features."""
    command = [SDKS[sdk](), CLIENT, "sse", f"{site.url}/mcp/sse"]
    printed, complaints = processes.run(command, {})
    assert_saw_everything(printed, sdk)
    assert complaints == ""


@pytest.mark.parametrize("entry", STDIO_COMMANDS)
@pytest.mark.parametrize("sdk", SDKS)
def test_sdk_client_does_everything_over_stdio(
    sdk: str, entry: str, tmp_path: Path
) -> None:
    """Spec: 2025-11-25 basic/transports, "stdio"; both commands that we offer."""
    server = [sys.executable, *STDIO_COMMANDS[entry]]
    printed, complaints = processes.run(
        [SDKS[sdk](), CLIENT, "stdio", *server],
        {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "CONFORMANCE_DATABASE": str(tmp_path / "site.sqlite3"),
        },
    )
    assert_saw_everything(printed, sdk)
    assert complaints == ""
