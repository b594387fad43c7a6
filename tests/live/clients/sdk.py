"""A client program by the official SDK, 1.x or 2.x: does all, prints what it saw.

::

    python sdk.py sse URL
    python sdk.py http URL
    python sdk.py modern URL
    python sdk.py stdio PROGRAM ARGUMENTS...
    python sdk.py bridge PROGRAM ARGUMENTS...
    python sdk.py modern-bridge PROGRAM ARGUMENTS...

`modern` finds out by itself what the server speaks, over Streamable HTTP; only the 2.x
release can. The others open a session of the legacy era.

Behind a bridge, over stdio, the server has other ids for requests than the client. So
the 1.x release, which has to be told the id of what it shall cancel, cancels nothing
there.

What it saw goes to standard output as one JSON object.
"""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

IS_SDK_1 = version("mcp").startswith("1.")
if not IS_SDK_1:
    from mcp import Client

BOUND = 60.0  # as in tests/patience.py, which other interpreters do not find


def wire(model: Any) -> Any:
    """Give a model as it was on the wire."""
    return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


@asynccontextmanager
async def connect(kind: str, *target: str) -> AsyncIterator[tuple[Any, Any]]:
    """Open the streams of a transport."""
    if kind == "sse":
        async with sse_client(target[0]) as (reading, writing):
            yield reading, writing
    elif kind == "http":
        # The 1.x release gives a third value.
        async with streamable_http_client(target[0]) as (reading, writing, *_):
            yield reading, writing
    else:
        program, *arguments = target
        parameters = StdioServerParameters(
            command=program, args=arguments, env=dict(os.environ)
        )
        async with stdio_client(parameters) as (reading, writing):
            yield reading, writing


async def answer_elicitation(context: Any, params: Any) -> Any:
    """Fill in the form of `test_elicitation`."""
    content = {"username": params.message, "email": "ann@example.com"}
    return types.ElicitResult.model_validate({"action": "accept", "content": content})


async def answer_sampling(context: Any, params: Any) -> Any:
    """Be the language model."""
    return types.CreateMessageResult.model_validate(
        {
            "role": "assistant",
            "content": {"type": "text", "text": "Paris"},
            "model": "a model",
        }
    )


async def use_session(kind: str, *target: str) -> dict[str, Any]:
    """Open a session, do everything, close it; tell what came of it."""
    async with (
        connect(kind, *target) as (reading, writing),
        ClientSession(
            reading,
            writing,
            elicitation_callback=answer_elicitation,
            sampling_callback=answer_sampling,
        ) as session,
    ):
        initialized: Any = await session.initialize()
        agreed = wire(initialized)
        return {
            "protocolVersion": agreed["protocolVersion"],
            "serverInfo": agreed["serverInfo"],
            **await use(session, cancels=kind != "bridge" or not IS_SDK_1),
            "ping": wire(await session.send_ping()),
        }


async def use_modern(*target: str) -> dict[str, Any]:
    """Connect in the newest way that the server knows, do everything, close."""
    program, *arguments = target
    async with Client(
        StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
        if arguments
        else target[0],
        elicitation_callback=answer_elicitation,
        sampling_callback=answer_sampling,
    ) as client:
        return {
            "protocolVersion": client.protocol_version,
            "serverInfo": wire(client.server_info),
            **await use(client),
        }


async def use(session: Any, *, cancels: bool = True) -> dict[str, Any]:
    """Do everything once, and tell what came of it.

    Args:
        session: A `ClientSession` or a `Client`; they have the same methods.
        cancels: Whether to cancel a call, too.
    """
    seen: dict[str, Any] = {}
    seen["tools"] = [tool.name for tool in (await session.list_tools()).tools]
    seen["call"] = wire(await session.call_tool("add", {"a": 2, "b": 3}))
    seen["concurrent"] = await call_together(session, 20)
    seen["resource"] = wire(await session.read_resource("test://static-text"))
    seen["prompt"] = wire(
        await session.get_prompt(
            "test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}
        )
    )
    seen["progress"] = await call_with_progress(session)
    seen["elicitation"] = wire(
        await session.call_tool("test_elicitation", {"message": "Who are you?"})
    )
    seen["sampling"] = wire(
        await session.call_tool("test_sampling", {"prompt": "Capital of France?"})
    )
    seen["reconnection"] = wire(await session.call_tool("test_reconnection"))
    if cancels:
        seen["cancelled"] = await cancel_call(session)
    return seen


async def call_together(session: Any, number: int) -> list[str]:
    """Call a tool so many times at once."""
    texts = [""] * number

    async def call(index: int) -> None:
        result = await session.call_tool(
            "slow_echo", {"text": f"number {index}", "delay": 0.2}
        )
        texts[index] = result.content[0].text

    async with anyio.create_task_group() as tasks:
        for index in range(number):
            tasks.start_soon(call, index)
    return texts


async def call_with_progress(session: Any) -> list[Any]:
    """Call a tool that reports progress."""
    reports: list[Any] = []

    async def on_progress(
        progress: float, total: float | None, message: str | None
    ) -> None:
        reports.append([progress, total])

    await session.call_tool("test_tool_with_progress", progress_callback=on_progress)
    return reports


async def cancel_call(session: Any) -> dict[str, Any]:
    """Begin a long call and cancel it; tell what ran before and after."""

    async def call() -> None:
        await session.call_tool("slow_echo", {"text": "", "delay": 60})

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        before = await wait_for_echoes(session, lambda running: len(running) == 1)
        if IS_SDK_1:
            # The 1.x release tells the server only when asked to.
            cancelled = types.CancelledNotification.model_validate(
                {
                    "method": "notifications/cancelled",
                    "params": {"requestId": before[0]},
                }
            )
            notification: Any = types.ClientNotification
            await session.send_notification(notification(cancelled))
        tasks.cancel_scope.cancel()
    after = await wait_for_echoes(session, lambda running: not running)
    return {"before": len(before), "after": len(after)}


async def wait_for_echoes(
    session: Any, is_so: Callable[[list[Any]], bool]
) -> list[Any]:
    """Ask which calls of `slow_echo` run until the answer is as it should be."""
    with anyio.fail_after(BOUND):
        while True:
            result = await session.call_tool("slow_echoes")
            seen: list[Any] = json.loads(result.content[0].text)["running"]
            if is_so(seen):
                return seen
            await anyio.sleep(0.01)


async def main() -> None:
    """Connect, do everything, close, print."""
    kind, *target = sys.argv[1:]
    with anyio.fail_after(BOUND):
        if kind in ("modern", "modern-bridge"):
            seen = await use_modern(*target)
        else:
            seen = await use_session(kind, *target)
    print(json.dumps({"sdk": version("mcp"), **seen}))  # noqa: T201


if __name__ == "__main__":
    anyio.run(main)
