"""Calls of a legacy server that are held open while a modern client is asked.

A legacy server asks in the middle of a call, and waits. A modern client is asked by the
answer to its request, and sends the request again with its answers. So the call goes on
at the one end while the client comes and goes at the other.

Spec: 2025-11-25 client/elicitation; 2026-07-28 basic/patterns/mrtr.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskGroup
from mcp_types.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS

from mcp_django.bridge.results import (
    offers,
    question_for_modern,
)
from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import ErrorAnswer
from mcp_django.protocol.events import Peer
from mcp_django.protocol.input_rounds import RETRY_MEMBERS
from mcp_django.protocol.jsonrpc import JSON, JSONObject

logger = FaultLog("mcp_django.client")

Send: TypeAlias = Callable[[], Awaitable[JSONObject]]
"""Sends the request of a call to the server, and waits for its result."""

Report: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells a client how far the server is."""

_HELD_SECONDS: Final = 600.0
"""As long as our own servers wait for an answer."""

_MAX_HELD: Final = 100
"""Calls whose client is away."""


@dataclass(eq=False)
class _Question:
    """What the server asks and waits for."""

    method: str
    params: JSONObject
    is_answered: anyio.Event = field(default_factory=anyio.Event)
    answer: JSONObject | None = None


class Call:
    """A call of the server, from the first request for it to its result.

    ::

        ATTACHED --the server asks: `input_required`--> HELD
        HELD --the client comes back--> ATTACHED
        ATTACHED --the result is taken, or the client cancels--> OVER
        HELD --its client does not come back--> OVER

    Args:
        method: Of the request.
        params: As the client sent them.
        peer: What the client said of itself.
        report: As the attribute.

    Attributes:
        scope: Cancels the call.
        report: Tells the request that waits now how far the server is.
        is_held: Whether no request waits.
    """

    def __init__(
        self, method: str, params: JSONObject, peer: Peer, report: Report
    ) -> None:
        self.scope = anyio.CancelScope()
        self.report = report
        self.is_held = False
        self._asked_for = _salient(method, params)
        self._peer = peer
        self._questions: dict[str, _Question] = {}
        self._last_question = 0
        self._outcome: JSONObject | Exception | None = None
        self._news = anyio.Event()
        self._is_taken = anyio.Event()

    async def run(self, send: Send) -> None:
        """Carry the call out, and keep what comes of it until it is taken."""
        with self.scope:
            try:
                self._outcome = await send()
            except Exception as error:
                self._outcome = error
            finally:
                self._let_questions_go()
            self._news.set()
            await self._is_taken.wait()

    async def hear_progress(
        self, progress: float, total: float | None, message: str | None
    ) -> None:
        """Pass on how far the server is."""
        await self.report(progress, total, message)

    def can_be_asked(self, capability: str, params: JSONObject) -> bool:
        """Say whether the call goes on, and its client can answer a question."""
        return self._outcome is None and offers(self._peer, capability, params)

    async def ask(self, method: str, params: JSONObject) -> JSONObject | None:
        """Ask the client, which may be away, and wait for its answer.

        Returns:
            The answer; None if the call is over before there is one.
        """
        self._last_question += 1
        key, question = f"question-{self._last_question}", _Question(method, params)
        self._questions[key] = question
        self._news.set()
        try:
            await question.is_answered.wait()
        finally:
            self._questions.pop(key, None)
        return question.answer

    async def wait(self) -> JSONObject | None:
        """Wait until there is a result, or the client has to be asked.

        Returns:
            The result; None if there are questions.

        Raises:
            Exception: What came of the call instead.
        """
        while self._outcome is None and not self._questions:
            self._news = anyio.Event()
            await self._news.wait()
        if self._outcome is None:
            return None
        self._is_taken.set()
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    @property
    def input_requests(self) -> JSONObject:
        """What the server asks: key to request, as a result carries them."""
        return {
            key: question_for_modern(question.method, question.params)
            for key, question in self._questions.items()
        }

    def is_for(self, method: str, params: JSONObject) -> bool:
        """Say whether a request asks for the same."""
        return _salient(method, params) == self._asked_for

    def learn(self, answers: Mapping[str, JSON]) -> None:
        """Take the client's answers; what it left out is asked again."""
        for key, question in list(self._questions.items()):
            answer = answers.get(key)
            if isinstance(answer, dict):
                del self._questions[key]
                question.answer = answer
                question.is_answered.set()

    def _let_questions_go(self) -> None:
        """Let no task wait for answers that this call brings no more."""
        for question in self._questions.values():
            question.is_answered.set()
        self._questions.clear()


