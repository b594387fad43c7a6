"""What a client has answered to the questions of one request, for its next runs.

In the legacy era the answers come while the request waits; in the modern era a retried
request brings them along. An answer that does not fit is asked for again.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio.lowlevel
from mcp_types.jsonrpc import JSONRPCError, JSONRPCResponse

from mcp_django.bulkheads.fault_log import FaultLog
from mcp_django.exceptions import AskFailed
from mcp_django.protocol.jsonrpc import JSON, JSONObject
from mcp_django.server.asking import Question, QuestionsAsked

logger = FaultLog("mcp_django.server")

T = TypeVar("T")

MAX_UNFIT = 3
"""Answers to one question that do not fit; after them the handler hears of it."""


@dataclass(frozen=True, slots=True)
class Given:
    """Answers that a retried request brings along; modern era.

    Attributes:
        rounds: How many rounds of questions came before.
        answered: Key -> digest of a question of an earlier round, and its result.
        asked: Key -> digest of a question of the last round; None if the client
            sent no state, so that this counts as the first round.
        results: Key -> result that the client sent now, unchecked.
        unfit: Key -> digest of a question, and how many answers to it did not fit.
    """

    rounds: int
    answered: Mapping[str, tuple[str, JSONObject]]
    asked: Mapping[str, str] | None
    results: Mapping[str, Any]
    unfit: Mapping[str, tuple[str, int]] = field(default_factory=dict)


_NOTHING_GIVEN = Given(0, {}, None, {})


class Answers:
    """What the client answered to one request's questions so far.

    Args:
        given: What a retried request brought along.
    """

    __slots__ = (
        "_elicitation_ids",
        "_faults",
        "_known",
        "_open",
        "_run",
        "_taken",
        "_unfit",
        "_used",
        "given",
    )

    def __init__(self, given: Given = _NOTHING_GIVEN) -> None:
        self.given = given
        # Key -> digest of the question and its result, of the answers given that
        # this run has used.
        self._used: dict[str, tuple[str, JSONObject]] = {}
        # Key -> the question as it was asked, and the client's answer to it.
        self._known: dict[
            str, tuple[tuple[str, JSONObject], JSONRPCResponse | JSONRPCError]
        ] = {}
        # Key -> digest of the question, and how many answers to it did not fit.
        self._unfit: dict[str, tuple[str, int]] = dict(given.unfit)
        # Key -> what is wrong with the last of them, of questions that this run asks.
        self._faults: dict[str, str] = {}
        # Key -> question, of those that this run asked: without an answer, and all.
        self._open: dict[str, Question[Any]] = {}
        self._run: dict[str, Question[Any]] = {}
        self._elicitation_ids: dict[str, str] = {}
        self._taken = 0

    def begin_run(self) -> None:
        """Forget which questions the last run asked, keep the answers."""
        self._open.clear()
        self._run.clear()
        self._used.clear()
        self._faults.clear()
        self._taken = 0

    def to_keep(
        self, open_questions: Sequence[Question[Any]]
    ) -> Mapping[str, tuple[str, JSONObject]]:
        """Give the answers that the next round needs: key -> digest and result.

        Also those that this run has not come by, for it may have taken another way.

        Args:
            open_questions: What is asked now; older answers to it do not count.
        """
        given = self.given
        kept = dict(given.answered)
        for key, digest in (given.asked or {}).items():
            result = given.results.get(key)
            if isinstance(result, dict):
                kept[key] = (digest, result)
        kept |= self._used
        for question in open_questions:
            kept.pop(question.key, None)
        return kept

    def learn(
        self, question: Question[Any], answer: JSONRPCResponse | JSONRPCError
    ) -> None:
        """Keep the answer to a question for the runs to come."""
        self._known[question.key] = (question.asked, answer)
        if isinstance(answer, JSONRPCResponse):
            try:
                question.read(answer.result)
            except ValueError as error:
                self._count(question, str(error))

    @property
    def unfit(self) -> Mapping[str, tuple[str, int]]:
        """Key -> digest of a question, and how many answers to it did not fit."""
        return self._unfit

    def _count(self, question: Question[Any], fault: str) -> None:
        """Count an answer that does not fit, and tell the log what is wrong."""
        digest, count = self._unfit.get(question.key, (question.digest, 0))
        count = count + 1 if digest == question.digest else 1
        self._unfit[question.key] = (question.digest, count)
        logger.log(
            logging.WARNING if count >= MAX_UNFIT else logging.INFO,
            "%s: answer %d to question %r (%s) does not fit: %s",
            question.asker,
            count,
            question.key,
            question.method,
            fault,
            of=question.key,
        )

    def _count_once(self, question: Question[Any], fault: str) -> None:
        """Count what a request brought along, which is there in each of its runs."""
        if self._unfit.get(question.key) == self.given.unfit.get(question.key):
            self._count(question, fault)

    def _ask_again(self, question: Question[Any], fault: str) -> None:
        """Remember what is wrong with an answer, or tell the handler.

        Raises:
            AskFailed: The question was asked often enough.
        """
        digest, count = self._unfit.get(question.key, ("", 0))
        if digest == question.digest and count >= MAX_UNFIT:
            raise AskFailed(
                f"client answered {question.method!r} {count} times with what does "
                f"not fit; the last time: {fault}"
            )
        self._faults[question.key] = fault

    def name(self, key: str | None) -> str:
        """Name the next question of this run: as it likes, or else by its place."""
        self._taken += 1
        return f"question-{self._taken}" if key is None else key

    def elicitation_id(self, key: str) -> str:
        """Name a visit to a URL, in every run of the handler the same."""
        return self._elicitation_ids.setdefault(key, str(uuid.uuid4()))

    def find(self, question: Question[T]) -> tuple[T] | None:
        """Look an answer up.

        Returns:
            The answer in a tuple, or None if the question has to be asked: it is
            new, is no longer the same, or its answer did not fit.

        Raises:
            AskFailed: The client answered with an error, or never with what fits.
            ValueError: This run has asked something else with the same key.
        """
        earlier = self._run.setdefault(question.key, question)
        if earlier.asked != question.asked:
            raise ValueError(
                f"two questions have the key {question.key!r}; give each its own"
            )
        known = self._known.get(question.key)
        if known is None:
            return self._find_given(question)
        if known[0] != question.asked:
            return None
        match known[1]:
            case JSONRPCError(error=error):
                raise AskFailed(
                    f"client refused {question.method!r}: {error.message} "
                    f"({error.code})"
                )
            case JSONRPCResponse(result=result):
                try:
                    return (question.read(result),)
                except ValueError as error:
                    self._ask_again(question, str(error))
                    return None

    def _find_given(self, question: Question[T]) -> tuple[T] | None:
        """Look for an answer that the request brought along."""
        given, key = self.given, question.key
        if key not in given.answered and key not in given.results:
            return None
        digest = question.digest
        fault = None
        if key in given.answered and given.answered[key][0] == digest:
            kept = given.answered[key][1]
            try:
                return self._use(question, kept)
            except ValueError as error:
                fault = str(error)
                if given.unfit.get(key, ("", 0))[0] != digest:
                    # It came with an answer to something else, and was not read.
                    self._count_once(question, fault)
        # With a state, only what was asked in the last round can be answered.
        if key in given.results and (
            given.asked is None or given.asked.get(key) == digest
        ):
            try:
                return self._use(question, given.results[key])
            except ValueError as error:
                fault = str(error)
                self._count_once(question, fault)
        if fault is not None:
            self._ask_again(question, fault)
        return None

    def _use(self, question: Question[T], result: JSON) -> tuple[T]:
        """Read an answer that was brought along, and keep it if it fits.

        Raises:
            ValueError: It does not.
        """
        if not isinstance(result, dict):
            raise ValueError("the answer is no object")
        answer = question.read(result)
        self._used[question.key] = (question.digest, result)
        return (answer,)

    def _open_question(self, question: Question[Any]) -> None:
        fault = self._faults.get(question.key)
        self._open[question.key] = question if fault is None else question.again(fault)

    def ask(self, question: Question[T]) -> T:
        """Return the answer to a question, or end the run at it; for `def` handlers.

        Raises:
            QuestionsAsked: The client has to be asked.
            AskFailed: The client answered with an error, or never with what fits.
            ValueError: This run has asked something else with the same key.
        """
        found = self.find(question)
        if found is not None:
            return found[0]
        self._open_question(question)
        raise QuestionsAsked(list(self._open.values()))

    async def ask_together(self, question: Question[T]) -> T:
        """Do the same for `async def` handlers, and wait for questions asked at once.

        Tasks of a `gather` or a `TaskGroup` reach their questions one after the
        other; the run ends when none adds a question any more, so that all of them
        go to the client in one round.

        Raises:
            QuestionsAsked: The client has to be asked.
            AskFailed: The client answered with an error, or never with what fits.
        """
        found = self.find(question)
        if found is not None:
            return found[0]
        self._open_question(question)
        seen = 0
        while seen < len(self._open):
            seen = len(self._open)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
        raise QuestionsAsked(list(self._open.values()))
