"""What Django's receivers are told of failures."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from django.core.signals import got_request_exception
from pytest_django import Settings

from mcp_django.server.failures import tell_of_failure

PATIENCE_SECONDS = 5

said: ContextVar[str] = ContextVar("said", default="")


@contextmanager
def hearing(receive: Callable[..., Any]) -> Iterator[None]:
    """Connect a receiver in a block."""
    got_request_exception.connect(receive)
    try:
        yield
    finally:
        got_request_exception.disconnect(receive)


@pytest.mark.anyio
async def test_receivers_find_the_error_and_the_context_of_the_caller() -> None:
    """We promise it: as in a view, so that error reporting works."""
    found: list[Any] = []

    def receive(sender: object, **named: Any) -> None:
        found.append((sender, named["request"], sys.exception(), said.get()))

    error = LookupError("here")
    said.set("by the caller")
    with hearing(receive):
        await tell_of_failure("sender", error)

    assert found == [("sender", None, error, "by the caller")]


async def test_receiver_that_hangs_holds_up_one_answer_for_a_bound_and_no_other(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: such as one that reports over a network that drops packets."""
    settings.MCP = {"RECEIVER_TIMEOUT": 0.2}
    released = threading.Event()
    heard: list[str] = []

    def hang(**named: Any) -> None:
        heard.append("hung")
        released.wait()

    try:
        with hearing(hang), anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tell_of_failure, None, LookupError())
                # The event loop runs on.
                while not heard:
                    await anyio.lowlevel.checkpoint()
            await tell_of_failure(None, LookupError())
    finally:
        released.set()

    assert heard == ["hung"]
    assert caplog.messages == [
        "a receiver of got_request_exception does not answer: some failures are not "
        "told of (TimeoutError('no answer in 0.2 seconds'))"
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
async def test_async_receivers_are_called_and_end_nothing(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """We promise it: they run in an event loop of their own."""
    heard: list[int] = []

    async def receive(**named: Any) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(threading.get_ident())
        raise kind

    with hearing(receive):
        await tell_of_failure(None, LookupError())

    [thread] = heard
    assert thread != threading.get_ident()
    assert caplog.messages == ["a receiver of got_request_exception failed; mend it"]
