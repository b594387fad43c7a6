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
    RequestId,
)

from mcp_django.conf import mcp_settings
from mcp_django.protocol import jsonrpc
from mcp_django.protocol.events import AnswerMessage
from mcp_django.protocol.jsonrpc import Message
from mcp_django.server.asking import Question
from mcp_django.server.requests import Request


@dataclass(slots=True)
class OpenQuestion:
    """A question that the client has yet to answer."""

    is_answered: anyio.Event = field(default_factory=anyio.Event)
    answer: AnswerMessage | None = None

    def learn(self, answer: AnswerMessage) -> None:
        """Keep the client's answer; the request that waits for it goes on."""
        self.answer = answer
        self.is_answered.set()


Begin: TypeAlias = Callable[
    [Question[Any]], Awaitable[tuple[JSONRPCRequest, OpenQuestion]]
]
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
    asks: list[tuple[Question[Any], RequestId, OpenQuestion]] = []
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


def refuse_round(
    request: Request, questions: Sequence[Question[Any]], reason: str
) -> None:
    """Let a handler find that its client cannot be asked.

    Args:
        request: Whose handler asks.
        questions: What it asks.
        reason: For the handler, and its log.
    """
    error = jsonrpc.error(None, INTERNAL_ERROR, reason)
    for question in questions:
        request.answers.learn(question, error)


def _no_answer(id: RequestId) -> JSONRPCError:
    return jsonrpc.error(
        id, INTERNAL_ERROR, f"no answer within {mcp_settings.ASK_TIMEOUT} seconds"
    )
