"""What is said of code of the site that decides, and gives no answer in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from mcp_django.bulkheads.decisions import ask_in_thread
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.bulkheads.services import Service
from mcp_django.exceptions import ServiceAway

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("has_thread", [True, False])
async def test_only_what_was_asked_is_said_not_to_answer(
    has_thread: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Chosen: of what waits for a thread in vain, the log names the threads."""
    service = Service(
        "the directory",
        "nobody comes in",
        timeout=lambda: 0.01,
        logger=FaultLog("mcp_django.tests"),
    )

    async def run(function: Callable[[], Any]) -> Any:
        if has_thread:
            function()
        await anyio.sleep_forever()

    with pytest.raises(ServiceAway):
        await ask_in_thread(service, lambda: None, run)

    said = (
        "the directory does not answer: nobody comes in "
        "(TimeoutError('no answer in 0.01 seconds'))"
    )
    assert caplog.messages == ([said] if has_thread else [])
