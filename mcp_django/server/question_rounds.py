"""Asking the client of a legacy session, and waiting for what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
from mcp_types.jsonrpc import (
    INTERNAL_ERROR,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from mcp_django.conf import mcp_settings
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.asking import Question
from mcp_django.server.requests import Request

Answer: TypeAlias = JSONRPCResponse | JSONRPCError


@dataclass(slots=True)
class Pending:
    """A question that the client has yet to answer."""

    is_answered: anyio.Event = field(default_factory=anyio.Event)
    answer: Answer | None = None

    def learn(self, answer: Answer) -> None:
        """Take the client's answer; whoever waits for it goes on."""
        self.answer = answer
        self.is_answered.set()


Begin: TypeAlias = Callable[[Question[Any]], Awaitable[tuple[JSONRPCRequest, Pending]]]
End: TypeAlias = Callable[[RequestId], Message]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


async def ask_round(
    request: Request,
    questions: Sequence[Question[Any]],
    *,
    begin: Begin,
    end: End,
    send: Send,
) -> None:
    """Ask the client a round of questions, all at once, and learn the answers.

    Args:
        request: Whose handler asks.
        questions: What to ask.
        begin: Makes a request of a question, whose answer is waited for from then on.
        end: Stops waiting for it; gives what tells the client so.
        send: Sends a message to the client.
    """
    asks: list[tuple[Question[Any], RequestId, Pending]] = []
    try:
        for question in questions:
            message, pending = await begin(question)
            asks.append((question, message.id, pending))
            await send(message)
        with anyio.move_on_after(mcp_settings.ASK_TIMEOUT):
            for _, _, pending in asks:
                await pending.is_answered.wait()
    finally:
        # All of them before anything is sent, which may fail.
        withdrawals = [(end(id), pending) for _, id, pending in asks]
        for withdrawal, pending in withdrawals:
            if pending.answer is None:
                with anyio.CancelScope(shield=True):
                    await send(withdrawal)
    for question, id, pending in asks:
        request.answers.learn(question, pending.answer or _no_answer(id))


def _no_answer(id: RequestId) -> JSONRPCError:
    return jsonrpc.error(
        id, INTERNAL_ERROR, f"no answer within {mcp_settings.ASK_TIMEOUT} seconds"
    )