class Calls:
    """The calls of one client.

    Args:
        tasks: Where they run.
        held_seconds: How long a client may be away before its call is cancelled.
    """

    def __init__(
        self, tasks: TaskGroup, *, held_seconds: float = _HELD_SECONDS
    ) -> None:
        self._tasks = tasks
        self._held_seconds = held_seconds
        # Sets in all but type, which keep the order.
        self._open: dict[Call, None] = {}
        # What the client has to bring back -> the call that waits for it.
        self._held: dict[str, Call] = {}

    def begin(self, call: Call, send: Send) -> None:
        """Carry a call out, in a task of its own."""
        self._open[call] = None
        self._tasks.start_soon(self._run, call, send)

    async def ask(
        self, capability: str, method: str, params: JSONObject
    ) -> JSONObject | None:
        """Ask the client by the result of a call, and wait for its answer.

        The server does not say to which call a question belongs. So it is put to one
        whose request waits, the oldest of those, else to the oldest whose client is
        away. Wherever the client answers it, the server gets the answer.

        Args:
            capability: That the question needs.
            method: Of the question.
            params: Of the question.

        Returns:
            The answer; None if there is no call whose client can answer.
        """
        while True:
            askable = [c for c in self._open if c.can_be_asked(capability, params)]
            # In this order they began; sorting keeps it.
            askable.sort(key=lambda call: call.is_held)
            if not askable:
                return None
            answer = await askable[0].ask(method, params)
            if answer is not None:
                return answer

    async def answer(self, call: Call) -> JSONObject:
        """Wait for the result of a call, or make the result that asks the client.

        Raises:
            Exception: What came of the call instead.
        """
        is_over = True
        try:
            result = await call.wait()
            if result is not None:
                return result
            if len(self._held) >= _MAX_HELD:
                raise ErrorAnswer(
                    INTERNAL_ERROR,
                    f"{_MAX_HELD} calls wait for answers already; give those first",
                )
            is_over = False
        finally:
            if is_over:
                call.scope.cancel()
        call.is_held = True
        state = secrets.token_urlsafe(32)
        self._held[state] = call
        call.scope.deadline = anyio.current_time() + self._held_seconds
        return {
            "resultType": "input_required",
            "inputRequests": call.input_requests,
            "requestState": state,
        }

    def resume(self, method: str, params: JSONObject) -> Call:
        """Find the call that a request brings answers to.

        Raises:
            ErrorAnswer: There is none, or the request is for something else.
        """
        state, answers = params["requestState"], params.get("inputResponses") or {}
        if not isinstance(state, str) or state not in self._held:
            raise ErrorAnswer(
                INVALID_PARAMS,
                "requestState is unknown, was used already or has expired; send the "
                "request again without it",
            )
        if not (isinstance(answers, dict) and self._held[state].is_for(method, params)):
            raise ErrorAnswer(
                INVALID_PARAMS,
                "requestState belongs to another request, or inputResponses is no "
                "object",
            )
        call = self._held.pop(state)
        call.is_held = False
        call.scope.deadline = math.inf
        call.learn(answers)
        return call

    async def _run(self, call: Call, send: Send) -> None:
        try:
            await call.run(send)
        finally:
            del self._open[call]
            for state in [s for s, held in self._held.items() if held is call]:
                logger.info("a call is cancelled, to whose questions no answer came")
                del self._held[state]


def _salient(method: str, params: JSONObject) -> tuple[str, JSONObject]:
    """Give what makes two requests the same."""
    left_out = RETRY_MEMBERS | {"_meta"}
    return method, {k: v for k, v in params.items() if k not in left_out}
